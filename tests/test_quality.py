import numpy as np
import pytest
from scipy.linalg import sqrtm

from helpers.brains import cwssim, frechet, quality


@pytest.fixture(scope="module")
def picture():
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(0).standard_normal((80, 112)), 1.5)
    return (0.5 + 0.2 * noise / noise.std()).clip(0, 1).astype(np.float32)


def reference_cw_ssim(a, b, orientations=8, window=7, constant=1e-4):
    """CW-SSIM written out with loops over a library's pyramid."""
    import pyrtools

    scales = cwssim.pyramid_scales(a.shape, window)
    p, q = (
        pyrtools.pyramids.SteerablePyramidFreq(
            x, height=scales, order=orientations - 1, is_complex=True
        ).pyr_coeffs
        for x in (a, b)
    )
    means = []
    for scale in range(scales):
        values = []
        for band in range(orientations):
            x, y = p[scale, band], q[scale, band]
            for i in range(x.shape[0] - window + 1):
                for j in range(x.shape[1] - window + 1):
                    u, v = x[i : i + window, j : j + window], y[i : i + window, j : j + window]
                    k = constant * window**2
                    values.append(
                        (2 * abs((u * v.conj()).sum()) + k)
                        / ((abs(u) ** 2).sum() + (abs(v) ** 2).sum() + k)
                    )
        means.append(np.mean(values))
    return np.mean(means)


@pytest.mark.parametrize("shape", [(320, 448), (80, 112), (81, 113), (64, 50)])
@pytest.mark.parametrize("orientations", [4, 8])
def test_pyramid_equals_the_librarys(shape, orientations):
    import pyrtools

    image = np.random.default_rng(1).random(shape).astype(np.float32)
    scales = cwssim.pyramid_scales(shape)
    theirs = pyrtools.pyramids.SteerablePyramidFreq(
        image, height=scales, order=orientations - 1, is_complex=True
    ).pyr_coeffs
    ours = cwssim.steerable_pyramid(image[None], orientations=orientations)
    assert len(ours) == scales >= 3
    for scale, bands in enumerate(ours):
        expected = np.stack([theirs[scale, band] for band in range(orientations)])
        np.testing.assert_allclose(bands[0], expected, atol=3e-5 * np.abs(expected).max())


def test_cw_ssim_agrees_with_a_second_implementation(picture):
    other = (0.7 * picture + 0.3 * np.random.default_rng(2).random(picture.shape)).astype(
        np.float32
    )
    crop = (slice(0, 40), slice(0, 40))
    for a, b in ((picture[crop], other[crop]), (picture[crop], np.roll(picture, 3, 1)[crop])):
        assert cwssim.cw_ssim(a, b) == pytest.approx(reference_cw_ssim(a, b), abs=1e-4)


@pytest.mark.parametrize("shape", [(80, 112), (320, 448)])
def test_cw_ssim_of_equal_images_is_one_and_order_does_not_matter(shape):
    a, b = np.random.default_rng(3).random((2, *shape)).astype(np.float32)
    assert cwssim.cw_ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert cwssim.cw_ssim(a, b) == pytest.approx(cwssim.cw_ssim(b, a), abs=1e-6)
    assert 0 < cwssim.cw_ssim(a, b) < 0.6


def test_cw_ssim_forgives_a_small_shift_and_ssim_does_not(picture):
    from skimage.metrics import structural_similarity

    shifted = np.roll(picture, 2, axis=1)
    assert (
        cwssim.cw_ssim(picture, shifted)
        > structural_similarity(picture, shifted, data_range=1.0) + 0.2
    )
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
    np.testing.assert_allclose(
        many, [cwssim.cw_ssim(picture, other) for other in others], atol=1e-6
    )


def test_cw_ssim_says_what_is_wrong():
    with pytest.raises(ValueError, match="one shape"):
        cwssim.cw_ssim(np.zeros((80, 112)), np.zeros((80, 110)))
    with pytest.raises(ValueError, match="larger images, fewer scales"):
        cwssim.cw_ssim(np.zeros((6, 6)), np.zeros((6, 6)))
    with pytest.raises(ValueError, match="found scales=9"):
        cwssim.cw_ssim(np.zeros((80, 112)), np.zeros((80, 112)), scales=9)


def test_frechet_distance_has_its_closed_form():
    rng = np.random.default_rng(5)
    a, b = (m @ m.T + np.eye(4) for m in rng.standard_normal((2, 4, 4)))
    shift = rng.standard_normal(4)
    expected = shift @ shift + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet.frechet_distance(shift, a, np.zeros(4), b) == pytest.approx(expected, rel=1e-9)
    assert frechet.frechet_distance([1.0], [[4.0]], [3.0], [[9.0]]) == pytest.approx(
        2**2 + (2 - 3) ** 2
    )


def test_pca_fd_of_one_set_with_itself_is_zero_and_of_shifted_sets_is_the_shift():
    images = np.random.default_rng(6).random((60, 8, 10)).astype(np.float32)
    assert frechet.pca_frechet_distance(images, images, 12) == pytest.approx(0, abs=1e-9)
    # A shift along the first component of the metric moves the mean by exactly that much and no
    # covariance.
    flat = images.reshape(60, -1) - images.reshape(60, -1).mean(0)
    direction = np.linalg.svd(flat, full_matrices=False)[2][0].reshape(8, 10)
    assert frechet.pca_frechet_distance(images, images + 0.5 * direction, 12) == pytest.approx(
        0.25, rel=1e-3
    )


def test_pca_fd_agrees_with_the_closed_form_for_gaussians():
    rng = np.random.default_rng(7)
    basis = np.linalg.qr(rng.standard_normal((30, 3)))[0]  # three directions of 5×6 images
    deviations = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 0.5])
    a, b = ((rng.standard_normal((20_000, 3)) * s @ basis.T).reshape(-1, 5, 6) for s in deviations)
    expected = ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet.pca_frechet_distance(a, b, 3) == pytest.approx(expected, rel=0.05)


def test_a_pca_model_scores_zero_in_its_own_components_and_not_elsewhere():
    from helpers.brains.vae import PCABaseline, reconstruct

    images = np.random.default_rng(8).random((80, 8, 10)).astype(np.float32)
    model = PCABaseline.fit(images[:40], 5)
    rebuilt = reconstruct(model, images[:40])
    assert frechet.pca_frechet_distance(images[:40], rebuilt, 5) < 1e-4
    assert frechet.pca_frechet_distance(images[:40], rebuilt, 12, basis=images[40:]) > 0.05


def test_pca_fd_says_what_is_wrong():
    images = np.random.default_rng(0).random((10, 4, 4))
    with pytest.raises(ValueError, match="more than 10 images"):
        frechet.pca_frechet_distance(images, images, 10)
    with pytest.raises(ValueError, match="one size"):
        frechet.pca_frechet_distance(images, np.zeros((10, 4, 5)), 2)


def test_transmission_is_one_for_a_copy_and_zero_for_a_model_that_ignores_its_input():
    clean = np.random.default_rng(9).random((3, 8, 8))
    corrupted = clean.copy()
    corrupted[:2, 2:4, 2:4] += 0.5
    assert quality.transmission(clean, corrupted, clean, corrupted)[:2] == pytest.approx([1, 1])
    assert quality.transmission(clean, corrupted, clean, clean)[:2] == pytest.approx([0, 0])
    halved = clean + 0.5 * (corrupted - clean)
    assert quality.transmission(clean, corrupted, clean, halved)[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(quality.transmission(clean, corrupted, clean, halved)[2])


def test_high_frequency_power_sees_fine_stripes_and_not_coarse_ones():
    x = np.arange(64)
    coarse, fine = (np.tile(np.sin(2 * np.pi * f * x), (64, 1)) for f in (1 / 32, 1 / 4))
    low, high = quality.high_frequency_power(np.stack([coarse, fine]))
    assert low < 1e-3 and high == pytest.approx(0.5, rel=0.05)  # the variance of a sine


def test_elbow_is_found_and_not_invented():
    x = [2, 4, 8, 16, 32]
    assert quality.elbow(x, [0.2, 0.5, 0.9, 0.92, 0.93]) == 8
    assert quality.elbow(x, [10, 5, 1, 0.8, 0.7]) == 8  # falling curves bend as well
    with pytest.raises(ValueError, match="at least 4"):
        quality.elbow([2, 8, 16], [1, 2, 3])
    with pytest.raises(ValueError, match="level"):
        quality.elbow(x, [1, 2, 3, 2, 1])
