"""Which images do not look like the rest: scores from what a model fails to rebuild."""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


def residual_scale(images: np.ndarray, rebuilt: np.ndarray, floor: float = 1e-3) -> np.ndarray:
    """Typical absolute residual per pixel over images, robust against a minority of bad ones: (N,
    H, W) twice -> (H, W).

    The median over images, times 1.4826, as for the standard deviation of a Gaussian.
    """
    return np.maximum(1.4826 * np.median(np.abs(np.subtract(images, rebuilt)), axis=0), floor)


def outlier_score(
    images: np.ndarray, rebuilt: np.ndarray, scale: np.ndarray, share: float = 0.01
) -> np.ndarray:
    """How badly the worst pixels of each image are rebuilt, in units of what is usual there.

    Parameters
    ----------
    images, rebuilt : ndarray, (N, H, W)
    scale : ndarray, (H, W)
        Of `residual_scale`, from images the model was not trained on.
    share : float
        The score is the mean over this share of pixels, those with the largest residuals: artifacts
        are local.

    Returns
    -------
    ndarray, (N,)
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], found {share}")
    residuals = (np.abs(np.subtract(images, rebuilt)) / scale).reshape(len(images), -1)
    count = max(1, int(share * residuals.shape[1]))
    return np.partition(residuals, -count, axis=1)[:, -count:].mean(1)


def detection(scores: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Receiver operating curve of a score that should be high for bad items.

    Parameters
    ----------
    scores : ndarray, (N,)
    bad : ndarray, (N,) bool
        With at least one of each kind.

    Returns
    -------
    (false positive rates, true positive rates, area under the curve)
    """
    bad = np.asarray(bad, bool)
    if bad.all() or not bad.any():
        raise ValueError(
            f"a curve needs good and bad items, found {int(bad.sum())} bad of {len(bad)}"
        )
    false, true, _ = roc_curve(bad, scores)
    return false, true, float(roc_auc_score(bad, scores))
