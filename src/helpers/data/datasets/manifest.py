"""What a ``dataset.yml`` says, and what is wrong with it in words that say what to do."""

import difflib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from helpers.data.files import blocks

MANIFEST = "dataset.yml"
SCHEMA = 1
LONGEST_MANIFEST = 200_000  # bytes; more takes the parser many seconds
LONGEST_NUMBER = 40  # characters
# keys whose value is a file or a folder; `truth` of a slice holds one more per name
FILES_OF_POPULATION = ("images", "clean_images", "atlas", "clean", "truth")
FILES_OF_SLICE = ("image", "areas", "layers")


@dataclass(eq=False)
class Problem(Exception):
    """One thing that is wrong (``error``) or doubtful (``warning``) in a dataset folder, or good to
    know of it (``note``).

    Whatever reads a single value or file raises it; who reads a folder gathers them.
    """

    field: str
    found: str
    expected: str
    remedy: str
    file: str = MANIFEST
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.file}, {self.field}" if self.field else self.file
        return (
            f"{self.severity}: {place}: found {self.found}; expected {self.expected}. {self.remedy}"
        )


class DatasetError(ValueError):
    """A dataset folder cannot be used; ``problems`` lists every problem that was found, the message
    every error.
    """

    def __init__(self, folder: Path, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        lines = "\n".join(f"  {problem}" for problem in problems if problem.severity == "error")
        super().__init__(f"{folder} cannot be used as a dataset:\n{lines}")


def read_manifest(folder: Path, kind: str | None = None) -> dict:
    """Return the parsed manifest of ``folder``.

    Parameters
    ----------
    folder : Path
    kind : {"microct", "population"}, optional
        The kind that is wanted; by default either.

    Raises
    ------
    DatasetError
        If the folder or the manifest is missing, does not parse, or is of another kind or schema.
    """
    try:
        manifest = _mapping(folder)
    except Problem as problem:
        raise DatasetError(folder, [problem]) from None
    problems = []
    if manifest.get("schema") != SCHEMA:
        problems.append(
            Problem("schema", repr(manifest.get("schema")), str(SCHEMA), "Write `schema: 1`.")
        )
    kinds = [kind] if kind else ["microct", "population"]
    if manifest.get("kind") not in kinds:
        problems.append(
            Problem(
                "kind",
                repr(manifest.get("kind")),
                " or ".join(kinds),
                "Give this folder where its kind is wanted, or correct `kind`.",
            )
        )
    if problems:
        raise DatasetError(folder, problems)
    return manifest


class _PlainLoader(yaml.SafeLoader):
    """YAML as manifests need it: no aliases, no key twice, no number beyond 64 bits."""

    def compose_node(self, *place: Any) -> yaml.Node:
        event = self.peek_event()
        if getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="an alias", problem_mark=event.start_mark)
        return super().compose_node(*place)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            again = next(i for i, key in enumerate(keys) if key in keys[:i])
            mark = node.value[again][0].start_mark
            raise yaml.MarkedYAMLError(problem="a key that stands twice", problem_mark=mark)
        return mapping

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        number = node.tag.endswith((":int", ":float")) and len(node.value) > LONGEST_NUMBER
        value = None if number else super().construct_object(node, deep)
        large = isinstance(value, int) and abs(value) >= 2**63
        odd = isinstance(value, str) and (
            "\0" in value or any("\ud800" <= c < "\ue000" for c in value)
        )
        if number or large or odd:
            said = "a character that no name holds" if odd else "a number beyond 64 bits"
            raise yaml.MarkedYAMLError(problem=said, problem_mark=node.start_mark)
        return value


def load_yaml(path: Path) -> Any:
    """Return what a manifest holds; Problem unless it is plain YAML of a sensible length."""
    try:
        if path.stat().st_size > LONGEST_MANIFEST:
            raise ValueError(f"{path.stat().st_size:,} bytes of at most {LONGEST_MANIFEST:,}")
        return yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)
    # the safe loader lets its converters fail in their own ways: !!bool x, 2024-99-99, [[[[…
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        ArithmeticError,
        RecursionError,
        AttributeError,
        TypeError,
        OSError,
    ) as error:
        mark = getattr(error, "problem_mark", None)
        said = " ".join(str(getattr(error, "problem", None) or error).split())[:120]
        raise Problem(
            f"line {mark.line + 1}, column {mark.column + 1}" if mark else "",
            f"text that is not YAML ({said})"
            if not isinstance(error, RecursionError)
            else "text that is nested too deeply",
            "plain YAML, without aliases, each key once",
            "Mend that line; indentation and colons matter.",
            path.name,
        ) from None


def _mapping(folder: Path) -> dict:
    if not folder.is_dir():
        raise Problem("", "no such folder", "a dataset folder", "Check the path.", str(folder))
    if not (folder / MANIFEST).is_file() or strange(folder, folder / MANIFEST):
        raise Problem(
            "",
            "no such file",
            "a manifest that names the images",
            f"`brainbook init {folder}` writes a first one for a folder of images.",
        )
    manifest = load_yaml(folder / MANIFEST)
    if not isinstance(manifest, dict):
        raise Problem(
            "",
            f"a {type(manifest).__name__}",
            "a mapping of keys to values",
            "Begin with `schema: 1` and `kind: microct` or `kind: population`.",
        )
    return manifest


def key_problems(entry: dict, required: set[str], optional: set[str], where: str) -> list[Problem]:
    """Unknown keys of an entry, with the nearest known one, and missing ones."""
    known = required | optional
    return [
        Problem(
            f"{where}{key}",
            "an unknown key",
            f"one of {', '.join(sorted(known))}",
            did_you_mean(str(key), known - set(entry), "Remove it."),
        )
        for key in entry
        if key not in known
    ] + [
        Problem(f"{where}{key}", "no value", "a value", f"Add `{key}:`.")
        for key in sorted(required - set(entry))
    ]


def unquoted(value: Any) -> tuple[str, str] | None:
    """What YAML took a name for that stood there without quotes, and how to write it; None for
    text.
    """
    if isinstance(value, str):
        return None
    if isinstance(value, bool):
        word = "Yes" if value else "No"
        return f"{word.lower()} (YAML's word for Yes, On and True, or No, Off and False)", (
            f'Quote it, for example `"{word}"`.'
        )
    if value is None:
        return "nothing (so YAML reads null, ~ and an empty place)", "Write a name; quote `null`."
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)}", "Write one name."
    kind = {int: "number", float: "number"}.get(type(value), type(value).__name__)
    return f"the {kind} {str(value)[:60]}", f'Quote it, as it was written: `"{str(value)[:60]}"`.'


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Ask back with the known word that is nearest; ``otherwise`` where none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"Did you mean `{near[0]}`?" if near else otherwise


def resolve(folder: Path, value: Any, field: str) -> Path:
    """Return the file or folder inside ``folder`` that a manifest names; else raise Problem."""
    if not isinstance(value, str) or not value:
        raise Problem(
            field, repr(value), "the name of a file, relative to the manifest", "Name one file."
        )
    if leaves_folder(value):
        raise Problem(
            field,
            value,
            "a path inside the dataset folder",
            "Move or copy the file into the folder and name it relative to the manifest.",
        )
    path = folder / value.replace("\\", "/")
    if not os.path.exists(path):  # also where the name is too long for the system
        there = [member.name for member in folder.iterdir()]
        raise Problem(
            field,
            f"{value}, which does not exist",
            "a file that exists",
            did_you_mean(path.name, there, "Copy it there, or correct the name."),
        )
    for member in (path, *(path.rglob("*") if path.is_dir() else ())):
        fault = strange(folder, member)
        if fault:
            raise Problem(
                field,
                f"{member.relative_to(folder)}, {fault}",
                "regular files inside the dataset folder",
                "Copy the file itself into the folder.",
            )
    return path


def strange(folder: Path, path: Path) -> str:
    """Why a path is not a regular file or folder inside ``folder``; empty if it is."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (RuntimeError, OSError):
        return "a link that leads back to itself"
    if not inside:
        return "a link that leaves the folder"
    return "" if path.is_file() or path.is_dir() else "neither a file nor a folder"


def leaves_folder(name: str) -> bool:
    """Whether a path is absolute, on a drive of its own, or climbs out of its folder."""
    pure = PurePosixPath(name.replace("\\", "/"))
    return pure.is_absolute() or ".." in pure.parts or str(pure).split("/")[0].endswith(":")


def fingerprint(folder: Path, files: Iterable[Path], beside: bytes = b"") -> str:
    """Return a SHA-256 over the manifest, the content of every file it names, and what lies
    elsewhere.
    """
    digest = hashlib.sha256(beside)
    for path in [folder / MANIFEST, *sorted(set(files))]:
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for member in members:
            digest.update(str(member.relative_to(folder)).encode())
            for block in blocks(member):
                digest.update(block)
    return digest.hexdigest()


def files_named(folder: Path) -> list[Path]:
    """Return the manifest of a folder and every file in it that the manifest names, without opening
    them.

    Only what stands where a file is named is looked at, never the name of an area or of the
    dataset; what leaves the folder, or is not there, is for the reader to refuse.
    """
    found, manifest = {folder / MANIFEST}, load_yaml(folder / MANIFEST)
    for value in _names_of_files(manifest if isinstance(manifest, dict) else {}):
        if isinstance(value, str) and value and not leaves_folder(value):
            path = folder / value.replace("\\", "/")
            if os.path.exists(path) and not strange(folder, path):  # a long name raises nothing
                found.add(path)
    return sorted(found)


def _names_of_files(manifest: dict) -> Iterator[Any]:
    """Yield what a manifest holds where one of either kind names a file."""
    yield from (manifest.get(key) for key in FILES_OF_POPULATION)
    slices = manifest.get("slices")
    for entry in slices if isinstance(slices, list) else []:
        if isinstance(entry, dict):
            yield from (entry.get(key) for key in FILES_OF_SLICE)
            truth = entry.get("truth")
            yield from truth.values() if isinstance(truth, dict) else ()
