"""Keyed, atomic, locked storage: a result is made once, and again when what made it changes."""

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from helpers.book import checksums, events
from helpers.book.reached_code import digest, reached_hash
from helpers.data.files import lock, remove_abandoned, write_json

IN_MEMORY = 1 << 24  # bytes: larger arrays stay on disk and are read as needed


@dataclass(frozen=True)
class Artifact:
    """A stored result: what it was made from (``key``), where it lies, and its value in memory."""

    key: str
    path: Path
    value: Any


def artifact(
    root: Path,
    name: str,
    parameters: dict,
    make: Callable[[Path], None],
    load: Callable[[Path], Any],
    *,
    inputs: Iterable[str] = (),
    code: Callable | None = None,
) -> Artifact:
    """Return a stored result, making it first if it is not there.

    Parameters
    ----------
    root : Path
        Folder that holds all artifacts of a run.
    name : str
        What it is, for people: the folder is ``<name>-<first 12 digits of the key>``.
    parameters : dict
        Everything that shapes the result; must survive JSON.
    make : callable
        ``make(folder)`` writes the result into ``folder``. If it is interrupted, the same folder is
        given again next time, so that long work may leave a checkpoint there and resume.
    load : callable
        ``load(folder)`` returns the value.
    inputs : iterable of str
        Keys of the artifacts and fingerprints of the datasets that it is made from, in a fixed
        order.
    code : callable, optional
        The function whose code counts, by default ``make``: with it counts the stage function that
        it stands in, and all that these reach, see :mod:`helpers.book.reached_code`.

    Raises
    ------
    ValueError
        If files that are what was written cannot be read back.

    Warns
    -----
    UserWarning
        If a stored file is no longer what was written, naming it; the artifact is made anew.

    Notes
    -----
    Two processes that ask for the same artifact do not make it twice: the second one waits.
    """
    description = {
        "name": name,
        "parameters": _plain(parameters, name),
        "inputs": list(inputs),
        "code": reached_hash(code or make),
    }
    key = digest(json.dumps(description, sort_keys=True))
    folder = root / f"{name}-{key[:12]}"
    if checksums.fault(folder, key):
        with lock(root / f".{folder.name}.lock"):
            fault = checksums.fault(folder, key)
            if fault and folder.is_dir():
                events.report(root.parent, f"artifact {folder.name}: {fault}; it is made anew")
                shutil.rmtree(folder)
            if fault:
                _make(root / f".{folder.name}.partial", make, {**description, "key": key}, folder)
    try:
        return Artifact(key, folder, load(folder))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} cannot be read ({error}); expected the files of a finished {name}. "
            "Delete that folder and run again: it will be made anew."
        ) from error


def _make(partial: Path, make: Callable[[Path], None], facts: dict, folder: Path) -> None:
    """Make an artifact in ``partial``, note what it holds, and move it to ``folder``."""
    resumed = partial.is_dir() and any(partial.iterdir())
    partial.mkdir(exist_ok=True)
    start = time.perf_counter()
    try:
        make(partial)
    except (ValueError, RuntimeError, OSError, EOFError) as error:
        if not resumed:
            raise
        said = f"{partial.name}: what was begun cannot be continued ({error}); it is made anew"
        events.report(partial.parents[1], said)
        shutil.rmtree(partial)
        partial.mkdir()
        make(partial)
    remove_abandoned(partial)  # of an earlier attempt that was killed while it wrote
    seconds = round(time.perf_counter() - start, 2)
    checksums.write(partial, {**facts, "seconds": seconds})
    partial.rename(folder)


def stored(
    root: Path,
    name: str,
    parameters: dict,
    compute: Callable[[], dict],
    *,
    inputs: Iterable[str] = (),
) -> Artifact:
    """Return an artifact whose value is a dict of named arrays, tables and plain values.

    Parameters
    ----------
    root, name, parameters, inputs
        As for :func:`artifact`.
    compute : callable
        ``compute()`` returns the dict. Arrays are kept as .npy files (large ones come back as
        read-only arrays on disk), pandas tables as CSV without their index, the rest as JSON.
    """
    return artifact(
        root,
        name,
        parameters,
        lambda folder: _write(folder, compute()),
        _read,
        inputs=inputs,
        code=compute,
    )


def _write(folder: Path, content: dict) -> None:
    values = {}
    for name, value in content.items():
        if isinstance(value, np.ndarray):
            np.save(folder / f"{name}.npy", value)
        elif hasattr(value, "to_csv"):
            value.to_csv(folder / f"{name}.csv", index=False)
        else:
            values[name] = _plain(value, name)
    write_json(folder / "values.json", values)


def _read(folder: Path) -> dict:
    import pandas as pd

    content = json.loads((folder / "values.json").read_text())
    for path in folder.glob("[!.]*.npy"):
        mode = "r" if path.stat().st_size > IN_MEMORY else None
        content[path.stem] = np.load(path, mmap_mode=mode, allow_pickle=False)
    return content | {path.stem: pd.read_csv(path) for path in folder.glob("[!.]*.csv")}


def _plain(content: Any, name: str) -> Any:
    """Return plain JSON values; arrays and objects do not belong in a key."""

    def convert(value: Any) -> Any:
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            return value.item()
        raise TypeError(
            f"artifact {name}: a parameter is a {type(value).__name__}; expected numbers, text, "
            "lists or mappings of them (pass large inputs by key)"
        )

    return json.loads(json.dumps(content, sort_keys=True, default=convert))
