"""Square patches of one area each: where they may lie, drawing them balanced over areas, and
cutting them.

A patch is named by its centre pixel (row, column) and covers rows ``row - size // 2`` to ``row +
size // 2 - 1``, columns likewise. The papers' rules (paper A, section II.A.1): to train, every
pixel of the window belongs to the area (``purity=1``); to validate and to test, the centre pixel
does (``purity=0``) and boundaries are allowed. Windows that leave the slice are padded with the
slice's raw zero.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

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

    images: tuple[np.ndarray, ...]
    slice_index: np.ndarray
    centres: np.ndarray
    labels: np.ndarray
    size: int = SIZE
    padding: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def padded(self, values: Sequence[float]) -> "Patches":
        """The same patches with another value outside of each image."""
        return replace(self, padding=tuple(values))

    def inside(self, images: Sequence[np.ndarray], offsets: Sequence[tuple[int, int]]) -> "Patches":
        """The same patches, cut out of larger images: `offsets` are row and column of each image's
        first pixel in the one that holds it. Centres count there.
        """
        shift = np.asarray(offsets)[self.slice_index]  # (N, 2)
        return replace(self, images=tuple(images), centres=self.centres + shift)

    def part(self, chosen: np.ndarray) -> "Patches":
        """The patches at the given indices."""
        where = self.slice_index[chosen], self.centres[chosen], self.labels[chosen]
        return Patches(self.images, *where, self.size, self.padding)

    def cut(self, chosen: np.ndarray | Sequence[int] | None = None) -> np.ndarray:
        """The patches (all, or those at the indices `chosen`) as a float32 array (N, 1, size,
        size).
        """
        chosen = np.arange(len(self)) if chosen is None else np.asarray(chosen)
        out = np.empty((len(chosen), 1, self.size, self.size), np.float32)
        for i, image in enumerate(self.images):
            here = self.slice_index[chosen] == i
            padding = self.padding[i] if self.padding else 0.0
            out[here] = cut_patches(image, self.centres[chosen[here]], self.size, padding)
        return out


def cut_patches(
    image: np.ndarray, centres: np.ndarray, size: int = SIZE, padding: float = 0.0
) -> np.ndarray:
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
    out = np.full((len(centres), 1, size, size), padding, np.float32)
    for patch, (row, column) in zip(out[:, 0], np.asarray(centres) - size // 2):
        top, left = max(row, 0), max(column, 0)
        inside = image[top : max(row + size, 0), left : max(column + size, 0)]
        place = patch[top - row :, left - column :]
        place[: inside.shape[0], : inside.shape[1]] = inside
    return out


def window_sums(mask: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Number of true pixels in the window around every pixel, by an integral image.

    Parameters
    ----------
    mask : (H, W) bool array
        Outside of it counts as false.
    size : int
        Side of the windows; that of (row, column) begins ``size // 2`` before it.

    Returns
    -------
    (H, W) int32 array
        Windows that lie wholly inside the mask have rows ``size // 2`` to
        ``H - size + size // 2``, and columns likewise.
    """
    padded = np.pad(mask, (size // 2 + 1, size - size // 2 - 1))
    table = padded.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    return table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]


def allowed_centres(
    labels: np.ndarray,
    area: int,
    purity: float = 1.0,
    size: int = SIZE,
    forbidden: np.ndarray | None = None,
) -> np.ndarray:
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
    images: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    per_area: int,
    areas: Sequence[str],
    *,
    purity: float = 1.0,
    seed: int | Sequence[int] = 0,
    size: int = SIZE,
    forbidden: Sequence[np.ndarray] | None = None,
) -> Patches:
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
    seed : int or sequence of int
    size : int
        Side of a patch in pixels.
    forbidden : sequence of (H, W) bool arrays, optional
        Pixels no window may touch, for instance those of validation windows.

    Returns
    -------
    Patches
        Sorted by area; padded by 0, see :meth:`Patches.padded`.

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
    rng = np.random.default_rng(seed)
    chosen = []
    for area, name in enumerate(areas, start=1):
        places = [
            np.flatnonzero(allowed_centres(label, area, purity, size, block))
            for label, block in zip(labels, forbidden or [None] * len(labels))
        ]
        ends = np.cumsum([len(p) for p in places])
        if not ends[-1]:
            pixels = sum(int((label == area).sum()) for label in labels)
            window = f"a {size}×{size} window with {purity:.0%} of its pixels"
            raise ValueError(
                f"area {name!r} ({pixels} annotated pixels here) is too small: expected room for "
                f"{window if purity > 0 else 'a pixel'} in it, found none. Annotate more of it, "
                "join it with another area, or leave it out"
            )
        scarce = bool(ends[-1] < per_area)
        if scarce:
            warnings.warn(
                f"area {name!r} has only {ends[-1]} places for {per_area} patches: "
                "some are used repeatedly",
                stacklevel=2,
            )
        drawn = np.sort(rng.choice(ends[-1], per_area, replace=scarce))
        index = np.searchsorted(ends, drawn, side="right")  # slice of each drawn place
        widths = np.array([label.shape[1] for label in labels])[index]
        rows, columns = np.divmod(np.concatenate(places)[drawn], widths)
        chosen.append(np.stack([index, rows, columns, np.full(per_area, area)], axis=1))
    table = np.concatenate(chosen).astype(np.int64)  # (N, 4): slice, row, column, area
    return Patches(tuple(images), table[:, 0], table[:, 1:3], table[:, 3], size)


def separate_validation(
    labels: np.ndarray,
    areas: Sequence[str],
    share: float = 0.2,
    seed: int = 0,
    size: int = SIZE,
    purity: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
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
            validation[_strip(labels == area, share, rng.uniform())] = area
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
        f"no room for training patches of {crowded[0]!r} is left once {share:.0%} of every area is "
        "set aside for validation: annotate more of it, give a validation slice, or set a smaller "
        "share aside"
    )


def _strip(mask: np.ndarray, share: float, where: float) -> np.ndarray:
    """Pixels of `mask` in a band across its longer axis that holds `share` of them and starts at
    quantile (1 - share)·where.
    """
    if not mask.any():
        return mask
    place = np.argwhere(mask)
    height, width = np.ptp(place, axis=0)
    axis = 0 if height > width else 1
    first, last = np.quantile(
        place[:, axis], [(1 - share) * where, (1 - share) * where + share], method="nearest"
    )
    along = np.ogrid[: mask.shape[0], : mask.shape[1]][axis]
    return mask & (along >= first) & (along <= last)
