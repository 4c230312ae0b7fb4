"""The gray values of a volume, wherever they lie: one file, a folder of planes, or the slices of a
dataset folder.
"""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import read_array
from helpers.data.datasets.manifest import MANIFEST, DatasetError, Problem
from helpers.data.datasets.reading import Folder
from helpers.data.datasets.volumes import Volume, open_volume


@dataclass(frozen=True)
class Source:
    """A volume to read, block by block.

    Attributes
    ----------
    volume : Volume
        ``volume[k, rows, columns]`` reads part of plane k.
    z : tuple of int
        Number of each plane.
    voxel_um : (z, y, x)
        NaN where nothing says it.
    state : str
        SHA-256 of names, sizes and times of the files: another as soon as one of them changes.
    """

    volume: Volume
    z: tuple[int, ...]
    voxel_um: tuple[float, float, float]
    state: str


def open_source(path: str | Path) -> Source:
    """Open a volume, or a microCT dataset folder as the volume of its slices in order of z.

    Raises
    ------
    DatasetError
        If it cannot be opened, or the slices of a dataset differ in size.
    """
    path = Path(path)
    if (path / MANIFEST).is_file():
        return _dataset(path)
    try:
        volume = open_volume(path)
    except Problem as problem:
        raise DatasetError(path, [problem]) from None
    voxel = tuple(volume.voxel_size_um or (np.nan,) * 3)
    return Source(volume, tuple(range(volume.shape[0])), voxel, _state([path]))


def _dataset(path: Path) -> Source:
    """The slices of a dataset folder, each an image or a plane of a volume."""
    folder = Folder(path, "microct", {"areas", "slices"}, {"layers", "roles", "bits"})
    planes: dict[int, Plane] = {}
    slices = folder.value(
        folder.manifest, "slices", _are_slices, "slices that have a `z` each", "Number them."
    )
    for index, entry in enumerate(slices or []):
        read = partial(_plane, folder, entry["z"])
        planes[entry["z"]] = folder.content(entry, "image", read, f"slices[{index}].")
    folder.settle_pixel_size()
    if not folder.errors():
        shapes = sorted({plane.shape for plane in planes.values()})
        found = f"slices of {', '.join(f'{h}×{w}' for h, w in shapes)} px"
        if len(shapes) > 1:
            folder.note("slices", found, "one size", "Export the slices alike.")
    if folder.errors():
        raise DatasetError(path, folder.problems)
    z = tuple(sorted(planes))
    ordered = [planes[each] for each in z]
    shape, dtype = ordered[0].shape, np.result_type(*(plane.dtype for plane in ordered))
    pixel = float(folder.pixel_size_um)
    apart = float(np.median(np.diff(z))) if len(z) > 1 else 1.0
    voxel = (apart * min(folder.told_depths, default=pixel), pixel, pixel)
    volume = Volume(path, (len(z), *shape), dtype, voxel, partial(_read_planes, ordered))
    files = sorted({plane.path for plane in ordered})
    return Source(volume, z, voxel, _state([path / MANIFEST, *files]))


@dataclass(frozen=True)
class Plane:
    """Where a slice lies: an image, or plane ``number`` of a volume."""

    path: Path
    number: int | None
    shape: tuple[int, int]
    dtype: np.dtype


def _plane(folder: Folder, z: int, path: Path, field: str) -> Plane:
    volume, number = folder.placed(path, field, z)
    if volume is not None:
        return Plane(path, number, volume.shape[1:], volume.dtype)
    image = read_array(path, field)
    return Plane(path, None, image.shape, image.dtype)


def _are_slices(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(entry, dict) and type(entry.get("z")) is int and "image" in entry
            for entry in value
        )
    )


def _read_planes(planes: list[Plane], part: tuple[slice, slice, slice]) -> np.ndarray:
    return np.stack(
        [
            read_array(plane.path, "image")[part[1:]]
            if plane.number is None
            else open_volume(plane.path, "image")[plane.number, part[1], part[2]]
            for plane in planes[part[0]]
        ]
    )


def _state(paths: list[Path]) -> str:
    files = []
    for path in paths:
        files += sorted(each for each in path.rglob("*") if each.is_file()) or [path]
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return sha256(repr(facts).encode()).hexdigest()
