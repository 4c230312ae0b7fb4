"""Read a dataset folder and go on after a problem, so that all of them are told at once."""

import math
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
    unquoted,
)
from helpers.data.datasets.volumes import Volume, is_volume, open_volume

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
        required = required | {"schema", "kind", "name"}
        optional = optional | {"phantom", "pixel_size_um", "colours", "compare"}
        self.problems = key_problems(self.manifest, required, optional, "")
        self.settled = False
        self.beside = b""  # content that no file of the folder holds
        self.told_sizes: list[float] = []  # µm, of images whose metadata say
        self.told_depths: list[float] = []  # µm from plane to plane, of volumes that say
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

    def settle_pixel_size(self) -> None:
        """Take the size of a pixel from the images where the manifest does not give it; warn where
        the two differ.
        """
        if self.settled:
            return
        told, self.settled = self.told_sizes, True
        if told and max(told) > 1.02 * min(told):
            found = f"images of {min(told):.4g} and of {max(told):.4g} µm per pixel"
            self.note("pixel_size_um", found, "images of one size", "Resample them.")
        elif "pixel_size_um" not in self.manifest and told:
            self.pixel_size_um = told[0]
        elif "pixel_size_um" not in self.manifest:
            remedy = "Add `pixel_size_um:`; the images' own metadata do not say."
            self.note("pixel_size_um", "no value", "a value", remedy)
        elif self.pixel_size_um and told and abs(told[0] / self.pixel_size_um - 1) > 0.02:
            self.note(
                "pixel_size_um",
                f"{self.pixel_size_um:g}, while the images' metadata say {told[0]:.4g}",
                "one size",
                "Correct whichever is wrong; the manifest counts.",
                severity="warning",
            )

    def opened(self, path: Path, field: str) -> Volume | None:
        """Return a stack of planes, None for a single image; its warnings and its size are kept."""
        if not is_volume(path) and path.suffix.lower() not in (".tif", ".tiff", ".npy"):
            return None
        try:
            volume = open_volume(path, field)
        except Problem:
            if is_volume(path):
                raise
            return None  # whoever reads it as an image says what is wrong with it
        self.problems += volume.warnings
        if volume.pixel_size_um:
            self.told_sizes.append(volume.pixel_size_um)
        depth = (volume.voxel_size_um or (math.nan,))[0]
        if volume.shape[0] > 1 and 0 < depth < math.inf:
            self.told_depths.append(depth)
        return volume if volume.shape[0] > 1 or is_volume(path) else None

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
        given = self.manifest.get(key)
        given = given if isinstance(given, dict) else {}
        texts = {label: unquoted(name) for label, name in given.items()}
        if odd := [(label, words) for label, words in texts.items() if words]:
            for label, (found, remedy) in odd[:MOST_TOLD]:
                self.note(f"{key}.{str(label)[:40]}", found, "a name", remedy)
            # its pixels are listed all the same: no word of them besides
            self.manifest[key] = {label: str(name) for label, name in given.items()}
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

    def plane(
        self, entry: dict, key: str, of_file: Callable, of_array: Callable, where: str
    ) -> np.ndarray | None:
        """Return what a key names as one plane: an image, or plane ``z`` of a volume.

        Parameters
        ----------
        of_file : callable
            ``(path, field)`` to an image.
        of_array : callable
            ``(array, path, field)`` to the same, from the plane of a volume.
        """

        def read(path: Path, field: str) -> np.ndarray:
            volume, z = self.placed(path, field, entry.get("z"))
            return of_file(path, field) if volume is None else of_array(volume[z], path, field)

        return self.content(entry, key, read, where)

    def placed(self, path: Path, field: str, z: Any) -> tuple[Volume | None, int]:
        """Return the volume in which an image lies, and as which plane; None for a file that is
        one image. Raises Problem if the volume has no plane ``z``.
        """
        volume = self.opened(path, field)
        if volume is None or (volume.shape[2] in (3, 4) and not is_volume(path)):
            return None, 0  # colours are no planes
        if volume.shape[0] == 1:
            return volume, 0
        if type(z) is not int or not 0 <= z < volume.shape[0]:
            raise Problem(
                field,
                f"a volume of {volume.shape[0]} planes (shape {volume.shape})",
                f"a plane numbered z = {z!r:.20}",
                f"`z` counts its planes, from 0 to {volume.shape[0] - 1}.",
                file=path.name,
            )
        return volume, z

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
            _, hint = unquoted(name) or (0, did_you_mean(name, names, "Remove it."))
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
        self.settle_pixel_size()
        if self.errors():
            raise DatasetError(self.path, self.problems)
        return {
            "path": self.path,
            "name": str(self.manifest["name"]),
            "pixel_size_um": float(self.pixel_size_um),
            "fingerprint": fingerprint(self.path, self.files, self.beside),
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
