"""Where things are in the microCT phantom: areas, layers, barrels and fibre directions of one
slice.

The sample is described once, on a unit rectangle (u along the sample from hypothalamus to pia, v
downwards across it). A slice at depth z looks the description up through a displacement that
changes smoothly with z, so the same structures wander from slice to slice.
"""

from dataclasses import dataclass

import numpy as np

from helpers.data.phantoms.noise import smooth_noise

# Label codes as in the archive of the real sample, where 3 is the thalamic reticular nucleus; the
# manifest joins 6 and 8 as WM.
CORTEX, STRIATUM, VP, ZI, CAPSULE, HYPOTHALAMUS, CALLOSUM = 1, 2, 4, 5, 6, 7, 8
N_CODES = 9  # 0 to 8
LAYERS = ("L1", "L2/3", "L4", "L5", "L6")
# Lower borders of L1, L2/3, L4, L5 as a share of the cortex's thickness.
LAYER_DEPTHS = (0.10, 0.29, 0.42, 0.70)
UNANNOTATED_RIM = 14, 8  # pixels along the cut faces above and below, and at the sample's two ends
CALLOSUM_U, CORTEX_U, PIA_U = 0.668, 0.690, 0.988  # where these begin along the sample; its end
BARREL_PERIOD = 0.17  # of the sample's height
# Curves v(u) that bound areas: the sample's faces, and both sides of the internal capsule.
CURVES = {
    "top": (
        [
            0,
            0.0182,
            0.0456,
            0.0821,
            0.128,
            0.182,
            0.274,
            0.383,
            0.456,
            0.547,
            0.657,
            0.775,
            0.866,
            1,
        ],
        [0.62, 0.48, 0.33, 0.14, 0.06, 0.08, 0.11, 0.12, 0.12, 0.09, 0.07, 0.05, 0.035, 0.035],
    ),
    "bottom": (
        [0, 0.0182, 0.0547, 0.109, 0.182, 0.274, 0.365, 0.456, 0.52, 0.584, 0.62, 0.684, 0.821, 1],
        [0.62, 0.74, 0.88, 0.90, 0.91, 0.93, 0.95, 0.965, 0.97, 0.95, 0.965, 0.96, 0.965, 0.97],
    ),
    "capsule_inner": (
        [0.182, 0.228, 0.301, 0.365, 0.41, 0.447, 0.479, 0.502, 0.524],
        [0.48, 0.455, 0.44, 0.45, 0.49, 0.57, 0.69, 0.84, 1.02],
    ),
    "capsule_outer": (
        [0.429, 0.447, 0.474, 0.511, 0.547, 0.579, 0.597, 0.606],
        [-0.1, 0.10, 0.24, 0.39, 0.54, 0.72, 0.92, 1.1],
    ),
}
# Fibres that run straight, by their angle in degrees; and in arcs, by the centre (u, v) of these
# and how much wider than high they are.
STRAIGHT = {HYPOTHALAMUS: 60, ZI: 50, STRIATUM: -20, CORTEX: 0, CALLOSUM: 88}
ARCS = {VP: (0.64, 1.5, 1.0), CAPSULE: (0.365, 1.05, 0.8)}
# How strongly fibres swirl, in pixels; wound most in the capsule, hardly in the callosum.
SWIRL = {CALLOSUM: 4, VP: 9, CAPSULE: 14}


@dataclass(frozen=True)
class Anatomy:
    """What every pixel of one slice belongs to.

    Attributes
    ----------
    areas : (H, W) uint8
        Archive label codes, 0 outside the tissue.
    annotated : (H, W) bool
        Where labels are given: not along the tissue's edge, where hand annotation stops too.
    depth : (H, W) float32
        In cortex, 0 at the pia to 1 at the white matter; 0 elsewhere.
    layers : (H, W) uint8
        1…5 in cortex, 0 elsewhere.
    barrels : (H, W) uint8
        0 outside barrels, 1, 2, … inside them.
    across, along : (H, W) float32
        Coordinates in pixels across and along the fibres; constant `across` is a fibre's path.
    """

    areas: np.ndarray
    annotated: np.ndarray
    depth: np.ndarray
    layers: np.ndarray
    barrels: np.ndarray
    across: np.ndarray
    along: np.ndarray


def draw_anatomy(z: int, shape: tuple[int, int], seed: int) -> Anatomy:
    """Lay out one slice of the sample.

    Parameters
    ----------
    z : int
        Slice index; one slice is as thick as a pixel is wide.
    shape : (H, W)
    seed : int
        Of the sample: equal for all slices of one sample.

    Returns
    -------
    Anatomy
    """
    height, width = shape
    aspect = width / height
    wander = [smooth_noise((seed, 1, axis), shape, height / 3, z, 160) * 0.016 for axis in (0, 1)]
    ragged = [smooth_noise((seed, 2, axis), shape, 24, z, 30) * (2.0 / height) for axis in (0, 1)]
    # here and there the cut faces are torn
    torn = 14 / height * np.clip(smooth_noise((seed, 5), shape, 60, z, 60) - 1, 0, 2)
    v = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height + wander[0] + ragged[0]
    u = (np.arange(width, dtype=np.float32)[None] + 0.5) / width + (wander[1] + ragged[1]) / aspect

    top, bottom, inner, outer = (np.interp(u, *curve) for curve in CURVES.values())
    pia = PIA_U - 0.016 * (2 * v - 1) ** 2
    tissue = (v > top + torn) & (v < bottom - torn) & (u < pia) & (u > 0.008)
    rim_v, rim_u = UNANNOTATED_RIM[0] / height, UNANNOTATED_RIM[1] / width
    annotated = (
        tissue & (v > top + rim_v) & (v < bottom - rim_v) & (u < pia - rim_u) & (u > 0.008 + rim_u)
    )

    bend = 0.010 * np.sin(4.4 * v - 0.9) + 0.012 * (v - 0.5)
    callosum_left = CALLOSUM_U + bend - 0.012 * np.clip(v - 0.7, 0, 1)
    callosum_right = CORTEX_U + bend
    areas = np.select(
        [
            ~tissue,
            u > callosum_right,
            u > callosum_left,
            u < 0.223 - 0.160 * np.clip(v - 0.30, 0, 1),
            (v < outer) | (u > 0.606),
            v < inner,
            u < 0.397 - 0.18 * (v - 0.37) - 0.036 * np.sin(3 * (v - 0.37)),
        ],
        [0, CORTEX, CALLOSUM, HYPOTHALAMUS, STRIATUM, CAPSULE, ZI],
        VP,
    ).astype(np.uint8)

    cortex = areas == CORTEX
    depth = np.where(cortex, (pia - u) / (pia - callosum_right), 0).astype(np.float32)
    layers = np.where(cortex, 1 + np.digitize(depth, LAYER_DEPTHS), 0).astype(np.uint8)
    barrels = _barrels(v, depth, layers, z, seed)
    across, along = _fibre_coordinates(u * width, v * height, areas)
    swirl = np.full(N_CODES, 12, np.float32)
    swirl[list(SWIRL)] = list(SWIRL.values())
    across += swirl[areas] * smooth_noise((seed, 4), shape, 75, z, 60)
    return Anatomy(areas, annotated, depth, layers, barrels, across, along)


def _barrels(v: np.ndarray, depth: np.ndarray, layers: np.ndarray, z: int, seed: int) -> np.ndarray:
    """Rounded boxes in a row along layer 4, separated by septa; size and place drift with z."""
    rng = np.random.default_rng([seed, 3])
    count = int(1 / BARREL_PERIOD) + 2
    phase, size_phase = rng.uniform(0, 2 * np.pi, (2, count))
    wander = 0.15 * np.sin(z / 150 + phase[0])
    number = np.clip(np.floor(v / BARREL_PERIOD + 0.5 + wander), 0, count - 1).astype(int)
    half = (0.37 + 0.05 * np.sin(z / 110 + size_phase))[number]
    across = (v / BARREL_PERIOD + wander - number) / half
    middle, thickness = (LAYER_DEPTHS[1] + LAYER_DEPTHS[2]) / 2, LAYER_DEPTHS[2] - LAYER_DEPTHS[1]
    inside = across**4 + ((depth - middle) / (0.43 * thickness)) ** 4 < 1
    return np.where(inside & (layers == 3), number + 1, 0).astype(np.uint8)


def _fibre_coordinates(
    x: np.ndarray, y: np.ndarray, areas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates across and along the fibres of each area, in pixels, (H, W) float32 each."""
    height, width = areas.shape
    across, along = np.zeros(areas.shape, np.float32), np.zeros(areas.shape, np.float32)
    for area, degrees in STRAIGHT.items():
        here, a = areas == area, np.deg2rad(degrees)
        along[here] = (x * np.cos(a) - y * np.sin(a))[here]
        across[here] = (x * np.sin(a) + y * np.cos(a))[here]
    for area, (centre_u, centre_v, stretch) in ARCS.items():
        here = areas == area
        dx, dy = (x[here] - centre_u * width) * stretch, y[here] - centre_v * height
        across[here] = np.hypot(dx, dy)
        along[here] = np.arctan2(dy, dx) * (np.median(np.hypot(dx, dy)) if here.any() else 0)
    return across, along


def fibre_angle(anatomy: Anatomy) -> np.ndarray:
    """Return the direction of the fibres at every pixel, as an angle from the columns' axis in
    radians, (H, W) float32.
    """
    gy, gx = np.zeros_like(anatomy.across), np.zeros_like(anatomy.across)
    gy[3:-3] = anatomy.across[6:] - anatomy.across[:-6]
    gx[:, 3:-3] = anatomy.across[:, 6:] - anatomy.across[:, :-6]
    return np.arctan2(-gx, gy)
