"""Maps of the cortex: k-means of features, Gaussian mixtures of factors, laminar shares, matching
across slices.

Everything here works on arrays that share one grid (pixels, or positions of a dense feature map).
Depth, layer bands and strips come from `helpers.tissue.cortex.depth` and are at hand here under
their own names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


def interior(annotated, margin):
    """Positions further than `margin` from the edge of the annotated tissue; the others are
    outliers (paper B, Fig. 2).

    Parameters
    ----------
    annotated : (H, W) bool array
        Union of all areas. Holes smaller than margin² (vessels) do not count as edges.
    margin : float
        In positions of the grid (64 pixels: half a window, which then lies wholly in annotated
        tissue).

    Returns
    -------
    (H, W) bool array
    """
    from skimage.morphology import remove_small_holes

    whole = remove_small_holes(np.pad(np.asarray(annotated, bool), 1), max(1, int(margin**2)))
    return (ndimage.distance_transform_edt(whole)[1:-1, 1:-1] > margin) & annotated


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

    def posteriors(self, coefficients, block=1 << 16):
        """Probability of each component for each row: (n, k) -> (n, c) float32."""
        out = np.empty((len(coefficients), len(self.weights)), np.float32)
        for start in range(0, len(out), block):
            rows = np.asarray(coefficients[start : start + block], np.float64)
            logs = np.empty((len(rows), len(self.weights)))
            for c, (weight, mean, covariance) in enumerate(
                zip(self.weights, self.means, self.covariances)
            ):
                root = np.linalg.cholesky(covariance)
                distance = np.linalg.solve(root, (rows - mean).T)  # (k, b), whitened
                logs[:, c] = (
                    np.log(weight) - 0.5 * (distance**2).sum(0) - np.log(np.diag(root)).sum()
                )
            logs -= logs.max(axis=1, keepdims=True)
            odds = np.exp(logs)
            out[start : start + block] = odds / odds.sum(axis=1, keepdims=True)
        return out


def fit_mixture(coefficients, n_components=4, seed=22, max_rows=100_000):
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
    from sklearn.mixture import GaussianMixture

    n = len(coefficients)
    if n < max(n_components, 2):
        raise ValueError(
            f"a mixture of {n_components} components needs at least as many positions, found {n}"
        )
    chosen = (
        np.sort(np.random.default_rng(seed).choice(n, max_rows, replace=False))
        if n > max_rows
        else slice(None)
    )
    rows = np.asarray(coefficients[chosen], np.float64)
    if not np.isfinite(rows).all():
        raise ValueError("coefficients hold values that are not finite (NaN or infinite)")
    # One scale for all factors: it changes nothing but the size of the constant that keeps
    # covariances invertible.
    scale = np.sqrt((rows**2).mean()) or 1.0
    model = GaussianMixture(
        n_components, covariance_type="full", random_state=seed, max_iter=300
    ).fit(rows / scale)
    order = np.argsort(-model.weights_, kind="stable")
    bic = model.bic(rows / scale) + 2 * rows.size * np.log(scale)
    return Mixture(
        model.weights_[order],
        model.means_[order] * scale,
        model.covariances_[order] * scale**2,
        float(bic),
        len(rows),
    )


def layer_shares(components, layers, n_components, n_layers):
    """Of the positions of each component, the share that lies in each layer.

    Parameters
    ----------
    components : int array
        Component 0 … of each position; negative where there is none.
    layers : int array of the same shape
        0 = none, 1 … n_layers.

    Returns
    -------
    (n_components, n_layers) array
        Rows sum to 1; a component without positions has a row of zeros.
    """
    components, layers = np.ravel(components), np.ravel(layers)
    used = (components >= 0) & (layers > 0)
    pair = components[used].astype(int) * n_layers + layers[used].astype(int) - 1
    counts = np.bincount(pair, minlength=n_components * n_layers).reshape(n_components, n_layers)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def match_shares(first, second):
    """Pair components of two slices one-to-one so that the summed Jensen–Shannon distance of their
    shares is least.

    Parameters
    ----------
    first, second : (c, m) arrays
        Rows as given by `layer_shares`.

    Returns
    -------
    partner : (c,) int array
        Row of `second` that belongs to each row of `first`.
    distance : (c,) array
        Jensen–Shannon distance (base 2, in [0, 1]) of each pair; a row of zeros is 1 from
        everything.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import jensenshannon

    distance = np.array(
        [
            [jensenshannon(a, b, base=2) if a.any() and b.any() else 1.0 for b in second]
            for a in first
        ]
    )
    rows, partner = linear_sum_assignment(np.nan_to_num(distance))
    return partner, distance[rows, partner]


def blobs(mask, smallest):
    """Separate pieces of a mask with at least `smallest` positions, after an opening that cuts thin
    bridges.

    Returns
    -------
    (H, W) int array
        0 outside, 1 … n in the pieces.
    """
    opened = ndimage.binary_opening(mask, iterations=max(1, int(np.sqrt(smallest) / 4)))
    pieces, n = ndimage.label(opened)
    large = np.bincount(pieces.ravel(), minlength=n + 1) >= smallest
    large[0] = False
    return np.where(large[pieces], np.cumsum(large)[pieces], 0)
