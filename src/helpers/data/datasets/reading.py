"""Read a dataset folder and go on after a problem, so that all of them are told at once."""

import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.datasets.images import LARGEST_LABEL
from helpers.data.datasets.manifest import (
    DatasetError,
    Problem,
    did_you_mean,
    fingerprint,
    key_problems,
    read_manifest,
    resolve,
)

MOST_NAMES = 255  # label maps are uint8 in memory
MOST_TOLD = 10


class Folder:
    """A dataset folder that is being read.

    Parameters
    ----------
    path : Path
    kind : {"microct", "population"}
    required, optional : set of str
        Keys of the manifest besides those that either kind has.

    Attributes
    ----------
    manifest : dict
    files : list of Path
        What the manifest names, as far as it was read.
    problems : list of Problem

    Raises
    ------
    DatasetError
        If there is no manifest of this kind to begin with.
    """

    def __init__(self, path: Path, kind: str, required: set[str], optional: set[str]) -> None:
        self.path, self.files = path, []
        self.manifest = read_manifest(path, kind)
        required = required | {"schema", "kind", "name", "pixel_size_um"}
        self.problems = key_problems(self.manifest, required, optional | {"phantom"}, "")
        self.pixel_size_um = self.value(
            self.manifest,
            "pixel_size_um",
            lambda value: type(value) in (int, float) and 0 < value < float("inf"),
            "a number above 0",
            "Correct it.",
        )

        self.value(
            self.manifest,
            "name",
            lambda value: isinstance(value, (str, int, float)) and str(value).strip(),
            "a short text",
            "Name the dataset.",
        )

    def note(self, *words: str, severity: str = "error") -> None:
        """Note a :class:`Problem` in the manifest: field, found, expected, remedy."""
        self.problems.append(Problem(*words, severity=severity))

    def errors(self) -> int:
        """How many of the problems keep the folder from being used."""
        return sum(problem.severity == "error" for problem in self.problems)

    def value(
        self,
        entry: dict,
        key: str,
        good: Callable[[Any], bool],
        expected: str,
        remedy: str,
        where: str = "",
    ) -> Any:
        """Return the value of a key; None without the key, or after noting that it is not good."""
        value = entry.get(key)
        if key not in entry or good(value):
            return value
        self.note(f"{where}{key}", repr(value)[:80], expected, remedy)
        return None

    def names(self, key: str) -> dict[int, str]:
        """Return a mapping such as ``{1: Cortex, 2: Striatum}``, empty without a good one."""
        names = self.value(
            self.manifest,
            key,
            _are_names,
            "a mapping from whole numbers above 0 to names",
            "Write for example `{1: Cortex, 2: Striatum}`; 0 means not annotated.",
        )
        names = {label: name.strip() for label, name in (names or {}).items()}
        # areas that share a name are one
        if len(set(names.values()) if key == "areas" else names) > MOST_NAMES:
            words = f"at most {MOST_NAMES}", "Merge or leave out the smallest."
            self.note(key, f"{len(names)} labels", *words)
        return names

    def content(
        self, entry: dict, key: str, reader: Callable[[Path, str], Any], where: str = ""
    ) -> Any:
        """Return ``reader(path, field)`` of the file a key names; None without the key, or after
        noting the :class:`Problem` that was raised.
        """
        return (
            self.attempt(self._read, entry[key], f"{where}{key}", reader) if key in entry else None
        )

    def attempt(self, call: Callable, *arguments: Any) -> Any:
        """Return ``call(*arguments)``, or None after noting the :class:`Problem` it raises."""
        try:
            return call(*arguments)
        except Problem as problem:
            self.problems.append(problem)
        return None

    def _read(self, value: Any, field: str, reader: Callable[[Path, str], Any]) -> Any:
        path = resolve(self.path, value, field)
        self.files.append(path)
        try:
            return reader(path, field)
        except Problem:
            raise
        except Exception as error:  # whatever a file's content does to its reader, it is unreadable
            raise Problem(
                field,
                f"a file that cannot be read ({type(error).__name__}: {str(error)[:120]})",
                "a complete file of its kind",
                "Write it again.",
                file=path.name,
            ) from None

    def check_labels_occur(
        self, key: str, names: dict[int, str], found: Container[int], absent: str
    ) -> None:
        """Note the labels that a key of the manifest lists, but that no label map holds."""
        for label, name in names.items():
            if label not in found:
                self.note(
                    f"{key}.{label}",
                    f"label {label} ({name}), which {absent}",
                    "labels that occur",
                    f"Remove it from `{key}`, or correct the number.",
                )

    def check_labels_listed(
        self, labels: np.ndarray, field: str, listed: Container[int], key: str, remedy: str
    ) -> None:
        """Warn of the labels in a label map that ``key`` of the manifest does not list."""
        counts = dict(zip(*np.unique(labels, return_counts=True)))
        odd = [value for value in counts if value and value not in listed]
        found = [f"label {value} in {counts[value]} pixels" for value in odd[:MOST_TOLD]]
        if len(odd) > MOST_TOLD:
            found.append(f"{len(odd) - MOST_TOLD} more labels")
        for words in found:
            which = f"{words}, which `{key}` does not list"
            self.note(field, which, "only listed labels", remedy, severity="warning")

    def wishes(self, names: Sequence[str]) -> dict[str, Any]:
        """Return ``colours`` of names, and ``compare``: whether claims are judged."""
        colours = self.value(
            self.manifest,
            "colours",
            lambda value: isinstance(value, dict) and all(map(_is_colour, value.values())),
            "a mapping from names to colours",
            "Write for example `{Cortex: '#5b8bd0'}`; quote the colour.",
        )
        for name in set(colours or {}) - set(names):
            hint = did_you_mean(str(name), names, "Remove it.")
            self.note(f"colours.{name}", "an unknown name", f"one of {', '.join(names)}", hint)
        compare = self.value(
            self.manifest,
            "compare",
            lambda value: type(value) is bool,
            "true or false",
            "Write `compare: false` for pages without the papers' verdicts.",
        )
        return {"colours": colours or {}, "compare": compare is not False}

    def finish(self) -> dict[str, Any]:
        """Return the attributes that every dataset has.

        Raises
        ------
        DatasetError
            If there are errors.
        """
        if self.errors():
            raise DatasetError(self.path, self.problems)
        return {
            "path": self.path,
            "name": str(self.manifest["name"]),
            "pixel_size_um": float(self.pixel_size_um),
            "fingerprint": fingerprint(self.path, self.files),
            "is_phantom": "phantom" in self.manifest,
        }


def _is_colour(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) is not None


def _are_names(value: Any) -> bool:
    pairs = list(value.items()) if isinstance(value, dict) else [(0, "")]
    return bool(pairs) and all(
        type(label) is int and 0 < label <= LARGEST_LABEL and isinstance(name, str) and name.strip()
        for label, name in pairs
    )
