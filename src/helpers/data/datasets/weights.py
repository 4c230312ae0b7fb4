"""Read a weights folder: frozen networks as ``.onnx`` files, and what is known of each.

The folder holds ``.onnx`` files and, optionally, a ``weights.yml``::

    schema: 1
    kind: weights
    networks:
      - network: ResNet18             # the name on figures and in tables
        file: resnet18.onnx
        sha256: eef70310…             # optional: checked before the file is used
        mean: [0.485, 0.456, 0.406]   # optional: (x - mean) / std, for x in [0, 1]
        std: [0.229, 0.224, 0.225]
        size: 224                     # optional: for graphs that take any size
        features: pool5               # optional: the tensor to read

A file without a record serves too: :func:`helpers.tissue.network.pretrained.load_network` asks
the graph itself for whatever the record leaves out.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from helpers.data.datasets.manifest import (
    Problem,
    did_you_mean,
    leaves_folder,
    load_yaml,
    strange,
)
from helpers.data.files import file_sha256

MANIFEST = "weights.yml"
KEYS = ("network", "file", "sha256", "mean", "std", "size", "features", "source", "url", "bytes")
LARGEST = 4096  # pixels of a side


class WeightsError(ValueError):
    """A weights file or its record cannot be used; says which, why and what to do."""


@dataclass(frozen=True)
class Record:
    """What is known of a network file before it is loaded (see the top of this module)."""

    network: str
    path: Path
    sha256: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    features: str | None = None


@dataclass(frozen=True)
class Weights:
    """A weights folder: records of its networks, and what was wrong with the others."""

    path: Path | None
    records: tuple[Record, ...] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Hash of the records and of the bytes of their files."""
        parts = [repr({**asdict(r), "path": file_sha256(r.path)}) for r in self.records]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def open_weights(path: str | Path | None) -> Weights:
    """Read a weights folder, or a single ``.onnx`` file; no network is loaded yet.

    Parameters
    ----------
    path : str, Path or None
        Empty means that no network is at hand.

    Returns
    -------
    Weights
        A file that the manifest names but that is missing is listed in
        ``problems``, so that the other networks still serve.

    Raises
    ------
    WeightsError
        The folder does not exist, holds no ONNX file, or its manifest is wrong.
    """
    if not path:
        return Weights(None)
    path = Path(path)
    if not path.exists():
        raise WeightsError(
            f"{path}: no such folder or .onnx file. `brainbook fetch weights {path}` "
            "downloads the public networks."
        )
    single = path.is_file()
    folder, files = (path.parent, [path]) if single else (path, sorted(path.glob("*.onnx")))
    records = [
        record
        for record in _read_manifest(folder / MANIFEST)
        if not single or record.path.resolve() == path.resolve()
    ]
    named = {record.path.resolve() for record in records}
    records += [Record(plain_name(file), file) for file in files if file.resolve() not in named]
    if not records:
        raise WeightsError(
            f"{path}: holds no .onnx file. `brainbook fetch weights {path}` fetches two."
        )
    names = [record.network for record in records]
    for name in names:
        if names.count(name) > 1:
            raise WeightsError(
                f"{folder / MANIFEST}: two networks are called {name!r}; rename one."
            )
    for record in records:
        fault = os.path.exists(record.path) and strange(folder, record.path)
        if fault or record.path.is_dir():
            raise WeightsError(f"{record.path}: {fault or 'a folder'}; expected a regular file.")
    missing = {
        record.network: f"{record.path}: named in {MANIFEST}, but the file is missing."
        for record in records
        if not os.path.exists(record.path)
    }
    return Weights(folder, tuple(r for r in records if r.network not in missing), missing)


def plain_name(file: Path) -> str:
    """Name of a network without a record: ``resnet18_Opset17.onnx`` is called resnet18."""
    return (
        re.sub(r"(_opset\d+|_imagenet|_features)+$", "", file.stem, flags=re.IGNORECASE)
        or file.stem
    )


def _read_manifest(manifest: Path) -> list[Record]:
    if not manifest.is_file():
        return []
    try:
        content = load_yaml(manifest)
    except Problem as problem:
        raise WeightsError(f"{manifest}: not valid YAML: {problem}") from None
    if not isinstance(content, dict) or content.get("kind") != "weights":
        raise WeightsError(f"{manifest}: expected `kind: weights`, found {content!r:.80}.")
    entries = content.get("networks")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise WeightsError(
            f"{manifest}: `networks` must be a list of records, found {entries!r:.80}."
        )
    return [_record(entry, manifest) for entry in entries]


def _record(entry: dict, manifest: Path) -> Record:
    for fault in _faults(entry):
        where = f"{manifest}: network {entry.get('network') or entry.get('file')!r}"
        raise WeightsError(f"{where}: {fault}")
    path = manifest.parent / entry["file"]
    return Record(
        network=str(entry.get("network") or path.stem),
        path=path,
        sha256=str(entry["sha256"]).lower() if entry.get("sha256") else None,
        mean=tuple(map(float, entry["mean"])) if entry.get("mean") else None,
        std=tuple(map(float, entry["std"])) if entry.get("std") else None,
        size=entry.get("size"),
        features=entry.get("features"),
    )


def _faults(entry: dict) -> Iterator[str]:
    """What is wrong with a record; what follows the first may be its consequence."""
    for key in entry:
        if key not in KEYS:
            hint = did_you_mean(str(key), KEYS, "Remove it.").lower()
            yield f"unknown key `{key}`; {hint} Known: {', '.join(KEYS)}."
    if not isinstance(entry.get("file"), str):
        yield f"`file` must name an .onnx file, found {entry.get('file')!r}."
    elif leaves_folder(entry["file"]):
        yield f"`file: {entry['file']}` leaves the weights folder."
    if (entry.get("mean") is None) != (entry.get("std") is None):
        yield "give both `mean` and `std`, or neither."
    for key in ("mean", "std"):
        value = entry.get(key)
        if value is not None and not (isinstance(value, list) and len(value) in (1, 3)):
            yield f"`{key}` must be a list of 1 or 3 numbers, found {value!r:.80}."
        for number in value or ():
            if type(number) not in (int, float) or not math.isfinite(number):
                yield f"`{key}` must hold finite numbers, found {number!r:.80}."
    if min(entry.get("std") or [1]) <= 0:
        yield "`std` must not be zero or below."
    size = entry.get("size")
    if size is not None and not (type(size) is int and 0 < size <= LARGEST):
        yield f"`size` must be a positive whole number of pixels up to {LARGEST}, found {size!r}."
    for key in ("network", "features", "sha256"):
        if entry.get(key) is not None and not isinstance(entry[key], str):
            yield f"`{key}` must be text, found {entry[key]!r:.80}; quote it."
