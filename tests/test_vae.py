from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import model_files, training
from helpers.brains import recipes, vae
from helpers.brains.distilling import started
from helpers.brains.linear_vae import LinearVAE
from helpers.brains.pca_baseline import PCABaseline

HERE = training.Place("cpu", bfloat16=False)


def quick(**changes):
    small = {"steps": 40, "batch_size": 16, "encoder_updates": 20, "decoder_updates": 40}
    return replace(recipes.RECIPES["quick"], **{**small, "nested_updates": 10, **changes})


@pytest.fixture(scope="module")
def brains():
    """300 images of 16×24 px: a bright blob that moves sideways and changes its brightness, in a
    little noise.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :24]
    place, level = rng.uniform(7, 17, 300), rng.uniform(0.3, 0.8, 300)
    blob = np.exp(-((y - 8) ** 2 + (x - place[:, None, None]) ** 2) / 18)
    return (
        (level[:, None, None] * blob + 0.1 + 0.01 * rng.standard_normal((300, 16, 24)))
        .clip(0, 1)
        .astype(np.float32)
    )


@pytest.fixture(scope="module")
def trained(brains):
    torch.set_num_threads(1)
    updates = {"encoder_updates": 60, "decoder_updates": 100, "nested_updates": 40}
    recipe = quick(steps=400, flat=0.0, **updates)
    return recipes.train_vae(brains[:240], brains[240:], recipe, latent_dim=4, beta=1.0, place=HERE)


def test_architecture_is_the_papers():
    model = vae.BetaVAE()
    assert (model.image_shape, model.latent_dim, model.beta) == ((320, 448), 8, 3.0)
    convolutions = [m for m in model.encoder if isinstance(m, torch.nn.Conv2d)]
    assert [
        (c.out_channels, c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions
    ] == [(32, 4, 2, 1)] * 6 + [(32, 4, 1, 1)]
    dense = [
        (m.in_features, m.out_features) for m in model.encoder if isinstance(m, torch.nn.Linear)
    ]
    assert dense == [(768, 256), (256, 256), (256, 16)]
    mirrored = [
        (m.in_features, m.out_features) for m in model.decoder if isinstance(m, torch.nn.Linear)
    ]
    assert mirrored == [(8, 256), (256, 256), (256, 768)]
    upwards = [m for m in model.decoder if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in upwards] == [(32, 32, 1)] + [
        (32, 32, 2)
    ] * 5 + [(32, 1, 2)]
    reconstruction, mean, logvar = model(torch.zeros(2, 1, 320, 448))
    assert reconstruction.shape == (2, 1, 320, 448) and mean.shape == logvar.shape == (2, 8)


@pytest.mark.parametrize(
    "shape, stages",
    [((320, 448), 6), ((160, 224), 5), ((80, 112), 4), ((256, 256), 6), ((8, 8), 1)],
)
def test_the_stem_shrinks_with_the_image(shape, stages):
    assert vae.halvings(shape) == stages
    model = vae.BetaVAE(shape, 3)
    assert model.decode(model.encode(np.zeros((2, *shape)))).shape == (2, *shape)
    if shape[0] * 7 == shape[1] * 5:
        assert model.encoder[-5].in_features == 768


def test_a_size_that_does_not_fit_is_an_error_that_says_which_does():
    with pytest.raises(ValueError, match="cropped to 320×448 they do"):
        vae.BetaVAE((320, 456))
    for shape in [(320, 456), (500, 333), (77, 111), (3000, 2001)]:
        fit = vae.fitting_shape(shape)
        assert vae.halvings(fit) and fit[0] <= shape[0] and fit[1] <= shape[1]
    assert vae.fitting_shape((81, 117)) == (80, 112)  # not 80×116, which would leave two halvings
    assert vae.fitting_shape((5, 100)) is None
    with pytest.raises(ValueError, match="8×8"):
        vae.BetaVAE((5, 100))
    with pytest.raises(ValueError, match="latent_dim"):
        vae.BetaVAE((80, 112), 0)


def test_loss_is_squared_error_over_pixels_plus_beta_kl():
    model = vae.BetaVAE((320, 448), 8, beta=3.0).eval()
    images = torch.rand(2, 1, 320, 448)
    reconstruction, mean, logvar = model(images)
    error = ((reconstruction - images) ** 2).sum() / 2
    kl = (
        sum(
            torch.distributions.kl_divergence(
                torch.distributions.Normal(m, (0.5 * v).exp()), torch.distributions.Normal(0, 1)
            )
            for m, v in zip(mean.flatten(), logvar.flatten())
        )
        / 2
    )
    terms = model.terms(images)
    assert terms[0].item() == pytest.approx(error.item(), rel=1e-5)
    assert terms[1].sum().item() == pytest.approx(kl.item(), rel=1e-4)
    assert model.total(*terms).item() == pytest.approx((error + 3 * kl).item(), rel=1e-5)


def test_beta_means_the_same_trade_off_at_a_quarter_of_the_resolution():
    small, full = vae.BetaVAE((80, 112)), vae.BetaVAE()
    assert full.pixel_ratio == 1 and small.pixel_ratio == 16
    # 16 times fewer pixels: 16 times less error, and 16 times less weight on the same KL.
    error, kl = torch.tensor(160.0), torch.tensor([2.0, 1.0])
    assert float(small.total(error / 16, kl)) * 16 == pytest.approx(float(full.total(error, kl)))


def test_kl_per_latent_agrees_with_torch_and_with_the_loss():
    rng = np.random.default_rng(1)
    mean, logvar = rng.standard_normal((2, 50, 3))
    p = torch.distributions.Normal(torch.tensor(mean), torch.tensor(np.exp(0.5 * logvar)))
    expected = (
        torch.distributions.kl_divergence(p, torch.distributions.Normal(0.0, 1.0)).mean(0).numpy()
    )
    found = vae.kl_per_latent(torch.tensor(mean), torch.tensor(logvar))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert vae.kl_per_latent(torch.zeros(5, 2), torch.zeros(5, 2)).tolist() == [0, 0]


def test_sampling_only_while_training():
    model = vae.BetaVAE((16, 24), 2)
    x = torch.rand(3, 1, 16, 24)
    assert not torch.equal(model.train()(x)[0], model(x)[0])
    assert torch.equal(model.eval()(x)[0], model(x)[0])


def test_training_learns_and_beats_the_mean_image(trained, brains):
    model, result = trained
    held_out = brains[240:]
    error = np.mean((vae.reconstruct(model, held_out) - held_out) ** 2)
    assert error < 0.25 * held_out.var(0).mean()
    assert 2 <= len(vae.active_latents(model, held_out)) <= 4
    last = result.history[-1]
    expected = {"loss", "error", "kl", "validation_loss", "active", "gap", "train_gap", "kl_4"}
    assert expected <= set(last)
    linear = LinearVAE.fit(brains[:240], 4, 1.0)
    assert last["gap"] == pytest.approx(
        last["validation_loss"] / linear.loss(held_out) - 1, abs=1e-5
    )
    weight = linear.kl_weight
    kept = result.history[result.best_epoch]["validation_loss"]
    assert vae.mean_loss(model, held_out, weight) == pytest.approx(kept, rel=1e-3)
    assert vae.mean_loss(linear, held_out, weight) == pytest.approx(linear.loss(held_out), rel=1e-4)
    assert last["validation_kl"] == pytest.approx(
        sum(last[f"kl_{k}"] for k in range(1, 5)), rel=1e-4
    )


def test_training_beats_the_linear_optimum_where_images_deform(trained):
    """The blob moves: that is not linear in pixels."""
    result = trained[1]
    assert result.history[result.best_epoch]["gap"] < -0.03


def test_training_stops_once_the_validation_loss_is_flat(brains, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 4)
    recipe = quick(steps=400, least=20, flat=0.9)  # whatever is gained is too little
    result = recipes.train_vae(brains[:64], brains[64:80], recipe, latent_dim=2, place=HERE)[1]
    assert result.history[-1]["step"] == 20


def test_the_first_validation_is_held_against_the_start(brains, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 4)
    recipe = quick(steps=400, flat=0.9)
    result = recipes.train_vae(brains[:64], brains[64:80], recipe, latent_dim=2, place=HERE)[1]
    assert result.history[-1]["step"] == 4
    # From random weights the first updates gain much: the rule must not take that for an end.
    patient = quick(steps=12, flat=1e-9, encoder_updates=0, decoder_updates=0, nested_updates=0)
    result = recipes.train_vae(brains[:64], brains[64:80], patient, latent_dim=2, place=HERE)[1]
    assert result.history[-1]["step"] == 12


def test_the_learning_rate_rises_then_falls_to_zero(brains, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 4)
    recipe = quick(steps=12, flat=0.0, warm_up=8, learning_rate=1e-3)
    whole = [0.5 * (1 + np.cos(np.pi * step / 12)) for step in (3, 7, 11)]
    result = recipes.train_vae(brains[:64], brains[64:80], recipe, latent_dim=2, place=HERE)[1]
    rates = [row["learning_rate"] for row in result.history]
    np.testing.assert_allclose(rates, 1e-3 * np.array([0.5, 1, 1]) * whole)


def test_networks_share_a_start_and_the_paper_has_none(brains):
    linear = LinearVAE.fit(brains, 5)
    start = recipes.common_start(linear, brains, quick(), place=HERE)
    assert start.net.latent_dim == 5
    model = recipes.train_vae(
        brains, brains[:9], quick(steps=1, learning_rate=1e-9), start, latent_dim=2, place=HERE
    )[0]
    expected = started(start.net, linear, 2, 3.0)
    np.testing.assert_allclose(model.encode(brains[:5]), expected.encode(brains[:5]), atol=1e-4)
    assert recipes.common_start(linear, brains, recipes.RECIPES["paper"]).net is None


def test_the_same_seed_trains_the_same_model(brains):
    sets = brains[:64], brains[64:80], quick(steps=20)
    one, two, other = (
        recipes.train_vae(*sets, latent_dim=2, seed=seed, place=HERE)[0] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.encode(brains[:5]), two.encode(brains[:5]))
    assert not np.allclose(one.encode(brains[:5]), other.encode(brains[:5]))


def test_a_killed_training_resumes_to_the_same_weights(brains, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 4)  # six short epochs
    sets, place = (
        (brains[:64], brains[64:80], quick(steps=24, flat=0.0)),
        replace(HERE, checkpoint=tmp_path / "c"),
    )
    whole, history = recipes.train_vae(*sets, latent_dim=2, place=HERE)
    write, calls = training._write_checkpoint, []

    def killed(*arguments):
        write(*arguments)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "_write_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        recipes.train_vae(*sets, latent_dim=2, place=place)
    monkeypatch.setattr(training, "_write_checkpoint", write)
    resumed, again = recipes.train_vae(*sets, latent_dim=2, place=place)
    np.testing.assert_array_equal(whole.encode(brains[:5]), resumed.encode(brains[:5]))
    assert [row["loss"] for row in history.history] == [row["loss"] for row in again.history]


def test_collapse_is_warned_of_early(brains, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 2)
    with pytest.warns(UserWarning, match="no latent carries"):
        recipes.train_vae(
            brains[:32],
            brains[32:48],
            recipes.Recipe(learning_rate=1e-2, batch_size=16, steps=40),
            latent_dim=2,
            beta=1e6,
            place=HERE,
        )


def test_weights_round_trip_without_pickle(trained, brains, tmp_path):
    model = trained[0]
    model_files.save(model, tmp_path / "model.safetensors")
    again = vae.load(tmp_path / "model.safetensors")
    assert (again.image_shape, again.latent_dim, again.beta) == (model.image_shape, 4, 1.0)
    np.testing.assert_allclose(
        again.encode(brains[:7]), model.encode(brains[:7]), rtol=1e-4, atol=1e-5
    )


def test_arrays_of_the_wrong_shape_are_refused():
    model = vae.BetaVAE((16, 24), 2)
    pca = PCABaseline(np.zeros((16, 24)), np.zeros((2, 16, 24)), np.ones(2))
    for either in (model, pca):
        with pytest.raises(ValueError, match=r"expected images \(N, 16, 24\)"):
            either.encode(np.zeros((3, 16, 23)))
        with pytest.raises(ValueError, match=r"expected latents \(N, 2\)"):
            either.decode(np.zeros((3, 5)))
    with pytest.raises(ValueError, match="found 0 and 3"):
        recipes.train_vae(np.zeros((0, 16, 24)), np.zeros((3, 16, 24)), quick())
    with pytest.raises(ValueError, match="found steps=0"):
        recipes.train_vae(np.zeros((3, 16, 24)), np.zeros((3, 16, 24)), quick(steps=0))


def test_pca_equals_a_singular_value_decomposition(brains):
    pca = PCABaseline.fit(brains, 3)
    flat = brains.reshape(len(brains), -1)
    centred = flat - flat.mean(0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    best = flat.mean(0) + (u[:, :3] * s[:3]) @ vt[:3]
    np.testing.assert_allclose(
        vae.reconstruct(pca, brains).reshape(len(brains), -1), best, atol=2e-3
    )
    z = pca.encode(brains)
    np.testing.assert_allclose(z.std(0, ddof=1), 1, rtol=1e-3)  # on the VAE prior's scale
    assert np.abs(np.corrcoef(z.T) - np.eye(3)).max() < 1e-3
    np.testing.assert_allclose(pca.encode(pca.decode(z)), z, atol=1e-3)


def test_truncated_pca_is_the_smaller_pca_and_its_error_falls(brains):
    pca = PCABaseline.fit(brains, 6)
    np.testing.assert_allclose(
        pca.truncated(2).encode(brains), pca.encode(brains)[:, :2], atol=1e-5
    )
    errors = [
        np.mean((vae.reconstruct(pca.truncated(k), brains) - brains) ** 2) for k in range(1, 7)
    ]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(ValueError, match="has 6 components"):
        pca.truncated(7)
    with pytest.raises(ValueError, match="more images"):
        PCABaseline.fit(brains[:5], 5)


def test_uncertainty_is_the_spread_of_decoded_draws():
    model = vae.BetaVAE((16, 24), 2)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([0.0, 0.0, -30.0, -30.0]))
    images = np.zeros((2, 16, 24), np.float32)
    assert (
        vae.reconstruction_uncertainty(model, images, samples=8).max() < 1e-5
    )  # no spread in, none out
    with torch.no_grad():
        model.encoder[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0, 1.0]))
    drawn = model.decode(np.random.default_rng(0).standard_normal((4000, 2)) * np.exp(0.5))
    spread = vae.reconstruction_uncertainty(model, images, samples=400)
    np.testing.assert_allclose(spread[0].mean(), drawn.std(0).mean(), rtol=0.15)


def test_inactive_latents_are_found():
    model = vae.BetaVAE((16, 24), 3)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, -2.0]))
    assert vae.active_latents(model, np.zeros((2, 16, 24))).tolist() == [1, 2]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bias_added_apart_changes_neither_values_nor_gradients(stride):
    torch.manual_seed(0)
    ours, plain = vae.Transposed(3, 2, 4, stride, 1), torch.nn.ConvTranspose2d(3, 2, 4, stride, 1)
    plain.load_state_dict(ours.state_dict())
    x, weight = torch.randn(2, 3, 5, 6), torch.randn_like(plain(torch.zeros(2, 3, 5, 6)))
    for layer in (ours, plain):
        (layer(x) * weight).sum().backward()
    torch.testing.assert_close(ours(x), plain(x))
    torch.testing.assert_close(ours.weight.grad, plain.weight.grad)
    torch.testing.assert_close(ours.bias.grad, plain.bias.grad)
