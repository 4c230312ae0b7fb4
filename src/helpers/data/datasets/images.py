"""Read one image or label map from disk: TIFF, PNG or .npy."""

import math
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from helpers.data.datasets.manifest import Problem

SUFFIXES = (".tif", ".tiff", ".png", ".npy")
MOST_PIXELS = 2**31  # of one file
SMALL, MOST_PACKED = 2**26, 2000  # bytes; how many times smaller a larger image may be on disk
LARGEST_GRAY = 1e9  # of floating-point images: beyond it one pixel makes all others black
LARGEST_LABEL = 2**31 - 1


def read_array(path: Path, field: str, indexed: bool = True) -> np.ndarray:
    """Return the two-dimensional array in ``path``.

    Parameters
    ----------
    path : Path
    field : str
        Where the manifest names it.
    indexed : bool
        Whether indices into a palette are what is wanted, as in label maps.

    Raises
    ------
    Problem
        If the file cannot be read, or holds anything but one gray image.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise Problem(
            field,
            f"the file type {suffix or '(none)'}",
            " or ".join(SUFFIXES),
            "Convert the image, for example to TIFF.",
            file=path.name,
        )
    try:
        reader = {".png": _read_png, ".npy": read_npy}.get(suffix, _read_tiff)
        array, palette = reader(path, field)
    except Problem:
        raise
    except Exception as error:  # every decoder has its own errors; all mean the same to the reader
        raise Problem(
            field,
            f"a file that cannot be read ({type(error).__name__}: {str(error)[:120]})",
            f"a complete {suffix} image",
            "Copy or export it again; it may be truncated.",
            file=path.name,
        ) from None
    if palette and not indexed:
        raise Problem(
            field,
            "indices into a palette of colours",
            "one gray value per pixel",
            "Convert it to gray (8 or 16 bit).",
            file=path.name,
        )
    if array.ndim == 3 and 1 in array.shape:
        array = array.reshape([size for size in array.shape if size != 1])
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        raise Problem(
            field,
            f"a colour image of shape {array.shape}",
            "one gray value per pixel",
            "Convert it to gray (8 or 16 bit).",
            file=path.name,
        )
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise Problem(
            field,
            f"an array of shape {array.shape} and type {array.dtype}",
            "two dimensions of numbers",
            "Save one slice per file.",
            file=path.name,
        )
    return array


def check_size(
    path: Path, field: str, shape: tuple[int, ...], itemsize: int = 1, most: int = MOST_PIXELS
) -> None:
    """Raise Problem if a file declares more pixels than anyone images, or than it can hold."""
    members = path.rglob("*") if path.is_dir() else [path]
    pixels, stored = math.prod(shape), sum(member.stat().st_size for member in members)
    if pixels > most or pixels * itemsize > max(SMALL, MOST_PACKED * stored):
        raise Problem(
            field,
            f"a declared size of {' × '.join(map(str, shape))} pixels in {stored:,} bytes",
            f"at most {most:,} pixels, no more than the file can hold",
            "Export the image again, or cut it into smaller ones.",
            file=path.name,
        )


def read_npy(path: Path, field: str, most: int = MOST_PIXELS) -> tuple[np.ndarray, bool]:
    """Return the array of an .npy file, on disk, and False (there is no palette)."""
    array = np.lib.format.open_memmap(path, mode="r")  # np.load would open other formats as well
    check_size(path, field, array.shape, array.itemsize, most)
    return array, False


def _read_tiff(path: Path, field: str) -> tuple[np.ndarray, bool]:
    with tifffile.TiffFile(path, _multifile=False) as file:  # its metadata may name other files
        series = file.series[0]
        check_size(path, field, series.shape, series.dtype.itemsize)
        palette = series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE
        return series.asarray(), palette


def _read_png(path: Path, field: str) -> tuple[np.ndarray, bool]:
    guard = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # whole slices are larger than Pillow allows
    try:
        with Image.open(path, formats=["PNG"]) as image:
            check_size(path, field, image.size)
            return np.asarray(image), image.mode == "P"
    finally:
        Image.MAX_IMAGE_PIXELS = guard


def as_unit_float(array: np.ndarray) -> np.ndarray:
    """Return images as float32: whole numbers divided by the largest of their type.

    Floating-point images that leave [0, 1] are scaled to it by their own smallest and largest
    value, all of a stack by the same: relative brightness between individuals is data.
    """
    images = np.asarray(array, np.float32)
    if array.dtype.kind in "iu":
        return np.divide(images, np.float32(np.iinfo(array.dtype).max), out=images)
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        return images
    return (images - low) / max(high - low, np.finfo(np.float32).tiny)


def read_gray(path: Path, field: str) -> np.ndarray:
    """Return a gray image as it is stored, (H, W); raises as :func:`read_array` does."""
    return checked_gray(read_array(path, field, indexed=False), path, field)


def checked_gray(array: np.ndarray, path: Path, field: str) -> np.ndarray:
    """Return gray values (H, W) as they are; Problem unless they are finite, and not all alike."""
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise Problem(
            field,
            f"{bad} pixels that are not finite",
            "a finite number in every pixel",
            "Replace NaN and infinity, for example by 0.",
            file=path.name,
        )
    check_spread(array[None], field, path.name)
    return array


def check_spread(images: np.ndarray, field: str, file: str) -> None:
    """Raise Problem if one of (N, H, W) images has a single gray value, or one beyond any scale."""
    low, high = images.min((1, 2)), images.max((1, 2))
    if images.dtype.kind == "f" and max(-low.min(), high.max()) > LARGEST_GRAY:
        raise Problem(
            field,
            f"gray values from {low.min():.3g} to {high.max():.3g}",
            f"values within ±{LARGEST_GRAY:.0e}",
            "Replace those pixels; beside them all others would be black.",
            file=file,
        )
    flat = np.flatnonzero(low == high)
    if flat.size:
        raise Problem(
            field,
            f"a single gray value in {flat.size} of {len(images)} images (first: {flat[0]})",
            "images that show something",
            "Export again, or remove them.",
            file=file,
        )


def read_labels(path: Path, field: str) -> np.ndarray:
    """Return a label map as (H, W) int32; raises as :func:`read_array` does."""
    return checked_labels(read_array(path, field), path, field)


def checked_labels(array: np.ndarray, path: Path, field: str) -> np.ndarray:
    """Return labels as int32; Problem unless they are whole numbers from 0 to `LARGEST_LABEL`."""
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.round(array))).all():
        raise Problem(
            field,
            "labels that are not whole numbers",
            "a whole number in every pixel",
            "Save the label map without interpolation.",
            file=path.name,
        )
    if array.min(initial=0) < 0:
        raise Problem(
            field,
            f"the label {int(array.min())}",
            "labels of 0 and above",
            "Use 0 for pixels that are not annotated.",
            file=path.name,
        )
    if array.max(initial=0) > LARGEST_LABEL:
        raise Problem(
            field,
            f"the label {int(array.max())}",
            f"labels up to {LARGEST_LABEL}",
            "Number the labels anew.",
            file=path.name,
        )
    return array.astype(np.int32)


def recode(labels: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """Return labels as uint8 numbers; labels that ``numbers`` does not list become 0."""
    out = np.zeros(labels.shape, np.uint8)
    for label, number in numbers.items():
        out[labels == label] = number
    return out
