"""What gray values alone can do: classifiers that see a patch's histogram but not its texture."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from sklearn import discriminant_analysis, ensemble
from sklearn.base import ClassifierMixin

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
HISTOGRAM = "gray histogram"  # the strongest baseline: a random forest on all nine statistics


def fit_gray_baselines(
    statistics: np.ndarray, labels: np.ndarray, seed: int = 0
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Fit three classifiers that ignore where a gray value lies in its patch.

    Parameters
    ----------
    statistics : (N, 9) array
        From :func:`gray_statistics`, of patches drawn by the rule that the network learns by.
    labels : (N,) int array
    seed : int

    Returns
    -------
    dict of str to callable
        ``(M, 9) statistics -> (M,) labels``. They see mean gray, and mean with standard deviation
        (Gaussian classes, quadratic discriminant analysis); all nine in a random forest.
    """
    forest = ensemble.RandomForestClassifier(200, min_samples_leaf=3, random_state=seed, n_jobs=-1)
    classifiers = {  # name: classifier, and how many of the statistics it sees
        "mean gray": (discriminant_analysis.QuadraticDiscriminantAnalysis(), 1),
        "mean and sd": (discriminant_analysis.QuadraticDiscriminantAnalysis(), 2),
        HISTOGRAM: (forest, statistics.shape[1]),
    }
    return {
        name: _predictor(classifier.fit(statistics[:, :n], labels), n)
        for name, (classifier, n) in classifiers.items()
    }


def _predictor(classifier: ClassifierMixin, n: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda statistics: classifier.predict(statistics[:, :n])


def gray_statistics(patches: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation and seven percentiles of every patch: (N, 1, 128, 128) → (N,
    9).
    """
    rows = np.sort(np.asarray(patches).reshape(len(patches), -1), axis=1)  # (N, 16384)
    place = np.array(PERCENTILES) / 100 * (rows.shape[1] - 1)
    below = place.astype(int)
    above = np.minimum(below + 1, rows.shape[1] - 1)
    # as np.percentile does, which takes six times as long over many short rows
    percentiles = rows[:, below] + (place - below) * (rows[:, above] - rows[:, below])
    return np.column_stack([rows.mean(1), rows.std(1), percentiles])


def window_statistics(
    image: np.ndarray, size: int = 128, pad_value: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of gray in the window around every pixel.

    Parameters
    ----------
    image : (H, W) array
    size : int
        Side of a window, even; that of (row, column) begins ``size // 2`` before it, as patches do.
    pad_value : float
        Outside of the image.

    Returns
    -------
    mean, deviation : (H, W) float64 arrays
    """
    image = np.asarray(image, np.float64) - pad_value
    mean = ndimage.uniform_filter(image, size, mode="constant")
    square = ndimage.uniform_filter(image**2, size, mode="constant")
    return mean + pad_value, np.sqrt(np.maximum(square - mean**2, 0))
