"""The linear VAE in closed form: the best that a linear encoder and decoder reach under the loss.

A VAE whose encoder and decoder are linear is probabilistic PCA (Tipping & Bishop 1999; Lucas et
al. 2019, "Don't blame the ELBO!"). With the loss of `helpers.brains.vae.BetaVAE`, the squared
error e summed over pixels without ½ plus b = β/r times the KL divergence,

    e + b · KL = b · (e / 2σ² + KL)  with  σ² = b / 2,

so the weight of the KL term fixes the noise variance. What is best then is known: the decoder is
the mean image plus the first L eigenvectors of the images' covariance, each times √(λ − σ²) for its
eigenvalue λ, and the posterior of latent k has the variance σ²/λ and the mean √(λ − σ²)/λ times the
image's score on eigenvector k. An eigenvector with λ ≤ σ² costs more than it explains: that latent
stays at the prior.
"""

from dataclasses import dataclass

import numpy as np

from helpers.brains.vae import PAPER_SHAPE


@dataclass(frozen=True, eq=False)
class LinearVAE:
    """Probabilistic PCA as the linear optimum of the β-VAE's loss, with its ``encode`` and
    ``decode``.

    Attributes
    ----------
    mean : ndarray, (H, W) float32
        Mean of the training images.
    components : ndarray, (L, H, W) float32
        Orthonormal eigenvectors of their covariance, the largest eigenvalue first.
    eigenvalues : ndarray, (L,) float64
        Variance of the training images along each (in squared gray values, divided by N).
    beta : float
        Stated for 320×448 px, as in `helpers.brains.vae.BetaVAE`.
    """

    mean: np.ndarray
    components: np.ndarray
    eigenvalues: np.ndarray
    beta: float

    @classmethod
    def fit(cls, images: np.ndarray, latent_dim: int = 8, beta: float = 3.0) -> "LinearVAE":
        """Fit to images (N, H, W).

        Raises
        ------
        ValueError
            for ``beta`` ≤ 0 (at β = 0 the optimum is PCA with a posterior of no width), or fewer
            images than ``latent_dim`` + 1.
        """
        images = np.asarray(images, np.float32)
        if not 1 <= latent_dim < len(images):
            raise ValueError(
                f"a linear VAE of {latent_dim} latents needs more images than that, "
                f"found {len(images)}"
            )
        mean = images.mean(0, dtype=np.float64).astype(np.float32)
        centred = (images - mean).reshape(len(images), -1)
        # The smaller of the two matrices of products; both have the same eigenvalues.
        tall = len(images) > centred.shape[1]
        products = centred.T @ centred if tall else centred @ centred.T
        values, vectors = np.linalg.eigh(products.astype(np.float64) / len(images))
        values, vectors = values[::-1][:latent_dim].clip(0), vectors[:, ::-1][:, :latent_dim].T
        if not tall:
            vectors = vectors.astype(np.float32) @ centred
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        components = vectors.astype(np.float32).reshape(latent_dim, *images.shape[1:])
        return cls(mean, components, values, 1.0).at(beta=beta)

    def at(self, latent_dim: int | None = None, beta: float | None = None) -> "LinearVAE":
        """The optimum for another β or fewer latents, without another fit."""
        latent_dim = self.latent_dim if latent_dim is None else latent_dim
        beta = self.beta if beta is None else float(beta)
        if not 1 <= latent_dim <= self.latent_dim:
            raise ValueError(
                f"this linear VAE has {self.latent_dim} latents, {latent_dim} were asked for"
            )
        if not beta > 0:
            raise ValueError(f"expected beta > 0, found {beta}: without the KL term it is PCA")
        return LinearVAE(
            self.mean, self.components[:latent_dim], self.eigenvalues[:latent_dim], beta
        )

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.mean.shape

    @property
    def latent_dim(self) -> int:
        """L."""
        return len(self.components)

    @property
    def kl_weight(self) -> float:
        """b = β/r: what one nat costs in summed squared error at this image size."""
        return self.beta * self.mean.size / (PAPER_SHAPE[0] * PAPER_SHAPE[1])

    @property
    def noise_variance(self) -> float:
        """σ² = b/2, per pixel."""
        return self.kl_weight / 2

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviation of the training images along each eigenvector, √λ, (L,); 1 where they
        do not vary at all.
        """
        return np.where(self.eigenvalues > 0, np.sqrt(self.eigenvalues), 1)

    @property
    def active(self) -> np.ndarray:
        """Which latents explain more than they cost, (L,) bool."""
        return self.eigenvalues > self.noise_variance

    @property
    def gain(self) -> np.ndarray:
        """What a latent of one draws along its eigenvector, √(λ − σ²), (L,); 0 at the prior."""
        return np.sqrt((self.eigenvalues - self.noise_variance).clip(0))

    @property
    def variance(self) -> np.ndarray:
        """Variance of the posterior, σ²/λ, (L,); the same for every image, 1 at the prior."""
        return self.noise_variance / np.maximum(self.eigenvalues, self.noise_variance)

    @property
    def shrinkage(self) -> np.ndarray:
        """Posterior mean over score in standard deviations, √(1 − σ²/λ), (L,); 0 at the prior."""
        return np.sqrt(1 - self.variance)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Images (N, H, W) -> scores on the eigenvectors in standard deviations, (N, L) float32."""
        images = np.asarray(images, np.float32)
        if images.ndim != 3 or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"expected images (N, {self.image_shape[0]}, {self.image_shape[1]}), "
                f"found {images.shape}"
            )
        flat = (images - self.mean).reshape(len(images), -1) @ self._matrix.T
        return flat / self.deviations.astype(np.float32)

    def encode_distribution(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, H, W) -> mean and log-variance of the posterior, each (N, L) float32."""
        mean = self.scores(images) * self.shrinkage.astype(np.float32)
        return mean, np.tile(np.log(self.variance).astype(np.float32), (len(mean), 1))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images (N, H, W) -> posterior means (N, L) float32."""
        return self.encode_distribution(images)[0]

    def picture(self, scores: np.ndarray) -> np.ndarray:
        """Scores in standard deviations (N, L) -> images (N, H, W) float32: PCA's, without β."""
        flat = (scores * self.deviations).astype(np.float32) @ self._matrix
        return self.mean + flat.reshape(-1, *self.image_shape)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, L) -> images (N, H, W) float32; not clipped to [0, 1]."""
        z = np.asarray(z)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"expected latents (N, {self.latent_dim}), found {z.shape}")
        return self.picture(z * self.shrinkage)  # gain = standard deviation × shrinkage

    def terms(self, images: np.ndarray, sampled: bool = False) -> tuple[float, np.ndarray]:
        """Squared error summed over pixels and KL per latent in nats (L,), both means over images.

        ``sampled``: the error expected over draws from the posterior (exact, nothing is drawn), as
        in training; otherwise at the posterior mean, as in validation.
        """
        mean, logvar = self.encode_distribution(images)
        residual = (self.decode(mean) - images).reshape(len(images), -1)
        error = float(np.square(residual, dtype=np.float64).sum(1).mean())
        if sampled:
            error += float((self.gain**2 * self.variance).sum())
        kl = 0.5 * (np.square(mean, dtype=np.float64) + np.exp(logvar) - 1 - logvar).mean(0)
        return error, kl

    def loss(self, images: np.ndarray, sampled: bool = False) -> float:
        """Error + b · KL on images (N, H, W); see `terms`."""
        error, kl = self.terms(images, sampled)
        return error + self.kl_weight * float(kl.sum())

    @property
    def _matrix(self) -> np.ndarray:
        return self.components.reshape(self.latent_dim, -1)
