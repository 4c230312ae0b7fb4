"""A microCT dataset folder: gray slices, their area labels, and the role each slice plays."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from helpers.data.datasets.images import read_array, read_image, read_labels, recode
from helpers.data.datasets.manifest import Problem, key_problems
from helpers.data.datasets.reading import Folder
from helpers.data.datasets.roles import read_roles
from helpers.data.patches import SIZE, allowed_centres

ROLES = ("train", "validation", "test")
APART_UM = 50.0  # least distance between slices of different roles (A §III.1)


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
    """

    z: int
    role: str
    image: np.ndarray
    areas: np.ndarray | None
    layers: np.ndarray | None
    window: tuple[int, int, int, int] | None
    full_shape: tuple[int, int]
    truth: dict[str, np.ndarray] = field(default_factory=dict)

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
    folder = Folder(path, "microct", {"areas", "slices"}, {"layers", "roles", "colours", "compare"})
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
        _read_slice(folder, entry, f"slices[{index}].", to_area, to_layer, seen)
        for index, entry in enumerate(entries or [])
    )
    if not folder.errors():
        if any(piece.areas is not None for piece in slices):
            folder.check_labels_occur("areas", names, seen, "occurs in no slice")
        _check_room(folder, [piece for piece in slices if piece.role == "train"], areas)
        _check_distances(folder, slices)
        _check_repeats(folder, slices)
    shared = {"roles": read_roles(folder, areas), **folder.wishes(areas)}
    shared |= folder.finish()
    return MicroCT(
        areas=areas, layers=tuple(layers.values()), _slices=slices, **shared
    ), folder.problems


def _read_slice(
    folder: Folder,
    entry: dict,
    where: str,
    to_area: dict[int, int],
    to_layer: dict[int, int],
    seen: set[int],
) -> Slice | None:
    """Return one entry of ``slices``, or None after noting what is wrong with it.

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
    image = folder.content(entry, "image", read_image, where)
    maps = {key: folder.content(entry, key, read_labels, where) for key in ("areas", "layers")}
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
    )


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


def _check_room(folder: Folder, train: Sequence[Slice], areas: Sequence[str]) -> None:
    """Every area must occur in the training slices, large enough for one patch."""
    place = f"the training slice z = {train[0].z}" if len(train) == 1 else "the training slices"
    for number, name in enumerate(areas if train else (), start=1):
        pixels = sum(int((piece.areas == number).sum()) for piece in train)
        if pixels == 0:
            folder.note(
                f"areas: {name}",
                f"no pixel in {place}",
                "some pixels of every area",
                "Annotate it there, or remove it from `areas`.",
            )
        elif not any(allowed_centres(piece.areas, number).any() for piece in train):
            folder.note(
                f"areas: {name}",
                f"{pixels} pixels, but no {SIZE}×{SIZE} window that lies wholly inside",
                "room for one training patch",
                "Annotate a larger part, or remove the area from `areas`.",
            )


def _check_repeats(folder: Folder, slices: Sequence[Slice]) -> None:
    """Two images may not go by one name: z, and the window."""
    for a, b in itertools.combinations(slices, 2):
        if (a.z, a.window) == (b.z, b.window) and not np.array_equal(a.image, b.image):
            folder.note(
                "slices",
                f"two different images with z = {a.z}",
                "one image for each z (and window)",
                "Give one of them another z; slices of several animals need numbers apart.",
            )


def _check_distances(folder: Folder, slices: Sequence[Slice]) -> None:
    for a, b in itertools.combinations(slices, 2):
        distance = _distance(a, b) * folder.pixel_size_um
        if a.role != b.role and distance < APART_UM:
            folder.note(
                "slices",
                f"z = {a.z} ({a.role}) and z = {b.z} ({b.role}) {distance:.0f} µm apart",
                f"{APART_UM:.0f} µm or more between roles",
                "Scores may be too good: neighbours share cells.",
                severity="warning",
            )


def _distance(a: Slice, b: Slice) -> float:
    """Pixels between two slices; windows of one slice are apart within its plane."""
    first, second = (np.array(piece.window or (0, 0, *piece.full_shape)) for piece in (a, b))
    apart = np.maximum(first[:2] - second[:2] - second[2:], second[:2] - first[:2] - first[2:])
    return float(np.linalg.norm([a.z - b.z, *apart.clip(0)]))
