"""Open a volume of any format without reading it: planes come from disk as they are asked for."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from helpers.data.datasets import scanner_formats, zarr_arrays
from helpers.data.datasets.images import check_size, read_array, read_npy
from helpers.data.datasets.manifest import Problem
from helpers.data.datasets.pixel_sizes import VoxelSize, mean_in_plane, of_tiff

PLANES = (".tif", ".tiff", ".png")  # of a folder that is a stack
MOST_VOXELS = 2**42
ENDINGS = (".tif", ".tiff", ".npy", ".nrrd", ".nii", ".nii.gz", ".zarr")

_one_at_a_time = threading.Lock()  # a file's position belongs to one reader


@dataclass(frozen=True)
class Volume:
    """Planes of gray values or labels on disk; ``volume[z, y, x]`` reads what it names.

    Attributes
    ----------
    path : Path
    shape : (int, int, int)
        Planes, rows and columns; a single image is one plane.
    dtype : numpy.dtype
        As stored.
    voxel_size_um : (float, float, float) or None
        Along z, y and x, from the file's own metadata; NaN where it does not say.
    warnings : tuple of Problem
        What is doubtful about the file, such as chunks that are not there.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype
    voxel_size_um: VoxelSize
    read: Callable[[tuple[slice, slice, slice]], np.ndarray]
    warnings: tuple[Problem, ...] = ()

    @property
    def ndim(self) -> int:
        return 3

    @property
    def pixel_size_um(self) -> float | None:
        """Of the planes, in micrometres; None where the file does not say."""
        return mean_in_plane(self.voxel_size_um)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """Read a part, given by whole numbers, slices with steps above 0 and ``...``."""
        index = index if isinstance(index, tuple) else (index,)
        if Ellipsis in index:
            gap = index.index(Ellipsis)
            filling = (slice(None),) * (4 - len(index))
            index = index[:gap] + filling + index[gap + 1 :]
        index += (slice(None),) * (3 - len(index))
        if len(index) != 3:
            raise IndexError(f"a volume has three dimensions, found {len(index)} indices")
        ranges = []
        for place, size in zip(index, self.shape):
            if isinstance(place, slice):
                start, stop, step = place.indices(size)
                if step < 1:
                    raise IndexError(f"steps must be above 0, found {step}")
                ranges.append(slice(start, max(start, stop), step))
            else:
                place = int(place) + (size if place < 0 else 0)
                if not 0 <= place < size:
                    raise IndexError(f"index {place} in a dimension of size {size}")
                ranges.append(slice(place, place + 1, 1))
        part = np.asarray(self.read(tuple(ranges)))
        return part[tuple(slice(None) if isinstance(each, slice) else 0 for each in index)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def open_volume(path: str | Path, field: str = "") -> Volume:
    """Open a volume: a zarr or OME-Zarr folder, a TIFF, ImageJ or OME-TIFF stack, NRRD, NIfTI,
    ``.npy``, or a folder of planes in the order of their names.

    Nothing but metadata is read, and sizes and codecs are checked before anything is decoded. NRRD
    and NIfTI that are compressed as a whole are unpacked into memory at the first reading.

    Parameters
    ----------
    path : str or Path
    field : str
        Where a manifest names it.

    Returns
    -------
    Volume
        A single image is a volume of one plane.

    Raises
    ------
    Problem
        If the file is of no such format, damaged, holds colours, several channels or times, or
        declares more than it can hold.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # opening a pipe waits for ever
        found, expected = "a pipe or a device", "a file or a folder"
        raise Problem(field, found, expected, "Copy its content into a file.", file=path.name)
    try:
        volume = _opener(path, field)(path, field)
    except Problem:
        raise
    except Exception as error:  # every decoder has its own errors; all mean the same to the reader
        raise unreadable(path, field, error) from None
    if volume["dtype"].kind not in "biuf" or len(volume["shape"]) != 3:
        raise Problem(
            field,
            f"an array of shape {volume['shape']} and type {volume['dtype']}",
            "planes, rows and columns of numbers",
            "Save one channel, without colours.",
            file=path.name,
        )
    if 0 in volume["shape"]:
        found, expected = f"an array of shape {volume['shape']}", "at least one plane with pixels"
        raise Problem(field, found, expected, "Export the volume again.", file=path.name)
    check_size(path, field, volume["shape"], volume["dtype"].itemsize, most=MOST_VOXELS)
    return Volume(path, **volume)


def is_volume(path: Path) -> bool:
    """Whether a file or folder is read as a volume rather than as one image."""
    name = path.name.casefold()
    return name.endswith((".nrrd", ".nii", ".nii.gz", ".zarr")) or zarr_arrays.is_zarr(path)


def unreadable(path: Path, field: str, error: Exception) -> Problem:
    """What to say of a file at which a decoder failed."""
    return Problem(
        field,
        f"a file that cannot be read ({type(error).__name__}: {str(error)[:120]})",
        "a complete file of its kind",
        "Copy or export it again; it may be truncated.",
        file=path.name,
    )


def _opener(path: Path, field: str) -> Callable[[Path, str], dict]:
    name = path.name.casefold()
    if path.is_dir():
        return _open_zarr if zarr_arrays.is_zarr(path) else _open_folder
    for endings, opener in {
        (".tif", ".tiff"): _open_tiff,
        (".npy",): _open_npy,
        (".png",): _open_png,
        (".nrrd",): scanner_formats.open_nrrd,
        (".nii", ".nii.gz"): scanner_formats.open_nifti,
    }.items():
        if name.endswith(endings):
            return opener
    raise Problem(
        field,
        f"the file type {path.suffix or '(none)'}" if path.exists() else "no such file or folder",
        f"a folder of planes, or one of {', '.join(ENDINGS)}",
        "Export the volume to one of these.",
        file=path.name,
    )


def _stacked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape as planes, rows, columns: further dimensions of size 1 in front are left out."""
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    return (1,) * (3 - len(shape)) + tuple(int(size) for size in shape)


# ---------------------------------------------------------------------------- arrays


def _open_npy(path: Path, field: str) -> dict:
    array, _ = read_npy(path, field, most=MOST_VOXELS)
    shape = _stacked(array.shape)
    return _about(shape, array.dtype, None, partial(_read_npy, path, shape))


def _read_npy(path: Path, shape: tuple[int, int, int], part: tuple[slice, ...]) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="r").reshape(shape)[part]


def _open_zarr(path: Path, field: str) -> dict:
    array = zarr_arrays.inspect(path, field)
    shape = _stacked(array.shape)
    if len(shape) != 3:
        raise Problem(
            field,
            f"shape {array.shape}",
            "one channel at one time",
            "Extract one channel.",
            file=path.name,
        )
    reader = partial(_read_zarr, array.path, len(array.shape))
    return _about(shape, array.dtype, array.voxel_size_um, reader, tuple(array.warnings))


def _read_zarr(path: Path, ndim: int, part: tuple[slice, ...]) -> np.ndarray:
    if ndim == 2:
        return zarr_arrays.decoded(path, part[1:])[None][: part[0].stop - part[0].start]
    return zarr_arrays.decoded(path, (0,) * (ndim - 3) + part)


def _about(
    shape: tuple, dtype: np.dtype, voxel: VoxelSize, read: Callable, warnings: tuple = ()
) -> dict:
    return {
        "shape": shape,
        "dtype": np.dtype(dtype),
        "voxel_size_um": voxel,
        "read": read,
        "warnings": warnings,
    }


# ---------------------------------------------------------------------------- planes


def _open_folder(path: Path, field: str) -> dict:
    members = sorted(p for p in path.iterdir() if p.suffix.lower() in PLANES)
    if not members:
        raise Problem(
            field,
            "a folder without images",
            f"a folder of {', '.join(PLANES)}, or a zarr array",
            "Name the folder that holds the planes.",
            file=path.name,
        )
    first = read_array(members[0], field)
    voxel = of_tiff(members[0]) if members[0].suffix.lower() != ".png" else None
    shape = (len(members), *first.shape)
    return _about(shape, first.dtype, voxel, partial(_read_folder, members, first.shape, field))


def _read_folder(
    members: list[Path], shape: tuple[int, int], field: str, part: tuple[slice, ...]
) -> np.ndarray:
    planes = []
    for member in members[part[0]]:
        plane = read_array(member, field)
        if plane.shape != shape:
            raise Problem(
                field,
                f"shape {plane.shape}",
                f"the first plane's {shape}",
                "Crop and export the planes alike.",
                file=member.name,
            )
        planes.append(plane[part[1:]])
    return np.stack(planes) if planes else np.zeros((0, 0, 0))


def _open_png(path: Path, field: str) -> dict:
    image = read_array(path, field)
    return _about(
        (1, *image.shape), image.dtype, None, partial(_read_folder, [path], image.shape, field)
    )


def _open_tiff(path: Path, field: str) -> dict:
    with tifffile.TiffFile(path, _multifile=False) as file:  # its metadata may name other files
        series = file.series[0]
        axes, shape = series.axes, series.shape
        if any(axis in "CS" and size > 1 for axis, size in zip(axes, shape)):
            raise Problem(
                field,
                f"several channels or colours (axes {axes}, shape {shape})",
                "one gray value per voxel",
                "Save one channel.",
                file=path.name,
            )
        voxel = of_tiff(path)
        shape = _stacked(tuple(size for size in shape if size > 1 or len(shape) <= 3))
        if len(shape) != 3:
            raise Problem(
                field,
                f"axes {axes} of shape {series.shape}",
                "planes, rows and columns",
                "Save one time and one channel.",
                file=path.name,
            )
        flat = series.dataoffset  # None where it is compressed, or lies in pieces
        if flat is not None:
            dtype = np.dtype(file.byteorder + series.dtype.char)
            return _about(shape, dtype, voxel, partial(_read_flat, path, dtype, flat, shape))
        return _about(shape, series.dtype, voxel, partial(_read_pages, path, shape))


def _read_flat(
    path: Path, dtype: np.dtype, offset: int, shape: tuple, part: tuple[slice, ...]
) -> np.ndarray:
    return np.memmap(path, dtype, "r", offset, shape)[part]


def _read_pages(path: Path, shape: tuple, part: tuple[slice, ...]) -> np.ndarray:
    about = path.stat()
    with _one_at_a_time:
        file = _opened(path, about.st_mtime_ns, about.st_size)
        pages = file.series[0].pages[part[0]] if shape[0] > 1 else [file.series[0].keyframe]
        planes = [page.asarray().reshape(shape[1:])[part[1:]] for page in pages[: shape[0]]]
    return np.stack(planes) if planes else np.zeros((0, 0, 0))


@lru_cache(maxsize=4)
def _opened(path: Path, modified: int, size: int) -> tifffile.TiffFile:
    """A stack whose list of pages is read once."""
    return tifffile.TiffFile(path, _multifile=False)
