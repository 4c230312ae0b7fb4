"""What gray values alone can do: classifiers that see a patch's histogram but not its texture."""

from __future__ import annotations

import numpy as np

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def gray_baselines(train, train_labels, test, test_labels, seed: int = 0) -> dict[str, float]:
    """Return the test accuracy of three classifiers that ignore where a gray value lies in its
    patch.

    Parameters
    ----------
    train, test : (N, 1, 128, 128) float arrays
    train_labels, test_labels : (N,) int arrays
    seed : int

    Returns
    -------
    dict of str to float
        Mean gray, and mean with standard deviation (Gaussian classes, quadratic discriminant
        analysis); mean, standard deviation and seven percentiles in a random forest.
    """
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.ensemble import RandomForestClassifier

    x, y = gray_statistics(train), gray_statistics(test)  # (N, 9)
    gaussian = QuadraticDiscriminantAnalysis
    forest = RandomForestClassifier(
        n_estimators=200, min_samples_leaf=3, random_state=seed, n_jobs=-1
    )
    return {
        "mean gray": float(gaussian().fit(x[:, :1], train_labels).score(y[:, :1], test_labels)),
        "mean and sd": float(gaussian().fit(x[:, :2], train_labels).score(y[:, :2], test_labels)),
        "gray histogram": float(forest.fit(x, train_labels).score(y, test_labels)),
    }


def gray_statistics(patches) -> np.ndarray:
    """Return mean, standard deviation and seven percentiles of every patch: (N, 1, 128, 128) → (N,
    9).
    """
    flat = np.asarray(patches).reshape(len(patches), -1)  # (N, 16384)
    return np.column_stack([flat.mean(1), flat.std(1), *np.percentile(flat, PERCENTILES, axis=1)])
