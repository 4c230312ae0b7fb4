"""How large a voxel is, from what microscopes and scanners write beside their images."""

import math
import re
from pathlib import Path
from typing import Any

import tifffile

VoxelSize = tuple[float, float, float] | None

#: Micrometres, by the names that formats use.
UNITS = {
    "um": 1.0, "µm": 1.0, "μm": 1.0, "\\u00b5m": 1.0, "micron": 1.0, "microns": 1.0,
    "micrometer": 1.0, "micrometre": 1.0, "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4,
    "centimetre": 1e4, "m": 1e6, "meter": 1e6, "metre": 1e6,
}  # fmt: skip
SENSIBLE = (1e-4, 1e5)  # µm; anything else is a slip of the pen


def in_um(value: Any, unit: Any) -> float:
    """A length in micrometres; NaN where value or unit say nothing."""
    try:
        length = abs(float(value)) * UNITS[str(unit).strip().casefold()]
    except (KeyError, TypeError, ValueError, OverflowError):
        return math.nan
    return length if SENSIBLE[0] <= length <= SENSIBLE[1] else math.nan


def known(lengths: Any) -> VoxelSize:
    """Three lengths along z, y, x; None where neither y nor x is known."""
    lengths = tuple(float(length) for length in lengths)
    return None if math.isnan(lengths[1]) and math.isnan(lengths[2]) else lengths


def mean_in_plane(voxel: VoxelSize) -> float | None:
    """Size of a pixel of the planes in micrometres; None where it is not known."""
    sides = [side for side in (voxel or ())[1:] if not math.isnan(side)]
    return sum(sides) / len(sides) if sides else None


def of_tiff(path: Path) -> VoxelSize:
    """Voxel size of a TIFF: from OME or ImageJ metadata, or else from a resolution per centimetre.

    A resolution per inch is left aside: most programs write 72 or 300 there, whatever the image.
    """
    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            page = file.pages[0]
            if file.is_ome:
                return _of_ome(str(page.description))
            per_x, per_y = (_ratio(page, name) for name in ("XResolution", "YResolution"))
            if file.is_imagej:
                about = file.imagej_metadata or {}
                unit = about.get("unit", "")
                depth = in_um(about.get("spacing"), unit)
                return known((depth, in_um(per_y, unit), in_um(per_x, unit)))
            unit = page.tags.get("ResolutionUnit")
            if unit is not None and int(unit.value) == 3:
                return known((math.nan, in_um(per_y, "cm"), in_um(per_x, "cm")))
    except Exception:  # the image itself is read elsewhere, and faults are told there
        return None
    return None


def _ratio(page: Any, name: str) -> float:
    """Length of a pixel in the tag's unit; NaN without the tag."""
    tag = page.tags.get(name)
    numerator, denominator = tag.value if tag is not None else (0, 0)
    return denominator / numerator if numerator else math.nan


def _of_ome(description: str) -> VoxelSize:
    """From the attributes of ``Pixels``; OME counts in micrometres unless it says otherwise."""

    def attribute(name: str) -> str:
        found = re.search(rf'\b{name}="([^"]{{0,40}})"', description)
        return found.group(1) if found else ""

    return known(
        in_um(attribute(f"PhysicalSize{axis}"), attribute(f"PhysicalSize{axis}Unit") or "µm")
        for axis in "ZYX"
    )
