"""Download annotated slices of the thalamocortical X-ray microCT volume (Prasad et al. 2020) from
BossDB.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import yaml

from helpers.data.sources import folder
from helpers.data.sources.download import (
    REGISTRY,
    Patience,
    Unreachable,
    WrongContent,
    check_status,
    file_sha256,
    need_space,
    persist,
    registered,
)

# z: role. The papers train, validate and test on three slices 50 µm apart; z = 359 serves to match
# clusters with.
SLICES = {159: "train", 209: "validation", 259: "test", 359: "test"}
ANNOTATED = (109, 159, 209, 259, 309, 359, 409, 410, 460)
# The archive's coding. Internal capsule and corpus callosum are one class, as in the released
# labels;
# 3, the thalamic reticular nucleus, is left out, as in the papers.
AREAS = {1: "Cortex", 2: "Striatum", 4: "VP", 5: "ZI", 6: "WM", 7: "Hypothalamus", 8: "WM"}
CHUNK = 1024  # columns per request; full height, one slice


def fetch(out, slices=None, *, progress=False, force=False, patience=Patience(), registry=REGISTRY):
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
    wanted = _wanted(slices, volume["shape"][0])
    remote = _remote(volume, patience)
    state = folder.claim(out, "bossdb", force)
    files = {
        f"z{z}{suffix}.tif": (z, channel)
        for z in wanted
        for suffix, channel in (("", "image"), ("_areas", "areas"))
        if channel == "image" or z in ANNOTATED
    }
    hashes = state.setdefault("sha256", {})
    todo = {
        name: what
        for name, what in files.items()
        if name not in hashes
        or not (out / name).exists()
        or file_sha256(out / name) != hashes[name]
    }
    if todo:
        sentence = need_space(
            out, 2 * len(todo) * volume["shape"][1] * volume["shape"][2], f"{len(todo)} slices"
        )
        _show(sentence, progress)
        channels = {
            name: _channel(remote, volume, name, patience)
            for name in sorted({channel for _, channel in todo.values()})
        }
        with _bar(todo, volume, progress) as bar:
            for name, (z, channel) in todo.items():
                hashes[name] = _fetch_slice(
                    remote, channels[channel], volume, out / name, z, channel, patience, bar
                )
                folder.record(out, state)
    _write_manifest(out, volume, wanted, files)
    return out


def _wanted(slices, depth):
    """The request as a mapping z -> role, checked."""
    slices = SLICES if slices is None else slices
    wanted = (
        dict(slices)
        if hasattr(slices, "items")
        else {int(z): SLICES.get(int(z), "test") for z in slices}
    )
    for z, role in wanted.items():
        if not 0 <= z < depth:
            raise ValueError(f"slice {z} is outside the volume; expected 0 to {depth - 1}")
        if role not in ("train", "validation", "test"):
            raise ValueError(f"slice {z} has the role {role!r}; expected train, validation or test")
    if not wanted:
        raise ValueError(
            f"no slices asked for; the annotated ones are {', '.join(map(str, ANNOTATED))}"
        )
    return dict(sorted(wanted.items()))


def _remote(volume, patience):
    try:
        from intern.remote.boss import BossRemote
    except ImportError:
        raise ImportError(
            "the download from BossDB needs the package `intern`; install it with `pip install intern`, "
            "or make the environment again with `make` (both locks hold it)"
        ) from None
    # A given configuration keeps intern from reading one in the user's home.
    remote = BossRemote({key: volume[key] for key in ("protocol", "host", "token")})
    for service in (remote.volume_service, remote.project_service):
        service.session_send_opts = {
            **service.session_send_opts,
            "timeout": patience.timeout,
        }  # intern itself waits for ever
    return remote


def _channel(remote, volume, name, patience):
    """The channel's resource, after checking the size of its volume against the registry."""
    from intern.resource.boss.resource import CoordinateFrameResource, ExperimentResource

    def ask():
        channel = _answered(
            lambda: remote.get_channel(volume[name], volume["collection"], volume["experiment"]),
            volume[name],
        )
        experiment = _answered(
            lambda: remote.get_project(
                ExperimentResource(volume["experiment"], volume["collection"])
            ),
            volume["experiment"],
        )
        return channel, _answered(
            lambda: remote.get_project(CoordinateFrameResource(experiment.coord_frame)),
            experiment.coord_frame,
        )

    channel, frame = persist(
        ask, patience, f"{volume['collection']}/{volume['experiment']}/{volume[name]}"
    )
    shape = [
        frame.z_stop - frame.z_start,
        frame.y_stop - frame.y_start,
        frame.x_stop - frame.x_start,
    ]
    if shape != list(volume["shape"]):
        raise WrongContent(
            f"{volume['experiment']}: the archive's volume is now {shape} (z, y, x); expected {volume['shape']}"
        )
    if name == "image" and channel.datatype != "uint8":
        raise WrongContent(
            f"{volume[name]}: the archive's type is {channel.datatype}; expected uint8"
        )
    return channel


def _answered(call, what):
    """Call intern and turn what it raises into errors that say what happened."""
    import requests

    try:
        return call()
    except requests.exceptions.HTTPError as error:
        if error.response is None:
            raise Unreachable(f"{what}: {error}") from None
        check_status(error.response, what)
        raise WrongContent(
            f"{what}: the server answers {error.response.status_code}; expected 200"
        ) from None
    except requests.exceptions.JSONDecodeError:
        raise WrongContent(f"{what}: a page arrived instead of data") from None
    except requests.exceptions.RequestException as error:
        raise Unreachable(
            f"{what}: {type(error).__name__}: no answer; is there a network?"
        ) from None
    except (
        Exception
    ) as error:  # blosc has its own error; a cut-out of another length cannot be reshaped
        if type(error).__name__ == "error" or isinstance(error, (ValueError, KeyError, TypeError)):
            raise WrongContent(
                f"{what}: what arrived cannot be unpacked ({str(error)[:100]})"
            ) from None
        raise


def _fetch_slice(remote, channel, volume, path, z, name, patience, bar):
    """Fetch one slice chunk by chunk, write it as TIFF, return its SHA-256. Chunks survive an
    interruption.
    """
    import tifffile

    _, height, width = volume["shape"]
    chunks = path.parent / "chunks" / path.stem
    chunks.mkdir(parents=True, exist_ok=True)
    plane = np.empty((height, width), np.uint8)
    for left in range(0, width, CHUNK):
        right = min(left + CHUNK, width)
        kept = chunks / f"x{left:05d}.npy"
        piece = _kept(kept, (height, right - left))
        if piece is None:
            piece = persist(
                lambda: _cutout(remote, channel, z, (0, height), (left, right)),
                patience,
                f"{channel.name}, z = {z}, x = {left} to {right}",
            )
            part = kept.with_suffix(".part")
            with open(part, "wb") as stream:
                np.save(stream, piece)
            os.replace(part, kept)
        plane[:, left:right] = piece
        bar.update(piece.size)
    if name == "areas" and not plane.any():
        raise WrongContent(
            f"z = {z}: the archive's annotation of this slice is empty; expected labels 1 to 8"
        )
    part = path.with_suffix(".part")
    tifffile.imwrite(part, plane, compression="zlib")
    os.replace(part, path)
    for kept in chunks.iterdir():
        kept.unlink()
    chunks.rmdir()
    return file_sha256(path)


def _kept(path, shape):
    """A chunk of an interrupted download, or None."""
    try:
        piece = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return piece if piece.shape == shape and piece.dtype == np.uint8 else None


def _cutout(remote, channel, z, rows, columns):
    """One cut-out (height, width) uint8."""
    what = f"{channel.name}, z = {z}"
    piece = _answered(
        lambda: remote.get_cutout(
            channel, 0, list(columns), list(rows), [z, z + 1], parallel=False
        ),
        what,
    )
    if piece.shape != (1, rows[1] - rows[0], columns[1] - columns[0]):
        raise WrongContent(
            f"{what}: shape {piece.shape}; expected {(1, rows[1] - rows[0], columns[1] - columns[0])}"
        )
    if piece.max(initial=0) > 255:  # annotations come as 64 bit
        raise WrongContent(f"{what}: a value of {piece.max()}; expected 0 to 255")
    return piece[0].astype(np.uint8)


def _write_manifest(out, volume, wanted, files):
    slices = []
    for z, role in wanted.items():
        entry = {"z": z, "role": role, "image": f"z{z}.tif"}
        if f"z{z}_areas.tif" in files:
            entry["areas"] = f"z{z}_areas.tif"
        slices.append(entry)
    manifest = {
        "schema": 1,
        "kind": "microct",
        "name": "thalamocortical-xray",
        "pixel_size_um": volume["pixel_size_um"],
        "areas": AREAS,
        "slices": slices,
    }
    folder.write_text(out / "dataset.yml", yaml.safe_dump(manifest, sort_keys=False))
    if (out / "chunks").is_dir() and not any((out / "chunks").iterdir()):
        (out / "chunks").rmdir()


def _show(sentence, progress):
    if progress:
        print(sentence, file=sys.stderr)


def _bar(todo, volume, progress):
    from tqdm import tqdm

    return tqdm(
        total=len(todo) * volume["shape"][1] * volume["shape"][2],
        desc="microCT slices",
        unit="px",
        unit_scale=True,
        disable=not progress,
    )
