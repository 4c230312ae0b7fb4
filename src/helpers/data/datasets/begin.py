"""Write a first ``dataset.yml`` for a folder of images, to be corrected by hand."""

import re
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import SUFFIXES, read_array, read_npy
from helpers.data.datasets.manifest import MANIFEST, Problem
from helpers.data.files import atomic

LABEL_WORDS = ("area", "label", "annot", "roi", "seg", "mask")


def begin(folder: Path) -> Path:
    """Write ``dataset.yml`` into ``folder`` from what its images look like and return its path.

    Label maps are recognised by their names (``…_areas``, ``…_labels``, …) and matched to images by
    the number both carry; several (N, H, W) or a name such as ``images.npy`` make a population.

    Raises
    ------
    FileExistsError
        If a manifest is there already; it is never overwritten.
    FileNotFoundError
        If the folder is missing or holds no image.
    """
    path = folder / MANIFEST
    if path.exists():
        raise FileExistsError(f"{path} exists already; nothing was written")
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(
            f"{folder}: found no image; expected a folder with {', '.join(SUFFIXES)} files"
        )
    stack = next(
        (p for p in files if p.suffix == ".npy" and _dimensions(p) == 3),
        None,
    )
    with atomic(path) as temporary:
        temporary.write_text(
            f"schema: 1\nkind: {'population' if stack else 'microct'}\n"
            f"name: {folder.resolve().name}\n"
            + (_population(stack, files) if stack else _microct(files)),
            encoding="utf-8",
        )
    return path


def _dimensions(path: Path) -> int:
    try:
        return read_npy(path, "")[0].ndim
    except (ValueError, OSError, Problem):
        return 0


def _microct(files: list[Path]) -> str:
    maps = [p for p in files if _is_map(p)]
    found: set[int] = set()
    lines = []
    for index, image in enumerate(p for p in files if p not in maps):
        z = _number(image.stem, index)
        # The label map of z159.tif is the one whose name holds the same number.
        partner = next((p for p in maps if _number(p.stem, -1) == z), None)
        found.update(_labels(partner))
        role = "train" if partner and not lines else "test"
        areas = f", areas: {partner.name}" if partner else ""
        lines.append(
            f"  - {{z: {z}, role: {role}, image: {image.name}{areas}}}"
            "   # check: role is train, validation or test\n"
        )
    areas = ", ".join(f"{label}: area{label}" for label in sorted(found)) or "1: first, 2: second"
    return (
        "pixel_size_um: 1.0   # check: micrometres per pixel\n"
        f"areas: {{{areas}}}   # check: names of the labels; 0 is not annotated\n"
        "slices:\n" + "".join(lines)
    )


def _population(stack: Path, files: list[Path]) -> str:
    atlas = next((p for p in files if _is_map(p, "atlas")), None)
    regions = ", ".join(f"{label}: region{label}" for label in _labels(atlas) or [1])
    return (
        "pixel_size_um: 25.0   # check: micrometres per pixel\n"
        f"images: {stack.name}\n"
        f"atlas: {atlas.name if atlas else 'atlas.tif'}   # check: label map on the images' grid\n"
        f"regions: {{{regions}}}   # check: names of the labels\n"
    )


def _is_map(path: Path, *more: str) -> bool:
    return any(word in path.stem.lower() for word in (*LABEL_WORDS, *more))


def _labels(path: Path | None) -> list[int]:
    """The labels above 0 in a label map; none if there is no map or it cannot be read."""
    try:
        array = read_array(path, "") if path else np.zeros((1, 1))
        return [int(value) for value in np.unique(array) if value > 0]
    except Problem:
        return []


def _number(stem: str, default: int) -> int:
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else default
