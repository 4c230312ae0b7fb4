"""Know whether stored files are still what was written: a SHA-256 of each.

Hashing reads every byte once per file and process, about 1 s per GB where the processor has
instructions for it; a file that was hashed and has not been touched since is not read again.
"""

import json
from functools import cache
from pathlib import Path

from helpers.data.files import file_sha256, write_json

NOTE = "artifact.json"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read again only if it was touched since the last time."""
    about = path.stat()
    return _sha256(path, about.st_size, about.st_mtime_ns, about.st_ino)


@cache
def _sha256(path: Path, size: int, time: int, place: int) -> str:
    return file_sha256(path)


def write(folder: Path, facts: dict) -> None:
    """Write what a finished artifact is and holds to its ``artifact.json``, which seals it."""
    files = {name: file_sha256(folder / name) for name in _names(folder)}
    write_json(folder / NOTE, {**facts, "files": files})


def fault(folder: Path, key: str) -> str:
    """Return what is wrong with a stored artifact, naming the file; empty if it is sound.

    Parameters
    ----------
    folder : Path
    key : str
        Of the artifact that is expected there.
    """
    if not folder.is_dir():
        return "it is not there"
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        found, files = note["key"], dict(note["files"])
    except OSError:
        return f"{NOTE} is missing"
    except (ValueError, KeyError, TypeError):
        return f"{NOTE} is damaged, or was written without checksums by an earlier version"
    if found != key:
        return f"{NOTE} is damaged (another key)"
    names = _names(folder)
    for name in [*files, *names]:
        if name not in names:
            return f"{name} is missing"
        if name not in files:
            return f"{name} was not written by brainbook"
        if sha256(folder / name) != files[name]:
            return f"{name} is damaged (its SHA-256 is not the one that was noted)"
    return ""


def changed(folder: Path, files: dict[str, str]) -> list[str]:
    """Return the names in ``{name: SHA-256}`` of files that are missing or not those any more."""
    return [
        f"{name} {'has changed' if (folder / name).is_file() else 'is missing'}"
        for name, expected in files.items()
        if not (folder / name).is_file() or sha256(folder / name) != expected
    ]


def _names(folder: Path) -> list[str]:
    """Names of all files of an artifact but its note and what file browsers leave."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    ours = [path for path in paths if not path.name.startswith((".DS_Store", "._", ".nfs"))]
    return sorted({path.relative_to(folder).as_posix() for path in ours} - {NOTE})
