"""Probes on data whose answer is known; V-measure from its definition; noise measured on the
output.
"""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from helpers.tissue.features import probes


def clouds(n=60, d=12, spread=0.3, seed=0, c=3):
    """Gaussian clouds around c corners: features (c·n, d) and labels 1…c."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(1, c + 1), n)
    return 4 * np.eye(d)[labels - 1] + spread * rng.normal(size=(c * n, d)), labels


def accuracy(train, labels, test, test_labels, name):
    return probes.score(name, test_labels, probes.predictions(train, labels, test, (name,))[name])


@pytest.mark.parametrize("name", probes.PROBES)
def test_probes_separate_what_is_separable_and_nothing_else(name):
    train, labels = clouds(seed=0)
    test, test_labels = clouds(seed=1)
    assert accuracy(train, labels, test, test_labels, name) == 1
    shuffled = np.random.default_rng(0).permutation(labels)
    noise = np.random.default_rng(1).normal(size=train.shape)
    assert accuracy(noise, shuffled, test, test_labels, name) < 0.7


def test_logistic_probe_is_logistic_regression_on_standardised_features():
    train, labels = clouds(spread=2.5, seed=0)
    test, test_labels = clouds(spread=2.5, seed=1)
    scale = np.geomspace(1e-3, 1e3, train.shape[1])
    mean, sd = train.mean(0), train.std(0)
    reference = LogisticRegression(max_iter=1000).fit((train - mean) / sd, labels)
    expected = np.mean(reference.predict((test - mean) / sd) == test_labels)
    found = accuracy(train * scale, labels, test * scale, test_labels, "LR")
    assert found == pytest.approx(expected) and 0.5 < found < 1


def test_dead_features_do_no_harm():
    train, labels = clouds()
    dead = np.hstack([train, np.zeros((len(train), 5))])
    for name in (*probes.PROBES, probes.GMM):
        assert accuracy(dead, labels, dead, labels, name) == pytest.approx(1)


def v_measure(truth, clusters):
    """Harmonic mean of homogeneity and completeness, counted (Rosenberg and Hirschberg 2007)."""
    n = len(truth)

    def entropy(values):
        return -sum(k / n * math.log(k / n) for k in Counter(values).values())

    def conditional(a, given):
        joint, margin = Counter(zip(a, given)), Counter(given)
        return -sum(k / n * math.log(k / margin[g]) for (_, g), k in joint.items())

    homogeneity = 1 - conditional(truth, clusters) / entropy(truth)
    completeness = 1 - conditional(clusters, truth) / entropy(clusters)
    return 2 * homogeneity * completeness / (homogeneity + completeness)


def test_v_measure_agrees_with_its_definition():
    train, labels = clouds(spread=1.8, seed=0)
    test, test_labels = clouds(spread=1.8, seed=1)
    clusters = probes.gmm_clusters(train, test, 3)
    expected = v_measure(test_labels.tolist(), clusters.tolist())
    assert accuracy(train, labels, test, test_labels, probes.GMM) == pytest.approx(expected)
    assert 0.1 < expected < 0.999
    assert len(np.unique(clusters)) == 3


def test_mixture_has_full_covariance_and_ignores_training_labels():
    """Two crossed, elongated clouds with one centre: only full covariances tell them apart."""
    rng = np.random.default_rng(0)
    narrow = rng.normal(size=(600, 2)) * [4, 0.2]
    turn = np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    both = np.vstack([narrow[:300] @ turn, narrow[300:] @ turn.T])
    labels = np.repeat([1, 2], 300)
    assert accuracy(both, labels, both, labels, probes.GMM) > 0.5
    shuffled = rng.permutation(labels)
    np.testing.assert_array_equal(
        probes.predictions(both, shuffled, both, (probes.GMM,))[probes.GMM],
        probes.gmm_clusters(both, both, 2),
    )


def test_many_dimensions_are_reduced_for_every_network_alike():
    train, labels = clouds(n=40, d=200, spread=0.2)
    test, test_labels = clouds(n=40, d=200, spread=0.2, seed=1)
    clusters = probes.gmm_clusters(train, test, 3, max_dims=2)
    assert v_measure(test_labels.tolist(), clusters.tolist()) > 0.9
    assert 0 <= accuracy(train, labels, test, test_labels, probes.GMM) <= 1


def test_noise_has_the_variance_that_was_asked_for():
    patches = np.full((50, 64, 64), 0.5, np.float32)
    for variance in (1e-4, 2.5e-3, 1e-2):
        noise = probes.add_noise(patches, variance, seed=1) - 0.5
        # too little to be clipped at gray 0.5
        assert noise.var() == pytest.approx(variance, rel=0.02)
        assert abs(noise.mean()) < 0.001
    loud = probes.add_noise(patches, 1.0)
    assert loud.min() == 0 and loud.max() == 1 and loud.dtype == np.float32


def test_noise_is_one_pattern_that_grows():
    patches = np.random.default_rng(0).uniform(0.4, 0.6, (3, 16, 16)).astype(np.float32)
    small, large = (probes.add_noise(patches, v, seed=5) - patches for v in (1e-4, 4e-4))
    np.testing.assert_allclose(large, 2 * small, atol=1e-6)
    np.testing.assert_array_equal(probes.add_noise(patches, 0), patches)
    assert not np.allclose(small, probes.add_noise(patches, 1e-4, seed=6) - patches)


def test_robustness():
    assert probes.robustness([0, 1, 3], [0.8, 0.8, 0.8], 0.2) == pytest.approx(1)
    assert probes.robustness([0, 2], [0.5, 0.35], 0.2) == pytest.approx(0.75)
    both = probes.robustness([0, 1, 3], [[0.8, 0.8, 0.5], [0.8, 0.8, 0.8]], 0.2)
    np.testing.assert_allclose(both, [(1 + 2 * 0.75) / 3, 1])
    for wrong in ([1, 2], [0], [0, 2, 1]):
        with pytest.raises(ValueError, match="rise from 0"):
            probes.robustness(wrong, np.ones(len(wrong)), 0.2)


def test_to_guess_as_well_with_noise_as_without_is_not_robust():
    steady = probes.robustness([0, 1], [[0.21, 0.2], [0.9, 0.8]], 0.2)
    assert steady[0] == pytest.approx(0.5) and steady[1] > 0.9
    assert np.isnan(probes.robustness([0, 1], [0.2, 0.2], 0.2))


def predictions_table(good=0.9, bad=0.6, n=300, seed=0):
    """Two networks on the same patches, right with probabilities `good` and `bad`; 5 patches a
    group.
    """
    rng = np.random.default_rng(seed)
    tables = []
    for repeat in range(2):
        truth = np.repeat([1, 2, 3], n // 3)
        for network, right in (("good", good), ("bad", bad)):
            predicted = np.where(rng.random(n) < right, truth, truth % 3 + 1)
            about = {"network": network, "kind": "pretrained", "probe": "LR", "seed": 0}
            said = {"group": np.arange(n) // 5, "truth": truth, "predicted": predicted}
            tables.append(pd.DataFrame({**about, "repeat": repeat, **said}))
    return pd.concat(tables)


def test_score_table_scores_every_repeat_apart():
    table = predictions_table()
    scores = probes.score_table(table)
    assert len(scores) == 4
    assert list(scores.columns) == ["network", "kind", "probe", "seed", "repeat", "score"]
    for row in scores.itertuples():
        mine = table[(table["network"] == row.network) & (table["repeat"] == row.repeat)]
        assert row.score == pytest.approx((mine["truth"] == mine["predicted"]).mean())


def test_learning_curve_uses_nested_balanced_subsets():
    train, labels = clouds(n=40, spread=2.5)
    test, test_labels = clouds(n=40, spread=2.5, seed=1)
    curve = probes.learning_curve(train, labels, test, test_labels, [40, 2, 10, 500])
    assert list(curve) == [2, 10, 40]
    assert curve[40] == pytest.approx(accuracy(train, labels, test, test_labels, "LR"))
    assert curve[2] < curve[40]


TRAIN, LABELS = clouds()


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: probes.make_probe("KNN", 3),
            "unknown probe 'KNN'; expected one of SVM-linear, SVM-RBF, LR",
        ),
        (
            lambda: probes.predictions(TRAIN, LABELS[:4], TRAIN),
            r"training features \(n, d\) and n labels, found \(180, 12\) and \(4,\)",
        ),
        (
            lambda: probes.predictions(TRAIN, LABELS, TRAIN[:, :5]),
            r"test features \(m, 12\) like those of training, found \(180, 5\)",
        ),
        (lambda: probes.predictions(TRAIN[:10], LABELS[:10], TRAIN), "at least two areas"),
        (lambda: probes.add_noise(np.zeros((1, 4, 4)), -1), "cannot be below zero, found -1"),
        (lambda: probes.gmm_clusters(TRAIN[:6], TRAIN, 6), "mixture of 6 components needs more"),
        (lambda: probes.gmm_clusters(np.ones((20, 3)), TRAIN, 2), "nothing to cluster"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
