"""Download the public pretrained networks into a weights folder, checked by SHA-256.

What is downloaded, and from where, stands in ``data/registry.yml``.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from helpers.data.datasets.weights import MANIFEST, WeightsError
from helpers.data.sources import download, folder

RECORD_KEYS = ("network", "file", "sha256", "mean", "std", "source", "url", "bytes")
HEADER = "# Networks fetched by `brainbook fetch weights`; add records of your own below.\nschema: 1\nkind: weights\nnetworks:\n"


def fetch(
    out,
    names=None,
    progress=True,
    force=False,
    registry=download.REGISTRY,
    patience=download.Patience(),
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
    patience : helpers.data.sources.download.Patience

    Returns
    -------
    list of Path
        The ONNX files, in the order of ``names``.

    Raises
    ------
    WeightsError
        An unknown name, or a file of a registered name that is something else.
    helpers.data.sources.folder.OutputError
        The folder holds something that brainbook did not download.
    helpers.data.sources.download.DownloadError
        ``WrongContent`` if the hash is wrong, ``Unreachable`` or ``NotThere`` if no address
        delivered the file.
    """
    out, known = Path(out), download.registered("weights", registry)
    names = list(known) if names is None else list(names)
    for name in names:
        if name not in known:
            raise WeightsError(f"{name!r} is not in the registry; known: {', '.join(known)}.")
    folder.claim(out, "weights")
    todo = []
    for name in names:
        path = out / known[name]["file"]
        if path.exists() and download.file_sha256(path) != known[name]["sha256"]:
            if not force:
                raise WeightsError(
                    f"{path}: exists, but its SHA-256 is not the registered {known[name]['sha256']}. "
                    "Move it away, or replace it with --force."
                )
            path.unlink()
        if not path.exists():
            todo.append(known[name])
    download.need_space(out, sum(entry["bytes"] for entry in todo), "pretrained networks")
    for entry in todo:
        _fetch_from_any(
            [entry["url"], *entry.get("mirrors", [])],
            out / entry["file"],
            entry["sha256"],
            progress,
            patience,
        )
    _write_manifest(out / MANIFEST, [known[name] for name in names])
    return [out / known[name]["file"] for name in names]


def _fetch_from_any(urls, path: Path, sha256: str, progress: bool, patience) -> None:
    """Try each address once per attempt; the error of the first one counts."""

    def one_round():
        errors = []
        for url in urls:
            try:
                return download.fetch_once(
                    url, path, sha256=sha256, timeout=patience.timeout, progress=progress
                )
            except download.DownloadError as error:
                errors.append(error)
        # A wrong file says more than a silent mirror, and a silent one more than "not there".
        for kind in (download.WrongContent, download.Unreachable, download.DownloadError):
            for error in errors:
                if isinstance(error, kind):
                    raise error

    download.persist(one_round, patience, path.name)


def _write_manifest(path: Path, entries: list[dict]) -> None:
    """Add records to ``weights.yml``; lines that are there already stay as they are."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    listed = {record.get("file") for record in yaml.safe_load(text)["networks"] or []}
    for entry in entries:
        if entry["file"] not in listed:
            record = {key: entry[key] for key in RECORD_KEYS if key in entry}
            text += yaml.safe_dump([record], sort_keys=False, default_flow_style=None, width=1000)
    folder.write_text(path, text)
