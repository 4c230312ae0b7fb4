"""Faults injected into dataset and weights folders: each is named, quickly and without a trace."""

import copy
import os
import struct
import time
import zlib

import numpy as np
import onnx
import pytest
import tifffile
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from helpers.data import datasets
from helpers.data.datasets import DatasetError
from helpers.data.datasets.weights import Record, WeightsError, open_weights


def messages(folder, severity="error"):
    start = time.perf_counter()
    found = [str(p) for p in datasets.check(folder)[1] if p.severity == severity]
    assert time.perf_counter() - start < 10
    return "\n".join(found)


def tiny_png(path, width=100_000, height=100_000):
    """A PNG of a few bytes that declares many pixels."""
    chunk = lambda kind, body: (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def tiny_tiff(path):
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(100_000)
        file.pages[0].tags["ImageLength"].overwrite(100_000)


def palette(path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 9, (200, 400)).astype(np.uint8))
    image.putpalette(bytes(range(256)) * 3)
    image.save(path)


def npz(path):
    with open(path, "wb") as file:
        np.savez(file, np.ones((200, 400)))


def one_bright(path):
    image = np.random.default_rng(0).random((200, 400)).astype(np.float32)
    image[3, 3] = 1e30
    np.save(path, image)


def labels(value, dtype):
    def make(path):
        array = np.ones((200, 400), dtype)
        array[0, 0] = value
        np.save(path, array)

    return make


IMAGES = {
    "declared PNG": ("x.png", tiny_png, "a declared size of 100000 × 100000 pixels"),
    "declared TIFF": ("x.tif", tiny_tiff, "a declared size of 100000 × 100000 pixels"),
    "npz": ("x.npy", npz, "cannot be read"),
    "FIFO": ("x.npy", os.mkfifo, "neither a file nor a folder"),
    "outside": ("x.npy", lambda p: p.symlink_to("/etc/passwd"), "a link that leaves the folder"),
    "folder": ("x.tif", os.mkdir, "cannot be read"),
    "palette": ("x.png", palette, "indices into a palette"),
    "1e30": ("x.npy", one_bright, "1e+30"),
    "black": ("x.npy", lambda p: np.save(p, np.zeros((200, 400))), "a single gray value"),
}
LABELS = {
    "2^32 + 1": ("x.npy", labels(2**32 + 1, np.uint64), "the label 4294967297"),
    "1e30": ("x.npy", labels(1e30, np.float64), "labels up to 2147483647"),
}


@pytest.mark.parametrize(
    ("key", "name"), [("image", name) for name in IMAGES] + [("areas", name) for name in LABELS]
)
def test_an_odd_file_is_named(two_area_folder, key, name):
    file, make, words = (IMAGES if key == "image" else LABELS)[name]
    make(two_area_folder.folder / file)
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[2][key] = file
    found = messages(two_area_folder(slices=slices))
    assert words in found and f"slices[2].{key}" in found and "expected" in found
    with pytest.raises(DatasetError):
        datasets.open_microct(two_area_folder.folder)


def test_palette_indices_serve_as_labels(two_area_folder):
    image = Image.fromarray(two_area_folder.areas)
    image.putpalette(bytes(range(256)) * 3)
    image.save(two_area_folder.folder / "z120.png")
    slices = copy.deepcopy(two_area_folder.manifest["slices"])
    slices[2]["areas"] = "z120.png"
    assert messages(two_area_folder(slices=slices)) == ""


LAUGHS = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\n" + "".join(
    f"{chr(c)}: &{chr(c)} [*{chr(c - 1)}, *{chr(c - 1)}, *{chr(c - 1)}]\n" for c in range(99, 120)
)
TEXTS = {
    "aliases": (LAUGHS, "an alias"),
    "self": ("phantom: &a [*a]\n", "an alias"),
    "twice": ("name: other\n", "a key that stands twice"),
    "10^400": (f"pixel_size: {10**400}\n", "a number beyond 64 bits"),
    "10^5000": (f"phantom: {'9' * 5000}\n", "a number beyond 64 bits"),
    "10^19 as label": (f"layers: {{{10**19}: a}}\n", "a number beyond 64 bits"),
    "10^10 as label": (f"layers: {{{10**10}: a}}\n", "a mapping from whole numbers"),
    "deep": ("phantom: " + "[" * 5000 + "]" * 5000 + "\n", "nested too deeply"),
    "long": ("# " + "x" * 300_000 + "\n", "300,"),
    "date": ("phantom: 2024-99-99\n", "not YAML"),
    "tag": ("phantom: !!bool maybe\n", "not YAML"),
    "python": ("phantom: !!python/object/apply:os.system [ls]\n", "not YAML"),
    "NUL": ('layers: {1: "a\\0b"}\n', "a character that no name holds"),
    "surrogate": ('layers: {1: "\\ud800"}\n', "a character that no name holds"),
    "names": (f"layers: {{{', '.join(f'{i}: a' for i in range(1, 300))}}}\n", "299 labels"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_odd_yaml_is_named(two_area_folder, name):
    text, words = TEXTS[name]
    path = two_area_folder.folder / "dataset.yml"
    path.write_text(path.read_text() + text)
    assert words in messages(two_area_folder.folder)


def test_a_flood_of_unlisted_labels_is_told_shortly(two_area_folder):
    areas = two_area_folder.areas.astype(np.int32)
    areas[0] = np.arange(1000, 1400)
    tifffile.imwrite(two_area_folder.folder / "z0_areas.tif", areas)
    warnings = messages(two_area_folder.folder, "warning").splitlines()
    assert len(warnings) == 11 and "390 more labels" in warnings[-1]


@pytest.fixture
def population(tmp_path):
    def write(**changes):
        (tmp_path / "dataset.yml").write_text(yaml.safe_dump({**manifest, **changes}))
        return tmp_path

    atlas = np.zeros((12, 12), np.uint8)
    atlas[3:9, 3:9] = 1
    tifffile.imwrite(tmp_path / "atlas.tif", atlas)
    images = np.random.default_rng(0).integers(0, 250, (8, 12, 12)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    manifest = {"schema": 1, "kind": "population", "name": "p", "pixel_size_um": 25}
    manifest |= {"images": "images.npy", "atlas": "atlas.tif", "regions": {1: "a"}}
    write.images, write.folder = images, tmp_path
    return write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 indices"),
        ("3\n", "1 indices"),
        (f"0\n{10**30}\n", "not whole numbers"),
        (f"0\n{10**12}\n", f"the index {10**12}"),
        ("9" * 5000, "not whole numbers"),
        ("-4\n2\n", "the index -4"),
    ],
)
def test_indices_of_clean_images(population, text, words):
    (population.folder / "clean.txt").write_text(text)
    assert words in messages(population(clean="clean.txt"))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_images(population, n):
    np.save(population.folder / "images.npy", population.images[:n])
    assert f"{n} images" in messages(population(), "warning")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("\n" * 9, "cannot be read"),
        ("1\n" * 8, "a column `artifact`"),
        ("artifact,size\n" + "none,large\n" * 8, "finite numbers"),
        ("artifact,size\n" + "none,\n" * 8, "finite numbers"),
    ],
)
def test_tables_of_truth(population, text, words):
    (population.folder / "truth.csv").write_text(text)
    assert words in messages(population(truth="truth.csv"))


def test_a_folder_of_float_images_has_one_scale(population):
    images = population.images * 10.0 + np.arange(8)[:, None, None] * 100
    (population.folder / "planes").mkdir()
    for i, image in enumerate(images.astype(np.float32)):
        tifffile.imwrite(population.folder / "planes" / f"{i}.tif", image)
    np.save(population.folder / "images.npy", images.astype(np.float32))
    stack = datasets.open_population(population()).images
    assert np.array_equal(stack, datasets.open_population(population(images="planes")).images)
    tifffile.imwrite(population.folder / "planes" / "0.tif", population.images[0])
    assert "one type" in messages(population(images="planes"))


def test_a_constant_image_among_others_is_named(population):
    images = population.images.copy()
    images[5] = 7
    np.save(population.folder / "images.npy", images)
    assert "in 1 of 8 images (first: 5)" in messages(population())


def test_a_link_among_the_images_of_a_folder_is_named(population):
    (population.folder / "planes").mkdir()
    (population.folder / "planes" / "0.tif").symlink_to("/etc/passwd")
    assert "planes/0.tif, a link that leaves" in messages(population(images="planes"))
    (population.folder / "planes" / "0.tif").unlink()
    (population.folder / "planes" / "0.tif").symlink_to("0.tif")
    assert "planes/0.tif, a link that leads back" in messages(population(images="planes"))


# ---------------------------------------------------------------------------- weights


def network(path, weight=0.5, external=False):
    shapes = {"features": [None, 3], "image": [None, 3, 8, 8]}
    info = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    w = numpy_helper.from_array(np.full((192, 3), weight, np.float32), "w")
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["features"]),
    ]
    graph = helper.make_graph(nodes, "g", [info["image"]], [info["features"]], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    more = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 0}
    onnx.save(model, path, **(more if external else {}))
    return path


def test_networks_that_cannot_be_trusted_are_refused(tmp_path):
    from helpers.tissue.network.pretrained import load_network

    assert load_network(Record("good", network(tmp_path / "good.onnx"))).n_features == 3
    with pytest.raises(WeightsError, match="not finite"):
        load_network(Record("nan", network(tmp_path / "nan.onnx", np.nan)))
    with pytest.raises(WeightsError, match="'w' lie in another file"):
        load_network(Record("parts", network(tmp_path / "parts.onnx", external=True)))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("mean: [.nan], std: [1]", "finite"),
        ("mean: [0.5], std: [.inf]", "finite"),
        ("mean: [0.5], std: null", "both `mean` and `std`"),
        ("mean: [0.5], std: [-1]", "must not be zero"),
        ("mean: [true], std: [1]", "finite"),
        ("size: 1000000", "up to 4096"),
        ("size: true", "positive whole number"),
        ("features: 3", "must be text"),
        ("network: [a]", "must be text"),
        ("file: n.onnx", "stands twice"),
        ("source: &a x", "an alias"),
    ],
)
def test_records_of_weights(tmp_path, record, words):
    network(tmp_path / "n.onnx")
    text = f"kind: weights\nnetworks:\n  - {{file: n.onnx, {record}}}\n"
    (tmp_path / "weights.yml").write_text(text)
    with pytest.raises(WeightsError, match=words):
        open_weights(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: p.symlink_to("/etc/passwd")])
def test_only_regular_files_are_networks(tmp_path, make):
    make(tmp_path / "n.onnx")
    with pytest.raises(WeightsError, match="expected a regular file"):
        open_weights(tmp_path)
