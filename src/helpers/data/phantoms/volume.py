"""A phantom volume: consecutive slices of the virtual sample whose slices `microct` draws."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers.data.phantoms.microct import draw_slice

IMAGES, AREAS = "images.npy", "areas.npy"


def draw_volume(
    out: Path,
    z: Sequence[int],
    shape: tuple[int, int],
    seed: int = 0,
    *,
    progress: bool = False,
) -> None:
    """Draw slices of one sample into ``images.npy`` and ``areas.npy``, two at a time.

    Parameters
    ----------
    out : Path
        A folder.
    z : sequence of int
        Slice numbers; one slice is as thick as a pixel is wide (1.17 µm).
    shape : (H, W)
        Of a slice.
    seed : int
        Of the sample.
    progress : bool

    Notes
    -----
    ``images.npy`` is (n, H, W) uint8. ``areas.npy`` holds the label codes of the archive (see
    `helpers.data.phantoms.slice_anatomy`), 0 where nothing is annotated.
    """
    arrays = [
        np.lib.format.open_memmap(out / name, "w+", np.uint8, (len(z), *shape))
        for name in (IMAGES, AREAS)
    ]

    def draw(number: int) -> None:
        anatomy, section = draw_slice(z[number], shape, seed)
        arrays[0][number] = section.image
        arrays[1][number] = anatomy.areas * anatomy.annotated

    with ThreadPoolExecutor(2) as pool:
        slices = pool.map(draw, range(len(z)))
        for _ in tqdm(slices, total=len(z), desc="phantom slices", disable=not progress):
            pass
    for array in arrays:
        array.flush()
