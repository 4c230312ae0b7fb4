"""How well clusters of cortical positions mark layers (paper A, Fig. 6).

Clusters are counted from 0, layers from 1 (0 = none), as in the label images.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import ndimage, optimize
from sklearn.metrics import adjusted_rand_score

from helpers.tissue.cortex.composition import component_means, layer_counts

NAMED = ("L1", "L2/3")  # of the layers that the claim is about


def by_depth(clusters: np.ndarray, depth: np.ndarray, k: int) -> np.ndarray:
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
    means = component_means(clusters[inside], depth[inside], k)
    return np.argsort(np.argsort(means, kind="stable"), kind="stable")  # NaN is sorted to the end


def layer_f1(clusters: np.ndarray, layers: np.ndarray, k: int, n_layers: int) -> np.ndarray:
    """F1 of every cluster as a detector of every layer, over positions that have a layer.

    Returns
    -------
    (k, n_layers) array
    """
    if np.size(clusters) != np.size(layers):
        raise ValueError(
            "clusters and layers must be of one size, "
            f"found {np.size(clusters)} and {np.size(layers)}"
        )
    both = layer_counts(clusters, layers, k, n_layers)
    sizes = both.sum(1, keepdims=True) + both.sum(0, keepdims=True)
    return 2 * both / np.maximum(sizes, 1)


def find_layers(f1: np.ndarray, wanted: Sequence[int]) -> dict[int, int]:
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
    if len(wanted) > len(f1):
        raise ValueError(f"{len(wanted)} layers need as many clusters, found {len(f1)}")
    rows, chosen = optimize.linear_sum_assignment(-f1[:, np.asarray(wanted) - 1])
    return {int(wanted[column]): int(row) for row, column in zip(rows, chosen)}


def near_borders(layers: np.ndarray, distance: float) -> np.ndarray:
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
    known, cross = layers > 0, ndimage.generate_binary_structure(2, 1)
    # a position and its four neighbours hold more than one layer
    highest = ndimage.maximum_filter(layers, footprint=cross)
    lowest = ndimage.minimum_filter(np.where(known, layers, layers.max()), footprint=cross)
    border = known & (lowest < highest)
    if not border.any():
        return border
    return known & (ndimage.distance_transform_edt(~border) <= distance)


def along_depth(
    values: np.ndarray, depth: np.ndarray, bins: int = 25
) -> tuple[np.ndarray, np.ndarray]:
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
    columns = rows.reshape(len(rows), -1).T
    means = np.stack([component_means(index, column, bins) for column in columns], axis=1)
    return (np.arange(bins) + 0.5) / bins, means.reshape(bins, *rows.shape[1:])


def layer_edges(layers: np.ndarray, depth: np.ndarray, n_layers: int) -> list[float]:
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


def layer_marks(
    clusters: np.ndarray, layers: np.ndarray, near: np.ndarray, k: int, n_layers: int
) -> tuple[dict[str, float], np.ndarray]:
    """How well clusters mark layer 1, layer 2/3 and transitions (A Fig. 6).

    Parameters
    ----------
    clusters, layers, near : (m,) arrays
        Over the positions that are judged. ``layers`` from the surface down, L1 first and L2/3
        second; ``near`` from :func:`near_borders`.

    Returns
    -------
    marks : dict
        ``f1_l1`` and ``f1_l23`` of two distinct clusters.
    transitions : (k,) array
        Share of each other cluster near layer borders (0 if it is empty); NaN for those two.
    """
    f1 = layer_f1(clusters, layers, k, n_layers)
    found = find_layers(f1, [1, 2])
    transitions = np.nan_to_num(component_means(clusters, near, k))
    transitions[list(found.values())] = np.nan
    return {"f1_l1": float(f1[found[1], 0]), "f1_l23": float(f1[found[2], 1])}, transitions


def against_shifts(
    clusters: np.ndarray,
    layers: np.ndarray,
    near: np.ndarray,
    k: int,
    n_layers: int,
    shifts: Iterable[np.ndarray],
) -> pd.DataFrame:
    """`layer_marks` of a map of clusters, and of the same map shifted along depth: what clusters as
    smooth as these score that know nothing of layers.

    A thin cluster can lie near a border altogether, a thick one cannot. So the share of each
    cluster is held against its own mean and standard deviation over the shifts, the cluster that
    stands out most is the transition, and it has to stand out more than that of 95 % of the shifted
    maps, which are asked in the same way.

    Parameters
    ----------
    clusters, layers, near : (m,) arrays
        As for :func:`layer_marks`.
    shifts : iterable of (m,) int arrays
        From :func:`helpers.tissue.cortex.nulls.depth_shifts`.

    Returns
    -------
    DataFrame (1 + draws)
        The map as it is first: ``f1_l1``, ``f1_l23``; ``transition``: share of the transition
        cluster near layer borders; ``null_transition``: the share that it has to exceed.
    """
    maps = [clusters, *(clusters[shift] for shift in shifts)]
    found = [layer_marks(each, layers, near, k, n_layers) for each in maps]
    transitions = np.array([shares for _, shares in found])  # (1 + draws, k)
    null = np.nan_to_num([component_means(each, near, k) for each in maps[1:]])
    mean, deviation = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-9)
    outstanding = np.nan_to_num((transitions - mean) / deviation, nan=-np.inf)
    cluster, rows = outstanding.argmax(axis=1), np.arange(len(maps))
    limit = np.quantile(outstanding[rows, cluster][1:], 0.95)
    return pd.DataFrame([marks for marks, _ in found]).assign(
        transition=transitions[rows, cluster],
        null_transition=mean[cluster] + limit * deviation[cluster],
    )


def agreement(
    clusters: np.ndarray,
    layers: np.ndarray,
    inside: np.ndarray,
    near: np.ndarray,
    k: int,
    names: Sequence[str],
) -> dict[str, float]:
    """`layer_marks` over the positions ``inside``, and what to read them against.

    Parameters
    ----------
    clusters, layers, inside, near : (H, W) arrays
        ``layers`` from the surface down, 1…m; ``near`` from :func:`near_borders`.
    k : int
        Number of clusters.
    names : sequence of str
        Of the layers.

    Returns
    -------
    dict
        ``near_borders``: the share of all positions there, which any cluster reaches by chance;
        ``rand``: adjusted Rand index of clusters and layers. Where the first layers are L1 and
        L2/3, also ``f1_l1``, ``f1_l23``; ``transition``: the largest share of another cluster near
        borders.
    """
    inside = np.asarray(inside) & (np.asarray(layers) > 0)
    clusters, layers, near = (np.asarray(each)[inside] for each in (clusters, layers, near))
    values = {
        "near_borders": float(near.mean()),
        "rand": float(adjusted_rand_score(layers, clusters)),
    }
    if tuple(names[:2]) != NAMED:
        return values
    marks, transitions = layer_marks(clusters, layers, near, k, len(names))
    return {**marks, "transition": float(np.nanmax(transitions, initial=0.0)), **values}
