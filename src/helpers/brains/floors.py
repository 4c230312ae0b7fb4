"""What a trained model is held against: the mean image, drawn for everybody."""

import numpy as np


class MeanImage:
    """A model that draws the same image whatever it is shown, behind the VAE's ``encode`` and
    ``decode``.

    Attributes
    ----------
    mean : ndarray, (H, W) float32
    """

    latent_dim = 0

    def __init__(self, mean: np.ndarray) -> None:
        self.mean = np.asarray(mean, np.float32)
        self.image_shape = self.mean.shape

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Images (N, H, W) -> no latents at all, (N, 0)."""
        return np.zeros((len(images), 0), np.float32)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """(N, 0) -> the mean image N times, (N, H, W)."""
        return np.broadcast_to(self.mean, (len(z), *self.image_shape)).copy()
