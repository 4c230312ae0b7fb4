"""Panels of paper B, Fig. 2A and 2B: layers, top factors and mixture components of the cortex."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from helpers.book import style
from helpers.tissue.figures.nmf_factors import outlines, scale_below

COMPONENT_COLOURS = (
    "#5a4ea6",
    "#c9ac57",
    "#ef4b32",
    "#e8e8e8",
    "#4cb8b0",
    "#8c6d53",
    "#7f9f3f",
    "#d88fc0",
)
LAYER_COLOURS = (
    "#dbe9f6",
    "#a6cee4",
    "#6aaed6",
    "#3787c0",
    "#105ba4",
)  # blues, from the surface down: no area beside the cortex is blue
SLICE_COLOURS = ("#147a8c", "#ee877c")
NAVY = LinearSegmentedColormap.from_list("navy", ["white", "#1d1c5a"])


def component_colourmap(n):
    """Colours of mixture components, shared by all panels; −1 is black."""
    return ListedColormap(
        ["black", *(COMPONENT_COLOURS[i % len(COMPONENT_COLOURS)] for i in range(n))]
    )


def areas_and_layers(image, view, labels, layers, areas, layer_names, cortex, note):
    """Draw all areas over the slice, the cortex divided into its layers (B Fig. 2A1).

    Parameters
    ----------
    image : (H, W) array
    view : View
    labels, layers : (h, w) int arrays
        On the grid; 0 = none.
    cortex : int
        Label of the cortex.
    note : str
        Where the layers come from.
    """
    _, width, height, _ = view.extent
    upright = height > width
    figure, axis = plt.subplots(
        figsize=(3.6, 1.5 * height / width + 0.6) if upright else (9, 9 * height / width)
    )
    gray = style.thumbnail(view.pixels(image), 1400)
    axis.imshow(gray, cmap="gray", vmin=0, vmax=np.percentile(gray, 99.7), extent=view.extent)
    other = style.thumbnail(view.positions(np.where(labels == cortex, 0, labels)), 1400)
    axis.imshow(
        other,
        cmap=style.area_colourmap(areas),
        vmin=0,
        vmax=len(areas),
        alpha=0.45,
        extent=view.extent,
    )
    inner = style.thumbnail(view.positions(layers), 1400)
    colours = ListedColormap([(0, 0, 0, 0), *LAYER_COLOURS[: len(layer_names)]])
    axis.imshow(inner, cmap=colours, vmin=0, vmax=len(layer_names), alpha=0.6, extent=view.extent)
    handles = [Patch(color=c, label=name) for name, c in zip(layer_names, LAYER_COLOURS)]
    handles += [
        Patch(color=c, label=name)
        for i, (name, c) in enumerate(zip(areas, style.area_colours(areas)), start=1)
        if i != cortex
    ]
    axis.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        handlelength=1,
        title=f"{note}; areas",
        title_fontsize=7,
        fontsize=7,
    )
    style.bare(axis)
    return figure


def component_map(image, view, components, layers, names, box, box_size, pixel_size_um):
    """Draw which component each cortical position belongs to, alone and over the slice, with the
    zoom box (B Fig. 2A2).

    Parameters
    ----------
    components : (h, w) int array
        On the grid; −1 outside.
    layers : (h, w) int array
        Their borders are drawn thin.
    names : list of str
        Properties of the components.
    box : (row, column)
        First pixel of the zoom box, `box_size` pixels wide.
    """
    n = len(names)
    _, width, height, _ = view.extent
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.4 * height / width + 0.2))
    shown = view.positions(components)
    axes[0].imshow(shown, cmap=component_colourmap(n), vmin=-1, vmax=n - 1, extent=view.extent)
    gray = -view.pixels(image)
    axes[1].imshow(gray, cmap="gray", vmin=np.percentile(gray, 0.5), vmax=0, extent=view.extent)
    axes[1].imshow(
        np.ma.masked_less(shown, 0),
        cmap=component_colourmap(n),
        vmin=-1,
        vmax=n - 1,
        alpha=0.4,
        extent=view.extent,
    )
    for axis, colour, title in zip(
        axes,
        ("white", "black"),
        ("components, borders of layers", "over the slice, intensity inverted"),
    ):
        outlines(axis, view, layers, "#777777", 0.6)
        axis.add_patch(
            Rectangle(
                view.rectangle(*box, box_size),
                box_size,
                box_size,
                fill=False,
                edgecolor=colour,
                linewidth=1.4,
            )
        )
        style.bare(axis, title)
    scale_below(axes[1], view, pixel_size_um, 200)
    handles = [
        Patch(facecolor=COMPONENT_COLOURS[i], edgecolor="#888888", label=name)
        for i, name in enumerate(names)
    ]
    axes[1].legend(
        handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1, fontsize=7.5
    )
    return figure


def single_components(view, posteriors, layers, names):
    """Draw the posterior of each component on its own, borders of layers in gray (B Fig. 2B2).

    Parameters
    ----------
    posteriors : (h, w, c) array
        On the grid; NaN outside.
    layers : (h, w) int array
    """
    n = posteriors.shape[-1]
    _, width, height, _ = view.extent
    figure, axes = plt.subplots(1, n, figsize=(2.5 * n, 2.5 * height / width + 0.5), squeeze=False)
    for axis, name, values in zip(axes[0], names, np.moveaxis(posteriors, -1, 0)):
        axis.imshow(
            np.nan_to_num(view.positions(values)), cmap=NAVY, vmin=0, vmax=1, extent=view.extent
        )
        outlines(axis, view, layers, "#b5b5b5", 0.6)
        axis.set_title(name, fontsize=7.5)
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(True)
    return figure


def top_factors(view, maps, names):
    """Draw three factors of the cortex as one RGB picture and singly (B Fig. 2B1).

    Parameters
    ----------
    maps : list of three (h, w) arrays
        Coefficients on the grid, scaled so that 1 is bright; NaN outside.
    names : list of str
    """
    _, width, height, _ = view.extent
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.5 * height / width + 0.4))
    shown = [np.clip(np.nan_to_num(view.positions(values)), 0, 1) for values in maps]
    axes[0].imshow(np.dstack(shown), extent=view.extent)
    style.bare(axes[0], "together")
    for axis, values, name, colour in zip(axes[1:], shown, names, ("red", "green", "blue")):
        axis.imshow(values, cmap="inferno", vmin=0, vmax=1, extent=view.extent)
        style.bare(axis)
        axis.set_title(f"{name} ({colour})", fontsize=8)
    return figure


def zoom(image, view, components, windows, window_size, names, pixel_size_um):
    """Draw the zoom box, raw pixels under the components, and one example window of each (B Fig.
    2B3).

    Parameters
    ----------
    image : (H, W) array
    view : View
        Of the box.
    components : (h, w) int array
        On the grid; −1 outside.
    windows : list of (row, column) or None
        First pixel of the example window of each component; None where the box holds none of it.
    window_size : int
        In pixels.
    """
    n = len(names)
    columns = -(-n // 2)
    figure = plt.figure(figsize=(2.2 * (4.2 + columns), 4.8))
    grid = figure.add_gridspec(2, 2 + columns, width_ratios=[2.1, 2.1] + [1] * columns)
    inverted = -np.asarray(image)
    low, high = np.percentile(view.pixels(inverted), [0.3, 99.7])
    shown = np.ma.masked_less(view.positions(components), 0)
    axes = [figure.add_subplot(grid[:, i]) for i in range(2)]
    for axis, alpha, title in zip(
        axes, (0.0, 0.35), ("raw pixels, intensity inverted", "components over them")
    ):
        axis.imshow(view.pixels(inverted), cmap="gray", vmin=low, vmax=high, extent=view.extent)
        axis.imshow(
            shown, cmap=component_colourmap(n), vmin=-1, vmax=n - 1, alpha=alpha, extent=view.extent
        )
        style.bare(axis, title)
    style.scale_bar(axes[0], pixel_size_um, 150)
    for c, (name, window) in enumerate(zip(names, windows)):
        axis = figure.add_subplot(grid[c // columns, 2 + c % columns])
        style.bare(axis)
        axis.set_title(name, fontsize=7.5)
        if window is None:
            axis.text(
                0.5, 0.5, "not in this box", ha="center", va="center", transform=axis.transAxes
            )
            continue
        row, column = window
        patch = np.rot90(
            inverted[row : row + window_size, column : column + window_size], view.turns
        )
        axis.imshow(patch, cmap="gray", vmin=low, vmax=high)
        axis.add_patch(
            Rectangle(
                (0, 0),
                window_size - 1,
                window_size - 1,
                fill=False,
                edgecolor=COMPONENT_COLOURS[c],
                linewidth=4,
            )
        )
        axes[1].add_patch(
            Rectangle(
                view.rectangle(row, column, window_size),
                window_size,
                window_size,
                fill=False,
                edgecolor="black",
                linewidth=1.3,
            )
        )
    return figure


def shares_of_two_slices(first, second, base, layers, titles, slices):
    """Draw the share of each layer in each component, for two slices with matched components.

    Parameters
    ----------
    first : (c, m) array
    second : (c, m) array or None
        In the order of `first`.
    base : (m,) array
        Share of each layer in the cortex of the first slice.
    titles : list of str
    slices : list of str
    """
    n = len(first)
    figure, axes = plt.subplots(1, n, figsize=(2.5 * n, 2.5), sharey=True, squeeze=False)
    place, both = np.arange(len(layers)), [s for s in (first, second) if s is not None]
    width = 0.8 / len(both)
    for c, axis in enumerate(axes[0]):
        for i, (shares, colour) in enumerate(zip(both, SLICE_COLOURS)):
            axis.bar(
                place + (i - (len(both) - 1) / 2) * width,
                shares[c],
                width,
                color=colour,
                label=slices[i],
            )
        axis.plot(
            place,
            base,
            linestyle="none",
            marker="_",
            markersize=16,
            color="#444444",
            label="all of cortex",
        )
        axis.set_xticks(place, layers)
        axis.set_title(titles[c], fontsize=7.5)
    axes[0, 0].set_ylabel("share of the component")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure


def component_densities(cells, axons, weights, names, truth):
    """Draw mean cell and axon density of each component."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 0.38 * len(names) + 1.0), sharey=True)
    place = np.arange(len(names))
    for axis, values, label in zip(
        axes, (cells, axons), ("cells per mm²", "axons, share of the section")
    ):
        axis.barh(
            place, values, color=[to_rgb(COMPONENT_COLOURS[c]) for c in place], edgecolor="#888888"
        )
        axis.set_xlabel(label + ("" if truth else ", from gray values"))
    axes[0].set_yticks(
        place,
        [f"{name}\n{100 * w:.0f} % of cortex" for name, w in zip(names, weights)],
        fontsize=7.5,
    )
    axes[0].invert_yaxis()
    return figure


def barrels(view, found, layers, component, name, truth=None):
    """Draw where the component typical of L4 lies in L4, with the outlines of the true barrels
    where they are known.

    Parameters
    ----------
    found : (h, w) bool array
    layers : (h, w) int array
        1…5 for L1…L6.
    component : int
        It keeps the colour it has on the other figures.
    name : str
    truth : (h, w) bool array, optional
    """
    _, width, height, _ = view.extent
    figure, axis = plt.subplots(figsize=(4.2, 3.2 * height / width + 0.3))
    shown = np.where(found, 2, layers == 3) * 1.0
    shown[layers == 0] = np.nan
    l4, colour = LAYER_COLOURS[2], COMPONENT_COLOURS[component % len(COMPONENT_COLOURS)]
    axis.imshow(
        view.positions(shown),
        cmap=ListedColormap(["#f7f7f7", l4, colour]),
        vmin=0,
        vmax=2,
        extent=view.extent,
    )
    outlines(axis, view, layers == 3, "#888888", 0.6)
    handles = [
        Patch(color=l4, label="L4"),
        Patch(facecolor=colour, edgecolor="#888888", label=f"in L4: the component\n“{name}”"),
    ]
    if truth is not None:
        outlines(axis, view, truth, "black", 0.9)
        handles.append(Line2D([], [], color="black", label="true barrels"))
    axis.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    style.bare(axis)
    return figure
