"""K-means on the principal components of cortical features (A Fig. 6)."""

from dataclasses import dataclass

import numpy as np
from sklearn import cluster, decomposition


@dataclass(frozen=True)
class KMeansMap:
    """Principal components and k-means centres, fitted on some positions, that label any others.

    Attributes
    ----------
    mean, components : (d,) and (c, d) arrays
        Of the principal component analysis.
    explained : array
        Share of the variance that each component holds, the ones that were dropped included.
    centres : (k, c) array
    inertia : float
        Sum of squared distances of the fitted positions to their centres: the start of k-means with
        the least is the best answer to what k-means asks.
    """

    mean: np.ndarray
    components: np.ndarray
    explained: np.ndarray
    centres: np.ndarray
    inertia: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Cluster 0 … k − 1 of each position: (…, d) -> (…) uint8."""
        scores = (np.asarray(features, np.float32) - self.mean) @ self.components.T  # (…, c)
        distances = ((scores[..., None, :] - self.centres) ** 2).sum(-1)  # (…, k)
        return distances.argmin(-1).astype(np.uint8)


def fit_kmeans(
    features: np.ndarray,
    k: int = 4,
    variance: float = 0.95,
    max_components: int = 10,
    seed: int = 0,
) -> KMeansMap:
    """Principal components, then k-means (paper A, Fig. 6).

    Parameters
    ----------
    features : (n, d) array
        Features of positions.
    k : int
        Number of clusters.
    variance : float
        Principal components are kept until they hold this share of the variance …
    max_components : int
        … but not more than this many.
    seed : int
        Seed of the k-means initialisation.

    Returns
    -------
    KMeansMap

    Raises
    ------
    ValueError
        If there are fewer positions than clusters, or a feature is not finite.
    """
    rows = np.asarray(features, np.float32)
    if rows.ndim != 2 or len(rows) < k:
        raise ValueError(
            f"k-means with k = {k} needs at least as many positions, "
            f"found features of shape {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise ValueError("features hold values that are not finite (NaN or infinite)")
    pca = decomposition.PCA(svd_solver="full", random_state=seed).fit(rows)
    enough = 1 + int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), variance))
    kept = min(enough, max_components, len(pca.components_))
    scores = pca.transform(rows)[:, :kept]
    found = cluster.KMeans(k, n_init=4, random_state=seed).fit(scores)
    return KMeansMap(
        pca.mean_,
        pca.components_[:kept],
        pca.explained_variance_ratio_,
        found.cluster_centers_,
        float(found.inertia_),
    )
