"""How good a generated image is: CW-SSIM, PCA Fréchet distance, transmission of artifacts, fine texture, the elbow."""

from functools import lru_cache
from math import factorial

import numpy as np

# ---------------------------------------------------------------- complex steerable pyramid


def _high_pass(log_radius, octave):
    """Radial raised cosine in log2 frequency: 0 below ``octave - 1``, 1 above ``octave`` (0 is the Nyquist limit)."""
    return np.sin(0.5 * np.pi * np.clip(log_radius - octave + 1, 0.0, 1.0))


def _central_half(size):
    """Slice of the lower half of the frequencies along one axis of a shifted spectrum."""
    centre, half = int(np.ceil((size + 0.5) / 2)), int(np.ceil((size - 0.5) / 2))
    start = centre - int(np.ceil((half + 0.5) / 2))
    return slice(start, start + half)


def pyramid_scales(shape, window=7):
    """Number of scales of the pyramid of an image of ``shape`` whose smaller side still holds one ``window``."""
    side, scales = min(shape), 0
    while scales < int(np.log2(min(shape))) - 2 and side >= window:
        scales, side = scales + 1, int(np.ceil((side - 0.5) / 2))
    return scales


@lru_cache(maxsize=8)
def _pyramid_masks(shape, scales, orientations):
    """Frequency masks, one (orientations, h, w) complex64 per scale, in the order of an unshifted spectrum."""
    order = orientations - 1
    y, x = (np.linspace(-1, 1, n + 1)[:-1] for n in shape)
    angle = np.arctan2(y[:, None], x[None, :])
    radius = np.hypot(y[:, None], x[None, :])
    origin = tuple(int(np.ceil((n + 0.5) / 2)) - 1 for n in shape)
    radius[origin] = radius[origin[0], origin[1] - 1]  # the logarithm of zero
    log_radius = np.log2(radius)
    gain = 2 * np.sqrt(4.0**order * factorial(order) ** 2 / (orientations * factorial(2 * order)))
    low, masks = np.sqrt(1 - _high_pass(log_radius, 0) ** 2), []
    for scale in range(scales):
        high = _high_pass(log_radius, -1 - scale)
        away = [(angle - np.pi * b / orientations + np.pi) % (2 * np.pi) - np.pi for b in range(orientations)]
        bands = np.stack([gain * np.cos(a) ** order * (np.abs(a) < np.pi / 2) for a in away])
        mask = (-1j) ** order * bands * (high * low)  # (orientations, h, w)
        masks.append(np.fft.ifftshift(mask, axes=(-2, -1)).astype(np.complex64))
        half = tuple(_central_half(n) for n in log_radius.shape)
        low = (low * np.sqrt(1 - high**2))[half]
        log_radius, angle = log_radius[half], angle[half]
    return masks


def steerable_pyramid(images, scales=None, orientations=8):
    """Oriented complex bands of the steerable pyramid (Simoncelli & Freeman 1995), by FFT, for many images at once.

    Equal to ``pyrtools.pyramids.SteerablePyramidFreq(image, order=orientations - 1, is_complex=True)``.

    Parameters
    ----------
    images : ndarray, (N, H, W)
    scales : int, optional
        Octaves; by default as many as still hold a 7×7 window.
    orientations : int
        Bands per octave, at least 2.

    Returns
    -------
    list of ndarray, (N, orientations, h, w) complex64, finest scale first; h and w halve from one to the next
    """
    from scipy import fft

    images = np.asarray(images, np.float32)
    scales = pyramid_scales(images.shape[1:]) if scales is None else scales
    spectrum = np.fft.fftshift(fft.fft2(images), axes=(-2, -1))  # (N, H, W) complex64
    bands = []
    for mask in _pyramid_masks(images.shape[1:], scales, orientations):
        unshifted = np.fft.ifftshift(spectrum, axes=(-2, -1))[:, None]  # (N, 1, h, w)
        bands.append(fft.ifft2(unshifted * mask, overwrite_x=True))  # (N, orientations, h, w)
        spectrum = spectrum[(slice(None), *(_central_half(n) for n in spectrum.shape[1:]))]
    return bands


# ---------------------------------------------------------------- complex wavelet structural similarity


def _window_mean(x, window):
    """Mean over every ``window``×``window`` square that fits, along the last two axes."""
    for axis in (-1, -2):
        total = np.cumsum(x, axis=axis, dtype=np.complex128 if np.iscomplexobj(x) else np.float64)
        total = np.concatenate([np.zeros_like(total.take([0], axis)), total], axis)
        n = total.shape[axis]
        x = (total.take(range(window, n), axis) - total.take(range(n - window), axis)) / window
    return x


def cw_ssim_many(a, b, *, scales=None, orientations=8, window=7, constant=1e-4, batch=16):
    """CW-SSIM of N pairs of images; see `cw_ssim`.

    Parameters
    ----------
    a, b : ndarray, (N, H, W)

    Returns
    -------
    ndarray, (N,)
    """
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    if a.ndim != 3 or a.shape != b.shape:
        raise ValueError(f"expected two stacks of images of one shape (N, H, W), found {a.shape} and {b.shape}")
    most = pyramid_scales(a.shape[1:], window)
    if most < 1 or (scales is not None and not 1 <= scales <= most):
        raise ValueError(
            f"images of {a.shape[1]}×{a.shape[2]} px hold {most} scales of a steerable pyramid with {window}×{window} "
            f"windows, found scales={scales}; give larger images, fewer scales or a smaller window"
        )
    scales = most if scales is None else scales
    scores = np.zeros(len(a))
    for start in range(0, len(a), batch):
        part = slice(start, start + batch)
        pairs = zip(*(steerable_pyramid(x[part], scales, orientations) for x in (a, b)))
        per_scale = []
        for p, q in pairs:  # (n, orientations, h, w) each
            shared = 2 * np.abs(_window_mean(p * q.conj(), window)) + constant
            energy = _window_mean(np.abs(p) ** 2 + np.abs(q) ** 2, window) + constant
            per_scale.append((shared / energy).mean((1, 2, 3)))
        scores[part] = np.mean(per_scale, axis=0)
    return scores


def cw_ssim(a, b, **options):
    """Complex wavelet structural similarity of two images: 1 for equal ones, 0 for unrelated ones.

    In every window of every band of a complex steerable pyramid, ``(2|Σ p q*| + K) / (Σ|p|² + Σ|q|² + K)``, then the
    mean over windows, orientations and scales. Small shifts turn all phases of a window alike and cost little.
    The paper does not say which scales it used: here, all that hold a window.

    Parameters
    ----------
    a, b : ndarray, (H, W), in [0, 1]
    scales, orientations, window, constant : optional
        Octaves (default: all), bands per octave (8), window side in px (7), and K per pixel (1e-4 = 0.01², so that
        windows of empty background agree instead of being 0/0).

    Returns
    -------
    float

    References
    ----------
    Sampat et al. 2009, IEEE Trans. Image Processing 18(11), eq. 9; paper C, §3.2 and Fig. 2C.
    """
    a, b = np.asarray(a), np.asarray(b)
    return float(cw_ssim_many(a[None], b[None], **options)[0])


# ---------------------------------------------------------------- Fréchet distance of PCA scores


def frechet_distance(mean_a, covariance_a, mean_b, covariance_b):
    """Squared Fréchet distance of two Gaussians, ``|μa − μb|² + Tr(A + B − 2 (AB)^½)`` (Dowson & Landau 1982)."""
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T  # A^½
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ covariance_b @ root), 0, None)).sum()  # Tr (AB)^½
    shift = np.sum((np.asarray(mean_a) - np.asarray(mean_b)) ** 2)
    return float(max(shift + np.trace(covariance_a) + np.trace(covariance_b) - 2 * cross, 0.0))


def pca_metric(images, n_components, seed=0):
    """Fit the PCA of the metric to real images and return a function (N, H, W) -> scores (N, n_components).

    Raises
    ------
    ValueError
        if there are no more images than components.
    """
    from sklearn.decomposition import PCA

    flat = np.asarray(images, np.float32).reshape(len(images), -1)
    if n_components >= len(flat):
        raise ValueError(
            f"a PCA of {n_components} components needs more than {n_components} images to be fitted on, "
            f"found {len(flat)}; give more images as basis or fewer components"
        )
    pca = PCA(n_components, svd_solver="full" if len(flat) < 500 else "randomized", random_state=seed).fit(flat)

    def project(images):
        if images[0].size != flat.shape[1]:
            raise ValueError(f"expected images of one size as reference, generated and basis, found {images[0].size} and {flat.shape[1]} px")
        return pca.transform(np.asarray(images, np.float32).reshape(len(images), -1)).astype(np.float64)

    return project


def score_distance(reference, generated):
    """Fréchet distance of Gaussians fitted to two sets of scores, (n, d) and (m, d)."""
    if min(len(reference), len(generated)) < 2:
        raise ValueError("a covariance needs at least 2 images in reference and in generated")
    gaussians = [(scores.mean(0), np.atleast_2d(np.cov(scores, rowvar=False))) for scores in (reference, generated)]
    return frechet_distance(*gaussians[0], *gaussians[1])


def pca_frechet_distance(reference, generated, n_components, *, basis=None, seed=0):
    """Fréchet distance between Gaussians fitted to the PCA scores of real and of generated images.

    Parameters
    ----------
    reference, generated : ndarray, (n, H, W) and (m, H, W)
    n_components : int
        Dimensions of the metric's own PCA: more than the largest latent dimension under comparison.
    basis : ndarray, (b, H, W), optional
        Real images on which the metric's PCA is fitted; by default ``reference``. Give images that the PCA *model* did
        not see: in its own components a PCA model scores zero by construction.

    Returns
    -------
    float, in squared units of the image's range, summed over pixels

    References
    ----------
    Paper C, §3.2 and Fig. 2D.
    """
    project = pca_metric(reference if basis is None else basis, n_components, seed)
    return score_distance(project(reference), project(generated))


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
    """Mean spectral power per pixel above ``cutoff`` cycles/px, under a Hann window (so that borders do not count).

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
    power = np.abs(np.fft.fft2(centred)) ** 2 / (window**2).sum() / (h * w)  # (N, H, W); sums to the variance
    fine = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)) >= cutoff
    return power[:, fine].sum(1)


def reconstruction_error(images, reconstructed):
    """Mean squared error per pixel of each image: (N, H, W) twice -> (N,)."""
    return np.mean((np.asarray(images, np.float64) - reconstructed) ** 2, axis=(1, 2))


def elbow(x, y):
    """The x at which a curve bends most: the largest distance from the chord between its two ends.

    Both axes are scaled to [0, 1] first. With fewer than two points between the ends the answer is no finding.

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
        raise ValueError(f"an elbow needs at least 4 points, or there is nothing to choose between; found {len(x)}")
    if y[0] == y[-1]:
        raise ValueError("a curve whose ends are level has no chord to bend from")
    u, v = (x - x[0]) / (x[-1] - x[0]), (y - y[0]) / (y[-1] - y[0])
    return float(x[1:-1][np.argmax(np.abs(u - v)[1:-1])])
