"""Write a generated dataset folder in one piece: all of it appears, or nothing.

A folder is ours if its ``dataset.yml`` says what it was generated from (key ``phantom``).
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import yaml


class OutputError(FileExistsError):
    """The output folder cannot be written: something else lies there."""


def is_done(out: Path, request: dict, force: bool = False) -> bool:
    """Whether ``out`` already holds what is asked for; refuse a folder that is not ours to replace.

    Parameters
    ----------
    out : Path
    request : dict
        The ``phantom`` entry of the manifest that would be written.
    force : bool
        Replace another phantom.

    Raises
    ------
    OutputError
        ``out`` exists and is no phantom, or is another phantom and ``force`` is false.
    """
    out = Path(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = _phantom(out)
    if found is None:
        raise OutputError(
            f"{out} exists and was not made by `brainbook phantom`; expected a new or empty folder. "
            "Name another folder."
        )
    if found == request:
        return True
    if not force:
        different = sorted(key for key in {*found, *request} if found.get(key) != request.get(key))
        holds, wanted = (
            ", ".join(f"{key}: {source.get(key)}" for key in different)
            for source in (found, request)
        )
        raise OutputError(
            f"{out} holds another phantom ({holds}; asked for {wanted}). "
            "Name another folder, or replace it with --force."
        )
    return False


@contextmanager
def new_folder(out: Path):
    """Yield a temporary folder beside ``out``; when the block succeeds it takes the place of
    ``out``.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if out.exists():
            old = out.with_name(f".{out.name}.{os.getpid()}.old")
            os.rename(out, old)
            os.rename(temporary, out)
            shutil.rmtree(old)
        else:
            os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _phantom(out: Path) -> dict | None:
    try:
        found = yaml.safe_load((out / "dataset.yml").read_text(encoding="utf-8"))["phantom"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, dict) else None
