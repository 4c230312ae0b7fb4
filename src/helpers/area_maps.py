"""From the probabilities of a sliding window to a map of areas, and what its errors look like."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

NEAR = 64  # pixels within which two areas touch


def to_pixels(values, shape, stride: int, order: int = 0) -> np.ndarray:
    """Return a grid of every ``stride``-th pixel as an image of all pixels.

    Parameters
    ----------
    values : (h, w) array
        Value at pixel (i · stride, j · stride).
    shape : (int, int)
        Height and width of the image.
    order : {0, 1}
        0 takes the nearest grid point, 1 interpolates linearly.
    """
    if order == 0:
        rows, columns = (np.minimum((np.arange(size) + stride // 2) // stride, count - 1) for size, count in zip(shape, values.shape))
        return values[rows[:, None], columns]
    grid = [np.arange(size) / stride for size in shape]
    # Separable: first along rows, then along columns.
    for axis, position in enumerate(grid):
        low = np.minimum(position.astype(int), values.shape[axis] - 1)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        weight = (position - low).astype(np.float32)
        weight = weight[:, None] if axis == 0 else weight
        values = np.take(values, low, axis) * (1 - weight) + np.take(values, high, axis) * weight
    return values


def most_likely(log_posteriors, shape, stride: int, order: int = 0) -> np.ndarray:
    """Return the most likely area 1…n of every pixel from log-probabilities (h, w, n) on a grid."""
    best, label = None, None
    for number in range(log_posteriors.shape[2]):  # one area at a time keeps memory at a few images
        values = to_pixels(log_posteriors[:, :, number], shape, stride, order)
        if best is None:
            best, label = values.copy(), np.ones(shape, np.uint8)
        else:
            larger = values > best
            best[larger], label[larger] = values[larger], number + 1
    return label


def smooth(log_posteriors, weight, sigma: float) -> np.ndarray:
    """Average log-probabilities over a Gaussian neighbourhood, counting only tissue.

    Windows of one area draw their evidence from the same texture, so that neighbouring windows may vote. This is a
    deviation from the papers, which show raw predictions; it is never used for the whole-slice claim.

    Parameters
    ----------
    log_posteriors : (h, w, n) array
    weight : (h, w) array
        1 where there is tissue, 0 elsewhere.
    sigma : float
        In grid points; 0 changes nothing.
    """
    if sigma <= 0:
        return log_posteriors
    weight = weight.astype(np.float32)
    total = ndimage.gaussian_filter(weight, sigma) + 1e-6
    return np.stack([ndimage.gaussian_filter(log_posteriors[:, :, number] * weight, sigma) / total
                     for number in range(log_posteriors.shape[2])], axis=2)


def neighbour_confusion(confusion, areas) -> dict[str, float]:
    """Return the mean confusion of areas that touch and of those that do not (A Fig. 3).

    Parameters
    ----------
    confusion : (n, n) counts
    areas : (H, W) int array
        Annotation, 1…n.

    Returns
    -------
    dict
        ``touching`` and ``apart``: mean row-normalised confusion over ordered pairs; 0 where there is no such pair.
    """
    counts = np.asarray(confusion, float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    n, step = len(shares), 4  # distances to a quarter of the resolution are exact enough for "within 64 pixels"
    small = areas[::step, ::step]
    near = np.zeros((n, n), bool)
    for a in range(n):
        if (small == a + 1).any():
            distance = step * ndimage.distance_transform_edt(small != a + 1)
            near[a] = [(distance[small == b + 1] <= NEAR).any() for b in range(n)]
    off_diagonal = ~np.eye(n, dtype=bool)

    def mean(mask):
        return float(shares[mask].mean()) if mask.any() else 0.0

    return {"touching": mean(near & off_diagonal), "apart": mean(~near & off_diagonal)}
