"""How good a generated image is: transmission of artifacts, what is kept of each individual, fine
texture, error.

CW-SSIM and the PCA Fréchet distance are in `cwssim` and `frechet`.
"""

import numpy as np


def transmission(
    clean: np.ndarray,
    corrupted: np.ndarray,
    reconstructed_clean: np.ndarray,
    reconstructed_corrupted: np.ndarray,
) -> np.ndarray:
    """Share of an artifact's energy that a model lets through: ‖x̂(x + a) − x̂(x)‖ / ‖a‖ per image.

    0: the model removes the artifact (or ignores its input); 1: it hands it on whole.

    Parameters
    ----------
    clean, corrupted, reconstructed_clean, reconstructed_corrupted : ndarray, (N, H, W)

    Returns
    -------
    ndarray, (N,); NaN where the corrupted image equals the clean one
    """
    passed, artifact = (
        np.linalg.norm(np.subtract(x, y).reshape(len(x), -1).astype(np.float64), axis=1)
        for x, y in ((reconstructed_corrupted, reconstructed_clean), (corrupted, clean))
    )
    return np.divide(passed, artifact, out=np.full(len(artifact), np.nan), where=artifact > 0)


def high_frequency_power(images: np.ndarray, cutoff: float = 0.125) -> np.ndarray:
    """Mean spectral power per pixel above ``cutoff`` cycles/px, under a Hann window (so that
    borders do not count).

    Parameters
    ----------
    images : ndarray, (N, H, W)

    Returns
    -------
    ndarray, (N,)
    """
    images = np.asarray(images, np.float32)
    h, w = images.shape[1:]
    window, fine = _window_and_fine((h, w), cutoff)
    centred = (images - images.mean((1, 2), keepdims=True)) * window
    # (N, H, W); sums to the variance
    power = np.abs(np.fft.fft2(centred)) ** 2 / (window**2).sum() / (h * w)
    return power[:, fine].sum(1)


def reconstruction_error(images: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel of each image: (N, H, W) twice -> (N,)."""
    return np.mean((np.asarray(images, np.float64) - reconstructed) ** 2, axis=(1, 2))


def coherent_power(
    images: np.ndarray, rebuilt: np.ndarray, template: np.ndarray, cutoff: float = 0.125
) -> np.ndarray:
    """Power above ``cutoff`` cycles/px of what makes an image differ from the template that its
    reconstruction shares with it: the real part of their cross-spectrum.

    Texture that a model makes up, and the template's own, count for nothing: on average over images
    both are unrelated to what is particular to each. The images' own power for a perfect model.

    Parameters
    ----------
    images, rebuilt : ndarray, (N, H, W)
    template : ndarray, (H, W)
        Mean image, taken from both.

    Returns
    -------
    ndarray, (N,); per pixel, as `high_frequency_power`
    """
    window, fine = _window_and_fine(np.shape(images)[1:], cutoff)
    spectra = [
        np.fft.fft2((np.asarray(stack, np.float32) - template) * window)[:, fine]
        for stack in (images, rebuilt)
    ]
    shared = (spectra[0].conj() * spectra[1]).real.sum(1)
    return shared / (window**2).sum() / window.size


def kept_deviation(clean: np.ndarray, rebuilt: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Share of each individual's deviation from the mean image that a reconstruction keeps:
    ⟨x̂ − m, x − m⟩ / ‖x − m‖².

    0 for the mean image, 1 for the image itself. A model that transmits no artifact because it
    draws the same brain for everybody is found out here.

    Parameters
    ----------
    clean, rebuilt : ndarray, (N, H, W)
        Images without damage, and what a model made of them or of their damaged versions.
    template : ndarray, (H, W)

    Returns
    -------
    ndarray, (N,)
    """
    own, kept = (
        np.subtract(stack, template, dtype=np.float64).reshape(len(stack), -1)
        for stack in (clean, rebuilt)
    )
    return (own * kept).sum(1) / np.maximum((own**2).sum(1), 1e-12)


def _window_and_fine(shape: tuple[int, int], cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Hann window (H, W), and which frequencies are at least ``cutoff``, (H, W) bool."""
    window = np.hanning(shape[0])[:, None] * np.hanning(shape[1])
    fine = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])) >= cutoff
    return window.astype(np.float32), fine
