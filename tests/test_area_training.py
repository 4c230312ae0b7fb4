from dataclasses import asdict

import numpy as np
import pytest
import torch

from helpers import training
from helpers.data import patches
from helpers.tissue.network.augmentation import Augmentation
from helpers.tissue.network.recipes import (
    RECIPES,
    STEPS,
    Recipe,
    patch_batches,
    train_area_classifier,
    without,
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


def weights(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_averaged_weights_equal_an_average_by_hand(slice_, monkeypatch):
    seen = []

    class Recorder(torch.optim.Adam):
        def step(self):
            super().step()
            rows = [value.detach().flatten() for value in self.param_groups[0]["params"]]
            seen.append(torch.cat(rows))

    monkeypatch.setattr(torch.optim, "Adam", Recorder)
    recipe = Recipe(24, epochs=1, learning_rate=1e-3, batch_size=16, average=0.8)
    model, _ = train_area_classifier(draw(slice_), draw(slice_, 2, seed=1), 2, recipe, 0, CPU)
    assert len(seen) == 3
    by_hand = seen[0]
    for now in seen[1:]:
        by_hand = 0.8 * by_hand + 0.2 * now
    torch.testing.assert_close(weights(model), by_hand)
    assert not torch.allclose(weights(model), seen[-1], atol=1e-5)


def test_label_smoothing_enters_the_training_loss_only(slice_):
    train, validation = draw(slice_, 8), draw(slice_, 4, seed=1)
    exact = training.Place("cpu", bfloat16=False)
    rows = {}
    for smoothing in (0.0, 0.3):
        recipe = Recipe(8, 1, learning_rate=1e-12, batch_size=16, label_smoothing=smoothing)
        model, result = train_area_classifier(train, validation, 2, recipe, 0, exact)
        rows[smoothing] = result.history[0]
    assert rows[0.0]["validation_loss"] == pytest.approx(rows[0.3]["validation_loss"], abs=1e-5)
    assert rows[0.0]["loss"] != pytest.approx(rows[0.3]["loss"], abs=1e-6)


def test_every_step_of_the_thorough_recipe_can_be_left_out():
    thorough = RECIPES["thorough"]
    left = {}
    for step in STEPS:
        left[step] = without(thorough, step)
        assert left[step] != thorough
        found = {**vars(left[step]), **vars(left[step].augmentation)}
        assert {key: found[key] for key in STEPS[step]} == STEPS[step]
    assert len(set(left.values())) == len(STEPS) and without(thorough, "") is thorough
    few = left["many windows"]
    updates = [one.epochs * one.patches_per_area for one in (few, thorough)]
    assert updates[0] == pytest.approx(updates[1], rel=0.1)


def test_steps_that_are_not_there_are_refused():
    with pytest.raises(
        ValueError, match="step is 'flips'; expected one of many windows, weight av"
    ):
        without(RECIPES["fast"], "flips")
    with pytest.raises(ValueError, match="does without 'gray levels' anyway"):
        without(RECIPES["fast"], "gray levels")
    with pytest.raises(ValueError, match="does without 'gray levels' anyway"):
        without(RECIPES["paper"], "gray levels")
