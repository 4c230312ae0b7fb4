"""What lies around the microCT phantom's tissue: its bright surface, and debris beside it. Lengths
are in pixels.
"""

import numpy as np
from scipy import ndimage

from helpers.data.phantoms.noise import fibre_noise, smooth_noise

RIM_GRAY, RIM_WIDTH = 0.30, 2.2  # the surface is this much brighter, down to this depth
DEBRIS_REACH = 60  # how far from the tissue shreds of it float
DEBRIS_GRAY = 0.45


def draw_surface(gray: np.ndarray, tissue: np.ndarray, z: int, seed: int) -> None:
    """Blacken what is outside the tissue, brighten its surface here and there, and let shreds of it
    float nearby.

    Parameters
    ----------
    gray : (H, W) array
        Changed in place.
    tissue : (H, W) bool array
    z : int
    seed : int
        Of the sample.
    """
    shape = gray.shape
    # the surface catches stain unevenly
    uneven = np.clip(0.4 + 0.8 * smooth_noise((seed, 71), shape, 60, z, 40), 0, 1.2)
    depth = ndimage.distance_transform_edt(tissue)
    gray += RIM_GRAY * uneven * np.exp(-((depth / RIM_WIDTH) ** 2))
    gray[~tissue] = 0
    outside = ndimage.distance_transform_edt(~tissue)
    row, column = np.indices(shape, np.float32)
    bend = 14 * smooth_noise((seed, 72), shape, 30, z, 30)
    shreds = fibre_noise(
        (seed, 73), row + bend, column + bend, z, width=1.6, length=14.0, steps=(1, 4), z_step=20
    )
    present = smooth_noise((seed, 74), shape, 70, z, 40) > 1.5
    here = ~tissue & (outside > 2) & (outside < DEBRIS_REACH) & present & (shreds > 1.3)
    gray[here] = DEBRIS_GRAY * np.clip(shreds[here] - 0.8, 0, 1.4)
