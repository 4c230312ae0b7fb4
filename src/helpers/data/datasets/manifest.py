"""Read a ``dataset.yml`` and collect what is wrong with it, in words that say what to do."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

MANIFEST = "dataset.yml"
SCHEMA = 1


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong (``error``) or doubtful (``warning``) in a dataset folder."""

    file: str
    field: str
    found: str
    expected: str
    remedy: str
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.file}, {self.field}" if self.field else self.file
        return (
            f"{self.severity}: {place}: found {self.found}; expected {self.expected}. {self.remedy}"
        )


class DatasetError(ValueError):
    """A dataset folder cannot be used; ``problems`` lists every error that was found."""

    def __init__(self, folder: Path, problems: list[Problem]):
        self.problems = problems
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{folder} cannot be used as a dataset:\n{lines}")


class Problems(list):
    """A list of :class:`Problem` that knows which file it speaks of."""

    def error(
        self, field: str, found: str, expected: str, remedy: str, file: str = MANIFEST
    ) -> None:
        self.append(Problem(file, field, found, expected, remedy))

    def warn(
        self, field: str, found: str, expected: str, remedy: str, file: str = MANIFEST
    ) -> None:
        self.append(Problem(file, field, found, expected, remedy, "warning"))

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self if problem.severity == "error"]


def read_manifest(folder: Path, kind: str | None) -> dict:
    """Return the parsed manifest of ``folder``.

    Parameters
    ----------
    folder : Path
    kind : {"microct", "population"} or None
        The kind that is wanted; ``None`` takes either.

    Raises
    ------
    DatasetError
        If the folder or the manifest is missing, does not parse, or is of another kind or schema.
    """
    problems = Problems()
    path = folder / MANIFEST
    if not folder.is_dir():
        problems.error(
            "", "no such folder", "a dataset folder", "Check the path.", file=str(folder)
        )
    elif not path.is_file():
        problems.error(
            "",
            "no such file",
            "a manifest that names the images",
            f"`brainbook init {folder}` writes a first one for a folder of images.",
        )
    if problems:
        raise DatasetError(folder, problems)
    try:
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error)
        problems.error(
            place,
            f"text that is not YAML ({reason})",
            "YAML",
            "Mend that line; indentation and colons matter.",
        )
        raise DatasetError(folder, problems) from None
    if not isinstance(manifest, dict):
        problems.error(
            "",
            f"a {type(manifest).__name__}",
            "a mapping of keys to values",
            "Begin with `schema: 1` and `kind: microct` or `kind: population`.",
        )
        raise DatasetError(folder, problems)
    if manifest.get("schema") != SCHEMA:
        problems.error("schema", repr(manifest.get("schema")), str(SCHEMA), "Write `schema: 1`.")
    kinds = [kind] if kind else ["microct", "population"]
    if manifest.get("kind") not in kinds:
        problems.error(
            "kind",
            repr(manifest.get("kind")),
            " or ".join(kinds),
            "Give this folder where its kind is wanted, or correct `kind`.",
        )
    if problems:
        raise DatasetError(folder, problems)
    return manifest


def check_keys(
    entry: dict, required: set[str], optional: set[str], where: str, problems: Problems
) -> None:
    """Report unknown keys, with the nearest known one, and missing ones."""
    known = required | optional
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known - set(entry)), n=1, cutoff=0.6)
            remedy = f"Did you mean `{near[0]}`?" if near else "Remove it."
            problems.error(
                f"{where}{key}", "an unknown key", f"one of {', '.join(sorted(known))}", remedy
            )
    for key in sorted(required - set(entry)):
        problems.error(f"{where}{key}", "no value", "a value", f"Add `{key}:`.")


def resolve(folder: Path, value, field: str, problems: Problems) -> Path | None:
    """Return the file that a manifest names, or None after reporting why it cannot be."""
    if not isinstance(value, str) or not value:
        problems.error(
            field, repr(value), "the name of a file, relative to the manifest", "Name one file."
        )
        return None
    pure = PurePosixPath(value.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or (pure.parts and pure.parts[0].endswith(":")):
        problems.error(
            field,
            value,
            "a path inside the dataset folder",
            "Move or copy the file into the folder and name it relative to the manifest.",
        )
        return None
    path = folder / pure
    if not path.exists():
        near = difflib.get_close_matches(
            path.name, [p.name for p in folder.iterdir()], n=1, cutoff=0.6
        )
        remedy = f"Did you mean `{near[0]}`?" if near else "Copy it there, or correct the name."
        problems.error(field, f"{value}, which does not exist", "a file that exists", remedy)
        return None
    return path


def positive_number(value, field: str, problems: Problems) -> float | None:
    """Return ``value`` as a float if it is a number above zero, else report it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    problems.error(field, repr(value), "a number above 0", "Correct it.")
    return None


def names_by_label(value, field: str, problems: Problems) -> dict[int, str]:
    """Return a mapping such as ``{1: Cortex, 2: Striatum}`` if it is one, else report it."""
    good = (
        isinstance(value, dict)
        and value
        and all(
            isinstance(label, int)
            and not isinstance(label, bool)
            and label > 0
            and isinstance(name, str)
            and name.strip()
            for label, name in value.items()
        )
    )
    if not good:
        problems.error(
            field,
            repr(value),
            "a mapping from whole numbers above 0 to names",
            "Write for example `{1: Cortex, 2: Striatum}`; 0 means not annotated.",
        )
        return {}
    return {label: name.strip() for label, name in value.items()}


def fingerprint(folder: Path, files: list[Path]) -> str:
    """Return a SHA-256 over the manifest and the content of every file it names."""
    digest = hashlib.sha256()
    for path in [folder / MANIFEST, *sorted(set(files))]:
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for member in members:
            digest.update(str(member.relative_to(folder)).encode())
            with open(member, "rb") as stream:
                for block in iter(lambda: stream.read(1 << 22), b""):
                    digest.update(block)
    return digest.hexdigest()


def files_named(folder: Path) -> list[Path]:
    """Return the manifest of a folder and every file in it that the manifest names, without opening
    them.
    """
    found = {folder / MANIFEST}
    waiting = [yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and (folder / value).exists():
            found.add(folder / value)
    return sorted(found)
