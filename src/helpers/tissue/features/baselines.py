"""What gray values alone can do: classifiers that see a patch's histogram but not its texture."""

import numpy as np
from sklearn import discriminant_analysis, ensemble

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)


def gray_baselines(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    seed: int = 0,
) -> dict[str, float]:
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
    x, y = gray_statistics(train), gray_statistics(test)  # (N, 9)
    forest = ensemble.RandomForestClassifier(200, min_samples_leaf=3, random_state=seed, n_jobs=-1)
    classifiers = {  # name: classifier, and how many of the statistics it sees
        "mean gray": (discriminant_analysis.QuadraticDiscriminantAnalysis(), 1),
        "mean and sd": (discriminant_analysis.QuadraticDiscriminantAnalysis(), 2),
        "gray histogram": (forest, x.shape[1]),
    }
    return {
        name: float(classifier.fit(x[:, :n], train_labels).score(y[:, :n], test_labels))
        for name, (classifier, n) in classifiers.items()
    }


def gray_statistics(patches: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation and seven percentiles of every patch: (N, 1, 128, 128) → (N,
    9).
    """
    flat = np.asarray(patches).reshape(len(patches), -1)  # (N, 16384)
    return np.column_stack([flat.mean(1), flat.std(1), *np.percentile(flat, PERCENTILES, axis=1)])
