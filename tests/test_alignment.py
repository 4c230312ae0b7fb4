"""What factors align with, against loops, scikit-learn and the textbook."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from helpers.tissue.factors import alignment


def test_area_under_the_curve_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    coefficients = rng.integers(0, 5, (80, 3)) / 4.0  # many ties, many zeros
    labels = rng.integers(0, 4, 80)
    found = alignment.auroc(coefficients, labels, 3)
    for i in range(3):
        for a in range(1, 4):
            inside, known = labels == a, labels > 0
            expected = roc_auc_score(inside[known], coefficients[known, i])
            assert found[i, a - 1] == pytest.approx(expected)
    assert np.isnan(alignment.auroc(coefficients, np.ones(80, int), 2)).all()


def test_means_coverage_and_correlation_by_loops():
    rng = np.random.default_rng(0)
    coefficients = (rng.random((50, 4)) * (rng.random((50, 4)) < 0.5)).astype(np.float32)
    labels = rng.integers(0, 3, 50)
    means = alignment.area_means(coefficients, labels, 2)
    coverage = alignment.area_coverage(coefficients, labels, 2)
    for a in (1, 2):
        inside = coefficients[labels == a]
        np.testing.assert_allclose(means[:, a - 1], inside.mean(0), rtol=1e-6)
        np.testing.assert_allclose(coverage[:, a - 1], (inside > 0).mean(0))
    matrix = alignment.correlation(coefficients, block=7)
    np.testing.assert_allclose(matrix, np.corrcoef(coefficients.T), atol=1e-6)
    assert alignment.mean_absolute_correlation(matrix, [0, 2]) == pytest.approx(abs(matrix[0, 2]))


def test_block_bootstrap_is_wider_than_one_of_single_positions():
    rng = np.random.default_rng(0)
    places = np.stack(np.mgrid[:60, :60], -1).reshape(-1, 2)
    values = rng.normal(0, 1, (6, 6)).repeat(10, 0).repeat(10, 1).ravel()  # neighbours are equal
    first = places[:, 0] < 30
    wide, narrow = (
        alignment.bootstrap_difference(values, first, ~first, places, block) for block in (10, 1)
    )
    assert wide[0] == pytest.approx(values[first].mean() - values[~first].mean()) == narrow[0]
    assert wide[2] - wide[1] > 4 * (narrow[2] - narrow[1])
    # against the textbook: standard error of a difference of means of 18 + 18 independent blocks
    expected = 2 * 1.96 * np.sqrt(sum(values[g].reshape(-1).var() / 18 for g in (first, ~first)))
    assert wide[2] - wide[1] == pytest.approx(expected, rel=0.3)
    with pytest.raises(ValueError, match="both groups need positions"):
        alignment.bootstrap_difference(values, first, first & False, places, 10)


def test_layered_labels_beat_their_null_and_patchy_ones_do_not():
    rng = np.random.default_rng(0)
    depth = np.repeat((np.arange(60)[:, None] + 0.5) / 60, 60, axis=1)
    layers = np.digitize(depth, [0.25, 0.5, 0.75]) + 1
    patchy = rng.integers(0, 3, (12, 12)).repeat(5, 0).repeat(5, 1)
    found, null = alignment.laminar_information(layers // 2, layers, depth, 5)
    assert found > 2 * np.percentile(null, 99)
    found, null = alignment.laminar_information(patchy, layers, depth, 5)
    assert found < np.percentile(null, 99)
