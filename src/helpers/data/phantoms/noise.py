"""Random fields of the microCT phantom: the same key gives one three-dimensional field, of which
each z shows a plane.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

FIRST = 10_000  # added to plane numbers, because seeds cannot be negative
TILE = (1024, 512)  # fibre texture repeats after this many samples across and along


def generator(*key: int) -> np.random.Generator:
    """Return the random generator of a key; its last number may be negative."""
    return np.random.default_rng([*key[:-1], key[-1] + FIRST])


def smooth_noise(
    key: Sequence[int], shape: tuple[int, int], wavelength: float, z: float, wavelength_z: float
) -> np.ndarray:
    """Gaussian noise of unit variance that is smooth in the plane and in z.

    Parameters
    ----------
    key : sequence of int
        Seed; the same key gives the same three-dimensional field at every z.
    shape : (H, W)
    wavelength, wavelength_z : float
        Distance between independent knots, in pixels (slices).

    Returns
    -------
    (H, W) float32 array
    """
    first = int(np.floor(z / wavelength_z)) - 1
    # knots outside the plane on every side, so that the field is as variable at the border as in
    # the middle
    counts = [int(np.ceil(side / wavelength)) + 4 for side in shape]
    knots = np.zeros(counts, np.float32)
    weights = _bump(z / wavelength_z - np.arange(first, first + 4))
    for plane, weight in zip(range(first, first + 4), weights / np.linalg.norm(weights)):
        knots += weight * generator(*key, plane).standard_normal(counts, np.float32)
    rows, columns = (_interpolation(side, count, wavelength) for side, count in zip(shape, counts))
    return rows @ knots @ columns.T


def _bump(distance: np.ndarray) -> np.ndarray:
    """Cubic B-spline at a distance in knots."""
    d = np.abs(distance)
    outer = np.where(d < 2, (2 - d) ** 3 / 6, 0)
    return np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, outer).astype(np.float32)


def _interpolation(side: int, count: int, wavelength: float) -> np.ndarray:
    """(side, count) matrix from knots to pixels whose rows have unit length."""
    weights = _bump(np.arange(side)[:, None] / wavelength - np.arange(count)[None] + 1.5)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def white_noise(key: Sequence[int], shape: tuple[int, int], z: float, step: float) -> np.ndarray:
    """White noise in the plane that turns into other white noise over `step` slices; (H, W)
    float32, unit variance.
    """
    plane, part = divmod(z / step, 1)
    noise = np.zeros(shape, np.float32)
    # cosine and sine keep the variance between planes
    for offset, weight in enumerate((np.cos(part * np.pi / 2), np.sin(part * np.pi / 2))):
        if weight > 1e-6:
            rng = generator(*key, int(plane) + offset)
            noise += np.float32(weight) * rng.standard_normal(shape, np.float32)
    return noise


def fibre_noise(
    key: Sequence[int],
    across: np.ndarray,
    along: np.ndarray,
    z: float,
    *,
    width: float,
    length: float,
    steps: tuple[int, int],
    z_step: float,
) -> np.ndarray:
    """Noise of unit variance that is stretched along fibres.

    Parameters
    ----------
    key : sequence of int
    across, along : (H, W) arrays
        Fibre coordinates of each pixel.
    width, length : float
        Standard deviations in pixels, across and along the fibres, of the filter that makes it
        smooth.
    steps : (int, int)
        Pixels between samples, across and along; finer than `width` and `length`.
    z_step : float
        Slices after which it is independent.

    Returns
    -------
    (H, W) float32 array
    """
    tile = ndimage.gaussian_filter(
        white_noise(key, TILE, z, z_step), (width / steps[0], length / steps[1]), mode="wrap"
    )
    return ndimage.map_coordinates(
        tile / tile.std(),
        [across / steps[0], along / steps[1]],
        order=1,
        mode="grid-wrap",
        prefilter=False,
    )
