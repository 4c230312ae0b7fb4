"""Texture of each area in numbers, so that a phantom and real tissue can be compared.

Every measure works on the annotated pixels of one slice. Filter widths are in pixels: compare
images of the same pixel size. Pixels near an area's border are left out, because filters there see
the neighbour and hand-drawn borders are inexact.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.data.patches import window_sums

MARGIN = 30  # pixels left out along an area's border …
THIN_MARGIN = 12  # … and along that of an area that is nowhere thick
THIN = 100  # half thickness in pixels below which an area counts as thin
WINDOW = 64  # side of the windows whose power spectra are averaged
FREQUENCIES = (0.02, 0.5)  # cycles per pixel between which the slope is fitted
TOLERANCE = 1 / 3  # of the real value: how far a measure may be off and still count as alike
SMALLEST = 0.0005  # differences below this do not count: shares are known to three digits


def measure(
    image: np.ndarray,
    areas: np.ndarray,
    pixel_size_um: float = 1.17,
    names: Mapping[int, str] | None = None,
) -> pd.DataFrame:
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
    image, areas = np.asarray(image, np.float32), np.asarray(areas)
    if image.shape != areas.shape:
        raise ValueError(
            f"image and areas must have one shape, found {image.shape} and {areas.shape}"
        )
    standardised = standardise(image, areas > 0)
    cells, specks = dark_blobs(standardised, 3.5, 0.55), dark_blobs(standardised, 1.6, 0.6)
    bright = ndimage.gaussian_filter(standardised, 2) > 1
    coherence, local_mean = orientation_coherence(image, 10), ndimage.gaussian_filter(image, 20)
    labels, rows = np.unique(areas[areas > 0]).tolist(), []
    for label, name in (dict(zip(labels, labels)) if names is None else names).items():
        inside = interior(areas == label)
        if not inside.any():
            continue
        gray, mm2 = image[inside], inside.sum() * (pixel_size_um / 1000) ** 2
        p5, p95 = np.percentile(gray, [5, 95])
        rows.append(
            {
                "area": name,
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


def largest_pieces(areas: np.ndarray) -> np.ndarray:
    """Return an area map in which every area keeps the largest of its connected pieces, and all
    other pieces share the next free number.

    White matter that joins the internal capsule and the corpus callosum is the capsule then.
    """
    pieces = np.zeros_like(areas)
    for label in np.unique(areas[areas > 0]):
        numbered, count = ndimage.label(areas == label)
        largest = np.bincount(numbered.ravel(), minlength=count + 1)[1:].argmax() + 1
        pieces[numbered == largest] = label
    return np.where((areas > 0) & (pieces == 0), areas.max() + 1, pieces)


def compare(measured: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Hold a table of measures against that of real tissue.

    Parameters
    ----------
    measured, real : DataFrame
        Rows and columns that both have are compared.

    Returns
    -------
    pandas.DataFrame
        One row per row and measure of the tables: ``phantom``, ``real``, ``ratio`` (NaN where the
        real value is zero) and ``alike``: whether they differ by at most a third of the real value,
        or by less than 0.0005. Values that are missing on either side are left out.
    """
    rows = measured.index.intersection(real.index, sort=False)
    columns = [name for name in measured.columns if name in real.columns]
    table = pd.DataFrame(
        {
            "phantom": measured.loc[rows, columns].stack(),
            "real": real.loc[rows, columns].stack(),
        }
    ).dropna()
    table = table.rename_axis([measured.index.name, "measure"])
    table["ratio"] = table["phantom"] / table["real"].where(table["real"] != 0)
    allowed = (TOLERANCE * table["real"].abs()).clip(lower=SMALLEST)
    table["alike"] = (table["phantom"] - table["real"]).abs() <= allowed
    return table


def standardise(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Shift and scale an image to mean 0 and standard deviation 1 over the mask."""
    values = image[mask]
    sd = values.std() if values.size else 0
    if not sd > 0:
        raise ValueError(
            "expected annotated pixels of more than one gray value, "
            f"found {values.size} pixels with a standard deviation of {sd}"
        )
    return (image - values.mean()) / sd


def interior(mask: np.ndarray) -> np.ndarray:
    """Pixels of an area that lie deeper inside it than the margin (30 px; 12 px in areas thinner
    than 200 px).
    """
    depth = ndimage.distance_transform_edt(mask)
    return depth > (MARGIN if depth.max() >= THIN else THIN_MARGIN)


def dark_blobs(standardised: np.ndarray, sigma: float, threshold: float) -> np.ndarray:
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


def orientation_coherence(
    image: np.ndarray, sigma: float, gradient_sigma: float = 1.6
) -> np.ndarray:
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


def power_slope(image: np.ndarray, mask: np.ndarray) -> float:
    """Exponent of the radially averaged power spectrum against frequency, over windows that lie
    wholly inside the mask.

    Returns a float, or NaN if no 64×64 window fits.
    """
    half, taper = WINDOW // 2, np.outer(np.hanning(WINDOW), np.hanning(WINDOW))
    # every half window, at its centre pixel
    whole = window_sums(mask, WINDOW)[half::half, half::half] == WINDOW**2
    if not whole.any():
        return float("nan")
    power = np.zeros((WINDOW, WINDOW))
    for top, left in half * np.argwhere(whole):
        window = image[top : top + WINDOW, left : left + WINDOW].astype(np.float64)
        power += np.abs(np.fft.fft2((window - window.mean()) * taper)) ** 2
    frequency = np.fft.fftfreq(WINDOW)
    ring = np.rint(np.hypot(frequency[:, None], frequency) * WINDOW).astype(int).ravel()
    radial = np.bincount(ring, power.ravel()) / np.bincount(ring)
    centre = np.arange(len(radial)) / WINDOW
    fitted = (centre >= FREQUENCIES[0]) & (centre <= FREQUENCIES[1])
    return float(np.polyfit(np.log(centre[fitted]), np.log(radial[fitted]), 1)[0])
