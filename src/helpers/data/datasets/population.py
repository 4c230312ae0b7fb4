"""A population dataset folder: one image per individual, aligned to one atlas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import SUFFIXES, read_image, read_labels
from helpers.data.datasets.manifest import (
    DatasetError,
    Problems,
    check_keys,
    fingerprint,
    names_by_label,
    positive_number,
    read_manifest,
    resolve,
)


@dataclass(frozen=True)
class Population:
    """A population dataset that passed every check.

    Attributes
    ----------
    path : Path
    name : str
    pixel_size_um : float
    images : (N, H, W) float32 array
        Gray values in [0, 1].
    atlas : (H, W) uint8 array
        0 = outside every region, 1…r = ``regions`` in order.
    regions : tuple of str
        Names in the manifest's order.
    clean : (n,) int64 array or None
        Indices of images without artifacts.
    truth : pandas.DataFrame or None
        One row per image (phantoms only): generative factors and artifact type.
    clean_images : (N, H, W) float32 array or None
        The same individuals without artifacts (phantoms only).
    fingerprint : str
        SHA-256 over the manifest and every file it names.
    is_phantom : bool
    """

    path: Path
    name: str
    pixel_size_um: float
    images: np.ndarray
    atlas: np.ndarray
    regions: tuple[str, ...]
    clean: np.ndarray | None
    truth: object | None
    clean_images: np.ndarray | None
    fingerprint: str
    is_phantom: bool


def open_population(path: str | Path) -> Population:
    """Open and check a population dataset folder (format: *Bring your own data* in the book).

    Raises
    ------
    DatasetError
        Lists every error with its file, field, what was found, what was expected and the remedy.
    """
    dataset, problems = read_population(Path(path))
    if dataset is None:
        raise DatasetError(Path(path), problems.errors)
    return dataset


def read_population(folder: Path) -> tuple[Population | None, Problems]:
    """Return the dataset (None if it has errors) and everything that was noticed."""
    manifest = read_manifest(folder, "population")
    problems = Problems()
    check_keys(
        manifest,
        {"schema", "kind", "name", "pixel_size_um", "images", "atlas", "regions"},
        {"clean", "truth", "clean_images", "phantom"},
        "",
        problems,
    )
    pixel_size = (
        positive_number(manifest.get("pixel_size_um"), "pixel_size_um", problems)
        if "pixel_size_um" in manifest
        else None
    )
    listed = (
        names_by_label(manifest["regions"], "regions", problems) if "regions" in manifest else {}
    )
    files: list[Path] = []

    def read(key, reader):
        if key not in manifest:
            return None
        path = resolve(folder, manifest[key], key, problems)
        if path is None:
            return None
        files.append(path)
        return reader(path, key, problems)

    images = read("images", _read_stack)
    clean_images = read("clean_images", _read_stack)
    labels = read("atlas", read_labels)
    clean = read("clean", _read_indices)
    truth = read("truth", _read_table)
    if images is None:
        return None, problems
    atlas = _check_atlas(labels, images, listed, problems) if labels is not None else None
    if clean_images is not None and clean_images.shape != images.shape:
        problems.error(
            "clean_images",
            f"shape {clean_images.shape}",
            f"the images' shape {images.shape}",
            "Write one clean image per image.",
        )
    if clean is not None and clean.size and (clean.min() < 0 or clean.max() >= len(images)):
        problems.error(
            "clean",
            f"the index {int(clean.max())}",
            f"indices from 0 to {len(images) - 1}",
            "Count images from 0.",
        )
    if truth is not None and len(truth) != len(images):
        problems.error(
            "truth",
            f"{len(truth)} rows",
            f"one row per image ({len(images)})",
            "Correct the table.",
        )
    if problems.errors:
        return None, problems
    return Population(
        folder,
        str(manifest["name"]),
        pixel_size,
        images,
        atlas,
        tuple(listed.values()),
        clean,
        truth,
        clean_images,
        fingerprint(folder, files),
        "phantom" in manifest,
    ), problems


def _check_atlas(labels, images, listed, problems) -> np.ndarray | None:
    if labels.shape != images.shape[1:]:
        problems.error(
            "atlas",
            f"shape {labels.shape}",
            f"the images' shape {images.shape[1:]}",
            "Export the atlas on the images' grid.",
        )
    values, counts = np.unique(labels, return_counts=True)
    for label, name in listed.items():
        if label not in values:
            problems.error(
                f"regions.{label}",
                f"label {label} ({name}), which does not occur in the atlas",
                "labels that occur",
                "Remove it from `regions`, or correct the number.",
            )
    for value, count in zip(values.tolist(), counts.tolist()):
        if value and value not in listed:
            problems.warn(
                "atlas",
                f"label {value} in {count} pixels, which `regions` does not list",
                "only listed labels",
                "These pixels count as outside every region.",
            )
    atlas = np.zeros(labels.shape, np.uint8)
    for position, label in enumerate(listed, start=1):
        atlas[labels == label] = position
    return atlas


def _read_stack(path: Path, field: str, problems: Problems) -> np.ndarray | None:
    """Return (N, H, W) float32 images in [0, 1] from an .npy file, a folder of images, or a zarr
    array.
    """
    if path.is_dir() and any((path / name).exists() for name in (".zarray", "zarr.json")):
        import zarr

        array = np.asarray(zarr.open(str(path), mode="r")[:])
    elif path.is_dir():
        members = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        planes = [read_image(p, field, problems) for p in members]
        shapes = {plane.shape for plane in planes if plane is not None}
        if not planes or len(shapes) != 1:
            problems.error(
                field,
                f"{len(planes)} images of shapes {sorted(shapes)}",
                "images that all have one shape",
                "Crop or pad them alike.",
            )
            return None
        return None if any(plane is None for plane in planes) else np.stack(planes)
    elif path.suffix.lower() == ".npy":
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            problems.error(
                field,
                f"a file that cannot be read ({str(error)[:120]})",
                "a complete .npy array",
                "Write it again.",
                file=path.name,
            )
            return None
    else:
        problems.error(
            field,
            path.name,
            "a .npy file, a folder of images, or a zarr array",
            "Convert the images.",
        )
        return None
    if array.ndim != 3 or array.dtype.kind not in "iuf" or 0 in array.shape:
        problems.error(
            field,
            f"shape {array.shape} of type {array.dtype}",
            "numbers of shape (N, H, W)",
            "Stack the gray images along the first axis.",
            file=path.name,
        )
        return None
    return _stack_as_unit_float(array, field, path, problems)


def _stack_as_unit_float(array, field, path, problems) -> np.ndarray | None:
    if array.dtype.kind in "iu":
        return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max)
    images = np.asarray(array, np.float32)
    if not np.isfinite(images).all():
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2)))
        problems.error(
            field,
            f"pixels that are not finite in {bad.size} images (first: {bad[0]})",
            "a finite number in every pixel",
            "Replace NaN and infinity.",
            file=path.name,
        )
        return None
    low, high = float(images.min()), float(images.max())
    # One scale for all images: relative brightness between individuals is data.
    return (
        images
        if low >= 0 and high <= 1
        else (images - low) / max(high - low, np.finfo(np.float32).tiny)
    )


def _read_indices(path: Path, field: str, problems: Problems) -> np.ndarray | None:
    try:
        return np.array([int(line) for line in path.read_text().split()], np.int64)
    except ValueError:
        text = path.read_text(errors="replace").split()
        wrong = next((word for word in text if not word.lstrip("-").isdigit()), "")
        problems.error(
            field,
            f"text that is not whole numbers ({wrong[:40]!r})",
            "one 0-based index per line",
            "Correct the file.",
            file=path.name,
        )
        return None


def _read_table(path: Path, field: str, problems: Problems):
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (ValueError, OSError) as error:
        problems.error(
            field,
            f"a table that cannot be read ({str(error)[:80]})",
            "a CSV file with a header",
            "Correct the file.",
            file=path.name,
        )
        return None
