import numpy as np
import pytest

from helpers.data import intensity


@pytest.fixture
def slice_():
    """Textured tissue on a black ground with a hole, a mounting line and a speck; and where the
    tissue is.
    """
    rng = np.random.default_rng(0)
    image = np.abs(rng.normal(0, 0.01, (400, 600)))
    tissue = np.zeros((400, 600), bool)
    tissue[100:320, 60:540] = True
    image[tissue] = rng.normal(0.5, 0.1, tissue.sum())
    image[180:195, 300:315] = 0.02  # a vessel: dark, but tissue
    image[20:24] = 0.6  # a line of the mount
    image[360:375, 100:115] = 0.7  # a speck
    return image.astype(np.float32), tissue


def test_tissue_mask_finds_the_tissue_and_nothing_else(slice_):
    image, tissue = slice_
    mask = intensity.tissue_mask(image)
    assert not mask[:60].any() and not mask[345:].any()
    assert mask[185, 305]
    assert (mask & tissue).sum() / (mask | tissue).sum() > 0.96


@pytest.mark.parametrize("shape", [(401, 603), (130, 131), (30, 40)])
def test_tissue_mask_has_the_shape_of_the_image(shape):
    image = np.zeros(shape, np.float32)
    image[8:-8, 8:-8] = 1
    mask = intensity.tissue_mask(image, opening=3)
    assert mask.shape == shape and mask.dtype == bool
    assert mask[shape[0] // 2, shape[1] // 2] and not mask[0, 0]


def test_a_slice_without_background_is_tissue_everywhere():
    image = np.random.default_rng(0).normal(0.5, 0.1, (200, 300))
    assert intensity.tissue_mask(image).all()
    assert intensity.tissue_mask(np.full((50, 50), 0.5)).all()


def test_tissue_reaching_the_edge_of_the_image_stays_tissue_there():
    image = np.zeros((300, 300), np.float32)
    image[:, :150] = 0.5
    mask = intensity.tissue_mask(image)
    assert mask[:, :140].all() and not mask[:, 160:].any()


def test_standardised_tissue_has_mean_zero_and_unit_spread(slice_):
    image, _ = slice_
    mask = intensity.tissue_mask(image)
    standard, scale = intensity.standardise(image)
    assert standard.dtype == np.float32
    assert standard[mask].mean() == pytest.approx(0, abs=1e-4) and standard[
        mask
    ].std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(scale.apply(np.zeros_like(image)), scale.raw_zero, rtol=1e-6)
    np.testing.assert_array_equal(scale.apply(image), standard)


def test_gain_and_offset_of_the_scanner_do_not_matter(slice_):
    image, tissue = slice_
    a, _ = intensity.standardise(image, tissue, cupping=False)
    b, _ = intensity.standardise(3 * image + 0.2, tissue, cupping=False)
    np.testing.assert_allclose(a, b, atol=1e-4)
    a, _ = intensity.standardise(image, tissue)
    b, scale = intensity.standardise(3 * image, tissue)
    np.testing.assert_allclose(a, b, atol=1e-4)
    drift = np.exp(0.5 * np.linspace(-1, 1, len(image)) ** 2)[:, None]
    c, _ = intensity.standardise(image * drift, tissue)
    assert np.abs(a - c)[tissue].mean() < 0.05
    plain, _ = intensity.standardise(image * drift, tissue, cupping=False)
    assert np.abs(a - plain)[tissue].mean() > 0.1


def test_few_gray_levels_hardly_matter(slice_):
    image, tissue = slice_
    coarse = np.round(image * 19) / 19
    a, b = (intensity.standardise(x, tissue)[0][tissue] for x in (image, coarse))
    assert np.abs(a - b).mean() < 0.2
    assert (intensity.tissue_mask(image) == intensity.tissue_mask(coarse)).mean() > 0.99


def test_errors_say_what_was_found(slice_):
    image, tissue = slice_
    with pytest.raises(ValueError, match="more than one gray value"):
        intensity.standardise(np.full((20, 20), 0.3), cupping=False)
    with pytest.raises(ValueError, match="more than one gray value"):
        intensity.standardise(np.full((300, 300), 0.3))
    with pytest.raises(ValueError, match="found 0 tissue pixels"):
        intensity.standardise(image, np.zeros_like(tissue))
    image[3, 4] = np.nan
    with pytest.raises(ValueError, match="found 1 pixels that are not"):
        intensity.tissue_mask(image)


def tissue_with_anatomy():
    """Tissue that is brighter in some columns, with a bright band along the top of half of it."""
    image = np.random.default_rng(0).normal(0.5, 0.05, (400, 1000)) + np.where(
        np.arange(1000) < 300, 0.2, 0
    )
    image[40:120, 300:600] = 0.9
    mask = np.ones(image.shape, bool)
    mask[:40] = mask[370:] = False
    image[~mask] = 0
    return image, mask


def test_cupping_gain_recovers_a_known_gain_whatever_the_anatomy():
    image, mask = tissue_with_anatomy()
    true = np.exp(0.3 * np.linspace(-1, 1, 400)[:, None] ** 2)
    gain = intensity.cupping_gain(image * true, mask)
    assert gain.shape == (400, 1) and gain[40:370].mean() == pytest.approx(1, abs=1e-5)
    ratio = gain / true
    assert np.ptp(ratio) / ratio.mean() < 0.03
    assert np.ptp(intensity.cupping_gain(image, mask)) < 0.03


def test_tissue_that_is_brighter_inside_is_left_alone():
    image, mask = tissue_with_anatomy()
    arched = image * np.exp(-0.3 * np.linspace(-1, 1, 400)[:, None] ** 2)
    assert (intensity.cupping_gain(arched, mask) == 1).all()


def test_cupping_gain_of_a_slice_too_thin_to_tell_is_one():
    assert (intensity.cupping_gain(np.ones((6, 40))) == 1).all()


def test_match_brightness_is_invertible_and_takes_a_target():
    images = (
        np.random.default_rng(0).uniform(0, 1, (4, 5, 6)) * np.array([1, 2, 3, 0])[:, None, None]
    )
    matched, factors, target = intensity.match_brightness(images)
    np.testing.assert_allclose(matched[:3].mean((1, 2)), images.mean(), rtol=1e-5)
    np.testing.assert_allclose(matched / factors[:, None, None], images, rtol=1e-5)
    assert factors[3] == 1 and target == pytest.approx(images.mean())
    again, _, _ = intensity.match_brightness(images[:1], target)
    np.testing.assert_array_equal(again[0], matched[0])


def test_clip_outliers_keeps_every_image_and_says_its_ceiling():
    images = np.random.default_rng(0).uniform(0, 1, (3, 20, 20)).astype(np.float32)
    images[1, 2, 3] = 50
    clipped, ceiling = intensity.clip_outliers(images, percentile=99)
    assert clipped.shape == images.shape and clipped.max() == 1 and ceiling < 1.01
    kept = images <= ceiling
    np.testing.assert_allclose((clipped * ceiling)[kept], images[kept], rtol=1e-6)
    assert (clipped[~kept] == 1).all()
    assert intensity.clip_outliers(np.zeros((1, 2, 2)))[1] == 1
