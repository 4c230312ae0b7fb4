"""The quick start: linear weights, what the teacher teaches, cutting to L and β."""

import numpy as np
import pytest
import torch

from helpers import training
from helpers.brains import distilling
from helpers.brains.convergence import check_losses, is_flat
from helpers.brains.linear_vae import LinearVAE
from helpers.brains.vae import BetaVAE
from helpers.data.phantoms import population

HERE = training.Place("cpu", bfloat16=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "population"
    folder = population.generate(out, n=96, seed=0, shape=(40, 56))
    return np.load(folder / "images.npy").astype(np.float32) / 255


def test_looks_linear_weights_make_a_linear_network(images):
    torch.manual_seed(0)
    model = BetaVAE((40, 56), 6, 3.0)
    distilling.looks_linear(model)
    model.requires_grad_(False)
    x, y = torch.randn(2, 3, 1, 40, 56)
    np.testing.assert_allclose(
        model.encoder(2 * x - 3 * y), 2 * model.encoder(x) - 3 * model.encoder(y), atol=1e-4
    )
    z, w = torch.randn(2, 3, 6)
    np.testing.assert_allclose(
        model.decoder(2 * z - 3 * w), 2 * model.decoder(z) - 3 * model.decoder(w), atol=1e-4
    )
    assert np.linalg.matrix_rank(model.decoder(torch.eye(6)).flatten(1).numpy()) == 6


def test_distilling_comes_near_the_linear_optimum(images):
    linear = LinearVAE.fit(images, 4, 3.0)
    mean_image = np.square(images - linear.mean).sum((1, 2)).mean()
    start = distilling.distil(linear, images, updates=(150, 150, 0), batch_size=16, place=HERE)
    error = np.square(start.decode(start.encode(images)) - images).sum((1, 2)).mean()
    explained = (mean_image - error) / (mean_image - linear.terms(images)[0])
    assert explained > 0.6
    np.testing.assert_allclose(
        start.encode_distribution(images)[1], linear.encode_distribution(images)[1], atol=1e-4
    )


def test_nested_training_makes_short_codes_better(images):
    linear = LinearVAE.fit(images, 8, 3.0)

    def error(updates):
        start = distilling.distil(linear, images, updates=updates, batch_size=16, place=HERE)
        short = distilling.started(start, linear, 4, 3.0)
        return np.square(short.decode(short.encode(images)) - images).sum((1, 2)).mean()

    assert error((100, 100, 60)) < error((100, 100, 0))


def test_started_follows_the_closed_form(images):
    linear = LinearVAE.fit(images, 6, 1.0)
    start = distilling.distil(linear, images, updates=(2, 2, 0), batch_size=8, place=HERE)
    model, after = distilling.started(start, linear, 4, 20.0), linear.at(4, 20.0)
    mean, logvar = start.encode_distribution(images)
    own_mean, own_logvar = model.encode_distribution(images)
    ratio = after.gain / linear.gain[:4]
    np.testing.assert_allclose(own_mean, mean[:, :4] * ratio, rtol=1e-3, atol=1e-4)
    expected = logvar[:, :4] + np.log(after.variance / linear.variance[:4])
    np.testing.assert_allclose(own_logvar, expected, atol=1e-4)
    z = np.random.default_rng(0).standard_normal((3, 4))
    full = np.pad(z * ratio, ((0, 0), (0, 2)))  # silent beyond the fourth
    np.testing.assert_allclose(model.decode(z), start.decode(full), atol=1e-4)


def test_a_start_serves_only_its_own_linear_vae(images):
    start = BetaVAE((40, 56), 6, 3.0)
    with pytest.raises(ValueError, match="distilled from"):
        distilling.started(start, LinearVAE.fit(images, 5, 3.0), 4, 1.0)


def test_the_same_seed_gives_the_same_start(images):
    linear = LinearVAE.fit(images, 4, 3.0)
    a, b, c = (
        distilling.distil(linear, images, updates=(2, 2, 2), batch_size=8, seed=seed, place=HERE)
        for seed in (0, 0, 1)
    )
    assert torch.equal(a.decoder[0].weight, b.decoder[0].weight)
    assert not torch.equal(a.decoder[0].weight, c.decoder[0].weight)


def test_flat_means_little_gained_over_the_window():
    assert not is_flat([30, 29, 28])
    assert is_flat([30, 24, 23.95, 24.1])
    assert not is_flat([30, 24, 24.5, 23.8])
    assert not is_flat([24.0, 24.0])


def test_losses_above_the_linear_optimum_or_rising_with_l_are_named():
    row = {"beta": 3.0, "seed": 0, "linear_loss": 26.0}
    good = [row | {"latent_dim": 8, "loss": 25.0}, row | {"latent_dim": 16, "loss": 21.0}]
    assert check_losses(good) == []
    (rises,) = check_losses([good[0], row | {"latent_dim": 16, "loss": 25.5}])
    assert "training, not capacity" in rises and "L = 16" in rises
    (above,) = check_losses([row | {"latent_dim": 8, "loss": 27.0}])
    assert "3.8% above the linear optimum 26.00" in above
