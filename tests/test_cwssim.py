"""CW-SSIM against a library's pyramid and loops over windows."""

import numpy as np
import pyrtools
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from helpers.brains import cwssim


@pytest.fixture(scope="module")
def picture():
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((80, 112)), 1.5)
    return (0.5 + 0.2 * noise / noise.std()).clip(0, 1).astype(np.float32)


def library_pyramid(image, scales, orientations):
    pyramid = pyrtools.pyramids.SteerablePyramidFreq(
        image, height=scales, order=orientations - 1, is_complex=True
    )
    return [
        np.stack([pyramid.pyr_coeffs[scale, band] for band in range(orientations)])
        for scale in range(scales)
    ]


def reference_cw_ssim(a, b, orientations=8, window=7, constant=1e-4):
    """CW-SSIM written out with loops over a library's pyramid."""
    scales = cwssim.pyramid_scales(a.shape, window)
    means, k = [], constant * window**2
    for pair in zip(*(library_pyramid(x, scales, orientations) for x in (a, b))):
        values = []
        for x, y in zip(*pair):
            for i, j in np.ndindex(x.shape[0] - window + 1, x.shape[1] - window + 1):
                u, v = (z[i : i + window, j : j + window] for z in (x, y))
                energy = (abs(u) ** 2 + abs(v) ** 2).sum()
                values.append((2 * abs((u * v.conj()).sum()) + k) / (energy + k))
        means.append(np.mean(values))
    return np.mean(means)


@pytest.mark.parametrize("shape", [(320, 448), (80, 112), (81, 113), (64, 50)])
@pytest.mark.parametrize("orientations", [4, 8])
def test_pyramid_equals_the_librarys(shape, orientations):
    image = np.random.default_rng(1).random(shape).astype(np.float32)
    scales = cwssim.pyramid_scales(shape)
    ours = cwssim.steerable_pyramid(image[None], scales, orientations)
    assert len(ours) == scales >= 3
    for bands, expected in zip(ours, library_pyramid(image, scales, orientations)):
        np.testing.assert_allclose(bands[0], expected, atol=3e-5 * np.abs(expected).max())


def test_cw_ssim_agrees_with_a_second_implementation(picture):
    other = 0.7 * picture + 0.3 * np.random.default_rng(2).random(picture.shape, np.float32)
    for changed in (other, np.roll(picture, 3, 1)):
        a, b = picture[:40, :40], changed[:40, :40]
        assert cwssim.cw_ssim(a, b) == pytest.approx(reference_cw_ssim(a, b), abs=1e-4)


@pytest.mark.parametrize("shape", [(80, 112), (320, 448)])
def test_cw_ssim_of_equal_images_is_one_and_order_does_not_matter(shape):
    a, b = np.random.default_rng(3).random((2, *shape)).astype(np.float32)
    assert cwssim.cw_ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert cwssim.cw_ssim(a, b) == pytest.approx(cwssim.cw_ssim(b, a), abs=1e-6)
    assert 0 < cwssim.cw_ssim(a, b) < 0.6


def test_cw_ssim_forgives_a_small_shift_and_ssim_does_not(picture):
    shifted = np.roll(picture, 2, axis=1)
    plain = structural_similarity(picture, shifted, data_range=1.0)
    assert cwssim.cw_ssim(picture, shifted) > plain + 0.2
    assert cwssim.cw_ssim(picture, shifted) > cwssim.cw_ssim(picture, np.roll(picture, 12, axis=1))


def test_cw_ssim_ignores_empty_background_and_falls_with_noise(picture):
    rng = np.random.default_rng(4)
    assert cwssim.cw_ssim(np.zeros((80, 112)), np.zeros((80, 112))) == 1
    noise = rng.standard_normal(picture.shape)
    scores = [cwssim.cw_ssim(picture, picture + sd * noise) for sd in (0.0, 0.05, 0.2, 1.0)]
    assert scores == sorted(scores, reverse=True)


def test_cw_ssim_of_many_pairs_equals_one_by_one(picture):
    others = np.stack([np.roll(picture, k, 0) for k in range(5)])
    many = cwssim.cw_ssim_many(np.repeat(picture[None], 5, 0), others, batch=2)
    alone = [cwssim.cw_ssim(picture, other) for other in others]
    np.testing.assert_allclose(many, alone, atol=1e-6)


@pytest.mark.parametrize(
    "shape, other, scales, message",
    [
        ((80, 112), (80, 110), None, "one shape"),
        ((6, 6), (6, 6), None, "larger images, fewer scales"),
        ((80, 112), (80, 112), 9, "found scales=9"),
    ],
)
def test_cw_ssim_says_what_is_wrong(shape, other, scales, message):
    with pytest.raises(ValueError, match=message):
        cwssim.cw_ssim(np.zeros(shape), np.zeros(other), scales=scales)
