"""Download the public pretrained networks into a weights folder, checked by SHA-256.

What is downloaded, and from where, stands in ``data/registry.yml``.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml

from helpers.data import folders
from helpers.data.datasets.weights import MANIFEST, WeightsError
from helpers.data.files import atomic, holds
from helpers.data.sources.download import (
    PATIENCE,
    REGISTRY,
    DownloadError,
    Patience,
    Unreachable,
    WrongContent,
    need_space,
    persist,
    registered,
)
from helpers.data.sources.transfer import LARGEST, fetch_once

RECORD_KEYS = ("network", "file", "sha256", "mean", "std", "source", "url", "bytes")
HEADER = (
    "# Networks fetched by `brainbook fetch weights`; add records of your own below.\n"
    "schema: 1\nkind: weights\nnetworks:\n"
)


def fetch(
    out: str | Path,
    names: Sequence[str] | None = None,
    progress: bool = True,
    force: bool = False,
    registry: Path = REGISTRY,
    patience: Patience = PATIENCE,
) -> list[Path]:
    """Download registered networks into the folder ``out`` and write its ``weights.yml``.

    Parameters
    ----------
    out : str or Path
        A new or empty folder, or one that an earlier fetch filled.
    names : list of str, optional
        Names in the registry; all of them by default.
    progress : bool
        Show a progress bar per file.
    force : bool
        Replace a file of a registered name whose hash is wrong. Other files are never touched.
    registry : path
        Where the addresses stand.
    patience : Patience

    Returns
    -------
    list of Path
        The ONNX files, in the order of ``names``.

    Raises
    ------
    WeightsError
        An unknown name, or a file of a registered name that is something else.
    OutputError
        The folder holds something that brainbook did not download.
    DownloadError
        ``WrongContent`` if the hash is wrong, ``Unreachable`` or ``NotThere`` if no address
        delivered the file.
    """
    out, known = Path(out), registered("weights", registry)
    names = list(known) if names is None else list(names)
    for name in names:
        if name not in known:
            raise WeightsError(f"{name!r} is not in the registry; known: {', '.join(known)}.")
    folders.claim(out, "weights")
    files = {out / known[name]["file"]: known[name] for name in names}
    todo = {path: entry for path, entry in files.items() if not holds(path, entry["sha256"])}
    for path, entry in todo.items():
        if path.exists() and not force:
            raise WeightsError(
                f"{path}: exists, but its SHA-256 is not the registered {entry['sha256']}. "
                "Move it away, or replace it with --force."
            )
    need_space(out, sum(entry["bytes"] for entry in todo.values()), "pretrained networks")
    for path, entry in todo.items():
        urls = [entry["url"], *entry.get("mirrors", [])]
        persist(
            partial(_fetch_from_any, urls, path, entry, patience.timeout, progress),
            patience,
            path.name,
        )
    _write_manifest(out / MANIFEST, list(files.values()))
    return list(files)


def _fetch_from_any(
    urls: Sequence[str], path: Path, entry: dict, timeout: float, progress: bool
) -> str:
    """Try each address once; if none serves, the error that says most counts."""
    errors = []
    for url in urls:
        try:
            return fetch_once(
                url,
                path,
                sha256=entry["sha256"],
                most=entry.get("bytes", LARGEST),
                timeout=timeout,
                progress=progress,
            )
        except DownloadError as error:
            errors.append(error)
    # A wrong file says more than a silent mirror, and a silent one more than "not there".
    kinds = (WrongContent, Unreachable, DownloadError)
    raise next(error for kind in kinds for error in errors if isinstance(error, kind))


def _write_manifest(path: Path, entries: Sequence[dict]) -> None:
    """Add records to ``weights.yml``; lines that are there already stay as they are."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    listed = {record.get("file") for record in yaml.safe_load(text)["networks"] or []}
    for entry in entries:
        if entry["file"] not in listed:
            record = {key: entry[key] for key in RECORD_KEYS if key in entry}
            text += yaml.safe_dump([record], sort_keys=False, default_flow_style=None, width=1000)
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
