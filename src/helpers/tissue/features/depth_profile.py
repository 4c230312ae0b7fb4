"""Texture of the cortex by depth, in numbers: what its layers are made of.

The cortex is cut into bins of equal depth from white matter to pia, and every bin is measured with
the filters that also measure whole areas (:mod:`helpers.tissue.features.texture`). Filter widths
are in pixels: compare images of the same pixel size.
"""

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.tissue.features.texture import dark_blobs, orientation_coherence, standardise

BINS = 10
MARGIN = 20  # pixels left out along the edge of the annotated tissue
BLOB_SIGMAS = (1.6, 2.5, 3.5, 5.0, 7.0)  # widths of the filters that find dark blobs, in pixels
CELL_SIGMA = 3.5  # of the filter that finds cell bodies
BLOB_THRESHOLD = 0.55  # in standard deviations of the tissue
BRIGHT = (0.5, 1)  # what counts as bright, in standard deviations above the tissue's mean
WINDOW, STEP = 128, 32  # pixels: side of the windows whose power spectra are averaged, and between
BANDS = (1, 3, 6, 12, 24, 48)  # edges of frequency bands, in cycles per window


def measure_depth(
    image: np.ndarray, depth: np.ndarray, tissue: np.ndarray, pixel_size_um: float = 1.17
) -> pd.DataFrame:
    """Measure the texture of the cortex in ten bins of equal depth.

    Parameters
    ----------
    image : (H, W) array
        Gray in [0, 1].
    depth : (H, W) float array
        0 at the pia, 1 at the white matter, NaN outside the cortex, as from
        :func:`helpers.tissue.cortex.depth.cortical_depth`.
    tissue : (H, W) bool array
        All annotated tissue: standardises gray, and its edge is left out.
    pixel_size_um : float

    Returns
    -------
    pandas.DataFrame
        One row per bin, ``depth_bin`` from 1 at the white matter to 10 at the pia: mean and
        standard deviation of gray; standard deviation of the local mean (σ = 20 px); 1 % and 99 %
        quantiles; dark blobs per mm² at five widths of the filter, above 0.55 standard deviations
        of the tissue; median response of the blobs at 3.5 px, their contrast; share of pixels that
        are brighter than 0.5 and 1 standard deviations after smoothing by 2 px; orientation
        coherence (σ = 10 px); shares of spectral power in five bands of cycles per 128 px. A
        measure that finds nothing to measure is NaN.

    Raises
    ------
    ValueError
        If the shapes differ, or a bin holds no pixel.
    """
    image = np.asarray(image, np.float32)
    if not image.shape == np.shape(depth) == np.shape(tissue):
        raise ValueError(
            "image, depth and tissue must have one shape, "
            f"found {image.shape}, {np.shape(depth)} and {np.shape(tissue)}"
        )
    bins = depth_bins(depth)
    # filters near the edge of the tissue see what is beyond
    inner = np.where(_distance_inside(tissue) > MARGIN, bins, 0)
    empty = sorted(set(range(1, BINS + 1)) - set(np.unique(inner).tolist()))
    if empty:
        raise ValueError(
            f"expected cortex at every depth, found none more than {MARGIN} px inside the tissue "
            f"in depth bins {empty} of {BINS}; the slice shows too little of the cortex"
        )
    index = np.arange(1, BINS + 1)
    standardised = standardise(image, tissue)
    mm2 = ndimage.sum_labels(np.ones_like(image), inner, index) * (pixel_size_um / 1000) ** 2
    local_mean = ndimage.gaussian_filter(image, 20)
    table = {
        "mean_gray": ndimage.mean(image, inner, index),
        "sd_gray": ndimage.standard_deviation(image, inner, index),
        "sd_of_local_mean_20px": ndimage.standard_deviation(local_mean, inner, index),
        "p1": [np.percentile(image[inner == number], 1) for number in index],
        "p99": [np.percentile(image[inner == number], 99) for number in index],
    }
    for sigma in BLOB_SIGMAS:
        blobs = np.where(dark_blobs(standardised, sigma, BLOB_THRESHOLD), inner, 0)
        table[f"dark_blobs_sigma{sigma}_per_mm2"] = (
            ndimage.sum_labels(blobs > 0, blobs, index) / mm2
        )
        if sigma == CELL_SIGMA:
            response = sigma**2 * ndimage.gaussian_laplace(standardised, sigma)
            contrast = [_median(response[blobs == number]) for number in index]
    table[f"median_blob_contrast_sigma{CELL_SIGMA}"] = contrast
    smooth = ndimage.gaussian_filter(standardised, 2)
    for level in BRIGHT:
        table[f"bright_fraction_above_{level}"] = ndimage.mean(smooth > level, inner, index)
    table["orientation_coherence_10px"] = ndimage.mean(
        orientation_coherence(image, 10), inner, index
    )
    power = band_power(image, bins, tissue)
    for number, (low, high) in enumerate(zip(BANDS, BANDS[1:])):
        table[f"power_{low}_{high}_cycles"] = power[:, number]
    return pd.DataFrame(table, index=pd.Index(index, name="depth_bin"))


def depth_bins(depth: np.ndarray) -> np.ndarray:
    """Return the bin 1…10 of every pixel, 1 at the white matter (depth 1) and 10 at the pia
    (depth 0); 0 where depth is NaN.
    """
    number = np.clip(np.ceil((1 - np.nan_to_num(depth)) * BINS), 1, BINS)
    return np.where(np.isnan(depth), 0, number).astype(np.uint8)


def band_power(image: np.ndarray, bins: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Shares of spectral power by depth.

    Windows of 128 px on a grid of 32 px that lie wholly in the tissue count to the bin of their
    centre; of each the mean is taken off and a Hann taper applied. Windows over the edge would
    measure the edge: the lowest band would then tell how high the slice is.

    Parameters
    ----------
    image : (H, W) array
    bins : (H, W) int array
        From `depth_bins`.
    tissue : (H, W) bool array

    Returns
    -------
    (10, 5) array
        Mean over a bin's windows of the share of power in each band; rows add up to 1. NaN for a
        bin that holds no window's centre.
    """
    taper = np.outer(np.hanning(WINDOW), np.hanning(WINDOW))
    frequency = np.fft.fftfreq(WINDOW, 1 / WINDOW)
    band = np.digitize(np.hypot(frequency[:, None], frequency), BANDS)
    total, count = np.zeros((BINS, len(BANDS) - 1)), np.zeros((BINS, 1))
    for top in range(0, image.shape[0] - WINDOW + 1, STEP):
        for left in range(0, image.shape[1] - WINDOW + 1, STEP):
            box = slice(top, top + WINDOW), slice(left, left + WINDOW)
            number = bins[top + WINDOW // 2, left + WINDOW // 2]
            if number == 0 or not tissue[box].all():
                continue
            spectrum = np.abs(np.fft.fft2((image[box] - image[box].mean()) * taper)) ** 2
            power = np.bincount(band.ravel(), spectrum.ravel(), len(BANDS) + 1)[1:-1]
            if power.sum() > 0:
                total[number - 1] += power / power.sum()
                count[number - 1] += 1
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    """Distance of every pixel to the nearest one outside the mask; beyond the image is outside."""
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else float("nan")
