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
    """What follows from a slice's image alone; each part is computed when it is first asked for."""

    piece: Slice

    @cached_property
    def image(self) -> np.ndarray:
        """The image standardised over its tissue, (H, W) float32."""
        return self._standardised[0]

    @property
    def scale(self) -> intensity.Standardisation:
        """How it was standardised."""
        return self._standardised[1]

    @cached_property
    def _standardised(self) -> tuple[np.ndarray, intensity.Standardisation]:
        return intensity.standardise(self.piece.image)

    @cached_property
    def tissue(self) -> np.ndarray:
        """Pixels on tissue, (H, W) bool."""
        return intensity.tissue_mask(self.piece.image)

    @cached_property
    def classified(self) -> np.ndarray:
        """Pixels that a whole-slice map speaks of: tissue, with a margin for its uneven rim."""
        return ndimage.binary_dilation(self.tissue, iterations=RIM)

    @cached_property
    def featured(self) -> np.ndarray:
        """Pixels whose features are of interest: the annotated ones; tissue, where nothing is."""
        return self.tissue if self.piece.areas is None else self.piece.areas > 0
