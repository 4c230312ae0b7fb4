"""NMF against brute force and scikit-learn."""

import numpy as np
import pytest
import torch
import zarr
from scipy.optimize import nnls
from sklearn.decomposition import NMF

from helpers.tissue.factors import hals, nmf


def mixtures(n=600, d=12, k=4, noise=0.0, seed=0):
    """Features of k sources of which each row shows few."""
    rng = np.random.default_rng(seed)
    W = rng.random((n, k)) * (rng.random((n, k)) < 0.5)
    H = rng.random((k, d)) * (rng.random((k, d)) < 0.6)
    return (W @ H + noise * rng.random((n, d))).astype(np.float32), W, H


def relative_error(X, W, H):
    return np.linalg.norm(X - W.astype(float) @ H) / np.linalg.norm(X)


def test_coefficients_on_a_given_basis_are_the_non_negative_least_squares_solution():
    X, _, _ = mixtures(noise=0.3)
    basis = np.random.default_rng(1).random((5, 12)).astype(np.float32)
    found, error = nmf.solve_coefficients(X, basis)
    expected = np.array([nnls(basis.T.astype(float), row)[0] for row in X.astype(float)])
    np.testing.assert_allclose(found, expected, atol=5e-3 * expected.max())
    assert np.mean((found > 0) == (expected > 1e-3)) > 0.97  # zeros are exact, and the right ones
    assert error == pytest.approx(relative_error(X, expected, basis), rel=1e-4)


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
    expected = relative_error(X, result.coefficients, result.components)
    assert result.error == pytest.approx(expected, rel=1e-4)
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
    reference = NMF(5, init="nndsvda", random_state=seed, max_iter=1000)
    expected = relative_error(X, reference.fit_transform(X), reference.components_)
    assert nmf.fit_nmf(X, 5, seed).error <= 1.005 * expected


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
    X, _, _ = mixtures(noise=0.1)
    expected = nmf.fit_nmf(X, 3)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    stored = zarr.array(X, chunks=(100, 12))
    for source in (mapped, stored, torch.from_numpy(X), X.astype(np.float64), X.tolist()):
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
    first, again, other = (nmf.fit_nmf(X, 4, seed) for seed in (0, 0, 1))
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
        (lambda X: np.where(np.arange(60)[:, None] == 17, np.nan, X), 2, "row 17"),
        (lambda X: np.where(np.arange(60)[:, None] == 17, np.inf, X), 2, "row 17"),
        (lambda X: X * 0, 2, "rank 0"),
        (lambda X: np.repeat(X[:, :2], 6, axis=1), 3, r"rank 2 .* choose k ≤ 2"),
    ],
)
def test_unusable_features_are_refused(spoil, k, message):
    with pytest.raises(ValueError, match=message):
        nmf.fit_nmf(spoil(mixtures(n=60)[0]), k)


@pytest.mark.parametrize(
    "basis, message",
    [
        (np.ones((2, 11)), r"components must be \(k, 12\)"),
        (np.zeros((2, 12)), "no row may be zero"),
    ],
)
def test_unusable_components_are_refused(basis, message):
    with pytest.raises(ValueError, match=message):
        nmf.solve_coefficients(mixtures(n=60)[0], basis)


def test_matching_factors_undoes_a_shuffle():
    H = np.random.default_rng(0).random((6, 20))
    order = np.random.default_rng(1).permutation(6)
    partner, cosine = nmf.match_components(H, 3 * H[order])
    np.testing.assert_array_equal(order[partner], np.arange(6))
    np.testing.assert_allclose(cosine, 1)


def test_of_several_starts_one_near_the_best_goes_on():
    rng = np.random.default_rng(0)
    patterns = rng.gamma(0.5, 1, (24, 64)) * (rng.random((24, 64)) < 0.4)
    weights = rng.gamma(0.3, 1, (3000, 24)) * (rng.random((3000, 24)) < 0.3)
    X = (weights @ patterns).astype(np.float32)

    def end(H):
        return hals.alternate(torch.from_numpy(X), torch.as_tensor(H), 1000, 1e-5)[1]

    drawn = [np.random.default_rng(seed).choice(3000, 15, replace=False) for seed in range(8)]
    alone = [end(X[rows] + 1e-3 * X.mean()) for rows in drawn]
    chosen = [end(hals.start(X, 15, np.random.default_rng(seed), 1e-4)) for seed in range(2)]
    assert max(alone) > 1.02 * min(alone)  # there are optima to choose between
    assert max(chosen) < 1.005 * min(*alone, *chosen)


def test_rows_that_are_nearly_equal_have_nearly_equal_factors():
    """Features of another number of threads differ by one part in a million; their factors may not
    differ by a thousand times that because rounding decides which steps are taken back.
    """
    rng = np.random.default_rng(0)
    parts = rng.gamma(0.5, 1, (1500, 4)) @ rng.gamma(0.3, 1, (4, 32))
    X = (parts + 0.1 * rng.random((1500, 32))).astype(np.float32)
    first = nmf.fit_nmf(X, 4, seed=0)
    for seed in range(3):
        noise = np.random.default_rng(seed).standard_normal(X.shape)
        second = nmf.fit_nmf((X * (1 + 1e-6 * noise)).astype(np.float32), 4, seed=0)
        pairs, _ = nmf.match_components(first.components, second.components)
        one, other = (
            np.corrcoef(found.T.astype(float))
            for found in (first.coefficients, second.coefficients[:, pairs])
        )
        np.testing.assert_allclose(one, other, atol=1e-3)  # it was 2e-2
