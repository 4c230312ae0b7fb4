"""Panels of page 01: the slices, their annotation, and the method (A Fig. 1 and 2, B Fig. 1)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style
from helpers.book.labels import TICK, wrapped
from helpers.tissue.figures.views import View, annotated_slice

#: Layers of the network and how tall each is drawn: convolutions, then fully connected ones.
CONVOLUTIONS = (("input", 128), ("16", 61), ("32", 28), ("64", 13), ("128", 5))
FULLY_CONNECTED = (("1024", 40), ("64", 16), ("areas", 6))


def overview(
    image: np.ndarray,
    centres: np.ndarray,
    labels: np.ndarray,
    patches: np.ndarray,
    features: np.ndarray,
    feature_labels: np.ndarray,
    recall: dict[str, float],
    turns: int = 0,
) -> plt.Figure:
    """Draw the method from a run's own pictures (A Fig. 1, B Fig. 1).

    Parameters
    ----------
    image : (H, W) array
        The slice that patches come from.
    centres : (N, 2) int array
        Row and column of each patch.
    labels : (N,) int array
        Area 1…n of each patch.
    patches : (N, 128, 128) array
    features : (M, 64) array
        Activations of the last hidden layer for held-out patches.
    feature_labels : (M,) int array
        Their areas.
    recall : dict
        Area to the share of its held-out patches that the network names rightly, in class order.
    turns : int
        Quarter turns that bring the cortex to the top.
    """
    areas = [*recall]
    figure = plt.figure(figsize=(7.4, 6.4))
    above, below = figure.subfigures(2, 1)
    axes = [
        *above.subplots(1, 3, width_ratios=[0.6, 1, 1.4]),
        *below.subplots(1, 2, width_ratios=[1, 1.1]),
    ]
    _slice_with_boxes(axes[0], image, centres, labels, areas, turns)
    _patch_columns(axes[1], patches, labels, areas)
    _network(axes[2])
    shown = features[np.argsort(feature_labels, kind="stable")]
    brightest = max(float(np.percentile(shown, 99)), 1e-9)
    axes[3].imshow(shown, aspect="auto", cmap="viridis", vmin=0, vmax=brightest)
    axes[3].set(
        title="3  activations",
        xlabel="64 units of the last hidden layer",
        ylabel="patches, sorted by area",
        yticks=[],
    )
    centred = features - features.mean(0)
    principal = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T  # (M, 2)
    for number, colour in enumerate(style.area_colours(areas), start=1):
        name = f"{areas[number - 1]} {100 * recall[areas[number - 1]]:.0f} %"
        axes[4].scatter(*principal[feature_labels == number].T, s=8, color=colour, label=name)
    style.side_legend(axes[4], fontsize=7, title="area, recall", title_fontsize=7, markerscale=1.5)
    axes[4].set(
        title="4  low-dimensional model",
        xlabel="first principal component",
        ylabel="second",
        xticks=[],
        yticks=[],
    )
    return figure


def _slice_with_boxes(
    axis: plt.Axes,
    image: np.ndarray,
    centres: np.ndarray,
    labels: np.ndarray,
    areas: list[str],
    turns: int,
) -> None:
    view = View(0, 0, *image.shape, turns, 1)
    shown = style.thumbnail(view.pixels(image), 1200)
    top = np.percentile(shown, 99.5)
    axis.imshow(shown, cmap="gray", vmin=0, vmax=top, aspect="equal", extent=view.extent)
    for number, colour in enumerate(style.area_colours(areas), start=1):
        for row, column in centres[_spread(labels, number, 2)] - 64:
            style.square(axis, view.rectangle(row, column, 128), 128, colour, 1.3)
    style.bare(axis, "1  local views")


def _patch_columns(
    axis: plt.Axes, patches: np.ndarray, labels: np.ndarray, areas: list[str]
) -> None:
    """Draw one window of every area in two columns, its name beside it."""
    step = 140, 330  # pixels from window to window; what is left beside one has room for its name
    canvas = np.full((-(-len(areas) // 2) * step[0], 2 * step[1]), np.nan)
    names = wrapped(areas, 13, 3)
    for index, colour in enumerate(style.area_colours(areas)):
        y, x = index // 2 * step[0], index % 2 * step[1]
        for chosen in _spread(labels, index + 1, 1):
            canvas[y : y + 128, x : x + 128] = patches[chosen]
            style.square(axis, (x, y), 127, colour, 2)
            axis.text(x + 138, y + 64, names[index], fontsize=7, va="center", linespacing=0.95)
    low, high = np.percentile(patches, [0.5, 99.5])
    axis.imshow(canvas, cmap="gray", vmin=low, vmax=high)
    style.bare(axis, "128 × 128 px each")


def _spread(labels: np.ndarray, number: int, count: int) -> np.ndarray:
    """Return up to ``count`` indices of one area, spread over its patches (which are sorted by
    place).
    """
    chosen = np.flatnonzero(labels == number)
    places = np.unique(np.linspace(0, len(chosen) - 1, count + 2)[1:-1].astype(int))
    return chosen[places] if chosen.size else chosen


def _network(axis: plt.Axes) -> None:
    """Draw the layers of the network as bars whose heights follow the number of units."""
    names, heights = zip(*CONVOLUTIONS, *FULLY_CONNECTED)
    axis.bar(
        range(len(names)),
        heights,
        width=0.55,
        bottom=-np.array(heights) / 2,
        align="edge",
        color=["#9fb8d8"] * len(CONVOLUTIONS) + ["#d8b49f"] * len(FULLY_CONNECTED),
        edgecolor="#444",
        linewidth=0.6,
    )
    for x, name, height in zip(range(len(names)), names, heights):
        axis.text(x + 0.27, height / 2 + 3, name, ha="center", fontsize=7)
    axis.text(2.3, -72, "convolutions\n7×7, 5×5, 3×3, 3×3", ha="center", va="top", fontsize=7)
    axis.text(6.3, -30, "fully\nconnected", ha="center", va="top", fontsize=7)
    axis.set(xlim=(-0.5, 8.2), ylim=(-100, 85))
    style.bare(axis, "2  CNN")


def slices(
    images: list[np.ndarray],
    area_maps: list[np.ndarray | None],
    names: list[str],
    areas: list[str],
    pixel_size_um: float,
) -> plt.Figure:
    """Show every slice (H, W) of a dataset, its annotation over it, with role and z (``names``)."""
    figure, axes = style.small_multiples(len(images), 9, 2.15, columns=1)
    for axis, image, labels, name in zip(axes, images, area_maps, names):
        annotated_slice(axis, image, labels, areas, name, pixel_size_um=pixel_size_um)
    style.side_legend(axes[0], style.patches(areas), handlelength=1)
    return figure


def annotated_slice_with_patches(
    image: np.ndarray,
    labels: np.ndarray,
    patches: np.ndarray,
    patch_labels: np.ndarray,
    areas: list[str],
    pixel_size_um: float,
) -> plt.Figure:
    """Show an annotated slice (H, W) above five example patches of every area (A Fig. 2)."""
    above = max(2.6, 0.25 * len(areas))  # inches; beside the slice stands a line for every area
    figure = plt.figure(figsize=(9, above + 1.15 * len(areas)))
    top, bottom = figure.subfigures(2, 1, height_ratios=[above, 1.15 * len(areas)])
    axis = top.subplots()
    annotated_slice(axis, image, labels, areas, pixel_size_um=pixel_size_um)
    style.side_legend(axis, style.patches(areas), handlelength=1)
    cells = bottom.subplots(len(areas), 5, squeeze=False)
    low, high = np.percentile(patches, [0.5, 99.5])
    for cell in cells.flat:
        style.bare(cell)
    names = wrapped(areas, TICK)
    for row, area, name, colour in zip(cells, areas, names, style.area_colours(areas)):
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", color=colour, weight="bold")
        for cell, chosen in zip(row, _spread(patch_labels, areas.index(area) + 1, 5)):
            cell.imshow(patches[chosen], cmap="gray", vmin=low, vmax=high)
            cell.spines[:].set(visible=True, color=colour, linewidth=1.5)
    style.scale_bar(cells[-1, -1], pixel_size_um, 50)
    return figure


def class_balance(pixels: pd.DataFrame, areas: list[str]) -> plt.Figure:
    """Show annotated area per class and slice; ``pixels`` is a table (slices × areas) in mm²."""
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    shades = 1 - 0.6 * np.arange(len(pixels)) / len(pixels)
    colours = ([(*colour, shade) for colour in style.area_colours(areas)] for shade in shades)
    width = 0.8 / len(pixels)
    style.grouped_bars(axis, pixels.T, colours, width, width * 0.92)
    first, *others = pixels.index
    axis.set(
        ylabel="annotated area (mm²)",
        title=f"darkest: {first}; then {', '.join(others)}" if others else first,
    )
    return figure


#: Curves of page 01 by depth: title and measure.
DEPTH_PANELS = {
    "mean gray": "mean_gray",
    "sd of gray": "sd_gray",
    "fine dark blobs\n(σ 1.6 px) per mm²": "dark_blobs_sigma1.6_per_mm2",
    "cell-sized dark blobs\n(σ 3.5 px) per mm²": "dark_blobs_sigma3.5_per_mm2",
    "large dark blobs\n(σ 7 px) per mm²": "dark_blobs_sigma7.0_per_mm2",
    "contrast of\ncell-sized blobs": "median_blob_contrast_sigma3.5",
    "share brighter\nthan 0.5 sd": "bright_fraction_above_0.5",
    "share of power,\n12–24 cycles": "power_12_24_cycles",
}


def depth_texture(measured: pd.DataFrame, real: pd.DataFrame) -> plt.Figure:
    """Show texture by cortical depth, from white matter (left) to pia, beside that of real tissue.

    Parameters
    ----------
    measured, real : DataFrame
        From :func:`helpers.tissue.features.depth_profile.measure_depth`.
    """
    figure, axes = style.small_multiples(len(DEPTH_PANELS), 1.85, 1.9, columns=4, margin=(0, 0.4))
    for axis, (title, name) in zip(axes, DEPTH_PANELS.items()):
        axis.plot(real.index, real[name], color="0.6", linewidth=2.5, label="real tissue, z = 159")
        axis.plot(measured.index, measured[name], "o-", color="C0", markersize=3, label="this data")
        axis.set_title(title, fontsize=8)
        axis.set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    figure.supxlabel("depth bin: 1 white matter, 10 pia", fontsize=9)
    return figure


def texture_ratios(compared: pd.DataFrame, what: str) -> plt.Figure:
    """Show how the texture of a phantom compares with that of real tissue, one cell per row and
    measure, on a logarithmic scale; cells that differ by more than a third are framed and counted.

    Parameters
    ----------
    compared : DataFrame
        From :func:`helpers.tissue.features.texture.compare`.
    what : str
        What the rows are, for the title.
    """
    rows, measures = (level.unique() for level in map(compared.index.get_level_values, (0, 1)))
    table = compared.unstack().reindex(rows)
    ratio = table["ratio"][measures].to_numpy(float, copy=True)
    alike, real = table["alike"][measures].to_numpy(), table["real"][measures].to_numpy(float)
    ratio[(real == 0) & (alike == 1)], ratio[(real == 0) & (alike == 0)] = 1, np.inf
    figure, axis = plt.subplots(figsize=(2.6 + 0.5 * len(measures), 0.36 * len(rows) + 2))
    with np.errstate(divide="ignore"):  # 0 and ∞ take the colours of the scale's ends
        shown = np.log2(ratio).clip(-1.5, 1.5)
    scale = {"cmap": "RdBu_r", "vmin": -1.5, "vmax": 1.5, "aspect": "auto"}
    names = [name.replace("_", " ") for name in measures]
    picture = style.matrix(axis, shown, rows, names, rotation=35, **scale)
    style.numbers(axis, ratio, np.abs(shown) > 1, size=7)
    for row, column in np.argwhere(alike == 0):
        style.square(axis, (column - 0.47, row - 0.47), 0.94, "black", 1.2)
    axis.set(ylabel=rows.name.replace("_", " "))
    axis.tick_params(axis="x", labelsize=7)
    figure.colorbar(picture, ax=axis, label="log₂ of phantom / real", shrink=0.8)
    axis.set_title(
        f"{what}: phantom over real tissue; "
        f"{int(compared['alike'].sum())} of {len(compared)} within a third, others framed",
        fontsize=9,
    )
    return figure
