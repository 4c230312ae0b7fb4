"""What a map over the cortex would score if it knew nothing of depth: the null of pages 05 to 07.

A map of clusters, components or coefficients is smooth, and so are layers: two smooth maps agree
more than two draws of independent numbers do. The null therefore keeps the map as smooth as it is
and moves it: columns of cortex, two windows wide, are shifted along depth, around the end.
"""

from collections.abc import Iterator

import numpy as np

from helpers.tissue.cortex.depth import depth_axis


def depth_shifts(
    depth: np.ndarray, width: float, draws: int = 200, seed: int = 0
) -> Iterator[np.ndarray]:
    """Yield maps shifted along depth, as the positions that values are taken from.

    Columns of equal width run from the surface to the white matter. In each draw, every column is
    turned by a random share of its own length: what leaves it at the white matter enters at the
    surface. Within a column neighbours stay neighbours.

    Parameters
    ----------
    depth : (h, w) array
        0 at the surface, 1 at the white matter, NaN at positions that take no part.
    width : float
        Of a column, in positions of the grid; two windows, for then columns are independent. The
        nearest width that fits a whole number of times is taken.
    draws : int
    seed : int

    Yields
    ------
    (m,) int array
        For the m positions with a depth, in the order of ``values[~np.isnan(depth)]``, the number
        of the position whose value comes there: ``values[~np.isnan(depth)][shifted]``. Each is a
        permutation.

    Raises
    ------
    ValueError
        If no position has a depth, or the width is not above 0.
    """
    depth = np.asarray(depth)
    inside = ~np.isnan(depth)
    if not inside.any() or not width > 0:
        raise ValueError(
            "shifts along depth need positions with a depth and columns of a width above 0, "
            f"found {inside.sum()} positions and a width of {width}"
        )
    line = np.nonzero(inside)[1 - depth_axis(depth)]  # (m,): the grid line of each position
    order = np.lexsort((depth[inside], line))  # line by line, from the surface down
    _, first, count = np.unique(line[order], return_index=True, return_counts=True)
    start, length = np.repeat(first, count), np.repeat(count, count)
    rank = np.arange(len(order)) - start
    extent = np.ptp(line) + 1
    columns = max(1, round(extent / width))
    column = (line[order] - line.min()) * columns // extent
    rng, shifted = np.random.default_rng(seed), np.empty(len(order), int)
    for _ in range(draws):
        turned = np.floor(rng.random(columns)[column] * length).astype(int)
        shifted[order] = order[start + (rank + turned) % length]
        yield shifted.copy()


def layer_shifts(
    depth: np.ndarray, draws: int = 200, levels: int = 50, seed: int = 0
) -> Iterator[np.ndarray]:
    """Yield maps shifted along the layers, around their end: all depths by the same share.

    A map so shifted keeps its pieces and its layers, and loses its places in them.

    Parameters
    ----------
    depth : (h, w) array
        As for `depth_shifts`.
    draws, seed : int
    levels : int
        Of depth, each of which is moved as one.

    Yields
    ------
    (m,) int array
        As for `depth_shifts`.
    """
    inside = ~np.isnan(depth)
    line = np.nonzero(inside)[1 - depth_axis(depth)]
    level = np.minimum((depth[inside] * levels).astype(int), levels - 1)
    order = np.lexsort((depth[inside], line, level))
    _, first, count = np.unique(level[order], return_index=True, return_counts=True)
    start, length = np.repeat(first, count), np.repeat(count, count)
    rank = np.arange(len(order)) - start
    rng, shifted = np.random.default_rng(seed), np.empty(len(order), int)
    for _ in range(draws):
        # A tenth at least: less would leave the map where it was.
        turned = (rng.uniform(0.1, 0.9) * length).astype(int)
        shifted[order] = order[start + (rank + turned) % length]
        yield shifted.copy()
