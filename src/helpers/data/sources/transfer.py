"""One file over HTTP: continued where it broke off, never mixed from two, bounded, verified."""

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from tqdm import tqdm

from helpers.data.files import file_sha256, write_json
from helpers.data.sources.download import (
    PATIENCE,
    DownloadError,
    Patience,
    Unreachable,
    WrongContent,
    check_status,
    in_words,
    persist,
)

LARGEST = 4_000_000_000  # bytes of a file whose length nobody registered
REDIRECTS = 5


def fetch_file(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    most: int = LARGEST,
    patience: Patience = PATIENCE,
) -> str:
    """Download ``url`` to ``path``, with several attempts; see :func:`fetch_once`."""
    once = lambda: fetch_once(url, path, sha256=sha256, most=most, timeout=patience.timeout)
    return persist(once, patience, path.name)


def fetch_once(
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    most: int = LARGEST,
    timeout: float = 30.0,
    stop: threading.Event | None = None,
    progress: bool = False,
) -> str:
    """Download ``url`` to ``path``; nothing is at ``path`` until it is whole.

    Parameters
    ----------
    url : str
    path : Path
        An interrupted download lies beside it (``.part``, and ``.part.json``, which says of what).
        It is continued if the server says that the file is still the same, or if ``sha256``
        decides; else it starts over.
    sha256 : str, optional
        What the file must hash to. Without it the server must state the length, and may not send
        us to another host.
    most : int
        Bytes; a file that is longer is refused, and nothing is kept of it.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    about = path.with_name(path.name + ".part.json")
    try:
        with _explained(url):
            _receive(url, part, about, sha256, most, timeout, stop or threading.Event(), progress)
        found = file_sha256(part)
        if sha256 and found != sha256:
            said = f"SHA-256 is {found}; expected {sha256}; nothing was kept of it"
            raise WrongContent(f"{url}: {said}")
    except WrongContent:
        part.unlink(missing_ok=True)
        about.unlink(missing_ok=True)
        raise
    os.replace(part, path)
    about.unlink(missing_ok=True)
    return found


def _receive(
    url: str,
    part: Path,
    about: Path,
    sha256: str | None,
    most: int,
    timeout: float,
    stop: threading.Event,
    progress: bool,
) -> None:
    """Append to ``part`` what is missing of ``url``."""
    validator = _validator_of(about, url)
    if part.exists() and not (validator or sha256):
        part.unlink()  # nothing says whether the file is still the same
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", **({"If-Range": validator} if validator else {})}
    with _answer(url, headers, timeout, sha256 is not None) as answer:
        have, whole = _place(answer, url, have, validator)
        if whole is None and sha256 is None and not _is_chunked(answer):
            said = "the server does not say how long the file is, so that a cut cannot be told"
            raise WrongContent(f"{url}: {said}")
        _check_length(url, whole or 0, most)
        write_json(about, {"url": url, "validator": _validator(answer)})
        bar = tqdm(
            total=whole,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=part.stem,
            disable=not progress,
        )
        with open(part, "ab" if have else "wb") as stream, bar:
            for block in answer.iter_content(1 << 18):
                have += stream.write(block)
                _check_length(url, have, most)
                bar.update(len(block))
                if stop.is_set():
                    raise DownloadError(f"{url}: stopped")
    if whole is not None and have < whole:
        raise Unreachable(f"{url}: broke off after {have} of {whole} bytes")
    if whole is not None and have > whole:
        raise WrongContent(f"{url}: {have} bytes arrived of a file of {whole}")


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Say of a connection that failed that nobody answers."""
    try:
        yield
    except requests.exceptions.RequestException as error:
        raise Unreachable(
            f"{url}: {type(error).__name__}: no answer, or it broke off; is there a network?"
        ) from None


def _answer(url: str, headers: dict, timeout: float, hashed: bool) -> requests.Response:
    """Ask for ``url`` and follow where the server sends us, as far as it may."""
    place = url
    for _ in range(REDIRECTS + 1):
        answer = requests.get(
            place, stream=True, timeout=timeout, headers=headers, allow_redirects=False
        )
        if not answer.is_redirect:
            return answer
        answer.close()
        place, before = urljoin(place, answer.headers["Location"]), urlsplit(place)
        after = urlsplit(place)
        if after.scheme not in ("http", "https") or before.scheme == "https" != after.scheme:
            raise DownloadError(f"{url}: redirects to {place}, which is not safe; not followed")
        if after.hostname != before.hostname and not hashed:
            raise DownloadError(
                f"{url}: redirects to another host ({after.hostname}); expected the file from "
                f"{before.hostname}, because no registered hash says what it must be"
            )
    raise DownloadError(f"{url}: redirects more than {REDIRECTS} times")


def _place(
    answer: requests.Response, url: str, have: int, validator: str | None
) -> tuple[int, int | None]:
    """Return at which byte the answer's body begins, and how long the whole file is, if known.

    Raises
    ------
    DownloadError
        The status says so, or the body is not what was asked for.
    """
    if answer.status_code == 416:  # nothing left to send, or another file: start over
        raise WrongContent(f"{url}: cannot be continued at byte {have}")
    check_status(answer.status_code, answer.headers, url)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise WrongContent(f"{url}: arrives encoded, which was not asked for")
    length = answer.headers.get("Content-Length", "")
    length = int(length) if length.isdigit() else None
    if answer.status_code != 206:  # the whole file, from its beginning
        return 0, length
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", ""))
    start, end = (int(found[1]), int(found[2])) if found else (None, None)
    if not have or start != have or length not in (None, end - start + 1):
        said = answer.headers.get("Content-Range", "no Content-Range")
        raise WrongContent(f"{url}: asked for the bytes from {have} on, found {said}")
    now = _validator(answer)
    if validator and now and now != validator:
        raise WrongContent(f"{url}: the file has changed since its first part was received")
    return have, end + 1 if found[3] == "*" else int(found[3])


def _check_length(url: str, length: int, most: int) -> None:
    if length > most:
        raise WrongContent(
            f"{url}: {in_words(length)} or more; expected at most {in_words(most)}; nothing was "
            "kept of it"
        )


def _is_chunked(answer: requests.Response) -> bool:
    return "chunked" in answer.headers.get("Transfer-Encoding", "").lower()


def _validator(answer: requests.Response) -> str | None:
    """What tells one state of a file from another: its strong ETag, or when it was modified."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified")


def _validator_of(about: Path, url: str) -> str | None:
    """What was noted of the file whose first part was received, if it came from ``url``."""
    try:
        note: Mapping = json.loads(about.read_text(encoding="utf-8"))
        return note["validator"] if note["url"] == url else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
