"""A zarr population is data: its metadata is read first, and no codec of it can run code."""

import json

import numcodecs
import numpy as np
import pytest
import tifffile
import yaml

from helpers.data import datasets
from helpers.data.datasets import zarr_arrays


@pytest.fixture
def population(tmp_path):
    atlas = np.zeros((12, 12), np.uint8)
    atlas[3:9, 3:9] = 1
    tifffile.imwrite(tmp_path / "atlas.tif", atlas)
    manifest = {"schema": 1, "kind": "population", "name": "p", "pixel_size_um": 25}
    manifest |= {"images": "images.zarr", "atlas": "atlas.tif", "regions": {1: "a"}}
    (tmp_path / "dataset.yml").write_text(yaml.safe_dump(manifest))
    return tmp_path


IMAGES = np.random.default_rng(0).integers(1, 250, (8, 12, 12)).astype(np.uint8)


ABOUT_2 = {
    "zarr_format": 2,
    "shape": [8, 12, 12],
    "chunks": [2, 12, 12],
    "dtype": "|u1",
    "compressor": {"id": "zlib", "level": 1},
    "filters": None,
    "fill_value": 0,
    "order": "C",
}
ABOUT_3 = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [8, 12, 12],
    "data_type": "uint8",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 12, 12]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "codecs": [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}],
    "fill_value": 0,
}


def write(folder, **changes):
    """An array of format 2, by hand: zarr itself writes only what is harmless."""
    path = folder / "images.zarr"
    path.mkdir(exist_ok=True)
    (path / ".zarray").write_text(json.dumps({**ABOUT_2, **changes}))
    for index in range(4):
        content = numcodecs.Zlib(1).encode(IMAGES[2 * index : 2 * index + 2])
        (path / f"{index}.0.0").write_bytes(content)
    return path


def found(folder):
    return [str(problem) for problem in datasets.check(folder)[1]]


def test_plain_codecs_are_read(population):
    write(population)
    assert found(population) == []
    assert np.allclose(datasets.open_population(population).images, IMAGES / 255)


class Bomb:
    """What a pickle may do when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    "changes",
    [
        {"filters": [{"id": "pickle", "protocol": 5}], "compressor": None, "dtype": "|O"},
        {"filters": [{"id": "pickle", "protocol": 5}], "compressor": None},
        {"filters": None, "compressor": {"id": "pickle"}},
        {"filters": [{"id": "json2"}]},
    ],
)
def test_a_codec_that_may_run_code_is_refused_before_anything_is_decoded(population, changes):
    path = write(population, **changes)
    flag = population.parent / "ran"
    for index in range(4):
        (path / f"{index}.0.0").write_bytes(numcodecs.Pickle().encode(np.array([Bomb(flag)])))
    (message,) = found(population)
    assert "images.zarr" in message and ("the codec" in message or "the type" in message)
    assert not flag.exists()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"codecs": [{"name": "numcodecs.pickle"}]}, "the codec 'pickle'"),
        ({"codecs": [{"name": "bytes"}, {"name": "vlen-utf8"}]}, "the codec 'vlen-utf8'"),
        ({"data_type": "string"}, "not understood"),
        ({"node_type": "group"}, "a group without an image"),
        ({"storage_transformers": [{"name": "x"}]}, "not understood"),
        ({"codecs": 3}, "not understood"),
    ],
)
def test_format_3_is_looked_at_alike(population, changes, word):
    path = population / "images.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(json.dumps({**ABOUT_3, **changes}))
    (message,) = found(population)
    assert word in message


def test_two_sets_of_metadata_are_refused(population):
    (write(population) / "zarr.json").write_text(json.dumps(ABOUT_3))
    assert ".zarray and zarr.json" in found(population)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": "x"},
        {"shape": [8, 12]},
        {"shape": [-8, 12, 12]},
        {"chunks": [0, 12, 12]},
        {"chunks": [1.5, 12, 12]},
        {"shape": [10**9] * 3},
        {"dtype": [["a", "u1"]]},
        {"compressor": "zlib"},
    ],
)
def test_broken_metadata_is_a_problem(population, changes):
    write(population, **changes)
    assert "images.zarr" in found(population)[0]


def test_missing_chunks_are_told(population):
    path = write(population)
    (path / "2.0.0").unlink()
    assert "1 of 4 chunks missing" in found(population)[0]
    write(population, fill_value=None)
    (path / "2.0.0").unlink()
    (message,) = found(population)
    assert message.startswith("error") and "1 of 4 chunks missing" in message


@pytest.mark.parametrize("images", [1, 3])
def test_a_chunk_of_another_size_than_declared_is_refused(population, images):
    """zarr 2 leaves what a short chunk does not fill as the memory was: noise, other each time."""
    path = write(population)
    (path / "1.0.0").write_bytes(numcodecs.Zlib(1).encode(IMAGES[:images]))
    (message,) = found(population)
    assert message.startswith("error") and "cannot be read" in message
    with pytest.raises(ValueError, match="reshape|buffer|size"):
        zarr_arrays.decoded(path, (slice(2, 4), slice(0, 12), slice(0, 12)))
    np.testing.assert_array_equal(zarr_arrays.decoded(path, (slice(4, 6), 5)), IMAGES[4:6, 5])


def test_a_huge_array_of_a_few_bytes_is_not_decoded(population):
    write(population, shape=[8, 40_000, 12_000], chunks=[2, 40_000, 12_000])
    assert "a declared size of 8 × 40000 × 12000 pixels" in found(population)[0]
