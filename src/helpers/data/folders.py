"""Folders that we generate or download into: ours, or refused.

A folder is ours if it says so itself: a phantom by the key ``phantom`` of its ``dataset.yml`` (what
it was generated from), a download by its ``source.yml`` (where it comes from). Phantoms are written
in one piece: all of a folder appears, or nothing. Downloads grow, and record what they have so far.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from helpers.data.files import remove_abandoned, write_yaml

STATE = "source.yml"


class OutputError(FileExistsError):
    """The output folder cannot be written: something else lies there."""


def is_done(out: Path, request: dict, force: bool = False) -> bool:
    """Whether ``out`` already holds the phantom that is asked for.

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
    if _is_free(out):
        return False
    found = _mapping(out / "dataset.yml").get("phantom")
    if not isinstance(found, dict):
        raise _foreign(out, "phantom")
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
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``out``; when the block succeeds it takes the place of
    ``out``.
    """
    temporary, old = (
        out.with_name(f".{os.getpid()}-{out.name}.{end}") for end in ("partial", "old")
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    for end in ("partial", "old"):  # left by a process that was killed
        remove_abandoned(out.parent, f"-{out.name}.{end}")
    temporary.mkdir()
    try:
        yield temporary
        if out.exists():
            os.rename(out, old)
        os.rename(temporary, out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def claim(out: Path, source: str, force: bool = False) -> dict:
    """Open ``out`` for a download from ``source``; make it if it is new.

    Parameters
    ----------
    out : Path
    source : {"allen", "bossdb", "weights"}
    force : bool
        Forget what an earlier download left and start anew.

    Returns
    -------
    dict
        What earlier calls recorded with :func:`record`; at least ``{"source": source}``.

    Raises
    ------
    OutputError
        If ``out`` is a file, holds something that brainbook did not download, or data of another
        source.
    """
    if out.is_file():
        raise OutputError(f"{out} is a file; name a folder")
    if not _is_free(out):
        state = _mapping(out / STATE)
        if "source" not in state:
            raise _foreign(out, "fetch")
        if state["source"] != source:
            raise OutputError(
                f"{out} holds data from {state['source']}; asked for {source}. Name another folder."
            )
        if not force:
            return state
        shutil.rmtree(out)
    record(out, {"source": source})
    return {"source": source}


def record(out: Path, state: dict) -> None:
    """Write down what a download has so far."""
    write_yaml(out / STATE, state, "# Written by `brainbook fetch`: where the data came from.\n")


def _is_free(out: Path) -> bool:
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def _foreign(out: Path, command: str) -> OutputError:
    return OutputError(
        f"{out} exists and was not made by `brainbook {command}`; expected a new or empty folder. "
        "Name another folder."
    )


def _mapping(path: Path) -> dict:
    """The mapping in a YAML file, empty if there is none."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
