"""Read a zarr array whose metadata was looked at first, because a codec it names may be code."""

import itertools
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.datasets.chunk_sizes import check_chunk
from helpers.data.datasets.manifest import Problem, leaves_folder, strange
from helpers.data.datasets.pixel_sizes import VoxelSize, in_um, known

METADATA, GROUPS = (".zarray", "zarr.json"), (".zgroup",)
LONGEST_METADATA = 2**22  # bytes
MOST_BYTES_A_CHUNK, LARGE_CHUNK = 2**31, 2**26
MOST_TIMES = 16  # that a large chunk may be larger than its array
COMPRESSORS = ("blosc", "zlib", "gzip", "zstd", "lz4")
LAYOUT = ("bytes", "transpose", "crc32c")  # what format 3 calls codecs as well
MOST_CHUNKS = 1_000_000
SCALE_LIMIT = 1e100  # beyond it the product of two is not finite


@dataclass(frozen=True)
class About:
    """What the metadata of a zarr array say: where it lies, its shape and type, the size of a
    voxel along its last three axes, and warnings about chunks that are not there.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    voxel_size_um: VoxelSize
    warnings: list[Problem]


def is_zarr(path: Path) -> bool:
    """Whether a folder holds a zarr array of format 2 or 3, or an OME-Zarr image."""
    return path.is_dir() and any((path / name).exists() for name in (*METADATA, *GROUPS))


def decoded(path: Path, part: Any) -> np.ndarray:
    """Decode a part of an array that :func:`inspect` accepts.

    Parameters
    ----------
    path : Path
    part : index of slices and whole numbers

    Raises
    ------
    ValueError
        If a chunk holds more or fewer values than the metadata say; more are never unpacked.
    """
    import zarr

    _check_chunks(path, part)
    array = zarr.open_array(str(path), mode="r")
    if int(zarr.__version__.split(".")[0]) > 2:
        return np.asarray(array[part])
    # zarr 2 decodes a chunk that is wanted whole straight into the result, and what a short one
    # does not fill stays as the memory was. It does not do so where the result has gaps.
    *rows, columns = np.broadcast_to(np.zeros((), array.dtype), array.shape)[part].shape or (1,)
    gaps = np.empty((*rows, columns + 1), array.dtype)[..., :columns]
    return np.ascontiguousarray(array.get_basic_selection(part, out=gaps))


def _check_chunks(path: Path, part: Any) -> None:
    """Refuse chunks of a part that unpack to more than they declare."""
    shape, chunks, _, dtype, codecs, key = _layout(path)
    part = part if isinstance(part, tuple) else (part,)
    if Ellipsis in part:
        at = part.index(Ellipsis)
        part = part[:at] + (slice(None),) * (len(shape) - len(part) + 1) + part[at + 1 :]
    part += (slice(None),) * (len(shape) - len(part))
    touched = []
    for wanted, size, step in zip(part, shape, chunks):
        places = range(size)[wanted] if isinstance(wanted, slice) else [range(size)[wanted]]
        touched.append(range(min(places) // step, max(places) // step + 1) if places else [])
    compressor = next((codec for codec in codecs if codec in COMPRESSORS), "")
    for where in itertools.product(*touched):
        check_chunk(path / key(where), compressor, math.prod(chunks) * dtype.itemsize)


def _layout(path: Path) -> tuple:
    """Shape, chunks, fill value, type, codecs as they are encoded, and the name of a chunk."""
    name = next(name for name in METADATA if (path / name).exists())
    return {".zarray": _format_2, "zarr.json": _format_3}[name](_json(path / name))


def inspect(path: Path, field: str) -> About:
    """Read the metadata of a zarr array, or of the finest level of an OME-Zarr image.

    Raises
    ------
    Problem
        If they cannot be understood, or name a type or a codec that is not plain data.
    """
    group = _group(path, field)
    if group is not None:
        return _finest(path, field, group)
    names = [name for name in METADATA if (path / name).exists()]
    if len(names) > 1:
        raise _problem(path, field, " and ".join(names), "one of them")
    if not names:
        raise _problem(path, field, "a folder without an array", "a zarr array")
    try:
        shape, chunks, fill, dtype, codecs, key = _layout(path)
        grid = [range(math.ceil(size / step)) for size, step in zip(shape, chunks, strict=True)]
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError):
        raise _problem(path, field, f"a {names[0]} that is not understood", "an array's") from None
    if dtype.kind not in "biuf":
        raise _problem(path, field, f"the type {dtype}", "numbers")
    for codec in codecs:
        if codec not in (*COMPRESSORS, *LAYOUT):
            raise _problem(path, field, f"the codec {codec!r}", f"one of {', '.join(COMPRESSORS)}")
    packed = [codec for codec in codecs if codec in COMPRESSORS]
    after = codecs[codecs.index(packed[0]) + 1 :] if packed else []
    if len(packed) > 1 or any(codec != "crc32c" for codec in after):
        raise _problem(
            path, field, f"the codecs {', '.join(codecs)}", "compressed once, at the end"
        )
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
    size, needed = (math.prod(sizes) * dtype.itemsize for sizes in (chunks, shape))
    if size > min(MOST_BYTES_A_CHUNK, max(LARGE_CHUNK, MOST_TIMES * needed)):
        found = f"chunks of {size:,} bytes for an array of {needed:,}"
        raise _problem(path, field, found, "chunks below 2 GB, not far larger than the array")
    return About(path, shape, dtype, None, warnings)


def _group(path: Path, field: str) -> dict | None:
    """The attributes of a zarr group, None where ``path`` is no group."""
    try:
        if (path / ".zgroup").exists() and not (path / ".zarray").exists():
            return _json(path / ".zattrs") if (path / ".zattrs").exists() else {}
        if (path / "zarr.json").exists():
            about = _json(path / "zarr.json")
            return about.get("attributes", {}) if about["node_type"] == "group" else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _problem(path, field, "metadata that are not understood", "a group's") from None
    return None


def _finest(path: Path, field: str, attributes: dict) -> About:
    """The first array of an OME-Zarr image, with the size of its voxels."""
    try:
        image = attributes.get("ome", attributes)["multiscales"][0]
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image["axes"]]
        level = image["datasets"][0]
        inner = path / str(level["path"])
        if leaves_folder(str(level["path"])) or strange(path, inner) or inner == path:
            raise _problem(path, field, f"the array {level['path']}", "an array inside the folder")
        steps = [
            *level.get("coordinateTransformations", []),
            *image.get("coordinateTransformations", []),
        ]
        if len({axis["name"] for axis in axes}) < len(axes):
            names = ", ".join(str(axis["name"]) for axis in axes)
            raise _problem(path, field, f"the axes {names[:80]}", "axes that all differ")
        scale = np.ones(len(axes))
        for step in steps:
            if step.get("type") == "scale":
                scale = scale * _scale(step["scale"], len(axes), path, field)
        sizes = {
            axis["name"]: in_um(value, axis.get("unit"))
            for axis, value in zip(axes, scale, strict=True)
        }
    except (LookupError, TypeError, ValueError, AttributeError, OSError):
        raise _problem(path, field, "a group without an image", "OME-Zarr, or an array") from None
    about = inspect(inner, field) if _group(inner, field) is None else None
    order = [axis["name"] for axis in axes][-len(about.shape if about else ()) :]
    if about is None or len(axes) != len(about.shape) or order[-2:] != ["y", "x"]:
        raise _problem(path, field, f"the axes {', '.join(map(str, order))}", "…, z, y, x")
    spacing = known(sizes.get(name, math.nan) for name in "zyx")
    return replace(about, voxel_size_um=spacing)


def _scale(given: Any, count: int, path: Path, field: str) -> np.ndarray:
    """The scale of every axis, as one step of an OME-Zarr image gives it."""
    numbers = isinstance(given, list) and all(type(one) in (int, float) for one in given)
    if not numbers or len(given) != count or not all(0 < one < SCALE_LIMIT for one in given):
        found = f"the scale {str(given)[:80]}"
        raise _problem(path, field, found, f"{count} finite numbers above 0, one per axis")
    return np.array(given, float)


def _json(path: Path) -> dict:
    """A metadata file of a sensible length."""
    if path.stat().st_size > LONGEST_METADATA or not path.is_file():
        raise ValueError(f"{path.name} is too long")
    return json.loads(path.read_text(encoding="utf-8"))


def _problem(path: Path, field: str, found: str, expected: str, **more: str) -> Problem:
    remedy = "Write the array again, for example as .npy."
    return Problem(field, found, expected, remedy, file=path.name, **more)


def _format_2(about: dict) -> tuple:
    codecs = [codec["id"] for codec in [*(about["filters"] or []), about["compressor"]] if codec]
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
