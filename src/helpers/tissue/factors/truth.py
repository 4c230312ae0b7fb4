"""Scores that need ground truth, which only phantoms have: maps of a slice against its anatomy."""

import numpy as np

from helpers.tissue.features.resampling import draw_counts


def adjusted_rand(found: np.ndarray, truth: np.ndarray) -> float:
    """Adjusted Rand index of two label maps, over positions with a label in both (0 and less:
    none).
    """
    from sklearn.metrics import adjusted_rand_score

    found, truth = np.ravel(found), np.ravel(truth)
    used = (found > 0) & (truth > 0)
    if not used.any():
        raise ValueError("no position has a label in both maps")
    return float(adjusted_rand_score(truth[used], found[used]))


def density_correlations(
    coefficients: np.ndarray, density: np.ndarray, max_rows: int = 200_000, seed: int = 0
) -> np.ndarray:
    """Rank correlation (Spearman) of each factor with a density map.

    Parameters
    ----------
    coefficients : ndarray, (n, k)
    density : ndarray, (n,)
    max_rows : int
        Random positions used at most; neighbours say the same.

    Returns
    -------
    ndarray, (k,)
        NaN for a factor that is constant.
    """
    from scipy.stats import rankdata

    if len(coefficients) != len(density):
        raise ValueError(
            "expected one density per row of coefficients, "
            f"found {len(density)} and {len(coefficients)}"
        )
    rows = np.random.default_rng(seed).permutation(len(density))[:max_rows]
    ranks = rankdata(np.column_stack([coefficients[rows], density[rows]]), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(ranks, rowvar=False)[:-1, -1]


def precision_recall(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Of what was found, the share that is true; of what is true, the share that was found (bool
    arrays of one shape).

    Returns
    -------
    precision, recall : float
        0 where nothing was found, or nothing is there to be found.
    """
    hits = np.logical_and(found, truth).sum()
    return float(hits / max(np.sum(found), 1)), float(hits / max(np.sum(truth), 1))


def rank_agreement(
    estimate: np.ndarray, truth: np.ndarray, groups: np.ndarray, repeats: int = 200, seed: int = 0
) -> tuple[float, float]:
    """Rank correlation (Spearman) of an estimate with the truth, and how low it may be.

    Parameters
    ----------
    estimate, truth : (n,) arrays
    groups : (n,) int array
        The neighbourhood that each position belongs to. The bootstrap draws neighbourhoods, since
        positions beside each other say the same.
    repeats, seed : int

    Returns
    -------
    rho, low : float
        ``low`` is the 2.5 % quantile over bootstrap repeats, in which positions keep the ranks they
        have among all. NaN where either is constant.

    Raises
    ------
    ValueError
        If the three differ in length.
    """
    from scipy.stats import rankdata

    if not len(estimate) == len(truth) == len(groups):
        raise ValueError(
            "expected one estimate, one truth and one group per position, found "
            f"{len(estimate)}, {len(truth)} and {len(groups)}"
        )
    x, y = (rankdata(values) / len(values) - 0.5 for values in (estimate, truth))
    _, member = np.unique(groups, return_inverse=True)
    products = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    sums = np.stack([np.bincount(member, one) for one in products])  # (6, groups)
    drawn = draw_counts(sums.shape[1], repeats, np.random.default_rng(seed))
    n, sx, sy, sxx, syy, sxy = sums @ np.vstack([np.ones(sums.shape[1]), drawn]).T
    spread = np.sqrt(np.maximum(n * sxx - sx**2, 0) * np.maximum(n * syy - sy**2, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = np.where(spread > 1e-9 * n**2, (n * sxy - sx * sy) / spread, np.nan)
    low = np.nan if np.isnan(rho[1:]).all() else np.nanpercentile(rho[1:], 2.5)
    return float(rho[0]), float(low)
