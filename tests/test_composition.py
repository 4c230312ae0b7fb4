"""Layers and pieces of components, counted by hand; matching against all pairings."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from helpers.tissue.cortex import composition


def test_shares_count_by_hand():
    components = np.array([0, 0, 0, 1, 1, -1, 2])
    layers = np.array([1, 1, 2, 2, 0, 1, 0])
    shares = composition.layer_shares(components, layers, 3, 2)
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3], [0, 1], [0, 0]])


@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_pairings(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.dirichlet(np.ones(5), 4), rng.dirichlet(np.ones(5), 4)
    partner, distance = composition.match_shares(first, second)

    def apart(order):
        return [jensenshannon(first[i], second[j], base=2) for i, j in enumerate(order)]

    best = min(itertools.permutations(range(4)), key=lambda order: sum(apart(order)))
    assert tuple(partner) == best
    np.testing.assert_allclose(distance, apart(best))


def test_nearest_components_collide_where_matching_does_not():
    first = np.array([[0.9, 0.1], [0.8, 0.2]])
    second = np.array([[0.85, 0.15], [0.1, 0.9]])
    partner, _ = composition.match_shares(first, second)
    assert sorted(partner) == [0, 1]


def test_blobs_are_large_separate_pieces():
    mask = np.zeros((40, 80), bool)
    mask[10:30, 5:25] = mask[10:30, 50:75] = True
    mask[19:21, 25:50] = mask[2:4, 2:4] = True  # a thin bridge, a speck
    found = composition.blobs(mask, 100)
    assert sorted([found[20, 15], found[20, 60]]) == [1, 2] and found.max() == 2
    assert not found[20, 37] and not found[3, 3]


def test_an_empty_component_has_no_mean():
    means = composition.component_means(np.array([0, 0, 2]), np.array([1, 3, 5.0]), 3)
    np.testing.assert_array_equal(means, [2, np.nan, 5])
