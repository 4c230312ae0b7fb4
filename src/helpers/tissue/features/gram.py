"""Gram matrices of features, and how close they come to one block per area.

Paper A, section III.5: G = X Xᵀ of normalised features, and the error
‖G − D‖_F / N against the ideal D, which is 1 within an area and 0 across. Rows
are scaled to length 1, neither centred nor standardised; a row of zeros stays
zero. Rows may come in any order.

Where a function takes ``weights`` (repeats, N), they say how often each sample counts in each
bootstrap repeat, as from :func:`helpers.tissue.features.resampling.bootstrap_weights`.
"""

import numpy as np
from scipy import spatial
from sklearn import decomposition, preprocessing, utils

BLOCK = 2048  # rows of a Gram matrix that are held at a time


def normalise_rows(features: np.ndarray) -> np.ndarray:
    """Rows scaled to Euclidean length 1: (N, d) -> (N, d) float64. A zero row stays zero.

    Raises
    ------
    ValueError
        The array is not two-dimensional, is empty, or holds values that are not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or features.size == 0:
        raise ValueError(
            "features must be a (samples, features) array that is not empty, "
            f"found shape {features.shape}."
        )
    if not np.isfinite(features).all():
        raise ValueError("features hold NaN or infinite values; leave such samples out first.")
    # Scaling by the largest entry first keeps the squares of very small or large rows in range.
    largest = np.abs(features).max(axis=1, keepdims=True)
    return preprocessing.normalize(features / np.where(largest > 0, largest, 1))


def gram_matrix(features: np.ndarray) -> np.ndarray:
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


def block_diagonal_error(features: np.ndarray, labels: np.ndarray) -> float:
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
    return float(bootstrap_errors(features, labels, np.ones((1, len(features))))[0])


def bootstrap_errors(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Block-diagonal error of each bootstrap repeat: (repeats,)."""
    rows, totals = normalise_rows(features), 0.0
    labels = _checked_labels(labels, len(rows))
    for part in utils.gen_batches(len(rows), BLOCK):  # rows of G at a time: memory stays bounded
        squares = (rows[part] @ rows.T - (labels[part, None] == labels)) ** 2
        totals = totals + np.einsum("bi,bi->b", weights[:, part] @ squares, weights)
    return np.sqrt(totals) / weights.sum(axis=1)


def bootstrap_gaps_between_tiles(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """By how much the block-diagonal error is below that of windows all equally alike, over windows
    from different tiles, in each bootstrap repeat: (repeats,).

    Windows of one tile overlap, and nearly all are of one area: features that know nothing but
    their tile have a block for each, and an error below that of features without any. Between tiles
    they have none.
    Of features all of whose pairs are equally alike, the best are alike by the share p of pairs
    that are of one area; their error is √(p(1 − p)), below that of G = 0, which is √p.

    Parameters
    ----------
    features : (N, d) array
    labels, groups : (N,) arrays
        Area and tile of each window.

    Returns
    -------
    (repeats,) array
        Above 0 if windows of one area are more alike than others; NaN with a single tile.
    """
    rows, weights = normalise_rows(features), np.asarray(weights, float)
    labels, groups = (_checked_labels(each, len(rows)) for each in (labels, groups))
    sums = np.zeros((3, len(weights)))  # of squares, of pairs of one area, of pairs
    for part in utils.gen_batches(len(rows), BLOCK):
        apart = (groups[part, None] != groups).astype(float)
        same = (labels[part, None] == labels).astype(float)
        for total, matrix in zip(sums, ((rows[part] @ rows.T - same) ** 2, same, 1.0)):
            total += np.einsum("bi,bi->b", weights[:, part] @ (matrix * apart), weights)
    with np.errstate(invalid="ignore"):
        error, share = sums[:2] / sums[2]
    return np.sqrt(share * (1 - share)) - np.sqrt(error)


def null_errors(labels: np.ndarray) -> dict[str, float]:
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


def area_similarity(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
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
    return bootstrap_similarity(features, labels, np.ones((1, len(features))))[0]


def bootstrap_similarity(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean Gram entry of each pair of areas in each repeat, over pairs of different samples:
    (repeats, c, c); NaN where a repeat holds no such pair.
    """
    gram, weights = gram_matrix(features), np.asarray(weights, float)
    member = _membership(labels, len(gram))
    result = np.full((len(weights), member.shape[1], member.shape[1]), np.nan)
    for means, weight in zip(result, weights):
        w, own = member * weight[:, None], weight**2  # (N, c), and a sample against itself
        total = w.T @ gram @ w - np.diag(member.T @ (own * np.diag(gram)))
        pairs = np.outer(w.sum(0), w.sum(0)) - np.diag(member.T @ own)
        np.divide(total, pairs, out=means, where=pairs > 0)
    return result


def principal_components(
    features: np.ndarray, n: int = 3, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Low-dimensional scores of the normalised rows (paper A, Fig. 5).

    Returns
    -------
    scores : (N, n) array
    explained : float
        Share of the variance that these components hold.
    """
    pca = decomposition.PCA(n, random_state=seed)
    scores = pca.fit_transform(normalise_rows(features))
    return scores, float(pca.explained_variance_ratio_.sum())


def centroid_distances(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Distance between the centroids of each pair of areas: (c, c), or (repeats, c, c) with
    bootstrap weights.
    """
    drawn = np.ones((1, len(scores))) if weights is None else np.asarray(weights, float)
    w = _membership(labels, len(scores)) * drawn[:, :, None]  # (b, N, c)
    centroids = np.einsum("bnc,nd->bcd", w, scores) / w.sum(axis=1)[:, :, None]
    distances = np.linalg.norm(centroids[:, :, None] - centroids[:, None], axis=-1)
    return distances[0] if weights is None else distances


def bootstrap_silhouettes(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean silhouette of the areas in each repeat: (repeats,).

    A sample that is drawn several times counts as often, but is not its own neighbour: its copies
    at distance 0 would make every area look tight.

    Parameters
    ----------
    scores : (N, n) array
    labels : (N,) array with two or more different values
    """
    apart, weights = spatial.distance.cdist(scores, scores), np.asarray(weights, float)
    member = _membership(labels, len(scores))  # (N, c)
    own = member.argmax(axis=1)
    means = np.empty((member.shape[1], *weights.shape))  # of each sample to each area
    for area, mine in enumerate(member.T):
        drawn = weights * mine
        others = drawn.sum(axis=1, keepdims=True) - drawn  # a sample is not compared with itself
        with np.errstate(invalid="ignore", divide="ignore"):
            means[area] = drawn @ apart / others
    rows = np.arange(len(own))
    inner = means[own, :, rows].T.copy()  # (repeats, N)
    means[own, :, rows] = np.inf
    outer = np.nanmin(means, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        silhouettes = (outer - inner) / np.maximum(inner, outer)
    # as usual, a sample alone in its area counts 0
    return (np.nan_to_num(silhouettes) * weights).sum(axis=1) / weights.sum(axis=1)


def _membership(labels: np.ndarray, n: int) -> np.ndarray:
    """(n, c) float: 1 where a sample belongs to a class, classes in sorted order."""
    return (_checked_labels(labels, n)[:, None] == np.unique(labels)).astype(float)


def _checked_labels(labels: np.ndarray, n: int | None = None) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or (n is not None and len(labels) != n):
        raise ValueError(
            f"labels must be one per sample: expected shape ({n},), found {labels.shape}."
        )
    return labels
