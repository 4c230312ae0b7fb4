"""Gram matrices against explicit loops, known structures, and the bootstrap done the long way."""

import math

import numpy as np
import pytest

from helpers.tissue.features import gram


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    features = np.maximum(rng.normal(size=(24, 7)), 0)
    features[5] = 0  # a sample that activates nothing
    return features, rng.permutation(np.repeat([1, 2, 3], 8))


def looped_gram(features):
    """Cosine similarity pair by pair, in plain Python."""
    result = np.zeros((len(features), len(features)))
    for i, a in enumerate(features):
        for j, b in enumerate(features):
            lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
            result[i, j] = sum(x * y for x, y in zip(a, b)) / lengths if lengths > 0 else 0.0
    return result


def looped_error(features, labels):
    similarity, total = looped_gram(features), 0.0
    for i in range(len(labels)):
        for j in range(len(labels)):
            total += (similarity[i, j] - (1.0 if labels[i] == labels[j] else 0.0)) ** 2
    return math.sqrt(total) / len(labels)


def test_gram_and_error_agree_with_explicit_loops(sample):
    features, labels = sample
    np.testing.assert_allclose(gram.gram_matrix(features), looped_gram(features), atol=1e-12)
    assert gram.block_diagonal_error(features, labels) == pytest.approx(
        looped_error(features, labels), abs=1e-12
    )
    signed = features - 0.3
    assert gram.block_diagonal_error(signed, labels) == pytest.approx(
        looped_error(signed, labels), abs=1e-12
    )


def test_blocks_do_not_change_the_error(sample, monkeypatch):
    features, labels = sample
    expected = gram.block_diagonal_error(features, labels)
    monkeypatch.setattr(gram, "BLOCK", 5)
    assert gram.block_diagonal_error(features, labels) == pytest.approx(expected, abs=1e-14)


def test_a_zero_row_stays_zero(sample):
    features, _ = sample
    matrix = gram.gram_matrix(features)
    assert (matrix[5] == 0).all() and (matrix[:, 5] == 0).all()
    np.testing.assert_allclose(np.delete(np.diag(matrix), 5), 1)


def test_row_order_names_and_scale_do_not_matter(sample):
    features, labels = sample
    expected = gram.block_diagonal_error(features, labels)
    order = np.random.default_rng(1).permutation(len(labels))
    assert gram.block_diagonal_error(features[order], labels[order]) == pytest.approx(expected)
    assert gram.block_diagonal_error(features * np.arange(1, 25)[:, None], labels) == pytest.approx(
        expected
    )
    assert gram.block_diagonal_error(
        features, np.array(["c", "a", "b"])[labels - 1]
    ) == pytest.approx(expected)


def test_extreme_scales():
    features = np.array([[1e200, 1e200], [1e-200, 1e-200], [0, 1e300]])
    np.testing.assert_allclose(gram.gram_matrix(features)[0], [1, 1, math.sqrt(0.5)])


def test_known_structures():
    labels = np.repeat(np.arange(6), 50)
    blocks = np.eye(6)[labels]
    assert gram.block_diagonal_error(blocks, labels) == pytest.approx(0, abs=1e-12)
    nulls = gram.null_errors(labels)
    assert gram.block_diagonal_error(np.ones((300, 4)), labels) == pytest.approx(nulls["all alike"])
    assert gram.block_diagonal_error(np.eye(300), labels) == pytest.approx(nulls["nothing alike"])
    # the values for six balanced classes and many samples, to two digits
    many = gram.null_errors(np.repeat(np.arange(6), 400))
    assert round(many["nothing alike"], 2) == 0.41 and round(many["all alike"], 2) == 0.91


def test_area_similarity_leaves_out_self_pairs(sample):
    features, labels = sample
    matrix = looped_gram(features)
    result = gram.area_similarity(features, labels)
    for a in (1, 2, 3):
        for b in (1, 2, 3):
            pairs = [
                (i, j)
                for i in range(24)
                for j in range(24)
                if labels[i] == a and labels[j] == b and i != j
            ]
            assert result[a - 1, b - 1] == pytest.approx(np.mean([matrix[pair] for pair in pairs]))
    np.testing.assert_allclose(result, result.T)


def test_principal_components_keep_what_varies():
    rng = np.random.default_rng(0)
    features = (
        1 + np.outer(rng.normal(size=200), [0.3, -0.3, 0, 0, 0]) + 0.001 * rng.normal(size=(200, 5))
    )
    scores, explained = gram.principal_components(features)
    assert scores.shape == (200, 3) and explained > 0.99
    rows = gram.normalise_rows(features)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    assert explained == pytest.approx(values[:3].sum() / values.sum())
    np.testing.assert_allclose((scores**2).sum(0), values[:3], rtol=1e-6)


def test_centroid_distances_against_loops_and_resampled_rows(sample):
    features, labels = sample
    found = gram.centroid_distances(features, labels)
    for a in (1, 2, 3):
        for b in (1, 2, 3):
            expected = math.dist(features[labels == a].mean(0), features[labels == b].mean(0))
            assert found[a - 1, b - 1] == pytest.approx(expected)
    weights = gram.bootstrap_weights(labels, repeats=3, seed=1)
    for weight, distances in zip(weights, gram.centroid_distances(features, labels, weights)):
        rows = np.repeat(np.arange(24), weight.astype(int))
        np.testing.assert_allclose(distances, gram.centroid_distances(features[rows], labels[rows]))


def test_bootstrap_equals_resampling_rows(sample):
    features, labels = sample
    weights = gram.bootstrap_weights(labels, repeats=5, seed=3)
    errors = gram.bootstrap_errors(features, labels, weights)
    for weight, error in zip(weights, errors):
        rows = np.repeat(np.arange(24), weight.astype(int))
        assert np.bincount(labels[rows], minlength=4)[1:].tolist() == [
            8,
            8,
            8,
        ]  # classes stay balanced
        assert error == pytest.approx(looped_error(features[rows], labels[rows]))
    ones = np.ones((1, 24))
    assert gram.bootstrap_errors(features, labels, ones)[0] == pytest.approx(
        gram.block_diagonal_error(features, labels)
    )
    np.testing.assert_allclose(
        gram.bootstrap_similarity(features, labels, ones)[0], gram.area_similarity(features, labels)
    )


def test_bootstrap_draws_whole_groups(sample):
    _, labels = sample
    groups = np.arange(24) // 4
    weights = gram.bootstrap_weights(labels, repeats=50, groups=groups, seed=0)
    for label in (1, 2, 3):
        for group in np.unique(groups):
            together = weights[:, (labels == label) & (groups == group)]
            assert (together == together[:, :1]).all()
    assert not (weights == weights[:1]).all()
    np.testing.assert_array_equal(
        weights, gram.bootstrap_weights(labels, repeats=50, groups=groups, seed=0)
    )


def test_errors_say_what_is_wrong(sample):
    features, labels = sample
    with pytest.raises(
        ValueError, match=r"labels must be one per sample: expected shape \(24,\), found \(23,\)"
    ):
        gram.block_diagonal_error(features, labels[1:])
    with pytest.raises(
        ValueError, match=r"\(samples, features\) array that is not empty, found shape \(7,\)"
    ):
        gram.gram_matrix(features[0])
    with pytest.raises(ValueError, match="not empty"):
        gram.gram_matrix(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        gram.gram_matrix(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="one entry per label"):
        gram.bootstrap_weights(labels, groups=np.arange(3))
