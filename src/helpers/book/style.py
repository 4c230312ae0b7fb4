"""What all figures share: colours of areas and networks, fonts, outlines, scale bars."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import Patch

# Colours of B Fig. 1, so that an area looks the same on every page; other names take the spare ones
# in order.
AREA_COLOURS = {
    "cortex": "#5b8bd0",
    "hypothalamus": "#9b72b0",
    "striatum": "#f2c200",
    "vp": "#cf8bbd",
    "wm": "#f28c28",
    "zi": "#5fb548",
    "trn": "#4cb8b0",
}
SPARE_COLOURS = (
    "#8c6d53",
    "#d1495b",
    "#3d7a78",
    "#7f7f7f",
    "#b5cf6b",
    "#6b6ecf",
    "#e7969c",
    "#31a354",
    "#bd9e39",
)
NETWORK_COLOURS = ("#1f4e79", "#c0504d", "#7f9f3f", "#8064a2", "#d98b2b", "#4bacc6", "#7f7f7f")


def use() -> None:
    """Set the look of all figures of the book."""
    matplotlib.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.labelsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "figure.facecolor": "white",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "svg.hashsalt": "brainbook",
            "figure.constrained_layout.use": True,
        }
    )


def area_colours(areas) -> list[tuple]:
    """Return one RGB colour per area name, the same name always the same colour."""
    spare = iter(SPARE_COLOURS * (1 + len(areas) // len(SPARE_COLOURS)))
    return [
        to_rgb(AREA_COLOURS[name.casefold()] if name.casefold() in AREA_COLOURS else next(spare))
        for name in areas
    ]


def area_colourmap(areas) -> ListedColormap:
    """Return a colour map for label maps: 0 transparent, 1…n the areas."""
    return ListedColormap([(0, 0, 0, 0), *[(*colour, 1.0) for colour in area_colours(areas)]])


def area_legend(axis, areas, **options) -> None:
    """Add a legend of area colours beside an axis."""
    handles = [Patch(color=colour, label=name) for name, colour in zip(areas, area_colours(areas))]
    axis.legend(
        handles=handles,
        **{"loc": "center left", "bbox_to_anchor": (1.0, 0.5), "handlelength": 1, **options},
    )


def scale_bar(
    axis, pixel_size_um: float, length_um: float, *, colour: str = "white", label: bool = True
) -> None:
    """Draw a scale bar into the lower right corner of an image axis."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    width, height = length_um / pixel_size_um, abs(top - bottom)
    x, y = right - 0.03 * (right - left) - width, bottom - 0.06 * (bottom - top)
    axis.plot([x, x + width], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    if label:
        axis.text(
            x + width / 2,
            y - 0.02 * height,
            f"{length_um:g} µm",
            color=colour,
            ha="center",
            va="bottom",
            fontsize=7,
        )


def bare(axis, title: str = "") -> None:
    """Remove ticks and frame of an image axis and set its title."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
    if title:
        axis.set_title(title)


def mark_phantom(figure, is_phantom: bool) -> None:
    """Write *phantom* onto a figure that shows synthetic data."""
    if is_phantom:
        figure.text(
            0.995,
            1.005,
            "phantom",
            ha="right",
            va="bottom",
            fontsize=8,
            style="italic",
            color="#b03030",
        )


def thumbnail(array: np.ndarray, longest: int = 1800) -> np.ndarray:
    """Return every n-th pixel of a large image or label map, so that figures stay small files."""
    step = max(1, -(-max(array.shape[:2]) // longest))
    return array[::step, ::step]
