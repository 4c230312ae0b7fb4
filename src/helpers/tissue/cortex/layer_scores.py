"""How well clusters of cortical positions mark layers (paper A, Fig. 6).

Clusters are counted from 0, layers from 1 (0 = none), as in the label images.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def by_depth(clusters, depth, k):
    """Number clusters anew by the mean depth of their positions, the most superficial first.

    k-means numbers its clusters at random; so numbered, they can be spoken of.

    Parameters
    ----------
    clusters, depth : arrays of one shape
        Positions where depth is NaN do not count.
    k : int

    Returns
    -------
    (k,) int array
        New number of each old one: ``by_depth(…)[clusters]``. Empty clusters come last.
    """
    clusters, depth = np.asarray(clusters), np.asarray(depth)
    inside = ~np.isnan(depth)
    count = np.bincount(clusters[inside], minlength=k)
    total = np.bincount(clusters[inside], depth[inside], minlength=k)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.inf)
    return np.argsort(np.argsort(mean, kind="stable"), kind="stable")


def layer_f1(clusters, layers, k, n_layers):
    """F1 of every cluster as a detector of every layer, over positions that have a layer.

    Returns
    -------
    (k, n_layers) array
    """
    clusters, layers = np.asarray(clusters).ravel(), np.asarray(layers).ravel()
    if clusters.shape != layers.shape:
        raise ValueError(
            f"clusters and layers must be of one size, found {clusters.size} and {layers.size}"
        )
    known = layers > 0
    both = np.zeros((k, n_layers))
    np.add.at(both, (clusters[known], layers[known].astype(int) - 1), 1)
    sizes = both.sum(1, keepdims=True) + both.sum(0, keepdims=True)
    return np.divide(2 * both, sizes, out=np.zeros_like(both), where=sizes > 0)


def find_layers(f1, wanted):
    """Distinct clusters that stand for layers, so that the sum of their F1 is largest.

    Parameters
    ----------
    f1 : (k, n_layers) array
        From :func:`layer_f1`.
    wanted : sequence of int
        Layers, 1-based; not more than clusters.

    Returns
    -------
    dict
        Layer to cluster.
    """
    from scipy.optimize import linear_sum_assignment

    if len(wanted) > len(f1):
        raise ValueError(f"{len(wanted)} layers need as many clusters, found {len(f1)}")
    columns = np.asarray(wanted) - 1
    rows, chosen = linear_sum_assignment(-f1[:, columns])
    return {int(wanted[column]): int(row) for row, column in zip(rows, chosen)}


def near_borders(layers, distance):
    """Positions that lie within some distance of a border between two layers.

    Parameters
    ----------
    layers : (H, W) int array
    distance : float
        In positions of the grid. The outer edge of the cortex is no border.

    Returns
    -------
    (H, W) bool array, False where there is no layer.
    """
    layers = np.asarray(layers)
    border = np.zeros(layers.shape, bool)
    for axis in (0, 1):
        a, b = (np.take(layers, range(i, layers.shape[axis] - 1 + i), axis) for i in (0, 1))
        meet = (a != b) & (a > 0) & (b > 0)
        before, after = ([slice(None)] * 2 for _ in range(2))
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        border[tuple(before)] |= meet
        border[tuple(after)] |= meet
    if not border.any():
        return border
    return (ndimage.distance_transform_edt(~border) <= distance) & (layers > 0)


def share_in(clusters, mask, inside, k):
    """Share of each cluster's positions that lie in a mask, among positions ``inside``: (k,) array,
    NaN if empty.
    """
    clusters, mask, inside = (np.asarray(array).ravel() for array in (clusters, mask, inside))
    total = np.bincount(clusters[inside], minlength=k).astype(float)
    hits = np.bincount(clusters[inside & mask], minlength=k)
    return np.divide(hits, total, out=np.full(k, np.nan), where=total > 0)


def along_depth(values, depth, bins=25):
    """Mean of a map in bins of cortical depth.

    Parameters
    ----------
    values : (H, W) or (H, W, n) array
    depth : (H, W) array in [0, 1], NaN outside the cortex
    bins : int

    Returns
    -------
    centres : (bins,) array
    means : (bins,) or (bins, n) array, NaN for empty bins
    """
    depth = np.asarray(depth)
    inside = ~np.isnan(depth)
    index = np.minimum((depth[inside] * bins).astype(int), bins - 1)
    rows = np.asarray(values, float)[inside]
    count = np.bincount(index, minlength=bins).astype(float)
    columns = rows.reshape(len(rows), -1)
    sums = np.stack(
        [np.bincount(index, column, minlength=bins) for column in columns.T], axis=1
    )  # (bins, n)
    means = np.divide(
        sums, count[:, None], out=np.full_like(sums, np.nan), where=count[:, None] > 0
    )
    return (np.arange(bins) + 0.5) / bins, means.reshape(bins, *rows.shape[1:])


def layer_edges(layers, depth, n_layers):
    """Depth of the lower edge of each layer: as much of the cortex lies above it as in the layer
    and those above.

    Returns
    -------
    list of float
        Rising, one per layer; the last is 1 if every position has a layer.
    """
    layers, depth = np.asarray(layers), np.asarray(depth)
    inside = (layers > 0) & ~np.isnan(depth)
    return [
        float(np.quantile(depth[inside], np.mean(layers[inside] <= number)))
        for number in range(1, n_layers + 1)
    ]


def agreement(clusters, layers, inside, near, k, n_layers):
    """Numbers by which A Fig. 6 is judged, over the positions ``inside``.

    Parameters
    ----------
    clusters, layers, inside, near : (H, W) arrays
        ``layers`` from the surface down, L1 first and L2/3 second; ``near`` from
        :func:`near_borders`.

    Returns
    -------
    dict
        ``f1_l1``, ``f1_l23`` of two distinct clusters; ``transition``: the largest share of another
        cluster near layer borders, and ``near_borders``, the share of all positions there, which
        any cluster reaches by chance; ``rand``: adjusted Rand index of clusters and layers.
    """
    from sklearn.metrics import adjusted_rand_score

    inside = np.asarray(inside) & (np.asarray(layers) > 0)
    f1 = layer_f1(clusters[inside], layers[inside], k, n_layers)
    found = find_layers(f1, [1, 2])
    shares = share_in(clusters, near, inside, k)
    others = [
        shares[cluster]
        for cluster in range(k)
        if cluster not in found.values() and not np.isnan(shares[cluster])
    ]
    return {
        "f1_l1": float(f1[found[1], 0]),
        "f1_l23": float(f1[found[2], 1]),
        "transition": float(max(others, default=0.0)),
        "near_borders": float(near[inside].mean()),
        "rand": float(adjusted_rand_score(layers[inside], clusters[inside])),
    }
