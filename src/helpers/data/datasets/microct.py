"""A microCT dataset folder: gray slices, their area labels, and the role each slice plays."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.datasets import imagej_rois, microct_checks
from helpers.data.datasets.images import (
    as_unit_float,
    checked_gray,
    checked_labels,
    read_array,
    read_gray,
    read_labels,
    recode,
)
from helpers.data.datasets.manifest import Problem, key_problems
from helpers.data.datasets.reading import Folder
from helpers.data.datasets.roles import read_roles

ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Slice:
    """One slice, or the window of one, with what is known of each pixel.

    Attributes
    ----------
    z : int
        Index of the slice in its volume.
    role : {"train", "validation", "test"}
    image : (H, W) float32 array
        Gray values in [0, 1], not standardised.
    areas : (H, W) uint8 array or None
        0 = not annotated, 1…n = the dataset's areas in class order.
    layers : (H, W) uint8 array or None
        0 = none, 1…m = cortical layers in the manifest's order.
    window : (top, left, height, width) or None
        Which part of the image file this is.
    full_shape : (int, int)
        Height and width of the image file.
    truth : dict of (H, W) arrays
        Maps that only a phantom knows, in the units of their files.
    whole : (full_shape) float32 array
        The image file that a window is part of: what is scaled, and what lies around the window,
        are known from it. The image itself, where that is the whole of it.
    """

    z: int
    role: str
    image: np.ndarray
    areas: np.ndarray | None
    layers: np.ndarray | None
    window: tuple[int, int, int, int] | None
    full_shape: tuple[int, int]
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    whole: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.whole is None:
            object.__setattr__(self, "whole", self.image)

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of this slice's first pixel in the image file."""
        return self.window[:2] if self.window else (0, 0)


@dataclass(frozen=True)
class MicroCT:
    """A microCT dataset that passed every check.

    Attributes
    ----------
    path : Path
    name : str
    pixel_size_um : float
    areas : tuple of str
        Names in class order: area ``i + 1`` of every label map is ``areas[i]``.
    layers : tuple of str
    fingerprint : str
        SHA-256 over the manifest and every file it names.
    is_phantom : bool
    roles : dict
        Role to the names of the areas that play it; see :mod:`helpers.data.datasets.roles`.
    colours : dict
        Area to the colour that the manifest gives it.
    compare : bool
        Whether the papers' verdicts are asked for.
    labels : dict
        Area to its label in the label maps on disk; the first listed of several.
    """

    path: Path
    name: str
    pixel_size_um: float
    areas: tuple[str, ...]
    layers: tuple[str, ...]
    fingerprint: str
    is_phantom: bool
    _slices: tuple[Slice, ...]
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)
    compare: bool = True
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names that figures show: of areas and of layers."""
        return self.areas + self.layers

    def role(self, name: str) -> tuple[int, ...]:
        """Return the numbers of the areas that play a role (``cortex``, …), none if nobody does."""
        return tuple(self.areas.index(area) + 1 for area in self.roles.get(name, ()))

    def slices(self, role: str | None = None) -> list[Slice]:
        """Return the slices of one role, or all of them, in the manifest's order."""
        if role is not None and role not in ROLES:
            raise ValueError(f"role is {role!r}; expected one of {', '.join(ROLES)}")
        return [piece for piece in self._slices if role in (None, piece.role)]


def open_microct(path: str | Path) -> MicroCT:
    """Open and check a microCT dataset folder (format: *Bring your own data* in the book).

    Raises
    ------
    DatasetError
        Lists every error with its file, field, what was found, what was expected and the remedy.
    """
    return read_microct(Path(path))[0]


def read_microct(path: Path) -> tuple[MicroCT, list[Problem]]:
    """Return the dataset and what is doubtful about it; raises as :func:`open_microct` does."""
    folder = Folder(path, "microct", {"areas", "slices"}, {"layers", "roles", "bits"})
    names, layers = folder.names("areas"), folder.names("layers")
    areas = tuple(sorted(set(names.values()), key=lambda name: (name.casefold(), name)))
    if len(areas) == 1:
        folder.note(
            "areas",
            f"one area ({areas[0]})",
            "two areas or more",
            "A classifier needs something to tell apart.",
        )
    entries = folder.value(
        folder.manifest,
        "slices",
        lambda value: isinstance(value, list) and value and all(type(e) is dict for e in value),
        "a list of slices",
        "Write for example `- {z: 159, role: train, image: z159.tif, areas: z159_areas.tif}`.",
    )
    to_area = {label: areas.index(name) + 1 for label, name in names.items()}
    to_layer = {label: position for position, label in enumerate(layers, start=1)}
    seen: set[int] = set()
    slices = tuple(
        _read_slice(folder, entry, f"slices[{index}].", (names, layers), to_area, to_layer, seen)
        for index, entry in enumerate(entries or [])
    )
    folder.value(
        folder.manifest,
        "bits",
        lambda value: type(value) is int and 1 <= value <= 32,
        "a whole number from 1 to 32",
        "Give the bits of the camera, such as 12.",
    )
    folder.settle_pixel_size()
    if not folder.errors():
        if any(piece.areas is not None for piece in slices):
            folder.check_labels_occur("areas", names, seen, "occurs in no slice")
        microct_checks.check_room(
            folder, [piece for piece in slices if piece.role == "train"], areas
        )
        microct_checks.check_distances(folder, slices)
        microct_checks.check_repeats(folder, slices)
    shared = {"roles": read_roles(folder, areas), **folder.wishes(areas)}
    shared |= folder.finish()
    shared["labels"] = {name: label for label, name in reversed(names.items())}
    return MicroCT(
        areas=areas, layers=tuple(layers.values()), _slices=slices, **shared
    ), folder.problems


def _read_slice(
    folder: Folder,
    entry: dict,
    where: str,
    names: tuple[dict[int, str], dict[int, str]],
    to_area: dict[int, int],
    to_layer: dict[int, int],
    seen: set[int],
) -> Slice | None:
    """Return one entry of ``slices``, or None after noting what is wrong with it.

    ``names`` are those of the labels of areas and of layers, as the manifest lists them;
    ``to_area`` and ``to_layer`` number the listed labels; ``seen`` gathers the labels that occur.
    """
    before = folder.errors()
    folder.problems += key_problems(
        entry, {"z", "role", "image"}, {"areas", "layers", "window", "truth"}, where
    )
    z = folder.value(
        entry,
        "z",
        lambda value: type(value) is int,
        "a whole number",
        "Give the slice's index in its volume.",
        where,
    )
    role = folder.value(entry, "role", ROLES.__contains__, " or ".join(ROLES), "Choose one.", where)
    if role in ("train", "validation") and "areas" not in entry:
        folder.note(
            f"{where}areas",
            "no value",
            f"a label map, because the role is {role}",
            "Name one, or give the slice the role test.",
        )
    image = folder.plane(entry, "image", read_gray, checked_gray, where)
    shape = None if image is None else image.shape
    maps = {
        key: folder.plane(entry, key, partial(_read_map, shape, known), checked_labels, where)
        for key, known in zip(("areas", "layers"), names)
    }
    truth = folder.value(
        entry,
        "truth",
        lambda value: isinstance(value, dict),
        "a mapping of names to files",
        "Write for example `{barrels: z159_barrels.tif}`.",
        where,
    )
    for name in truth or {}:
        maps[f"truth.{name}"] = folder.content(truth, name, read_array, f"{where}truth.")
    if image is None or folder.errors() > before:
        return None
    image = _in_unit_range(folder, image, f"{where}image")
    for key, array in maps.items():
        if array is not None and array.shape != image.shape:
            folder.note(
                f"{where}{key}",
                f"shape {array.shape}",
                f"the image's shape {image.shape}",
                "Export the label map on the image's own grid.",
            )
    window = folder.value(
        entry,
        "window",
        partial(_is_window, image.shape),
        f"[top, left, height, width] inside the image's {image.shape}",
        "Correct it.",
        where,
    )
    if folder.errors() > before:
        return None
    top, left, height, width = window or (0, 0, *image.shape)
    cut = slice(top, top + height), slice(left, left + width)
    areas, layers = maps.pop("areas"), maps.pop("layers")
    if areas is not None:
        seen.update(np.unique(areas).tolist())
        folder.check_labels_listed(
            areas[cut],
            f"{where}areas",
            to_area,
            "areas",
            "These pixels count as not annotated; list the label to use it.",
        )
    return Slice(
        z,
        role,
        _frozen(image[cut]),
        None if areas is None else _frozen(recode(areas[cut], to_area)),
        None if layers is None else _frozen(recode(layers[cut], to_layer)),
        tuple(window) if window else None,
        image.shape,
        {key.removeprefix("truth."): _frozen(array[cut]) for key, array in maps.items()},
        _frozen(image) if window else None,
    )


def _read_map(
    shape: tuple[int, int] | None, names: dict[int, str], path: Path, field: str
) -> np.ndarray | None:
    """A label map from an image, or from what was drawn on it in ImageJ."""
    if path.suffix.lower() not in imagej_rois.ENDINGS:
        return read_labels(path, field)
    # outlines have no size of their own: without an image there is nothing to put them on
    return None if shape is None else imagej_rois.read_rois(path, field, shape, names)


def _in_unit_range(folder: Folder, image: np.ndarray, field: str) -> np.ndarray:
    """Gray values as float32 in [0, 1]; of whole numbers, ``bits`` of the manifest says the range.

    Cameras of 12 bits write into 16, and would fill only a sixteenth of the range.
    """
    bits = folder.manifest.get("bits")
    if image.dtype.kind not in "iu":
        return as_unit_float(image)
    used = int(image.max()).bit_length()
    whole = 8 * image.dtype.itemsize - (image.dtype.kind == "i")
    if type(bits) is int and used > bits:
        remedy = f"Write `bits: {used}`, or leave it out."
        folder.note("bits", f"{bits}, while {field} holds {used}", f"{used} or more", remedy)
    if type(bits) is int:
        return (image / np.float32(2**bits - 1)).astype(np.float32)
    if used < whole - 1 and all("bits are in use" not in each.found for each in folder.problems):
        folder.note(
            field,
            f"gray values up to {image.max()}: {used} of {whole} bits are in use",
            "images that fill their range",
            f"Write `bits: {used + used % 2}` into the manifest, or the pictures stay dark.",
            severity="note",
        )
    return as_unit_float(image)


def _is_window(shape: tuple[int, int], value: Any) -> bool:
    if value is None:  # the same as no window
        return True
    if not isinstance(value, list) or [type(side) for side in value] != [int] * 4:
        return False
    top, left, height, width = value
    return (
        min(top, left) >= 0
        and min(height, width) > 0
        and top + height <= shape[0]
        and left + width <= shape[1]
    )


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array
