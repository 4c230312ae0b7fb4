"""A population dataset folder: one image per individual, aligned to one atlas."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.datasets import brainglobe
from helpers.data.datasets.images import (
    SUFFIXES,
    as_unit_float,
    check_size,
    check_spread,
    checked_labels,
    read_gray,
    read_labels,
    read_npy,
    recode,
)
from helpers.data.datasets.manifest import Problem
from helpers.data.datasets.reading import Folder
from helpers.data.datasets.volumes import ENDINGS, open_volume
from helpers.data.datasets.zarr_arrays import is_zarr

LEAST_IMAGES = 6  # of fewer, a set of the split (C §3.1) would be empty


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
        0 = outside every region, 1…r = ``regions`` in order; all 0 without an atlas.
    regions : tuple of str
        Names in the manifest's order; none without an atlas.
    clean : (n,) int64 array or None
        Indices of images without artifacts.
    truth : pandas.DataFrame or None
        One row per image (phantoms only): generative factors and artifact type.
    clean_images : (N, H, W) float32 array or None
        The same individuals without artifacts (phantoms only).
    fingerprint : str
        SHA-256 over the manifest and every file it names.
    is_phantom : bool
    colours : dict
        Region to the colour that the manifest gives it.
    compare : bool
        Whether the papers' verdicts are asked for.
    """

    path: Path
    name: str
    pixel_size_um: float
    images: np.ndarray
    atlas: np.ndarray
    regions: tuple[str, ...]
    clean: np.ndarray | None
    truth: pd.DataFrame | None
    clean_images: np.ndarray | None
    fingerprint: str
    is_phantom: bool
    colours: dict[str, str] = field(default_factory=dict)
    compare: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Names that figures show: of regions."""
        return self.regions


def open_population(path: str | Path) -> Population:
    """Open and check a population dataset folder (format: *Bring your own data* in the book).

    Raises
    ------
    DatasetError
        Lists every error with its file, field, what was found, what was expected and the remedy.
    """
    return read_population(Path(path))[0]


def read_population(path: Path) -> tuple[Population, list[Problem]]:
    """Return the dataset and what is doubtful about it; raises as :func:`open_population` does."""
    optional = {"atlas", "section", "regions", "clean", "truth", "clean_images"}
    folder = Folder(path, "population", {"images"}, optional)
    names = folder.names("regions")
    if ("atlas" in folder.manifest) != ("regions" in folder.manifest):
        remedy = "Give both, or neither: then pages that ask about regions are not run."
        folder.note("regions", "`atlas` or `regions` alone", "both of them", remedy)
    readers = {
        "images": partial(_read_stack, folder),
        "clean_images": partial(_read_stack, folder),
        "atlas": partial(_read_atlas, folder),
        "clean": _read_indices,
        "truth": _read_table,
    }
    if named := brainglobe.is_brainglobe(folder.manifest.get("atlas")):
        readers.pop("atlas")
    elif "section" in folder.manifest:
        words = "a section of a label map in a file", "one of an atlas by name", "Remove it."
        folder.note("section", *words)
    found = {key: folder.content(folder.manifest, key, read) for key, read in readers.items()}
    found["atlas"] = folder.attempt(_named_atlas, folder, names) if named else found["atlas"]
    if found["images"] is not None:
        folder.problems += _misfits(**found)
        if found["atlas"] is not None:
            values = np.unique(found["atlas"])
            folder.check_labels_occur("regions", names, values, "does not occur in the atlas")
            folder.check_labels_listed(
                found["atlas"],
                "atlas",
                names,
                "regions",
                "These pixels count as outside every region.",
            )
    shared = folder.wishes(tuple(names.values())) | folder.finish()
    numbers = {label: position for position, label in enumerate(names, start=1)}
    if found["atlas"] is None:
        found["atlas"] = np.zeros(found["images"].shape[1:], np.int32)
    found["atlas"] = recode(found["atlas"], numbers)
    return Population(regions=tuple(names.values()), **found, **shared), folder.problems


def _misfits(
    images: np.ndarray,
    atlas: np.ndarray | None,
    clean: np.ndarray | None,
    truth: pd.DataFrame | None,
    clean_images: np.ndarray | None,
) -> Iterator[Problem]:
    """What is given beside the images must fit them."""
    n, shape = len(images), images.shape
    if atlas is not None and atlas.shape != shape[1:]:
        yield Problem(
            "atlas",
            f"shape {atlas.shape}",
            f"the images' shape {shape[1:]}",
            "Export the atlas on the images' grid.",
        )
    if clean_images is not None and clean_images.shape != shape:
        yield Problem(
            "clean_images",
            f"shape {clean_images.shape}",
            f"the images' shape {shape}",
            "Write one clean image per image.",
        )
    if n < LEAST_IMAGES:
        yield Problem(
            "images",
            f"{n} images",
            f"{LEAST_IMAGES} or more",
            "Training, validation and test set each need one.",
            severity="warning",  # a first download may be that small
        )
    if clean is not None and len(np.unique(clean)) < 2:
        yield Problem(
            "clean",
            f"{clean.size} indices",
            "two or more different ones",
            "List the images without artifacts, or leave `clean` out.",
        )
    elif clean is not None and (clean.min() < 0 or clean.max() >= n):
        yield Problem(
            "clean",
            f"the index {int(clean.min() if clean.min() < 0 else clean.max())}",
            f"indices from 0 to {n - 1}",
            "Count images from 0.",
        )
    if truth is not None and len(truth) != n:
        yield Problem(
            "truth", f"{len(truth)} rows", f"one row per image ({n})", "Correct the table."
        )


def _read_stack(folder: Folder, path: Path, field: str) -> np.ndarray | None:
    """Return (N, H, W) float32 images in [0, 1] from an .npy file, a folder of images, or a zarr
    array.
    """
    if path.is_dir() and not is_zarr(path):
        array = _read_planes(folder, path, field)
        if array is None:
            return None
    elif path.name.lower().endswith(ENDINGS):
        volume = open_volume(path, field)
        if path.suffix == ".npy" and read_npy(path, field)[0].ndim == 2:
            raise Problem(
                field,
                f"one image of shape {volume.shape[1:]}",
                "numbers of shape (N, H, W)",
                "Stack the gray images along the first axis.",
                file=path.name,
            )
        check_size(path, field, volume.shape, volume.dtype.itemsize)
        folder.problems += volume.warnings
        if volume.pixel_size_um:
            folder.told_sizes.append(volume.pixel_size_um)
        array = np.asarray(volume)
    else:
        raise Problem(
            field,
            path.name,
            f"a folder of images, or a stack: {', '.join(ENDINGS)}",
            "Convert the images.",
        )
    if array.ndim != 3 or array.dtype.kind not in "iuf" or 0 in array.shape:
        raise Problem(
            field,
            f"shape {array.shape} of type {array.dtype}",
            "numbers of shape (N, H, W)",
            "Stack the gray images along the first axis.",
            file=path.name,
        )
    if array.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))
        if bad.size:
            raise Problem(
                field,
                f"pixels that are not finite in {bad.size} images (first: {bad[0]})",
                "a finite number in every pixel",
                "Replace NaN and infinity.",
                file=path.name,
            )
    check_spread(array, field, path.name)
    return as_unit_float(array)


def _named_atlas(folder: Folder, names: dict[int, str]) -> np.ndarray:
    """A section of a BrainGlobe atlas; it is no file of the folder, yet part of its content."""
    words = folder.manifest["atlas"], folder.manifest.get("section"), names
    labels, pixel_size_um, version = brainglobe.section(*words)
    folder.told_sizes.append(pixel_size_um)
    folder.beside = version.encode() + labels.tobytes()
    return labels


def _read_atlas(folder: Folder, path: Path, field: str) -> np.ndarray:
    """A label map from an image, or from a volume of one plane."""
    volume = folder.opened(path, field)
    if volume is None:
        return read_labels(path, field)
    if volume.shape[0] > 1:
        raise Problem(
            field,
            f"a volume of {volume.shape[0]} planes",
            "a label map on the images' grid",
            "Export the plane that the images lie in.",
            file=path.name,
        )
    return checked_labels(volume[0], path, field)


def _read_planes(folder: Folder, path: Path, field: str) -> np.ndarray | None:
    members = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    planes = [folder.attempt(read_gray, member, field) for member in members]
    kinds = {(plane.shape, str(plane.dtype)) for plane in planes if plane is not None}
    if len(kinds) != 1:
        raise Problem(
            field,
            f"{len(planes)} images of shapes and types {sorted(kinds)[:5]}",
            "images that all have one shape and one type",
            "Crop, pad and export them alike.",
        )
    return None if any(plane is None for plane in planes) else np.stack(planes)


def _read_indices(path: Path, field: str) -> np.ndarray:
    words = path.read_text(errors="replace").split()
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        wrong = next((word for word in words if not word.lstrip("-").isdigit()), "")
        raise Problem(
            field,
            f"text that is not whole numbers ({wrong[:40]!r})",
            "one 0-based index per line",
            "Correct the file.",
            file=path.name,
        ) from None


def _read_table(path: Path, field: str) -> pd.DataFrame:
    table = pd.read_csv(path)
    factors = table.drop(columns=["index", "artifact"], errors="ignore")
    numbers = all(kind.kind in "iuf" for kind in factors.dtypes) and np.isfinite(factors).all(None)
    if "artifact" not in table or not numbers:
        raise Problem(
            field,
            f"the columns {', '.join(map(str, table.columns[:8]))}",
            "a column `artifact`, and finite numbers in every column of a factor",
            "Correct the file, or leave `truth` out.",
            file=path.name,
        )
    return table
