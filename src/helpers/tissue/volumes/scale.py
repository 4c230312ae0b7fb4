"""The scale of one slice of a volume, found in a first pass over it, and kept for its blocks."""

import io
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.data import intensity
from helpers.data.datasets.images import LARGEST_GRAY, as_unit_float
from helpers.tissue.prepared_slice import RIM


@dataclass(frozen=True)
class SliceScale:
    """What the pass over a whole slice found.

    Attributes
    ----------
    low, span : float
        Gray values become ``(value - low) / span``.
    scale : Standardisation or None
        None where there is no tissue.
    tissue, classified : (H, W) bool arrays
        See `helpers.tissue.prepared_slice.PreparedSlice`.
    """

    low: float
    span: float
    scale: intensity.Standardisation | None
    tissue: np.ndarray
    classified: np.ndarray

    def packed(self) -> bytes:
        """Return it as the bytes of an .npz file."""
        stream, scale = io.BytesIO(), self.scale or intensity.Standardisation(0.0, 0.0)
        np.savez(
            stream,
            numbers=np.array([self.low, self.span, scale.mean, scale.sd]),
            gain=scale.gain,
            tissue=np.packbits(self.tissue),
            classified=np.packbits(self.classified),
        )
        return stream.getvalue()

    @classmethod
    def unpacked(cls, content: bytes, shape: tuple[int, int]) -> "SliceScale":
        """Return what `packed` wrote, of a slice of this shape."""
        stored = np.load(io.BytesIO(content), allow_pickle=False)
        low, span, mean, sd = map(float, stored["numbers"])
        masks = (
            np.unpackbits(stored[name], count=shape[0] * shape[1]).reshape(shape).astype(bool)
            for name in ("tissue", "classified")
        )
        gain = stored["gain"] if stored["gain"].ndim else 1.0
        return cls(low, span, intensity.Standardisation(mean, sd, gain) if sd else None, *masks)

    def applied(self, raw: np.ndarray, rows: slice) -> np.ndarray:
        """Return gray values (rows, columns) of some rows in the units of the tissue."""
        unit = raw.astype(np.float32)
        unit = unit - np.float32(self.low) if self.low else unit
        unit = unit / np.float32(self.span) if self.span != 1 else unit
        gain = self.scale.gain if np.isscalar(self.scale.gain) else self.scale.gain[rows]
        return intensity.Standardisation(self.scale.mean, self.scale.sd, gain).apply(unit)


def slice_scale(raw: np.ndarray) -> SliceScale:
    """Find the scale of a slice (H, W) of raw gray values; nothing is tissue in a flat one.

    Raises
    ------
    ValueError
        If a voxel is not finite, or so far from all others that they would be one gray beside it.
    """
    if raw.dtype.kind == "f":
        wrong = int((~(np.abs(raw) <= LARGEST_GRAY)).sum())  # NaN is not below anything
        if wrong:
            raise ValueError(
                f"found {wrong} of {raw.size} voxels that are NaN, infinite or beyond "
                f"±{LARGEST_GRAY:.0e}; expected gray values. Replace them, for example by 0"
            )
    if raw.dtype.kind in "biu":
        low, span = 0.0, float(np.iinfo(raw.dtype).max if raw.dtype.kind != "b" else 1)
    else:
        low, high = float(raw.min()), float(raw.max())
        unit = low >= 0 and high <= 1
        tiny = float(np.finfo(np.float32).tiny)
        low, span = (0.0, 1.0) if unit else (low, max(high - low, tiny))
    nothing = np.zeros(raw.shape, bool)
    if raw.min() == raw.max():
        return SliceScale(low, span, None, nothing, nothing)
    image = as_unit_float(raw)
    tissue = intensity.tissue_mask(image)
    try:
        _, scale = intensity.standardise(image, tissue)
    except ValueError:  # what looks like tissue has a single gray value
        return SliceScale(low, span, None, nothing, nothing)
    classified = ndimage.binary_dilation(tissue, iterations=RIM)
    return SliceScale(low, span, scale, tissue, classified)
