"""Gaussian mixtures against scikit-learn, on separated and on overlapping clusters."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from helpers.tissue.cortex import mixtures


def clusters(n=3000, seed=0):
    """Positions of three well separated clusters, the first the largest."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    rows = np.array([[0, 0], [5, 0], [0, 7]])[truth] + rng.normal(0, 0.5, (n, 2))
    return rows.astype(np.float32), truth


@pytest.mark.parametrize("max_rows, used", [(100_000, 3000), (500, 500)])
def test_separated_clusters_are_found_largest_first_even_on_a_subset(max_rows, used):
    rows, truth = clusters()
    mixture = mixtures.fit_mixture(rows, 3, max_rows=max_rows)
    assert mixture.rows == used and (np.diff(mixture.weights) <= 0).all()
    assert np.mean(mixture.posteriors(rows).argmax(1) == truth) > 0.999


def test_posteriors_and_bic_equal_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    # overlapping, of unlike shapes
    rows = 10 * np.concatenate([clusters()[0], rng.normal([2, 2], [0.2, 3], (1500, 2))])
    reference = GaussianMixture(3, random_state=22, max_iter=300, tol=1e-6).fit(rows)
    mixture = mixtures.fit_mixture(rows, 3)
    order = np.argsort(-reference.weights_)
    np.testing.assert_allclose(
        mixture.posteriors(rows, block=100), reference.predict_proba(rows)[:, order], atol=0.01
    )
    assert mixture.bic == pytest.approx(reference.bic(rows), rel=1e-4)


@pytest.mark.parametrize(
    "rows, n, message",
    [
        (np.ones((3, 2)), 4, "at least as many positions"),
        (np.full((20, 2), np.nan), 2, "not finite"),
    ],
)
def test_unusable_coefficients_are_refused(rows, n, message):
    with pytest.raises(ValueError, match=message):
        mixtures.fit_mixture(rows, n)
