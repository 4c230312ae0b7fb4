"""Gaussian mixtures of factor coefficients; their components map the cortex (paper B, §3)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.mixture import GaussianMixture


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture, its components sorted by weight, the largest first.

    Attributes
    ----------
    weights : (c,) array
    means : (c, k) array
    covariances : (c, k, k) array
    bic : float
        Bayesian information criterion on the rows it was fitted on; lower is better.
    rows : int
        How many rows those were.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    bic: float
    rows: int

    def posteriors(self, coefficients: np.ndarray, block: int = 1 << 16) -> np.ndarray:
        """Probability of each component for each row: (n, k) -> (n, c) float32."""
        out = np.empty((len(coefficients), len(self.weights)), np.float32)
        parts = list(zip(self.weights, self.means, np.linalg.cholesky(self.covariances)))
        for start in range(0, len(out), block):
            rows = np.asarray(coefficients[start : start + block], np.float64)
            logs = []
            for weight, mean, root in parts:
                distance = np.linalg.solve(root, (rows - mean).T)  # (k, b), whitened
                scale = np.log(np.diag(root)).sum()
                logs.append(np.log(weight) - 0.5 * (distance**2).sum(0) - scale)
            out[start : start + block] = softmax(np.stack(logs, axis=1), axis=1)
        return out


def fit_mixture(
    coefficients: np.ndarray, n_components: int = 4, seed: int = 22, max_rows: int = 100_000
) -> Mixture:
    """Fit a Gaussian mixture with full covariances to factor coefficients (paper B, §3 and Fig.
    2A2).

    Coefficients are not standardised. Positions overlap, so a random subset of them is enough to
    fit; posteriors are then taken of all.

    Parameters
    ----------
    coefficients : (n, k) array
    n_components : int
    seed : int
        Of the subset and of the initialisation; the authors' code uses 22.
    max_rows : int
        Rows to fit on at most.

    Returns
    -------
    Mixture

    Raises
    ------
    ValueError
        If there are fewer rows than components, or a coefficient is not finite.
    """
    n = len(coefficients)
    if n < max(n_components, 2):
        raise ValueError(
            f"a mixture of {n_components} components needs at least as many positions, found {n}"
        )
    if n > max_rows:
        drawn = np.random.default_rng(seed).choice(n, max_rows, replace=False)
        coefficients = coefficients[np.sort(drawn)]
    rows = np.asarray(coefficients, np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("coefficients hold values that are not finite (NaN or infinite)")
    # One scale for all factors: it changes nothing but the size of the constant that keeps
    # covariances invertible.
    scale = np.sqrt((rows**2).mean()) or 1.0
    model = GaussianMixture(n_components, random_state=seed, max_iter=300).fit(rows / scale)
    order = np.argsort(-model.weights_, kind="stable")
    bic = model.bic(rows / scale) + 2 * rows.size * np.log(scale)
    return Mixture(
        model.weights_[order],
        model.means_[order] * scale,
        model.covariances_[order] * scale**2,
        float(bic),
        len(rows),
    )
