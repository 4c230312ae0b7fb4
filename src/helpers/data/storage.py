"""The files of a result, in a folder of this machine or anywhere else that fsspec reaches.

A file is written whole or not at all, and whoever needs it later knows it by its SHA-256: so a
write that was cut off, or a disk that lies, is noticed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import fsspec

from helpers.data.files import atomic


class Files:
    """Read and write the files below one path.

    Parameters
    ----------
    path : str or Path
        A folder, or an address that fsspec understands (``s3://…``, ``memory://…``).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._system, self._root = fsspec.core.url_to_fs(self.path)
        self.local = isinstance(self._system, fsspec.implementations.local.LocalFileSystem)

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none."""
        try:
            return self._system.cat_file(self._full(name))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> str:
        """Write a file, all of it or nothing, and return its SHA-256."""
        if self.local:
            with atomic(Path(self._full(name))) as temporary:
                temporary.write_bytes(content)
        else:  # object stores show a file when all of it has arrived
            self._system.pipe_file(self._full(name), content)
        return hashlib.sha256(content).hexdigest()

    def read_json(self, name: str) -> dict | None:
        """Return the mapping in a JSON file, None if there is none or it is damaged."""
        try:
            content = json.loads(self.read(name) or b"null")
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def write_json(self, name: str, content: dict[str, Any]) -> str:
        """Write a JSON file; returns its SHA-256."""
        return self.write(name, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())

    def holds(self, checksums: dict[str, str]) -> bool:
        """Whether all these files are there, each with its SHA-256."""
        for name, expected in checksums.items():
            content = self.read(name)
            if content is None or hashlib.sha256(content).hexdigest() != expected:
                return False
        return True

    def remove(self, name: str) -> None:
        """Delete a file or a folder, if it is there."""
        full = self._full(name)
        if self._system.exists(full):
            self._system.rm(full, recursive=True)

    def is_free(self) -> bool:
        """Whether nothing lies at the path but, at most, an empty folder."""
        if self._system.isfile(self._root):
            return False
        return not self._system.exists(self._root) or not self._system.ls(self._root)

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root
