"""Fetch one file over HTTP and be patient about it: resume, retry politely, verify, rename when
complete.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

REGISTRY = Path(__file__).resolve().parents[4] / "data" / "registry.yml"


class DownloadError(OSError):
    """A download failed; what arrived whole so far is kept, and the same command resumes."""


class Unreachable(DownloadError):
    """Nobody answers: no network, a wrong address, or a server that is down."""


class NotThere(DownloadError):
    """The server answers that it has no such thing."""


class WrongContent(DownloadError):
    """Something else arrived than was asked for: another hash, another length, a page instead of
    data.
    """


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again; pauses double from ``wait`` up to two minutes."""

    timeout: float = 30.0  # seconds without a byte
    attempts: int = 5
    wait: float = 2.0  # seconds before the second attempt

    def pause(self, attempt, asked=None):
        """Sleep before the next attempt: as long as the server asked for, or doubling with some
        jitter.
        """
        time.sleep(
            min(120.0, asked if asked else self.wait * 2**attempt * random.uniform(0.8, 1.2))
        )


def registered(section, registry=REGISTRY):
    """One section of ``data/registry.yml``."""
    return yaml.safe_load(Path(registry).read_text(encoding="utf-8"))[section]


def persist(call, patience, what):
    """Return ``call()``, trying again while it raises ``Unreachable`` or ``WrongContent``; other
    errors are final.

    After the last attempt the last error is raised, saying how often was tried.
    """
    for attempt in range(patience.attempts):
        try:
            return call()
        except (Unreachable, WrongContent) as error:
            if attempt + 1 == patience.attempts:
                raise type(error)(
                    f"{what}: {error} (tried {patience.attempts} times). "
                    "What has arrived is kept: run the same command again to resume."
                ) from None
            patience.pause(attempt, getattr(error, "retry_after", None))


def fetch_file(url, path, *, sha256=None, patience=Patience()):
    """Download ``url`` to ``path``, with several attempts; see :func:`fetch_once`.

    Raises
    ------
    Unreachable, NotThere, WrongContent
    """
    return persist(
        lambda: fetch_once(url, path, sha256=sha256, timeout=patience.timeout),
        patience,
        Path(path).name,
    )


def fetch_once(url, path, *, sha256=None, timeout=30.0, stop=None, progress=False):
    """Download ``url`` to ``path``; nothing is at ``path`` until it is whole.

    Parameters
    ----------
    url : str
    path : Path
        An interrupted download lies beside it (``.part``) and is continued.
    sha256 : str, optional
        What the file must hash to.
    timeout : float
        Seconds without a byte.
    stop : threading.Event, optional
        Once set, the download breaks off.
    progress : bool
        Show a progress bar.

    Returns
    -------
    str
        The file's SHA-256.

    Raises
    ------
    Unreachable, NotThere, WrongContent
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _stream(url, part, timeout, stop, progress)
    found = file_sha256(part)
    if sha256 and found != sha256:
        part.unlink()
        raise WrongContent(f"{url}: SHA-256 is {found}; expected {sha256}; nothing was kept of it")
    os.replace(part, path)
    return found


def _stream(url, part, timeout, stop, progress):
    """Append to ``part`` what is missing of ``url``."""
    import requests
    from tqdm.auto import tqdm

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        with requests.get(url, stream=True, timeout=timeout, headers=headers) as answer:
            if answer.status_code == 416:  # nothing left to send, or another file: start over
                part.unlink()
                raise WrongContent(f"{url}: cannot be continued at byte {have}")
            check_status(answer, url)
            resumed = answer.status_code == 206
            length = answer.headers.get("Content-Length")
            done, left = (have if resumed else 0), int(length or 0)
            with (
                open(part, "ab" if resumed else "wb") as stream,
                tqdm(
                    total=done + left or None,
                    initial=done,
                    unit="B",
                    unit_scale=True,
                    desc=part.stem,
                    disable=not progress,
                ) as bar,
            ):
                for block in answer.iter_content(1 << 18):
                    stream.write(block)
                    bar.update(len(block))
                    if stop is not None and stop.is_set():
                        raise DownloadError(f"{url}: stopped")
            whole = (have if resumed else 0) + int(length) if length else None
    except requests.exceptions.RequestException as error:
        raise Unreachable(
            f"{url}: {type(error).__name__}: no answer, or it broke off; is there a network?"
        ) from None
    if whole is not None and part.stat().st_size < whole:
        raise Unreachable(f"{url}: broke off after {part.stat().st_size} of {whole} bytes")


def check_status(answer, what):
    """Raise the :class:`DownloadError` that a HTTP status means; do nothing if it is a success."""
    if answer.status_code in (404, 410):
        raise NotThere(f"{what}: the server answers {answer.status_code}: there is no such thing")
    if 400 <= answer.status_code < 500 and answer.status_code not in (408, 429):
        raise DownloadError(f"{what}: the server refuses ({answer.status_code})")
    if answer.status_code >= 400:
        error = Unreachable(f"{what}: the server answers {answer.status_code}")
        asked = answer.headers.get("Retry-After", "")
        error.retry_after = float(asked) if asked.isdigit() else None
        raise error


def file_sha256(path):
    """SHA-256 of a file, as hexadecimal text."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def need_space(folder, needed, what):
    """Say how much disk is needed and refuse to start without it.

    Parameters
    ----------
    folder : Path
        Where the data will go; need not exist yet.
    needed : int
        Bytes.
    what : str
        What takes them, for the message.

    Returns
    -------
    str
        A sentence to show before the work starts.

    Raises
    ------
    DownloadError
        If the disk has less.
    """
    existing = next(
        parent
        for parent in [Path(folder).absolute(), *Path(folder).absolute().parents]
        if parent.exists()
    )
    free = shutil.disk_usage(existing).free
    sentence = f"{what}: up to {in_words(needed)} of disk, {in_words(free)} are free in {existing}"
    if needed > free:
        raise DownloadError(f"{sentence}. Free some space or name another folder.")
    return sentence


def in_words(size):
    """Bytes for people: ``"1.5 GB"``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
