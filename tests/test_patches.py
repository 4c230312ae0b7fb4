import numpy as np
import pytest

from helpers.data import patches

AREAS = ("a", "b")


def label_image(seed=0, shape=(60, 80)):
    """Two blobs that touch, some background."""
    labels = np.zeros(shape, np.uint8)
    labels[5:50, 3:40] = 1
    labels[10:58, 40:75] = 2
    labels[20:23, 55:58] = 0
    return labels


def window(array, row, column, size, padding=0):
    """Second implementation: pad generously, slice."""
    padded = np.pad(array, 2 * size, constant_values=padding)
    top, left = row - size // 2 + 2 * size, column - size // 2 + 2 * size
    return padded[top : top + size, left : left + size]


@pytest.mark.parametrize("size", [8, 9, 16])
def test_cut_equals_slicing_a_padded_image(size):
    image = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
    centres = [(0, 0), (29, 39), (15, 20), (3, 38), (29, 0)]
    cut = patches.cut_patches(image, centres, size, padding=-3)
    assert cut.shape == (5, 1, size, size) and cut.dtype == np.float32
    for patch, (row, column) in zip(cut, centres):
        np.testing.assert_array_equal(patch[0], window(image, row, column, size, -3))
        assert patch[0, size // 2, size // 2] == image[row, column]


def test_windows_larger_than_the_slice_are_padded():
    image = np.ones((6, 4), np.float32)
    cut = patches.cut_patches(image, [(3, 2)], 16)
    assert cut.sum() == 24
    np.testing.assert_array_equal(cut[0, 0], window(image, 3, 2, 16))


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("purity", [0.0, 0.5, 0.9, 1.0])
def test_allowed_centres_equal_looking_at_every_window(size, purity):
    labels = label_image()
    for area in (1, 2):
        share = np.array(
            [[(window(labels, r, c, size) == area).mean() for c in range(80)] for r in range(60)]
        )
        expected = (labels == area) & (share >= purity)
        np.testing.assert_array_equal(patches.allowed_centres(labels, area, purity, size), expected)


def test_forbidden_pixels_are_in_no_window():
    labels = label_image()
    forbidden = np.zeros(labels.shape, bool)
    forbidden[30, 20] = True
    allowed = patches.allowed_centres(labels, 1, 0, 8, forbidden)
    seen = np.array([[window(forbidden, r, c, 8).any() for c in range(80)] for r in range(60)])
    np.testing.assert_array_equal(allowed, (labels == 1) & ~seen)


def test_training_patches_are_pure_balanced_and_seeded():
    labels = label_image()
    drawn = patches.sample_patches([labels], [labels], 30, AREAS, size=8, seed=3)
    assert len(drawn) == 60 and list(np.bincount(drawn.labels)) == [0, 30, 30]
    cut = drawn.cut()
    assert cut.shape == (60, 1, 8, 8) and (cut == drawn.labels[:, None, None, None]).all()
    again = patches.sample_patches([labels], [labels], 30, AREAS, size=8, seed=3)
    other = patches.sample_patches([labels], [labels], 30, AREAS, size=8, seed=4)
    np.testing.assert_array_equal(drawn.centres, again.centres)
    assert not np.array_equal(drawn.centres, other.centres)
    assert len(np.unique(drawn.centres, axis=0)) == 60  # no place twice


def test_test_patches_have_the_label_at_their_centre_and_reach_over_boundaries():
    labels = label_image()
    drawn = patches.sample_patches([labels], [labels], 300, AREAS, purity=0, size=16)
    cut = drawn.cut()
    np.testing.assert_array_equal(cut[:, 0, 8, 8], drawn.labels)
    assert any(len(np.unique(patch)) > 1 for patch in cut)


def test_several_slices_of_different_size_are_drawn_from_alike():
    first, second = label_image(), label_image(shape=(70, 90))
    second[60:, :30] = 1
    images = [first * 1.0, second * 10.0]
    drawn = patches.sample_patches(images, [first, second], 400, AREAS, purity=0, size=16)
    drawn = drawn.padded((7, 8))
    assert set(drawn.slice_index) == {0, 1}
    cut = drawn.cut()
    np.testing.assert_array_equal(
        cut[:, 0, 8, 8], drawn.labels * np.where(drawn.slice_index == 0, 1, 10)
    )
    for i in np.random.default_rng(0).integers(0, len(drawn), 20):
        k = drawn.slice_index[i]
        np.testing.assert_array_equal(
            cut[i, 0], window(images[k], *drawn.centres[i], 16, (7, 8)[k])
        )
    np.testing.assert_array_equal(drawn.cut([5, 799, 5]), cut[[5, 799, 5]])


def test_drawing_covers_all_places_evenly():
    labels = np.zeros((20, 40), np.uint8)
    labels[:, :20], labels[:, 20:] = 1, 2
    drawn = patches.sample_patches([labels], [labels], 200, AREAS, purity=0, size=4)
    rows = drawn.centres[:, 0]
    assert abs(rows.mean() - 9.5) < 1.2 and rows.min() == 0 and rows.max() == 19


def test_a_small_area_is_a_clear_error_and_a_scarce_one_a_warning():
    labels = label_image()
    labels[labels == 2] = 0
    labels[50:56, 60:66] = 2
    with pytest.raises(
        ValueError,
        match=r"area 'b' \(36 annotated pixels here\) is too small: expected room for a 8×8 window",
    ):
        patches.sample_patches([labels], [labels], 5, AREAS, size=8)
    with pytest.warns(UserWarning, match="area 'b' has only 9 places for 20 patches"):
        drawn = patches.sample_patches([labels], [labels], 20, AREAS, size=4)
    assert list(np.bincount(drawn.labels)) == [0, 20, 20]
    with pytest.raises(ValueError, match="one shape"):
        patches.sample_patches([labels[1:]], [labels], 5, AREAS, size=4)


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("purity", [0.0, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_separate_validation_shares_no_pixel_with_training(size, purity, seed):
    labels = label_image()
    validation, forbidden = patches.separate_validation(labels, AREAS, 0.2, seed, size, purity)
    assert set(np.unique(validation)) == {0, 1, 2}
    np.testing.assert_array_equal(validation[validation > 0], labels[validation > 0])
    for area in (1, 2):
        assert 0.15 < (validation == area).sum() / (labels == area).sum() < 0.3
    train = patches.sample_patches(
        [labels], [labels], 40, AREAS, purity=purity, size=size, forbidden=[forbidden]
    )
    held_out = patches.sample_patches([labels], [validation], 100, AREAS, purity=0, size=size)

    def covered(drawn):
        seen = np.zeros(labels.shape, bool)
        for row, column in drawn.centres - size // 2:
            seen[max(row, 0) : max(row + size, 0), max(column, 0) : max(column + size, 0)] = True
        return seen

    assert not (covered(train) & covered(held_out)).any()


def test_separate_validation_says_when_there_is_no_room():
    labels = np.zeros((30, 60), np.uint8)
    labels[:, :45], labels[5:15, 50:60] = 1, 2
    with pytest.raises(ValueError, match="no room for training patches of 'b'"):
        patches.separate_validation(labels, AREAS, 0.5, size=10)
    with pytest.raises(ValueError, match="between 0 and 1, found 1.5"):
        patches.separate_validation(labels, AREAS, 1.5)
