"""Gram matrices against explicit loops, known structures, and the bootstrap done the long way."""

import math

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from helpers.tissue.features import gram
from helpers.tissue.features.resampling import bootstrap_weights


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
    ideal = [[float(a == b) for b in labels] for a in labels]
    return np.linalg.norm(looped_gram(features) - ideal) / len(labels)


def test_gram_and_error_agree_with_explicit_loops(sample):
    features, labels = sample
    np.testing.assert_allclose(gram.gram_matrix(features), looped_gram(features), atol=1e-12)
    for x in (features, features - 0.3):
        expected = looped_error(x, labels)
        assert gram.block_diagonal_error(x, labels) == pytest.approx(expected, abs=1e-12)


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
    for x, y in (
        (features[order], labels[order]),
        (features * np.arange(1, 25)[:, None], labels),
        (features, np.array(["c", "a", "b"])[labels - 1]),
    ):
        assert gram.block_diagonal_error(x, y) == pytest.approx(expected)


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
    others = ~np.eye(24, dtype=bool)
    for a in (1, 2, 3):
        for b in (1, 2, 3):
            pairs = (labels[:, None] == a) & (labels == b) & others
            assert result[a - 1, b - 1] == pytest.approx(matrix[pairs].mean())
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
    weights = bootstrap_weights(labels, repeats=3, seed=1)
    for weight, distances in zip(weights, gram.centroid_distances(features, labels, weights)):
        rows = np.repeat(np.arange(24), weight.astype(int))
        np.testing.assert_allclose(distances, gram.centroid_distances(features[rows], labels[rows]))


def test_bootstrap_equals_resampling_rows(sample):
    features, labels = sample
    weights = bootstrap_weights(labels, repeats=5, seed=3)
    errors = gram.bootstrap_errors(features, labels, weights)
    for weight, error in zip(weights, errors):
        rows = np.repeat(np.arange(24), weight.astype(int))
        assert error == pytest.approx(looped_error(features[rows], labels[rows]))
    ones = np.ones((1, 24))
    assert gram.bootstrap_errors(features, labels, ones)[0] == pytest.approx(
        gram.block_diagonal_error(features, labels)
    )
    np.testing.assert_allclose(
        gram.bootstrap_similarity(features, labels, ones)[0], gram.area_similarity(features, labels)
    )


@pytest.mark.parametrize(
    "features, labels, message",
    [
        (np.ones((24, 7)), np.ones(23), r"one per sample: expected shape \(24,\), found \(23,\)"),
        (np.ones(7), np.ones(7), r"\(samples, features\) array .* found shape \(7,\)"),
        (np.zeros((0, 3)), np.ones(0), "not empty"),
        (np.array([[1.0, np.nan]]), np.ones(1), "NaN or infinite"),
    ],
)
def test_errors_say_what_is_wrong(features, labels, message):
    with pytest.raises(ValueError, match=message):
        gram.block_diagonal_error(features, labels)


def test_silhouettes_of_draws_are_those_of_the_rows_without_their_copies():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 2, 3], 8)
    scores = rng.normal(size=(24, 3)) + 2 * np.eye(3)[labels - 1]
    weights = np.vstack([np.ones(24), rng.integers(1, 4, 24)])
    once, drawn = gram.bootstrap_silhouettes(scores, labels, weights)
    assert once == pytest.approx(silhouette_score(scores, labels))
    total = 0.0
    for i, (own, weight) in enumerate(zip(labels, weights[1])):  # one sample after another
        apart = np.linalg.norm(scores - scores[i], axis=1)
        counts = weights[1] * (np.arange(24) != i)
        means = [(apart * counts)[labels == a].sum() / counts[labels == a].sum() for a in (1, 2, 3)]
        inner, outer = means[own - 1], min(means[: own - 1] + means[own:])
        total += weight * (outer - inner) / max(inner, outer)
    assert drawn == pytest.approx(total / weights[1].sum())


def test_gap_between_tiles_is_that_of_the_pairs_one_by_one():
    rng = np.random.default_rng(0)
    labels, groups = np.repeat([1, 2, 3], [4, 5, 6]), np.tile([0, 1, 2], 5)
    features = np.abs(rng.normal(size=(15, 4)))
    weights = np.vstack([np.ones(15), rng.integers(0, 3, (3, 15))])
    found = gram.bootstrap_gaps_between_tiles(features, labels, weights, groups)
    similarity = gram.gram_matrix(features)
    for weight, gap in zip(weights, found):
        drawn = np.repeat(np.arange(15), weight.astype(int))
        pairs = [(i, j) for i in drawn for j in drawn if groups[i] != groups[j]]
        same = np.array([labels[i] == labels[j] for i, j in pairs], float)
        alike = np.array([similarity[i, j] for i, j in pairs])
        best = min(
            np.sqrt(np.mean((same - c) ** 2)) for c in (*np.linspace(0, 1, 101), same.mean())
        )
        assert gap == pytest.approx(best - np.sqrt(np.mean((alike - same) ** 2)))


def test_what_knows_its_tile_alone_has_no_gap_between_tiles():
    labels, groups = np.repeat([1, 2, 3], 30), np.arange(90) // 5
    once = np.ones((1, 90))
    tiles = np.eye(18)[groups]
    assert gram.block_diagonal_error(tiles, labels) < gram.null_errors(labels)["nothing alike"]
    assert gram.bootstrap_gaps_between_tiles(tiles, labels, once, groups)[0] < 0
    areas = gram.bootstrap_gaps_between_tiles(np.eye(3)[labels - 1], labels, once, groups)[0]
    assert areas > 0.4  # no error at all
    assert np.isnan(gram.bootstrap_gaps_between_tiles(tiles, labels, once, np.zeros(90))[0])
