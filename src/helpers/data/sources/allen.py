"""Download the population of paper C: red-channel sections of the Allen Mouse Brain Connectivity
Atlas.

Every experiment has a zip of three volumes (red, green, blue) registered to the 25 µm atlas. The
red channel is autofluorescence; of it one coronal section is kept (paper C, section 3.1).
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import ccf, folders
from helpers.data.files import atomic, file_sha256, holds, write_json, write_yaml
from helpers.data.sources import allen_volume
from helpers.data.sources.download import (
    PATIENCE,
    REGISTRY,
    NotThere,
    Patience,
    WrongContent,
    explained,
    in_words,
    need_space,
    optional_package,
    persist,
    registered,
)
from helpers.data.sources.transfer import fetch_file, fetch_once

LARGEST_GRAPH = 100_000_000  # bytes; the structure graph has about two million
SECTION_BYTES = 320 * 448 * 2
# Per parallel download at most: a zip of three 16-bit volumes that does not compress, and one of
# them unpacked.
WORKING_BYTES = 4 * 528 * 320 * 456 * 2
TRANSFER_BYTES = (
    3 * 528 * 320 * 456 * 2
)  # of one experiment, at most: the zip that does not compress
NAME = "allen-connectivity-ap286"
FETCHED = "fetched.json"


def fetch(
    out: str | Path,
    *,
    limit: int | None = None,
    workers: int = 4,
    progress: bool = False,
    force: bool = False,
    patience: Patience = PATIENCE,
    registry: Path = REGISTRY,
) -> Path:
    """Download the sections as a population dataset folder.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that an earlier call filled: sections that are there are kept.
    limit : int, optional
        Only so many experiments, spread over all of them (not the oldest: see `spread_order`); a
        larger limit keeps those of a smaller one. All by default.
    workers : int
        Parallel downloads.
    progress : bool
    force : bool
        Download everything again.
    patience : Patience
    registry : path
        Where the addresses stand.

    Returns
    -------
    Path

    Raises
    ------
    Unreachable
        No network, or a server that is down; the same call resumes.
    NotThere
        The archive lists no experiments.
    WrongContent
        The annotation is not the registered one, or what arrives is not what was asked for.
    ImportError
        ``allensdk`` is not installed.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; expected at least one experiment")
    if workers < 1:
        raise ValueError(f"workers is {workers}; expected at least one")
    client = optional_package(
        "allensdk.core.mouse_connectivity_cache",
        "the download from the Allen archive needs allensdk, which has no wheels for Python 3.12 "
        "and later: use Python 3.10 or 3.11 with the full lock (`make LOCK=full`)",
    )
    out, addresses = Path(out), registered("allen", registry)
    state = folders.claim(out, "allen", force)
    with _socket_timeout(patience.timeout):  # allensdk's own queries would wait for ever
        cache = client.MouseConnectivityCache(
            manifest_file=str(out / "allensdk" / "manifest.json"), base_uri=addresses["api"]
        )
        experiments = sorted(spread_order(_experiments(cache, out, patience))[:limit])
        labels, atlas = _annotation(out, addresses, patience)
        fetched = _fetched(out)
        todo = [number for number in experiments if number not in fetched]
        if todo:
            need_space(
                out,
                len(todo) * 2 * SECTION_BYTES + min(workers, len(todo)) * WORKING_BYTES,
                f"{len(todo)} of {len(experiments)} experiments to fetch, up to "
                f"{in_words(len(todo) * TRANSFER_BYTES)} to transfer",
                show=progress,
            )
            stop = threading.Event()
            fetch_one = partial(_section, cache.api, out, labels > 0, patience, stop)
            for number, row in _download(fetch_one, todo, workers, stop, progress):
                fetched[number] = row
                write_json(out / FETCHED, fetched)
    status = {number: fetched[number]["status"] for number in experiments}
    left_out = {number: reason for number, reason in status.items() if reason != "ok"}
    used = [number for number in experiments if number not in left_out]
    request = {
        "experiments": len(experiments),
        "used": len(used),
        "section": ccf.SECTION,
        "left_out": left_out,
    }
    if not used:
        raise WrongContent(
            f"none of {len(experiments)} experiments has a usable red channel; the first: "
            + left_out[experiments[0]]
        )
    if state.get("request") != request or not (out / "dataset.yml").is_file():
        white = _assemble(out, used, labels > 0, atlas)
        folders.record(out, {**state, "white_level": white, "request": request})
    return out


def spread_order(numbers: list[int]) -> list[int]:
    """Return the same numbers so that any first few are spread over all: the first, the middle, the
    quarters, and so on (their places, bits reversed: van der Corput 1935).

    Experiments are numbered as they were made; the oldest share a season, a microscope and a few
    mouse lines.
    """
    bits = max(len(numbers) - 1, 1).bit_length()
    places = sorted(range(len(numbers)), key=lambda place: f"{place:0{bits}b}"[::-1])
    return [numbers[place] for place in places]


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _experiments(cache: Any, out: Path, patience: Patience) -> list[int]:
    """Numbers of all experiments, in order; the list is kept, so that a later call means the same
    ones.
    """
    kept = out / "allensdk" / "experiments.json"

    def ask() -> list[int]:
        try:
            with explained("list of experiments"):
                rows = cache.get_experiments(file_name=str(kept))
            if not rows:
                raise NotThere("the archive lists no experiments; has its service changed?")
            return sorted(int(row["id"]) for row in rows)
        except (WrongContent, NotThere):
            kept.unlink(missing_ok=True)
            raise

    return persist(ask, patience, "Allen archive")


def _annotation(out: Path, addresses: dict, patience: Patience) -> tuple[np.ndarray, np.ndarray]:
    """The annotation's section and the atlas of the regions, (320, 448) each."""
    known = addresses["annotation_25"]
    path, graph = out / known["file"], out / addresses["structure_graph"]["file"]
    if not holds(path, known["sha256"]):
        path.unlink(missing_ok=True)
        most = known.get("bytes", LARGEST_GRAPH)
        fetch_file(known["url"], path, sha256=known["sha256"], most=most, patience=patience)
    if not graph.exists():
        url = addresses["structure_graph"]["url"]
        fetch_file(url, graph, most=LARGEST_GRAPH, patience=patience)
    try:
        families = ccf.read_graph(graph)
    except ValueError as error:
        graph.unlink()
        raise WrongContent(str(error)) from None
    labels = ccf.section_of(nrrd.read(str(path))[0])
    return labels, ccf.region_atlas(labels, families)


def _fetched(out: Path) -> dict[int, dict]:
    """What earlier calls brought, by experiment: its ``status`` (``"ok"``, or why it is left out)
    and the hashes of its ``zip`` and ``section``; only what still lies there unchanged.
    """
    path = out / FETCHED
    known = json.loads(path.read_text()) if path.exists() else {}
    return {
        int(number): row
        for number, row in known.items()
        if row["status"] != "ok" or holds(_section_path(out, number), row["section"])
    }


def _section_path(out: Path, number: int | str) -> Path:
    return out / "sections" / f"{number}.npy"


def _download(
    fetch_one: Callable[[int], dict],
    todo: list[int],
    workers: int,
    stop: threading.Event,
    progress: bool,
) -> Iterator[tuple[int, dict]]:
    """Fetch experiments in parallel and yield what is known of each; the first server that does not
    answer stops the rest.
    """
    failed = []
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(todo), desc="experiments", unit="brain", disable=not progress) as bar,
    ):
        jobs = {pool.submit(fetch_one, number): number for number in todo}
        try:
            for job in as_completed(jobs):
                try:
                    yield jobs[job], job.result()
                except WrongContent as error:
                    failed.append(str(error))
                bar.update()
        except BaseException:  # no network, disk full, Ctrl-C: do not start what waits
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        raise WrongContent(
            f"{len(failed)} of {len(todo)} experiments arrived broken; the others are kept, and "
            f"the same command tries these again. The first: {failed[0]}"
        )


def _section(
    api: Any,
    out: Path,
    brain: np.ndarray,
    patience: Patience,
    stop: threading.Event,
    number: int,
) -> dict:
    """Fetch one experiment; returns its row of ``fetched.json``."""
    what = f"experiment {number}"
    archive = out / "downloads" / f"{number}.zip"

    def ask() -> str:
        try:
            with explained(what):
                return api.get_reference_aligned_image_channel_volumes_url(number)
        except IndexError:
            raise NotThere(
                f"{what}: the archive has no such experiment, or no registered volumes of it"
            ) from None

    def receive() -> tuple[str, np.ndarray]:
        most = allen_volume.largest_zip()
        digest = fetch_once(url, archive, most=most, timeout=patience.timeout, stop=stop)
        return digest, allen_volume.red_section(archive, brain)

    try:
        url = persist(ask, patience, what)
        digest, section = persist(receive, patience, what)
    except (NotThere, allen_volume.Unusable) as error:  # it will not get better: noted and left out
        return {"status": str(error)}
    finally:
        for left in archive.parent.glob(f"{archive.name}*"):  # with a part of it, and its note
            left.unlink(missing_ok=True)
    path = _section_path(out, number)
    with atomic(path) as part:
        np.save(part, section)
    return {"status": "ok", "zip": digest, "section": file_sha256(path)}


def _assemble(out: Path, used: list[int], brain: np.ndarray, atlas: np.ndarray) -> float:
    """Write images.npy on one common scale, the atlas, the list of experiments, and the manifest
    last; returns the intensity that is white.
    """
    load = lambda number: np.load(_section_path(out, number), allow_pickle=False)
    # White is twice the typical bright tissue, the same for all: brighter leakage saturates,
    # brightness stays comparable.
    white = 2 * float(np.median([np.percentile(load(number)[brain], 99) for number in used]))
    (out / "dataset.yml").unlink(missing_ok=True)
    with atomic(out / "images.npy") as part:
        images = np.lib.format.open_memmap(part, "w+", np.uint16, (len(used), *brain.shape))
        for image, number in zip(images, used):
            image[:] = np.rint(np.clip(load(number).astype(np.float32) / white, 0, 1) * 65535)
        images.flush()
        del images
    tifffile.imwrite(out / "atlas.tif", atlas)
    with atomic(out / "experiments.csv") as part:
        part.write_text(
            "index,experiment\n" + "".join(f"{i},{number}\n" for i, number in enumerate(used))
        )
    write_yaml(
        out / "dataset.yml",
        {
            "schema": 1,
            "kind": "population",
            "name": NAME,
            "pixel_size_um": 25,
            "images": "images.npy",
            "atlas": "atlas.tif",
            "regions": dict(enumerate(ccf.REGIONS, start=1)),
        },
    )
    return white
