"""The Fréchet distance of PCA scores against its closed form."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA

from helpers.brains import frechet


def test_frechet_distance_has_its_closed_form():
    rng = np.random.default_rng(5)
    a, b = (m @ m.T + np.eye(4) for m in rng.standard_normal((2, 4, 4)))
    shift = rng.standard_normal(4)
    expected = shift @ shift + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet.frechet_distance(shift, a, np.zeros(4), b) == pytest.approx(expected, rel=1e-9)
    assert frechet.frechet_distance([1.0], [[4.0]], [3.0], [[9.0]]) == pytest.approx(2**2 + 1**2)


def test_pca_fd_of_one_set_with_itself_is_zero_and_of_shifted_sets_is_the_shift():
    images = np.random.default_rng(6).random((60, 8, 10)).astype(np.float32)
    assert frechet.pca_frechet_distance(images, images, 12) == pytest.approx(0, abs=1e-9)
    # A shift along the first component of the metric moves the mean by exactly that much and no
    # covariance.
    flat = images.reshape(60, -1) - images.reshape(60, -1).mean(0)
    direction = np.linalg.svd(flat, full_matrices=False)[2][0].reshape(8, 10)
    shifted = frechet.pca_frechet_distance(images, images + 0.5 * direction, 12)
    assert shifted == pytest.approx(0.25, rel=1e-3)


def test_pca_fd_agrees_with_the_closed_form_for_gaussians():
    rng = np.random.default_rng(7)
    basis = np.linalg.qr(rng.standard_normal((30, 3)))[0]  # three directions of 5×6 images
    deviations = np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 0.5])
    a, b = ((rng.standard_normal((20_000, 3)) * s @ basis.T).reshape(-1, 5, 6) for s in deviations)
    expected = ((deviations[0] - deviations[1]) ** 2).sum()
    assert frechet.pca_frechet_distance(a, b, 3) == pytest.approx(expected, rel=0.05)


def test_a_pca_model_scores_zero_in_its_own_components_and_not_elsewhere():
    images = np.random.default_rng(8).random((80, 8, 10)).astype(np.float32)
    flat = images[:40].reshape(40, -1)
    model = PCA(5).fit(flat)
    rebuilt = model.inverse_transform(model.transform(flat)).reshape(40, 8, 10)
    assert frechet.pca_frechet_distance(images[:40], rebuilt, 5) < 1e-4
    assert frechet.pca_frechet_distance(images[:40], rebuilt, 12, basis=images[40:]) > 0.05


@pytest.mark.parametrize(
    "n_components, width, message", [(10, 4, "more than 10 images"), (2, 5, "one size")]
)
def test_pca_fd_says_what_is_wrong(n_components, width, message):
    images = np.random.default_rng(0).random((10, 4, 4))
    with pytest.raises(ValueError, match=message):
        frechet.pca_frechet_distance(images, np.zeros((10, 4, width)), n_components)
