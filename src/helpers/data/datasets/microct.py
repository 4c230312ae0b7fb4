"""A microCT dataset folder: gray slices, their area labels, and the role each slice plays."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import read_array, read_image, read_labels
from helpers.data.datasets.manifest import (
    DatasetError,
    Problems,
    check_keys,
    fingerprint,
    names_by_label,
    positive_number,
    read_manifest,
    resolve,
)

ROLES = ("train", "validation", "test")
PATCH = 128  # side of a training patch in pixels (A §III.1)
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
    """

    path: Path
    name: str
    pixel_size_um: float
    areas: tuple[str, ...]
    layers: tuple[str, ...]
    fingerprint: str
    is_phantom: bool
    _slices: tuple[Slice, ...]

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
    dataset, problems = read_microct(Path(path))
    if dataset is None:
        raise DatasetError(Path(path), problems.errors)
    return dataset


def read_microct(folder: Path) -> tuple[MicroCT | None, Problems]:
    """Return the dataset (None if it has errors) and everything that was noticed."""
    manifest = read_manifest(folder, "microct")
    problems = Problems()
    check_keys(
        manifest,
        {"schema", "kind", "name", "pixel_size_um", "areas", "slices"},
        {"layers", "phantom"},
        "",
        problems,
    )
    pixel_size = (
        positive_number(manifest.get("pixel_size_um"), "pixel_size_um", problems)
        if "pixel_size_um" in manifest
        else None
    )
    listed = names_by_label(manifest["areas"], "areas", problems) if "areas" in manifest else {}
    layer_names = (
        names_by_label(manifest["layers"], "layers", problems) if "layers" in manifest else {}
    )
    areas = tuple(sorted(set(listed.values()), key=lambda name: (name.casefold(), name)))
    if len(areas) == 1:
        problems.error(
            "areas",
            f"one area ({areas[0]})",
            "two areas or more",
            "A classifier needs something to tell apart.",
        )
    entries = manifest.get("slices")
    if "slices" in manifest and not (
        isinstance(entries, list) and entries and all(isinstance(e, dict) for e in entries)
    ):
        problems.error(
            "slices",
            repr(entries)[:80],
            "a list of slices",
            "Write for example `- {z: 159, role: train, image: z159.tif, areas: z159_areas.tif}`.",
        )
        entries = []
    files: list[Path] = []
    seen_labels: set[int] = set()
    slices = [
        piece
        for index, entry in enumerate(entries or [])
        if (
            piece := _read_slice(
                folder,
                entry,
                f"slices[{index}].",
                listed,
                areas,
                layer_names,
                files,
                seen_labels,
                problems,
            )
        )
    ]
    if not problems.errors:
        _check_listed_labels(listed, seen_labels, slices, problems)
        _check_roles(slices, areas, pixel_size, problems)
    if problems.errors:
        return None, problems
    layers = tuple(layer_names[label] for label in layer_names)
    return MicroCT(
        folder,
        str(manifest["name"]),
        pixel_size,
        areas,
        layers,
        fingerprint(folder, files),
        "phantom" in manifest,
        tuple(slices),
    ), problems


def _read_slice(
    folder, entry, where, listed, areas, layer_names, files, seen_labels, problems
) -> Slice | None:
    """Return one entry of ``slices``, or None after reporting what is wrong with it."""
    before = len(problems.errors)
    check_keys(
        entry, {"z", "role", "image"}, {"areas", "layers", "window", "truth"}, where, problems
    )
    z, role = entry.get("z"), entry.get("role")
    if "z" in entry and (not isinstance(z, int) or isinstance(z, bool)):
        problems.error(
            f"{where}z", repr(z), "a whole number", "Give the slice's index in its volume."
        )
    if "role" in entry and role not in ROLES:
        problems.error(f"{where}role", repr(role), " or ".join(ROLES), "Choose one.")
    if role in ("train", "validation") and "areas" not in entry:
        problems.error(
            f"{where}areas",
            "no value",
            f"a label map, because the role is {role}",
            "Name one, or give the slice the role test.",
        )

    def read(key, reader, value):
        path = resolve(folder, value, f"{where}{key}", problems)
        if path is None:
            return None
        files.append(path)
        return reader(path, f"{where}{key}", problems)

    image = read("image", read_image, entry["image"]) if "image" in entry else None
    labels = read("areas", read_labels, entry["areas"]) if "areas" in entry else None
    layers = read("layers", read_labels, entry["layers"]) if "layers" in entry else None
    truth_entry = entry.get("truth", {})
    if not isinstance(truth_entry, dict):
        problems.error(
            f"{where}truth",
            repr(truth_entry)[:80],
            "a mapping of names to files",
            "Write for example `{barrels: z159_barrels.tif}`.",
        )
        truth_entry = {}
    truth = {name: read(f"truth.{name}", read_array, value) for name, value in truth_entry.items()}
    if image is None or len(problems.errors) > before:
        return None
    for key, array in {
        "areas": labels,
        "layers": layers,
        **{f"truth.{name}": a for name, a in truth.items()},
    }.items():
        if array is not None and array.shape != image.shape:
            problems.error(
                f"{where}{key}",
                f"shape {array.shape}",
                f"the image's shape {image.shape}",
                "Export the label map on the image's own grid.",
            )
    window = _check_window(entry.get("window"), image.shape, where, problems)
    if len(problems.errors) > before:
        return None
    cut = (
        (slice(None), slice(None))
        if window is None
        else (slice(window[0], window[0] + window[2]), slice(window[1], window[1] + window[3]))
    )
    if labels is not None:
        values, counts = np.unique(labels[cut], return_counts=True)
        seen_labels.update(np.unique(labels).tolist())
        for value, count in zip(values.tolist(), counts.tolist()):
            if value and value not in listed:
                problems.warn(
                    f"{where}areas",
                    f"label {value} in {count} pixels, which `areas` does not list",
                    "only listed labels",
                    "These pixels count as not annotated; list the label to use it.",
                )
    to_class = {label: areas.index(name) + 1 for label, name in listed.items()}
    to_layer = {label: position for position, label in enumerate(layer_names, start=1)}
    return Slice(
        z,
        role,
        _frozen(image[cut]),
        _recode(labels, to_class, cut),
        _recode(layers, to_layer, cut),
        window,
        image.shape,
        {name: _frozen(array[cut]) for name, array in truth.items()},
    )


def _check_window(window, shape, where, problems) -> tuple[int, int, int, int] | None:
    if window is None:
        return None
    good = (
        isinstance(window, list)
        and len(window) == 4
        and all(isinstance(v, int) and not isinstance(v, bool) for v in window)
    )
    if (
        not good
        or min(window[:2]) < 0
        or min(window[2:]) < 1
        or window[0] + window[2] > shape[0]
        or window[1] + window[3] > shape[1]
    ):
        problems.error(
            f"{where}window",
            repr(window),
            f"[top, left, height, width] inside the image's {shape}",
            "Correct it.",
        )
        return None
    return tuple(window)


def _recode(labels, to_class, cut) -> np.ndarray | None:
    """Return labels as uint8 classes 1…n; labels that are not listed become 0."""
    if labels is None:
        return None
    table = np.zeros(int(labels.max(initial=0)) + 1, np.uint8)
    for label, number in to_class.items():
        if label < table.size:
            table[label] = number
    return _frozen(table[labels[cut]])


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _check_listed_labels(listed, seen, slices, problems) -> None:
    if not any(piece.areas is not None for piece in slices):
        return
    for label, name in listed.items():
        if label not in seen:
            problems.error(
                f"areas.{label}",
                f"label {label} ({name}), which occurs in no slice",
                "labels that occur",
                "Remove it from `areas`, or correct the number.",
            )


def _check_roles(slices, areas, pixel_size, problems) -> None:
    """Check what each role needs: every area in the training slices, large enough for one patch."""
    from helpers.data.patches import allowed_centres

    train = [piece for piece in slices if piece.role == "train"]
    for number, name in enumerate(areas, start=1):
        if not train:
            break
        pixels = sum(int((piece.areas == number).sum()) for piece in train)
        where = f"the training slice z = {train[0].z}" if len(train) == 1 else "the training slices"
        if pixels == 0:
            problems.error(
                f"areas: {name}",
                f"no pixel in {where}",
                "some pixels of every area",
                "Annotate it there, or remove it from `areas`.",
            )
        elif not any(allowed_centres(piece.areas, number).any() for piece in train):
            problems.error(
                f"areas: {name}",
                f"{pixels} pixels, but no {PATCH}×{PATCH} window that lies wholly inside",
                "room for one training patch",
                "Annotate a larger part, or remove the area from `areas`.",
            )
    for a, b in itertools.combinations(slices, 2):
        if a.role != b.role and (distance := _distance_um(a, b, pixel_size)) < APART_UM:
            problems.warn(
                "slices",
                f"z = {a.z} ({a.role}) and z = {b.z} ({b.role}) {distance:.0f} µm apart",
                f"{APART_UM:.0f} µm or more between roles",
                "Scores may be too good: neighbours share cells.",
            )


def _distance_um(a: Slice, b: Slice, pixel_size: float) -> float:
    """Return the distance between two slices; windows of one slice are apart within its plane."""
    gaps = [abs(a.z - b.z)]
    boxes = [piece.window or (0, 0, *piece.full_shape) for piece in (a, b)]
    for axis in (0, 1):
        (first, length), (second, other) = sorted((box[axis], box[axis + 2]) for box in boxes)
        gaps.append(max(0, second - first - length))
    return float(np.linalg.norm(gaps)) * pixel_size
