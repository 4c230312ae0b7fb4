"""Write files so that none is ever half there."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lock(path: Path):
    """Hold an exclusive lock on ``path`` (a file, made if missing and left) for as long as the
    block runs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as stream:  # closing releases; deleting the file would let two holders in
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def atomic(path: Path):
    """Yield a temporary path beside ``path``; rename it to ``path`` only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content) -> None:
    """Write JSON atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
