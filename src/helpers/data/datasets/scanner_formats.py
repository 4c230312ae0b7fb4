"""NRRD and NIfTI volumes: the header is looked at first, and nothing beyond the file is opened."""

import bz2
import gzip
import io
import math
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import check_size
from helpers.data.datasets.manifest import Problem
from helpers.data.datasets.pixel_sizes import in_um, known

LONGEST_HEADER = 2**16  # bytes
NRRD_TYPES = {
    np.dtype(code): names.split(", ")
    for code, names in {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
}


def open_nrrd(path: Path, field: str) -> dict:
    """What :class:`helpers.data.datasets.volumes.Volume` needs of an NRRD with its data inside.

    The fastest axis of the file is x, so that arrays are (z, y, x).

    Raises
    ------
    Problem
        If the data lie in another file, or the header declares more than the file can hold.
    """
    import nrrd

    with open(path, "rb") as stream:
        start = io.BytesIO(stream.read(LONGEST_HEADER))
    header = nrrd.read_header(start)
    if {"data file", "datafile"} & set(header):
        raise _problem(path, field, "a header whose data lie in another file", "one file")
    if any(header.get(name) for name in ("line skip", "lineskip", "byte skip", "byteskip")):
        raise _problem(path, field, "data that begin somewhere after the header", "data behind it")
    kinds = [kind for kind, names in NRRD_TYPES.items() if header["type"].lower() in names]
    sizes = tuple(int(size) for size in header["sizes"])
    if not kinds or len(sizes) not in (2, 3) or min(sizes) < 1:
        found = f"type {header['type']} of sizes {sizes[:6]}"
        raise _problem(path, field, found, "numbers in two or three dimensions")
    order = {"little": "<", "big": ">"}.get(str(header.get("endian", "little")), "<")
    dtype = kinds[0].newbyteorder(order)
    shape = (1,) * (3 - len(sizes)) + sizes[::-1]
    encoding = str(header["encoding"]).lower()
    if encoding not in ("raw", "gzip", "gz", "bzip2", "bz2"):
        raise _problem(path, field, f"the encoding {encoding}", "raw, gzip or bzip2")
    check_size(path, field, shape, dtype.itemsize)
    if encoding == "raw" and path.stat().st_size < start.tell() + math.prod(shape) * dtype.itemsize:
        raise _problem(path, field, "fewer bytes than its header declares", "a complete file")
    read = partial(_read_nrrd, path, start.tell(), encoding, dtype, shape)
    return _about(shape, dtype, known(_nrrd_spacing(header, len(sizes))), read)


def _nrrd_spacing(header: dict, ndim: int) -> list[float]:
    """Along z, y, x in micrometres; without units nothing is known."""
    units = header.get("space units") or header.get("units") or [""] * ndim
    if "space directions" in header:
        directions = np.asarray(header["space directions"], float).reshape(ndim, -1)
        lengths = np.linalg.norm(directions, axis=1)
    else:
        lengths = np.asarray(header.get("spacings", [math.nan] * ndim), float)
    found = [in_um(length, unit) for length, unit in zip(lengths, units)][::-1]
    return [math.nan] * (3 - len(found)) + found


def _read_nrrd(
    path: Path, offset: int, encoding: str, dtype: np.dtype, shape: tuple, part: tuple
) -> np.ndarray:
    if encoding == "raw":
        return np.memmap(path, dtype, "r", offset, shape)[part]
    about = path.stat()
    return _unpacked(path, offset, encoding, dtype, shape, about.st_mtime_ns)[part]


@lru_cache(maxsize=2)
def _unpacked(
    path: Path, offset: int, encoding: str, dtype: np.dtype, shape: tuple, modified: int
) -> np.ndarray:
    """The whole of a compressed volume; no byte more than its header declares."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        packed = bz2.BZ2File(stream) if encoding.startswith("b") else gzip.GzipFile(fileobj=stream)
        content = packed.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape)


def open_nifti(path: Path, field: str) -> dict:
    """What :class:`helpers.data.datasets.volumes.Volume` needs of a NIfTI file.

    NIfTI counts x first; arrays are turned to (z, y, x), as stored, without regard to orientation.

    Raises
    ------
    Problem
        If ``nibabel`` is not installed, or the header declares more than the file can hold.
    """
    try:
        import nibabel
    except ImportError:
        raise Problem(
            field,
            "a NIfTI file, which needs the package nibabel",
            "that package",
            "Install it (`pip install nibabel` under the lock), or export NRRD or TIFF.",
            file=path.name,
        ) from None
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
        about = stream.read(LONGEST_HEADER)
    kinds = {b"n+1": nibabel.Nifti1Header, b"n+2": nibabel.Nifti2Header}
    magic = about[344:347] if about[344:347] in kinds else about[4:7]
    if magic not in kinds:
        raise _problem(path, field, "another header", "NIfTI with its data inside")
    header = kinds[magic].from_fileobj(io.BytesIO(about))
    sizes = tuple(int(size) for size in header.get_data_shape())
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    stored = header.get_data_dtype()
    if len(sizes) not in (2, 3) or min(sizes) < 1 or stored.kind not in "iuf":
        found = f"type {stored} of sizes {sizes[:7]}"
        raise _problem(path, field, found, "numbers in two or three dimensions")
    shape = (1,) * (3 - len(sizes)) + sizes[::-1]
    check_size(path, field, shape, stored.itemsize)
    slope, intercept = header.get_slope_inter()
    scaled = slope is not None and (slope, intercept) != (1, 0)
    scale = (float(slope), float(intercept)) if scaled else None
    unit = header.get_xyzt_units()[0]
    zooms = [in_um(zoom, unit) for zoom in header.get_zooms()[: len(sizes)]][::-1]
    offset = int(header.get_data_offset())
    needed = offset + math.prod(shape) * stored.itemsize
    if not 0 < offset <= LONGEST_HEADER or (path.suffix != ".gz" and path.stat().st_size < needed):
        raise _problem(path, field, "fewer bytes than its header declares", "a complete file")
    read = partial(_read_nifti, path, offset, stored, shape, scale)
    spacing = known([math.nan] * (3 - len(zooms)) + zooms)
    return _about(shape, np.dtype(np.float32) if scaled else stored, spacing, read)


def _read_nifti(
    path: Path, offset: int, dtype: np.dtype, shape: tuple, scale: tuple | None, part: tuple
) -> np.ndarray:
    if path.suffix == ".gz":
        values = _unpacked_nifti(path, offset, dtype, shape, path.stat().st_mtime_ns)[part]
    else:
        values = np.memmap(path, dtype, "r", offset, shape)[part]
    if scale is None:
        return values
    return (values * scale[0] + scale[1]).astype(np.float32)


@lru_cache(maxsize=2)
def _unpacked_nifti(
    path: Path, offset: int, dtype: np.dtype, shape: tuple, modified: int
) -> np.ndarray:
    with gzip.open(path) as packed:
        packed.read(offset)
        content = packed.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape)


def _about(shape: tuple, dtype: np.dtype, voxel: tuple | None, read: partial) -> dict:
    return {"shape": shape, "dtype": dtype, "voxel_size_um": voxel, "read": read}


def _problem(path: Path, field: str, found: str, expected: str) -> Problem:
    return Problem(field, found, expected, "Export the volume again.", file=path.name)
