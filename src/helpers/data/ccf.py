"""The Allen common coordinate framework: sections of its volumes, and regions from its structure
graph.

Volumes are (AP, DV, ML) = (528, 320, 456) at 25 µm. The paper's images are the section AP 286,
cut to the 448 columns 4:452.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

VOLUME_SHAPE = (528, 320, 456)
SECTION = 286  # paper C, section 3.1: slice 286 of 528
COLUMNS = slice(4, 452)  # centre crop, 456 -> 448
REGIONS = ("SSp", "HPF", "STR", "TH", "HY", "RSP")


def read_graph(path: str | Path) -> dict[str, list[int]]:
    """Read a structure graph in the service's JSON and check that it is one.

    Returns
    -------
    dict
        Acronym to the list of ids of that structure and all its descendants.

    Raises
    ------
    ValueError
        If the file is not a structure graph.
    """
    families: dict[str, list[int]] = {}
    try:
        for root in json.loads(Path(path).read_text(encoding="utf-8"))["msg"]:
            _collect(root, families)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a structure graph ({type(error).__name__}: {str(error)[:80]}); "
            "expected the JSON of structure_graph_download/1.json, a tree of structures with id, "
            "acronym and children"
        ) from None
    return families


def _collect(node: dict, families: dict[str, list[int]]) -> list[int]:
    """Return the ids of a node and everything below it, filling ``families`` on the way."""
    below = [number for child in node["children"] for number in _collect(child, families)]
    families[node["acronym"]] = [int(node["id"]), *below]
    return families[node["acronym"]]


def section_of(volume: np.ndarray, ap: int | None = None) -> np.ndarray:
    """One coronal section of a 25 µm volume, cut to 448 columns.

    Parameters
    ----------
    volume : (528, 320, 456) array, or its axes in another order
        Readers differ in axis order: the axis of length 528 is found, not assumed.
    ap : int, optional
        286 by default.

    Returns
    -------
    (320, 448) array

    Raises
    ------
    ValueError
        If the shape is not a permutation of (528, 320, 456), or ``ap`` lies outside.
    """
    ap = SECTION if ap is None else ap
    if sorted(volume.shape) != sorted(VOLUME_SHAPE):
        raise ValueError(
            f"volume has shape {volume.shape}; expected the sides {VOLUME_SHAPE} "
            "(AP, DV, ML at 25 µm) in any order"
        )
    if not 0 <= ap < VOLUME_SHAPE[0]:
        raise ValueError(f"section {ap} is outside the volume; expected 0 to {VOLUME_SHAPE[0] - 1}")
    order = [volume.shape.index(side) for side in VOLUME_SHAPE]
    return np.transpose(volume, order)[ap][:, COLUMNS]


def region_mask(labels: np.ndarray, families: dict[str, list[int]], acronym: str) -> np.ndarray:
    """Where an annotation section shows a structure or any of its descendants, bool.

    Raises
    ------
    ValueError
        If the structure graph does not know the acronym.
    """
    if acronym not in families:
        raise ValueError(
            f"the structure graph knows no {acronym!r}; expected an acronym such as "
            + ", ".join(REGIONS)
        )
    return np.isin(labels, families[acronym])


def region_atlas(
    labels: np.ndarray, families: dict[str, list[int]], regions: Sequence[str] = REGIONS
) -> np.ndarray:
    """Label map of some regions, 1…r in their order, 0 elsewhere, (H, W) uint8.

    Raises
    ------
    ValueError
        If a region is unknown, or does not occur in this section.
    """
    atlas = np.zeros(labels.shape, np.uint8)
    for label, acronym in enumerate(regions, start=1):
        mask = region_mask(labels, families, acronym)
        if not mask.any():
            raise ValueError(
                f"{acronym} does not occur in this section of the annotation; expected all of "
                f"{', '.join(regions)}. Is it section {SECTION} of the 25 µm annotation?"
            )
        atlas[mask] = label
    return atlas
