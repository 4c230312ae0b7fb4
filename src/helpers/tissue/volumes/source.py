"""The gray values of a volume, wherever they lie: one file, a folder of planes, or the slices of a
dataset folder.
"""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import read_array
from helpers.data.datasets.manifest import (
    MANIFEST,
    DatasetError,
    Problem,
    read_manifest,
    resolve,
)
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


def _dataset(folder: Path) -> Source:
    manifest = read_manifest(folder, "microct")
    images = {entry["z"]: resolve(folder, entry["image"], "image") for entry in manifest["slices"]}
    z = tuple(sorted(images))
    planes = [images[each] for each in z]
    shapes = {read_array(plane, "image").shape for plane in planes}
    if len(shapes) > 1:
        found = f"slices of {', '.join(f'{h}×{w}' for h, w in sorted(shapes))} px"
        problem = Problem("slices", found, "one size", "Export the slices alike.")
        raise DatasetError(folder, [problem])
    first = read_array(planes[0], "image")
    pixel = float(manifest["pixel_size_um"])
    apart = float(np.median(np.diff(z))) if len(z) > 1 else 1.0
    voxel = (pixel * apart, pixel, pixel)
    read = partial(_read_planes, planes)
    volume = Volume(folder, (len(z), *first.shape), first.dtype, voxel, read)
    return Source(volume, z, voxel, _state([folder / MANIFEST, *planes]))


def _read_planes(planes: list[Path], part: tuple[slice, slice, slice]) -> np.ndarray:
    return np.stack([read_array(plane, "image")[part[1:]] for plane in planes[part[0]]])


def _state(paths: list[Path]) -> str:
    files = []
    for path in paths:
        files += sorted(each for each in path.rglob("*") if each.is_file()) or [path]
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return sha256(repr(facts).encode()).hexdigest()
