"""A run folder, and how notebooks are executed into one."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from helpers.book import artifacts, claims
from helpers.book.root import from_root, project_root
from helpers.data import files
from helpers.data.datasets import MicroCT, Population, open_microct, open_population

MARKER = ".brainbook-run"
PHANTOMS = {"microct": "data/phantom-microct", "population": "data/phantom-population"}
# Large blocks stay mapped instead of going back to the system: several times faster on machines
# whose memory is
# slow to map. Python must find these at its start, so they are set for every kernel.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "matplotlib",
    "papermill",
    "jupyter-book",
    "zarr",
    "onnxruntime",
)


@dataclass
class Run:
    """One run folder as a notebook sees it: its datasets, and places for what it makes."""

    path: Path
    notebook: str
    sources: dict[str, str]

    @functools.cached_property
    def microct(self) -> MicroCT:
        return open_microct(self._dataset("microct"))

    @functools.cached_property
    def population(self) -> Population:
        return open_population(self._dataset("population"))

    @property
    def weights(self) -> Path | None:
        """Folder of pretrained networks, None when none was given."""
        return from_root(self.sources["weights"]) if self.sources.get("weights") else None

    def artifact(
        self, name: str, parameters: dict, make, load, *, inputs=(), methods=()
    ) -> artifacts.Artifact:
        """Return a stored result of this run; see :func:`helpers.book.artifacts.artifact`."""
        return artifacts.artifact(
            self.path / "artifacts", name, parameters, make, load, inputs=inputs, methods=methods
        )

    def save_figure(self, figure, name: str) -> None:
        """Write a matplotlib figure to ``figures/<name>.png`` and ``.svg``."""
        for suffix, dpi in ((".png", 150), (".svg", 150)):
            with files.atomic(self.path / "figures" / f"{name}{suffix}") as temporary:
                # No date in the metadata: the same figure is the same file.
                figure.savefig(
                    temporary,
                    format=suffix[1:],
                    dpi=dpi,
                    bbox_inches="tight",
                    metadata={"Date": None} if suffix == ".svg" else None,
                )

    def save_table(self, table, name: str) -> None:
        """Write a pandas table to ``tables/<name>.csv``."""
        with files.atomic(self.path / "tables" / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=table.index.name is not None)

    def save_map(self, name: str, labels) -> None:
        """Write a label map to ``artifacts/<name>.tif``."""
        import tifffile

        with files.atomic(self.path / "artifacts" / f"{name}.tif") as temporary:
            tifffile.imwrite(temporary, labels, compression="zlib")

    def _dataset(self, kind: str) -> Path:
        path = from_root(self.sources[kind])
        if not path.exists() and path == project_root() / PHANTOMS[kind]:
            make_phantom(kind, path, progress=True, force=True)
        return path


def open_run(
    path: str | Path, notebook: str, *, microct: str = "", population: str = "", weights: str = ""
) -> Run:
    """Open (or begin) a run folder for one notebook; relative paths count from the project root.

    Raises
    ------
    FileExistsError
        If ``path`` exists, is not empty, and is not a run folder.
    DatasetError
        If a dataset that was named cannot be opened.
    """
    folder = claim_folder(from_root(path))
    run = Run(folder, notebook, {"microct": microct, "population": population, "weights": weights})
    opened = [getattr(run, kind) for kind in ("microct", "population") if run.sources[kind]]
    names = " + ".join(
        f"{data.name} (phantom)" if data.is_phantom else data.name for data in opened
    )
    claims.start(folder / "claims" / f"{notebook}.json", notebook, names)
    note_execution(
        folder,
        notebook,
        {
            "datasets": {
                data.name: {"path": str(data.path), "fingerprint": data.fingerprint}
                for data in opened
            }
        },
    )
    return run


def claim_folder(folder: Path) -> Path:
    """Return a run folder, made if missing; refuse one that holds somebody else's files."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; expected a run folder. Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise FileExistsError(
            f"{folder} exists, is not empty and is not a run folder; nothing was written. Choose another --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return folder


def make_phantom(kind: str, out: Path, *, progress: bool = False, **options: Any) -> Path:
    """Generate a phantom dataset folder; see :mod:`helpers.data.phantoms`."""
    from helpers.data.phantoms import microct, population

    with files.lock(out.parent / f".{out.name}.lock"):
        return {"microct": microct, "population": population}[kind].generate(
            out, progress=progress, **options
        )


def note_execution(folder: Path, notebook: str, facts: dict) -> None:
    """Merge what is known of one notebook's execution into ``provenance.json``."""
    path = folder / "provenance.json"
    with files.lock(folder / ".provenance.lock"):
        content = json.loads(path.read_text()) if path.exists() else {}
        content.update(
            {
                "python": platform.python_version(),
                "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
                "device": _device(),
                "commit": _commit(),
                "packages": {name: _version(name) for name in PACKAGES},
            }
        )
        content.setdefault("notebooks", {}).setdefault(notebook, {}).update(facts)
        files.write_json(path, content)


@functools.cache
def _device() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"


@functools.cache
def _commit() -> str:
    result = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=project_root(),
        capture_output=True,
        text=True,
    )
    return result.stdout.strip() or "not a git clone"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
