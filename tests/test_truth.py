"""Scores that need ground truth, for maps of microCT slices."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from helpers.tissue.factors import truth


def test_adjusted_rand_ignores_names_and_unlabelled_positions():
    labels = np.array([1, 1, 2, 2, 3, 3, 0, 1])
    renamed = np.array([7, 7, 1, 1, 4, 4, 2, 0])
    assert truth.adjusted_rand(renamed, labels) == 1
    shuffled = np.random.default_rng(0).integers(1, 4, 5000)
    assert abs(truth.adjusted_rand(shuffled, np.repeat([1, 2, 3, 4], 1250))) < 0.01
    with pytest.raises(ValueError, match="no position"):
        truth.adjusted_rand(labels, labels * 0)


def test_density_correlations_are_rank_correlations():
    rng = np.random.default_rng(0)
    density = rng.random(400)
    coefficients = np.column_stack(
        [np.exp(3 * density), -density, np.maximum(rng.random(400) - 0.5, 0), np.zeros(400)]
    )
    found = truth.density_correlations(coefficients, density)
    np.testing.assert_allclose(found[:2], [1, -1])
    assert found[2] == pytest.approx(spearmanr(coefficients[:, 2], density)[0])
    assert np.isnan(found[3])
    with pytest.raises(ValueError, match="one density per row"):
        truth.density_correlations(coefficients, density[1:])


def test_precision_and_recall_by_hand():
    found, there = np.array([1, 1, 1, 0, 0], bool), np.array([1, 0, 0, 1, 0], bool)
    assert truth.precision_recall(found, there) == (pytest.approx(1 / 3), 0.5)
    assert truth.precision_recall(found & False, there) == (0, 0)


def test_rank_agreement_is_spearman_with_an_interval_over_neighbourhoods():
    rng = np.random.default_rng(1)
    density = rng.random(600).round(1)  # ties
    estimate = np.exp(density) + rng.normal(0, 0.5, 600)
    alone = truth.rank_agreement(estimate, density, np.arange(600))
    assert alone[0] == pytest.approx(spearmanr(estimate, density)[0])
    assert alone[0] - 0.15 < alone[1] < alone[0]
    # the same 60 positions ten times over are worth 60, if they are told to be neighbours
    places = np.tile(np.arange(60), 10)
    few = truth.rank_agreement(estimate[places], density[places], places)
    many = truth.rank_agreement(estimate[places], density[places], np.arange(600))
    assert few[0] == pytest.approx(many[0]) and few[1] < many[1] - 0.05
    assert np.isnan(truth.rank_agreement(np.ones(600), density, np.arange(600))[0])
    with pytest.raises(ValueError, match="one estimate, one truth and one group"):
        truth.rank_agreement(estimate, density[1:], places)
