"""Download annotated slices of the thalamocortical X-ray microCT volume (Prasad et al. 2020) from
BossDB.
"""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import folders
from helpers.data.files import atomic, file_sha256, holds, write_yaml
from helpers.data.sources.download import (
    PATIENCE,
    REGISTRY,
    Patience,
    WrongContent,
    explained,
    need_space,
    optional_package,
    persist,
    registered,
)

# z: role. The papers train, validate and test on three slices 50 µm apart; z = 359 serves to match
# clusters with.
SLICES = {159: "train", 209: "validation", 259: "test", 359: "test"}
ANNOTATED = (109, 159, 209, 259, 309, 359, 409, 410, 460)
# The archive's coding. Internal capsule and corpus callosum are one class, as in the released
# labels; 3, the thalamic reticular nucleus, is left out, as in the papers.
AREAS = {1: "Cortex", 2: "Striatum", 4: "VP", 5: "ZI", 6: "WM", 7: "Hypothalamus", 8: "WM"}
CHUNK = 1024  # columns per request; full height, one slice


def fetch(
    out: str | Path,
    slices: Mapping[int, str] | Sequence[int] | None = None,
    *,
    progress: bool = False,
    force: bool = False,
    patience: Patience = PATIENCE,
    registry: Path = REGISTRY,
) -> Path:
    """Download slices with their area labels as a microCT dataset folder.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that an earlier call filled: what is there is kept and
        checked.
    slices : mapping of z to role, or sequence of z, optional
        By default ``SLICES``; a bare z that is not listed there gets the role ``test``. Slices
        without hand annotation (see ``ANNOTATED``) are fetched without labels.
    progress : bool
    force : bool
        Download everything again.
    patience : Patience
    registry : path

    Returns
    -------
    Path

    Raises
    ------
    Unreachable
        No network, or a server that is down, after several attempts; the same call resumes.
    NotThere
        The archive answers that it has no such experiment or channel.
    WrongContent
        Shape or type differ from what the registry says, or an annotated slice came without labels.
    ImportError
        The package ``intern`` is not installed.
    """
    out, volume = Path(out), registered("bossdb", registry)["thalamocortical"]
    entries = [_entry(z, role) for z, role in _wanted(slices, volume["shape"][0]).items()]
    remote = remote_of(volume, patience)
    state = folders.claim(out, "bossdb", force)
    hashes = state.setdefault("sha256", {})
    todo = [
        (entry["z"], channel, out / entry[channel])
        for entry in entries
        for channel in ("image", "areas")
        if channel in entry and not holds(out / entry[channel], hashes.get(entry[channel]))
    ]
    if todo:
        _, *shape = volume["shape"]
        size = len(todo) * shape[0] * shape[1]
        need_space(out, 2 * size, f"{len(todo)} slices", show=progress)
        channels = {
            name: channel_of(remote, volume, name, patience)
            for name in sorted({name for _, name, _ in todo})
        }
        with tqdm(
            total=size, desc="microCT slices", unit="px", unit_scale=True, disable=not progress
        ) as bar:
            for z, name, path in todo:
                hashes[path.name] = _fetch_slice(
                    remote, channels[name], shape, path, z, patience, bar
                )
                folders.record(out, state)
    write_yaml(
        out / "dataset.yml",
        {
            "schema": 1,
            "kind": "microct",
            "name": "thalamocortical-xray",
            "pixel_size_um": volume["pixel_size_um"],
            "areas": AREAS,
            "slices": entries,
        },
    )
    return out


def _wanted(slices: Mapping[int, str] | Sequence[int] | None, depth: int) -> dict[int, str]:
    """The request as a mapping z -> role, checked."""
    slices = SLICES if slices is None else slices
    if not isinstance(slices, Mapping):
        slices = {int(z): SLICES.get(int(z), "test") for z in slices}
    for z, role in slices.items():
        if not 0 <= z < depth:
            raise ValueError(f"slice {z} is outside the volume; expected 0 to {depth - 1}")
        if role not in ("train", "validation", "test"):
            raise ValueError(f"slice {z} has the role {role!r}; expected train, validation or test")
    if not slices:
        raise ValueError(
            f"no slices asked for; the annotated ones are {', '.join(map(str, ANNOTATED))}"
        )
    return dict(sorted(slices.items()))


def _entry(z: int, role: str) -> dict:
    """What the manifest says of a slice."""
    areas = {"areas": f"z{z}_areas.tif"} if z in ANNOTATED else {}
    return {"z": z, "role": role, "image": f"z{z}.tif", **areas}


def remote_of(volume: dict, patience: Patience) -> Any:
    """The archive, as the package `intern` sees it."""
    boss = optional_package(
        "intern.remote.boss",
        "the download from BossDB needs the package `intern`; install it with `pip install "
        "intern`, or make the environment again with `make` (both locks hold it)",
    )
    # A given configuration keeps intern from reading one in the user's home.
    remote = boss.BossRemote({key: volume[key] for key in ("protocol", "host", "token")})
    for service in (remote.volume_service, remote.project_service):
        # intern itself waits for ever
        service.session_send_opts = {**service.session_send_opts, "timeout": patience.timeout}
    return remote


def channel_of(remote: Any, volume: dict, name: str, patience: Patience) -> Any:
    """The channel's resource, after checking the size of its volume against the registry."""
    from intern.resource.boss.resource import CoordinateFrameResource, ExperimentResource

    collection, experiment, channel = (volume[k] for k in ("collection", "experiment", name))

    def ask() -> tuple[Any, Any]:
        with explained(f"{experiment}/{channel}"):
            found = remote.get_channel(channel, collection, experiment)
            frame = remote.get_project(ExperimentResource(experiment, collection)).coord_frame
            return found, remote.get_project(CoordinateFrameResource(frame))

    found, frame = persist(ask, patience, collection)
    shape = [getattr(frame, f"{axis}_stop") - getattr(frame, f"{axis}_start") for axis in "zyx"]
    if shape != list(volume["shape"]):
        raise WrongContent(
            f"{experiment}: the archive's volume is now {shape} (z, y, x); "
            f"expected {volume['shape']}"
        )
    if name == "image" and found.datatype != "uint8":
        raise WrongContent(f"{channel}: the archive's type is {found.datatype}; expected uint8")
    return found


def _fetch_slice(
    remote: Any,
    channel: Any,
    shape: tuple[int, int],
    path: Path,
    z: int,
    patience: Patience,
    bar: tqdm,
) -> str:
    """Fetch one slice chunk by chunk, write it as TIFF, return its SHA-256. Chunks survive an
    interruption.
    """
    chunks = path.with_suffix(".chunks")
    plane = np.empty(shape, np.uint8)
    for left in range(0, shape[1], CHUNK):
        place = plane[:, left : left + CHUNK]
        kept, right = chunks / f"x{left:05d}.npy", left + place.shape[1]
        piece = _kept(kept, place.shape)
        if piece is None:
            piece = persist(
                partial(_cutout, remote, channel, z, shape[0], (left, right)),
                patience,
                f"{channel.name}, z = {z}, x = {left} to {right}",
            )
            with atomic(kept) as part:
                np.save(part, piece)
        place[:] = piece
        bar.update(piece.size)
    if path.stem.endswith("areas") and not plane.any():
        raise WrongContent(
            f"z = {z}: the archive's annotation of this slice is empty; expected labels 1 to 8"
        )
    with atomic(path) as part:
        tifffile.imwrite(part, plane, compression="zlib")
    shutil.rmtree(chunks)
    return file_sha256(path)


def _kept(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """A chunk of an interrupted download, or None."""
    try:
        piece = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return piece if piece.shape == shape and piece.dtype == np.uint8 else None


def _cutout(remote: Any, channel: Any, z: int, height: int, columns: tuple[int, int]) -> np.ndarray:
    """One cut-out (height, width) uint8."""
    what = f"{channel.name}, z = {z}"
    with explained(what):
        piece = remote.get_cutout(
            channel, 0, list(columns), [0, height], [z, z + 1], parallel=False
        )
    expected = (1, height, columns[1] - columns[0])
    if piece.shape != expected:
        raise WrongContent(f"{what}: shape {piece.shape}; expected {expected}")
    if piece.max(initial=0) > 255:  # annotations come as 64 bit
        raise WrongContent(f"{what}: a value of {piece.max()}; expected 0 to 255")
    return piece[0].astype(np.uint8)
