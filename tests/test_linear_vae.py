"""The linear optimum against a long gradient descent, the network's own loss, and PCA."""

import numpy as np
import pytest
import torch

from helpers.brains.linear_vae import LinearVAE
from helpers.brains.vae import BetaVAE, PCABaseline
from helpers.data import intensity
from helpers.data.phantoms import population


def _images(n=60, shape=(4, 6), seed=0):
    """Images that vary along a few directions by different amounts, and a little along all."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((shape[0] * shape[1], 5)))[0]
    spread = [1.2, 0.8, 0.5, 0.3, 0.1]
    flat = rng.standard_normal((n, 5)) * spread @ axes.T + 0.05 * rng.standard_normal(
        (n, axes.shape[0])
    )
    return (0.5 + flat).reshape(n, *shape).astype(np.float32)


def _descended(images, latent_dim, weight, steps=400):
    """Training loss of a linear encoder and decoder, the noise averaged out, after descent."""
    torch.manual_seed(1)
    x = torch.from_numpy(images.reshape(len(images), -1)).double()
    size = x.shape[1]
    decoder = (0.3 * torch.randn(size, latent_dim, dtype=torch.float64)).requires_grad_()
    encoder = (0.3 * torch.randn(latent_dim, size, dtype=torch.float64)).requires_grad_()
    offset, shift = (
        x.mean(0).clone().requires_grad_(),
        torch.zeros(latent_dim).double().requires_grad_(),
    )
    logvar = torch.zeros(latent_dim, dtype=torch.float64).requires_grad_()

    def terms():
        mean = x @ encoder.T + shift
        error = (x - offset - mean @ decoder.T).square().sum(1).mean()
        error = error + (decoder.square().sum(0) * logvar.exp()).sum()
        return error, 0.5 * (mean.square().mean(0) + logvar.exp() - 1 - logvar).sum()

    def closure():
        optimizer.zero_grad()
        error, kl = terms()
        loss = error + weight * kl
        loss.backward()
        return loss

    optimizer = torch.optim.LBFGS(
        [decoder, encoder, offset, shift, logvar],
        max_iter=steps, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe",
    )  # fmt: skip
    loss = optimizer.step(closure)
    loss, (error, kl) = closure(), terms()
    return loss.item(), error.item(), kl.item()


@pytest.mark.parametrize(("latent_dim", "beta", "active"), [(3, 300, 3), (4, 1500, 3), (2, 60, 2)])
def test_closed_form_is_where_gradient_descent_ends(latent_dim, beta, active):
    images = _images()
    linear = LinearVAE.fit(images, latent_dim, beta)
    loss, error, kl = _descended(images, latent_dim, linear.kl_weight)
    found_error, found_kl = linear.terms(images, sampled=True)
    assert linear.active.sum() == active
    assert linear.loss(images, sampled=True) <= loss + 1e-6
    np.testing.assert_allclose(linear.loss(images, sampled=True), loss, rtol=1e-4)
    np.testing.assert_allclose([found_error, found_kl.sum()], [error, kl], rtol=5e-3)


def test_sampled_loss_is_the_mean_over_draws():
    images = _images()
    linear = LinearVAE.fit(images, 3, 600)
    rng = np.random.default_rng(0)
    mean, logvar = linear.encode_distribution(images)
    errors = [
        np.square(
            linear.decode(mean + rng.standard_normal(mean.shape) * np.exp(0.5 * logvar)) - images
        )
        .sum((1, 2))
        .mean()
        for _ in range(400)
    ]
    np.testing.assert_allclose(linear.terms(images, sampled=True)[0], np.mean(errors), rtol=0.01)


def test_loss_is_the_networks_loss():
    """The same weights of error and KL at the same β and image size."""
    images = np.random.default_rng(0).random((5, 40, 56), dtype=np.float32)
    linear, network = LinearVAE.fit(images, 2, 3.0), BetaVAE((40, 56), 2, 3.0)
    error, kl = linear.terms(images)
    total = network.total(torch.tensor(error), torch.from_numpy(kl)).item()
    assert linear.loss(images) == pytest.approx(total, rel=1e-6)


def test_optimum_on_the_phantom_of_1200(tmp_path):
    """The loss on held-out brains, and what sampling adds, by the textbook's formulas."""
    folder = population.generate(tmp_path / "phantom", n=1200, seed=0)
    images = np.load(folder / "images.npy").astype(np.float32) / 255
    images = intensity.clip_outliers(intensity.match_brightness(images)[0])[0]
    images = images[np.random.default_rng(0).permutation(1200)]
    train, validation = images[:840], images[840:1020]
    full = LinearVAE.fit(train, 16)
    mean = train.mean(0, dtype=np.float64).ravel()
    _, singular, axes = np.linalg.svd(train.reshape(840, -1) - mean, full_matrices=False)
    others = validation.reshape(180, -1) - mean
    network = BetaVAE(images.shape[1:], 1, 1.0)
    nat = network.total(torch.tensor(0.0), torch.tensor([[1.0]])).item()  # what one nat costs
    for latent_dim, beta in ((8, 3), (8, 1), (16, 3), (16, 1)):
        noise = beta * nat / 2  # variance of a Gaussian pixel under which the loss is the ELBO
        share = noise / (singular[:latent_dim] ** 2 / 840)  # variance of the posterior
        seen = others @ axes[:latent_dim].T
        errors = (others**2).sum(1) - ((1 - share**2) * seen**2).sum(1)
        means = seen * np.sqrt((1 - share) / (singular[:latent_dim] ** 2 / 840))
        nats = 0.5 * (means**2 + share - 1 - np.log(share)).sum(1)
        expected = (errors + beta * nat * nats).mean()
        linear = full.at(latent_dim, beta)
        found = linear.loss(validation)
        assert found == pytest.approx(expected, rel=1e-3)
        more = noise * (1 - share).sum()
        assert linear.loss(validation, sampled=True) - found == pytest.approx(more, rel=1e-2)


def test_small_beta_is_pca_and_large_beta_the_mean_image():
    images = _images()
    pca = PCABaseline.fit(images, 3)
    nearly = LinearVAE.fit(images, 3, 1e-3)
    np.testing.assert_allclose(
        nearly.decode(nearly.encode(images)), pca.decode(pca.encode(images)), atol=1e-3
    )
    silent = nearly.at(beta=1e6)
    assert not silent.active.any()
    np.testing.assert_allclose(
        silent.decode(silent.encode(images)), np.tile(silent.mean, (60, 1, 1))
    )
    np.testing.assert_allclose(silent.encode_distribution(images)[1], 0)


def test_fewer_images_than_pixels_give_the_same_fit():
    images = _images(n=60)
    wide = np.pad(images, ((0, 0), (0, 10), (0, 0)))  # 84 px, the added ones always dark
    a, b = LinearVAE.fit(images, 3, 300), LinearVAE.fit(wide, 3, 300)
    np.testing.assert_allclose(a.eigenvalues, b.eigenvalues, rtol=1e-4)
    np.testing.assert_allclose(
        np.abs((a.components * b.components[:, :4]).sum((1, 2))), 1, atol=1e-4
    )


def test_fewer_latents_or_another_beta_need_no_new_fit():
    images = _images()
    one, other = LinearVAE.fit(images, 4, 500).at(2, 90.0), LinearVAE.fit(images, 2, 90.0)
    assert (one.latent_dim, one.beta) == (2, 90.0)
    assert one.loss(images) == pytest.approx(other.loss(images))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda images: LinearVAE.fit(images, 60), "needs more images"),
        (lambda images: LinearVAE.fit(images, 2, 0.0), "beta > 0"),
        (lambda images: LinearVAE.fit(images, 2).at(3), "has 2 latents"),
        (lambda images: LinearVAE.fit(images, 2).encode(images[0]), "expected images"),
        (lambda images: LinearVAE.fit(images, 2).decode(images[0]), "expected latents"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call(_images())
