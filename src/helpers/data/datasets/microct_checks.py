"""Whether slices can play their roles: room for patches, apart from each other, one name each."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.data.datasets.reading import Folder
from helpers.data.patches import SIZE, allowed_centres

APART_UM = 50.0  # least distance between slices of different roles (A §III.1)


def check_room(folder: Folder, train: Sequence[Any], areas: Sequence[str]) -> None:
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


def check_repeats(folder: Folder, slices: Sequence[Any]) -> None:
    """Two images may not go by one name: z, and the window."""
    for a, b in itertools.combinations(slices, 2):
        if (a.z, a.window) == (b.z, b.window) and not np.array_equal(a.image, b.image):
            folder.note(
                "slices",
                f"two different images with z = {a.z}",
                "one image for each z (and window)",
                "Give one of them another z; slices of several animals need numbers apart.",
            )


def check_distances(folder: Folder, slices: Sequence[Any]) -> None:
    """Warn once of slices of different roles that lie close, and name the closest two."""
    pixel = folder.pixel_size_um
    depth = min(folder.told_depths, default=pixel)  # of a volume that says how far its planes are
    pairs = [pair for pair in itertools.combinations(slices, 2) if pair[0].role != pair[1].role]
    near = [(_distance(a, b, depth, pixel), a, b) for a, b in pairs]
    near = [one for one in near if one[0] < APART_UM]
    if near:
        distance, a, b = min(near, key=lambda one: one[0])
        more = f", and {len(near) - 1} more such pairs" if len(near) > 1 else ""
        folder.note(
            "slices",
            f"z = {a.z} ({a.role}) and z = {b.z} ({b.role}) {distance:.0f} µm apart{more}",
            f"{APART_UM:.0f} µm or more between roles",
            "Scores may be too good: neighbours share cells.",
            severity="warning",
        )


def _distance(a: Any, b: Any, depth: float, pixel: float) -> float:
    """Micrometres between two slices; windows of one slice are apart within its plane."""
    first, second = (np.array(piece.window or (0, 0, *piece.full_shape)) for piece in (a, b))
    apart = np.maximum(first[:2] - second[:2] - second[2:], second[:2] - first[:2] - first[2:])
    return float(np.linalg.norm([(a.z - b.z) * depth, *(apart.clip(0) * pixel)]))
