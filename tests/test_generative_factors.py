"""Mutual information against scikit-learn; gaps and matching on latents whose factors are known."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from helpers.brains import generative_factors


def test_information_agrees_with_a_second_implementation():
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((500, 3))
    latents = factors @ rng.standard_normal((3, 4)) + 0.5 * rng.standard_normal((500, 4))
    information, null = generative_factors.mutual_information(latents, factors, bins=8)
    a, b = (generative_factors._ranks_in_bins(x, 8) for x in (latents, factors))
    expected = np.array([[mutual_info_score(a[:, i], b[:, j]) for j in range(3)] for i in range(4)])
    np.testing.assert_allclose(information, np.clip(expected - null.mean(0), 0, None), atol=1e-9)
    assert information.shape == (4, 3) and null.shape == (20, 4, 3)


def test_unrelated_columns_share_nothing_once_the_bias_is_off():
    rng = np.random.default_rng(1)
    unrelated = rng.standard_normal((2, 200, 4))
    information, null = generative_factors.mutual_information(*unrelated)
    assert null.mean() > 0.15  # the bias of ten by ten bins with 200 rows
    assert information.mean() < 0.03


def test_gap_is_one_for_a_latent_of_its_own_and_zero_for_two_that_share():
    rng = np.random.default_rng(2)
    factor, noise = rng.standard_normal((2, 2000, 1))
    gaps = []
    for latents in ([factor, noise], [factor, factor, noise], [noise, noise**2]):
        information, _ = generative_factors.mutual_information(np.hstack(latents), factor)
        gaps.append(generative_factors.mutual_information_gap(information)[0])
    assert gaps[0] == pytest.approx(1, abs=0.05)
    assert gaps[1] == 0 and gaps[2] < 0.02


def test_matching_undoes_a_shuffle_and_ignores_sign():
    rng = np.random.default_rng(3)
    factors = rng.standard_normal((400, 3))
    shuffled = np.hstack(
        [rng.standard_normal((400, 1)), -factors[:, [2]], np.exp(factors[:, [0]]), factors[:, [1]]]
    )
    correlation, order = generative_factors.matched_correlation(shuffled, factors)
    assert order.tolist() == [2, 3, 1, 0]
    np.testing.assert_allclose(np.diag(correlation), 1, atol=1e-9)
    fewer, order = generative_factors.matched_correlation(shuffled[:, :2], factors)
    assert fewer.shape == (2, 3) and sorted(order) == [0, 1]


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="at least 20"):
        generative_factors.mutual_information(np.zeros((5, 2)), np.zeros((5, 2)))
