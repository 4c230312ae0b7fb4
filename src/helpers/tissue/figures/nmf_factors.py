"""Panels of page 06: heatmaps of factors over the slice, and what they align with (B Fig. 2C)."""

import textwrap
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap

from helpers.book import style
from helpers.tissue.factors.greedy_selection import Selection
from helpers.tissue.figures.views import View, bar_below, outlines, scale_below, show_map

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


def in_paper_order(names: list[str]) -> list[int]:
    """Positions of area names in the published order; other names follow in their own."""
    known = [i for name in PAPER_ORDER for i, own in enumerate(names) if own.casefold() == name]
    return known + [i for i in range(len(names)) if i not in known]


# ---------------------------------------------------------------------------- heatmaps


def heatmap(
    axis: plt.Axes, image: np.ndarray, view: View, values: np.ndarray, top: float, areas: np.ndarray
) -> None:
    """Draw coefficients over the slice in gray, intensity inverted, areas outlined.

    Parameters
    ----------
    image : (H, W) array
    view : View
    values : (h, w) array
        On the grid; NaN where there is none.
    top : float
        Coefficient that gets the darkest colour.
    areas : (h, w) int array
        Areas on the grid.
    """
    gray = -style.thumbnail(view.pixels(image), 1400)
    axis.imshow(gray, cmap="gray", vmin=2 * np.percentile(gray, 0.5), vmax=0, extent=view.extent)
    show_map(axis, view, values, cmap=HEAT, vmin=0, vmax=max(top, 1e-9))
    outlines(axis, view, areas)
    style.bare(axis)


def selected_factors(
    image: np.ndarray,
    view: View,
    maps: list[np.ndarray],
    tops: list[float],
    titles: list[str],
    areas: np.ndarray,
    pixel_size_um: float,
) -> plt.Figure:
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
        Areas on the grid.
    pixel_size_um : float
    """
    width, columns = (2.0, 6) if view.aspect > 1 else (5.5, 2)
    figure, axes = style.small_multiples(
        len(maps), width, width * view.aspect + 0.4, columns=min(columns, len(maps))
    )
    for axis, values, top, title in zip(axes, maps, tops, titles):
        heatmap(axis, image, view, values, top, areas)
        axis.set_title(title, fontsize=9)
    scale_below(axes[-1], view, pixel_size_um, 500)
    style.letter(axes[0], "C")
    bar_below(figure, axes, HEAT, "coefficient, over the factor's darkest")
    return figure


def one_factor(
    image: np.ndarray, view: View, values: np.ndarray, top: float, areas: np.ndarray, title: str
) -> plt.Figure:
    """Draw one factor over the slice, turned on its side if it stands tall, to fit a page: one
    picture of the slider over all of them.  The arrays are those of `heatmap`.
    """
    lying = replace(view, turns=view.turns + 3) if view.aspect > 1 else view
    figure, axis = plt.subplots(figsize=(9, 9 * lying.aspect + 0.3))
    heatmap(axis, image, lying, values, top, areas)
    axis.set_title(title, loc="left")
    return figure


# ---------------------------------------------------------------------------- tables


def factor_tables(
    means: np.ndarray,
    coverage: np.ndarray,
    auroc: np.ndarray,
    areas: list[str],
    selected: list[tuple[int, int]],
) -> plt.Figure:
    """Draw three tables, factors × areas: mean coefficient, share of the area that is positive,
    AUROC.

    Parameters
    ----------
    means, coverage, auroc : (k, r) arrays
    areas : sequence of str
    selected : list of (int, int)
        Factor (0-based) and area (1 … r) of each selected pair; framed.
    """
    relative = means / np.maximum(np.nanmax(means, axis=1, keepdims=True), 1e-12)
    figure, axes = style.small_multiples(
        3,
        max(3.3, 0.42 * len(areas)),
        0.28 * len(means) + 1.1,
        columns=style.columns_beside(areas),
        sharey=True,
    )
    for axis, values, low, title in (
        (axes[0], relative, 0, "mean coefficient\n(of the factor's largest)"),
        (axes[1], coverage, 0, "share of the area\nthat is positive"),
        (axes[2], auroc, 0.5, "AUROC\ninside against outside"),
    ):
        white = values > low + 0.65 * (1 - low)
        _factor_table(axis, values, areas, white, title, cmap="Blues", vmin=low, vmax=1)
        for factor, area in selected:
            style.square(axis, (area - 1.5, factor - 0.5), 1, "#c0504d", 1.6)
    return figure


def score_table(selection: Selection, areas: list[str]) -> plt.Figure:
    """Draw coverage, leakage and score of every factor and area, the selected pairs framed in the
    order they were taken.
    """
    tables = np.stack([selection.coverage, selection.leakage, selection.scores]) / 1000
    largest = np.abs(tables).max()
    form = f"{{:.{2 if largest < 10 else 1 if largest < 100 else 0}f}}"
    scale = {"cmap": "RdBu", "vmin": -largest, "vmax": largest, "form": form}
    figure, axes = style.small_multiples(
        3,
        max(3.3, 0.42 * len(areas)),
        0.28 * tables.shape[1] + 1.0,
        columns=style.columns_beside(areas),
        sharey=True,
    )
    for axis, values, name in zip(axes, tables, ("coverage", "leakage (λ included)", "score")):
        white, title = np.abs(values) > 0.6 * largest, f"{name},\nthousands of positions"
        _factor_table(axis, values, areas, white, title, **scale)
    for order, (factor, area) in enumerate(zip(selection.factors, selection.areas), start=1):
        style.square(axis, (area - 1.5, factor - 0.5), 1, "black", 1.6)
        # Each factor is taken once, so its row says in which turn.
        axis.text(len(areas) - 0.35, factor, str(order), va="center", weight="bold")
    return figure


def _factor_table(
    axis: plt.Axes,
    values: np.ndarray,
    areas: list[str],
    white: np.ndarray,
    title: str,
    form: str = "{:.2f}",
    **options: object,
) -> None:
    names = [f"F{i}" for i in range(len(values))]
    style.matrix(axis, values, names, areas, rotation=40, aspect="auto", **options)
    style.numbers(axis, values, white, form, size=7)
    axis.set_title(title, fontsize=8.5)


# ---------------------------------------------------------------------------- curves and bars


def layer_means(
    means: np.ndarray,
    layers: list[str],
    factors: dict[int, str],
    note: str,
    silent: list[int] | tuple = (),
) -> plt.Figure:
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
        if factor not in silent:
            values = means[factor] / np.nanmean(means[factor])
            axis.plot(values, marker="o", label=name, color=plt.cm.tab10(column % 10))
    axis.axhline(1, color="#999999", linewidth=0.7, zorder=0)
    axis.set(
        ylabel="mean coefficient, relative\nto its mean over layers",
        ylim=(0, None),
        xticks=range(len(layers)),
        xticklabels=layers,
    )
    unbroken = [factors[factor].replace(" ", "\xa0") for factor in factors if factor in silent]
    if unbroken:
        note += "\n" + textwrap.fill(f"silent in cortex: {', '.join(unbroken)}", 60)
    axis.set_title(note.replace("\xa0", " "), fontsize=9)
    if len(unbroken) < len(factors):
        style.side_legend(axis)
    return figure


def density_correlations(
    cells: np.ndarray, axons: np.ndarray, names: list[str], truth: bool
) -> plt.Figure:
    """Draw the rank correlation of every factor with the densities of cells and of axons, (k,)."""
    figure, axis = plt.subplots(figsize=(8, 2.6))
    densities = pd.DataFrame({"cells": cells, "axons": axons}, names)
    style.grouped_bars(axis, densities, ("#5b8bd0", "#f28c28"), 0.4, 0.4)
    axis.axhline(0, color="#444444", linewidth=0.7)
    axis.tick_params("x", rotation=90 if max(map(len, names)) > 4 else 0)
    axis.set(
        ylabel="rank correlation",
        title=f"densities {'known from the phantom' if truth else 'estimated from gray values'}",
    )
    style.side_legend(axis)
    return figure


def choosing(table: pd.DataFrame, column: str, chosen: int, panels: dict[str, str]) -> plt.Figure:
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
    figure, axes = style.small_multiples(len(panels), 3.6, 2.6)
    for axis, (measure, label) in zip(axes, panels.items()):
        axis.plot(table[column], table[measure], marker="o", color=style.NETWORK_COLOURS[0])
        axis.axvline(chosen, color=style.NETWORK_COLOURS[1], linestyle=":", label=f"used: {chosen}")
        axis.set(xlabel=column, ylabel=label, xticks=table[column].tolist())
        axis.legend()
    return figure
