"""Write a first ``dataset.yml`` for a folder of images, to be corrected by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from helpers.data.datasets.images import SUFFIXES, read_array
from helpers.data.datasets.manifest import MANIFEST, Problems
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
    files = (
        sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        if folder.is_dir()
        else []
    )
    if not files:
        raise FileNotFoundError(
            f"{folder}: found no image; expected a folder with {', '.join(SUFFIXES)} files"
        )
    stack = next(
        (
            p
            for p in files
            if p.suffix == ".npy" and np.load(p, mmap_mode="r", allow_pickle=False).ndim == 3
        ),
        None,
    )
    text = _population(folder, stack, files) if stack else _microct(folder, files)
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _microct(folder: Path, files: list[Path]) -> str:
    labels = [p for p in files if any(word in p.stem.lower() for word in LABEL_WORDS)]
    images = [p for p in files if p not in labels]
    found: set[int] = set()
    lines = []
    for index, image in enumerate(images):
        z = _number(image.stem, index)
        # The label map of z159.tif is the one whose name holds the same number.
        partner = next((p for p in labels if _number(p.stem, -1) == z), None)
        role = "train" if partner is not None and not lines else "test"
        entry = f"z: {z}, role: {role}, image: {image.name}" + (
            f", areas: {partner.name}" if partner else ""
        )
        lines.append(f"  - {{{entry}}}   # check: role is train, validation or test")
        array = read_array(partner, "areas", Problems()) if partner else None
        if array is not None:
            found.update(int(value) for value in np.unique(array) if value > 0)
    areas = ", ".join(f"{label}: area{label}" for label in sorted(found)) or "1: first, 2: second"
    return "\n".join(
        [
            "schema: 1",
            "kind: microct",
            f"name: {folder.resolve().name}",
            "pixel_size_um: 1.0   # check: micrometres per pixel",
            f"areas: {{{areas}}}   # check: names of the labels; 0 is not annotated",
            "slices:",
            *lines,
            "",
        ]
    )


def _population(folder: Path, stack: Path, files: list[Path]) -> str:
    atlas = next(
        (
            p
            for p in files
            if "atlas" in p.stem.lower() or any(word in p.stem.lower() for word in LABEL_WORDS)
        ),
        None,
    )
    array = read_array(atlas, "atlas", Problems()) if atlas else None
    found = [int(value) for value in np.unique(array) if value > 0] if array is not None else [1]
    regions = ", ".join(f"{label}: region{label}" for label in found)
    return "\n".join(
        [
            "schema: 1",
            "kind: population",
            f"name: {folder.resolve().name}",
            "pixel_size_um: 25.0   # check: micrometres per pixel",
            f"images: {stack.name}",
            f"atlas: {atlas.name if atlas else 'atlas.tif'}   # check: label map on the images' grid",
            f"regions: {{{regions}}}   # check: names of the labels",
            "",
        ]
    )


def _number(stem: str, default: int) -> int:
    digits = re.findall(r"\d+", stem)
    return int(digits[-1]) if digits else default
