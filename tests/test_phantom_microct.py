"""The microCT phantom: formats, its ground truth, and that slices belong to one sample."""

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from helpers.data import datasets
from helpers.data.folders import OutputError
from helpers.data.phantoms import microct, noise, slice_anatomy, slice_cortex, slice_objects
from helpers.data.phantoms.real_tissue import real_depth_texture, real_texture
from helpers.tissue.cortex.depth import cortical_depth
from helpers.tissue.features import texture
from helpers.tissue.features.depth_profile import measure_depth

SHAPE = microct.SIZES["tiny"]


@pytest.fixture(scope="module")
def drawn():
    """Slices of one sample at three distances from the first."""
    return {z: microct.draw_slice(z, SHAPE, seed=0) for z in (159, 160, 259)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return microct.generate(
        tmp_path_factory.mktemp("phantom") / "tiny",
        size="tiny",
        slices=((159, "train"), (259, "test")),
    )


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_folder_opens_without_complaint(folder):
    kind, problems = datasets.check(folder)
    assert (kind, problems) == ("microct", [])
    data = datasets.open_microct(folder)
    assert data.areas == ("Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI")
    assert data.layers == slice_anatomy.LAYERS
    assert data.is_phantom and [s.role for s in data.slices()] == ["train", "test"]
    for piece in data.slices():
        assert set(np.unique(piece.areas)) == set(range(7)) and set(np.unique(piece.layers)) == set(
            range(6)
        )
        assert set(piece.truth) == {"barrels", "cell_density", "axon_density"}


def test_same_request_same_bytes_and_no_work(folder, tmp_path):
    again = microct.generate(tmp_path / "again", size="tiny", slices=((259, "test"),))
    first, second = hashes(folder), hashes(again)
    shared = set(first) & set(second) - {"dataset.yml"}
    assert len(shared) == 6 and all(first[name] == second[name] for name in shared)
    stamps = {p: p.stat().st_mtime_ns for p in again.iterdir()}
    microct.generate(again, size="tiny", slices=((259, "test"),))
    assert stamps == {p: p.stat().st_mtime_ns for p in again.iterdir()}
    with pytest.raises(OutputError, match="another phantom"):
        microct.generate(again, size="tiny", seed=1)


def test_seeds_are_different_samples(drawn):
    other = slice_anatomy.draw_anatomy(159, SHAPE, seed=1)
    agreement = (other.areas == drawn[159][0].areas).mean()
    assert 0.7 < agreement < 0.97


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="not made by"):
        microct.generate(tmp_path, size="tiny", force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "size, message",
    [
        ("huge", "one of tiny, book, real"),
        ((100, 900), "at least 600 px high"),
        ((700, 1000), "three times as wide"),
    ],
)
def test_sizes_that_do_not_fit(tmp_path, size, message):
    with pytest.raises(ValueError, match=message):
        microct.generate(tmp_path / "out", size=size)


def test_repeated_slices_are_refused(tmp_path):
    with pytest.raises(ValueError, match="different depths"):
        microct.generate(tmp_path / "out", size="tiny", slices=((5, "train"), (5, "test")))


def test_background_is_black_and_annotation_lies_on_tissue(drawn):
    for anatomy, section in drawn.values():
        tissue = anatomy.areas > 0
        assert not (anatomy.annotated & ~tissue).any()
        outside = ndimage.binary_erosion(~tissue, iterations=8)
        assert np.median(section.image[tissue]) > 0.3 * 255
        # all but shreds that float beside the tissue, as around real samples
        assert 0 < (section.image[outside] > 0.06 * 255).mean() < 0.05
        assert not anatomy.layers[anatomy.areas != slice_anatomy.CORTEX].any()


def test_every_area_has_room_for_training_patches(drawn):
    from helpers.data.patches import allowed_centres

    for anatomy, _ in drawn.values():
        labels = anatomy.areas * anatomy.annotated
        labels[labels == slice_anatomy.CALLOSUM] = slice_anatomy.CAPSULE
        for label in np.unique(labels[labels > 0]):
            assert allowed_centres(labels, label).sum() > 2000


def test_structures_change_smoothly_with_depth(drawn):
    (first, a), (near, b), (far, c) = drawn[159], drawn[160], drawn[259]
    same_near, same_far = (first.areas == near.areas).mean(), (first.areas == far.areas).mean()
    assert same_near > 0.99 and 0.85 < same_far < same_near
    inside = (first.areas == near.areas) & (first.areas == far.areas) & (first.areas > 0)
    correlation = [np.corrcoef(a.image[inside], other.image[inside])[0, 1] for other in (b, c)]
    assert correlation[0] > 0.75  # the next slice is nearly the same tissue
    assert (
        correlation[1] < 0.5 * correlation[0]
    )  # a hundred slices on, only areas and shading are shared


def test_cells_follow_the_density_map(drawn):
    for anatomy, section in drawn.values():
        rows, columns = section.cells.astype(int).T
        expected = section.cell_density * slice_objects.MM2_PER_PIXEL
        assert len(section.cells) == pytest.approx(expected.sum(), rel=0.06)
        here = anatomy.areas[rows, columns]
        for label in np.unique(anatomy.areas[anatomy.areas > 0]):
            number = expected[anatomy.areas == label].sum()
            assert (here == label).sum() == pytest.approx(number, abs=5 * float(np.sqrt(number)))
        layers = (
            np.bincount(anatomy.layers[rows, columns], minlength=6)[1:]
            / np.bincount(anatomy.layers.ravel(), minlength=6)[1:]
        )
        assert layers.argmax() == 2 and layers.argmin() == 0  # layer 4 is dense, layer 1 sparse


def test_barrels_lie_in_layer_4_and_hold_more_cells_than_septa(drawn):
    for anatomy, section in drawn.values():
        assert anatomy.barrels.max() >= 4 and set(anatomy.layers[anatomy.barrels > 0]) == {3}
        granular = anatomy.layers == 3
        inside, between = (
            section.cell_density[granular & (anatomy.barrels > 0)],
            section.cell_density[granular & (anatomy.barrels == 0)],
        )
        assert inside.mean() > 1.4 * between.mean()
        pieces, n = ndimage.label(anatomy.barrels > 0)
        assert n >= anatomy.barrels.max() - 1  # separate, not one band


def test_axons_are_bright(drawn):
    anatomy, section = drawn[159]
    inside = anatomy.areas > 0
    assert section.axon_density.min() >= 0 and section.axon_density.max() <= 1
    smooth = ndimage.gaussian_filter(section.image.astype(float), 3)
    assert np.corrcoef(smooth[inside], section.axon_density[inside])[0, 1] > 0.6
    white = np.isin(anatomy.areas, (slice_anatomy.CAPSULE, slice_anatomy.CALLOSUM))
    assert (
        section.axon_density[white].mean()
        > 0.6
        > 0.3
        > section.axon_density[inside & ~white].mean()
    )


def test_smooth_noise_is_standard_normal_and_continuous_in_depth():
    fields = np.array([noise.smooth_noise((7, i), (200, 300), 20, 33.3, 15) for i in range(40)])
    assert abs(fields.mean()) < 0.1 and fields.std() == pytest.approx(1, abs=0.05)
    corner = fields[:, 0, 0].std(), fields[:, 100, 150].std()
    assert 0.6 < corner[0] < 1.5 and 0.6 < corner[1] < 1.5
    a, b = (
        noise.smooth_noise((7, 0), (200, 300), 20, z, 15) for z in (29.99, 30.01)
    )  # across a knot
    assert np.abs(a - b).max() < 0.02


@pytest.mark.slow
def test_texture_keeps_to_the_real_tissue_within_a_third():
    anatomy, section = microct.draw_slice(159, microct.SIZES["book"])
    names = {
        1: "Cortex",
        2: "Striatum",
        4: "VP",
        5: "ZI",
        6: "Internal capsule",
        7: "Hypothalamus",
        8: "Corpus callosum",
    }
    table = texture.measure(
        section.image / np.float32(255), anatomy.areas * anatomy.annotated, names=names
    )
    columns = ["mean_gray", "sd_gray", "dark_blobs_per_mm2", "orientation_coherence", "power_slope"]
    ratio = (table[columns] / real_texture().loc[table.index, columns]).stack()
    assert ratio.between(2 / 3, 4 / 3).all(), ratio[~ratio.between(2 / 3, 4 / 3)]


def by_depth(anatomy, section):
    """Texture of a drawn cortex in ten bins of depth, 1 at the white matter."""
    areas = anatomy.areas * anatomy.annotated
    cortex = areas == slice_anatomy.CORTEX
    depth = cortical_depth(cortex, (areas > 0) & ~cortex)
    return measure_depth(section.image / np.float32(255), depth, areas > 0)


def fine_falls_steeply(table):
    """Whether fine dark structure thins out from white matter to pia, as in the real cortex."""
    fine = table["dark_blobs_sigma1.6_per_mm2"].to_numpy()
    order = np.corrcoef(np.arange(10), fine.argsort().argsort())[0, 1]
    return order < -0.8 and fine[0] > 3 * fine[9] and fine[:3].mean() > 1.5 * fine[7:9].mean()


def test_cortex_has_layers_that_can_be_seen(drawn):
    table = by_depth(*drawn[159])
    cells = table["dark_blobs_sigma3.5_per_mm2"]
    assert fine_falls_steeply(table)
    assert cells[3:].idxmax() == 7  # layer 4 is crowded
    assert cells[10] < 0.6 * cells[7]  # layer 1 is sparse
    anatomy, section = drawn[159]
    truth = [section.cell_density[anatomy.layers == layer].mean() for layer in (1, 2)]
    assert truth[0] < 0.6 * truth[1]
    contrast = table["median_blob_contrast_sigma3.5"]
    assert contrast[[8, 9]].mean() > 1.05 * contrast[[1, 2, 3]].mean()
    assert table["sd_gray"][1] > 1.3 * table["sd_gray"][10]


def test_without_its_gradient_the_cortex_would_be_found_out(monkeypatch):
    for name in ("puncta", "grain"):
        flat = (float(np.mean(slice_cortex.PROFILE[name])),) * 10
        monkeypatch.setitem(slice_cortex.PROFILE, name, flat)
    assert not fine_falls_steeply(by_depth(*microct.draw_slice(159, SHAPE, seed=0)))


@pytest.mark.slow
def test_cortex_keeps_to_the_real_one_within_a_third_at_eight_of_ten_depths():
    anatomy, section = microct.draw_slice(159, microct.SIZES["book"], seed=0)
    thickness = (anatomy.layers > 0).sum(1)
    assert np.median(thickness[thickness > 0]) >= 1100
    table = by_depth(anatomy, section)
    alike = texture.compare(table, real_depth_texture())["alike"].unstack()
    assert fine_falls_steeply(table)
    cells = table["dark_blobs_sigma3.5_per_mm2"]
    assert cells[3:].idxmax() == 7 and cells[10] < 0.65 * cells[9]
    # The share of power below four cycles a window is the one column that misses: seven bins.
    short = alike.sum()[alike.sum() < 8]
    assert set(short.index) <= {"power_1_3_cycles"} and (short >= 7).all(), short
