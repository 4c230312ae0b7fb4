"""Atlases by their BrainGlobe names: ``atlas: brainglobe:allen_mouse_25um``, one section of them.

They come from the package brainglobe-atlasapi where it is installed, and from its own folder on
disk: nothing is downloaded here.
"""

import re
from typing import Any

import numpy as np

from helpers.data.datasets.manifest import Problem, did_you_mean

PREFIX = "brainglobe:"


def is_brainglobe(value: Any) -> bool:
    """Whether a manifest's ``atlas`` is a BrainGlobe name rather than a file."""
    return isinstance(value, str) and value.startswith(PREFIX)


def section(value: str, number: Any, regions: dict[int, str]) -> tuple[np.ndarray, float, str]:
    """Return one section of an atlas as a label map.

    Parameters
    ----------
    value : str
        ``brainglobe:<name>``.
    number : int
        Which section along the first axis, from 0 (BrainGlobe: from the front).
    regions : dict
        Label to the acronym of a structure; all structures below it belong to it, and of two that
        hold each other the later counts.

    Returns
    -------
    labels : (H, W) int32 array
        0 where none of the regions is.
    pixel_size_um : float
    version : str
        Name and version of the atlas.

    Raises
    ------
    Problem
        If the package, the atlas, the section or a region is not there.
    """
    name = value.removeprefix(PREFIX)
    atlas = _opened(name)
    planes = atlas.annotation.shape[0]
    if type(number) is not int or not 0 <= number < planes:
        raise Problem(
            "section",
            "no value" if number is None else repr(number)[:40],
            f"a whole number from 0 to {planes - 1}: which section of {name} the images show",
            "Add `section:`, counted along the atlas's first axis, from the front.",
        )
    plane = np.asarray(atlas.annotation[number])
    structures = list(atlas.structures.values())
    numbers = {each["acronym"]: int(each["id"]) for each in structures}
    labels = np.zeros(plane.shape, np.int32)
    for label, acronym in regions.items():
        if acronym not in numbers:
            raise Problem(
                f"regions.{label}",
                f"{acronym!r:.60}",
                f"the acronym of a structure of {name}",
                did_you_mean(
                    acronym, numbers, f"Structures of {name} are called as in BrainGlobe."
                ),
            )
        below = [
            int(each["id"]) for each in structures if numbers[acronym] in each["structure_id_path"]
        ]
        labels[np.isin(plane, below)] = label
    size = float(np.mean([float(side) for side in atlas.resolution[1:]]))  # z, y, x in µm
    return labels, size, f"{name} {atlas.metadata.get('version', '')}"


def _opened(name: str) -> Any:  # noqa: ANN401 - a class of a package that may be absent
    """An atlas on disk, opened by the package."""
    try:
        from brainglobe_atlasapi import BrainGlobeAtlas
        from brainglobe_atlasapi.list_atlases import get_downloaded_atlases
    except ImportError:
        raise Problem(
            "atlas",
            f"the BrainGlobe atlas {name!r:.60}, without the package that reads it",
            "brainglobe-atlasapi, or a label map of your own",
            "Run `pip install brainglobe-atlasapi`, then `brainglobe install -a NAME`.",
        ) from None
    there = sorted(set(get_downloaded_atlases()))
    if name not in there:
        plain = re.fullmatch(r"\w[\w.-]*", name) is not None
        otherwise = f"Run `brainglobe install -a {name}`." if plain else "Correct the name."
        raise Problem(
            "atlas",
            f"the BrainGlobe atlas {name!r:.60}, which is not on this machine",
            f"one of {', '.join(there) or '(none is installed)'}",
            did_you_mean(name, there, otherwise),
        )
    return BrainGlobeAtlas(name, check_latest=False)
