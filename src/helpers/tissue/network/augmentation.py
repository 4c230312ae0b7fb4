"""Random changes of training windows: what another slice of the same sample may look like.

Slices differ in brightness, contrast, what is left of cupping, number of gray levels, and a little
in the angle and size at which tissue is cut. A network that has seen such differences in training
does not mistake them for another area.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

KNOTS = 5  # control points of the elastic field along each side of a window
MARGIN = 16  # pixels that are cut around a window, for the warp to take from


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training patches, drawn anew for every patch; 0 turns each of them off.
    Nothing is mirrored: the direction of fibres is a cue that slices of a sample share.

    Attributes
    ----------
    contrast : float
        Gain, log-uniform in ``[1 / (1 + contrast), 1 + contrast]``.
    brightness : float
        Offset, uniform in ``±brightness``, in units of the tissue's standard deviation.
    shade : float
        Slope of brightness across the window in a random direction, as cupping leaves it: largest
        change from the middle to a border, in standard deviations.
    quantisation : float
        Width of a gray level, uniform in ``[0, quantisation]`` standard deviations, for every
        second patch: slices are stored with more or fewer gray levels.
    rotation : float
        Angle, uniform in ``±rotation`` degrees; this and the next two for every second patch, as
        they smooth fine texture a little.
    scale : float
        Magnification, log-uniform in ``[1 / (1 + scale), 1 + scale]``.
    elastic : float
        Standard deviation, in pixels, of a random displacement of control points, a quarter of
        the window apart; linear between them.
    """

    contrast: float = 0.0
    brightness: float = 0.0
    shade: float = 0.0
    quantisation: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0

    @property
    def margin(self) -> int:
        """Pixels around a window that `__call__` wants to be given."""
        return MARGIN if self.rotation or self.scale or self.elastic else 0

    def __call__(self, patches: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Change patches.

        Parameters
        ----------
        patches : (N, 1, H + 2 * margin, W + 2 * margin) float32 array
            Overwritten.
        generator : numpy.random.Generator

        Returns
        -------
        (N, 1, H, W) float32 array
        """
        if self.margin:
            patches = self._warp(patches, generator)
        shape = (len(patches), 1, 1, 1)
        patches *= ((1 + self.contrast) ** generator.uniform(-1, 1, shape)).astype(np.float32)
        patches += generator.uniform(-self.brightness, self.brightness, shape).astype(np.float32)
        if self.shade:
            patches += self._slope(patches.shape, generator)
        if self.quantisation:
            width = self.quantisation * (1 - generator.random(shape, np.float32))  # never 0
            start = width * generator.uniform(0, 1, shape).astype(np.float32)
            coarse = np.flatnonzero(generator.random(len(patches)) < 0.5)
            width, start = width[coarse], start[coarse]
            patches[coarse] = np.rint((patches[coarse] - start) / width) * width + start
        return patches

    def _slope(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Planes through 0 in the middle of each patch, (N, 1, H, W) float32."""
        size = generator.uniform(0, self.shade, (shape[0], 1, 1, 1))
        angle = generator.uniform(0, 2 * np.pi, (shape[0], 1, 1, 1))
        rows, columns = np.linspace(-1, 1, shape[2])[:, None], np.linspace(-1, 1, shape[3])
        return (size * (np.cos(angle) * rows + np.sin(angle) * columns)).astype(np.float32)

    def _warp(self, patches: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Rotate, magnify and bend every second patch, bilinear; crop the margin off all:
        (N, 1, H + 2 * margin, …) -> (N, 1, H, W).
        """
        n, *outer = len(patches), *patches.shape[2:]
        height, width = (side - 2 * self.margin for side in outer)
        inner = patches[:, :, self.margin : outer[0] - self.margin, self.margin :][..., :width]
        result = np.ascontiguousarray(inner)
        angle = np.radians(generator.uniform(-self.rotation, self.rotation, n))
        size = (1 + self.scale) ** generator.uniform(-1, 1, n)
        bend = self.elastic * generator.normal(size=(n, 2, KNOTS, KNOTS))
        chosen = np.flatnonzero(generator.random(n) < 0.5)
        cosine, sine = np.cos(angle) / size, np.sin(angle) / size
        zero = np.zeros(n)
        # Places are counted (x, y), from -1 to 1 across the window.
        affine = np.stack([[cosine, -sine, zero], [sine, cosine, zero]]).transpose(2, 0, 1)
        grid = F.affine_grid(
            _tensor(affine[chosen]), (len(chosen), 1, height, width), align_corners=False
        )
        shift = F.interpolate(
            _tensor(bend[chosen] * 2 / np.array([width, height])[:, None, None]),
            (height, width),
            mode="bilinear",
            align_corners=True,
        )
        inside = _tensor(np.array([width / outer[1], height / outer[0]]))
        grid = (grid + shift.permute(0, 2, 3, 1)) * inside
        source = torch.from_numpy(patches[chosen])
        warped = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
        result[chosen] = warped.numpy()
        return result


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
