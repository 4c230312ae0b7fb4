"""Simple classifiers and a mixture model on features of frozen networks (paper A, Fig. 4).

Supervised: a linear SVM, an SVM with radial kernel and logistic regression (the
caption's "linear regression" is read as that), each on standardised features.
Unsupervised: a Gaussian mixture with one full-covariance component per area,
scored by V-measure: it never sees a label. Noise: a logistic regression that was fitted on clean
patches meets noisy ones. How sure a score is: :mod:`helpers.tissue.features.intervals`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid
from sklearn import decomposition, linear_model, metrics, mixture, pipeline, preprocessing, svm

PROBES = ("SVM-linear", "SVM-RBF", "LR")
GMM = "GMM"


def make_probe(name: str, n_features: int, seed: int = 0) -> pipeline.Pipeline:
    """An unfitted scikit-learn Pipeline: standardise, then classify.

    Parameters
    ----------
    name : {"SVM-linear", "SVM-RBF", "LR"}
    n_features : int
        Decides how the linear SVM is solved, not what its solution is: the primal problem converges
        fast in few dimensions, the dual in many.
    seed : int
        Order in which the linear SVM visits samples.

    Raises
    ------
    ValueError
        An unknown name.
    """
    classifiers = {
        "SVM-linear": svm.LinearSVC(random_state=seed, max_iter=5000, dual=n_features > 128),
        "SVM-RBF": svm.SVC(kernel="rbf", random_state=seed),
        "LR": linear_model.LogisticRegression(max_iter=1000, random_state=seed),
    }
    if name not in classifiers:
        raise ValueError(f"unknown probe {name!r}; expected one of {', '.join(classifiers)}.")
    return pipeline.make_pipeline(preprocessing.StandardScaler(), classifiers[name])


def predictions(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    names: Sequence[str] = (*PROBES, GMM),
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """What each probe, fitted on the training features, says of the test features.

    Parameters
    ----------
    train, test : (n, d) and (m, d) arrays
    train_labels : (n,) array
        The mixture does not look at them, except to count the areas.
    names : sequence of str
        Of `PROBES`, or `GMM`.

    Returns
    -------
    dict
        Probe to (m,) array: an area per sample, for the mixture the number of a cluster.

    Raises
    ------
    ValueError
        Features and labels do not fit, or fewer than two areas.
    """
    train, test, train_labels = np.asarray(train), np.asarray(test), np.asarray(train_labels)
    if train.ndim != 2 or len(train) != len(train_labels):
        raise ValueError(
            "expected training features (n, d) and n labels, "
            f"found {train.shape} and {train_labels.shape}."
        )
    if test.ndim != 2 or test.shape[1] != train.shape[1]:
        raise ValueError(
            f"expected test features (m, {train.shape[1]}) like those of training, "
            f"found {test.shape}."
        )
    n_areas = len(np.unique(train_labels))
    if n_areas < 2:
        raise ValueError("a probe needs training samples of at least two areas, found one.")
    return {
        name: gmm_clusters(train, test, n_areas, seed=seed)
        if name == GMM
        else make_probe(name, train.shape[1], seed).fit(train, train_labels).predict(test)
        for name in names
    }


def score(name: str, truth: np.ndarray, predicted: np.ndarray) -> float:
    """Accuracy of a supervised probe, V-measure of the mixture's clusters; both in [0, 1].

    V-measure is the harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg 2007):
    1 for clusters that are the areas, 0 for clusters that know nothing of them, whatever the
    clusters are called.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    return float(
        metrics.v_measure_score(truth, predicted) if name == GMM else np.mean(truth == predicted)
    )


def gmm_clusters(
    train: np.ndarray,
    test: np.ndarray,
    n_components: int,
    max_dims: int = 64,
    starts: int = 4,
    seed: int = 0,
) -> np.ndarray:
    """Clusters of the test features under a Gaussian mixture fitted on the training features.

    Features keep their scale and are projected on at most ``max_dims`` principal components, for
    every network alike; directions without variance (dead units) are left out. Of ``starts``
    initialisations the likeliest mixture counts.

    Returns
    -------
    (m,) int array of component numbers, whose order means nothing
    """
    train, test = np.asarray(train, np.float64), np.asarray(test, np.float64)
    if len(train) <= n_components:
        raise ValueError(
            f"a mixture of {n_components} components needs more training samples, "
            f"found {len(train)}."
        )
    dims = min(max_dims, np.linalg.matrix_rank(train - train.mean(axis=0)))
    if dims == 0:
        raise ValueError("all training features are constant: there is nothing to cluster.")
    pca = decomposition.PCA(dims, random_state=seed).fit(train)
    model = mixture.GaussianMixture(n_components, random_state=seed, n_init=starts)
    return model.fit(pca.transform(train)).predict(pca.transform(test))


def add_noise(patches: np.ndarray, variance: float, seed: int = 0) -> np.ndarray:
    """Raw patches in [0, 1] with Gaussian noise of the given variance, clipped to [0, 1].

    The same seed gives the same noise pattern at every variance, only larger, so a sweep
    follows each patch from clean to noisy.

    Parameters
    ----------
    patches : (N, h, w) array in [0, 1]
    variance : float
        Of the noise before clipping, in squared gray values.

    Returns
    -------
    (N, h, w) float32
    """
    if not variance >= 0:
        raise ValueError(f"the variance of noise cannot be below zero, found {variance}.")
    patches = np.asarray(patches, dtype=np.float32)
    if variance == 0:
        return patches.copy()
    noise = np.random.default_rng(seed).standard_normal(patches.shape, dtype=np.float32)
    return np.clip(patches + np.float32(np.sqrt(variance)) * noise, 0, 1)


def guessing(truth: np.ndarray) -> float:
    """Accuracy of the best answer that does not look: the share of the commonest area among those
    that the windows show.

    An area that no window shows is never right, so that guessing on balanced windows of four areas
    scores a quarter, however many areas the dataset names.

    Parameters
    ----------
    truth : (N,) array
        Area of each test window.
    """
    return float(np.unique(truth, return_counts=True)[1].max() / len(truth))


def robustness(variances: np.ndarray, accuracies: np.ndarray, chance: float) -> np.ndarray:
    """Area under (accuracy − chance) / (clean accuracy − chance) against noise variance, over the
    range of variances.

    Without the correction a network that knows nothing is the most robust of all: guessing costs
    nothing under noise.

    Parameters
    ----------
    variances : (v,) array, rising from 0
    accuracies : (…, v) array
    chance : float
        Accuracy of guessing.

    Returns
    -------
    (…) array
        1 means that noise costs nothing, 0 that the least noise costs all; NaN where even the clean
        accuracy is no better than guessing.
    """
    variances, accuracies = np.asarray(variances, float), np.asarray(accuracies, float)
    if len(variances) < 2 or variances[0] != 0 or (np.diff(variances) <= 0).any():
        raise ValueError(f"expected variances that rise from 0, found {variances.tolist()}.")
    above = accuracies - chance
    clean = np.where(above[..., :1] > 0, above[..., :1], np.nan)
    return trapezoid(above / clean, variances, axis=-1) / variances[-1]


def learning_curve(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    sizes: Sequence[int],
    name: str = "LR",
    seed: int = 0,
) -> dict[int, float]:
    """Accuracy of a probe against the number of training samples per class.

    Larger training sets contain the smaller ones. Sizes above what the smallest class holds
    are left out.

    Returns
    -------
    dict
        Samples per class to accuracy on the test features.
    """
    train, labels = np.asarray(train), np.asarray(train_labels)
    rng = np.random.default_rng(seed)
    order = {label: rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)}
    smallest = min(map(len, order.values()))
    curve = {}
    for size in sorted(size for size in sizes if size <= smallest):
        rows = np.concatenate([rows[:size] for rows in order.values()])
        found = predictions(train[rows], labels[rows], test, (name,), seed)[name]
        curve[int(size)] = score(name, test_labels, found)
    return curve


def score_table(table: pd.DataFrame) -> pd.DataFrame:
    """Score every repeat of a table of predictions.

    Parameters
    ----------
    table : DataFrame
        Columns network, kind, seed, repeat, truth, predicted, and either probe or variance.

    Returns
    -------
    DataFrame
        Without truth and predicted; one row per measurement, with its ``score``.
    """
    keys = [
        key for key in ("network", "kind", "probe", "variance", "seed", "repeat") if key in table
    ]
    rows = []
    for values, part in table.groupby(keys, sort=False):
        row = dict(zip(keys, values))
        row["score"] = score(row.get("probe", "LR"), part["truth"], part["predicted"])
        rows.append(row)
    return pd.DataFrame(rows)
