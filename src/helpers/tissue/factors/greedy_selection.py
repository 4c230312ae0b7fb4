"""Greedy selection of factors by coverage and leakage (B §2)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Selection:
    """Factors chosen for areas, with the tables that led to them.

    Attributes
    ----------
    factors : list of int
        Chosen factors, 0-based, in the order they were taken.
    areas : list of int
        The area (1 … r) each was taken for.
    scores, coverage, leakage : (k, r) arrays
        Per factor and area; column a − 1 is area a; scores = coverage − leakage.
    """

    factors: list[int]
    areas: list[int]
    scores: np.ndarray
    coverage: np.ndarray
    leakage: np.ndarray


def select_factors(
    coefficients: np.ndarray, labels: np.ndarray, p: int, lam: float = 0.5, *, present: bool = False
) -> Selection:
    """Choose p factors greedily, each for an area of its own (paper B, §2).

    For factor i and area a, coverage is the number of positive coefficients inside a, leakage is
    `lam` times the number of positive coefficients at scored positions outside a, and the score is
    their difference. The largest score is taken, its factor and its area are dropped, and again.

    Parameters
    ----------
    coefficients : (n, k) array
        Non-negative, with exact zeros.
    labels : (n,) int array
        0 = not scored, areas 1 … r.
    p : int
        How many factors to choose, at most min(k, r).
    lam : float
        Weight of the leakage λ: larger prefers localised factors. The paper's default is 0.5.
    present : bool
        Choose for areas with positions only, and as many factors as there are then, at most p.

    Returns
    -------
    Selection
        Ties go to the lowest factor, then to the lowest area.

    Raises
    ------
    ValueError
        If the shapes do not fit, labels are negative or all 0, or p is not in 1 … min(k, r).
    """
    coefficients, labels = np.asarray(coefficients), np.asarray(labels)
    if coefficients.ndim != 2 or labels.shape != coefficients.shape[:1]:
        raise ValueError(
            "coefficients must be (n, k) and labels (n,), "
            f"found {coefficients.shape} and {labels.shape}"
        )
    if not labels.size or labels.min() < 0 or labels.max() < 1:
        raise ValueError(
            "labels must be 0 (not scored) or an area 1 … r, with at least one area present"
        )
    k, r = coefficients.shape[1], int(labels.max())
    there = np.bincount(labels, minlength=r + 1)[1:] > 0 if present else np.ones(r, bool)
    p = min(p, k, int(there.sum())) if present else p
    if not 1 <= p <= min(k, r):
        raise ValueError(
            f"p = {p} factors cannot be chosen: one factor per area, "
            f"so 1 ≤ p ≤ min(k = {k}, areas = {r})"
        )
    active = coefficients > 0
    # (k, r) each
    coverage = np.stack([active[labels == a].sum(axis=0) for a in range(1, r + 1)], axis=1)
    leakage = lam * (coverage.sum(axis=1, keepdims=True) - coverage)
    scores = coverage - leakage
    left, pairs = np.where(there, scores, -np.inf), []
    for _ in range(p):
        i, a = np.unravel_index(np.argmax(left), left.shape)  # argmax takes the first of equals
        pairs.append((int(i), int(a) + 1))
        left[i, :] = left[:, a] = -np.inf
    factors, areas = map(list, zip(*pairs))
    return Selection(factors, areas, scores, coverage, leakage)
