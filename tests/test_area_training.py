from dataclasses import asdict

import numpy as np
import pytest
import torch

from helpers import training
from helpers.data import patches
from helpers.tissue.network.recipes import (
    RECIPES,
    Augmentation,
    Recipe,
    patch_batches,
    train_area_classifier,
)

AREAS = ("coarse", "fine")
CPU = training.Place("cpu")


@pytest.fixture(scope="module")
def slice_():
    """Two areas of one mean and spread that differ in grain."""
    from scipy import ndimage

    rng = np.random.default_rng(0)
    labels = np.zeros((420, 900), np.uint8)
    labels[10:410, 10:450], labels[10:410, 450:890] = 1, 2
    image = rng.normal(size=labels.shape)
    coarse = ndimage.gaussian_filter(image, 3)
    image = np.where(labels == 1, coarse / coarse.std(), image).astype(np.float32)
    return image, labels


def draw(slice_, n=24, seed=0, purity=1.0):
    return patches.sample_patches([slice_[0]], [slice_[1]], n, AREAS, purity=purity, seed=seed)


def test_learns_areas_that_differ_in_texture_only(slice_):
    recipe = Recipe(24, epochs=3, learning_rate=1e-3, batch_size=8, cosine=True)
    model, result = train_area_classifier(
        draw(slice_), draw(slice_, 16, seed=1, purity=0), 2, recipe
    )
    assert not model.training
    assert result.history[-1]["validation_accuracy"] > 0.8
    assert set(result.history[0]) == {
        "epoch",
        "step",
        "learning_rate",
        "loss",
        "accuracy",
        "validation_loss",
        "validation_accuracy",
    }


def test_seed_draws_weights_and_batches_and_nothing_else_is_disturbed(slice_):
    train, validation = draw(slice_, 8), draw(slice_, 4, seed=1)
    before = torch.get_rng_state()
    recipe = Recipe(8, epochs=1, learning_rate=1e-3)
    models = [
        train_area_classifier(train, validation, 2, recipe, seed, CPU)[0] for seed in (0, 0, 1)
    ]
    assert torch.equal(before, torch.get_rng_state())
    a, b, c = (torch.cat([w.flatten() for w in model.state_dict().values()]) for model in models)
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_batches_hold_every_patch_once_with_its_class(slice_):
    drawn = draw(slice_, 10)
    seen = list(patch_batches(drawn, 8)(0, np.random.default_rng(0)))
    assert [len(images) for images, _ in seen] == [8, 8, 4]
    images, classes = (torch.cat(part).numpy() for part in zip(*seen))
    whole = drawn.cut()
    order = [int(np.flatnonzero((whole == image).all((1, 2, 3)))[0]) for image in images]
    assert sorted(order) == list(range(20))
    np.testing.assert_array_equal(classes, drawn.labels[order] - 1)


def images(n=400):
    return np.random.default_rng(0).normal(size=(n, 1, 6, 6)).astype(np.float32)


def test_contrast_and_brightness_are_one_linear_map_per_patch():
    x = images()
    y = Augmentation(contrast=0.25, brightness=0.5)(x.copy(), np.random.default_rng(1))
    gains, offsets = np.array([np.polyfit(a.ravel(), b.ravel(), 1) for a, b in zip(x, y)]).T
    np.testing.assert_allclose(
        y, gains[:, None, None, None] * x + offsets[:, None, None, None], atol=1e-4
    )
    assert 0.8 <= gains.min() < 0.82 and 1.22 < gains.max() <= 1.2501
    assert -0.5 <= offsets.min() < -0.45 and 0.45 < offsets.max() <= 0.5001


def test_nothing_changes_when_everything_is_off():
    np.testing.assert_array_equal(Augmentation()(images(), np.random.default_rng(0)), images())


def test_a_checkpoint_of_another_recipe_is_refused(slice_, tmp_path):
    train, place = draw(slice_, 2), training.Place(checkpoint=tmp_path / "checkpoint")
    train_area_classifier(train, train, 2, Recipe(2, 1, 1e-3), place=place)
    other = Recipe(2, 1, 1e-3, augmentation=Augmentation(0.1))
    with pytest.raises(ValueError, match=r"other settings \(augmentation differ\)"):
        train_area_classifier(train, train, 2, other, place=place)


def test_recipes_state_the_papers_numbers_and_ours():
    paper, fast = asdict(RECIPES["paper"]), asdict(RECIPES["fast"])
    assert [paper[key] for key in ("patches_per_area", "epochs", "learning_rate", "purity")] == [
        2000,
        60,
        1e-4,
        1.0,
    ]
    assert not paper["cosine"] and paper["augmentation"] is None
    assert (fast["patches_per_area"], fast["epochs"], fast["validation_per_area"]) == (600, 8, 150)


def test_labels_beyond_the_areas_are_refused(slice_):
    train = draw(slice_, 2)
    with pytest.raises(ValueError, match="1…1, found 2"):
        train_area_classifier(train, train, 1, RECIPES["fast"])
