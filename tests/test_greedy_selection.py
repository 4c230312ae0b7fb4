"""The greedy selection against a loop over the published rule."""

import numpy as np
import pytest

from helpers.tissue.factors.greedy_selection import select_factors


def select_by_loops(coefficients, labels, p, lam):
    """The published rule, word by word (paper B, §2)."""
    k, r = coefficients.shape[1], labels.max()
    scores = {}
    for i in range(k):
        for a in range(1, r + 1):
            where = [label for value, label in zip(coefficients[:, i], labels) if value > 0]
            outside = sum(label not in (0, a) for label in where)
            scores[i, a] = where.count(a) - lam * outside
    chosen, free = [], set(scores)
    while len(chosen) < p:
        i, a = max(free, key=lambda pair: (scores[pair], -pair[0], -pair[1]))
        chosen.append((i, a))
        free = {pair for pair in free if pair[0] != i and pair[1] != a}
    return [i for i, _ in chosen], [a for _, a in chosen], scores


@pytest.mark.parametrize("seed", range(25))
def test_selection_follows_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    n, k, r = rng.integers(5, 40), rng.integers(1, 6), rng.integers(1, 5)
    # few positions: ties are frequent
    coefficients = rng.random((n, k)) * (rng.random((n, k)) < 0.4)
    labels = rng.integers(0, r + 1, n)
    labels[0] = r
    lam = rng.choice([0.0, 0.3, 0.5, 1.0])
    for p in range(1, min(k, r) + 1):
        found = select_factors(coefficients, labels, p, lam)
        chosen, areas, scores = select_by_loops(coefficients, labels, p, lam)
        assert (found.factors, found.areas) == (chosen, areas)
        np.testing.assert_allclose(
            found.scores, [[scores[i, a] for a in range(1, r + 1)] for i in range(k)]
        )
        np.testing.assert_allclose(found.scores, found.coverage - found.leakage)


def test_selection_by_hand():
    #            area 1  1  1  2  2  none
    factor_0 = [1, 1, 1, 1, 0, 9]  # area 1: 3 − 0.5 = 2.5, area 2: 1 − 1.5 = −0.5
    factor_1 = [1, 1, 0, 1, 1, 9]  # area 1: 2 − 1 = 1,     area 2: 2 − 1 = 1
    factor_2 = [0, 0, 0, 0, 0, 9]  # empty where it is scored
    coefficients, labels = np.array([factor_0, factor_1, factor_2]).T, np.array([1, 1, 1, 2, 2, 0])
    found = select_factors(coefficients, labels, p=2)
    assert found.factors == [0, 1] and found.areas == [1, 2]
    np.testing.assert_array_equal(found.scores, [[2.5, -0.5], [1, 1], [0, 0]])
    # at λ = 2 the factor that is nowhere beats the one that leaks
    assert select_factors(coefficients, labels, p=2, lam=2).factors == [0, 2]


def test_ties_go_to_the_lowest_factor_then_area():
    found = select_factors(np.ones((4, 3)), np.array([1, 1, 2, 2]), p=2)
    assert found.factors == [0, 1] and found.areas == [1, 2]


@pytest.mark.parametrize(
    "labels, p, message",
    [
        ([1, 1, 2, 0], 0, "p = 0 .*k = 3, areas = 2"),
        ([1, 1, 2, 0], 3, "p = 3 .*k = 3, areas = 2"),
        ([1, 1, 1, 1], 2, "areas = 1"),
        ([0, 0, 0, 0], 1, "labels must be 0"),
        ([1, 1, 2], 1, r"labels \(n,\)"),
    ],
)
def test_unusable_selections_are_refused(labels, p, message):
    with pytest.raises(ValueError, match=message):
        select_factors(np.ones((4, 3)), labels, p)


def test_no_factor_is_chosen_for_an_area_that_is_not_there():
    coefficients = np.array([[3.0, 0.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    labels = np.array([1, 1, 4])  # 2 and 3 have no position
    found = select_factors(coefficients, labels, p=4, present=True)
    assert sorted(found.areas) == [1, 4]
    assert dict(zip(found.areas, found.factors)) == {1: 0, 4: 1}
