"""How good a generated image is: CW-SSIM, PCA Fréchet distance, transmission of artifacts, fine
texture, the elbow.
"""

import numpy as np

# ---------------------------------------------------------------- complex steerable pyramid


# ---------------------------------------------------------------- complex wavelet structural
# similarity


# ---------------------------------------------------------------- Fréchet distance of PCA scores


# ---------------------------------------------------------------- artifacts and texture


def transmission(clean, corrupted, reconstructed_clean, reconstructed_corrupted):
    """Share of an artifact's energy that a model lets through: ‖x̂(x + a) − x̂(x)‖ / ‖a‖ per image.

    0: the model removes the artifact (or ignores its input); 1: it hands it on whole.

    Parameters
    ----------
    clean, corrupted, reconstructed_clean, reconstructed_corrupted : ndarray, (N, H, W)

    Returns
    -------
    ndarray, (N,); NaN where the corrupted image equals the clean one
    """
    norm = lambda x: np.linalg.norm(np.asarray(x, np.float64).reshape(len(x), -1), axis=1)  # noqa: E731
    artifact = norm(np.subtract(corrupted, clean))
    passed = norm(np.subtract(reconstructed_corrupted, reconstructed_clean))
    return np.divide(passed, artifact, out=np.full(len(artifact), np.nan), where=artifact > 0)


def high_frequency_power(images, cutoff=0.125):
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
    power = (
        np.abs(np.fft.fft2(centred)) ** 2 / (window**2).sum() / (h * w)
    )  # (N, H, W); sums to the variance
    fine = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) >= cutoff
    return power[:, fine].sum(1)


def reconstruction_error(images, reconstructed):
    """Mean squared error per pixel of each image: (N, H, W) twice -> (N,)."""
    return np.mean((np.asarray(images, np.float64) - reconstructed) ** 2, axis=(1, 2))


def elbow(x, y):
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
            f"an elbow needs at least 4 points, or there is nothing to choose between; found {len(x)}"
        )
    if y[0] == y[-1]:
        raise ValueError("a curve whose ends are level has no chord to bend from")
    u, v = (x - x[0]) / (x[-1] - x[0]), (y - y[0]) / (y[-1] - y[0])
    return float(x[1:-1][np.argmax(np.abs(u - v)[1:-1])])
