"""PCA-FD: Fréchet distance of Gaussians fitted to PCA scores (C §3.2)."""

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA


def frechet_distance(
    mean_a: np.ndarray, covariance_a: np.ndarray, mean_b: np.ndarray, covariance_b: np.ndarray
) -> float:
    """Squared Fréchet distance of two Gaussians, ``|μa − μb|² + Tr(A + B − 2 (AB)^½)`` (Dowson &
    Landau 1982).
    """
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T  # A^½
    squares = np.linalg.eigvalsh(root @ covariance_b @ root)
    cross = np.sqrt(np.clip(squares, 0, None)).sum()  # Tr (AB)^½
    shift = np.sum((np.asarray(mean_a) - np.asarray(mean_b)) ** 2)
    return float(max(shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross, 0.0))


def pca_metric(
    images: np.ndarray, n_components: int, seed: int = 0
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit the PCA of the metric to real images and return a function (N, H, W) -> scores (N,
    n_components).

    Raises
    ------
    ValueError
        if there are no more images than components.
    """
    flat = np.asarray(images, np.float32).reshape(len(images), -1)
    if n_components >= len(flat):
        raise ValueError(
            f"a PCA of {n_components} components needs more than {n_components} images to be "
            f"fitted on, found {len(flat)}; give more images as basis or fewer components"
        )
    solver = "full" if len(flat) < 500 else "randomized"
    pca = PCA(n_components, svd_solver=solver, random_state=seed).fit(flat)

    def project(images: np.ndarray) -> np.ndarray:
        if images[0].size != flat.shape[1]:
            raise ValueError(
                "expected images of one size as reference, generated and basis, "
                f"found {images[0].size} and {flat.shape[1]} px"
            )
        rows = np.asarray(images, np.float32).reshape(len(images), -1)
        return pca.transform(rows).astype(np.float64)

    return project


def score_distance(reference: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet distance of Gaussians fitted to two sets of scores, (n, d) and (m, d)."""
    if min(len(reference), len(generated)) < 2:
        raise ValueError("a covariance needs at least 2 images in reference and in generated")
    moments = [
        moment
        for scores in (reference, generated)
        for moment in (scores.mean(0), np.atleast_2d(np.cov(scores, rowvar=False)))
    ]
    return frechet_distance(*moments)


def pca_frechet_distance(
    reference: np.ndarray,
    generated: np.ndarray,
    n_components: int,
    *,
    basis: np.ndarray | None = None,
    seed: int = 0,
) -> float:
    """Fréchet distance between Gaussians fitted to the PCA scores of real and of generated images.

    Parameters
    ----------
    reference, generated : ndarray, (n, H, W) and (m, H, W)
    n_components : int
        Dimensions of the metric's own PCA: more than the largest latent dimension under comparison.
    basis : ndarray, (b, H, W), optional
        Real images on which the metric's PCA is fitted; by default ``reference``. Give images that
        the PCA *model* did not see: in its own components a PCA model scores zero by construction.

    Returns
    -------
    float, in squared units of the image's range, summed over pixels

    References
    ----------
    Paper C, §3.2 and Fig. 2D.
    """
    project = pca_metric(reference if basis is None else basis, n_components, seed)
    return score_distance(project(reference), project(generated))
