"""A microCT phantom: slices of one virtual thalamocortical sample with known areas, layers, barrels
and densities.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile
from tqdm import tqdm

from helpers.data import folders
from helpers.data.files import write_yaml
from helpers.data.phantoms.slice_anatomy import LAYERS, Anatomy, draw_anatomy
from helpers.data.phantoms.slice_tissue import Section, draw_section

VERSION = 4  # raise when the same request would draw other pixels
SIZES = {"tiny": (608, 1856), "book": (900, 4000), "real": (1420, 5805)}  # height, width in pixels
SLICES = ((159, "train"), (209, "validation"), (259, "test"), (359, "test"))
SMALLEST = 600  # pixels in height below which areas have no room for a training patch
AREA_NAMES = {1: "Cortex", 2: "Striatum", 4: "VP", 5: "ZI", 6: "WM", 7: "Hypothalamus", 8: "WM"}


def draw_slice(z: int, shape: tuple[int, int], seed: int = 0) -> tuple[Anatomy, Section]:
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


def generate(
    out: str | Path,
    *,
    seed: int = 0,
    size: str | Sequence[int] = "book",
    slices: Sequence[tuple[int, str]] = SLICES,
    progress: bool = False,
    force: bool = False,
) -> Path:
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
    out, shape = Path(out), _shape(size)
    depths = [int(z) for z, _ in slices]
    if len(set(depths)) < len(depths) or not depths:
        raise ValueError(f"slices must be different depths z, found {depths}")
    request = {
        "generator": "microct",
        "version": VERSION,
        "seed": int(seed),
        "shape": list(shape),
        "slices": [[int(z), str(role)] for z, role in slices],
    }
    if not folders.is_done(out, request, force):
        with folders.new_folder(out) as partial:
            _write(partial, request, progress)
    return out


def _shape(size: str | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, str) and size not in SIZES:
        raise ValueError(
            f"size must be one of {', '.join(SIZES)} or (height, width) in pixels, found {size!r}"
        )
    height, width = (int(side) for side in (SIZES[size] if isinstance(size, str) else size))
    if height < SMALLEST or width < 3 * height:
        raise ValueError(
            f"the sample must be at least {SMALLEST} px high and three times as wide, found "
            f"{height}×{width}: smaller areas have no room for a 128×128 training patch"
        )
    return height, width


def _write(out: Path, request: dict, progress: bool) -> None:
    """Draw all slices, two at a time, and write them with their manifest."""
    shape, seed = tuple(request["shape"]), request["seed"]
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_write_slice, out, z, role, shape, seed) for z, role in request["slices"]
        ]
        entries = [job.result() for job in tqdm(jobs, desc="phantom slices", disable=not progress)]
    write_yaml(
        out / "dataset.yml",
        {
            "schema": 1,
            "kind": "microct",
            "name": "thalamocortical-phantom",
            "pixel_size_um": 1.17,
            "areas": AREA_NAMES,
            "layers": dict(enumerate(LAYERS, start=1)),
            "slices": entries,
            "phantom": request,
        },
    )


def _write_slice(out: Path, z: int, role: str, shape: tuple[int, int], seed: int) -> dict:
    anatomy, section = draw_slice(z, shape, seed)
    maps = {
        "areas": anatomy.areas * anatomy.annotated,
        "layers": anatomy.layers * anatomy.annotated,
        "barrels": anatomy.barrels * anatomy.annotated,
        "cell_density": np.round(section.cell_density).astype(np.uint16),
        "axon_density": np.round(255 * section.axon_density).astype(np.uint8),
    }
    tifffile.imwrite(out / f"z{z}.tif", section.image)
    names = {name: f"z{z}_{name}.tif" for name in maps}
    for name, array in maps.items():
        tifffile.imwrite(out / names[name], array, compression="zlib")
    truth = {name: names.pop(name) for name in ("barrels", "cell_density", "axon_density")}
    return {"z": z, "role": role, "image": f"z{z}.tif", **names, "truth": truth}
