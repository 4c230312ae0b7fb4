"""Gram matrices of features, and how close they come to one block per area.

Paper A, section III.5: G = X Xᵀ of normalised features, and the error
‖G − D‖_F / N against the ideal D, which is 1 within an area and 0 across. Rows
are scaled to length 1, neither centred nor standardised; a row of zeros stays
zero. Rows may come in any order.
"""

from __future__ import annotations

import numpy as np

BLOCK = 2048  # rows of a Gram matrix that are held at a time


def normalise_rows(features) -> np.ndarray:
    """Rows scaled to Euclidean length 1: (N, d) -> (N, d) float64. A zero row stays zero.

    Raises
    ------
    ValueError
        The array is not two-dimensional, is empty, or holds values that are not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or features.size == 0:
        raise ValueError(
            f"features must be a (samples, features) array that is not empty, found shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError("features hold NaN or infinite values; leave such samples out first.")
    # Scaling by the largest entry first keeps the squares of very small or large rows in range.
    largest = np.abs(features).max(axis=1, keepdims=True)
    scaled = np.divide(features, largest, out=np.zeros_like(features), where=largest > 0)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.divide(scaled, lengths, out=np.zeros_like(features), where=lengths > 0)


def gram_matrix(features) -> np.ndarray:
    """Cosine similarity of every pair of samples.

    Parameters
    ----------
    features : (N, d) array

    Returns
    -------
    (N, N) float64, in [−1, 1]; in [0, 1] for features after a ReLU.
    """
    rows = normalise_rows(features)
    return rows @ rows.T


def block_diagonal_error(features, labels) -> float:
    """‖G − D‖_F / N, with D = 1 within an area and 0 across (paper A, section III.5).

    Parameters
    ----------
    features : (N, d) array, in any row order
    labels : (N,) array
        Area of each row. Classes should be balanced: each pair of samples counts the same.

    Returns
    -------
    float
        0 for a perfect block structure; see :func:`null_errors` for what is bad.
    """
    rows = normalise_rows(features)
    labels, total = _checked_labels(labels, len(rows)), 0.0
    for start in range(0, len(rows), BLOCK):  # a block of rows of G at a time: memory stays bounded
        part = slice(start, start + BLOCK)
        total += float(np.sum((rows[part] @ rows.T - (labels[part, None] == labels)) ** 2))
    return float(np.sqrt(total) / len(rows))


def null_errors(labels) -> dict[str, float]:
    """Errors of two Gram matrices that know nothing of the areas.

    Returns
    -------
    dict
        ``nothing alike``: G = I, every sample like itself only; about √(1/c) for c balanced
        classes. ``all alike``: G = 1 everywhere; √(1 − 1/c) for c balanced classes.
    """
    counts = np.unique(_checked_labels(labels), return_counts=True)[1]
    n, within = counts.sum(), (counts**2).sum()  # samples, and pairs of one area
    return {
        "nothing alike": float(np.sqrt(within - n) / n),
        "all alike": float(np.sqrt(n**2 - within) / n),
    }


def area_similarity(features, labels) -> np.ndarray:
    """Mean Gram entry of each pair of areas; a sample is not compared with itself.

    Parameters
    ----------
    features : (N, d) array
    labels : (N,) array with c different values, two or more samples each

    Returns
    -------
    (c, c) float64
        Symmetric, in the order of the sorted labels.
    """
    labels = _checked_labels(labels, len(features))
    return _area_means(gram_matrix(features), labels, np.ones((1, len(labels))))[0]


def principal_components(features, n=3, seed=0) -> tuple[np.ndarray, float]:
    """Low-dimensional scores of the normalised rows (paper A, Fig. 5).

    Returns
    -------
    scores : (N, n) array
    explained : float
        Share of the variance that these components hold.
    """
    from sklearn.decomposition import PCA

    pca = PCA(n, random_state=seed)
    scores = pca.fit_transform(normalise_rows(features))
    return scores, float(pca.explained_variance_ratio_.sum())


def centroid_distances(scores, labels, weights=None) -> np.ndarray:
    """Distance between the centroids of each pair of areas: (c, c), or (repeats, c, c) with
    bootstrap weights.
    """
    labels = _checked_labels(labels, len(scores))
    member = (labels[:, None] == np.unique(labels)).astype(float)  # (N, c)
    w = (
        member
        * (np.ones((1, len(labels))) if weights is None else np.asarray(weights, float))[:, :, None]
    )  # (b, N, c)
    centroids = np.einsum("bnc,nd->bcd", w, scores) / w.sum(axis=1)[:, :, None]
    distances = np.linalg.norm(centroids[:, :, None] - centroids[:, None], axis=-1)
    return distances[0] if weights is None else distances


def bootstrap_weights(labels, repeats=200, groups=None, seed=0) -> np.ndarray:
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
    """
    labels = np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(
            f"groups must have one entry per label, found {groups.shape} and {labels.shape}."
        )
    rng = np.random.default_rng(seed)
    weights = np.zeros((repeats, len(labels)))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        _, member = np.unique(groups[rows], return_inverse=True)
        count = member.max() + 1
        draws = rng.multinomial(
            count, np.full(count, 1 / count), size=repeats
        )  # (repeats, groups of the class)
        weights[:, rows] = draws[:, member]
    return weights


def bootstrap_errors(features, labels, weights) -> np.ndarray:
    """Block-diagonal error of each bootstrap repeat: (repeats,). See :func:`bootstrap_weights`."""
    gram = gram_matrix(features)
    squares = (gram - _ideal(labels, len(gram))) ** 2
    totals = np.einsum("bi,bi->b", weights @ squares, weights)
    return np.sqrt(totals) / weights.sum(axis=1)


def bootstrap_similarity(features, labels, weights) -> np.ndarray:
    """Mean Gram entry of each pair of areas in each repeat: (repeats, c, c)."""
    labels = _checked_labels(labels, len(features))
    return _area_means(gram_matrix(features), labels, np.asarray(weights, float))


def _area_means(gram, labels, weights) -> np.ndarray:
    """Weighted mean of Gram entries over pairs of different samples: (repeats, c, c)."""
    member = (labels[:, None] == np.unique(labels)).astype(float)  # (N, c)
    result = np.empty((len(weights), member.shape[1], member.shape[1]))
    for b, weight in enumerate(weights):
        w = member * weight[:, None]  # (N, c)
        own = weight**2  # a sample against itself
        total = w.T @ gram @ w - np.diag(member.T @ (own * np.diag(gram)))
        pairs = np.outer(w.sum(0), w.sum(0)) - np.diag(member.T @ own)
        result[b] = np.divide(total, pairs, out=np.full_like(total, np.nan), where=pairs > 0)
    return result


def _ideal(labels, n) -> np.ndarray:
    labels = _checked_labels(labels, n)
    return (labels[:, None] == labels[None, :]).astype(np.float64)


def _checked_labels(labels, n=None) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or (n is not None and len(labels) != n):
        raise ValueError(
            f"labels must be one per sample: expected shape ({n},), found {labels.shape}."
        )
    return labels
