"""Dataset folders: what is read, and that every fault is named with its remedy."""

import copy

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from helpers.data import datasets
from helpers.data.datasets import DatasetError


def errors_of(folder):
    return [str(problem) for problem in datasets.check(folder)[1] if problem.severity == "error"]


def test_reads_classes_in_order_of_name_and_raw_gray(two_area_folder):
    data = datasets.open_microct(two_area_folder.folder)
    assert data.areas == ("left", "Right")  # case does not count
    assert [piece.role for piece in data.slices()] == ["train", "validation", "test"]
    (train,) = data.slices("train")
    stored = tifffile.imread(two_area_folder.folder / "z0.tif")
    assert train.image.dtype == np.float32 and np.allclose(train.image * 255, stored, atol=1e-4)
    assert np.array_equal(
        train.areas, np.where(two_area_folder.areas == 5, 2, two_area_folder.areas)
    )
    assert not data.is_phantom


def test_labels_that_share_a_name_are_one_area(two_area_folder):
    areas = two_area_folder.areas.copy()
    areas[20:60, 20:60] = 7
    for z in (0, 60, 120):
        tifffile.imwrite(two_area_folder.folder / f"z{z}_areas.tif", areas)
    data = datasets.open_microct(two_area_folder(areas={1: "left", 5: "Right", 7: "left"}))
    assert data.areas == ("left", "Right")
    assert (data.slices("train")[0].areas[20:60, 20:60] == 1).all()


def test_window_cuts_image_and_labels_alike(two_area_folder):
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[2]["window"] = [10, 30, 150, 300]
    piece = datasets.open_microct(two_area_folder(slices=slices)).slices("test")[0]
    stored = tifffile.imread(two_area_folder.folder / "z120.tif")[10:160, 30:330]
    assert np.allclose(piece.image * 255, stored, atol=1e-4) and piece.areas.shape == (150, 300)
    assert piece.offset == (10, 30) and piece.full_shape == (200, 400)
    np.testing.assert_array_equal(piece.whole[10:160, 30:330], piece.image)
    assert piece.whole.shape == (200, 400)


@pytest.mark.parametrize(
    "write",
    [
        lambda path, image: Image.fromarray(image).save(path.with_suffix(".png")),
        lambda path, image: tifffile.imwrite(
            path.with_suffix(".tif"), image.astype(np.uint16) * 257
        ),
        lambda path, image: np.save(path.with_suffix(".npy"), image.astype(np.float64) / 255),
    ],
)
def test_file_types_and_depths_give_the_same_gray(two_area_folder, write):
    image = tifffile.imread(two_area_folder.folder / "z0.tif")
    write(two_area_folder.folder / "other", image)
    (found,) = two_area_folder.folder.glob("other.*")
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[0]["image"] = found.name
    data = datasets.open_microct(two_area_folder(slices=slices))
    assert np.allclose(data.slices("train")[0].image, image / 255, atol=1e-5)


def test_fingerprint_follows_content(two_area_folder):
    before = datasets.open_microct(two_area_folder.folder).fingerprint
    assert before == datasets.open_microct(two_area_folder.folder).fingerprint
    image = tifffile.imread(two_area_folder.folder / "z120.tif")
    image[0, 0] ^= 1
    tifffile.imwrite(two_area_folder.folder / "z120.tif", image)
    assert datasets.open_microct(two_area_folder.folder).fingerprint != before


def _slices(write, index, **changes):
    slices = copy.deepcopy(write.manifest["slices"])
    slices[index].update(changes)
    return write(slices=slices)


def _labels(write, array, z=0):
    tifffile.imwrite(write.folder / f"z{z}_areas.tif", array)


def _small_area(write):
    areas = np.zeros_like(write.areas)
    areas[20:180, 20:200], areas[20:140, 200:320] = 1, 5  # 120 × 120: no 128 × 128 window fits
    _labels(write, areas)


def _nan(write):
    np.save(write.folder / "nan.npy", np.full((200, 400), np.nan, np.float32))
    _slices(write, 0, image="nan.npy")


def _rgb(write):
    Image.fromarray(np.zeros((200, 400, 3), np.uint8)).save(write.folder / "rgb.png")
    _slices(write, 0, image="rgb.png")


def _truncated(write):
    Image.fromarray(tifffile.imread(write.folder / "z0.tif")).save(write.folder / "cut.png")
    content = (write.folder / "cut.png").read_bytes()
    (write.folder / "cut.png").write_bytes(content[: len(content) // 2])
    _slices(write, 0, image="cut.png")


def _halves(write):
    np.save(write.folder / "half.npy", write.areas + 0.5)
    _slices(write, 0, areas="half.npy")


def _without(name):
    def change(write):
        areas = write.areas.copy()
        areas[areas == name] = 0
        _labels(write, areas)

    return change


FAULTS = {
    "missing file": (
        lambda w: _slices(w, 0, image="z00.tif"),
        ["slices[0].image", "z00.tif", "does not exist", "Did you mean `z0.tif`"],
    ),
    "other shape": (
        lambda w: _labels(w, w.areas[:100]),
        ["slices[0].areas", "(100, 400)", "(200, 400)"],
    ),
    "half labels": (_halves, ["half.npy", "not whole numbers", "without interpolation"]),
    "listed label absent": (
        lambda w: w(areas={1: "left", 5: "Right", 9: "nowhere"}),
        ["areas.9", "nowhere", "occurs in no slice"],
    ),
    "empty area": (_without(5), ["Right", "no pixel in the training slice z = 0"]),
    "small area": (
        _small_area,
        ["Right", "14400 pixels", "128×128", "room for one training patch"],
    ),
    "single area": (lambda w: w(areas={1: "left"}), ["one area (left)", "two areas or more"]),
    "not finite": (_nan, ["nan.npy", "80000 pixels that are not finite"]),
    "colour": (_rgb, ["rgb.png", "colour image", "(200, 400, 3)", "gray"]),
    "truncated": (_truncated, ["cut.png", "cannot be read", "truncated"]),
    "kind": (lambda w: w(kind="microCT"), ["kind", "'microCT'", "microct"]),
    "schema": (lambda w: w(schema=2), ["schema", "2", "Write `schema: 1`"]),
    "misspelt key": (lambda w: w(pixelsize_um=1.0), ["pixelsize_um", "unknown key", "Remove it"]),
    "misspelt slice key": (
        lambda w: _slices(w, 0, layer="x.tif"),
        ["slices[0].layer", "Did you mean `layers`?"],
    ),
    "leaves the folder": (
        lambda w: _slices(w, 0, image="../z0.tif"),
        ["slices[0].image", "../z0.tif", "inside the dataset folder"],
    ),
    "absolute path": (
        lambda w: _slices(w, 0, image="/etc/z0.tif"),
        ["/etc/z0.tif", "inside the dataset folder"],
    ),
    "role": (
        lambda w: _slices(w, 0, role="training"),
        ["slices[0].role", "'training'", "train or validation or test"],
    ),
    "window": (
        lambda w: _slices(w, 0, window=[0, 0, 300, 10]),
        ["slices[0].window", "[0, 0, 300, 10]", "(200, 400)"],
    ),
    "pixel size": (lambda w: w(pixel_size_um=0), ["pixel_size_um", "0", "above 0"]),
    "no slices": (lambda w: w(slices=[]), ["slices", "a list of slices"]),
    "names": (lambda w: w(areas=["left", "Right"]), ["areas", "mapping from whole numbers"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_says_where_what_and_what_to_do(two_area_folder, name):
    fault, words = FAULTS[name]
    fault(two_area_folder)
    found = "\n".join(errors_of(two_area_folder.folder))
    for word in words:
        assert word in found
    with pytest.raises(DatasetError, match="cannot be used as a dataset"):
        datasets.open_microct(two_area_folder.folder)


def test_yaml_that_does_not_parse_names_the_line(two_area_folder):
    (two_area_folder.folder / "dataset.yml").write_text(
        "schema: 1\nkind: microct\nareas: {1: a, 2: b\nslices: []\n"
    )
    (message,) = errors_of(two_area_folder.folder)
    assert "line 4" in message and "not YAML" in message


def test_missing_manifest_and_folder(tmp_path):
    assert "brainbook init" in errors_of(tmp_path)[0]
    assert "no such folder" in errors_of(tmp_path / "nowhere")[0]


def test_several_faults_are_told_at_once(two_area_folder):
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[0]["image"], slices[2]["areas"] = "a.tif", "b.tif"
    assert len(errors_of(two_area_folder(slices=slices))) == 2


def test_warnings_near_slices_and_unlisted_labels(two_area_folder):
    areas = two_area_folder.areas.copy()
    areas[0, :10] = 9
    _labels(two_area_folder, areas, z=120)
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[1]["z"] = 49
    _, problems = datasets.check(two_area_folder(slices=slices))
    texts = [str(problem) for problem in problems]
    assert len(texts) == 2 and all(text.startswith("warning") for text in texts)
    assert any("label 9 in 10 pixels" in text for text in texts)
    assert any("z = 0 (train) and z = 49 (validation) 49 µm apart" in text for text in texts)
    assert datasets.open_microct(two_area_folder.folder).slices("test")[0].areas[0, 0] == 0


def test_planes_are_as_far_apart_as_their_volume_says_and_told_in_one_line(two_area_folder):
    folder, manifest = two_area_folder.folder, two_area_folder.manifest
    stack = np.stack([tifffile.imread(folder / f"z{z}.tif") for z in (0, 60, 120)])
    slices = [entry | {"z": z, "image": "v.tif"} for z, entry in enumerate(manifest["slices"])]
    for depth, expected in ((60.0, []), (20.0, ["z = 0 (train) and z = 1 (validation) 20 µm"])):
        settings = {"spacing": depth, "unit": "um", "axes": "ZYX"}
        resolution = (1 / manifest["pixel_size_um"],) * 2
        tifffile.imwrite(
            folder / "v.tif", stack, imagej=True, metadata=settings, resolution=resolution
        )
        _, problems = datasets.check(two_area_folder(slices=slices))
        found = [problem.found for problem in problems]
        assert len(found) == len(expected)
        assert all(text.startswith(words) for text, words in zip(found, expected))
    assert found[0].endswith("apart, and 2 more such pairs")  # 1 to 2: 20 µm; 0 to 2: 40 µm


def test_windows_of_one_slice_are_as_far_apart_as_they_lie_in_its_plane(two_area_folder):
    slices = copy.deepcopy(two_area_folder.manifest["slices"])[:1]
    slices[0]["window"] = [0, 0, 200, 345]
    slices.append({"z": 0, "role": "test", "image": "z0.tif", "window": [0, 375, 200, 25]})
    _, problems = datasets.check(two_area_folder(slices=slices))
    assert [problem.severity for problem in problems] == ["warning"] and "30 µm apart" in problems[
        0
    ].found


def test_check_writes_nothing(two_area_folder):
    before = sorted((p.name, p.stat().st_mtime_ns) for p in two_area_folder.folder.iterdir())
    datasets.check(two_area_folder.folder)
    assert before == sorted(
        (p.name, p.stat().st_mtime_ns) for p in two_area_folder.folder.iterdir()
    )


def test_init_writes_a_manifest_that_opens(two_area_folder):
    from helpers.data.datasets.begin import begin

    (two_area_folder.folder / "dataset.yml").unlink()
    path = begin(two_area_folder.folder)
    data = datasets.open_microct(two_area_folder.folder)
    assert [piece.z for piece in data.slices()] == [0, 120, 60] and data.areas == ("area1", "area5")
    before = path.read_text()
    with pytest.raises(FileExistsError, match="nothing was written"):
        begin(two_area_folder.folder)
    assert path.read_text() == before


def test_tiny_phantom_passes_every_check(tiny_microct):
    kind, problems = datasets.check(tiny_microct)
    assert kind == "microct" and [str(p) for p in problems if p.severity == "error"] == []
    data = datasets.open_microct(tiny_microct)
    assert data.is_phantom and data.areas == (
        "Cortex",
        "Hypothalamus",
        "Striatum",
        "VP",
        "WM",
        "ZI",
    )
    assert {"barrels", "cell_density", "axon_density"} <= set(data.slices("test")[0].truth)


def population_folder(folder, **changes):
    import yaml

    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 255, (6, 20, 30)).astype(np.uint8))
    atlas = np.zeros((20, 30), np.uint8)
    atlas[5:10, 5:10], atlas[10:15, 5:25] = 2, 7
    tifffile.imwrite(folder / "atlas.tif", atlas)
    (folder / "clean.txt").write_text("0\n2\n3\n")
    manifest = {
        "schema": 1,
        "kind": "population",
        "name": "six",
        "pixel_size_um": 25,
        "images": "images.npy",
        "atlas": "atlas.tif",
        "regions": {2: "HPF", 7: "STR"},
        "clean": "clean.txt",
        **changes,
    }
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest))
    return folder


def test_population_is_read(tmp_path):
    data = datasets.open_population(population_folder(tmp_path))
    assert (
        data.images.shape == (6, 20, 30)
        and data.images.dtype == np.float32
        and data.images.max() <= 1
    )
    assert data.regions == ("HPF", "STR") and np.unique(data.atlas).tolist() == [0, 1, 2]
    assert data.clean.tolist() == [0, 2, 3] and data.truth is None


def test_population_from_a_folder_of_images_is_the_same(tmp_path):
    data = datasets.open_population(population_folder(tmp_path))
    (tmp_path / "planes").mkdir()
    for index, image in enumerate(np.load(tmp_path / "images.npy")):
        tifffile.imwrite(tmp_path / "planes" / f"{index:03}.tif", image)
    again = datasets.open_population(population_folder(tmp_path, images="planes"))
    assert np.allclose(data.images, again.images)


POPULATION_FAULTS = {
    "atlas shape": (
        lambda f: tifffile.imwrite(f / "atlas.tif", np.zeros((5, 5), np.uint8)),
        ["atlas", "(5, 5)", "(20, 30)"],
    ),
    "region absent": (
        lambda f: population_folder(f, regions={2: "HPF", 9: "TH"}),
        ["regions.9", "does not occur"],
    ),
    "index": (lambda f: (f / "clean.txt").write_text("0\n6\n"), ["clean", "index 6", "0 to 5"]),
    "several at once": (
        lambda f: [
            population_folder(f, regions={2: "HPF", 9: "TH"}),
            (f / "clean.txt").write_text("0\ntwo\n"),
            tifffile.imwrite(f / "atlas.tif", np.zeros((5, 5), np.uint8)),
        ],
        ["'two'", "(5, 5)", "regions.9"],
    ),
    "not an array": (
        lambda f: (f / "images.npy").write_bytes(b"no"),
        ["images.npy", "cannot be read"],
    ),
    "two dimensions": (lambda f: np.save(f / "images.npy", np.zeros((4, 4))), ["(N, H, W)"]),
    "not finite": (
        lambda f: np.save(f / "images.npy", np.full((6, 20, 30), np.inf)),
        ["not finite in 6 images"],
    ),
}


@pytest.mark.parametrize("name", POPULATION_FAULTS)
def test_population_faults(tmp_path, name):
    fault, words = POPULATION_FAULTS[name]
    population_folder(tmp_path)
    fault(tmp_path)
    found = "\n".join(errors_of(tmp_path))
    for word in words:
        assert word in found
    with pytest.raises(DatasetError):
        datasets.open_population(tmp_path)


def test_two_images_may_not_go_by_one_z(two_area_folder):
    other = np.random.default_rng(1).integers(0, 255, (200, 400)).astype(np.uint8)
    tifffile.imwrite(two_area_folder.folder / "other.tif", other)
    slices = [*two_area_folder.manifest["slices"], {"z": 120, "role": "test", "image": "other.tif"}]
    with pytest.raises(DatasetError, match="two different images with z = 120"):
        datasets.open_microct(two_area_folder(slices=slices))


def _write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in files.items():
        tifffile.imwrite(folder / f"{name}.tif", array)


def test_init_matches_maps_by_their_stem(tmp_path):
    """Numbers alone would give the labels of one animal to another."""
    from helpers.data.datasets.begin import understood

    areas, layers = np.ones((9, 9), np.uint8), np.full((9, 9), 3, np.uint8)
    image = np.arange(81, dtype=np.uint8).reshape(9, 9)
    mice = {f"{mouse}_s1": image for mouse in "ab"}
    maps = {"a_s1_labels": areas, "b_s1_labels": areas * 2, "b_s1_layers": layers}
    _write(tmp_path / "mice", **mice, **maps)
    path, words = understood(tmp_path / "mice")
    found = yaml.safe_load(path.read_text())
    assert [entry["areas"] for entry in found["slices"]] == ["a_s1_labels.tif", "b_s1_labels.tif"]
    assert found["slices"][1]["layers"] == "b_s1_layers.tif" and "layers" not in found["slices"][0]
    assert [entry["z"] for entry in found["slices"]] == [1, 2]
    assert set(found["areas"]) == {1, 2} and set(found["layers"]) == {3}
    assert "b_s1.tif: areas b_s1_labels.tif, layers b_s1_layers.tif" in words


def test_init_says_in_a_sentence_that_nothing_can_be_trained(tmp_path, capsys):
    """Its words are printed behind "found"."""
    from helpers import cli

    _write(tmp_path / "bare", z1=np.arange(81, dtype=np.uint8).reshape(9, 9))
    cli.main(["init", str(tmp_path / "bare")])
    assert "found no label map beside an image: nothing can be" in capsys.readouterr().out


def test_init_takes_images_beside_an_atlas_for_a_population(tmp_path):
    from helpers.data.datasets.begin import understood

    rng = np.random.default_rng(0)
    _write(tmp_path, atlas=np.eye(30, dtype=np.uint8))
    mice = {f"m{i}": rng.integers(0, 255, (30, 30)).astype(np.uint8) for i in range(6)}
    _write(tmp_path / "images", **mice)
    path, words = understood(tmp_path)
    data = datasets.open_population(tmp_path)
    assert (data.images.shape, data.regions) == ((6, 30, 30), ("region1",))
    assert words[0] == "a population: images/, atlas atlas.tif"


def test_init_takes_the_pixel_size_from_metadata(tmp_path):
    from helpers.data.datasets.begin import understood

    stack = np.random.default_rng(0).integers(0, 255, (4, 30, 30)).astype(np.uint8)
    about = {"axes": "ZYX", "unit": "um", "spacing": 5.0}
    tifffile.imwrite(tmp_path / "v.tif", stack, imagej=True, resolution=(2.0, 2.0), metadata=about)
    tifffile.imwrite(tmp_path / "v_areas.tif", stack // 128 + 1)
    path, words = understood(tmp_path)
    found = yaml.safe_load(path.read_text())
    assert found["pixel_size_um"] == 0.5
    assert found["slices"] == [{"z": 2, "role": "train", "image": "v.tif", "areas": "v_areas.tif"}]
    assert words[0] == "v.tif (4 planes, z picks one): areas v_areas.tif"
