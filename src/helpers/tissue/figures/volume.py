"""Panels of page 13: a volume from three sides, its areas, its neighbours, and its cost."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style

TRUE, FOUND = "#9a9a9a", "#1f4e79"


def orthogonal_views(
    images: np.ndarray,
    labels: np.ndarray,
    index: int,
    areas: Sequence[str],
    z: Sequence[int],
    voxel_um: Sequence[float],
) -> plt.Figure:
    """Show predicted areas over gray values from three sides.

    Parameters
    ----------
    images : (n, h, w) array
    labels : (n, h, w) uint8 array
        0 = not classified, 1…: `areas`.
    index : int
        The slice that is shown; the two others cut through the middle.
    areas : sequence of str
    z : sequence of int
        Numbers of the slices.
    voxel_um : (z, y, x)
        Distance between positions.
    """
    n, height, width = labels.shape
    row, column = height // 2, width // 2
    figure = plt.figure(figsize=(9.5, 4.6))
    grid = figure.add_gridspec(2, 2, width_ratios=(6, 1), height_ratios=(3.2, 1))
    colours = style.label_colourmap(style.area_colours(areas))
    tall, wide = height * voxel_um[1], width * voxel_um[2]
    half = (z[-1] - z[0]) / (2 * max(1, n - 1)) or 0.5
    edges = z[0] - half, z[-1] + half
    cuts = (
        (grid[0, 0], index, (0, wide, tall, 0), f"slice z = {z[index]}"),
        (grid[1, 0], np.s_[:, row], (0, wide, edges[1], edges[0]), "cut along the slices' rows"),
        (grid[0, 1], np.s_[:, :, column], (*edges, tall, 0), "along their columns"),
    )
    for place, part, extent, title in cuts:
        axis = figure.add_subplot(place)
        gray, shown = images[part], np.ma.masked_equal(labels[part], 0)
        if title.startswith("along"):
            gray, shown = gray.T, shown.T
        options = {"extent": extent, "aspect": "auto", "interpolation": "nearest"}
        axis.imshow(gray, cmap="gray", **options)
        axis.imshow(shown, cmap=colours, vmin=0, vmax=len(areas), alpha=0.6, **options)
        axis.set_title(title, fontsize=9)
    top, below, side = figure.axes
    top.axhline((row + 0.5) * voxel_um[1], color="white", linewidth=0.7, linestyle=":")
    top.axvline((column + 0.5) * voxel_um[2], color="white", linewidth=0.7, linestyle=":")
    below.axhline(z[index], color="white", linewidth=1)
    side.axvline(z[index], color="white", linewidth=1)
    top.set(ylabel="µm")
    below.set(xlabel="µm", ylabel="z")
    side.set(xlabel="z", yticks=[])
    corner = figure.add_subplot(grid[1, 1])
    style.bare(corner)
    corner.legend(handles=style.patches(areas), loc="center", fontsize=7, frameon=False)
    return figure


def areas_of_volume(table: pd.DataFrame) -> plt.Figure:
    """Show the volume of every area, true and predicted.

    Parameters
    ----------
    table : DataFrame
        A row per area: ``true mm³``, ``predicted mm³``, ``Dice``.
    """
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    bars = table[["true mm³", "predicted mm³"]].rename(columns=lambda name: name[: -len(" mm³")])
    groups = style.grouped_bars(axis, bars, (TRUE, FOUND), 0.38, 0.36)
    dice = ["" if np.isnan(each) else f"Dice {each:.2f}" for each in table["Dice"]]
    style.bar_numbers(axis, groups[1], dice)
    axis.set(ylabel="mm³")
    style.side_legend(axis)
    return figure


def neighbours(found: pd.DataFrame, true: pd.DataFrame | None = None) -> plt.Figure:
    """Show the Dice overlap of neighbouring slices for every area.

    Parameters
    ----------
    found, true : DataFrame
        A row per pair of slices (``z``, ``next_z``), a column per area; predicted; true (dashed).
    """
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    middle = [(a + b) / 2 for a, b in found.index]
    for name, colour in zip(found, style.area_colours(list(found))):
        axis.plot(middle, found[name], "o-", color=colour, label=name, markersize=3)
        if true is not None:
            axis.plot(middle, true[name], "--", color=colour, linewidth=1)
    style_of_truth = "" if true is None else "; dashed: the truth"
    axis.set(xlabel="z, between two slices", ylabel="Dice", title=f"predicted{style_of_truth}")
    axis.set_ylim(top=1.01)
    style.side_legend(axis)
    return figure


def seconds_and_blocks(seconds: Sequence[float], blocks: int, costs: pd.DataFrame) -> plt.Figure:
    """Show what a volume cost, against blocks and against workers.

    Parameters
    ----------
    seconds : sequence of float
        Of a processor, for every slice.
    blocks : int
        Of a slice.
    costs : DataFrame
        ``workers``, ``slices``, ``clock_s``, a row per run.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
    number = blocks * np.arange(1, len(seconds) + 1)
    left.plot(number, np.cumsum(seconds), "o-", color=FOUND, label="measured")
    left.plot(number, number * np.sum(seconds) / number[-1], ":", color=TRUE, label="in proportion")
    left.set(xlabel="blocks", ylabel="seconds of a processor")
    each = costs["clock_s"] / costs["slices"]
    ideal = each.iloc[0] * costs["workers"].iloc[0] / costs["workers"]
    right.plot(costs["workers"], each, "o-", color=FOUND, label="on the clock")
    right.plot(costs["workers"], ideal, ":", color=TRUE, label="in proportion")
    right.set(xlabel="workers", ylabel="seconds a slice", xticks=list(costs["workers"]))
    for axis in (left, right):
        axis.set_ylim(bottom=0)
        axis.legend(fontsize=7)
    return figure
