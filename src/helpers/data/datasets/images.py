"""Read one image or label map from disk: TIFF, PNG or .npy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from helpers.data.datasets.manifest import Problems

SUFFIXES = (".tif", ".tiff", ".png", ".npy")


def read_array(path: Path, field: str, problems: Problems) -> np.ndarray | None:
    """Return the two-dimensional array in ``path``, or None after reporting why not."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        problems.error(
            field,
            f"the file type {suffix or '(none)'}",
            " or ".join(SUFFIXES),
            "Convert the image, for example to TIFF.",
            file=path.name,
        )
        return None
    try:
        array = _READERS[suffix](path)
    except Exception as error:  # every decoder has its own errors; all mean the same to the reader
        problems.error(
            field,
            f"a file that cannot be read ({type(error).__name__}: {str(error)[:120]})",
            f"a complete {suffix} image",
            "Copy or export it again; it may be truncated.",
            file=path.name,
        )
        return None
    if array.ndim == 3 and 1 in array.shape:
        array = array.reshape([size for size in array.shape if size != 1])
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        problems.error(
            field,
            f"a colour image of shape {array.shape}",
            "one gray value per pixel",
            "Convert it to gray (8 or 16 bit).",
            file=path.name,
        )
        return None
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        problems.error(
            field,
            f"an array of shape {array.shape} and type {array.dtype}",
            "two dimensions of numbers",
            "Save one slice per file.",
            file=path.name,
        )
        return None
    return array


def _read_png(path: Path) -> np.ndarray:
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = (
        Image.MAX_IMAGE_PIXELS,
        None,
    )  # whole slices are larger than Pillow's guard
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _read_tiff(path: Path) -> np.ndarray:
    import tifffile

    return tifffile.imread(path)


def _read_npy(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


_READERS = {".png": _read_png, ".tif": _read_tiff, ".tiff": _read_tiff, ".npy": _read_npy}


def as_unit_float(array: np.ndarray) -> np.ndarray:
    """Return an image as float32: whole numbers divided by the largest of their type.

    Floating-point images that leave [0, 1] are scaled to it by their own smallest and largest
    value.
    """
    if array.dtype == bool:
        return array.astype(np.float32)
    if array.dtype.kind in "iu":
        return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    image = array.astype(np.float32)
    low, high = float(image.min()), float(image.max())
    if low < 0 or high > 1:
        image = (image - low) / max(high - low, np.finfo(np.float32).tiny)
    return image


def read_image(path: Path, field: str, problems: Problems) -> np.ndarray | None:
    """Return a gray image as (H, W) float32, or None after reporting why not."""
    array = read_array(path, field, problems)
    if array is None:
        return None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        problems.error(
            field,
            f"{count} pixels that are not finite",
            "a finite number in every pixel",
            "Replace NaN and infinity, for example by 0.",
            file=path.name,
        )
        return None
    return as_unit_float(array)


def read_labels(path: Path, field: str, problems: Problems) -> np.ndarray | None:
    """Return a label map as (H, W) int32, or None after reporting why not."""
    array = read_array(path, field, problems)
    if array is None:
        return None
    if array.dtype.kind == "f" and not (
        np.isfinite(array).all() and (array == np.round(array)).all()
    ):
        problems.error(
            field,
            "labels that are not whole numbers",
            "a whole number in every pixel",
            "Save the label map without interpolation.",
            file=path.name,
        )
        return None
    if array.dtype.kind in "if" and array.size and array.min() < 0:
        problems.error(
            field,
            f"the label {int(array.min())}",
            "labels of 0 and above",
            "Use 0 for pixels that are not annotated.",
            file=path.name,
        )
        return None
    return array.astype(np.int32)
