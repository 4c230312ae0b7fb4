"""The cortex of a slice on a grid of windows, with depth and layers (A Fig. 6, B Fig. 2)."""

from collections.abc import Sequence
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
        1…m for ``layer_names``, 0 outside.
    annotated : bool
        Whether layers are labels of the dataset, or bands of depth that stand in for them.
    layer_names : tuple of str
        From the surface down.
    """

    depth: np.ndarray
    layers: np.ndarray
    annotated: bool
    layer_names: tuple[str, ...]

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
        No area is the cortex, or its outline does not tell surface from white matter.
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
    both = window_statistics(prepared.whole, pad_value=prepared.scale.raw_zero)
    mean, deviation = map(prepared.cut, both)
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
    """Return the number of the area that is the cortex.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = run.microct.role("cortex")
    if not found:
        raise ValueError(
            f"no area is the cortex; found {', '.join(run.microct.areas)} "
            "(`roles: {cortex: NAME}` in dataset.yml names it)"
        )
    return found[0]


def as_published(layers: np.ndarray, names: Sequence[str]) -> np.ndarray | str:
    """Return layers numbered as in `SURFACE_DOWN`, or why they cannot be: claims name the papers'.

    Parameters
    ----------
    layers : int array
        1…m for ``names``, 0 outside.
    """
    missing = [name for name in SURFACE_DOWN if name not in names]
    if missing:
        return f"needs layers called {', '.join(SURFACE_DOWN)}; found {', '.join(names)}"
    order = [SURFACE_DOWN.index(name) + 1 if name in SURFACE_DOWN else 0 for name in names]
    return np.array([0, *order], np.uint8)[layers]


def cortical_layers(run: Run, grid: SliceFeatures, areas: np.ndarray) -> dict:
    """Return ``depth``, ``layers``, ``annotated``, ``layer_names`` on a grid, as in `CortexGrid`.

    Layers of the dataset are taken as they are, whatever their names: in the manifest's order, from
    the surface down (the papers' five in theirs). Where the outline of the cortex gives no depth,
    or one that contradicts them, depth follows the layers. Without layers, bands of depth serve.

    Parameters
    ----------
    areas : (H, W) array
        Area of each pixel, 0 for none.

    Raises
    ------
    ValueError
        If no area is the cortex, or its depth is not defined (see `depth.cortical_depth`).
    """
    labels = grid.at_grid(areas)
    mine = labels == cortex_label(run)
    names, layers = run.microct.layers, None
    if grid.piece.layers is not None and names:
        layers = np.where(mine, grid.at_grid(grid.piece.layers), 0).astype(np.uint8)
        if set(names) == set(SURFACE_DOWN):
            names, layers = SURFACE_DOWN, as_published(layers, names)
    annotated = layers is not None and len(np.unique(layers[layers > 0])) > 1
    try:
        depth = depths.cortical_depth(mine, (labels > 0) & ~mine)
    except ValueError:
        if not annotated:
            raise
        depth = np.full(mine.shape, np.nan, np.float32)
    if annotated and not depths.runs_along(depth, layers):
        depth = depths.depth_of_layers(layers)
    return {
        "depth": depth,
        "layers": layers if annotated else depths.depth_bands(depth),
        "annotated": annotated,
        "layer_names": tuple(names) if annotated else SURFACE_DOWN,
    }
