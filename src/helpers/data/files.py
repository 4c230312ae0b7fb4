"""Write files so that none is ever half there, and know a file by its hash."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path`` (a file, made if missing and left) for as long as the
    block runs; wait for it if another process holds it. A process that dies lets go of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
