"""Scores that need ground truth, which only phantoms have: maps of a slice against its anatomy."""

import numpy as np


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
