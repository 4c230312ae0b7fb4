"""The PCA that the VAEs are compared with, behind the same ``encode``/``decode``."""

import numpy as np
from sklearn.decomposition import PCA


class PCABaseline:
    """PCA with the interface of the VAE; latents are scaled to unit variance, as the VAE's prior
    has it.

    Attributes
    ----------
    mean : ndarray, (H, W)
    components : ndarray, (L, H, W), orthonormal
    scale : ndarray, (L,), standard deviation of each score over the training images
    """

    def __init__(self, mean: np.ndarray, components: np.ndarray, scale: np.ndarray) -> None:
        self.mean, self.components, self.scale = (
            np.asarray(x, np.float32) for x in (mean, components, scale)
        )
        self.image_shape, self.latent_dim = self.mean.shape, len(self.components)

    @classmethod
    def fit(cls, images: np.ndarray, latent_dim: int, seed: int = 0) -> "PCABaseline":
        """Fit on images (N, H, W); ValueError if they are too few for so many components."""
        images = np.asarray(images, np.float32)
        if not 1 <= latent_dim < len(images):
            raise ValueError(
                f"a PCA of {latent_dim} components needs more images than that, found {len(images)}"
            )
        pca = PCA(latent_dim, svd_solver="randomized", random_state=seed)
        pca.fit(images.reshape(len(images), -1))
        shape, scale = images.shape[1:], np.sqrt(pca.explained_variance_)
        components = pca.components_.reshape(-1, *shape)
        return cls(pca.mean_.reshape(shape), components, np.where(scale > 0, scale, 1))

    def truncated(self, latent_dim: int) -> "PCABaseline":
        """The same PCA with its first components only."""
        if not 1 <= latent_dim <= self.latent_dim:
            raise ValueError(
                f"this PCA has {self.latent_dim} components, {latent_dim} were asked for"
            )
        return PCABaseline(self.mean, self.components[:latent_dim], self.scale[:latent_dim])

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images (N, H, W) -> scores (N, L) in standard deviations."""
        images = checked_images(images, self.image_shape)
        flat = (images - self.mean).reshape(len(images), -1)
        return flat @ self.components.reshape(self.latent_dim, -1).T / self.scale

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Scores (N, L) -> images (N, H, W); not clipped to [0, 1]."""
        z = checked_latents(z, self.latent_dim)
        flat = (z * self.scale) @ self.components.reshape(self.latent_dim, -1)
        return self.mean + flat.reshape(-1, *self.image_shape)


def checked_images(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Images as contiguous float32; ValueError if they are not ``(N, *shape)``."""
    images = np.ascontiguousarray(images, np.float32)
    if images.ndim != 3 or images.shape[1:] != shape:
        raise ValueError(f"expected images (N, {shape[0]}, {shape[1]}), found {images.shape}")
    return images


def checked_latents(z: np.ndarray, latent_dim: int) -> np.ndarray:
    """Latents as contiguous float32; ValueError if they are not (N, L)."""
    z = np.ascontiguousarray(z, np.float32)
    if z.ndim != 2 or z.shape[1] != latent_dim:
        raise ValueError(f"expected latents (N, {latent_dim}), found {z.shape}")
    return z
