"""Download the population of paper C: red-channel sections of the Allen Mouse Brain Connectivity
Atlas.

Every experiment has a zip of three volumes (red, green, blue) registered to the 25 µm atlas. The
red channel is autofluorescence; of it one coronal section is kept (paper C, section 3.1).
"""

from __future__ import annotations

import csv
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from helpers.data import ccf
from helpers.data.sources import allen_volume, folder
from helpers.data.sources.download import (
    REGISTRY,
    NotThere,
    Patience,
    Unreachable,
    WrongContent,
    fetch_file,
    fetch_once,
    file_sha256,
    need_space,
    persist,
    registered,
)

SECTION_BYTES = 320 * 448 * 2
# Per parallel download at most: a zip of three 16-bit volumes that does not compress, and one of
# them unpacked.
WORKING_BYTES = 4 * 528 * 320 * 456 * 2
NAME = "allen-connectivity-ap286"


def fetch(
    out,
    *,
    limit=None,
    workers=4,
    progress=False,
    force=False,
    patience=Patience(),
    registry=REGISTRY,
):
    """Download the sections as a population dataset folder.

    Parameters
    ----------
    out : path
        A new or empty folder, or one that an earlier call filled: sections that are there are kept.
    limit : int, optional
        Only the first experiments by number; all by default.
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
    cache_class = _allensdk()
    out, addresses = Path(out), registered("allen", registry)
    state = folder.claim(out, "allen", force)
    with _socket_timeout(patience.timeout):  # allensdk's own queries would wait for ever
        cache = cache_class(
            manifest_file=str(out / "allensdk" / "manifest.json"), base_uri=addresses["api"]
        )
        experiments = _experiments(cache, out, patience)[:limit]
        labels, atlas = _annotation(out, addresses, patience)
        done = _Done(out, experiments)
        todo = [number for number in experiments if number not in done]
        if todo:
            needed = len(todo) * 2 * SECTION_BYTES + min(workers, len(todo)) * WORKING_BYTES
            sentence = need_space(
                out, needed, f"{len(todo)} of {len(experiments)} experiments to fetch"
            )
            _download(
                cache.api,
                out,
                todo,
                labels > 0,
                done,
                workers,
                patience,
                sentence if progress else "",
            )
    used = [number for number in experiments if done.get(number) == "ok"]
    request = {
        "experiments": len(experiments),
        "used": len(used),
        "section": ccf.SECTION,
        "left_out": done.left_out(experiments),
    }
    if not used:
        raise WrongContent(
            f"none of {len(experiments)} experiments has a usable red channel; the first: {request['left_out'][experiments[0]]}"
        )
    if state.get("request") != request or not (out / "dataset.yml").is_file():
        _assemble(out, used, labels > 0, atlas, state)
        folder.record(out, {**state, "request": request})
    return out


def _allensdk():
    try:
        from allensdk.core.mouse_connectivity_cache import MouseConnectivityCache
    except ImportError:
        raise ImportError(
            "the download from the Allen archive needs allensdk, which has no wheels for Python 3.12 and later: "
            "use Python 3.10 or 3.11 with the full lock (`make LOCK=locks/full.txt`)"
        ) from None
    return MouseConnectivityCache


@contextmanager
def _socket_timeout(seconds):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _query(call, what):
    """Call allensdk's metadata service and turn what it raises into errors that say what happened."""
    from urllib.error import HTTPError, URLError

    try:
        return call()
    except HTTPError as error:
        if error.code in (404, 410):
            raise NotThere(f"{what}: the server answers {error.code}") from None
        raise Unreachable(f"{what}: the server answers {error.code}") from None
    except (URLError, TimeoutError, ConnectionError) as error:
        raise Unreachable(
            f"{what}: no answer ({getattr(error, 'reason', error)}); is there a network?"
        ) from None
    except (
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # JSON expected, a page arrived; or an answer without `msg`
        raise WrongContent(
            f"{what}: the service answers something else than expected ({type(error).__name__}: {str(error)[:80]})"
        ) from None


def _experiments(cache, out, patience):
    """Numbers of all experiments, in order; the list is kept, so that a later call means the same
    ones.
    """
    kept = out / "allensdk" / "experiments.json"

    def ask():
        try:
            rows = _query(lambda: cache.get_experiments(file_name=str(kept)), "list of experiments")
        except WrongContent:
            kept.unlink(missing_ok=True)
            raise
        if not rows:
            kept.unlink(missing_ok=True)
            raise NotThere("the archive lists no experiments; has its service changed?")
        return sorted(int(row["id"]) for row in rows)

    return persist(ask, patience, "Allen archive")


def _annotation(out, addresses, patience):
    """The annotation's section and the atlas of the regions, (320, 448) each."""
    import nrrd

    known = addresses["annotation_25"]
    path = out / known["file"]
    if not path.exists() or file_sha256(path) != known["sha256"]:
        path.unlink(missing_ok=True)
        fetch_file(known["url"], path, sha256=known["sha256"], patience=patience)
    graph = out / addresses["structure_graph"]["file"]
    if not graph.exists():
        fetch_file(addresses["structure_graph"]["url"], graph, patience=patience)
    try:
        families = ccf.read_graph(graph)
    except ValueError as error:
        graph.unlink()
        raise WrongContent(str(error)) from None
    labels = ccf.section_of(nrrd.read(str(path))[0])
    return labels, ccf.region_atlas(labels, families)


def _download(api, out, todo, brain, done, workers, patience, sentence):
    """Fetch sections in parallel; the first server that does not answer stops the rest."""
    from tqdm import tqdm

    if sentence:
        tqdm.write(sentence, file=sys.stderr)
    failed, stop = [], threading.Event()
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(todo), desc="experiments", unit="brain", disable=not sentence) as bar,
    ):
        jobs = {
            pool.submit(_section, api, out, number, brain, patience, stop): number
            for number in todo
        }
        try:
            for job in as_completed(jobs):
                try:
                    done.add(jobs[job], *job.result())
                except WrongContent as error:
                    failed.append(str(error))
                bar.update()
        except BaseException:  # no network, disk full, Ctrl-C: do not start what waits
            stop.set()
            for job in jobs:
                job.cancel()
            raise
    if failed:
        raise WrongContent(
            f"{len(failed)} of {len(todo)} experiments arrived broken; the others are kept, and the same command "
            f"tries these again. The first: {failed[0]}"
        )


def _section(api, out, number, brain, patience, stop):
    """Fetch one experiment; returns (status, hash of the zip, hash of the section)."""
    what = f"experiment {number}"
    path = out / "sections" / f"{number}.npy"
    archive = out / "downloads" / f"{number}.zip"
    try:
        url = persist(lambda: _query(lambda: _address(api, number), what), patience, what)

        def attempt():
            digest = fetch_once(url, archive, timeout=patience.timeout, stop=stop)
            return digest, allen_volume.red_section(archive, brain)

        digest, section = persist(attempt, patience, what)
    except (NotThere, allen_volume.Unusable) as error:  # it will not get better: noted and left out
        return str(error), "", ""
    finally:
        archive.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "wb") as stream:
        np.save(stream, section)
    part.replace(path)
    return "ok", digest, file_sha256(path)


def _address(api, number):
    """Where an experiment's zip lies, as the archive says."""
    try:
        return api.get_reference_aligned_image_channel_volumes_url(number)
    except IndexError:
        raise NotThere(
            f"experiment {number}: the archive has no such experiment, or no registered volumes of it"
        ) from None


class _Done:
    """What has been fetched: a CSV that is only ever appended to, so that an interruption costs one
    line at most.
    """

    COLUMNS = ("experiment", "status", "zip_sha256", "section_sha256")

    def __init__(self, out, experiments):
        self.out, self.path, self.lock, self.status = out, out / "fetched.csv", threading.Lock(), {}
        if not self.path.exists():
            self.path.write_text(",".join(self.COLUMNS) + "\n")
        with open(self.path, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if (
                    row["section_sha256"] is not None
                    and row["experiment"].isdigit()
                    and self._holds(row)
                ):
                    self.status[int(row["experiment"])] = row["status"]

    def _holds(self, row):
        section = self.out / "sections" / f"{row['experiment']}.npy"
        return row["status"] != "ok" or (
            section.exists() and file_sha256(section) == row["section_sha256"]
        )

    def __contains__(self, number):
        return number in self.status

    def get(self, number):
        return self.status.get(number)

    def add(self, number, status, *hashes):
        with self.lock, open(self.path, "a", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerow((number, status, *hashes))
            self.status[number] = status

    def left_out(self, experiments):
        return {
            number: self.status[number]
            for number in experiments
            if self.status.get(number, "ok") != "ok"
        }


def _assemble(out, used, brain, atlas, state):
    """Write images.npy on one common scale, the atlas, the list of experiments, and the manifest
    last.
    """
    import tifffile

    sections = (np.load(out / "sections" / f"{number}.npy", allow_pickle=False) for number in used)
    # White is twice the typical bright tissue, the same for all: brighter leakage saturates,
    # brightness stays comparable.
    bright = [np.percentile(section[brain], 99) for section in sections]
    white = 2 * float(np.median(bright))
    (out / "dataset.yml").unlink(missing_ok=True)
    part = out / "images.part"
    images = np.lib.format.open_memmap(part, "w+", np.uint16, (len(used), *brain.shape))
    for i, number in enumerate(used):
        section = np.load(out / "sections" / f"{number}.npy", allow_pickle=False).astype(np.float32)
        images[i] = np.rint(np.clip(section / white, 0, 1) * 65535)
    images.flush()
    del images
    part.replace(out / "images.npy")
    tifffile.imwrite(out / "atlas.tif", atlas)
    folder.write_text(
        out / "experiments.csv",
        "index,experiment\n" + "".join(f"{i},{number}\n" for i, number in enumerate(used)),
    )
    state["white_level"] = white
    manifest = {
        "schema": 1,
        "kind": "population",
        "name": NAME,
        "pixel_size_um": 25,
        "images": "images.npy",
        "atlas": "atlas.tif",
        "regions": dict(enumerate(ccf.REGIONS, start=1)),
    }
    folder.write_text(out / "dataset.yml", yaml.safe_dump(manifest, sort_keys=False))
