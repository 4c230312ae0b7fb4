"""Read one image or label map from disk: TIFF, PNG or .npy."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from helpers.data.datasets.manifest import Problem

SUFFIXES = (".tif", ".tiff", ".png", ".npy")


def read_array(path: Path, field: str) -> np.ndarray:
    """Return the two-dimensional array in ``path``.

    Parameters
    ----------
    path : Path
    field : str
        Where the manifest names it.

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
        array = {".png": _read_png, ".npy": np.load}.get(suffix, tifffile.imread)(path)
    except Exception as error:  # every decoder has its own errors; all mean the same to the reader
        raise Problem(
            field,
            f"a file that cannot be read ({type(error).__name__}: {str(error)[:120]})",
            f"a complete {suffix} image",
            "Copy or export it again; it may be truncated.",
            file=path.name,
        ) from None
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


def _read_png(path: Path) -> np.ndarray:
    guard = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # whole slices are larger than Pillow allows
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    finally:
        Image.MAX_IMAGE_PIXELS = guard


def as_unit_float(array: np.ndarray) -> np.ndarray:
    """Return images as float32: whole numbers divided by the largest of their type.

    Floating-point images that leave [0, 1] are scaled to it by their own smallest and largest
    value, all of a stack by the same: relative brightness between individuals is data.
    """
    images = np.asarray(array, np.float32)
    if array.dtype.kind in "iu":
        return images / np.float32(np.iinfo(array.dtype).max)
    low, high = float(images.min()), float(images.max())
    if low >= 0 and high <= 1:
        return images
    return (images - low) / max(high - low, np.finfo(np.float32).tiny)


def read_image(path: Path, field: str) -> np.ndarray:
    """Return a gray image as (H, W) float32; raises as :func:`read_array` does."""
    array = read_array(path, field)
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise Problem(
            field,
            f"{bad} pixels that are not finite",
            "a finite number in every pixel",
            "Replace NaN and infinity, for example by 0.",
            file=path.name,
        )
    return as_unit_float(array)


def read_labels(path: Path, field: str) -> np.ndarray:
    """Return a label map as (H, W) int32; raises as :func:`read_array` does."""
    array = read_array(path, field)
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
    return array.astype(np.int32)


def recode(labels: np.ndarray, numbers: dict[int, int]) -> np.ndarray:
    """Return labels as uint8 numbers; labels that ``numbers`` does not list become 0."""
    out = np.zeros(labels.shape, np.uint8)
    for label, number in numbers.items():
        out[labels == label] = number
    return out
