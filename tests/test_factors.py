"""NMF against brute force and scikit-learn; the greedy selection against a loop over the published
rule.
"""

import numpy as np
import pytest
from scipy.optimize import nnls

from helpers.tissue.factors import greedy_selection, hals, nmf


def mixtures(n=600, d=12, k=4, noise=0.0, seed=0):
    """Features of k sources of which each row shows few."""
    rng = np.random.default_rng(seed)
    W = rng.random((n, k)) * (rng.random((n, k)) < 0.5)
    H = rng.random((k, d)) * (rng.random((k, d)) < 0.6)
    return (W @ H + noise * rng.random((n, d))).astype(np.float32), W, H


def test_coefficients_on_a_given_basis_are_the_non_negative_least_squares_solution():
    X, _, _ = mixtures(noise=0.3)
    basis = np.random.default_rng(1).random((5, 12)).astype(np.float32)
    found, error = nmf.solve_coefficients(X, basis)
    expected = np.array([nnls(basis.T.astype(float), row)[0] for row in X.astype(float)])
    np.testing.assert_allclose(found, expected, atol=5e-3 * expected.max())
    assert np.mean((found > 0) == (expected > 1e-3)) > 0.97  # zeros are exact, and the right ones
    assert error == pytest.approx(
        np.linalg.norm(X - expected @ basis) / np.linalg.norm(X), rel=1e-4
    )


def test_sources_are_found_again():
    X, _, H = mixtures(n=2000)
    result = nmf.fit_nmf(X, 4, tol=1e-6)
    assert result.error < 5e-3
    assert nmf.match_components(H, result.components)[1].min() > 0.99


def test_result_is_what_it_says():
    X, _, _ = mixtures(noise=0.3)
    result = nmf.fit_nmf(X, 3)
    assert result.coefficients.shape == (600, 3) and result.components.shape == (3, 12)
    assert result.coefficients.dtype == result.components.dtype == np.float32
    assert result.coefficients.min() == 0 and result.components.min() >= 0
    np.testing.assert_allclose(np.linalg.norm(result.components, axis=1), 1, atol=1e-5)
    assert result.error == pytest.approx(
        np.linalg.norm(X - result.coefficients @ result.components) / np.linalg.norm(X), rel=1e-4
    )
    assert result.solver == "hals" and result.iterations >= 2


def test_optimality_conditions_hold():
    """Gradients are zero where a value is positive, and not negative where it is zero."""
    X, _, _ = mixtures(noise=0.3)
    result = nmf.fit_nmf(X, 3, tol=1e-9, max_iter=2000)
    W, H = result.coefficients.astype(float), result.components.astype(float)
    for gradient, value in (((W @ H - X) @ H.T, W), (W.T @ (W @ H - X), H)):
        scale = np.abs(gradient + np.abs(X).mean() * np.abs(value).mean()).max()
        assert np.abs(gradient[value > 0]).max() < 2e-2 * scale
        assert gradient[value == 0].min() > -2e-2 * scale


@pytest.mark.parametrize("seed", range(4))
def test_error_reaches_that_of_coordinate_descent(seed):
    X, _, _ = mixtures(n=1500, d=20, k=8, noise=0.4, seed=seed)
    reference = nmf.fit_nmf(X, 5, seed, solver="sklearn", max_iter=1000)
    assert reference.solver == "sklearn"
    assert nmf.fit_nmf(X, 5, seed).error <= 1.005 * reference.error


def test_blocks_change_nothing_but_rounding(monkeypatch):
    X, _, _ = mixtures(n=3000, noise=0.1)
    whole = nmf.fit_nmf(X, 4)
    monkeypatch.setitem(hals.BLOCK_ROWS, "cpu", 256)
    parts = nmf.fit_nmf(X, 4)
    assert parts.iterations == whole.iterations
    np.testing.assert_allclose(parts.components, whole.components, atol=1e-3)
    np.testing.assert_allclose(
        parts.coefficients, whole.coefficients, atol=5e-3 * whole.coefficients.max()
    )


def test_starting_on_a_sample_of_rows_costs_no_accuracy(monkeypatch):
    X, _, _ = mixtures(n=3000, noise=0.1)
    whole = nmf.fit_nmf(X, 4, tol=1e-6)
    monkeypatch.setattr(nmf, "SAMPLE_ROWS", (300, 300))
    assert nmf.fit_nmf(X, 4, tol=1e-6).error == pytest.approx(whole.error, rel=1e-3)


def test_features_may_lie_anywhere(tmp_path):
    import torch
    import zarr

    X, _, _ = mixtures(noise=0.1)
    expected = nmf.fit_nmf(X, 3)
    np.save(tmp_path / "x.npy", X)
    stored = zarr.open_array(
        str(tmp_path / "x.zarr"), mode="w", shape=X.shape, chunks=(100, 12), dtype="f4"
    )
    stored[:] = X
    for source in (
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        stored,
        torch.from_numpy(X),
        X.astype(np.float64),
        X.tolist(),
    ):
        np.testing.assert_array_equal(nmf.fit_nmf(source, 3).components, expected.components)
    half = nmf.fit_nmf(X.astype(np.float16), 3)
    assert half.error == pytest.approx(expected.error, rel=1e-2)


def test_rows_of_a_feature_map_are_read_where_they_lie(tmp_path):
    grid = np.random.default_rng(0).random((7, 9, 4)).astype(np.float32)
    chosen = np.random.default_rng(1).random((7, 9)) < 0.5
    np.save(tmp_path / "grid.npy", grid)
    rows = nmf.Rows(np.load(tmp_path / "grid.npy", mmap_mode="r"), chosen)
    assert rows.shape == (chosen.sum(), 4)
    np.testing.assert_array_equal(rows[:], grid[chosen])
    np.testing.assert_array_equal(rows[3:11], grid[chosen][3:11])
    with pytest.raises(ValueError, match="mask"):
        nmf.Rows(grid, chosen[:-1])


def test_same_seed_same_result():
    X, _, _ = mixtures(noise=0.3)
    first, again, other = (nmf.fit_nmf(X, 4, seed, init="random") for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.components, again.components)
    assert not np.array_equal(first.components, other.components)


def test_dead_features_and_empty_rows_are_allowed():
    X, _, _ = mixtures(noise=0.2)
    X[:, [2, 5]] = 0
    X[[0, 7]] = 0
    result = nmf.fit_nmf(X, 3)
    assert not result.components[:, [2, 5]].any() and not result.coefficients[[0, 7]].any()


@pytest.mark.parametrize(
    "spoil, k, message",
    [
        (lambda X: X[:, 0], 2, r"\(n, d\)"),
        (lambda X: X[:2], 3, "k = 3 factors need"),
        (lambda X: X[:, :2], 3, "k = 3 factors need"),
        (lambda X: X, 0, "k = 0 factors need"),
        (lambda X: X - 0.5, 2, "negative"),
        (lambda X: np.where(np.arange(len(X))[:, None] == 17, np.nan, X), 2, "row 17"),
        (lambda X: np.where(np.arange(len(X))[:, None] == 17, np.inf, X), 2, "row 17"),
        (lambda X: X * 0, 2, "rank 0"),
        (lambda X: np.repeat(X[:, :2], 6, axis=1), 3, r"rank 2 .* choose k ≤ 2"),
    ],
)
def test_unusable_features_are_refused(spoil, k, message):
    with pytest.raises(ValueError, match=message):
        nmf.fit_nmf(spoil(mixtures(n=60)[0]), k)


def test_unusable_arguments_are_refused():
    X, _, _ = mixtures(n=60)
    with pytest.raises(ValueError, match="solver must be"):
        nmf.fit_nmf(X, 2, solver="magic")
    with pytest.raises(ValueError, match="init must be"):
        nmf.fit_nmf(X, 2, init="magic")
    with pytest.raises(ValueError, match=r"components must be \(k, 12\)"):
        nmf.solve_coefficients(X, np.ones((2, 11)))
    with pytest.raises(ValueError, match="no row may be zero"):
        nmf.solve_coefficients(X, np.zeros((2, 12)))


def test_matching_factors_undoes_a_shuffle():
    H = np.random.default_rng(0).random((6, 20))
    order = np.random.default_rng(1).permutation(6)
    partner, cosine = nmf.match_components(H, 3 * H[order])
    np.testing.assert_array_equal(order[partner], np.arange(6))
    np.testing.assert_allclose(cosine, 1)


def select_by_loops(coefficients, labels, p, lam):
    """The published rule, word by word (paper B, §2)."""
    k, r = coefficients.shape[1], labels.max()
    scores = {}
    for i in range(k):
        for a in range(1, r + 1):
            inside = sum(
                1 for value, label in zip(coefficients[:, i], labels) if value > 0 and label == a
            )
            outside = sum(
                1
                for value, label in zip(coefficients[:, i], labels)
                if value > 0 and label not in (0, a)
            )
            scores[i, a] = inside - lam * outside
    chosen = []
    while len(chosen) < p:
        free = [
            pair
            for pair in scores
            if pair[0] not in [c[0] for c in chosen] and pair[1] not in [c[1] for c in chosen]
        ]
        chosen.append(max(free, key=lambda pair: (scores[pair], -pair[0], -pair[1])))
    return [c[0] for c in chosen], [c[1] for c in chosen], scores


@pytest.mark.parametrize("seed", range(25))
def test_selection_follows_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    n, k, r = rng.integers(5, 40), rng.integers(1, 6), rng.integers(1, 5)
    coefficients = rng.random((n, k)) * (
        rng.random((n, k)) < 0.4
    )  # few positions: ties are frequent
    labels = rng.integers(0, r + 1, n)
    labels[0] = r
    lam = rng.choice([0.0, 0.3, 0.5, 1.0])
    for p in range(1, min(k, r) + 1):
        found = greedy_selection.select_factors(coefficients, labels, p, lam)
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
    found = greedy_selection.select_factors(coefficients, labels, p=2)
    assert found.factors == [0, 1] and found.areas == [1, 2]
    np.testing.assert_array_equal(found.scores, [[2.5, -0.5], [1, 1], [0, 0]])
    # at λ = 2 the factor that is nowhere beats the one that leaks
    assert greedy_selection.select_factors(coefficients, labels, p=2, lam=2).factors == [0, 2]


def test_ties_go_to_the_lowest_factor_then_area():
    found = greedy_selection.select_factors(np.ones((4, 3)), np.array([1, 1, 2, 2]), p=2)
    assert found.factors == [0, 1] and found.areas == [1, 2]


def test_unusable_selections_are_refused():
    coefficients, labels = np.ones((4, 3)), np.array([1, 1, 2, 0])
    for p in (0, 3):
        with pytest.raises(ValueError, match=rf"p = {p} .*k = 3, areas = 2"):
            greedy_selection.select_factors(coefficients, labels, p)
    with pytest.raises(ValueError, match="areas = 1"):
        greedy_selection.select_factors(coefficients, np.ones(4, int), 2)
    with pytest.raises(ValueError, match="labels must be 0"):
        greedy_selection.select_factors(coefficients, np.zeros(4, int), 1)
    with pytest.raises(ValueError, match=r"labels \(n,\)"):
        greedy_selection.select_factors(coefficients, labels[:3], 1)


def test_relative_error_is_what_its_definition_says_for_either_solver():
    rng = np.random.default_rng(0)
    W, H = rng.random((30_000, 3), np.float32), rng.random((3, 8), np.float32)
    X = (W @ H + rng.random((30_000, 8))).astype(np.float32)
    expected = np.linalg.norm(X - W.astype(np.float64) @ H) / np.linalg.norm(X.astype(np.float64))
    assert nmf.relative_error(X, W, H) == pytest.approx(expected, rel=1e-6)
    result = nmf.fit_nmf(X, 3, solver="sklearn")
    assert result.error == pytest.approx(
        np.linalg.norm(X - result.coefficients.astype(np.float64) @ result.components)
        / np.linalg.norm(X.astype(np.float64)),
        rel=1e-5,
    )


def test_of_several_starts_one_near_the_best_goes_on():
    import torch

    from helpers.tissue.factors import hals

    rng = np.random.default_rng(0)
    patterns = rng.gamma(0.5, 1, (24, 64)) * (rng.random((24, 64)) < 0.4)
    X = ((rng.gamma(0.3, 1, (3000, 24)) * (rng.random((3000, 24)) < 0.3)) @ patterns).astype(
        np.float32
    )
    end = lambda H: hals.alternate(
        torch.from_numpy(X), torch.as_tensor(H, dtype=torch.float32), 300, 1e-5
    )[1]  # noqa: E731
    alone = [
        end(hals.start(X, 15, "random", np.random.default_rng(seed), 1e-4)) for seed in range(8)
    ]
    chosen = [
        end(hals.start(X, 15, "best", np.random.default_rng(seed), 1e-4)) for seed in range(2)
    ]
    assert max(alone) > 1.02 * min(alone)  # there are optima to choose between
    assert max(chosen) < 1.005 * min(*alone, *chosen)
