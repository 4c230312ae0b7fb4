"""Texture measures against images whose answer is known."""

import numpy as np
import pytest

from helpers.tissue.features import texture


def discs(centres, radius, shape=(200, 300)):
    """A gray image with dark discs."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    image = np.full(shape, 0.6)
    for y, x in centres:
        image[np.hypot(rows - y, columns - x) <= radius] = 0.2
    return image


def test_every_dark_disc_is_found_once_where_it_is():
    rng = np.random.default_rng(0)
    grid = np.mgrid[20:190:25, 20:290:25].reshape(2, -1).T
    centres = grid + rng.integers(-4, 5, grid.shape)
    image = discs(centres, 5)
    standardised = texture.standardise(image, np.ones(image.shape, bool))
    found = np.argwhere(texture.dark_blobs(standardised, 3.5, 0.55))
    assert sorted(map(tuple, found)) == sorted(map(tuple, centres))
    assert not texture.dark_blobs(-standardised, 3.5, 0.55)[20:180, 20:280][5::25, 5::25].all()


def test_bright_discs_are_no_dark_blobs():
    image = -texture.standardise(discs([(100, 150)], 5), np.ones((200, 300), bool))
    assert not texture.dark_blobs(image, 3.5, 0.55)[95:106, 145:156].any()


def test_coherence_is_one_for_lines_and_low_for_noise():
    x = np.arange(256)
    lines = np.sin(2 * np.pi * (0.06 * x[:, None] + 0.04 * x[None]))
    noise = np.random.default_rng(1).standard_normal((256, 256))
    inner = (slice(50, -50), slice(50, -50))
    assert texture.orientation_coherence(lines, 10)[inner].min() > 0.99
    coherence = texture.orientation_coherence(noise, 10)
    assert coherence[inner].mean() < 0.2
    np.testing.assert_allclose(
        texture.orientation_coherence(np.rot90(noise), 10), np.rot90(coherence), atol=1e-6
    )


@pytest.mark.parametrize("exponent", [0.0, 2.0, 3.5])
def test_slope_of_noise_with_a_known_spectrum(exponent):
    rng = np.random.default_rng(2)
    frequency = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.standard_normal((512, 512))) * frequency ** (-exponent / 2)
    slope = texture.power_slope(np.fft.ifft2(spectrum).real, np.ones((512, 512), bool))
    assert slope == pytest.approx(-exponent, abs=0.2)


def test_slope_without_room_for_a_window_is_nan():
    assert np.isnan(texture.power_slope(np.zeros((100, 100)), np.zeros((100, 100), bool)))


def test_measure_reads_each_area_on_its_own():
    rng = np.random.default_rng(3)
    areas = np.zeros((420, 500), int)
    areas[10:410, 10:240], areas[10:410, 260:490] = 1, 2
    image = np.where(areas == 1, 0.4, 0.6) + 0.05 * rng.standard_normal(areas.shape)
    image[areas == 2] += 0.05 * rng.standard_normal((areas == 2).sum())
    table = texture.measure(image, areas, pixel_size_um=2.0)
    assert list(table.index) == [1, 2]
    inside = (400 - 60) * (230 - 60)
    np.testing.assert_allclose(table["mm2"], inside * 4e-6)
    np.testing.assert_allclose(table["mean_gray"], [0.4, 0.6], atol=0.002)
    np.testing.assert_allclose(table["sd_gray"], [0.05, 0.05 * np.sqrt(2)], rtol=0.03)
    assert table["bright_fibre_fraction"].tolist() == [0, pytest.approx(0.0, abs=0.35)]
    named = texture.measure(image, areas, names={2: "right"})
    assert list(named.index) == ["right"]
    # another pixel size changes nothing but densities and the area itself
    scale = np.where(table.columns.str.endswith("per_mm2"), (2.0 / 1.17) ** 2, 1)
    scale[table.columns == "mm2"] = (1.17 / 2.0) ** 2
    np.testing.assert_allclose(named.loc["right"], table.loc[2] * scale)


def test_thin_areas_keep_a_smaller_margin():
    mask = np.zeros((400, 400), bool)
    mask[100:160] = True
    assert texture.interior(mask).any(1).sum() == 60 - 2 * texture.THIN_MARGIN
    mask[20:380] = True
    assert texture.interior(mask).any(1).sum() == 360 - 2 * texture.MARGIN


@pytest.mark.parametrize(
    "shape, message",
    [
        ((4, 3), r"one shape, found \(3, 4\) and \(4, 3\)"),
        ((3, 4), "annotated pixels of more than one gray value"),
    ],
)
def test_errors_say_what_is_wrong(shape, message):
    with pytest.raises(ValueError, match=message):
        texture.measure(np.zeros((3, 4)), np.zeros(shape, int))
