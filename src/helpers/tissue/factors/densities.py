"""Densities of cells and of fibres from the gray values alone, where no ground truth is at hand."""

import numpy as np
from scipy import ndimage

from helpers.tissue.features import texture

WINDOW = 128  # pixels: a density is that of the window a feature sees


def cell_density(
    standardised: np.ndarray, mask: np.ndarray, pixel_size_um: float, window: int = WINDOW
) -> np.ndarray:
    """Dark blobs of the size of cell bodies per mm² in the window around each pixel.

    Parameters
    ----------
    standardised : (H, W) array
        Mean 0 and standard deviation 1 over tissue.
    mask : (H, W) bool array
        Tissue; only its pixels count, blobs and area alike.
    pixel_size_um : float
    window : int
        Side in pixels.

    Returns
    -------
    (H, W) float32 array
        0 where the window holds no tissue. Blobs are found by the Laplacian of Gaussian of
        `texture.dark_blobs`.
    """
    blobs = texture.dark_blobs(standardised, sigma=3.5, threshold=0.55)
    return _mean_in_window(blobs, mask, window) / np.float32((pixel_size_um / 1000) ** 2)


def fibre_density(standardised: np.ndarray, mask: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Share of bright, fibre-like pixels in the window around each pixel: (H, W) float32 in [0, 1].

    Myelin is bright: a pixel counts where the standardised image, smoothed by 2 px, is above 1.
    """
    return _mean_in_window(ndimage.gaussian_filter(standardised, 2) > 1, mask, window)


def _mean_in_window(events: np.ndarray, mask: np.ndarray, window: int) -> np.ndarray:
    """Mean of the events over the pixels of the mask in the window around each pixel."""
    hits, pixels = (
        ndimage.uniform_filter(image.astype(np.float32), window, mode="constant")
        for image in (events & mask, mask)
    )
    return np.where(pixels > 1e-6, hits / np.maximum(pixels, 1e-6), 0).astype(np.float32)
