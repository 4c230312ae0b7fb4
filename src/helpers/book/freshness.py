"""Whether what a run folder holds is what a request would make: nothing twice, nothing stale."""

import hashlib
import json
from pathlib import Path
from typing import Any

from helpers.book import checksums, provenance
from helpers.data.datasets.manifest import files_named


def folder_state(folder: Path, everything: bool = False) -> str:
    """Return a hash over the names, sizes and times of the files of a dataset folder.

    Contents are hashed when the dataset is opened; here, that a file was touched is enough to look
    again. Of a folder of images, or a zarr array, every member counts.

    Parameters
    ----------
    folder : Path
    everything : bool
        Count all that lies there, not what the manifest names.
    """
    digest = hashlib.sha256()
    if folder.is_dir():
        for path in sorted(folder.iterdir()) if everything else files_named(folder):
            members = sorted(path.rglob("*")) if path.is_dir() else []
            for member in (path, *members):
                if member.is_file():
                    about, name = member.stat(), member.relative_to(folder).as_posix()
                    digest.update(f"{name} {about.st_size} {about.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def reason(run: Path, facts: dict, key: str, parameters: dict) -> str:
    """Return why a notebook has to be executed; empty if what is there is what it would make.

    Parameters
    ----------
    run : Path
    facts : dict
        What ``provenance.json`` says of the notebook.
    key : str
        What it would be made from now.
    parameters : dict
        Its parameters now.
    """
    if "failed" in facts:
        return "it failed last time"
    if "key" not in facts:
        return "no run has finished it"
    if facts["key"] != key:
        return _replaced(facts.get("parameters", {}), parameters)
    return ", ".join(checksums.changed(run, facts.get("outputs", {})))


def outputs(run: Path, notebook: str, written: list[str]) -> dict[str, str]:
    """Return ``{name: SHA-256}`` of what a notebook left in a run folder: its page, its claims, and
    the files that it wrote.
    """
    names = {f"notebooks/{notebook}.ipynb", f"claims/{notebook}.json", *written}
    there = sorted(name for name in names if (run / name).is_file())
    return {name: checksums.sha256(run / name) for name in there}


def damaged_records(run: Path, asked: set[str]) -> list[str]:
    """Return what is wrong with a run folder's records, after removing those that cannot be read.

    Parameters
    ----------
    run : Path
    asked : set of str
        Notebooks that are about to be executed, or found up to date.
    """
    said = []
    fault = provenance.fault(run)
    if fault:
        said.append(f"provenance.json {fault}: every page that was asked for is made again")
    known = provenance.read(run).get("notebooks", {})
    for path in sorted((run / "claims").glob("*.json")):
        if not _is_ledger(path):
            path.unlink()
            remedy = "it is made" if path.stem in asked else f"run {path.stem} to make it"
            said.append(f"claims/{path.name} cannot be read and was removed: {remedy} again")
    for name in sorted(set(known) - asked):
        ledger = f"claims/{name}.json"
        if ledger in known[name].get("outputs", {}) and not (run / ledger).is_file():
            said.append(f"{ledger} is missing: run {name} again to make it")
    return list(dict.fromkeys(said))


def _is_ledger(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"notebook", "dataset", "records", "not_run"} <= set(content)
    except (ValueError, TypeError):
        return False


def _replaced(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say in words what differs from what is there."""
    changes = [
        f"{name} {before.get(name)!r} → {now.get(name)!r}"
        for name in now
        if name != "run" and before.get(name) != now[name]
    ]
    if changes:
        return f"replaces {', '.join(changes)}"
    return "its text, its data or the package has changed"
