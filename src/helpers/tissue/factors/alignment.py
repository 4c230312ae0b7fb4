"""What a factor aligns with: areas, layers, and other factors (paper B, §3).

Coefficients are (n, k), one row per position; labels are 0 = none, 1 … r.
"""

from collections.abc import Sequence

import numpy as np

from helpers.tissue.cortex.nulls import depth_shifts
from helpers.tissue.features.resampling import draw_counts, interval


def area_means(coefficients: np.ndarray, labels: np.ndarray, n_areas: int) -> np.ndarray:
    """Mean coefficient of each factor in each area: (k, n_areas); NaN for an area without
    positions.
    """
    inside = [labels == a for a in range(1, n_areas + 1)]
    with np.errstate(invalid="ignore"):
        means = [coefficients[i].sum(axis=0, dtype=np.float64) / i.sum() for i in inside]
    return np.stack(means, axis=1)


def area_coverage(coefficients: np.ndarray, labels: np.ndarray, n_areas: int) -> np.ndarray:
    """Share of each area's positions at which each factor is positive: (k, n_areas)."""
    return area_means(coefficients > 0, labels, n_areas)


def auroc(
    coefficients: np.ndarray, labels: np.ndarray, n_areas: int, bins: int = 1 << 14
) -> np.ndarray:
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
    known, shape = labels > 0, (n_areas, bins + 1)
    area = labels[known].astype(np.int64) - 1
    out = np.full((coefficients.shape[1], n_areas), np.nan)
    for i, row in enumerate(out):
        values = coefficients[known, i]
        step = np.ceil(values * (bins / (values.max(initial=0) or 1))).astype(np.int64)
        counts = np.bincount(area * (bins + 1) + step, minlength=np.prod(shape)).reshape(shape)
        others = counts.sum(axis=0) - counts
        below = np.cumsum(others, axis=1) - others
        wins = (counts * (below + 0.5 * others)).sum(axis=1)
        pairs = counts.sum(axis=1).astype(float) * others.sum(axis=1)
        np.divide(wins, pairs, out=row, where=pairs > 0)
    return out


def correlation(coefficients: np.ndarray, block: int = 1 << 18) -> np.ndarray:
    """Correlation between factors over positions: (n, k) -> (k, k); NaN for a factor that is
    constant.
    """
    mean = coefficients.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(coefficients), block):
        rows = coefficients[start : start + block] - mean
        covariance += rows.T @ rows
    sd = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.outer(sd, sd)


def mean_absolute_correlation(matrix: np.ndarray, chosen: Sequence[int] | None = None) -> float:
    """Mean absolute correlation over pairs of different factors, of all or of the chosen ones;
    constant ones left out.
    """
    matrix = matrix if chosen is None else matrix[np.ix_(chosen, chosen)]
    return float(np.nanmean(np.abs(matrix[np.triu_indices(len(matrix), 1)])))


def bootstrap_difference(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    places: np.ndarray,
    block: float,
    n: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
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
    weights = [values * first, first, values * second, second]
    sums = block_bootstrap(weights, places, block, n, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        differences = sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3]
    return float(differences[0]), *interval(differences[1:])


def block_bootstrap(
    weights: Sequence[np.ndarray], places: np.ndarray, block: float, n: int = 1000, seed: int = 0
) -> np.ndarray:
    """Sums over positions, of the sample itself and of draws of whole square blocks.

    Parameters
    ----------
    weights : sequence of m (p,) arrays
        What is summed.
    places : (p, 2) array
        Row and column of each position.
    block : float
        Side of a block, in the units of `places`.
    n : int
        Bootstrap samples.
    seed : int

    Returns
    -------
    (1 + n, m) array
        The first row is of the sample itself.
    """
    rows, columns = (np.asarray(places) // block).astype(np.int64).T
    _, index = np.unique(rows * (columns.max() + 1) + columns, return_inverse=True)
    facts = np.stack([np.bincount(index, weights=one) for one in weights])  # (m, blocks)
    drawn = draw_counts(facts.shape[1], n, np.random.default_rng(seed))  # (n, blocks)
    return np.vstack([facts.sum(axis=1), drawn @ facts.T])


def laminar_information(
    labels: np.ndarray,
    layers: np.ndarray,
    depth: np.ndarray,
    width: float,
    n_null: int = 200,
    seed: int = 0,
) -> tuple[float, np.ndarray]:
    """How much a label tells of the cortical layer, and how much it would if it were not arranged
    in layers.

    Normalised mutual information, and its null: columns of cortex are shifted along depth (see
    `nulls.depth_shifts`). What is left is the agreement that patches of this size show with any
    layers by chance.

    Parameters
    ----------
    labels : (h, w) int array
        For example, which of three factors is largest.
    layers : (h, w) int array
        1 … m; positions with layer 0 do not count.
    depth : (h, w) array
        Cortical depth in [0, 1], NaN at positions that do not count.
    width : float
        Of a column, in positions of the grid.
    n_null : int
    seed : int

    Returns
    -------
    information : float
        In [0, 1].
    null : (n_null,) array
    """
    from sklearn.metrics import normalized_mutual_info_score

    depth = np.where(layers > 0, depth, np.nan)
    used = ~np.isnan(depth)
    labels, layers = labels[used], layers[used]
    null = [
        normalized_mutual_info_score(layers, labels[shifted])
        for shifted in depth_shifts(depth, width, n_null, seed)
    ]
    return float(normalized_mutual_info_score(layers, labels)), np.array(null)
