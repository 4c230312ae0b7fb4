"""The folder a download goes to: ours or refused, and what it has so far is known."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import yaml

from helpers.data.phantoms.folder import OutputError

STATE = "source.yml"


def claim(out, source, force=False):
    """Open ``out`` for a download from ``source``; make it if it is new.

    Parameters
    ----------
    out : Path
    source : str
        ``"allen"`` or ``"bossdb"``.
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
    out = Path(out)
    if out.is_file():
        raise OutputError(f"{out} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()):
        state = read(out)
        if state is None:
            raise OutputError(
                f"{out} exists and was not made by `brainbook fetch`; expected a new or empty folder. Name another folder."
            )
        if state.get("source") != source:
            raise OutputError(
                f"{out} holds data from {state.get('source')}; asked for {source}. Name another folder."
            )
        if not force:
            return state
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    record(out, {"source": source})
    return {"source": source}


def read(out):
    """What was recorded in ``out``, or None if brainbook did not download it."""
    try:
        state = yaml.safe_load((Path(out) / STATE).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError):
        return None
    return state if isinstance(state, dict) and "source" in state else None


def record(out, state):
    """Write the state, atomically."""
    write_text(
        Path(out) / STATE,
        "# Written by `brainbook fetch`: where the data came from.\n"
        + yaml.safe_dump(state, sort_keys=False),
    )


def write_text(path, text):
    """Write a text file under a temporary name, then rename it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
