"""Fetch one file over HTTP and be patient about it: resume, retry politely, verify, rename when
complete.
"""

import importlib
import random
import shutil
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import requests
import yaml

REGISTRY = Path(__file__).resolve().parents[4] / "data" / "registry.yml"


class DownloadError(OSError):
    """A download failed; what arrived whole so far is kept, and the same command resumes."""


class Unreachable(DownloadError):
    """Nobody answers: no network, a wrong address, or a server that is down."""

    retry_after: float | None = None  # seconds the server asks to wait


class NotThere(DownloadError):
    """The server answers that it has no such thing."""


class WrongContent(DownloadError):
    """Something else arrived than was asked for: another hash, another length, a page instead of
    data.
    """


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try again; pauses double from ``wait`` up to two
    minutes.
    """

    timeout: float = 30.0  # seconds without a byte
    attempts: int = 5
    wait: float = 2.0  # seconds before the second attempt


PATIENCE = Patience()
NO_ANSWER = (
    requests.exceptions.RequestException,
    urllib.error.URLError,
    TimeoutError,
    ConnectionError,
)


def registered(section: str, registry: Path = REGISTRY) -> dict:
    """One section of ``data/registry.yml``."""
    return yaml.safe_load(Path(registry).read_text(encoding="utf-8"))[section]


def optional_package(module: str, remedy: str) -> ModuleType:
    """Import a package that only one download needs; the error without it names the remedy."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(remedy) from None


def persist(call: Callable[[], Any], patience: Patience, what: str) -> Any:
    """Return ``call()``, trying again while it raises ``Unreachable`` or ``WrongContent``; other
    errors are final.

    After the last attempt the last error is raised, saying how often was tried. Pauses are as long
    as the server asks for, or double with some jitter.
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
            asked = getattr(error, "retry_after", None)
            time.sleep(min(120.0, asked or patience.wait * 2**attempt * random.uniform(0.8, 1.2)))
    return None


def check_status(status: int, headers: Mapping[str, str], what: str) -> None:
    """Raise the :class:`DownloadError` that a HTTP status means; do nothing if it is a success."""
    if status in (404, 410):
        raise NotThere(f"{what}: the server answers {status}: there is no such thing")
    if 400 <= status < 500 and status not in (408, 429):
        raise DownloadError(f"{what}: the server refuses ({status})")
    if status >= 400:
        error = Unreachable(f"{what}: the server answers {status}")
        asked = headers.get("Retry-After", "")
        error.retry_after = float(asked) if asked.isdigit() else None
        raise error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the client of an archive raises into a :class:`DownloadError`."""
    try:
        yield
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        check_status(error.code, error.headers, what)
        raise
    except requests.exceptions.HTTPError as error:
        if error.response is not None:
            check_status(error.response.status_code, error.response.headers, what)
        raise WrongContent(f"{what}: {error}") from None
    except Exception as error:
        kind = type(error).__name__
        # a page instead of JSON, an answer without `msg`, data that are cut off; blosc has an error
        # of its own
        if isinstance(error, (ValueError, KeyError, TypeError)) or kind == "error":
            raise WrongContent(
                f"{what}: something else arrived than expected ({kind}: {str(error)[:100]})"
            ) from None
        if isinstance(error, NO_ANSWER):
            reason = getattr(error, "reason", kind)
            raise Unreachable(f"{what}: no answer ({reason}); is there a network?") from None
        raise


def need_space(folder: Path, size: int, what: str, show: bool = False) -> None:
    """Say how much disk is needed and refuse to start without it.

    Parameters
    ----------
    folder : Path
        Where the data will go; need not exist yet.
    size : int
        Bytes.
    what : str
        What takes them, for the message.
    show : bool
        Say it on the terminal too, before the work starts.

    Raises
    ------
    DownloadError
        If the disk has less.
    """
    place = folder.absolute()
    existing = next(parent for parent in [place, *place.parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    sentence = f"{what}: up to {in_words(size)} of disk, {in_words(free)} are free in {existing}"
    if size > free:
        raise DownloadError(f"{sentence}. Free some space or name another folder.")
    if show:
        print(sentence, file=sys.stderr)


def in_words(size: float) -> str:
    """Bytes for people: ``"1.5 GB"``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
