"""Intensity: what is tissue, and a scale on which slices and brains compare.

Scans differ in gain, offset and number of gray levels; networks should not learn those. Everything
here is a linear map, or says what it clipped, so that pictures can be brought back to their own
scale for display.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

SHRINK = 4  # the tissue mask is found on a picture this many times smaller


@dataclass(frozen=True)
class Standardisation:
    """Linear map of intensity: ``(image / gain - mean) / sd``.

    Attributes
    ----------
    mean, sd : float
        Of the tissue, in raw units, once the gain is taken out.
    gain : (H, 1) float32 array or 1.0
        Of every row; see :func:`cupping_gain`.
    """

    mean: float
    sd: float
    gain: np.ndarray | float = 1.0

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Raw intensity of the slice to tissue units, float32."""
        flat = np.asarray(image, np.float32) / self.gain - np.float32(self.mean)
        return (flat / np.float32(self.sd)).astype(np.float32)

    @property
    def raw_zero(self) -> float:
        """What a raw zero (the padding of windows that leave the slice) becomes."""
        return -self.mean / self.sd


def standardise(
    image: np.ndarray, mask: np.ndarray | None = None, cupping: bool = True
) -> tuple[np.ndarray, Standardisation]:
    """Standardise a slice over its tissue: mean 0 and standard deviation 1 there, alike from top to
    bottom.

    Parameters
    ----------
    image : (H, W) array
        Raw intensity.
    mask : (H, W) bool array, optional
        Where there is tissue; found by :func:`tissue_mask` if not given.
    cupping : bool
        Take out the slow change of brightness across the rows first (:func:`cupping_gain`).

    Returns
    -------
    image : (H, W) float32 array
    scale : Standardisation

    Raises
    ------
    ValueError
        If the image holds non-finite pixels, or the tissue has a single gray value.
    """
    image = np.asarray(image)
    mask = tissue_mask(image) if mask is None else mask
    gain = cupping_gain(image, mask) if cupping else 1.0
    tissue = (image / gain)[mask]
    mean = float(tissue.mean(dtype=np.float64)) if tissue.size else 0.0
    sd = float(tissue.std(dtype=np.float64)) if tissue.size else 0.0
    if not sd > 1e-6 * abs(mean):  # rounding alone gives a constant image a tiny spread
        raise ValueError(
            f"the tissue must have more than one gray value, found {tissue.size} tissue pixels "
            f"with a standard deviation of {sd}: is this the right image?"
        )
    scale = Standardisation(mean, sd, gain)
    return scale.apply(image), scale


def cupping_gain(image: np.ndarray, mask: np.ndarray | None = None, blocks: int = 20) -> np.ndarray:
    """The slow change of brightness across the rows that the scanner adds.

    Tomograms are darker inside than at the rim (cupping, from beam hardening and scatter), more or
    less so from slice to slice. In each of several blocks of columns log-intensity is fitted by ``a
    + b * depth ** 2``, with depth running from -1 at the first row to 1 at the last. Anatomy bends
    single blocks either way; the median of b over the blocks is the cupping. A negative one
    (brighter inside) is no cupping and is left alone.

    Parameters
    ----------
    image : (H, W) array
        Raw intensity, not negative.
    mask : (H, W) bool array, optional
        Where there is tissue; found by :func:`tissue_mask` if not given.
    blocks : int
        Number of blocks side by side.

    Returns
    -------
    (H, 1) float32 array
        Gain of every row, with mean 1 over the tissue's rows. ``image / gain`` is flat; multiply to
        go back. All ones where the tissue is too thin to tell.
    """
    image = np.asarray(image, np.float32)
    mask = tissue_mask(image) if mask is None else mask
    small, shrink = _shrunk(image)
    inside = mask[shrink // 2 :: shrink, shrink // 2 :: shrink] & (small > 0)
    # the rim is bright by itself
    inside &= ndimage.binary_erosion(inside, iterations=24 // shrink, border_value=1)
    depth = np.linspace(-1, 1, image.shape[0])
    rows = depth[np.minimum(np.arange(len(small)) * shrink + shrink // 2, len(depth) - 1)]
    log = np.where(inside, np.log(np.where(inside, small, 1)), np.nan)
    bends = []
    for columns in np.array_split(np.arange(log.shape[1]), blocks):
        enough = inside[:, columns].sum(axis=1) > 0.25 * len(columns)
        if enough.sum() > max(8, 0.3 * len(rows)):
            level = np.nanmedian(log[enough][:, columns], axis=1)
            bends.append(np.polyfit(rows[enough] ** 2, level, 1)[0])
    bend = max(0.0, float(np.median(bends))) if len(bends) > blocks // 4 else 0.0
    if not bend:
        return np.ones((len(depth), 1), np.float32)
    gain = np.exp(bend * depth**2)
    return (gain / gain[mask.any(axis=1)].mean()).astype(np.float32)[:, None]


def tissue_mask(image: np.ndarray, opening: float = 12, smallest: float = 0.05) -> np.ndarray:
    """Where a slice holds tissue, against its black surroundings.

    A threshold between dark and bright (Otsu) on the smoothed slice; what is thinner than about ``2
    * opening`` pixels (the lines of the mount, threads of tissue) or small against the largest
    piece (specks) is dropped, and holes such as vessels are filled. A slice without dark
    surroundings is tissue everywhere.

    Parameters
    ----------
    image : (H, W) array
        Raw intensity, dark background.
    opening : float
        Half the thickness, in pixels, below which structures are not tissue.
    smallest : float
        Pieces below this share of the largest one's area are not tissue.

    Returns
    -------
    (H, W) bool array

    Raises
    ------
    ValueError
        If the image holds non-finite pixels.
    """
    image = np.asarray(image, np.float32)
    bad = int((~np.isfinite(image)).sum())
    if bad:
        raise ValueError(f"the image must be finite, found {bad} pixels that are not")
    small, shrink = _shrunk(image)
    small = ndimage.gaussian_filter(small, 4 / shrink)
    bright = small > threshold_otsu(small)
    if not bright.any() or np.median(small[~bright]) > 0.4 * np.median(small[bright]):
        return np.ones(image.shape, bool)
    radius = opening / shrink
    depth = ndimage.distance_transform_edt(np.pad(bright, 1, mode="edge"))[1:-1, 1:-1]
    core = depth > radius
    if not core.any():
        core = bright
    # grow the core back to its outline: an opening with a disc
    opened = bright & (ndimage.distance_transform_edt(~core) <= radius)
    pieces, n = ndimage.label(opened)
    sizes = ndimage.sum_labels(opened, pieces, np.arange(1, n + 1))
    large = 1 + np.flatnonzero(sizes >= smallest * sizes.max())
    kept = ndimage.binary_fill_holes(np.isin(pieces, large))
    index = [
        np.minimum(np.arange(side) // shrink, have - 1)
        for side, have in zip(image.shape, kept.shape)
    ]
    return kept[np.ix_(*index)]


def _shrunk(image: np.ndarray) -> tuple[np.ndarray, int]:
    """The image made smaller by local means, and by how much: not at all if it is small already."""
    shrink = SHRINK if min(image.shape) >= 16 * SHRINK else 1
    grid = slice(shrink // 2, None, shrink)
    return ndimage.uniform_filter(image, shrink)[grid, grid], shrink


def match_brightness(
    images: np.ndarray, target: float | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Scale each image to one mean brightness (paper C, section 2.1).

    Parameters
    ----------
    images : (N, H, W) array
        Background 0.
    target : float, optional
        Mean brightness to reach; the set's own mean if not given. Keep it for new images.

    Returns
    -------
    images : (N, H, W) float32 array
    factors : (N,) float32 array
        Divide by them to go back. A black image keeps the factor 1.
    target : float
    """
    images = np.asarray(images, np.float32)
    means = images.mean(axis=(1, 2), dtype=np.float64)
    target = float(means.mean()) if target is None else float(target)
    factors = np.divide(target, means, out=np.ones_like(means), where=means > 0).astype(np.float32)
    return images * factors[:, None, None], factors, target


def clip_outliers(
    images: np.ndarray, ceiling: float | None = None, percentile: float = 99.9
) -> tuple[np.ndarray, float]:
    """Clip outlier pixels and scale to [0, 1]; no image is dropped.

    Parameters
    ----------
    images : (N, H, W) array
        Not negative.
    ceiling : float, optional
        Intensity that becomes 1; the given percentile of the set's pixels above zero if not given.
    percentile : float

    Returns
    -------
    images : (N, H, W) float32 array in [0, 1]
    ceiling : float
        Multiply by it to go back (clipped pixels stay at the ceiling).
    """
    images = np.asarray(images, np.float32)
    if ceiling is None:
        positive = images[images > 0]
        ceiling = float(np.percentile(positive, percentile)) if positive.size else 1.0
    scaled = images / np.float32(ceiling)
    return np.clip(scaled, 0, 1, out=scaled), float(ceiling)  # in place: several times faster


def centre_crop(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cut the middle out of images or label maps (…, H, W): ``shape`` = (h, w); an odd remainder
    leaves one pixel more at the end.

    Raises
    ------
    ValueError
        If the images are smaller than that.
    """
    height, width = images.shape[-2:]
    if height < shape[0] or width < shape[1]:
        raise ValueError(
            f"expected images of at least {shape[0]}×{shape[1]} px to crop, found {height}×{width}"
        )
    top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
    return images[..., top : top + shape[0], left : left + shape[1]]
