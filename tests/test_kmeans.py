"""The k-means map against scikit-learn, on layers whose features differ."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from helpers.tissue.cortex import kmeans


def test_map_labels_new_positions_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    layers = np.repeat(np.arange(4), 120).reshape(40, 12)
    features = 3 * rng.normal(size=(4, 16))[layers] + 0.1 * rng.normal(size=(40, 12, 16))
    rows = features.reshape(-1, 16).astype(np.float32)
    fitted = kmeans.fit_kmeans(rows, k=4)
    clusters = fitted.predict(features)
    assert clusters.shape == layers.shape and clusters.dtype == np.uint8
    assert adjusted_rand_score(layers.ravel(), clusters.ravel()) == 1
    # the same by scikit-learn alone, in as many dimensions
    pca = PCA(len(fitted.components), svd_solver="full").fit(rows)
    expected = KMeans(4, n_init=4, random_state=0).fit_predict(pca.transform(rows))
    np.testing.assert_array_equal(clusters.ravel(), expected)
    assert fitted.explained[: len(fitted.components)].sum() >= 0.95


def test_few_components_are_kept():
    features = np.random.default_rng(0).normal(size=(200, 30))
    assert len(kmeans.fit_kmeans(features).components) == 10
    assert len(kmeans.fit_kmeans(features, variance=0.05).components) == 1


@pytest.mark.parametrize(
    "features, message",
    [
        (np.ones((3, 30)), "k = 4 needs at least as many positions"),
        (np.full((9, 2), np.nan), "not finite"),
    ],
)
def test_unusable_features_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        kmeans.fit_kmeans(features)
