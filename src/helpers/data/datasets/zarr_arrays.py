"""Read a zarr array whose metadata was looked at first, because a codec it names may be code."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.datasets.images import check_size
from helpers.data.datasets.manifest import Problem

METADATA = (".zarray", "zarr.json")
COMPRESSORS = ("blosc", "zlib", "gzip", "zstd", "lz4")
LAYOUT = ("bytes", "transpose", "crc32c")  # what format 3 calls codecs as well
MOST_CHUNKS = 1_000_000


def is_zarr(path: Path) -> bool:
    """Whether a folder holds a zarr array of format 2 or 3."""
    return any((path / name).exists() for name in METADATA)


def read_zarr(path: Path, field: str) -> tuple[np.ndarray, list[Problem]]:
    """Return a numeric zarr array and warnings about chunks that are not there.

    Raises
    ------
    Problem
        If the metadata cannot be understood, or names a type or a codec that is not plain data;
        nothing is decoded then.
    """
    import zarr

    names = [name for name in METADATA if (path / name).exists()]
    if len(names) > 1:
        raise _problem(path, field, " and ".join(names), "one of them")
    try:
        about = json.loads((path / names[0]).read_text(encoding="utf-8"))
        shape, chunks, fill, dtype, codecs, key = {".zarray": _format_2, "zarr.json": _format_3}[
            names[0]
        ](about)
        grid = [range(math.ceil(size / step)) for size, step in zip(shape, chunks, strict=True)]
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        raise _problem(path, field, f"a {names[0]} that is not understood", "an array's") from None
    if dtype.kind not in "biuf":
        raise _problem(path, field, f"the type {dtype}", "numbers")
    for codec in codecs:
        if codec not in (*COMPRESSORS, *LAYOUT):
            raise _problem(path, field, f"the codec {codec!r}", f"one of {', '.join(COMPRESSORS)}")
    count = math.prod(map(len, grid))
    if not 0 < count <= MOST_CHUNKS or min(shape) < 1:
        raise _problem(path, field, f"shape {shape} in {count} chunks", f"1 to {MOST_CHUNKS}")
    missing = sum(not (path / key(where)).is_file() for where in itertools.product(*grid))
    if missing and (missing == count or fill is None):
        raise _problem(path, field, f"{missing} of {count} chunks missing", "all of them")
    warnings = []
    if missing:
        found = f"{missing} of {count} chunks missing, read as {fill}"
        warnings = [_problem(path, field, found, "all of them", severity="warning")]
    check_size(path, field, shape, dtype.itemsize)
    return np.asarray(zarr.open_array(str(path), mode="r")[:]), warnings


def _problem(path: Path, field: str, found: str, expected: str, **more: str) -> Problem:
    remedy = "Write the array again, for example as .npy."
    return Problem(field, found, expected, remedy, file=path.name, **more)


def _format_2(about: dict) -> tuple:
    codecs = [codec["id"] for codec in [about["compressor"], *(about["filters"] or [])] if codec]
    separator = about.get("dimension_separator", ".")
    key = lambda where: separator.join(map(str, where))
    sizes = [_sizes(about[name]) for name in ("shape", "chunks")]
    return *sizes, about["fill_value"], np.dtype(str(about["dtype"])), codecs, key


def _format_3(about: dict) -> tuple:
    codecs = [codec["name"].removeprefix("numcodecs.") for codec in about["codecs"]]
    if about["node_type"] != "array" or about.get("storage_transformers"):
        raise ValueError(about["node_type"])
    naming = about["chunk_key_encoding"]
    plain = naming["name"] == "v2"
    separator = naming.get("configuration", {}).get("separator", "." if plain else "/")
    key = lambda where: separator.join([*(() if plain else ("c",)), *map(str, where)])
    chunks = about["chunk_grid"]["configuration"]["chunk_shape"]
    dtype = np.dtype(str(about["data_type"]))
    return _sizes(about["shape"]), _sizes(chunks), about["fill_value"], dtype, codecs, key


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(size) is int and size > 0 for size in value):
        raise ValueError(value)
    return tuple(value)
