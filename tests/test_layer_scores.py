"""Scores of clusters against layers, by explicit counting and on layouts whose answer is known."""

import numpy as np
import pytest

from helpers.tissue.cortex import layer_scores

NAMES = ("L1", "L2/3", "L4", "L5")


def slab(width=40, height=12):
    """A cortex of four vertical layers of equal width, depth rising from left to right; column 0 is
    outside.
    """
    depth = np.tile((np.arange(width) + 0.5) / width, (height, 1)).astype(np.float32)
    layers = (np.arange(width) * 4 // width + 1) * np.ones((height, 1), int)
    depth[:, 0], layers[:, 0] = np.nan, 0
    return depth, layers


def test_f1_by_counting():
    rng = np.random.default_rng(0)
    clusters, layers = rng.integers(0, 3, (6, 7)), rng.integers(0, 5, (6, 7))
    found = layer_scores.layer_f1(clusters, layers, 3, 4)
    for cluster in range(3):
        for layer in range(1, 5):
            mine, there = (clusters == cluster) & (layers > 0), layers == layer
            expected = 2 * (mine & there).sum() / (mine.sum() + there.sum())
            assert found[cluster, layer - 1] == pytest.approx(expected)
    with pytest.raises(ValueError, match="of one size, found 42 and 3"):
        layer_scores.layer_f1(clusters, [1, 2, 3], 3, 4)


def test_a_perfect_and_an_absent_cluster():
    _, layers = slab()
    f1 = layer_scores.layer_f1(np.maximum(layers - 1, 0), layers, 5, 4)
    np.testing.assert_allclose(f1[:4], np.eye(4))
    assert (f1[4] == 0).all()


def test_layers_get_distinct_clusters():
    f1 = np.array([[0.9, 0.8], [0.7, 0.1], [0.0, 0.0]])
    # the nearest cluster would serve both
    assert layer_scores.find_layers(f1, [1, 2]) == {1: 1, 2: 0}
    assert layer_scores.find_layers(f1, [2]) == {2: 0}
    with pytest.raises(ValueError, match="4 layers need as many clusters, found 3"):
        layer_scores.find_layers(np.zeros((3, 4)), [1, 2, 3, 4])


def test_near_borders_is_symmetric_and_ignores_the_outer_edge():
    _, layers = slab()
    near = layer_scores.near_borders(layers, 2)
    # borders between columns 9|10, 19|20, 29|30; both columns of a border are at distance 0
    expected = np.isin(
        np.arange(40), [7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 32]
    )
    np.testing.assert_array_equal(near, np.tile(expected, (12, 1)))
    np.testing.assert_array_equal(layer_scores.near_borders(layers.T, 2), near.T)
    assert not layer_scores.near_borders(np.ones((5, 5), int), 3).any()


def test_clusters_are_numbered_from_the_surface_down():
    depth, layers = slab()
    clusters = np.array([3, 1, 0, 4])[
        np.maximum(layers - 1, 0)
    ]  # cluster 2 is empty, 3 lies on top
    assert layer_scores.by_depth(clusters, depth, 5).tolist() == [2, 1, 4, 0, 3]


def test_profile_along_depth():
    depth, layers = slab()
    centres, means = layer_scores.along_depth(layers, depth, 4)
    np.testing.assert_allclose(centres, [0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(means, [1, 2, 3, 4])
    _, shares = layer_scores.along_depth(np.eye(5)[layers], depth, 4)
    np.testing.assert_allclose(shares[:, 1:], np.eye(4))
    _, sparse = layer_scores.along_depth(layers, np.where(depth < 0.5, depth, np.nan), 4)
    assert np.isnan(sparse[2:]).all()


def test_layer_edges():
    depth, layers = slab(400)
    np.testing.assert_allclose(
        layer_scores.layer_edges(layers, depth, 4), [0.25, 0.5, 0.75, 1], atol=0.005
    )
    np.testing.assert_allclose(
        layer_scores.layer_edges(np.minimum(layers, 2), depth, 2), [0.25, 1], atol=0.005
    )


def test_agreement_of_perfect_and_of_meaningless_clusters():
    depth, layers = slab(80)
    inside, near = layers > 0, layer_scores.near_borders(layers, 2)
    perfect = layer_scores.agreement(np.maximum(layers - 1, 0), layers, inside, near, 4, NAMES)
    assert perfect["f1_l1"] == perfect["f1_l23"] == perfect["rand"] == 1
    assert perfect["near_borders"] == pytest.approx(18 / 79)
    assert perfect["transition"] == pytest.approx(
        6 / 20
    )  # the third layer has two borders, the fourth one
    border = np.where(near, 4, np.maximum(layers - 1, 0))
    assert layer_scores.agreement(border, layers, inside, near, 5, NAMES)["transition"] == 1
    noise = np.random.default_rng(0).integers(0, 4, layers.shape)
    random = layer_scores.agreement(noise, layers, inside, near, 4, NAMES)
    assert abs(random["rand"]) < 0.02 and random["f1_l1"] < 0.35
    half = layer_scores.agreement(border, layers, inside & (depth < 0.5), near, 5, NAMES)
    assert half["f1_l1"] > 0.9
