"""``provenance.json`` of a run folder: what was executed, on which data, with which versions."""

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
        content.setdefault("notebooks", {}).setdefault(notebook, {}).update(facts)
        write_json(path, content)


def read(run: Path) -> dict:
    """Return what a run folder's ``provenance.json`` holds, nothing if there is none yet."""
    path = run / "provenance.json"
    return json.loads(path.read_text()) if path.exists() else {}


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
