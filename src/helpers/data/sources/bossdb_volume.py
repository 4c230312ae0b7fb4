"""Download the whole thalamocortical microCT volume (Prasad et al. 2020) from BossDB, chunk by
chunk, as OME-Zarr.
"""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from helpers.data import folders, ome_zarr
from helpers.data.sources.bossdb import channel_of, remote_of
from helpers.data.sources.download import (
    PATIENCE,
    REGISTRY,
    Patience,
    WrongContent,
    explained,
    need_space,
    persist,
    registered,
)
from helpers.data.storage import Files

CHUNK = (16, 512, 512)  # as the archive itself keeps them: no piece is sent twice
NAME, NOTES = "image.zarr", "image.sha256"


def fetch_volume(
    out: str | Path,
    *,
    progress: bool = False,
    force: bool = False,
    patience: Patience = PATIENCE,
    registry: Path = REGISTRY,
) -> Path:
    """Download the volume into ``image.zarr``; the same call goes on where another stopped.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that `brainbook fetch microct` filled.
    progress : bool
    force : bool
        Download everything again.
    patience : Patience
    registry : path

    Returns
    -------
    Path
        The volume, for ``brainbook volume``.

    Raises
    ------
    Unreachable, NotThere, WrongContent, ImportError
        As :func:`helpers.data.sources.bossdb.fetch`.
    OSError
        The disk has too little room; said before anything is fetched.
    """
    out, volume = Path(out), registered("bossdb", registry)["thalamocortical"]
    remote = remote_of(volume, patience)
    folders.claim(out, "bossdb", force)
    files, shape = Files(out), tuple(volume["shape"])
    array = ome_zarr.ChunkedArray(files, f"{NAME}/0", shape, CHUNK, "|u1")
    grid = [range(0, size, step) for size, step in zip(shape, CHUNK)]
    known = _known(files)
    todo = [
        start
        for start in itertools.product(*grid)
        if not _is_there(files, array.key([at // step for at, step in zip(start, CHUNK)]), known)
    ]
    if not todo:
        return out / NAME
    need_space(out, len(todo) * int(np.prod(CHUNK)), f"{len(todo)} chunks", show=progress)
    channel = channel_of(remote, volume, "image", patience)
    size = (volume["pixel_size_um"],) * 3
    ome_zarr.write_group(files, NAME, ome_zarr.multiscales("microCT", [array], size))
    array.create()
    with (
        tqdm(total=len(todo), desc="microCT volume", unit="chunk", disable=not progress) as bar,
        open(out / NOTES, "a", encoding="utf-8") as notes,
    ):
        for start in todo:
            ends = [min(at + step, side) for at, step, side in zip(start, CHUNK, shape)]
            what = f"{channel.name}, from {start} to {tuple(ends)}"
            ask = partial(_cutout, remote, channel, start, ends, what)
            for name, value in array.write(start, persist(ask, patience, what)).items():
                notes.write(f"{value}  {name}\n")
                notes.flush()
            bar.update()
    return out / NAME


def _known(files: Files) -> dict[str, str]:
    """SHA-256 of every chunk that was noted; a line that was cut off counts for nothing."""
    lines = (files.read(NOTES) or b"").decode(errors="replace").splitlines()
    pairs = (line.split("  ", 1) for line in lines if line.count("  ") == 1)
    return {name: value for value, name in pairs if len(value) == 64}


def _is_there(files: Files, name: str, known: dict[str, str]) -> bool:
    return name in known and files.holds({name: known[name]})


def _cutout(remote: Any, channel: Any, start: tuple, ends: list, what: str) -> np.ndarray:
    """One chunk (z, y, x) uint8."""
    z, y, x = ([low, high] for low, high in zip(start, ends))
    with explained(what):
        piece = remote.get_cutout(channel, 0, x, y, z, parallel=False)
    expected = tuple(high - low for low, high in (z, y, x))
    if piece.shape != expected or piece.dtype != np.uint8:
        raise WrongContent(
            f"{what}: shape {piece.shape} of {piece.dtype}; expected {expected} of uint8"
        )
    return piece
