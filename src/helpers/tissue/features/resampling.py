"""The bootstrap: units are drawn with replacement, as many as there are, and what is measured on
each draw gives an interval.

Samples that overlap say the same twice. Such neighbours form a group, and groups are drawn.
"""

import numpy as np


def draw_counts(n: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
    """How often each of n units is drawn in each repeat: (repeats, n) int, rows sum to n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=repeats)


def bootstrap_weights(
    labels: np.ndarray, repeats: int = 200, groups: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """How often each sample is drawn in each bootstrap repeat, class by class.

    Parameters
    ----------
    labels : (N,) array
        Samples are drawn within their class, so that classes stay balanced.
    repeats : int
    groups : (N,) array, optional
        Samples that belong together (patches of one part of a slice overlap): whole groups are
        drawn, so that an interval does not mistake neighbours for independent samples.
    seed : int

    Returns
    -------
    (repeats, N) float64
        Use the same weights for two networks to compare them on the same samples.

    Raises
    ------
    ValueError
        If groups and labels differ in shape.
    """
    labels = np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(
            f"groups must have one entry per label, found {groups.shape} and {labels.shape}."
        )
    rng, weights = np.random.default_rng(seed), np.zeros((repeats, len(labels)))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, member = np.unique(groups[rows], return_inverse=True)
        weights[:, rows] = draw_counts(member.max() + 1, repeats, rng)[:, member]
    return weights


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of bootstrap values: their 2.5th and 97.5th percentile, NaN left out."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
