"""Random changes of training windows: what they may change, and what they must leave alone."""

import numpy as np
import pytest
from scipy import ndimage

from helpers.data import patches
from helpers.tissue.network.augmentation import MARGIN, Augmentation
from helpers.tissue.network.recipes import RECIPES, patch_batches


def noise(n=200, side=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 1, side, side)).astype(np.float32)


def changed(augmentation, x, seed=1):
    return augmentation(x.copy(), np.random.default_rng(seed))


def test_contrast_and_brightness_are_one_linear_map_per_patch():
    x = noise(400, 6)
    y = changed(Augmentation(contrast=0.25, brightness=0.5), x)
    gains, offsets = np.array([np.polyfit(a.ravel(), b.ravel(), 1) for a, b in zip(x, y)]).T
    np.testing.assert_allclose(
        y, gains[:, None, None, None] * x + offsets[:, None, None, None], atol=1e-4
    )
    assert 0.8 <= gains.min() < 0.82 and 1.22 < gains.max() <= 1.2501
    assert -0.5 <= offsets.min() < -0.45 and 0.45 < offsets.max() <= 0.5001


def test_nothing_changes_when_everything_is_off():
    np.testing.assert_array_equal(changed(Augmentation(), noise()), noise())
    assert Augmentation().margin == 0


def test_shade_is_a_slope_that_leaves_the_mean_alone():
    slope = changed(Augmentation(shade=0.3), np.zeros((300, 1, 9, 9), np.float32))[:, 0]
    np.testing.assert_allclose(slope.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(slope, 2, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(slope, 2, axis=2), 0, atol=1e-6)
    steepest = np.hypot(slope[:, -1, 4], slope[:, 4, -1])
    assert 0.28 < steepest.max() <= 0.3001 and steepest.min() < 0.02


def test_quantised_patches_have_few_levels_evenly_apart_and_stay_close():
    x = noise(400)
    y = changed(Augmentation(quantisation=0.5), x)
    assert np.abs(y - x).max() <= 0.2501
    coarse = np.array([not np.array_equal(a, b) for a, b in zip(x, y)])
    assert 0.4 < coarse.mean() < 0.6
    for patch in y[coarse][:50]:
        levels = np.unique(patch.round(4))
        gaps = np.diff(levels)
        if gaps.min() > 0.05:  # else rounding hides what is a multiple of what
            np.testing.assert_allclose(gaps / gaps.min(), np.rint(gaps / gaps.min()), atol=0.1)


def test_a_warp_by_nothing_gives_the_window_itself():
    x = noise(20, 24 + 2 * MARGIN)
    y = changed(Augmentation(rotation=1e-9), x)
    np.testing.assert_allclose(y, x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN], atol=1e-4)


@pytest.mark.parametrize("change", [{"rotation": 90.0}, {"scale": 1.0}, {"elastic": 4.0}])
def test_every_second_patch_is_warped_and_values_stay_within_the_patch(change):
    x = noise(200, 24 + 2 * MARGIN)
    y = changed(Augmentation(**change), x)
    same = np.isclose(y, x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN], atol=1e-6).all((1, 2, 3))
    assert y.shape == (200, 1, 24, 24) and 0.4 < same.mean() < 0.6
    assert y.min() >= x.min() - 1e-5 and y.max() <= x.max() + 1e-5


def blob(side, row, column):
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8).astype(np.float32)[None, None]


def places(augmentation, row, column, side=65, n=300):
    """Where a blob ends up in patches that were warped, (m, 2), from the middle."""
    x = np.repeat(blob(side + 2 * MARGIN, row, column), n, axis=0)
    y = changed(augmentation, x)[:, 0]
    found = np.array([ndimage.center_of_mass(patch) for patch in y]) - (side - 1) / 2
    return found[np.abs(found - (row, column)).max(1) > 1e-3]


def test_rotation_keeps_the_distance_from_the_middle_and_its_range():
    found = places(Augmentation(rotation=20.0), 0, 15)
    np.testing.assert_allclose(np.hypot(*found.T), 15, atol=0.1)
    angles = np.degrees(np.arctan2(found[:, 0], found[:, 1]))
    assert 17 < angles.max() < 20.1 and -20.1 < angles.min() < -17


def test_scale_keeps_the_direction_and_its_range():
    found = places(Augmentation(scale=0.25), 0, 16)
    np.testing.assert_allclose(found[:, 0], 0, atol=0.1)
    assert 12.7 < found[:, 1].min() < 13.5 and 19 < found[:, 1].max() < 20.2


def test_elastic_moves_by_pixels_of_its_standard_deviation():
    """In a picture of the column numbers the change is the displacement, in pixels."""
    columns = np.arange(65 + 2 * MARGIN, dtype=np.float32)
    x = np.broadcast_to(columns, (800, 1, len(columns), len(columns))).copy()
    moved = (changed(Augmentation(elastic=2.0), x) - x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN])[:, 0]
    moved = moved[np.abs(moved).max((1, 2)) > 1e-3]
    assert moved[:, ::16, ::16].std() == pytest.approx(2, abs=0.1)  # at the control points
    assert np.abs(np.diff(moved, axis=2)).max() < 1  # and smooth between them
    np.testing.assert_allclose(moved[:, 8, 0], moved[:, [0, 16], 0].mean(1), atol=0.05)


def test_batches_of_augmented_windows_keep_labels_shape_and_centre():
    """In a picture of the column numbers the middle of a window says where it was cut."""
    labels = np.zeros((300, 600), np.uint8)
    labels[:, :300], labels[:, 300:] = 1, 2
    columns = np.broadcast_to(np.arange(600, dtype=np.float32), labels.shape)
    drawn = patches.sample_patches([columns], [labels], 12, ("a", "b"))
    augmentation = Augmentation(rotation=180.0, scale=0.3)
    rng = np.random.default_rng
    for images, classes in patch_batches(drawn, 24, augmentation)(0, rng(0)):
        order = rng(0).permutation(24)
        assert images.shape == (24, 1, 128, 128) and images.dtype.is_floating_point
        np.testing.assert_array_equal(classes, drawn.labels[order] - 1)
        np.testing.assert_allclose(images[:, 0, 64, 64], drawn.centres[order, 1], atol=1.5)


def test_the_same_generator_draws_the_same_changes():
    x = noise(40, 16 + 2 * MARGIN)
    a, b, c = (changed(RECIPES["thorough"].augmentation, x, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
