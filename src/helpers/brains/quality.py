"""How good a generated image is: transmission of artifacts, fine texture, error; and the elbow of a
measure over the number of latents.

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
    window = np.hanning(h)[:, None] * np.hanning(w)
    centred = (images - images.mean((1, 2), keepdims=True)) * window
    # (N, H, W); sums to the variance
    power = np.abs(np.fft.fft2(centred)) ** 2 / (window**2).sum() / (h * w)
    fine = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) >= cutoff
    return power[:, fine].sum(1)


def reconstruction_error(images: np.ndarray, reconstructed: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel of each image: (N, H, W) twice -> (N,)."""
    return np.mean((np.asarray(images, np.float64) - reconstructed) ** 2, axis=(1, 2))


def elbow(x: np.ndarray, y: np.ndarray) -> float:
    """The x at which a curve bends most: the largest distance from the chord between its two ends.

    Both axes are scaled to [0, 1] first. With fewer than two points between the ends the answer is
    no finding.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        with fewer than four points, or a curve whose ends are level.
    """
    order = np.argsort(x)
    x, y = np.asarray(x, float)[order], np.asarray(y, float)[order]
    if len(x) < 4:
        raise ValueError(
            "an elbow needs at least 4 points, or there is nothing to choose between; "
            f"found {len(x)}"
        )
    if y[0] == y[-1]:
        raise ValueError("a curve whose ends are level has no chord to bend from")
    u, v = (x - x[0]) / (x[-1] - x[0]), (y - y[0]) / (y[-1] - y[0])
    return float(x[1:-1][np.argmax(np.abs(u - v)[1:-1])])
