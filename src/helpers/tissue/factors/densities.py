"""Densities of cells and of myelinated axons from gray values alone, where no truth is at hand.

A slice is described by filters whose widths are those of cells and fibres, in µm: second
derivatives at several scales tell what is dark in every direction (a cell) from what is dark in one
(the gap between two fibres). Their rectified responses, averaged over squares of several sizes, are
turned into densities by a ridge regression on drawn tissue, whose truth is known. The regression is
linear, so that on tissue unlike the drawn one more cells still give more response.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

FINEST_UM = 2.34  # images of smaller pixels are reduced to this size: a cell is 10 µm wide
STEP = 2  # pixels of the reduced image to one place of the result
SCALES_UM = (1.75, 2.9, 4.1, 5.9)  # of the derivatives: from nucleoli and fibres to large cells
SIDES_UM = (33.0, 98.0, 225.0)  # of the squares that responses are averaged over
SMOOTHING_UM = 2.34
BRIGHT = 1.0  # standard deviations above the tissue's mean from which on a pixel counts as myelin
PENALTY = 10.0  # of the ridge, for some 10,000 places of standardised responses
BETWEEN_AREAS = 0.5  # share of the differences between areas that is not learned from
PER_AREA = 1500  # places of each area and section to learn from


@dataclass(frozen=True)
class Calibration:
    """How responses become densities: ``(responses - centre) / spread @ weights + offset``.

    Attributes
    ----------
    centre, spread : (f,) arrays
    weights : (f, 2) array
        For cells per mm², and for the share of section that axons take.
    offset : (2,) array
    """

    centre: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    offset: np.ndarray

    def densities(self, responses: np.ndarray) -> np.ndarray:
        """Densities (…, 2) of responses (…, f), none below 0."""
        return np.maximum((responses - self.centre) / self.spread @ self.weights + self.offset, 0)


def working_pixel_um(pixel_size_um: float) -> float:
    """Pixel size at which an image is filtered: its own, or `FINEST_UM` where that is larger."""
    return max(FINEST_UM, pixel_size_um)


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    """An image (H, W) with sides `factor` times as long, float32: averages where it shrinks,
    interpolated where it grows.
    """
    size = [max(1, round(side * factor)) for side in image.shape[::-1]]
    how = Image.Resampling.BOX if factor <= 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(np.asarray(image, np.float32)).resize(size, how))


def responses(standardised: np.ndarray, mask: np.ndarray, pixel_um: float) -> np.ndarray:
    """Describe every place of a slice by filters averaged over its neighbourhoods.

    Parameters
    ----------
    standardised : (H, W) array
        At `working_pixel_um`, mean 0 and standard deviation 1 over tissue.
    mask : (H, W) bool array
        Tissue; nothing else is averaged.
    pixel_um : float

    Returns
    -------
    (H // STEP, W // STEP, f) float32 array
        Signed square roots, because responses of few strong objects spread widely. At each scale
        the eigenvalues of the Hessian matrix are split into dark blobs (both positive), bright
        blobs (both negative), dark and bright lines (Lindeberg 1998).
    """
    image = np.asarray(standardised, np.float32)
    maps = []
    for scale in SCALES_UM:
        sigma = scale / pixel_um
        yy, xx, xy = (
            sigma**2 * ndimage.gaussian_filter(image, sigma, order=order, truncate=3)
            for order in ((2, 0), (0, 2), (1, 1))
        )
        mean, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        smaller, larger = mean - spread, mean + spread
        dark_blob, bright_blob = np.maximum(smaller, 0), np.maximum(-larger, 0)
        maps += [dark_blob, bright_blob, np.maximum(larger, 0) - dark_blob]
        maps += [np.maximum(-smaller, 0)]
    smooth = ndimage.gaussian_filter(image, SMOOTHING_UM / pixel_um, truncate=3)
    maps += [smooth, smooth > BRIGHT, smooth**2, (image - smooth) ** 2, np.maximum(-smooth, 0)]
    sides = [max(1, round(side / pixel_um / STEP)) for side in SIDES_UM]
    tissue = [np.maximum(_around(_blocks(mask), side), 1e-3) for side in sides]
    averages = [
        _around(_blocks(one * mask), side) / weight
        for one in maps
        for side, weight in zip(sides, tissue)
    ]
    found = np.stack(averages, axis=-1)
    return np.sign(found) * np.sqrt(np.abs(found))


def calibrate(
    sections: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], seed: int = 0
) -> Calibration:
    """Learn densities from sections whose truth is known.

    From every area as many places are drawn, so that a large one does not outvote a small one. Of
    responses and truth alike, half of their mean over the area is taken out before the regression
    (quasi-demeaning, Wooldridge 2010, § 10.4), so that it learns to count more than to recognise an
    area and recall its density.

    Parameters
    ----------
    sections : sequence of (responses, truth, areas)
        (h, w, f) as `responses` gives them; (h, w, 2) cells per mm² and share of axons; (h, w) int,
        0 = none.
    seed : int
        Of the places drawn.

    Raises
    ------
    ValueError
        If no place has an area.
    """
    rng, known, wanted = np.random.default_rng(seed), [], []
    for found, truth, areas in sections:
        for area in np.unique(areas[areas > 0]):
            places = np.argwhere(areas == area)
            i, j = places[rng.integers(len(places), size=PER_AREA)].T
            known.append(found[i, j].astype(np.float64))
            wanted.append(truth[i, j].astype(np.float64))
    if not known:
        raise ValueError("expected annotated places to calibrate densities on, found none")
    everything = np.concatenate(known)
    centre, spread = everything.mean(axis=0), np.maximum(everything.std(axis=0), 1e-9)
    inputs = [np.column_stack([(rows - centre) / spread, np.ones(len(rows))]) for rows in known]
    left, right = (
        np.concatenate([rows - BETWEEN_AREAS * rows.mean(axis=0) for rows in parts])
        for parts in (inputs, wanted)
    )
    penalty = PENALTY * np.eye(left.shape[1])
    penalty[-1, -1] = 0  # the offset is free
    weights = np.linalg.solve(left.T @ left + penalty, left.T @ right)
    return Calibration(centre, spread, weights[:-1], weights[-1])


def on_grid(image: np.ndarray) -> np.ndarray:
    """Means of an image (H, W) over the blocks that `responses` speaks of: (H // STEP, W // STEP)
    float32.
    """
    return _blocks(image)


def estimate(
    standardised: np.ndarray, mask: np.ndarray, pixel_um: float, calibration: Calibration
) -> np.ndarray:
    """Cells per mm² and share of axons around every place of a slice.

    Parameters
    ----------
    standardised, mask, pixel_um
        As for `responses`.
    calibration : Calibration

    Returns
    -------
    (h, w, 2) float32 array
        0 away from tissue.
    """
    found = calibration.densities(responses(standardised, mask, pixel_um))
    return np.where(_blocks(mask)[..., None] > 0, found, 0).astype(np.float32)


def spread_out(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A map on the grid (h, w), interpolated to an image of a given shape, float32."""
    picture = Image.fromarray(np.asarray(grid, np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BILINEAR))


def _blocks(image: np.ndarray) -> np.ndarray:
    """Means over blocks of ``STEP`` × ``STEP`` pixels."""
    h, w = (side // STEP for side in image.shape)
    cut = np.asarray(image[: h * STEP, : w * STEP], np.float32)
    return cut.reshape(h, STEP, w, STEP).mean(axis=(1, 3))


def _around(image: np.ndarray, side: int) -> np.ndarray:
    """Means over the square around each pixel; beyond the image there is nothing."""
    return ndimage.uniform_filter(image, side, mode="constant")
