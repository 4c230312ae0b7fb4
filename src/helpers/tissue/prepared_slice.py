"""A slice as the networks see it: standardised over its tissue, with the pixels that count."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from helpers.data import intensity
from helpers.data.datasets import Slice

# Pixels around the tissue mask that are still classified: annotations reach a little further.
RIM = 16


@dataclass(frozen=True, eq=False)
class PreparedSlice:
    """What follows from a slice's image alone; each part is computed when it is first asked for.

    Of a window, it follows from the whole image file: no border is where there is none.
    """

    piece: Slice

    @cached_property
    def image(self) -> np.ndarray:
        """The image standardised over the file's tissue, (H, W) float32."""
        return self.cut(self.whole)

    @property
    def whole(self) -> np.ndarray:
        """The image file likewise, (full_shape) float32."""
        return self._standardised[0]

    @property
    def scale(self) -> intensity.Standardisation:
        """How it was standardised."""
        return self._standardised[1]

    @cached_property
    def _standardised(self) -> tuple[np.ndarray, intensity.Standardisation]:
        return intensity.standardise(self.piece.whole)

    @cached_property
    def _tissue(self) -> np.ndarray:
        return intensity.tissue_mask(self.piece.whole)

    @property
    def tissue(self) -> np.ndarray:
        """Pixels on tissue, (H, W) bool."""
        return self.cut(self._tissue)

    @cached_property
    def classified(self) -> np.ndarray:
        """Pixels that a whole-slice map speaks of: tissue, with a margin for its uneven rim."""
        return self.cut(ndimage.binary_dilation(self._tissue, iterations=RIM))

    @cached_property
    def featured(self) -> np.ndarray:
        """Pixels whose features are of interest: the annotated ones; tissue, where nothing is."""
        return self.tissue if self.piece.areas is None else self.piece.areas > 0

    def cut(self, whole: np.ndarray) -> np.ndarray:
        """This slice's part (H, W) of an array over the image file."""
        (top, left), (height, width) = self.piece.offset, self.piece.image.shape
        return whole[top : top + height, left : left + width]

    def surrounded(self, before: int, after: int) -> np.ndarray:
        """The standardised image with what lies around it: (before + H + after, …) float32.

        Parameters
        ----------
        before, after : int
            Pixels above and left of it, below and right of it; the raw zero, where they leave the
            file.
        """
        padded = np.pad(self.whole, (before, after), constant_values=self.scale.raw_zero)
        (top, left), (height, width) = self.piece.offset, self.piece.image.shape
        more = before + after
        return padded[top : top + height + more, left : left + width + more]
