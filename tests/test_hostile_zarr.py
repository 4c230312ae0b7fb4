"""A zarr population is data: its metadata is read first, and no codec of it can run code."""

import json
import time
import tracemalloc

import numcodecs
import numpy as np
import pytest
import tifffile
import yaml

from helpers.data import datasets
from helpers.data.datasets import zarr_arrays
from helpers.data.datasets.chunk_sizes import check_chunk


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
    with pytest.raises(ValueError, match="reshape|buffer|size|expected 288"):
        zarr_arrays.decoded(path, (slice(2, 4), slice(0, 12), slice(0, 12)))
    np.testing.assert_array_equal(zarr_arrays.decoded(path, (slice(4, 6), 5)), IMAGES[4:6, 5])


def test_a_huge_array_of_a_few_bytes_is_not_decoded(population):
    write(population, shape=[8, 40_000, 12_000], chunks=[2, 40_000, 12_000])
    assert "a declared size of 8 × 40000 × 12000 pixels" in found(population)[0]


MIB = 2**20
GZIP = numcodecs.GZip(9).encode
BOMBS = {
    "gzip": lambda content: GZIP(content),
    "gzip, in two": lambda content: GZIP(content[:288]) + GZIP(content[288:]),
    "zlib": numcodecs.Zlib(9).encode,
    "zstd": numcodecs.Zstd(9).encode,
    "lz4": numcodecs.LZ4().encode,
    "blosc": numcodecs.Blosc("zstd", 9).encode,
    # a frame that does not say its size: header, then 64 blocks of one byte repeated
    "zstd, untold": lambda content: (
        b"\x28\xb5\x2f\xfd\x00\x58"
        + b"".join(((len(content) // 64 << 3) | 2 | (i == 63)).to_bytes(3, "little") + b"\0"
                   for i in range(64))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_chunk_that_unpacks_to_more_than_declared_is_never_unpacked(population, name):
    path = write(population, compressor={"id": name.split(",")[0]})
    for index in range(4):
        packed = BOMBS["gzip" if name == "zstd, untold" else name](bytes(IMAGES[:2].tobytes()))
        (path / f"{index}.0.0").write_bytes(packed)
    if name != "zstd, untold":
        assert found(population) == []  # the plain chunks of this codec are read
    (path / "2.0.0").write_bytes(BOMBS[name](bytes(64 * MIB)))
    assert (path / "2.0.0").stat().st_size < MIB
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"chunk 2.0.0: .*(expected|a chunk of) 288"):
        zarr_arrays.decoded(path, (slice(4, 6), 5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB
    (message,) = found(population)
    assert message.startswith("error") and "images.zarr" in message


def test_a_frame_of_zstd_that_does_not_say_its_size_is_measured(population):
    """Upper bounds of blocks: what a stream of a fitting chunk looks like is let through."""
    raw = IMAGES[:2].tobytes()
    header = b"\x28\xb5\x2f\xfd\x00\x58" + ((len(raw) << 3) | 1).to_bytes(3, "little")
    (population / "chunk").write_bytes(header + raw)
    check_chunk(population / "chunk", "zstd", 288)


@pytest.mark.parametrize("codec", ["gzip", "zlib", "zstd", "lz4", "blosc"])
@pytest.mark.parametrize("length", [5, 20, 300])
def test_a_chunk_of_noise_is_refused(population, codec, length):
    noise = np.random.default_rng(length).integers(0, 256, length).astype(np.uint8)
    (population / "chunk").write_bytes(noise.tobytes())
    with pytest.raises(ValueError, match="chunk chunk: "):
        check_chunk(population / "chunk", codec, 288)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"filters": [{"id": "zlib"}]}, "the codecs zlib, zlib"),
        ({"filters": [{"id": "gzip"}, {"id": "crc32c"}]}, "compressed once, at the end"),
        ({"chunks": [2, 12_000, 12_000]}, "chunks of 288,000,000 bytes for an array of 1,152"),
    ],
)
def test_metadata_that_hide_a_bomb_are_refused(population, changes, words):
    write(population, **changes)
    assert words in found(population)[0]


def test_an_uncompressed_chunk_has_the_size_of_a_chunk(population):
    path = write(population, compressor=None)
    for index in range(4):
        (path / f"{index}.0.0").write_bytes(IMAGES[:2].tobytes())
    assert found(population) == []
    (path / "0.0.0").write_bytes(bytes(MIB))
    assert "cannot be read" in found(population)[0]


def test_large_chunks_are_measured_in_the_time_of_reading_them(population):
    noise = np.random.default_rng(0).integers(0, 256, 8 * MIB).astype(np.uint8).tobytes()
    (population / "chunk").write_bytes(numcodecs.GZip(1).encode(noise))
    start = time.process_time()
    check_chunk(population / "chunk", "gzip", len(noise))
    assert time.process_time() - start < 2
