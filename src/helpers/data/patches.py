"""Square patches of one area each: where they may lie, drawing them balanced over areas, and
cutting them.

A patch is named by its centre pixel (row, column) and covers rows ``row - size // 2`` to ``row +
size // 2 - 1``, columns likewise. The papers' rules (paper A, section II.A.1): to train, every
pixel of the window belongs to the area (``purity=1``); to validate and to test, the centre pixel
does (``purity=0``) and boundaries are allowed. Windows that leave the slice are padded with the
slice's raw zero.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

SIZE = 128  # pixels, 150 µm at 1.17 µm a pixel (paper A)


@dataclass(frozen=True)
class Patches:
    """Patches that are cut when asked for, so that many of them cost no memory.

    Attributes
    ----------
    images : tuple of (H, W) arrays
        The slices, as the network wants them (standardised or raw).
    slice_index : (N,) int array
        Which of the images each patch lies in.
    centres : (N, 2) int array
        Row and column of the centre pixel.
    labels : (N,) int array
        Area of the centre pixel, 1…n.
    size : int
        Side of a patch in pixels.
    padding : tuple of float
        Per image, the value outside of it (what a raw zero becomes).
    """

    images: tuple
    slice_index: np.ndarray
    centres: np.ndarray
    labels: np.ndarray
    size: int = SIZE
    padding: tuple = ()

    def __len__(self):
        return len(self.labels)

    def cut(self, chosen=None):
        """The patches (all, or those at the indices `chosen`) as a float32 array (N, 1, size,
        size).
        """
        chosen = np.arange(len(self)) if chosen is None else np.asarray(chosen)
        out = np.empty((len(chosen), 1, self.size, self.size), np.float32)
        for i, image in enumerate(self.images):
            here = self.slice_index[chosen] == i
            if here.any():
                padding = self.padding[i] if self.padding else 0.0
                out[here] = cut_patches(image, self.centres[chosen[here]], self.size, padding)
        return out


def cut_patches(image, centres, size=SIZE, padding=0.0):
    """Cut windows out of a slice.

    Parameters
    ----------
    image : (H, W) array
    centres : (N, 2) int array
        Centre pixels (row, column); parts of a window outside the slice get the value `padding`.

    Returns
    -------
    (N, 1, size, size) float32 array
    """
    centres = np.asarray(centres)
    out = np.full((len(centres), 1, size, size), padding, np.float32)
    height, width = image.shape
    for patch, (row, column) in zip(out, centres - size // 2):
        top, left = max(row, 0), max(column, 0)
        inside = image[top : max(row + size, 0), left : max(column + size, 0)]
        patch[
            0,
            top - row : top - row + inside.shape[0],
            left - column : left - column + inside.shape[1],
        ] = inside
    return out


def window_sums(mask, size=SIZE):
    """Number of true pixels in the window around every pixel, by an integral image; outside counts
    as false.

    Returns an (H, W) int32 array for an (H, W) mask.
    """
    before = size // 2
    padded = np.pad(mask, ((before + 1, size - before - 1), (before + 1, size - before - 1)))
    table = padded.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    return table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]


def allowed_centres(labels, area, purity=1.0, size=SIZE, forbidden=None):
    """Centre pixels at which a patch of this area may lie.

    Parameters
    ----------
    labels : (H, W) int array
        0 or area 1…n.
    area : int
    purity : float
        Smallest share of the window's pixels with the area's label; the centre pixel must have it
        in any case.
    forbidden : (H, W) bool array, optional
        Pixels that no window may touch.

    Returns
    -------
    (H, W) bool array
    """
    mine = labels == area
    allowed = mine if purity <= 0 else mine & (window_sums(mine, size) >= purity * size**2)
    if forbidden is not None:
        allowed &= window_sums(forbidden, size) == 0
    return allowed


def sample_patches(
    images, labels, per_area, areas, *, purity=1.0, seed=0, size=SIZE, padding=(), forbidden=None
):
    """Draw the same number of patches from every area, at random over all slices together.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        One or several slices.
    labels : sequence of (H, W) int arrays
        Their labels, 0 or 1…n.
    per_area : int
        Patches per area. An area with fewer places than that gives places repeatedly (with a
        warning).
    areas : sequence of str
        Names in class order; label ``i + 1`` belongs to ``areas[i]``.
    purity : float
        See :func:`allowed_centres`: 1 for training, 0 for validation and test.
    seed : int
    padding : sequence of float, optional
        Per image, the value a raw zero has in it (default 0).
    forbidden : sequence of (H, W) bool arrays, optional
        Pixels no window may touch, for instance those of validation windows.

    Returns
    -------
    Patches
        Sorted by area.

    Raises
    ------
    ValueError
        If an area has no place for a patch in any slice, or images and labels differ in shape.
    """
    for image, label in zip(images, labels):
        if image.shape != label.shape:
            raise ValueError(
                f"image and labels must have one shape: found {image.shape} and {label.shape}"
            )
    forbidden = [None] * len(labels) if forbidden is None else forbidden
    rng = np.random.default_rng(seed)
    chosen = []
    for area, name in enumerate(areas, start=1):
        places = [
            np.flatnonzero(allowed_centres(label, area, purity, size, block))
            for label, block in zip(labels, forbidden)
        ]
        sizes = [len(p) for p in places]
        if sum(sizes) == 0:
            pixels = sum(int((label == area).sum()) for label in labels)
            need = (
                f"a {size}×{size} window with {purity:.0%} of its pixels"
                if purity > 0
                else "a pixel"
            )
            raise ValueError(
                f"area {name!r} ({pixels} annotated pixels here) is too small: expected room for {need} in "
                "it, found none. Annotate more of it, join it with another area, or leave it out"
            )
        if sum(sizes) < per_area:
            warnings.warn(
                f"area {name!r} has only {sum(sizes)} places for {per_area} patches: some are used repeatedly",
                stacklevel=2,
            )
        drawn = np.sort(rng.choice(sum(sizes), per_area, replace=sum(sizes) < per_area))
        index = np.searchsorted(np.cumsum(sizes), drawn, side="right")  # slice of each drawn place
        flat = np.concatenate(places)[drawn]
        widths = np.array([label.shape[1] for label in labels])[index]
        chosen.append(
            np.stack([index, flat // widths, flat % widths, np.full(per_area, area)], axis=1)
        )
    table = np.concatenate(chosen).astype(np.int64)  # (N, 4): slice, row, column, area
    return Patches(tuple(images), table[:, 0], table[:, 1:3], table[:, 3], size, tuple(padding))


def separate_validation(labels, areas, share=0.2, seed=0, size=SIZE, purity=1.0):
    """Set part of a slice aside for validation, for data without a validation slice.

    Of every area a strip is set aside: `share` of its pixels, next to each other along the axis in
    which the area is longer. Pixels that a validation window can see are forbidden to training
    windows, so the two share no pixel.

    Parameters
    ----------
    labels : (H, W) int array
    areas : sequence of str
        Names in class order.
    share : float
        Share of each area's pixels to set aside, between 0 and 1.
    seed : int
        Draws where the strips lie.
    purity : float
        Of the training patches that must still find room; see :func:`allowed_centres`.

    Returns
    -------
    validation_labels : (H, W) int array
        The labels in the strips, 0 elsewhere: sample validation patches from these with
        ``purity=0``.
    forbidden : (H, W) bool array
        Give it to :func:`sample_patches` for the training patches.

    Raises
    ------
    ValueError
        If an area is so small that no room is left for training patches.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, found {share}")
    rng = np.random.default_rng(seed)
    for _ in range(20):  # strips of neighbouring areas can crowd out an area: then draw again
        validation = np.zeros_like(labels)
        for area in range(1, len(areas) + 1):
            strip = _strip(labels == area, share, rng.uniform())
            validation[strip] = area
        # windows reach from -size // 2 to size - size // 2 - 1 around their centre; take the larger
        # for both sides
        forbidden = window_sums(validation > 0, 2 * (size // 2) + 1) > 0
        crowded = [
            name
            for area, name in enumerate(areas, start=1)
            if not allowed_centres(labels, area, purity, size, forbidden).any()
        ]
        if not crowded:
            return validation, forbidden
    raise ValueError(
        f"no room for training patches of {crowded[0]!r} is left once {share:.0%} of every area is set aside "
        "for validation: annotate more of it, give a validation slice, or set a smaller share aside"
    )


def _strip(mask, share, where):
    """Pixels of `mask` in a band across its longer axis that holds `share` of them and starts at
    quantile (1 - share)·where.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros_like(mask)
    along = rows if np.ptp(rows) > np.ptp(columns) else columns
    first, last = np.quantile(
        along, [(1 - share) * where, (1 - share) * where + share], method="nearest"
    )
    keep = (along >= first) & (along <= last)
    strip = np.zeros_like(mask)
    strip[rows[keep], columns[keep]] = True
    return strip
