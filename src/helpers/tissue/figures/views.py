"""Slices of tissue as the ground of a panel: whole, or a part of it that is turned upright."""

from collections.abc import Iterable
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize

from helpers.book import style


def annotated_slice(
    axis: plt.Axes,
    image: np.ndarray,
    labels: np.ndarray | None,
    areas: list[str],
    title: str = "",
    *,
    alpha: float = 0.38,
    pixel_size_um: float | None = None,
) -> None:
    """Draw a slice (H, W) in gray and, where there are labels (H, W; 0 = none), areas over it.

    A scale bar of 500 µm is added if a pixel size is given.
    """
    small = style.thumbnail(image)
    axis.imshow(small, cmap="gray", vmin=0, vmax=np.percentile(small, 99.7))
    if labels is not None:
        colours = style.label_colourmap(style.area_colours(areas))
        axis.imshow(style.thumbnail(labels), cmap=colours, vmin=0, vmax=len(areas), alpha=alpha)
    style.bare(axis, title)
    if pixel_size_um:
        style.scale_bar(axis, pixel_size_um * style.thumbnail_step(image), 500)


@dataclass(frozen=True)
class View:
    """Which part of a slice is shown, and how it is turned: pixels and positions of a grid land on
    the same place.

    Attributes
    ----------
    top, left, height, width : int
        In pixels of the slice; top and left are multiples of the stride.
    turns : int
        Quarter turns against the clock.
    stride : int
        Pixels between the positions of grid maps; the first is pixel (0, 0).
    """

    top: int
    left: int
    height: int
    width: int
    turns: int
    stride: int

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """For imshow: (left, right, bottom, top) in pixels of the turned view."""
        shape = (self.width, self.height) if self.turns % 2 else (self.height, self.width)
        return 0, shape[1], shape[0], 0

    @property
    def aspect(self) -> float:
        """Height of the turned view over its width."""
        return self.extent[2] / self.extent[1]

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """The view's part of an image (H, W, …), turned."""
        rows = slice(self.top, self.top + self.height)
        return np.rot90(image[rows, self.left : self.left + self.width], self.turns)

    def positions(self, values: np.ndarray) -> np.ndarray:
        """The view's part of a map on the grid (h, w, …), turned."""
        rows = slice(self.top // self.stride, -(-(self.top + self.height) // self.stride))
        columns = slice(self.left // self.stride, -(-(self.left + self.width) // self.stride))
        return np.rot90(values[rows, columns], self.turns)

    def thinned(self, n: int) -> "View":
        """The same part where only every n-th position of the grid is kept, and pixels are where
        positions are: of ``image[:: n * stride, :: n * stride]`` and ``values[::n, ::n]``.
        """
        step = n * self.stride
        sides = (-(-side // step) for side in (self.height, self.width))
        return View(self.top // step, self.left // step, *sides, self.turns, 1)

    def rectangle(self, row: float, column: float, size: float) -> tuple[float, float]:
        """A square of the slice, given by its first pixel and its side, as (x, y) of its corner in
        the view.
        """
        y, x, height, width = row - self.top, column - self.left, self.height, self.width
        for _ in range(self.turns % 4):
            y, x, height, width = width - x - size, y, width, height
        return x, y


def quarter_turns(labels: np.ndarray, cortex: int) -> int:
    """Quarter turns against the clock that bring the cortex to the top; 0 where there is none."""
    mine = np.argwhere((labels == cortex) & (labels > 0))
    if not len(mine):
        return 0
    down, right = mine.mean(axis=0) - np.argwhere(labels > 0).mean(axis=0)
    return int(np.argmax([-down, right, down, -right]))


def view_of(mask: np.ndarray, turns: int, stride: int, margin: int = 0) -> View:
    """View of the bounding box of a mask (H, W) and a margin in pixels."""
    inside = np.argwhere(mask)
    top, left = (max(0, int(start) - margin) // stride * stride for start in inside.min(axis=0))
    bottom, right = np.minimum(inside.max(axis=0) + 1 + margin, mask.shape).tolist()
    return View(top, left, bottom - top, right - left, turns, stride)


def show_map(axis: plt.Axes, view: View, values: np.ndarray, **options: object) -> None:
    """Draw a map on the grid (h, w, …), NaN left clear, at its place in a view."""
    axis.imshow(style.thumbnail(view.positions(values), 1400), extent=view.extent, **options)


def outlines(
    axis: plt.Axes, view: View, labels: np.ndarray, colour: str = "#333333", width: float = 0.5
) -> None:
    """Draw the borders of all areas of a label map (h, w) on the grid."""
    shown = style.thumbnail(view.positions(labels), 700)
    x = (np.arange(shown.shape[1]) + 0.5) * view.extent[1] / shown.shape[1]
    y = (np.arange(shown.shape[0]) + 0.5) * view.extent[2] / shown.shape[0]
    for label in np.unique(shown[shown > 0]):
        axis.contour(x, y, shown == label, [0.5], colors=[colour], linewidths=width)


def scale_below(axis: plt.Axes, view: View, pixel_size_um: float, length_um: float) -> None:
    """Draw a scale bar under the right end of an image, where it covers nothing."""
    _, width, height, _ = view.extent
    length_um = style.fitting_length(length_um, width * pixel_size_um)
    right, length = 0.98 * width, length_um / pixel_size_um
    y, gap = height + 0.02 * max(width, height), 0.005 * max(width, height)
    axis.plot(
        [right - length, right],
        [y, y],
        color="black",
        linewidth=2,
        solid_capstyle="butt",
        clip_on=False,
    )
    axis.text(right - length / 2, y + gap, f"{length_um:g} µm", ha="center", va="top", fontsize=7)
    axis.set(xlim=(0, width), ylim=(height, 0))


def bar_below(
    figure: plt.Figure, axes: Iterable[plt.Axes], colours: Colormap | str, label: str
) -> None:
    """Add a colour bar from 0 to 1 below some panels."""
    bar = {"location": "bottom", "shrink": 0.35, "aspect": 30, "ticks": [0, 0.5, 1]}
    figure.colorbar(ScalarMappable(Normalize(0, 1), colours), ax=list(axes), label=label, **bar)
