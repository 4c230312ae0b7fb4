"""The population phantom's anatomy from a real average template and its annotation."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
from scipy import ndimage

from helpers.data import ccf
from helpers.data.phantoms.brain_atlas import SHAPE, Anatomy


def load(template, annotation, structures, ap=None):
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
        If a file cannot be read or the shapes do not fit.
    """
    if ap is None:
        named = re.search(r"ap(\d{3})", Path(template).name)
        ap = int(named.group(1)) if named else ccf.SECTION
    base = _section(template, ap).astype(np.float32)
    labels = _section(annotation, ap)
    families = ccf.read_graph(structures)
    mask = {
        name: ccf.region_mask(labels, families, name)
        for name in ("HIP", "STR", "Isocortex", "VS", "SSp")
    }
    bright = np.percentile(base[labels > 0], 99.8)
    if not bright > 0:
        raise ValueError(
            f"{template} is dark where the annotation shows tissue; expected an average template of section {ap}"
        )
    layer4 = mask["SSp"] & np.isin(
        labels,
        [
            i
            for name, ids in families.items()
            if name.startswith("SSp") and name.endswith("4")
            for i in ids
        ],
    )
    digest = hashlib.sha256(base.tobytes() + labels.tobytes()).hexdigest()[:12]
    return Anatomy(
        base=(0.78 * base / bright).clip(0, 0.95),
        atlas=ccf.region_atlas(labels, families),
        brain=labels > 0,
        hippocampus=mask["HIP"],
        striatum=mask["STR"],
        cortex=mask["Isocortex"],
        ventricles=mask["VS"],
        barrels=_barrels(layer4),
        name=f"template AP {ap} ({digest})",
    )


def _section(path, ap):
    """A section (320, 448) from a file that holds one section or a volume."""
    path = Path(path)
    try:
        if path.suffix.lower() == ".nrrd":
            import nrrd

            image, _ = nrrd.read(str(path))
        else:
            import tifffile

            image = tifffile.imread(path)
    except Exception as error:  # readers raise what they like for a broken file
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:100]}); expected a NRRD volume or a TIFF section"
        ) from None
    if image.ndim == 3:
        return ccf.section_of(image, ap)
    if image.shape == ccf.VOLUME_SHAPE[1:]:
        image = image[:, ccf.COLUMNS]
    if image.shape != SHAPE:
        raise ValueError(
            f"{path} has shape {image.shape}; expected a section {ccf.VOLUME_SHAPE[1:]} or {SHAPE}, or a volume {ccf.VOLUME_SHAPE}"
        )
    return image


def _barrels(layer4, period=11.0):
    """Barrels as bright centres every ``period`` px along layer 4 of SSp, one row on each side."""
    parts, count = ndimage.label(layer4)
    pattern = np.zeros(layer4.shape, np.float32)
    for part in range(1, count + 1):
        where = np.argwhere(parts == part)
        if len(where) < 40:
            continue
        middle = where - where.mean(0)
        axis = np.linalg.svd(middle, full_matrices=False)[2][0]
        pattern[tuple(where.T)] = 0.35 + 0.65 * np.cos(2 * np.pi * (middle @ axis) / period)
    return ndimage.gaussian_filter(pattern, 1.2)
