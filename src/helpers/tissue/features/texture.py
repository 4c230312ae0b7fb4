"""Texture of each area in numbers, so that a phantom and real tissue can be compared.

Every measure works on the annotated pixels of one slice. Filter widths are in pixels: compare
images of the same pixel size. Pixels near an area's border are left out, because filters there see
the neighbour and hand-drawn borders are inexact.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

MARGIN, THIN_MARGIN = (
    30,
    12,
)  # pixels left out along an area's border; the smaller for areas that are nowhere thick
THIN = 100  # half thickness in pixels below which an area counts as thin
WINDOW = 64  # side of the windows whose power spectra are averaged
FREQUENCIES = (0.02, 0.5)  # cycles per pixel between which the slope is fitted


def measure(image, areas, pixel_size_um=1.17, names=None):
    """Measure the texture of every area of a slice.

    Parameters
    ----------
    image : (H, W) array
        Gray in [0, 1].
    areas : (H, W) int array
        0 = not annotated, 1…n.
    pixel_size_um : float
    names : dict, optional
        Name per label; labels without a name are left out of the table, but not of the
        standardisation.

    Returns
    -------
    pandas.DataFrame
        One row per area: ``mm2`` measured; ``mean_gray``, ``sd_gray``, ``p5``, ``p95``;
        ``sd_of_local_mean`` (σ = 20 px); ``dark_blobs_per_mm2`` of cell size (σ = 3.5 px, threshold
        0.55) and ``small_dark_blobs_per_mm2`` (σ = 1.6 px, threshold 0.6);
        ``bright_fibre_fraction``; ``orientation_coherence`` (σ = 10 px); ``power_slope``. Areas
        with no pixel inside the margin are left out.

    Raises
    ------
    ValueError
        If the shapes differ, or nothing is annotated.
    """
    import pandas as pd

    image, areas = np.asarray(image, np.float32), np.asarray(areas)
    if image.shape != areas.shape:
        raise ValueError(
            f"image and areas must have one shape, found {image.shape} and {areas.shape}"
        )
    standardised = standardise(image, areas > 0)
    cells, specks = dark_blobs(standardised, 3.5, 0.55), dark_blobs(standardised, 1.6, 0.6)
    bright = ndimage.gaussian_filter(standardised, 2) > 1
    coherence, local_mean = orientation_coherence(image, 10), ndimage.gaussian_filter(image, 20)
    rows = []
    for label in np.unique(areas[areas > 0]).tolist() if names is None else names:
        inside = interior(areas == label)
        if not inside.any():
            continue
        gray, mm2 = image[inside], inside.sum() * (pixel_size_um / 1000) ** 2
        p5, p95 = np.percentile(gray, [5, 95])
        rows.append(
            {
                "area": label if names is None else names[label],
                "mm2": mm2,
                "mean_gray": gray.mean(),
                "sd_gray": gray.std(),
                "p5": p5,
                "p95": p95,
                "sd_of_local_mean": local_mean[inside].std(),
                "dark_blobs_per_mm2": (cells & inside).sum() / mm2,
                "small_dark_blobs_per_mm2": (specks & inside).sum() / mm2,
                "bright_fibre_fraction": bright[inside].mean(),
                "orientation_coherence": coherence[inside].mean(),
                "power_slope": power_slope(image, inside),
            }
        )
    return pd.DataFrame(rows).set_index("area")


def standardise(image, mask):
    """Shift and scale an image to mean 0 and standard deviation 1 over the mask."""
    values = image[mask]
    sd = values.std() if values.size else 0
    if not sd > 0:
        raise ValueError(
            f"expected annotated pixels of more than one gray value, found {values.size} pixels with a standard deviation of {sd}"
        )
    return (image - values.mean()) / sd


def interior(mask):
    """Pixels of an area that lie deeper inside it than the margin (30 px; 12 px in areas thinner
    than 200 px).
    """
    depth = ndimage.distance_transform_edt(mask)
    return depth > (MARGIN if depth.max() >= THIN else THIN_MARGIN)


def dark_blobs(standardised, sigma, threshold):
    """Centres of dark blobs: local maxima of the scale-normalised Laplacian of Gaussian (Lindeberg
    1998) above a threshold.

    Parameters
    ----------
    standardised : (H, W) array
    sigma : float
        In pixels; a disc of radius σ·√2 responds most.
    threshold : float
        In standard deviations of the image.

    Returns
    -------
    (H, W) bool array
    """
    response = sigma**2 * ndimage.gaussian_laplace(standardised, sigma)
    neighbourhood = ndimage.maximum_filter(response, size=int(2 * sigma + 1))
    return (response == neighbourhood) & (response > threshold)


def orientation_coherence(image, sigma, gradient_sigma=1.6):
    """How well one direction dominates around each pixel: 0 for none, 1 for straight lines.

    ``(λ₁ − λ₂) / (λ₁ + λ₂)`` of the structure tensor, averaged with a Gaussian of width `sigma`
    (Bigün & Granlund 1987).
    """
    gy = ndimage.gaussian_filter(image, gradient_sigma, order=(1, 0))
    gx = ndimage.gaussian_filter(image, gradient_sigma, order=(0, 1))
    yy, xx, xy = (
        ndimage.gaussian_filter(product, sigma) for product in (gy * gy, gx * gx, gy * gx)
    )
    return np.hypot(yy - xx, 2 * xy) / np.maximum(yy + xx, np.finfo(np.float32).tiny)


def power_slope(image, mask):
    """Exponent of the radially averaged power spectrum against frequency, over windows that lie
    wholly inside the mask.

    Returns a float, or NaN if no 64×64 window fits.
    """
    taper = np.outer(np.hanning(WINDOW), np.hanning(WINDOW))
    inside = np.pad(np.cumsum(np.cumsum(mask, 0), 1), ((1, 0), (1, 0)))
    power, count = np.zeros((WINDOW, WINDOW)), 0
    for top in range(0, image.shape[0] - WINDOW + 1, WINDOW // 2):
        for left in range(0, image.shape[1] - WINDOW + 1, WINDOW // 2):
            bottom, right = top + WINDOW, left + WINDOW
            if (
                inside[bottom, right]
                - inside[top, right]
                - inside[bottom, left]
                + inside[top, left]
                < WINDOW**2
            ):
                continue
            window = image[top:bottom, left:right].astype(np.float64)
            power += np.abs(np.fft.fft2((window - window.mean()) * taper)) ** 2
            count += 1
    if not count:
        return float("nan")
    frequency = np.fft.fftfreq(WINDOW)
    ring = np.rint(np.hypot(frequency[:, None], frequency) * WINDOW).astype(int).ravel()
    radial = np.bincount(ring, power.ravel()) / np.bincount(ring)
    centre = np.arange(len(radial)) / WINDOW
    fitted = (centre >= FREQUENCIES[0]) & (centre <= FREQUENCIES[1])
    return float(np.polyfit(np.log(centre[fitted]), np.log(radial[fitted]), 1)[0])


def density_along(points, position, mask, bins=10, pixel_size_um=1.17):
    """Points per mm² in equal bins of a position, such as cells along cortical depth.

    Parameters
    ----------
    points, mask : (H, W) bool array
    position : (H, W) array
        In [0, 1] inside the mask.
    bins : int

    Returns
    -------
    (bins,) array
        NaN where the mask holds no pixel.
    """
    index = np.clip((position[mask] * bins).astype(int), 0, bins - 1)
    counts = np.bincount(index, points[mask], bins)
    pixels = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        return counts / (pixels * (pixel_size_um / 1000) ** 2)
