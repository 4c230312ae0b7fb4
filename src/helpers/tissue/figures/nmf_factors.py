"""Panels of paper B, Fig. 2C: heatmaps of factors over the slice, and what the factors align with."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from helpers.book import style

#: Light green over blue to navy, clear at zero, as in B Fig. 2C.
HEAT = LinearSegmentedColormap.from_list(
    "heat",
    [
        (0, (0.72, 0.86, 0.55, 0.0)),
        (0.08, (0.72, 0.86, 0.55, 0.55)),
        (0.4, (0.2, 0.62, 0.6, 0.85)),
        (0.7, (0.13, 0.36, 0.55, 0.95)),
        (1, (0.14, 0.13, 0.36, 1.0)),
    ],
)

#: Order of the six heatmaps in B Fig. 2C.
PAPER_ORDER = ("cortex", "striatum", "vp", "wm", "zi", "hypothalamus")


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
    def extent(self):
        """For imshow: (left, right, bottom, top) in pixels of the turned view."""
        shape = (self.width, self.height) if self.turns % 2 else (self.height, self.width)
        return 0, shape[1], shape[0], 0

    def pixels(self, image):
        """The view's part of an image (H, W, …), turned."""
        return np.rot90(
            image[self.top : self.top + self.height, self.left : self.left + self.width], self.turns
        )

    def positions(self, values):
        """The view's part of a map on the grid (h, w, …), turned."""
        rows = slice(self.top // self.stride, -(-(self.top + self.height) // self.stride))
        columns = slice(self.left // self.stride, -(-(self.left + self.width) // self.stride))
        return np.rot90(values[rows, columns], self.turns)

    def place(self, row, column):
        """Where a pixel (row, column) of the slice lies in the turned view: (x, y)."""
        y, x, height, width = row - self.top, column - self.left, self.height, self.width
        for _ in range(self.turns % 4):
            y, x, height, width = width - x, y, width, height
        return x, y

    def rectangle(self, row, column, size):
        """A square of the slice, given by its first pixel and its side, as (x, y) of its corner in
        the view.
        """
        corners = [self.place(row, column), self.place(row + size, column + size)]
        return min(c[0] for c in corners), min(c[1] for c in corners)


def quarter_turns(labels, cortex):
    """Quarter turns against the clock that bring the cortex to the top; 0 where there is none."""
    mine = np.argwhere(labels == cortex)
    if not len(mine):
        return 0
    down, right = mine.mean(axis=0) - np.argwhere(labels > 0).mean(axis=0)
    if abs(right) > abs(down):
        return 1 if right > 0 else 3
    return 0 if down < 0 else 2


def view_of(mask, turns, stride, margin=0):
    """View of the bounding box of a mask (H, W) and a margin in pixels."""
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    top, left = (max(0, int(start) - margin) // stride * stride for start in (top, left))
    bottom, right = (
        min(side, int(end) + 1 + margin) for side, end in zip(mask.shape, (bottom, right))
    )
    return View(top, left, bottom - top, right - left, turns, stride)


def heatmap(axis, image, view, values, top, areas=None, outline="#333333"):
    """Draw coefficients over the slice in gray, intensity inverted, areas outlined.

    Parameters
    ----------
    image : (H, W) array
    view : View
    values : (h, w) array
        On the grid; NaN where there is none.
    top : float
        Coefficient that gets the darkest colour.
    areas : (h, w) int array, optional
        Areas on the grid, to outline.
    """
    gray = style.thumbnail(view.pixels(image), 1400)
    axis.imshow(-gray, cmap="gray", vmin=-2 * np.percentile(gray, 99.5), vmax=0, extent=view.extent)
    shown = style.thumbnail(view.positions(values), 1400)
    axis.imshow(
        np.nan_to_num(shown),
        cmap=HEAT,
        vmin=0,
        vmax=max(top, 1e-9),
        extent=view.extent,
        interpolation="nearest",
    )
    if areas is not None:
        outlines(axis, view, areas, outline)
    style.bare(axis)


def outlines(axis, view, labels, colour="#333333", width=0.5):
    """Draw the borders of all areas of a label map on the grid."""
    shown = style.thumbnail(view.positions(labels), 700)
    x = (np.arange(shown.shape[1]) + 0.5) * view.extent[1] / shown.shape[1]
    y = (np.arange(shown.shape[0]) + 0.5) * view.extent[2] / shown.shape[0]
    for label in np.unique(shown[shown > 0]):
        axis.contour(x, y, shown == label, [0.5], colors=[colour], linewidths=width)


def in_paper_order(names):
    """Positions of area names in the published order; other names follow in their own."""
    known = [
        names.index(name) for wanted in PAPER_ORDER for name in names if name.casefold() == wanted
    ]
    return known + [i for i in range(len(names)) if i not in known]


def selected_factors(image, view, maps, tops, titles, areas, pixel_size_um):
    """Draw the selected factors side by side over the slice (B Fig. 2C).

    Parameters
    ----------
    image : (H, W) array
    view : View
    maps : list of (h, w) arrays
        Coefficients on the grid, NaN where there are none.
    tops : list of float
        Coefficient with the darkest colour, per map.
    titles : list of str
    areas : (h, w) int array
    pixel_size_um : float
    """
    _, width, height, _ = view.extent
    panel = 2.0 if height > width else 5.5
    figure, axes = plt.subplots(
        1, len(maps), figsize=(panel * len(maps), panel * height / width + 0.4), squeeze=False
    )
    for axis, values, top, title in zip(axes[0], maps, tops, titles):
        heatmap(axis, image, view, values, top, areas)
        axis.set_title(title, fontsize=9)
    scale_below(axes[0, -1], view, pixel_size_um, 500)
    return figure


def scale_below(axis, view, pixel_size_um, length_um):
    """Draw a scale bar under the right end of an image, where it covers nothing."""
    _, width, height, _ = view.extent
    right, y = 0.98 * width, height + 0.02 * max(width, height)
    axis.plot(
        [right - length_um / pixel_size_um, right],
        [y, y],
        color="black",
        linewidth=2,
        solid_capstyle="butt",
        clip_on=False,
    )
    axis.text(
        right - length_um / pixel_size_um / 2,
        y + 0.005 * max(width, height),
        f"{length_um:g} µm",
        ha="center",
        va="top",
        fontsize=7,
    )
    axis.set(xlim=(0, width), ylim=(height, 0))


def one_factor(image, view, values, top, areas, title):
    """Draw one factor over the slice, turned on its side to fit a page: one picture of the slider
    over all of them.
    """
    lying = View(view.top, view.left, view.height, view.width, view.turns + 3, view.stride)
    _, width, height, _ = lying.extent
    figure, axis = plt.subplots(figsize=(9, 9 * height / width + 0.3))
    heatmap(axis, image, lying, values, top, areas)
    axis.set_title(title, loc="left")
    return figure


def factor_tables(means, coverage, auroc, areas, selected):
    """Draw three tables, factors × areas: mean coefficient, share of the area that is positive,
    AUROC.

    Parameters
    ----------
    means, coverage, auroc : (k, r) arrays
    areas : sequence of str
    selected : list of (int, int)
        Factor (0-based) and area (1 … r) of each selected pair; framed.
    """
    k, r = means.shape
    scaled = means / np.maximum(np.nanmax(means, axis=1, keepdims=True), 1e-12)
    figure, axes = plt.subplots(1, 3, figsize=(3.3 * 3, 0.28 * k + 1.1), sharey=True)
    for axis, values, title, low in (
        (axes[0], scaled, "mean coefficient\n(of the factor's largest)", 0),
        (axes[1], coverage, "share of the area\nthat is positive", 0),
        (axes[2], auroc, "AUROC\ninside against outside", 0.5),
    ):
        axis.imshow(values, cmap="Blues", vmin=low, vmax=1, aspect="auto")
        for (i, a), value in np.ndenumerate(values):
            axis.text(
                a,
                i,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if value > low + 0.65 * (1 - low) else "black",
            )
        for i, a in selected:
            axis.add_patch(
                plt.Rectangle(
                    (a - 1.5, i - 0.5), 1, 1, fill=False, edgecolor="#c0504d", linewidth=1.6
                )
            )
        axis.set_xticks(range(r), areas, rotation=40, ha="right")
        axis.set_title(title, fontsize=8.5)
    axes[0].set_yticks(range(k), [f"F{i}" for i in range(k)])
    return figure


def score_table(selection, areas):
    """Draw coverage, leakage and score of every factor and area, the selected pairs framed in the
    order they were taken.
    """
    k, r = selection.scores.shape
    figure, axes = plt.subplots(1, 3, figsize=(3.3 * 3, 0.28 * k + 1.0), sharey=True)
    thousands = [
        values / 1000 for values in (selection.coverage, selection.leakage, selection.scores)
    ]
    largest = max(np.abs(values).max() for values in thousands)
    for axis, values, title in zip(axes, thousands, ("coverage", "leakage (λ included)", "score")):
        axis.imshow(values, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto")
        for (i, a), value in np.ndenumerate(values):
            axis.text(
                a,
                i,
                f"{value:.3g}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if abs(value) > 0.6 * largest else "black",
            )
        axis.set_xticks(range(r), areas, rotation=40, ha="right")
        axis.set_title(f"{title}, thousands of positions", fontsize=8.5)
    for order, (i, a) in enumerate(zip(selection.factors, selection.areas), start=1):
        axes[2].add_patch(
            plt.Rectangle((a - 1.5, i - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.6)
        )
        axes[2].text(a - 0.55, i - 0.22, str(order), fontsize=6, ha="right", weight="bold")
    axes[0].set_yticks(range(k), [f"F{i}" for i in range(k)])
    return figure


def layer_means(means, layers, factors, note, silent=()):
    """Draw the mean coefficient of some factors per cortical layer, each relative to its mean over
    layers.

    Parameters
    ----------
    means : (k, m) array
    layers : sequence of str
    factors : dict
        Factor to its name.
    note : str
        Where the layers come from.
    silent : sequence of int
        Factors that are named in the title and not drawn: relative to next to nothing, any layer
        looks like a peak.
    """
    figure, axis = plt.subplots(figsize=(5.8, 2.8))
    for column, (factor, name) in enumerate(factors.items()):
        if factor in silent:
            continue
        values = means[factor] / np.nanmean(means[factor])
        axis.plot(
            range(len(layers)), values, marker="o", label=name, color=plt.cm.tab10(column % 10)
        )
    axis.axhline(1, color="#999999", linewidth=0.7, zorder=0)
    axis.set_xticks(range(len(layers)), layers)
    left_out = ", ".join(
        name.replace(" ", "\xa0") for factor, name in factors.items() if factor in silent
    )  # no line breaks inside a name
    title = note + (f"\n{textwrap.fill(f'silent in cortex: {left_out}', 60)}" if left_out else "")
    axis.set(ylabel="mean coefficient, relative\nto its mean over layers", ylim=(0, None))
    axis.set_title(title.replace("\xa0", " "), fontsize=9)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def density_correlations(cells, axons, names, truth):
    """Draw the rank correlation of every factor with the densities of cells and of axons."""
    figure, axis = plt.subplots(figsize=(8, 2.6))
    place = np.arange(len(cells))
    axis.bar(place - 0.2, cells, 0.4, color="#5b8bd0", label="cells")
    axis.bar(place + 0.2, axons, 0.4, color="#f28c28", label="axons")
    axis.axhline(0, color="#444444", linewidth=0.7)
    axis.set_xticks(place, names, rotation=90 if max(map(len, names)) > 4 else 0)
    axis.set(
        ylabel="rank correlation",
        title="densities known from the phantom"
        if truth
        else "densities estimated from gray values",
    )
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def choosing(table, column, chosen, panels):
    """Draw measures against a number that has to be chosen, the chosen one marked.

    Parameters
    ----------
    table : pandas.DataFrame
    column : str
        Of the number, for example ``k``.
    chosen : int
    panels : dict
        Column of a measure to its axis label.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 2.6), squeeze=False)
    for axis, (measure, label) in zip(axes[0], panels.items()):
        axis.plot(table[column], table[measure], marker="o", color=style.NETWORK_COLOURS[0])
        axis.axvline(chosen, color=style.NETWORK_COLOURS[1], linestyle=":", label=f"used: {chosen}")
        axis.set(xlabel=column, ylabel=label, xticks=table[column].tolist())
        axis.legend()
    return figure
