"""Texture measures against images whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.phantoms import real_tissue
from helpers.tissue.cortex.depth import cortical_depth
from helpers.tissue.features import depth_profile, texture


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


def test_other_pieces_of_an_area_are_set_apart():
    areas = np.zeros((40, 60), np.uint8)
    areas[5:35, 5:20], areas[5:10, 30:35], areas[20:35, 40:55] = 1, 1, 2
    pieces = texture.largest_pieces(areas)
    assert (pieces[5:35, 5:20] == 1).all() and (pieces[20:35, 40:55] == 2).all()
    assert (pieces[5:10, 30:35] == 3).all() and ((pieces > 0) == (areas > 0)).all()


def test_comparison_counts_what_lies_within_a_third():
    real = pd.DataFrame({"a": [3.0, -3.0], "b": [0.0, 0.0], "c": [1.0, np.nan]}, index=["x", "y"])
    measured = pd.DataFrame({"a": [4.0, -4.1], "b": [0.0004, 0.1], "c": [0.6, 1.0], "d": 7.0})
    measured = measured.set_axis(pd.Index(["x", "y"], name="area"), axis=0)
    table = texture.compare(measured, real)
    assert list(table.index.names) == ["area", "measure"] and len(table) == 5
    assert table["alike"].to_dict() == {
        ("x", "a"): True,
        ("y", "a"): False,
        ("x", "b"): True,
        ("y", "b"): False,
        ("x", "c"): False,
    }
    assert table.loc[("x", "a"), "ratio"] == pytest.approx(4 / 3)
    assert np.isnan(table.loc[("y", "b"), "ratio"])


def test_depth_bins_run_from_white_matter_to_pia():
    bins = depth_profile.depth_bins(np.array([1.0, 0.95, 0.9, 0.55, 0.05, 0.0, np.nan]))
    np.testing.assert_array_equal(bins, [1, 1, 1, 5, 10, 10, 0])


@pytest.mark.parametrize("cycles, band", [(2, 0), (4, 1), (8, 2), (16, 3), (40, 4)])
def test_power_of_a_wave_lies_in_its_band(cycles, band):
    wave = np.sin(2 * np.pi * cycles / 128 * np.arange(300))
    bins = np.repeat(np.arange(1, 11), 30)[None].repeat(256, 0)
    shares = depth_profile.band_power(np.broadcast_to(wave, (256, 300)), bins, bins > 0)
    np.testing.assert_allclose(np.nansum(shares, 1)[3:7], 1)
    assert (shares[3:7, band] > 0.8).all() and np.isnan(shares[[0, 9]]).all()


def test_depth_measures_read_each_bin_on_its_own():
    rng = np.random.default_rng(4)
    image = 0.5 + 0.03 * rng.standard_normal((300, 700))
    cortex, other = np.zeros(image.shape, bool), np.zeros(image.shape, bool)
    other[:, :100], cortex[:, 100:] = True, True
    depth = cortical_depth(cortex, other)
    # discs only in the three bins at the white matter; brighter towards the pia
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    for y in range(12, 300, 25):
        for x in range(115, 275, 25):
            image[np.hypot(rows - y, columns - x) <= 5] = 0.2
    image += 0.1 * np.where(cortex, 1 - np.nan_to_num(depth), 0)
    table = depth_profile.measure_depth(image, depth, cortex | other, pixel_size_um=2.0)
    assert list(table.columns) == list(real_tissue.DEPTH_COLUMNS)
    assert list(table.index) == list(range(1, 11))
    cells = table["dark_blobs_sigma3.5_per_mm2"]
    # one disc in 25 × 25 pixels of 2 µm
    np.testing.assert_allclose(cells[[1, 2]], 1e6 / 50**2, rtol=0.25)
    assert (cells[5:] == 0).all() and np.isnan(table["median_blob_contrast_sigma3.5"][6])
    assert table["mean_gray"].iloc[4:].is_monotonic_increasing
    assert table["mean_gray"][10] == pytest.approx(0.595, abs=0.01)
    assert table["sd_gray"][1] > 2 * table["sd_gray"][7]


def test_depth_measures_need_cortex_at_every_depth():
    depth = np.full((100, 100), np.nan)
    depth[40:60, 40:60] = 0.5
    with pytest.raises(ValueError, match="found none more than 20 px inside the tissue"):
        depth_profile.measure_depth(np.random.default_rng(0).random((100, 100)), depth, depth > 0)
    with pytest.raises(ValueError, match="must have one shape"):
        depth_profile.measure_depth(np.zeros((100, 99)), depth, depth > 0)


@pytest.mark.slow
def test_the_real_tables_are_what_the_real_slice_gives(real_data):
    from helpers.data.datasets import open_microct

    piece = open_microct(real_data / "microct").slices("train")[0]
    codes = open_codes(real_data / "microct" / "areas_z159.png")
    depth = cortical_depth(codes == 1, codes > 1)
    table = depth_profile.measure_depth(piece.image, depth, codes > 0)
    np.testing.assert_allclose(table, real_tissue.real_depth_texture(), rtol=5e-3, atol=6e-4)


def open_codes(path):
    """Labels as stored, the corpus callosum and the reticular nucleus included."""
    from helpers.data.datasets.images import read_labels

    return read_labels(path, "areas")
