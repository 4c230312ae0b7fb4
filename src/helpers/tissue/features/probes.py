"""Simple classifiers and a mixture model on features of frozen networks (paper A, Fig. 4).

Supervised: a linear SVM, an SVM with radial kernel and logistic regression (the
caption's "linear regression" is read as that), each on standardised features.
Unsupervised: a Gaussian mixture with one full-covariance component per area,
scored by V-measure: it never sees a label. Noise: a logistic regression that was fitted on clean
patches meets noisy ones.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid
from sklearn import decomposition, linear_model, metrics, mixture, pipeline, preprocessing, svm

from helpers.tissue.features.resampling import bootstrap_weights, interval

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


def relative_area(variances: np.ndarray, accuracies: np.ndarray) -> np.ndarray:
    """Area under accuracy / clean accuracy against noise variance, over the range of variances.

    Parameters
    ----------
    variances : (v,) array, rising from 0
    accuracies : (…, v) array

    Returns
    -------
    (…) array
        1 means that noise costs nothing.
    """
    variances, accuracies = np.asarray(variances, float), np.asarray(accuracies, float)
    if len(variances) < 2 or variances[0] != 0 or (np.diff(variances) <= 0).any():
        raise ValueError(f"expected variances that rise from 0, found {variances.tolist()}.")
    relative = accuracies / np.maximum(accuracies[..., :1], 1e-9)
    return trapezoid(relative, variances, axis=-1) / variances[-1]


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


def bootstrap_scores(
    name: str, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Score of each bootstrap repeat: (repeats,). Weights as from
    :func:`helpers.tissue.features.resampling.bootstrap_weights`.
    """
    truth, predicted, weights = np.asarray(truth), np.asarray(predicted), np.asarray(weights)
    if name != GMM:
        return weights @ (truth == predicted) / weights.sum(axis=1)
    drawn = (np.repeat(np.arange(len(truth)), weight.astype(int)) for weight in weights)
    return np.array([score(name, truth[rows], predicted[rows]) for rows in drawn])


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


def noise_areas(scores: pd.DataFrame) -> pd.DataFrame:
    """Relative area under each noise curve: one row per network, kind, seed and repeat, with its
    ``area``.

    Parameters
    ----------
    scores : DataFrame
        From :func:`score_table`, with a column variance.
    """
    curves = scores.pivot(
        index=["network", "kind", "seed", "repeat"], columns="variance", values="score"
    )
    return curves.index.to_frame(index=False).assign(
        area=relative_area(curves.columns, curves.to_numpy())
    )


def difference_interval(
    table: pd.DataFrame, first: dict, second: dict, repeats: int = 200, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean score of ``first`` minus that of ``second``, on the same
    test patches.

    Parameters
    ----------
    table : DataFrame
        Predictions, as in :func:`score_table`, with a ``group`` per patch: whole groups are drawn.
        With a column variance, relative areas under the noise curves are compared, else scores.
    first, second : dict
        What to compare, for example ``{"network": "trained CNN", "probe": "GMM"}``.
    """

    def parts(chosen: dict) -> list[pd.DataFrame]:
        rows = np.logical_and.reduce([table[key] == value for key, value in chosen.items()])
        return [part for _, part in table[rows].groupby(["seed", "repeat"])]

    differences, pairs = np.zeros(repeats), list(zip(parts(first), parts(second)))
    for i, (a, b) in enumerate(pairs):
        patches = a[a["variance"] == 0] if "variance" in a else a
        weights = bootstrap_weights(patches["truth"], repeats, patches["group"], seed + i)
        differences += (_resampled(a, weights) - _resampled(b, weights)) / len(pairs)
    return interval(differences)


def _resampled(part: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    if "variance" not in part:
        return bootstrap_scores(part["probe"].iloc[0], part["truth"], part["predicted"], weights)
    curves = {
        v: bootstrap_scores("LR", p["truth"], p["predicted"], weights)
        for v, p in part.groupby("variance")
    }
    return relative_area(list(curves), np.stack(list(curves.values()), axis=-1))
