"""What a factor aligns with: areas, layers, and the densities of cells and fibres (paper B, §3).

Coefficients are (n, k), one row per position; labels are 0 = none, 1 … r.
"""

from __future__ import annotations

import numpy as np


def area_means(coefficients, labels, n_areas):
    """Mean coefficient of each factor in each area: (k, n_areas); NaN for an area without
    positions.
    """
    with np.errstate(invalid="ignore"):
        means = [
            coefficients[labels == a].sum(axis=0, dtype=np.float64) / (labels == a).sum()
            for a in range(1, n_areas + 1)
        ]
    return np.stack(means, axis=1)


def area_coverage(coefficients, labels, n_areas):
    """Share of each area's positions at which each factor is positive: (k, n_areas)."""
    with np.errstate(invalid="ignore"):
        shares = [
            (coefficients[labels == a] > 0).sum(axis=0) / (labels == a).sum()
            for a in range(1, n_areas + 1)
        ]
    return np.stack(shares, axis=1)


def auroc(coefficients, labels, n_areas, bins=1 << 14):
    """How well each factor tells each area from all other labelled positions: the area under the
    ROC curve.

    The probability that a position inside has a larger coefficient than one outside, ties counting
    half. Coefficients are counted in fine steps of equal size, zero in a step of its own, so that
    millions of positions need no sorting.

    Parameters
    ----------
    coefficients : (n, k) non-negative array
    labels : (n,) int array
    n_areas : int
    bins : int
        Steps between zero and the largest coefficient.

    Returns
    -------
    (k, n_areas) array
        0.5 is chance; NaN for an area that holds none or all of the labelled positions.
    """
    k = coefficients.shape[1]
    out = np.full((k, n_areas), np.nan)
    known = labels > 0
    area = labels[known].astype(np.int64) - 1
    for i in range(k):
        values = coefficients[known, i]
        top = values.max(initial=0)
        step = (
            np.ceil(values * (bins / top)).astype(np.int64)
            if top > 0
            else np.zeros(len(values), np.int64)
        )
        counts = np.bincount(area * (bins + 1) + step, minlength=n_areas * (bins + 1)).reshape(
            n_areas, bins + 1
        )
        others = counts.sum(axis=0) - counts  # (n_areas, bins + 1)
        below = np.cumsum(others, axis=1) - others
        wins = (counts * (below + 0.5 * others)).sum(axis=1)
        pairs = counts.sum(axis=1).astype(float) * others.sum(axis=1)
        out[i] = np.divide(wins, pairs, out=np.full(n_areas, np.nan), where=pairs > 0)
    return out


def correlation(coefficients, block=1 << 18):
    """Correlation between factors over positions: (n, k) -> (k, k); NaN for a factor that is
    constant.
    """
    n, k = coefficients.shape
    mean = coefficients.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((k, k))
    for start in range(0, n, block):
        rows = coefficients[start : start + block] - mean
        covariance += rows.T @ rows
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.outer(sd, sd)


def mean_absolute_correlation(matrix, chosen=None):
    """Mean absolute correlation over pairs of different factors, of all or of the chosen ones;
    constant ones left out.
    """
    matrix = matrix if chosen is None else matrix[np.ix_(chosen, chosen)]
    return float(np.nanmean(np.abs(matrix[np.triu_indices(len(matrix), 1)])))


def bootstrap_difference(values, first, second, places, block, n=1000, seed=0):
    """Difference of means between two groups of positions, with an interval that respects their
    neighbourhood.

    Neighbouring windows share most of their pixels, so positions are no independent samples. Square
    blocks of the slice are: they are drawn with replacement, with all that lies in them (block
    bootstrap).

    Parameters
    ----------
    values : (n,) array
    first, second : (n,) bool arrays
        The two groups.
    places : (n, 2) array
        Row and column of each position.
    block : float
        Side of a block, in the units of `places`.
    n : int
        Bootstrap samples.
    seed : int

    Returns
    -------
    difference, low, high : floats
        mean(first) − mean(second), and the 2.5th and 97.5th percentile over samples.

    Raises
    ------
    ValueError
        If a group is empty.
    """
    if not first.any() or not second.any():
        raise ValueError(
            f"both groups need positions, found {int(first.sum())} and {int(second.sum())}"
        )
    rows, columns = (np.asarray(places) // block).astype(np.int64).T
    _, index = np.unique(rows * (columns.max() + 1) + columns, return_inverse=True)
    # per block: sum and number of values in either group
    facts = [
        np.bincount(index, weights=w) for w in (values * first, first, values * second, second)
    ]
    facts = np.stack([f.astype(float) for f in facts])  # (4, blocks)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(
        facts.shape[1], np.full(facts.shape[1], 1 / facts.shape[1]), n
    )  # (n, blocks)
    sums = drawn @ facts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    a, b, c, d = facts.sum(axis=1)
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    return float(a / b - c / d), float(low), float(high)


def laminar_information(labels, layers, depth, across, n_null=200, seed=0):
    """How much a label tells of the cortical layer, and how much it would if it were not arranged
    in layers.

    Normalised mutual information, and its null: the cortex is cut into columns; in each, the labels
    are shifted along depth (around the end) by an amount of its own. What is left is the agreement
    that patches of this size show with any layers by chance.

    Parameters
    ----------
    labels : (n,) int array
        For example, which of three factors is largest.
    layers : (n,) int array
        1 … m; positions with layer 0 do not count.
    depth : (n,) array
        Cortical depth in [0, 1].
    across : (n,) int array
        Column of each position.
    n_null : int
    seed : int

    Returns
    -------
    information : float
        In [0, 1].
    null : (n_null,) array
    """
    from sklearn.metrics import normalized_mutual_info_score

    used = layers > 0
    labels, layers, depth, across = (array[used] for array in (labels, layers, depth, across))
    order = np.lexsort((depth, across))
    labels, layers = labels[order], layers[order]
    cuts = np.flatnonzero(np.diff(across[order])) + 1
    columns = np.split(labels, cuts)
    rng = np.random.default_rng(seed)
    null = [
        normalized_mutual_info_score(
            layers, np.concatenate([np.roll(c, rng.integers(len(c))) for c in columns])
        )
        for _ in range(n_null)
    ]
    return float(normalized_mutual_info_score(layers, labels)), np.array(null)
