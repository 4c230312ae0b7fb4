"""Paper C's stages: preparation of images, models stored once, measurements under the key of their
model.
"""

import numpy as np
import pytest
import yaml

from helpers.book.run import open_run
from helpers.brains import stages
from helpers.brains.preparation import split
from helpers.brains.stages import trained_models

RECIPE = "quick, encoder_updates=3, decoder_updates=3, nested_updates=3"
SETTINGS = {"rows": 40, "recipe": RECIPE, "steps": 6}


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_population):
    return open_run(
        tmp_path_factory.mktemp("stages") / "run",
        notebook="08_vae_models",
        population=str(tiny_population),
    )


@pytest.fixture(scope="module")
def model(run):
    return stages.trained_vae(run, 3, 3.0, **SETTINGS, progress=False)


def test_images_share_one_brightness_and_lie_between_zero_and_one(run):
    data = stages.prepared_population(run, 40)
    assert (
        data.images.shape[1:] == (40, 56) == data.atlas.shape
        and data.images.min() >= 0
        and data.images.max() <= 1
    )
    raw = run.population.images.mean((1, 2))
    prepared = data.images[data.clean_all].mean((1, 2))
    assert prepared.std() / prepared.mean() < 0.3 * raw[data.clean_all].std() / raw.mean()
    assert data.pixel_size_um == pytest.approx(run.population.pixel_size_um * 2)
    assert set(np.unique(data.atlas)) == set(range(7))  # every region survives the shrinking


def test_splits_are_disjoint_and_hold_every_image(run):
    data = stages.prepared_population(run, 40)
    together = np.concatenate([data.train, data.validation, data.test])
    assert sorted(together) == list(range(len(data.images)))
    assert set(data.reference) <= set(data.test) and data.clean[data.reference].all()


def test_clean_images_are_prepared_like_the_others(run):
    data = stages.prepared_population(run, 40)
    np.testing.assert_allclose(
        data.clean_images[data.clean_all], data.images[data.clean_all], atol=1e-6
    )
    damaged = np.flatnonzero(~data.clean)
    assert np.abs(data.clean_images[damaged] - data.images[damaged]).max() > 0.1


def test_a_stored_model_is_not_trained_again_and_is_the_same(run, model, monkeypatch):
    from helpers.brains import recipes

    monkeypatch.setattr(recipes, "train_vae", None)
    again = stages.trained_vae(run, 3, 3.0, **SETTINGS)
    images = stages.prepared_population(run, 40).images[:4]
    assert again.key == model.key and again.family == "β-VAE"
    np.testing.assert_array_equal(again.net.encode(images), model.net.encode(images))


def test_asking_for_what_is_not_there_without_training_says_so(run):
    assert not trained_models._is_trained(run, (3, 17.0, 0), tuple(SETTINGS.values()))
    with pytest.raises(ValueError, match="recipe is 'slow'"):
        stages.trained_vae(run, 3, 3.0, recipe="slow")


@pytest.mark.slow
def test_points_trained_side_by_side_equal_those_trained_alone(run, model):
    both = stages.trained_vaes(run, [(3, 3.0, 0), (2, 1.0, 0), (2, 1.0, 1)], workers=2, **SETTINGS)
    assert both[0].key == model.key and [m.family for m in both] == ["β-VAE", "VAE", "VAE"]
    assert len({m.key for m in both}) == 3


def test_the_grid_is_a_cross_with_further_seeds_in_its_middle(run):
    models = stages.model_grid(
        run, [2, 3], [1.0, 5.0], [0, 1], pca_dims=[5], chosen=(2, 1.0), workers=1, **SETTINGS
    )
    cross = [(2, 1.0, 0), (2, 5.0, 0), (3, 1.0, 0)]
    assert [(m.family, m.latent_dim, m.seed) for m in models] == [
        ("VAE", 2, 0),
        ("β-VAE", 2, 0),
        ("VAE", 3, 0),
        ("VAE", 2, 1),
        ("PCA", 2, 0),
        ("PCA", 3, 0),
        ("PCA", 5, 0),
        *[("linear VAE", size, seed) for size, _, seed in cross],
    ]
    assert [(m.latent_dim, m.beta, m.seed) for m in models[-3:]] == cross
    losses, words = stages.model_losses(run, models, rows=40)
    columns = ["family", "L", "beta", "seed", "loss", "linear_loss", "clean_test_error"]
    assert list(losses) == columns and len(losses) == len(models)
    linear = losses[losses["family"] == "linear VAE"]
    np.testing.assert_allclose(linear["loss"], linear["linear_loss"], rtol=1e-4)
    networks = losses[losses["family"].isin(["VAE", "β-VAE"])]
    above = (networks["loss"] > networks["linear_loss"]).sum()
    assert sum("above the linear optimum" in sentence for sentence in words) == above > 0
    assert losses.loc[losses["family"] == "PCA", "loss"].isna().all()


def test_injected_damage_is_prepared_like_any_image_and_repeats(run):
    made = stages.injected_artifacts(run, rows=40, per_type=2)
    again = stages.injected_artifacts(
        open_run(run.path, "08_vae_models", population=run.sources["population"]),
        rows=40,
        per_type=2,
    )
    data = stages.prepared_population(run, 40)
    for kind, (clean, damaged, masks) in made.items():
        np.testing.assert_array_equal(damaged, again[kind][1])
        np.testing.assert_allclose(clean, data.images[stages.spread(data.reference, 2)], atol=1e-6)
        # Brightness is matched after the damage: all images have one mean again.
        raw = data.treatment.brightness / data.treatment.ceiling
        assert damaged.mean((1, 2)) == pytest.approx(raw, rel=0.1)
        inside, outside = (np.abs(damaged - clean)[m].mean() for m in (masks, ~masks))
        assert inside > 3 * outside


def test_scores_hold_every_measure_and_know_the_identity(run, model):
    table = stages.model_scores(run, [model], rows=40, images=4, metric_components=8)
    assert {
        "cwssim",
        "cwssim_1",
        "fd_clean",
        "fd_all",
        "fd_prior",
        "error",
        "fine_power",
        "coherent",
        "active",
    } <= set(table)

    class Identity:
        latent_dim = 40 * 56
        encode = staticmethod(lambda images: images.reshape(len(images), -1))
        decode = staticmethod(lambda z: z.reshape(-1, 40, 56))

    perfect = stages.model_scores(
        run,
        [trained_models.Model("PCA", 2240, float("nan"), 0, "identity", Identity())],
        rows=40,
        images=4,
        metric_components=8,
    )
    assert perfect["cwssim"][0] == pytest.approx(1) and perfect["fd_clean"][0] == pytest.approx(
        0, abs=1e-6
    )
    assert perfect["coherent"][0] == pytest.approx(perfect["coherent_real"][0])
    assert perfect["transmission_missing"][0] == pytest.approx(1) and perfect["error"][0] == 0


def test_the_mean_image_transmits_nothing_and_keeps_nothing(run):
    table = stages.denoising_table(run, stages.mean_image(run, rows=40), rows=40, per_type=2)
    assert table["transmission"].max() == 0 and table["kept"].abs().max() < 1e-6


def test_networks_above_the_linear_optimum_are_named_beside_their_rows(run, model):
    note = stages.training_note(run, [model], rows=40)
    assert "L = 3, β = 3, seed 0" in note and "above the linear optimum" in note
    linear = stages.linear_vaes(run, [(3, 3.0)], rows=40)
    assert stages.training_note(run, [*linear, model], rows=40) == note
    assert stages.training_note(run, linear, rows=40) == ""


def test_every_split_holds_every_kind():
    kinds = np.array(["none"] * 80 + ["leakage"] * 7 + ["grid"] * 13)
    parts = split(kinds)
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert [len(part) for part in parts] == [70, 15, 15]
    for kind in np.unique(kinds):
        counts = [(kinds[part] == kind).sum() for part in parts]
        expected = (kinds == kind).sum() * np.array([0.7, 0.15, 0.15])
        assert np.abs(counts - expected).max() <= 1.5, kind


def test_a_population_of_ones_own_needs_no_clean_list_and_no_truth(tmp_path, tiny_population):
    manifest = yaml.safe_load((tiny_population / "dataset.yml").read_text())
    for key in ("clean", "truth", "clean_images", "phantom"):
        manifest.pop(key)
    images = np.load(tiny_population / "images.npy")
    np.save(
        tmp_path / "images.npy", np.pad(images, ((0, 0), (0, 1), (0, 5)))
    )  # a size that does not fit
    import tifffile

    tifffile.imwrite(
        tmp_path / "atlas.tif",
        np.pad(tifffile.imread(tiny_population / "atlas.tif"), ((0, 1), (0, 5))),
    )
    (tmp_path / "dataset.yml").write_text(yaml.safe_dump(manifest))
    own = open_run(tmp_path / "run", notebook="08_vae_models", population=str(tmp_path))
    data = stages.prepared_population(own, 80)
    assert data.clean is None and data.clean_images is None and data.images.shape[1:] == (80, 112)
    assert "cropped to 80×112" in data.steps
    assert len(data.reference) == len(data.test)
    table = stages.model_scores(
        own, stages.pca_baselines(own, [2, 3], rows=80), rows=80, images=2, metric_components=4
    )
    assert (
        not any(column.startswith("transmission") for column in table)
        and (table["error"].diff()[1:] < 0).all()
    )
