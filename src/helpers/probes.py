"""Simple classifiers and a mixture model on features of frozen networks (paper A, Fig. 4).

Supervised: a linear SVM, an SVM with radial kernel and logistic regression (the
caption's "linear regression" is read as that), each on standardised features.
Unsupervised: a Gaussian mixture with one full-covariance component per area,
scored by V-measure: it never sees a label. Noise: a logistic regression that was fitted on clean
patches meets noisy ones.
"""

from __future__ import annotations

import numpy as np

PROBES = ("SVM-linear", "SVM-RBF", "LR")
GMM = "GMM"


def make_probe(name: str, seed=0):
    """An unfitted scikit-learn Pipeline: standardise, then classify.

    Parameters
    ----------
    name : {"SVM-linear", "SVM-RBF", "LR"}
    seed : int
        Order in which the linear SVM visits samples.

    Raises
    ------
    ValueError
        An unknown name.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, LinearSVC

    makers = {
        "SVM-linear": lambda: LinearSVC(random_state=seed, max_iter=5000, dual=True),
        "SVM-RBF": lambda: SVC(kernel="rbf", random_state=seed),
        "LR": lambda: LogisticRegression(max_iter=1000, random_state=seed),
    }
    if name not in makers:
        raise ValueError(f"unknown probe {name!r}; expected one of {', '.join(makers)}.")
    return make_pipeline(StandardScaler(), makers[name]())


def probe_accuracies(train, train_labels, test, test_labels, names=PROBES, seed=0) -> dict[str, float]:
    """Accuracy on the test features of probes that were fitted on the training features.

    Parameters
    ----------
    train, test : (n, d) and (m, d) arrays
    train_labels, test_labels : (n,) and (m,) arrays

    Returns
    -------
    dict
        Probe to accuracy in [0, 1].
    """
    _check(train, train_labels, "train")
    _check(test, test_labels, "test")
    return {
        name: float(make_probe(name, seed).fit(train, train_labels).score(test, test_labels)) for name in names
    }


def gmm_clusters(train, test, n_components: int, max_dims=64, starts=4, seed=0) -> np.ndarray:
    """Clusters of the test features under a Gaussian mixture fitted on the training features.

    Features keep their scale and are projected on at most ``max_dims`` principal components, for
    every network alike; directions without variance (dead units) are left out. Of ``starts``
    initialisations the likeliest mixture counts.

    Returns
    -------
    (m,) int array of component numbers, whose order means nothing
    """
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    train, test = np.asarray(train, np.float64), np.asarray(test, np.float64)
    if len(train) <= n_components:
        raise ValueError(f"a mixture of {n_components} components needs more training samples, found {len(train)}.")
    dims = min(max_dims, np.linalg.matrix_rank(train - train.mean(axis=0)))
    if dims == 0:
        raise ValueError("all training features are constant: there is nothing to cluster.")
    pca = PCA(dims, random_state=seed).fit(train)
    mixture = GaussianMixture(n_components, covariance_type="full", random_state=seed, n_init=starts)
    return mixture.fit(pca.transform(train)).predict(pca.transform(test))


def gmm_v_measure(train, test, test_labels, max_dims=64, seed=0) -> float:
    """V-measure between areas and the clusters of a mixture with one component per area.

    V-measure is the harmonic mean of homogeneity and completeness: 1 for clusters that are the
    areas, 0 for clusters that know nothing of them, whatever the clusters are called.
    """
    from sklearn.metrics import v_measure_score

    _check(test, test_labels, "test")
    clusters = gmm_clusters(train, test, len(np.unique(test_labels)), max_dims, seed=seed)
    return float(v_measure_score(test_labels, clusters))


def add_noise(patches, variance: float, seed=0) -> np.ndarray:
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


def noise_sweep(features, train, train_labels, patches, labels, variances, seed=0) -> dict[float, float]:
    """Accuracy on noisy patches of a logistic regression that was fitted on clean features.

    Parameters
    ----------
    features : callable
        (N, h, w) raw patches to (N, d) features.
    train, train_labels : (n, d) and (n,) arrays
        Clean training features.
    patches, labels : (N, h, w) and (N,) arrays
        Raw test patches in [0, 1].
    variances : sequence of float
    seed : int
        Of the noise: the same seed shows the same noisy patches to every network.

    Returns
    -------
    dict
        Variance to accuracy.
    """
    classifier = make_probe("LR", seed).fit(train, train_labels)
    return {
        float(v): float(classifier.score(features(add_noise(patches, v, seed)), labels)) for v in variances
    }


def relative_area(accuracies: dict[float, float]) -> float:
    """Area under accuracy / clean accuracy against noise variance, over the range of variances.

    1 means that noise costs nothing. Needs variance 0.
    """
    variances = np.array(sorted(accuracies))
    if variances[0] != 0 or len(variances) < 2:
        raise ValueError(f"expected variance 0 and at least one other, found {list(variances)}.")
    relative = np.array([accuracies[v] for v in variances]) / accuracies[0]
    steps = np.diff(variances)
    return float((steps * (relative[1:] + relative[:-1]) / 2).sum() / (variances[-1] - variances[0]))


def learning_curve(train, train_labels, test, test_labels, sizes, name="LR", seed=0) -> dict[int, float]:
    """Accuracy of a probe against the number of training samples per class.

    Larger training sets contain the smaller ones. Sizes above what the smallest class holds
    are left out.

    Returns
    -------
    dict
        Samples per class to accuracy on the test features.
    """
    _check(train, train_labels, "train")
    train, labels = np.asarray(train), np.asarray(train_labels)
    rng = np.random.default_rng(seed)
    order = {label: rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)}
    smallest = min(map(len, order.values()))
    curve = {}
    for size in sorted(size for size in sizes if size <= smallest):
        rows = np.concatenate([rows[:size] for rows in order.values()])
        curve[int(size)] = probe_accuracies(train[rows], labels[rows], test, test_labels, (name,), seed)[name]
    return curve


def _check(features, labels, role: str) -> None:
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(
            f"{role}: expected features (n, d) and as many labels, found {features.shape} and {labels.shape}."
        )
    if role == "train" and len(np.unique(labels)) < 2:
        raise ValueError("train: a probe needs samples of at least two areas.")
