"""Download the public pretrained networks into a weights folder, checked by SHA-256.

What is downloaded, and from where, stands in ``data/registry.yml``. Files arrive
under a temporary name and are renamed once their hash is right, so a broken
download leaves nothing behind and the same request again only fetches what is
missing.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from helpers.datasets.weights import MANIFEST, WeightsError, file_sha256

REGISTRY = Path(__file__).resolve().parents[3] / "data" / "registry.yml"
HEADER = "# Written by `brainbook fetch weights`; add records of your own networks below.\n"
RECORD_KEYS = ("network", "file", "sha256", "mean", "std", "source", "url", "bytes")


class DownloadError(OSError):
    """No address delivered the file: no network, or it has moved. Not a wrong file."""


def registered(registry=REGISTRY) -> dict[str, dict]:
    """The networks that can be fetched: name to entry of the registry."""
    return yaml.safe_load(Path(registry).read_text(encoding="utf-8"))["weights"]


def fetch(out, names=None, progress=True, force=False, registry=REGISTRY) -> list[Path]:
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
        Replace a file of the same name whose hash is wrong.

    Returns
    -------
    list of Path
        The ONNX files, in the order of ``names``.

    Raises
    ------
    WeightsError
        An unknown name, a folder or file that is not ours, or a download whose hash is wrong.
    DownloadError
        No address delivered a file.
    """
    out, known = Path(out), registered(registry)
    names = list(known) if names is None else list(names)
    for name in names:
        if name not in known:
            raise WeightsError(f"{name!r} is not in the registry; known: {', '.join(known)}.")
    _refuse_foreign(out)
    todo = []
    for name in names:
        path = out / known[name]["file"]
        if path.exists() and file_sha256(path) != known[name]["sha256"]:
            if not force:
                raise WeightsError(
                    f"{path}: exists, but its SHA-256 is not the registered {known[name]['sha256']}. "
                    "Move it away, or replace it with --force."
                )
            path.unlink()
        if not path.exists():
            todo.append(name)
    out.mkdir(parents=True, exist_ok=True)
    _write_manifest(out / MANIFEST, {})
    for name in todo:
        entry = known[name]
        download([entry["url"], *entry.get("mirrors", [])], out / entry["file"], entry["sha256"], progress)
    _write_manifest(out / MANIFEST, {name: known[name] for name in names})
    return [out / known[name]["file"] for name in names]


def download(urls, path: Path, sha256: str, progress=True, timeout=30) -> Path:
    """Download one file from the first address that answers with the right bytes.

    Parameters
    ----------
    urls : list of str
    path : Path
        Where the file goes; nothing is left there unless its hash is right.
    sha256 : str
    progress : bool
    timeout : float
        Seconds to wait for a silent server.

    Raises
    ------
    WeightsError
        Every server that answered sent something else than the registered file.
    DownloadError
        No server answered with a file.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    silent, wrong = [], []
    for url in urls:
        downloader = pooch.HTTPDownloader(progressbar=progress, timeout=timeout)
        try:
            pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
            return path
        except requests.exceptions.HTTPError as error:
            silent.append(f"{url}: the server answers {error.response.status_code}")
        except requests.exceptions.RequestException as error:
            silent.append(f"{url}: {type(error).__name__}")
        except ValueError:  # pooch: the hash does not match; it has deleted the file
            wrong.append(url)
    if wrong:
        raise WeightsError(
            f"{path.name}: what came from {', '.join(wrong)} does not have the registered SHA-256 {sha256}. "
            "The download was cut short, or the file behind the address has changed; nothing was kept. Try again."
        )
    raise DownloadError(
        f"{path.name}: no address delivered the file, and nothing was kept. Is there a network? Tried:\n  " + "\n  ".join(silent)
    )


def _refuse_foreign(out: Path) -> None:
    if out.is_file():
        raise WeightsError(f"{out}: is a file; name a folder.")
    if out.is_dir() and any(out.iterdir()):
        manifest = out / MANIFEST
        if not (manifest.is_file() and manifest.read_text(encoding="utf-8").startswith(HEADER)):
            raise WeightsError(f"{out}: is not empty and was not made by `brainbook fetch weights`. Name another folder.")


def _write_manifest(path: Path, entries: dict[str, dict]) -> None:
    """Add records to ``weights.yml``; lines that are there already stay as they are."""
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER + "schema: 1\nkind: weights\nnetworks:\n"
    listed = {record.get("file") for record in yaml.safe_load(text)["networks"] or []}
    for entry in entries.values():
        if entry["file"] not in listed:
            record = {key: entry[key] for key in RECORD_KEYS if key in entry}
            text += yaml.safe_dump([record], sort_keys=False, default_flow_style=None, width=1000)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
