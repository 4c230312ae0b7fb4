"""Write files so that none is ever half there, and know a file by its hash."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout


@contextmanager
def lock(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (a file, made if missing and left) for as long as the
    block runs; wait for it if another process holds it. A process that dies lets go of it.

    ``waiting()`` is called once if there is somebody to wait for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path)
    try:
        held.acquire(timeout=0 if waiting else -1)
    except Timeout:
        waiting()
        held.acquire()
    try:
        yield
    finally:
        held.release()


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` only if the block succeeds.

    What a process that was killed left behind of the same file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f"-{path.name}")
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path, end: str = "") -> None:
    """Delete temporary files and folders in ``folder`` whose process is gone.

    Parameters
    ----------
    folder : Path
    end : str
        Only those whose names end so; they begin with ``.<number of the process>-``.
    """
    for path in folder.iterdir():
        owner, dash, rest = path.name[1:].partition("-")
        ours = path.name.startswith(".") and dash and owner.isdigit() and rest
        if ours and path.name.endswith(end) and not _runs(int(owner)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether there is a process of this number, on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_yaml(path: Path, content: Any, head: str = "") -> None:
    """Write YAML atomically, keys in their own order, after a comment."""
    with atomic(path) as temporary:
        temporary.write_text(head + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, piece by piece."""
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            yield block


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    for block in blocks(path):
        digest.update(block)
    return digest.hexdigest()


def holds(path: Path, sha256: str | None) -> bool:
    """Whether a file is there and has this SHA-256."""
    return sha256 is not None and path.exists() and file_sha256(path) == sha256
