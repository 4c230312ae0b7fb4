"""The cortex of a slice on a grid of windows, with depth and layers (A Fig. 6, B Fig. 2)."""

from dataclasses import dataclass, replace

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.cortex import depth as depths
from helpers.tissue.features.baselines import window_statistics
from helpers.tissue.stages.slices import (
    SliceFeatures,
    labelled_test_slice,
    prepared_slice,
    slice_features,
)

EDGE = 64  # pixels: half a window
SURFACE_DOWN = ("L1", "L2/3", "L4", "L5", "L6")


@dataclass(frozen=True)
class CortexGrid(SliceFeatures):
    """Features of windows over the cortex.

    Attributes
    ----------
    depth : (h, w) float array
        0 at the surface, 1 at the white matter, NaN outside the cortex.
    layers : (h, w) uint8 array
        1…5 for `SURFACE_DOWN`, 0 outside.
    annotated : bool
        Whether layers are labels of the dataset, or bands of depth that stand in for them.
    """

    depth: np.ndarray
    layers: np.ndarray
    annotated: bool

    @property
    def inside(self) -> np.ndarray:
        """Positions in the cortex."""
        return ~np.isnan(self.depth)

    def pixels(self, strip: depths.Strip, image: np.ndarray) -> np.ndarray:
        """Every pixel of an image that a strip of the grid covers, turned like the strip."""
        top, left = self.rows[strip.top], self.columns[strip.left]
        height, width = strip.height * self.stride, strip.width * self.stride
        return np.rot90(image[top : top + height, left : left + width], strip.turns)


def cortex_grid(run: Run, trained: Artifact, *, stride: int = 8) -> CortexGrid:
    """Return dense features of the cortex of the annotated test slice (else of the training slice).

    Raises
    ------
    ValueError
        No area is called cortex, or its outline does not tell surface from white matter.
    """
    piece = labelled_test_slice(run) or run.microct.slices("train")[0]
    cortex_label(run)  # before the long work
    grid = slice_features(run, trained, piece, stride=stride).value
    return CortexGrid(**vars(grid), **cortical_layers(run, grid, piece.areas))


def gray_grid(run: Run, grid: CortexGrid) -> CortexGrid:
    """Return the same grid with mean and standard deviation of gray in place of features: what
    clusters of brightness alone would be.

    Both are of the standardised image in each window, centred and divided by their own standard
    deviation over the cortex, so that neither weighs more.
    """
    prepared = prepared_slice(run, grid.piece)
    mean, deviation = window_statistics(prepared.image, pad_value=prepared.scale.raw_zero)
    features = np.stack([grid.at_grid(mean), grid.at_grid(deviation)], axis=-1)
    rows = features[grid.inside]
    features = (features - rows.mean(0)) / np.maximum(rows.std(0), 1e-12)
    return replace(grid, features=features.astype(np.float32))


def whole_windows(run: Run, grid: CortexGrid) -> np.ndarray:
    """Return the positions (h, w) whose window lies wholly on tissue: those that do not see the
    dark outside.
    """
    tissue = prepared_slice(run, grid.piece).tissue
    return depths.interior(grid.at_grid(tissue), EDGE / grid.stride)


def cortex_label(run: Run) -> int:
    """Return the number of the area called cortex.

    Raises
    ------
    ValueError
        If there is none.
    """
    areas = [name.casefold() for name in run.microct.areas]
    if "cortex" not in areas:
        raise ValueError(f"no area is called cortex; found {', '.join(run.microct.areas)}")
    return areas.index("cortex") + 1


def cortical_layers(run: Run, grid: SliceFeatures, areas: np.ndarray) -> dict:
    """Return ``depth``, ``layers`` and ``annotated`` on a grid, as in `CortexGrid`.

    Parameters
    ----------
    areas : (H, W) array
        Area of each pixel, 0 for none.

    Raises
    ------
    ValueError
        If no area is called cortex, or its depth is not defined (see `depth.cortical_depth`).
    """
    labels = grid.at_grid(areas)
    mine = labels == cortex_label(run)
    depth = depths.cortical_depth(mine, (labels > 0) & ~mine)
    names = run.microct.layers
    annotated = grid.piece.layers is not None and set(SURFACE_DOWN) <= set(names)
    if annotated:
        order = [SURFACE_DOWN.index(name) + 1 if name in SURFACE_DOWN else 0 for name in names]
        layers = np.array([0, *order], np.uint8)[grid.at_grid(grid.piece.layers)]
    return {
        "depth": depth,
        "layers": np.where(mine, layers, 0) if annotated else depths.depth_bands(depth),
        "annotated": annotated,
    }
