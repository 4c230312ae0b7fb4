"""``provenance.json`` of a run folder: what was executed, on which data, with which versions."""

import hashlib
import json
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from helpers.book.root import project_root
from helpers.data.files import lock, write_json

PACKAGES = [
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "matplotlib",
    "papermill",
    "jupyter-book",
    "zarr",
    "onnxruntime",
]


def note(run: Path, notebook: str, facts: dict) -> None:
    """Merge what is known of one notebook's execution into a run folder's ``provenance.json``."""
    path = run / "provenance.json"
    with lock(run / ".provenance.lock"):
        content = read(run)
        content.update(
            python=platform.python_version(),
            machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            device=_device(),
            commit=_commit(),
            packages={name: _version(name) for name in PACKAGES},
        )
        rows = content.setdefault("notebooks", {})
        rows.setdefault(notebook, {}).update(facts)
        for name in facts.get("outputs", ()):  # what two pages write belongs to the last one
            for other in set(rows) - {notebook}:
                rows[other].get("outputs", {}).pop(name, None)
        _write(path, content)


def forget(run: Path, notebook: str) -> None:
    """Take out what says that a notebook was executed: it is about to be, again.

    How long it took stays, for estimates.
    """
    path = run / "provenance.json"
    with lock(run / ".provenance.lock"):
        content = read(run)
        row = content.get("notebooks", {}).get(notebook, {})
        for name in ("key", "outputs", "failed"):
            row.pop(name, None)
        if content:
            _write(path, content)


def read(run: Path) -> dict:
    """Return what a run folder's ``provenance.json`` holds; nothing if there is none, or if it is
    damaged (:func:`fault` says so).
    """
    try:
        content = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
        return content if content.pop("sha256") == _seal(content) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def fault(run: Path) -> str:
    """Return what is wrong with a run folder's ``provenance.json``; empty if nothing is."""
    if (run / "provenance.json").is_file():
        return "" if read(run) else "is damaged, or of an earlier version"
    return "is missing" if any((run / "notebooks").glob("*.ipynb")) else ""


def _write(path: Path, content: dict) -> None:
    write_json(path, {**content, "sha256": _seal(content)})


def _seal(content: dict) -> str:
    """Return a hash of the content, by which a flipped bit is told from what was written."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def _device() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"


@cache
def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    result = subprocess.run(command, cwd=project_root(), capture_output=True, text=True)
    return result.stdout.strip() or "not a git clone"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
