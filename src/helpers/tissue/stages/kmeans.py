"""Stage of paper A, Fig. 6: the cortex of a slice on a grid of windows, with depth and layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.tissue.cortex import depth as depths
from helpers.tissue.stages import slices

SURFACE_DOWN = ("L1", "L2/3", "L4", "L5", "L6")


@dataclass(frozen=True)
class CortexGrid:
    """Features of windows over the cortex; all arrays share one grid.

    Attributes
    ----------
    piece : Slice
    stride : int
        Pixels between positions.
    rows, columns : int arrays
        Centre pixels of the grid in the slice.
    features : (h, w, 64) array
    depth : (h, w) float array
        0 at the surface, 1 at the white matter, NaN outside the cortex.
    layers : (h, w) uint8 array
        1…5 for `SURFACE_DOWN`, 0 outside.
    annotated : bool
        Whether layers are labels of the dataset, or bands of depth that stand in for them.
    """

    piece: Slice
    stride: int
    rows: np.ndarray
    columns: np.ndarray
    features: np.ndarray
    depth: np.ndarray
    layers: np.ndarray
    annotated: bool

    @property
    def inside(self) -> np.ndarray:
        """Positions in the cortex."""
        return ~np.isnan(self.depth)

    def at(self, image: np.ndarray) -> np.ndarray:
        """An image of the slice at the positions of the grid."""
        return image[np.ix_(self.rows, self.columns)]

    def pixels(self, strip: depths.Strip, image: np.ndarray) -> np.ndarray:
        """Every pixel of an image that a strip of the grid covers, turned like the strip."""
        top, left = self.rows[strip.top], self.columns[strip.left]
        cut = image[top : top + strip.height * self.stride, left : left + strip.width * self.stride]
        return np.rot90(cut, strip.turns)


def cortex_grid(run: Run, trained: Artifact, *, stride: int = 8) -> CortexGrid:
    """Dense features of the cortex of the annotated test slice (else of the training slice).

    Raises
    ------
    ValueError
        No area is called cortex, or its outline does not tell surface from white matter.
    """
    areas = [name.casefold() for name in run.microct.areas]
    if "cortex" not in areas:
        raise ValueError(f"no area is called cortex; the areas are {', '.join(run.microct.areas)}")
    piece = slices.labelled_test_slice(run) or run.microct.slices("train")[0]
    found = slices.slice_features(run, trained, piece, stride=stride).value
    where = np.ix_(found.rows, found.columns)
    labels = piece.areas[where]
    mine = labels == areas.index("cortex") + 1
    depth = depths.cortical_depth(mine, (labels > 0) & ~mine)
    annotated = piece.layers is not None and set(SURFACE_DOWN) <= set(run.microct.layers)
    if annotated:
        order = np.array(
            [
                0,
                *(
                    SURFACE_DOWN.index(name) + 1 if name in SURFACE_DOWN else 0
                    for name in run.microct.layers
                ),
            ],
            np.uint8,
        )
        layers = np.where(mine, order[piece.layers[where]], 0)
    else:
        layers = depths.depth_bands(depth)
    return CortexGrid(
        piece, stride, found.rows, found.columns, found.features, depth, layers, annotated
    )
