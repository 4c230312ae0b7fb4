"""The population phantom's anatomy from a real average template and its annotation."""

import hashlib
import re
from pathlib import Path

import nrrd
import numpy as np
import tifffile
from scipy import ndimage

from helpers.data import ccf
from helpers.data.phantoms.brain_atlas import SHAPE, Anatomy


def load(
    template: str | Path | None = None,
    annotation: str | Path | None = None,
    structures: str | Path | None = None,
    ap: int | None = None,
) -> Anatomy:
    """Read an average section with its annotation.

    Parameters
    ----------
    template, annotation : path
        A coronal section (320, 456) or (320, 448) as TIFF, or a 25 µm volume as NRRD.
    structures : path
        Structure graph (JSON) that names the annotation's ids.
    ap : int, optional
        Section of the volumes; by default the number behind ``ap`` in the template's file name,
        else 286.

    Returns
    -------
    Anatomy

    Raises
    ------
    ValueError
        If one of the three is not given, a file cannot be read or the shapes do not fit.
    """
    if not (template and annotation and structures):
        raise ValueError(
            "template, annotation and structures belong together: give all three, or none for the "
            "drawn section"
        )
    if ap is None:
        named = re.search(r"ap(\d{3})", Path(template).name)
        ap = int(named.group(1)) if named else ccf.SECTION
    base, labels = _section(template, ap).astype(np.float32), _section(annotation, ap)
    families = ccf.read_graph(structures)
    mask = {
        name: ccf.region_mask(labels, families, name)
        for name in ("HIP", "STR", "Isocortex", "VS", "SSp")
    }
    bright = np.percentile(base[labels > 0], 99.8)
    if not bright > 0:
        raise ValueError(
            f"{template} is dark where the annotation shows tissue; expected an average template "
            f"of section {ap}"
        )
    layer4 = [n for n in families if n.startswith("SSp") and n.endswith("4")]
    digest = hashlib.sha256(base.tobytes() + labels.tobytes()).hexdigest()[:12]
    return Anatomy(
        base=(0.78 * base / bright).clip(0, 0.95),
        atlas=ccf.region_atlas(labels, families),
        brain=labels > 0,
        hippocampus=mask["HIP"],
        striatum=mask["STR"],
        cortex=mask["Isocortex"],
        ventricles=mask["VS"],
        barrels=_barrels(mask["SSp"] & np.isin(labels, sum((families[n] for n in layer4), []))),
        name=f"template AP {ap} ({digest})",
    )


def _section(path: str | Path, ap: int) -> np.ndarray:
    """A section (320, 448) from a file that holds one section or a volume."""
    path = Path(path)
    try:
        image = nrrd.read(str(path))[0] if path.suffix.lower() == ".nrrd" else tifffile.imread(path)
    except Exception as error:  # readers raise what they like for a broken file
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:100]}); "
            "expected a NRRD volume or a TIFF section"
        ) from None
    if image.ndim == 3:
        return ccf.section_of(image, ap)
    if image.shape == ccf.VOLUME_SHAPE[1:]:
        image = image[:, ccf.COLUMNS]
    if image.shape != SHAPE:
        raise ValueError(
            f"{path} has shape {image.shape}; expected a section {ccf.VOLUME_SHAPE[1:]} or "
            f"{SHAPE}, or a volume {ccf.VOLUME_SHAPE}"
        )
    return image


def _barrels(layer4: np.ndarray, period: float = 11.0) -> np.ndarray:
    """Barrels as bright centres every ``period`` px along layer 4 of SSp, one row on each side."""
    parts, count = ndimage.label(layer4)
    pattern = np.zeros(layer4.shape, np.float32)
    for part in range(1, count + 1):
        where = np.argwhere(parts == part)
        if len(where) >= 40:
            middle = where - where.mean(0)
            axis = np.linalg.svd(middle, full_matrices=False)[2][0]
            pattern[tuple(where.T)] = 0.35 + 0.65 * np.cos(2 * np.pi * (middle @ axis) / period)
    return ndimage.gaussian_filter(pattern, 1.2)
