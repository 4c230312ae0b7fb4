"""Latents against the generative factors that only phantoms know."""

import numpy as np
from scipy import optimize, special, stats


def _ranks_in_bins(values: np.ndarray, bins: int) -> np.ndarray:
    """Equal-count bins of each column: (N, C) -> (N, C) int."""
    ranks = stats.rankdata(values, method="ordinal", axis=0).astype(int) - 1
    return ranks * bins // len(values)


def _information(a: np.ndarray, b: np.ndarray, bins: int) -> np.ndarray:
    """Mutual information of every pair of binned columns in nats: (N, A), (N, B) -> (A, B)."""
    one_hot = [np.eye(bins)[x] for x in (a, b)]  # (N, columns, bins)
    joint = np.einsum("nai,nbj->abij", *one_hot, optimize=True) / len(a)  # (A, B, bins, bins)
    independent = joint.sum(3, keepdims=True) * joint.sum(2, keepdims=True)
    return special.rel_entr(joint, independent).sum((2, 3))


def mutual_information(
    latents: np.ndarray,
    factors: np.ndarray,
    bins: int = 10,
    permutations: int = 20,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Mutual information between latents and generative factors, with the bias that chance alone
    gives taken off.

    Parameters
    ----------
    latents, factors : ndarray, (N, L) and (N, F)
    bins : int
        Equal-count bins per column.
    permutations : int
        Shuffles of the factors' rows; their mean is the bias.

    Returns
    -------
    information : ndarray, (L, F), nats, not below 0
    null : ndarray, (permutations, L, F), nats
        What shuffled factors give, before the bias is taken off.
    """
    if len(latents) != len(factors) or len(latents) < 2 * bins:
        raise ValueError(
            f"expected as many rows of latents as of factors and at least {2 * bins}, "
            f"found {len(latents)} and {len(factors)}"
        )
    rng = np.random.default_rng(seed)
    a, b = _ranks_in_bins(latents, bins), _ranks_in_bins(factors, bins)
    null = np.stack(
        [_information(a, b[rng.permutation(len(b))], bins) for _ in range(permutations)]
    )
    return np.clip(_information(a, b, bins) - null.mean(0), 0, None), null


def mutual_information_gap(information: np.ndarray, bins: int = 10) -> np.ndarray:
    """Mutual information gap: for each factor, how far the best latent is ahead of the second, in
    units of the entropy.

    1: one latent holds the factor and no other does; 0: two share it, or none holds it (Chen et al.
    2018, eq. 6).

    Parameters
    ----------
    information : ndarray, (L, F)
        Of `mutual_information`, with L ≥ 2.
    bins : int
        As there: equal-count bins have the entropy ln(bins).

    Returns
    -------
    ndarray, (F,)
    """
    ordered = np.sort(information, axis=0)
    return (ordered[-1] - ordered[-2]) / np.log(bins)


def matched_correlation(latents: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Absolute rank correlation of latents and factors, latents put in the order that matches
    factors one-to-one best.

    Parameters
    ----------
    latents, factors : ndarray, (N, L) and (N, F)

    Returns
    -------
    correlation : ndarray, (L, F)
        Rows in the order of ``order``; signs dropped.
    order : ndarray, (L,)
        Latent (0-based) in each row: first the partners of the factors in turn, then those without
        one.
    """
    ranks = (stats.rankdata(x, axis=0) for x in (latents, factors))
    a, b = ((r - r.mean(0)) / np.where(r.std(0) > 0, r.std(0), 1) for r in ranks)
    correlation = np.abs(a.T @ b / len(a))  # (L, F)
    rows, columns = optimize.linear_sum_assignment(-correlation)
    partners = rows[np.argsort(columns)]
    order = np.concatenate([partners, np.setdiff1d(np.arange(len(correlation)), partners)])
    return correlation[order], order
