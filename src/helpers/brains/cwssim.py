"""CW-SSIM, the complex-wavelet structural similarity, on a complex steerable pyramid (Sampat et al.
2009).
"""

from functools import lru_cache
from math import factorial
from typing import Any

import numpy as np
from scipy import fft, ndimage


def _high_pass(log_radius: np.ndarray, octave: int) -> np.ndarray:
    """Radial raised cosine in log2 frequency: 0 below ``octave - 1``, 1 above ``octave`` (0 is the
    Nyquist limit).
    """
    return np.sin(0.5 * np.pi * np.clip(log_radius - octave + 1, 0.0, 1.0))


def _central_half(size: int) -> slice:
    """Slice of the lower half of the frequencies along one axis of a shifted spectrum."""
    centre, half = int(np.ceil((size + 0.5) / 2)), int(np.ceil((size - 0.5) / 2))
    start = centre - int(np.ceil((half + 0.5) / 2))
    return slice(start, start + half)


def pyramid_scales(shape: tuple[int, ...], window: int = 7) -> int:
    """Number of scales of the pyramid of an image of ``shape`` whose smaller side still holds one
    ``window``.
    """
    side, scales = min(shape), 0
    while scales < int(np.log2(min(shape))) - 2 and side >= window:
        scales, side = scales + 1, int(np.ceil((side - 0.5) / 2))
    return scales


@lru_cache(maxsize=8)
def _pyramid_masks(shape: tuple[int, int], scales: int, orientations: int) -> list[np.ndarray]:
    """Frequency masks, one (orientations, h, w) complex64 per scale, in the order of an unshifted
    spectrum.
    """
    order, directions = orientations - 1, np.pi * np.arange(orientations)[:, None, None]
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
        away = (angle - directions / orientations + np.pi) % (2 * np.pi) - np.pi
        bands = gain * np.cos(away) ** order * (np.abs(away) < np.pi / 2)
        mask = (-1j) ** order * bands * (high * low)  # (orientations, h, w)
        masks.append(np.fft.ifftshift(mask, axes=(-2, -1)).astype(np.complex64))
        half = tuple(_central_half(n) for n in log_radius.shape)
        low = (low * np.sqrt(1 - high**2))[half]
        log_radius, angle = log_radius[half], angle[half]
    return masks


def steerable_pyramid(images: np.ndarray, scales: int, orientations: int = 8) -> list[np.ndarray]:
    """Oriented complex bands of the steerable pyramid (Simoncelli & Freeman 1995), by FFT, for many
    images at once.

    Equal to ``pyrtools.pyramids.SteerablePyramidFreq(image, order=orientations - 1,
    is_complex=True)``.

    Parameters
    ----------
    images : ndarray, (N, H, W)
    scales : int
        Octaves, see `pyramid_scales`.
    orientations : int
        Bands per octave, at least 2.

    Returns
    -------
    list of ndarray, (N, orientations, h, w) complex64, finest scale first; h and w halve from one
    to the next
    """
    images = np.asarray(images, np.float32)
    spectrum = np.fft.fftshift(fft.fft2(images), axes=(-2, -1))  # (N, H, W) complex64
    bands = []
    for mask in _pyramid_masks(images.shape[1:], scales, orientations):
        unshifted = np.fft.ifftshift(spectrum, axes=(-2, -1))[:, None]  # (N, 1, h, w)
        bands.append(fft.ifft2(unshifted * mask, overwrite_x=True))  # (N, orientations, h, w)
        spectrum = spectrum[(slice(None), *(_central_half(n) for n in spectrum.shape[1:]))]
    return bands


def _window_mean(x: np.ndarray, window: int) -> np.ndarray:
    """Mean over every ``window``×``window`` square that fits, along the last two of four axes."""
    wide = np.complex128 if np.iscomplexobj(x) else np.float64
    means = ndimage.uniform_filter(x, (1, 1, window, window), output=wide)
    rows, columns = (slice(window // 2, window // 2 + n - window + 1) for n in x.shape[2:])
    return means[..., rows, columns]


def cw_ssim_many(
    a: np.ndarray,
    b: np.ndarray,
    *,
    scales: int | None = None,
    orientations: int = 8,
    window: int = 7,
    constant: float = 1e-4,
    batch: int = 16,
    per_scale: bool = False,
) -> np.ndarray:
    """CW-SSIM of N pairs of images; see `cw_ssim`.

    Parameters
    ----------
    a, b : ndarray, (N, H, W)
    per_scale : bool
        The scales apart, the finest first, instead of their mean.

    Returns
    -------
    ndarray, (N,), or (N, scales)
    """
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    if a.ndim != 3 or a.shape != b.shape:
        raise ValueError(
            f"expected two stacks of images of one shape (N, H, W), found {a.shape} and {b.shape}"
        )
    most = pyramid_scales(a.shape[1:], window)
    if most < 1 or (scales is not None and not 1 <= scales <= most):
        raise ValueError(
            f"images of {a.shape[1]}×{a.shape[2]} px hold {most} scales of a steerable pyramid "
            f"with {window}×{window} windows, found scales={scales}; give larger images, fewer "
            "scales or a smaller window"
        )
    scores = np.zeros((len(a), scales or most))
    for start in range(0, len(a), batch):
        part = slice(start, start + batch)
        pairs = zip(*(steerable_pyramid(x[part], scales or most, orientations) for x in (a, b)))
        each_scale = []
        for p, q in pairs:  # (n, orientations, h, w) each
            shared = 2 * np.abs(_window_mean(p * q.conj(), window)) + constant
            energy = _window_mean(np.abs(p) ** 2 + np.abs(q) ** 2, window) + constant
            each_scale.append((shared / energy).mean((1, 2, 3)))
        scores[part] = np.stack(each_scale, axis=1)
    return scores if per_scale else scores.mean(1)


def cw_ssim(a: np.ndarray, b: np.ndarray, **options: Any) -> float:
    """Complex wavelet structural similarity of two images: 1 for equal ones, 0 for unrelated ones.

    In every window of every band of a complex steerable pyramid, ``(2|Σ p q*| + K) / (Σ|p|² + Σ|q|²
    + K)``, then the mean over windows, orientations and scales. Small shifts turn all phases of a
    window alike and cost little. The paper does not say which scales it used: here, all that hold a
    window.

    Parameters
    ----------
    a, b : ndarray, (H, W), in [0, 1]
    scales, orientations, window, constant : optional
        Octaves (default: all), bands per octave (8), window side in px (7), and K per pixel (1e-4 =
        0.01², so that windows of empty background agree instead of being 0/0).

    Returns
    -------
    float

    References
    ----------
    Sampat et al. 2009, IEEE Trans. Image Processing 18(11), eq. 9; paper C, §3.2 and Fig. 2C.
    """
    return float(cw_ssim_many(np.asarray(a)[None], np.asarray(b)[None], **options)[0])
