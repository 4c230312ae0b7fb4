"""A microCT phantom: slices of one virtual thalamocortical sample with known areas, layers, barrels
and densities.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
import yaml
from tqdm import tqdm

from helpers.data.phantoms import folder
from helpers.data.phantoms.slice_anatomy import LAYERS, draw_anatomy
from helpers.data.phantoms.slice_tissue import draw_section

VERSION = 3  # raise when the same request would draw other pixels
SIZES = {"tiny": (608, 1856), "book": (900, 3600), "real": (1420, 5805)}  # height, width in pixels
SLICES = ((159, "train"), (209, "validation"), (259, "test"), (359, "test"))
SMALLEST = 600  # pixels in height below which areas have no room for a training patch
AREA_NAMES = {1: "Cortex", 2: "Striatum", 4: "VP", 5: "ZI", 6: "WM", 7: "Hypothalamus", 8: "WM"}


def draw_slice(z, shape, seed=0):
    """Draw one slice of the sample.

    Parameters
    ----------
    z : int
        Slice index; one slice is as thick as a pixel is wide (1.17 µm).
    shape : (H, W)
    seed : int
        Of the sample.

    Returns
    -------
    anatomy : helpers.data.phantoms.slice_anatomy.Anatomy
    section : helpers.data.phantoms.slice_tissue.Section
    """
    anatomy = draw_anatomy(z, shape, seed)
    return anatomy, draw_section(anatomy, z, seed)


def generate(out, *, seed=0, size="book", slices=SLICES, progress=False, force=False):
    """Write the phantom as a microCT dataset folder.

    The same request again does no work. The cell density is stored as whole cells per mm² (16 bit),
    the axon density as a share of 255 (8 bit).

    Parameters
    ----------
    out : path
    seed : int
        Of the sample.
    size : {"tiny", "book", "real"} or (H, W)
        Pixels of a slice; structures keep their size, a larger sample has more of them.
    slices : sequence of (z, role)
    progress : bool
    force : bool
        Replace a phantom of another request.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        For an unknown size, one too small for training patches, repeated z, or an `out` that holds
        anything else.
    """
    shape = _shape(size)
    slices = [(int(z), str(role)) for z, role in slices]
    if len({z for z, _ in slices}) < len(slices) or not slices:
        raise ValueError(f"slices must be different depths z, found {[z for z, _ in slices]}")
    request = {
        "generator": "microct",
        "version": VERSION,
        "seed": int(seed),
        "shape": list(shape),
        "slices": [[z, role] for z, role in slices],
    }
    if not folder.is_done(out, request, force):
        with folder.new_folder(out) as partial:
            _write(partial, request, progress)
    return Path(out)


def _shape(size):
    if isinstance(size, str):
        if size not in SIZES:
            raise ValueError(
                f"size must be one of {', '.join(SIZES)} or (height, width) in pixels, found {size!r}"
            )
        return SIZES[size]
    height, width = (int(side) for side in size)
    if height < SMALLEST or width < 3 * height:
        raise ValueError(
            f"the sample must be at least {SMALLEST} px high and three times as wide, found {height}×{width}: "
            "smaller areas have no room for a 128×128 training patch"
        )
    return height, width


def _write(out, request, progress):
    """Draw all slices, two at a time, and write them with their manifest."""
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_write_slice, out, z, role, tuple(request["shape"]), request["seed"])
            for z, role in request["slices"]
        ]
        entries = [job.result() for job in tqdm(jobs, desc="phantom slices", disable=not progress)]
    manifest = {
        "schema": 1,
        "kind": "microct",
        "name": "thalamocortical-phantom",
        "pixel_size_um": 1.17,
        "areas": AREA_NAMES,
        "layers": dict(enumerate(LAYERS, start=1)),
        "slices": entries,
        "phantom": request,
    }
    (out / "dataset.yml").write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")


def _write_slice(out, z, role, shape, seed):
    anatomy, section = draw_slice(z, shape, seed)
    maps = {
        "image": section.image,
        "areas": anatomy.areas * anatomy.annotated,
        "layers": anatomy.layers * anatomy.annotated,
        "barrels": anatomy.barrels * anatomy.annotated,
        "cell_density": np.round(section.cell_density).astype(np.uint16),
        "axon_density": np.round(255 * section.axon_density).astype(np.uint8),
    }
    names = {}
    for name, array in maps.items():
        names[name] = f"z{z}.tif" if name == "image" else f"z{z}_{name}.tif"
        tifffile.imwrite(out / names[name], array, compression=None if name == "image" else "zlib")
    truth = {name: names.pop(name) for name in ("barrels", "cell_density", "axon_density")}
    return {"z": z, "role": role, **names, "truth": truth}
