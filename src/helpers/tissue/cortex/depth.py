"""Where in the cortex: depth from pia to white matter, layer bands, straight strips across, and
what is too near the edge of the tissue.

Everything works on arrays that share one grid (pixels, or positions of a dense feature map); sizes
given in pixels are pixels of that grid.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats
from skimage.morphology import remove_small_holes

#: Lower edge of each layer as a fraction of cortical depth (0 = pia, 1 = white matter).
#: Approximate: it stands in where a slice carries no layer labels.
DEPTH_BANDS = {"L1": 0.1, "L2/3": 0.35, "L4": 0.5, "L5": 0.7, "L6": 1.0}

ALONG = 0.5  # rank correlation of depth and layers, below which they contradict each other


def cortical_depth(cortex: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Depth in the cortex: 0 at the pia, 1 at the white matter, NaN outside.

    The outline of the cortex is sorted by where it faces: towards the other areas
    (the white-matter side), away from them (the pia), or sideways (where the block
    of tissue was cut). Depth is then ``d_pia / (d_pia + d_inner)``, with Euclidean
    distances to the first two; the cut sides take no part.

    Parameters
    ----------
    cortex : (H, W) bool array
        Positions in the cortex.
    other : (H, W) bool array
        Positions in the other annotated areas. They need not touch the cortex: an
        unlabelled corpus callosum may lie between.

    Returns
    -------
    (H, W) float32 array
        Depth in [0, 1] inside the cortex, NaN elsewhere.

    Raises
    ------
    ValueError
        If a mask is empty, the shapes differ, or no part of the outline faces
        towards or away from the other areas.
    """
    cortex, other = np.asarray(cortex, bool), np.asarray(other, bool)
    if cortex.shape != other.shape or cortex.ndim != 2:
        raise ValueError(
            "cortex and other must be two masks of one shape, "
            f"found {cortex.shape} and {other.shape}"
        )
    if not cortex.any() or not (other & ~cortex).any():
        raise ValueError(
            "cortical depth needs positions in the cortex and in at least one other area; "
            "a mask is empty"
        )
    # Smooth over a small part of the cortex's size, so that a ragged outline has a stable normal.
    sigma = max(1.0, 0.02 * np.sqrt(cortex.sum()))
    margin = int(3 * sigma) + 2
    padded = ndimage.binary_fill_holes(np.pad(cortex, margin))  # vessels are no part of the outline
    distance = ndimage.distance_transform_edt(
        np.pad(~(other & ~cortex), margin, constant_values=True)
    )
    outline = padded & ~ndimage.binary_erosion(padded)
    inward = np.gradient(ndimage.gaussian_filter(padded.astype(np.float32), sigma))
    away = np.gradient(ndimage.gaussian_filter(distance, sigma))
    # cosine between the outward normal and the direction away from the other areas
    lengths = np.hypot(*inward) * np.hypot(*away)
    cosine = -sum(i * a for i, a in zip(inward, away)) / (lengths + 1e-12)
    edges = {"away from": outline & (cosine > 0.7), "towards": outline & (cosine < -0.7)}
    for name, edge in edges.items():
        if not edge.any():
            raise ValueError(
                f"no part of the cortex's outline faces {name} the other areas: "
                "depth is not defined"
            )
    d_pia, d_inner = (ndimage.distance_transform_edt(~edge) for edge in edges.values())
    depth = (d_pia / np.maximum(d_pia + d_inner, 1e-6)).astype(np.float32)
    return np.where(cortex, depth[margin:-margin, margin:-margin], np.float32(np.nan))


def depth_of_layers(layers: np.ndarray) -> np.ndarray:
    """Depth from labels of layers alone: 0 at the surface, 1 at the white matter.

    Each layer takes an equal share of depth; within it, depth follows the distances to the layers
    above and below it (at the outermost ones, the distance to their only neighbour).

    Parameters
    ----------
    layers : (H, W) int array
        1 … m from the surface down, 0 outside.

    Returns
    -------
    (H, W) float32 array
        NaN outside.

    Raises
    ------
    ValueError
        If there are fewer than two layers.
    """
    layers = np.asarray(layers)
    there = np.unique(layers[layers > 0])
    if len(there) < 2:
        raise ValueError(f"depth needs two layers or more, found {len(there)}")
    depth = np.full(layers.shape, np.nan, np.float32)
    for place, number in enumerate(there):
        mine = layers == number
        above, below = (layers > 0) & (layers < number), layers > number
        to_above, to_below = (
            ndimage.distance_transform_edt(~side)[mine] if side.any() else None
            for side in (above, below)
        )
        if to_above is None:
            within = 1 - to_below / to_below.max()
        elif to_below is None:
            within = to_above / to_above.max()
        else:
            within = to_above / (to_above + to_below)
        depth[mine] = (place + within) / len(there)
    return depth


def runs_along(depth: np.ndarray, layers: np.ndarray) -> bool:
    """Whether depth grows from layer to layer, as rank correlation over positions with both says.

    Parameters
    ----------
    depth : (H, W) array
        NaN outside the cortex.
    layers : (H, W) int array
        1 … m from the surface down, 0 outside.
    """
    both = ~np.isnan(depth) & (layers > 0)
    if len(np.unique(layers[both])) < 2:
        return False
    return stats.spearmanr(depth[both], layers[both])[0] > ALONG


def depth_bands(depth: np.ndarray) -> np.ndarray:
    """Layer labels 1, 2, … from cortical depth (see `DEPTH_BANDS`); 0 where depth is NaN.

    Parameters
    ----------
    depth : array
        Depth in [0, 1], NaN outside the cortex.

    Returns
    -------
    uint8 array of the shape of `depth`
    """
    labels = np.digitize(depth, list(DEPTH_BANDS.values())[:-1], right=True) + 1
    return np.where(np.isnan(depth), 0, labels).astype(np.uint8)


def interior(annotated: np.ndarray, margin: float) -> np.ndarray:
    """Positions further than `margin` from the edge of the annotated tissue; the others are
    outliers (paper B, Fig. 2).

    Parameters
    ----------
    annotated : (H, W) bool array
        Union of all areas. Holes smaller than margin² (vessels) do not count as edges.
    margin : float
        In positions of the grid (64 pixels: half a window, which then lies wholly in annotated
        tissue).

    Returns
    -------
    (H, W) bool array
    """
    whole = remove_small_holes(np.pad(np.asarray(annotated, bool), 1), max(1, int(margin**2)))
    return (ndimage.distance_transform_edt(whole)[1:-1, 1:-1] > margin) & annotated


def depth_axis(depth: np.ndarray) -> int:
    """Return the axis of a grid along which depth changes fastest: 0 (rows) or 1 (columns).

    Parameters
    ----------
    depth : (h, w) array
        From `cortical_depth`, NaN outside the cortex.
    """
    steps = [np.diff(depth, axis=axis) for axis in (0, 1)]
    known = [step[~np.isnan(step)] for step in steps]
    slopes = [abs(step.mean()) if len(step) else 0.0 for step in known]
    return int(slopes[1] > slopes[0])


@dataclass(frozen=True)
class Strip:
    """A rectangle across the cortex: ``take(a)`` cuts it out, white matter left, layer 1 right."""

    top: int
    left: int
    height: int
    width: int
    turns: int

    def take(self, array: np.ndarray) -> np.ndarray:
        """Cut the strip out of an (H, W, …) array and turn it so that depth falls from left to
        right.
        """
        bottom, right = self.top + self.height, self.left + self.width
        return np.rot90(array[self.top : bottom, self.left : right], self.turns)


def cortical_strip(depth: np.ndarray, thickness: int) -> Strip:
    """The straight strip from white matter to pia that holds the most cortex (paper A, Fig. 6).

    Parameters
    ----------
    depth : (H, W) float array
        From `cortical_depth`.
    thickness : int
        Extent across the strip, in pixels of the grid.

    Returns
    -------
    Strip

    Raises
    ------
    ValueError
        If the cortex is thinner than `thickness`.
    """
    inside, along = ~np.isnan(depth), depth_axis(depth)
    # rows of `lines` run along the strip; turn it so that white matter comes first
    lines = inside if along == 1 else inside.T
    filled = lines.sum(axis=1)
    if len(filled) < thickness or not filled.any():
        raise ValueError(
            f"a strip {thickness} positions thick does not fit into a cortex of shape {depth.shape}"
        )
    window = np.convolve(filled, np.ones(thickness, int), "valid")
    # middle of the best windows, so that a slab gives its centre and not its first row
    best = np.flatnonzero(window >= 0.98 * window.max())
    start = int(best[len(best) // 2])
    band = np.flatnonzero(lines[start : start + thickness].mean(axis=0) > 0.5)
    first, last = int(band[0]), int(band[-1]) + 1
    rising = np.nanmean(np.diff(depth, axis=along)) > 0  # white matter at the far end
    if along == 1:
        return Strip(start, first, thickness, last - first, 2 if rising else 0)
    return Strip(first, start, last - first, thickness, 3 if rising else 1)
