"""From logits on a grid to a map of areas with one label per pixel, as the network gives it or
smoothed.

The papers classify every position on its own (the raw map). Areas are large and contiguous, so a
pixel's neighbourhood says more than its own window: smoothing averages the evidence over it. That
step is ours, it knows nothing of where areas lie, and it is always reported beside the raw map.
"""

import numpy as np
from scipy import ndimage, special


def smooth_log_posteriors(logits: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:
    """Average log-posteriors over a Gaussian neighbourhood within the tissue.

    The mean of log-posteriors is the geometric mean of the neighbours' opinions, up to a constant
    that every area shares.

    Parameters
    ----------
    logits : (h, w, n) array
        Of a classifier on a grid of positions; log-posteriors serve as well.
    mask : (h, w) bool array
        Positions that take part; others neither vote nor, if none is near, get votes.
    sigma : float
        Standard deviation of the Gaussian, in grid steps; 0 leaves the log-posteriors as they are.

    Returns
    -------
    (h, w, n) float32 array
        Normalised log-posteriors.

    Raises
    ------
    ValueError
        If `logits` and `mask` do not lie on one grid.
    """
    logits = np.asarray(logits, np.float32)
    if logits.shape[:2] != mask.shape:
        raise ValueError(
            f"logits and mask must lie on one grid: found {logits.shape[:2]} and {mask.shape}"
        )
    result = special.log_softmax(logits, axis=-1)
    if sigma == 0:
        return result
    weight = mask.astype(np.float32)
    near = ndimage.gaussian_filter(weight, sigma, mode="constant")
    for area in range(result.shape[-1]):  # one at a time: a whole slice takes a gigabyte
        votes = ndimage.gaussian_filter(result[..., area] * weight, sigma, mode="constant")
        np.divide(votes, near, out=result[..., area], where=near > 1e-6)
    return special.log_softmax(result, axis=-1)


def label_map(
    scores: np.ndarray, shape: tuple[int, int], stride: int, mask: np.ndarray
) -> np.ndarray:
    """The best area of every pixel.

    Parameters
    ----------
    scores : (h, w, n) array
        Logits or log-posteriors; position (i, j) belongs to pixel (i * stride, j * stride).
    shape : (H, W)
        Of the slice.
    stride : int
        Pixels per grid step. A pixel takes the label of the nearest position.
    mask : (H, W) bool array
        Pixels to classify.

    Returns
    -------
    (H, W) uint8 array
        0 outside of the mask, else 1…n.

    Raises
    ------
    ValueError
        If the positions do not cover the slice.
    """
    best = np.argmax(scores, axis=-1).astype(np.uint8) + np.uint8(1)  # (h, w)
    nearest = [(np.arange(side) + stride // 2) // stride for side in shape]
    if stride < 1 or any(index[-1] > side for index, side in zip(nearest, best.shape)):
        raise ValueError(
            f"scores on a grid of {best.shape} at stride {stride} do not cover a slice of "
            f"{tuple(shape)}"
        )
    rows, columns = (np.minimum(index, side - 1) for index, side in zip(nearest, best.shape))
    return np.where(mask, best[np.ix_(rows, columns)], 0).astype(np.uint8)
