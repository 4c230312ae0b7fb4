"""The population phantom: a valid dataset folder, known factors that act where they say, known
artifacts.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import ndimage

from helpers.data import datasets, folders
from helpers.data.phantoms import brain_artifacts, brain_atlas, brain_template, population

SMALL = (40, 56)


@pytest.fixture(scope="module")
def anatomy():
    return brain_atlas.draw()


@pytest.fixture(scope="module")
def generator(anatomy):
    return population._Generator(anatomy, (160, 224))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return population.generate(
        tmp_path_factory.mktemp("population") / "out", n=40, seed=3, shape=SMALL
    )


def scores(**values):
    return np.array([values.get(name, 0.0) for name in population.FACTORS])


def test_the_drawn_section_is_symmetric_and_has_every_region(anatomy):
    assert anatomy.base.shape == anatomy.atlas.shape == (320, 448)
    np.testing.assert_array_equal(anatomy.base, anatomy.base[:, ::-1])
    np.testing.assert_array_equal(anatomy.atlas, anatomy.atlas[:, ::-1])
    assert set(np.unique(anatomy.atlas)) == set(range(7))
    assert (
        anatomy.base[~ndimage.binary_dilation(anatomy.brain, iterations=8)].max() < 0.01
    )  # dark background
    assert not (anatomy.atlas > 0)[~ndimage.binary_dilation(anatomy.brain, iterations=2)].any()
    # as in the real section: hippocampus brighter than thalamus, white matter dark
    level = {
        name: anatomy.base[anatomy.atlas == i].mean()
        for i, name in enumerate(population.REGIONS, 1)
    }
    assert level["HPF"] > level["STR"] > level["HY"] > 2 * anatomy.base[anatomy.ventricles].mean()


def test_the_folder_opens_as_a_population_and_its_truth_agrees_with_its_pixels(written):
    dataset = datasets.open_population(written)
    assert dataset.is_phantom and dataset.regions == population.REGIONS
    assert (
        dataset.images.shape == dataset.clean_images.shape == (40, *SMALL)
        and dataset.atlas.shape == SMALL
    )
    assert dataset.pixel_size_um == 200  # 8 times smaller than 320 rows
    assert list(dataset.truth.columns) == ["index", "artifact", *population.FACTORS]
    untouched = (np.asarray(dataset.images) == np.asarray(dataset.clean_images)).all(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(untouched), dataset.clean)
    np.testing.assert_array_equal(untouched, dataset.truth["artifact"] == "none")
    counts = dataset.truth["artifact"].value_counts()
    assert sum(counts[kind] for kind in population.ARTIFACTS) == round(0.18 * 40)
    assert (
        max(counts[kind] for kind in population.ARTIFACTS)
        - min(counts[kind] for kind in population.ARTIFACTS)
        <= 1
    )


def test_same_seed_same_bytes_other_seed_other_brains(written, tmp_path):
    again = population.generate(tmp_path / "again", n=40, seed=3, shape=SMALL)
    for path in sorted(written.iterdir()):
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name
    other = population.generate(tmp_path / "other", n=2, seed=4, shape=SMALL)
    first, second = (np.load(path / "clean.npy")[:2] / 255 for path in (written, other))
    assert np.abs(first - second).max() > 0.1


def test_the_truth_makes_the_same_images_again(written, anatomy):
    truth = datasets.open_population(written).truth
    make = population._Generator(anatomy, SMALL)
    for i in (0, 7, 39):
        factors = truth.loc[i, list(population.FACTORS)].to_numpy(float)
        image, clean = make(factors, truth.loc[i, "artifact"], (3, i))
        assert np.abs(np.load(written / "images.npy")[i] / 255 - image).max() < 0.01
        assert np.abs(np.load(written / "clean.npy")[i] / 255 - clean).max() < 0.01


@pytest.mark.parametrize(
    "factor, region",
    [("hippocampus_intensity", "HPF"), ("striatum_intensity", "STR"), ("barrel_contrast", "SSp")],
)
def test_an_intensity_factor_acts_inside_its_region(generator, factor, region):
    low, high = (generator(scores(**{factor: value}), "none", (0, 0))[1] for value in (-2, 2))
    change = high - low  # the same noise in both
    inside = ndimage.binary_dilation(
        generator.atlas == population.REGIONS.index(region) + 1, iterations=3
    )
    assert np.abs(change[inside]).sum() > 0.85 * np.abs(change).sum()


@pytest.mark.parametrize(
    "factor, part",
    [
        ("hippocampus_size", "hippocampus"),
        ("cortex_thickness", "cortex"),
        ("ventricle_width", "ventricles"),
    ],
)
def test_a_size_factor_grows_its_part(anatomy, factor, part):
    mask = getattr(anatomy, part)
    shift = population._shift_fields(anatomy)[factor]
    grid = np.indices(mask.shape, dtype=float)
    areas = [
        ndimage.map_coordinates(mask.astype(float), grid + value * shift, order=1).sum()
        for value in (-2, 0, 2)
    ]
    assert areas[0] < 0.96 * areas[1] and areas[2] > 1.04 * areas[1]
    away = ~ndimage.binary_dilation(mask, iterations=45)
    assert np.abs(shift[:, away]).max() < 0.35  # px


def test_brightness_scales_and_asymmetry_tells_left_from_right(generator):
    dark, bright = (generator(scores(brightness=value), "none", (0, 0))[1] for value in (-1, 1))
    tissue = (dark > 0.2) & (bright < 0.95)
    assert np.median(bright[tissue] / dark[tissue]) == pytest.approx(np.exp(0.18), rel=0.03)
    plain, tilted = (generator(scores(asymmetry=value), "none", (0, 0))[1] for value in (0, 2))
    left, right = np.hsplit(tilted - plain, 2)
    assert left.mean() < -0.005 < 0.005 < right.mean()


def test_deformations_are_smooth_over_90_px_and_never_fold(anatomy):
    rows = population._smooth_modes(np.arange(320.0), 320)
    covariance = rows @ rows.T
    distance = np.abs(np.subtract.outer(np.arange(320.0), np.arange(320.0)))
    np.testing.assert_allclose(covariance, np.exp(-0.5 * (distance / 90) ** 2), atol=0.01)
    full = population._Generator(anatomy, (320, 448))
    rng = np.random.default_rng(0)
    for signs in np.ndindex(2, 2, 2, 2):  # every corner of the four that move pixels
        extreme = dict(zip(full.shift, 5 * np.array(signs) - 2.5))
        where = full.grid + sum(extreme[name] * field for name, field in full.shift.items())
        where += np.stack([full._smooth(rng, 1.6), full._smooth(rng, 1.6)])
        (dyy, dyx), (dxy, dxx) = np.gradient(where[0]), np.gradient(where[1])
        assert (dyy * dxx - dyx * dxy).min() > 0


def test_the_smaller_picture_is_the_same_anatomy(anatomy, generator):
    blocks = (
        population._Generator(anatomy, (320, 448))(scores(), "none", (1, 1))[1]
        .reshape(160, 2, 224, 2)
        .mean((1, 3))
    )
    small = generator(scores(), "none", (1, 1))[1]
    assert np.corrcoef(blocks.ravel(), small.ravel())[0, 1] > 0.985


def test_each_artifact_does_what_its_name_says(generator):
    clean = generator(scores(), "none", (2, 2))[1]
    for seed in range(6):
        leaked, where = population.inject(clean, "leakage", seed)
        assert (
            (leaked >= clean - 1e-6).all()
            and leaked[where].max() > 0.9
            and 0.001 < where.mean() < 0.25
        )
        torn, where = population.inject(clean, "missing", seed)
        assert (
            (torn <= clean + 1e-6).all()
            and where.any()
            and torn[where].min() < 0.05
            and where.mean() < 0.3
        )
        tiled, where = population.inject(clean, "grid", seed)
        gain = (tiled[60:100] / np.maximum(clean[60:100], 0.05)).mean(0)[20:204]
        spectrum = np.abs(np.fft.rfft(gain - gain.mean()))
        pitch = 184 / spectrum.argmax()  # at half size; the spectrum knows it to 2 px
        assert min(abs(pitch - tile / 2) for tile in brain_artifacts.TILES) < 2
        assert where[generator.brain].mean() > 0.3


def test_what_is_missing_is_missing_in_one_place(generator):
    for seed in range(30):  # pieces and tears; the rest of the section keeps every gray value
        flat = np.full((160, 224), 0.5, np.float32) * generator.brain
        torn, _ = population.inject(flat, "missing", seed, generator.brain)
        assert (torn[generator.brain] < 0.4999).mean() < 0.3


def test_inject_works_on_any_section_and_explains_what_it_cannot_use(generator):
    clean = generator(scores(), "none", (2, 2))[1]
    assert (
        population.inject(clean, "missing", 1)[0].tobytes()
        == population.inject(clean, "missing", 1)[0].tobytes()
    )
    with pytest.raises(
        ValueError, match="no artifact is called 'scratch'; known: leakage, missing, grid"
    ):
        population.inject(clean, "scratch")
    with pytest.raises(ValueError, match=r"one image \(H, W\), found shape \(2, 160, 224\)"):
        population.inject(np.stack([clean, clean]), "grid")
    with pytest.raises(ValueError, match="no tissue"):
        population.inject(np.zeros((80, 112)), "missing")


def test_refusals(tmp_path):
    with pytest.raises(
        ValueError, match="shape is 80×80; expected 320×448 or the same picture smaller"
    ):
        population.generate(tmp_path / "a", shape=(80, 80))
    with pytest.raises(ValueError, match="n is 0"):
        population.generate(tmp_path / "a", n=0)
    with pytest.raises(ValueError, match="all three"):
        population.generate(tmp_path / "a", template="t.tif")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(folders.OutputError, match="was not made by `brainbook phantom`"):
        population.generate(foreign, n=1, shape=SMALL, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["foreign"] and (
        foreign / "thesis.txt"
    ).read_text() == "mine"


def test_the_same_request_does_no_work_and_force_replaces_only_a_phantom(
    tmp_path, monkeypatch, anatomy
):
    monkeypatch.setattr(brain_atlas, "draw", lambda: anatomy)
    out = population.generate(tmp_path / "out", n=2, shape=SMALL)
    stamp = (out / "images.npy").stat().st_mtime_ns
    population.generate(out, n=2, shape=SMALL)
    assert (out / "images.npy").stat().st_mtime_ns == stamp
    with pytest.raises(
        folders.OutputError, match=r"holds another phantom \(n: 2; asked for n: 3\).*--force"
    ):
        population.generate(out, n=3, shape=SMALL)
    population.generate(out, n=3, shape=SMALL, force=True)
    assert len(np.load(out / "images.npy")) == 3

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(population._Generator, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
        population.generate(out, n=4, shape=SMALL, force=True)
    assert len(np.load(out / "images.npy")) == 3 and [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.fixture
def real_like(tmp_path, anatomy):
    """A template section, an annotation and a structure graph in the archive's formats, made from
    the drawing.
    """
    import tifffile

    ids = {
        "SSp4": 11,
        "HPF": 20,
        "HIP": 21,
        "STR": 3,
        "TH": 4,
        "HY": 5,
        "RSP": 6,
        "VS": 7,
        "Isocortex": 8,
        "root": 997,
    }
    labels = np.where(anatomy.brain, 997, 0)
    labels[anatomy.cortex] = 8
    for region, name in zip((1, 2, 3, 4, 5, 6), ("SSp4", "HIP", "STR", "TH", "HY", "RSP")):
        labels[anatomy.atlas == region] = ids[name]
    labels[anatomy.ventricles] = 7
    pad = ((0, 0), (4, 4))
    tifffile.imwrite(
        tmp_path / "template_ap293.tif", np.pad((anatomy.base * 300).astype(np.uint16), pad)
    )
    tifffile.imwrite(tmp_path / "annotation.tif", np.pad(labels.astype(np.uint32), pad))

    def node(name, *children):
        return dict(id=ids.get(name, 900 + len(name)), acronym=name, children=list(children))

    cortex = node("Isocortex", node("SSp", node("SSp4")), node("RSP"))
    graph = node(
        "root", cortex, node("HPF", node("HIP")), *(node(n) for n in ("STR", "TH", "HY", "VS"))
    )
    (tmp_path / "graph.json").write_text(json.dumps({"msg": [graph]}))
    return [tmp_path / name for name in ("template_ap293.tif", "annotation.tif", "graph.json")]


def test_template_mode_bends_the_given_section(real_like, anatomy, tmp_path):
    template, annotation, structures = real_like
    out = population.generate(
        tmp_path / "out",
        n=3,
        shape=(80, 112),
        template=template,
        annotation=annotation,
        structures=structures,
    )
    dataset = datasets.open_population(out)
    assert yaml.safe_load((out / "dataset.yml").read_text())["phantom"]["anatomy"].startswith(
        "template AP 293"
    )
    np.testing.assert_array_equal(dataset.atlas, population._Generator(anatomy, (80, 112)).atlas)
    plain = population.generate(tmp_path / "plain", n=3, shape=(80, 112))
    drawn = np.load(plain / "clean.npy").mean(0)
    assert np.corrcoef(np.asarray(dataset.clean_images).mean(0).ravel(), drawn.ravel())[0, 1] > 0.98


def test_template_mode_explains_files_it_cannot_use(real_like, tmp_path):
    import tifffile

    template, annotation, structures = real_like
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((100, 100), np.uint16))
    (tmp_path / "broken.nrrd").write_bytes(b"<html>not found</html>")
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"small.tif has shape \(100, 100\); expected a section"):
        brain_template.load(tmp_path / "small.tif", annotation, structures)
    with pytest.raises(ValueError, match="broken.nrrd cannot be read"):
        brain_template.load(template, tmp_path / "broken.nrrd", structures)
    with pytest.raises(ValueError, match="list.json is not a structure graph"):
        brain_template.load(template, annotation, tmp_path / "list.json")


@pytest.mark.skipif(
    "BRAINBOOK_REAL_DATA" not in os.environ, reason="needs the real template and annotation"
)
def test_template_mode_on_the_real_template():
    ccf = Path(os.environ["BRAINBOOK_REAL_DATA"]) / "ccf"
    found = brain_template.load(
        ccf / "average_template_25_ap293.tif",
        ccf / "annotation_25.nrrd",
        ccf / "structure_graph_1.json",
    )
    assert found.name.startswith("template AP 293") and set(np.unique(found.atlas)) == set(range(7))
    make = population._Generator(found, (80, 112))
    image = make(scores(), "none", (0, 0))[1]
    assert np.corrcoef(image.ravel(), make.base[2::4, 2::4].ravel())[0, 1] > 0.9
