"""The three artifacts that paper C names (section 3.2): leakage, missing tissue, grid lines.

They can be put into any section image, so that the truth is known on real data too. As in the
atlas they are not anywhere: leakage clusters at a few injection sites, tissue is missing at the rim
and along the midline, grids have the microscope's tile sizes.
Lengths are in pixels of 25 µm at 320 rows and scale with the image's height.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import expit

from helpers.data.phantoms.brain_atlas import SHAPE

ARTIFACTS = ("leakage", "missing", "grid")
# As in an atlas, damage repeats itself: places are shares of the tissue's bounding box, row first.
# Injections of one hemisphere: somatosensory cortex, hippocampus, striatum, thalamus.
INJECTION_SITES = ((0.30, 0.86), (0.36, 0.66), (0.55, 0.78), (0.60, 0.58))
INJECTION_SHARES = (0.5, 0.2, 0.15, 0.15)
RIM_SITES = ((0.25, 0.05), (0.25, 0.95), (1.0, 0.5))  # cortex on both sides, base of the brain
TILES = (38, 50)  # px of 25 µm between two seams of the mosaic


def inject(
    image: np.ndarray,
    kind: str,
    seed: int | Sequence[int] | np.random.Generator = 0,
    brain: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Put one artifact into an image.

    Parameters
    ----------
    image : (H, W) array
        Gray values in [0, 1].
    kind : {"leakage", "missing", "grid"}
    seed : int, sequence of int, or numpy Generator
    brain : (H, W) bool array, optional
        Where tissue lies; estimated from the image if not given.

    Returns
    -------
    corrupted : (H, W) float32
        In [0, 1].
    mask : (H, W) bool
        Pixels that changed by more than 2 % of full scale.

    Raises
    ------
    ValueError
        For an unknown kind, an image that is not 2-D, or one without tissue.
    """
    makers = {"leakage": _leakage, "missing": _missing, "grid": _grid}
    if kind not in makers:
        raise ValueError(f"no artifact is called {kind!r}; known: {', '.join(ARTIFACTS)}")
    image = np.asarray(image, np.float32)
    if image.ndim != 2:
        raise ValueError(f"expected one image (H, W), found shape {image.shape}")
    brain = tissue(image) if brain is None else np.asarray(brain, bool)
    if not brain.any():
        raise ValueError("no tissue in the image: every pixel is dark")
    made = makers[kind](image, brain, np.random.default_rng(seed), image.shape[0] / SHAPE[0])
    corrupted = made.clip(0, 1).astype(np.float32)
    return corrupted, np.abs(corrupted - image) > 0.02


def tissue(image: np.ndarray) -> np.ndarray:
    """Foreground of a section: pixels above a quarter of the bright level, holes filled, (H, W)
    bool.
    """
    smooth = ndimage.gaussian_filter(np.asarray(image, np.float32), 1.0)
    return ndimage.binary_fill_holes(smooth > 0.25 * np.percentile(smooth, 95)) & (smooth.max() > 0)


def _leakage(
    image: np.ndarray, brain: np.ndarray, rng: np.random.Generator, scale: float
) -> np.ndarray:
    """Bright spots with a halo, as where the injected green label shines into the red channel; they
    cluster at the few sites that experiments inject.
    """
    site = INJECTION_SITES[rng.choice(len(INJECTION_SITES), p=INJECTION_SHARES)]
    centre = _place(brain, site) + rng.normal(0, 5 * scale, 2)
    light = np.zeros(image.shape, np.float32)
    for spot in range(rng.integers(1, 4)):
        radius = scale * rng.uniform(16, 30) / (1 + 0.6 * spot)
        stretch, turn = rng.uniform(0.6, 1.0), rng.uniform(0, np.pi)
        along, across = _along_and_across(image.shape, centre, turn)
        distance = np.hypot(along, across / stretch) / radius
        rough = unit_noise(rng, image.shape, max(0.7, 5 * scale))
        core = expit((0.8 - 0.22 * rough - distance) * 7)  # flat top, ragged edge
        light += rng.uniform(0.45, 0.9) * core / (1 + 0.5 * spot) + 0.10 * np.exp(
            -0.5 * (distance / 2) ** 2
        )
        centre = centre + rng.normal(0, 26 * scale, 2)  # labelled projections near by
    return image + light * ndimage.gaussian_filter(brain.astype(np.float32), max(0.5, 1.5 * scale))


def _missing(
    image: np.ndarray, brain: np.ndarray, rng: np.random.Generator, scale: float
) -> np.ndarray:
    """A piece broken off at the rim of the section, where the knife enters or leaves, or a tear
    down the midline.
    """
    rough = unit_noise(rng, image.shape, max(0.8, 7 * scale))
    if rng.random() < 0.7:
        site = np.array(RIM_SITES[rng.integers(len(RIM_SITES))])
        border = np.argwhere(brain & ~ndimage.binary_erosion(brain, border_value=0))
        wanted = _place(brain, site) + rng.normal(0, 10 * scale, 2)
        start = border[np.argmin(((border - wanted) ** 2).sum(1))].astype(float)
        radius = scale * rng.uniform(32, 62)
        gone = np.hypot(*_along_and_across(image.shape, start, 0)) + 7 * scale * rough - radius
    else:
        start = _place(brain, (0.0, 0.5)) + rng.normal(0, 2 * scale, 2)
        along, across = _along_and_across(image.shape, start, np.pi / 2 + rng.uniform(-0.1, 0.1))
        length, width = scale * rng.uniform(70, 150), scale * rng.uniform(6, 12)
        gone = np.abs(across + 3 * scale * rough) - width * np.clip(1 - along / length, 0, 1)
        gone = np.where((along > -10 * scale) & (along < length), gone, np.inf)
    empty = np.minimum(image, 0.03 * image.max())
    return empty + expit(gone / max(0.35, 0.8 * scale)) * (image - empty)


def _grid(
    image: np.ndarray, brain: np.ndarray, rng: np.random.Generator, scale: float
) -> np.ndarray:
    """Seams of the mosaic, for one of the microscope's tile sizes: shading towards the edges of
    each tile, and dark lines between tiles, which begin near the picture's corner.
    """
    x, y = _along_and_across(image.shape, (0, 0), np.deg2rad(rng.uniform(-0.5, 0.5)))
    shading, line = rng.uniform(0.3, 0.55), -rng.uniform(0.15, 0.25)
    tile = TILES[rng.integers(len(TILES))]
    gain = np.ones(image.shape, np.float32)
    width = max(0.5, 0.8 * scale)  # a seam thinner than a pixel is fainter
    for axis in (y, x):
        pitch, offset = scale * tile, rng.normal(0, 0.03)
        place = (axis / pitch + offset) % 1  # 0…1 within a tile
        gain *= 1 - shading * np.abs(2 * place - 1) ** 4
        seam = np.exp(-0.5 * (np.minimum(place, 1 - place) * pitch / width) ** 2)
        gain += line * 0.8 * scale / width * seam
    return image * gain / gain.mean()


def _place(brain: np.ndarray, site: Sequence[float]) -> np.ndarray:
    """Row and column, in px, of a place given as shares of the tissue's bounding box."""
    inside = np.argwhere(brain)
    low, high = inside.min(0), inside.max(0)
    return low + np.asarray(site) * (high - low)


def _along_and_across(
    shape: tuple[int, int], centre: Sequence[float], turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of every pixel along and across an axis through a place, turned from the
    columns' axis, (H, W) float32 each.
    """
    rows, columns = np.indices(shape, dtype=np.float32)
    y, x = rows - centre[0], columns - centre[1]
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def unit_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Gaussian noise of correlation length ``sigma`` px and unit standard deviation, float32."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return noise / noise.std()
