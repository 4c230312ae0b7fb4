"""Panels of page 07: layers, top factors and mixture components of the cortex (B Fig. 2A, 2B)."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, ListedColormap

from helpers.book import style
from helpers.tissue.figures.views import View, bar_below, outlines, scale_below, show_map

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
# Blues, from the surface down: no area beside the cortex is blue.
LAYER_COLOURS = ("#dbe9f6", "#a6cee4", "#6aaed6", "#3787c0", "#105ba4")
NAVY = LinearSegmentedColormap.from_list("navy", ["white", "#1d1c5a"])
EDGE = "#888888"  # some components are nearly white


def component_colours(n: int) -> list[str]:
    """Return the colours of mixture components, shared by all panels."""
    return [COMPONENT_COLOURS[i % len(COMPONENT_COLOURS)] for i in range(n)]


def _layer_colours(n: int) -> list[tuple]:
    """Return the colours of layers, from the surface down: blues, however many there are."""
    if n <= len(LAYER_COLOURS):
        return [*LAYER_COLOURS[:n]]
    blues = LinearSegmentedColormap.from_list("layers", LAYER_COLOURS)
    return [blues(i / (n - 1))[:3] for i in range(n)]


def _show_components(
    axis: plt.Axes,
    view: View,
    components: np.ndarray,
    n: int,
    outside: str = "none",
    **options: object,
) -> None:
    colours = ListedColormap([outside, *component_colours(n)])
    show_map(axis, view, components, cmap=colours, vmin=-1, vmax=n - 1, **options)


def areas_and_layers(
    image: np.ndarray,
    view: View,
    labels: np.ndarray,
    layers: np.ndarray,
    areas: list[str],
    layer_names: list[str],
    cortex: int,
    note: str,
) -> plt.Figure:
    """Draw all areas over the slice, the cortex divided into its layers (B Fig. 2A1).

    Parameters
    ----------
    image : (H, W) array
    view : View
    labels, layers : (h, w) int arrays
        On the grid; 0 = none.
    areas, layer_names : sequence of str
    cortex : int
        Label of the cortex.
    note : str
        Where the layers come from.
    """
    height = max(1.5 * view.aspect + 0.6, 0.2 * len([*areas, *layer_names]))  # of the legend, too
    upright = max(3.6, height / view.aspect + 2.8), height
    figure, axis = plt.subplots(figsize=upright if view.aspect > 1 else (9, 9 * view.aspect))
    gray = style.thumbnail(view.pixels(image), 1400)
    axis.imshow(gray, cmap="gray", vmin=0, vmax=np.percentile(gray, 99.7), extent=view.extent)
    blues = _layer_colours(len(layer_names))
    for shown, colours, alpha in (
        (np.where(labels == cortex, 0, labels), style.area_colours(areas), 0.45),
        (layers, blues, 0.6),
    ):
        cmap = style.label_colourmap(colours)
        show_map(axis, view, shown, cmap=cmap, vmin=0, vmax=len(colours), alpha=alpha)
    handles = style.patches(areas)
    shown = style.patches(layer_names, blues) + handles[: cortex - 1] + handles[cortex:]
    small = {"handlelength": 1, "title_fontsize": 7, "fontsize": 7}
    style.side_legend(axis, shown, title=f"{note}; areas", **small)
    style.bare(axis)
    style.letter(axis, "A1")
    return figure


def component_map(
    image: np.ndarray,
    view: View,
    components: np.ndarray,
    layers: np.ndarray,
    names: list[str],
    box: tuple[int, int],
    box_size: int,
    pixel_size_um: float,
) -> plt.Figure:
    """Draw which component each cortical position belongs to, alone and over the slice, with the
    zoom box (B Fig. 2A2).

    Parameters
    ----------
    image : (H, W) array
    view : View
    components : (h, w) int array
        On the grid; −1 outside.
    layers : (h, w) int array
        Their borders are drawn thin.
    names : list of str
        Properties of the components.
    box : (row, column)
        First pixel of the zoom box, `box_size` pixels wide.
    box_size : int
    pixel_size_um : float
    """
    figure, (alone, over) = plt.subplots(1, 2, figsize=(8.2, 3.4 * view.aspect + 0.2))
    _show_components(alone, view, components, len(names), "black")
    gray = -view.pixels(image)
    over.imshow(gray, cmap="gray", vmin=np.percentile(gray, 0.5), vmax=0, extent=view.extent)
    _show_components(over, view, components, len(names), alpha=0.4)
    for axis, colour, title in (
        (alone, "white", "components, borders of layers"),
        (over, "black", "over the slice, intensity inverted"),
    ):
        outlines(axis, view, layers, "#777777", 0.6)
        style.square(axis, view.rectangle(*box, box_size), box_size, colour, 1.4)
        style.bare(axis, title)
        axis.axis(view.extent)  # of a small cortex the box shows more
    scale_below(over, view, pixel_size_um, 200)
    style.letter(alone, "A2")
    handles = style.patches(names, component_colours(len(names)), EDGE)
    style.side_legend(over, handles, handlelength=1, fontsize=7.5)
    return figure


def single_components(
    view: View, posteriors: np.ndarray, layers: np.ndarray, names: list[str]
) -> plt.Figure:
    """Draw the posterior of each component on its own, borders of layers in gray (B Fig. 2B2).

    Parameters
    ----------
    view : View
    posteriors : (h, w, c) array
        On the grid; NaN outside.
    layers : (h, w) int array
    names : sequence of str
        Of the components.
    """
    figure, axes = style.small_multiples(len(names), 2.5, 2.5 * view.aspect + 0.5)
    for axis, name, values in zip(axes, names, np.moveaxis(posteriors, -1, 0)):
        show_map(axis, view, values, cmap=NAVY, vmin=0, vmax=1)
        outlines(axis, view, layers, "#b5b5b5", 0.6)
        style.bare(axis, textwrap.fill(name, 22), fontsize=7.5)
        axis.spines[:].set_visible(True)
    style.letter(axes[0], "B2")
    bar_below(figure, axes, NAVY, "posterior of the component")
    return figure


def top_factors(view: View, maps: list[np.ndarray], names: list[str]) -> plt.Figure:
    """Draw up to three factors of the cortex as one RGB picture and singly (B Fig. 2B1).

    Parameters
    ----------
    view : View
    maps : list of at most three (h, w) arrays
        Coefficients on the grid, scaled so that 1 is bright; NaN outside.
    names : list of str
    """
    figure, axes = style.small_multiples(1 + len(maps), 2.5, 2.5 * view.aspect + 0.4)
    dark = [np.zeros_like(maps[0])] * (3 - len(maps))
    together = np.clip(np.nan_to_num(np.dstack([*maps, *dark])), 0, 1)
    show_map(axes[0], view, together)
    style.bare(axes[0], "together")
    for i, colour in enumerate(("red", "green", "blue")[: len(maps)]):
        show_map(axes[1 + i], view, together[..., i], cmap="inferno", vmin=0, vmax=1)
        style.bare(axes[1 + i], f"{names[i]} ({colour})", fontsize=8)
    style.letter(axes[0], "B1")
    bar_below(figure, axes, "inferno", "coefficient, over its 99th percentile in cortex")
    return figure


def zoom(
    image: np.ndarray,
    view: View,
    components: np.ndarray,
    windows: list[tuple[int, int] | None],
    window_size: int,
    names: list[str],
    pixel_size_um: float,
) -> plt.Figure:
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
    names : list of str
        Of the components.
    pixel_size_um : float
    """
    columns = -(-len(names) // 2)
    cells = np.arange(2 * columns).reshape(2, columns).tolist()
    figure, axes = plt.subplot_mosaic(
        [["raw", "over", *row] for row in cells],
        empty_sentinel=len(names),  # the last cell, where the number of components is odd
        figsize=(2.2 * (4.2 + columns), 4.8),
        width_ratios=[2.1, 2.1] + [1] * columns,
    )
    pixels, over = -view.pixels(image), axes["over"]
    low, high = np.percentile(pixels, [0.3, 99.7])
    inverted = {"cmap": "gray", "vmin": low, "vmax": high}
    for name, title in (
        ("raw", "raw pixels, intensity inverted"),
        ("over", "components over them"),
    ):
        axes[name].imshow(pixels, extent=view.extent, **inverted)
        style.bare(axes[name], title)
    _show_components(over, view, components, len(names), alpha=0.35)
    style.scale_bar(axes["raw"], pixel_size_um, 150)
    style.letter(axes["raw"], "B3")
    for c, (name, window) in enumerate(zip(names, windows)):
        axis = axes[c]
        style.bare(axis, textwrap.fill(name, 17), fontsize=7.5)
        if window is None:
            axis.text(
                0.5, 0.5, "not in this box", ha="center", va="center", transform=axis.transAxes
            )
        else:
            here = View(*window, window_size, window_size, view.turns, view.stride)
            axis.imshow(-here.pixels(image), **inverted)
            style.square(axis, (0, 0), window_size - 1, component_colours(c + 1)[c], 4)
            style.square(over, view.rectangle(*window, window_size), window_size, "black", 1.3)
    return figure


def shares_of_two_slices(
    first: np.ndarray,
    second: np.ndarray | None,
    base: np.ndarray,
    layers: list[str],
    titles: list[str],
    slices: list[str],
) -> plt.Figure:
    """Draw the share of each layer in each component, for two slices with matched components.

    Parameters
    ----------
    first : (c, m) array
    second : (c, m) array or None
        In the order of `first`.
    base : (m,) array
        Share of each layer in the cortex of the first slice.
    layers : sequence of str
    titles : list of str
        One for each component.
    slices : list of str
    """
    both = [first] if second is None else [first, second]
    width = 0.8 / len(both)
    figure, axes = style.small_multiples(len(first), 2.5, 2.5, sharey=True)
    for axis, title, *shares in zip(axes, titles, *both):
        table = pd.DataFrame(dict(zip(slices, shares)), layers)
        style.grouped_bars(axis, table, ("#147a8c", "#ee877c"), width, width)
        axis.plot(base, "_", markersize=16, color="#444444", label="all of cortex")
        wrapped = [textwrap.fill(line, 20) for line in title.split("\n")]
        axis.set_title("\n".join(wrapped), fontsize=7.5)
        if max(map(len, layers)) > 4:
            axis.set_xticks(range(len(layers)), layers, rotation=40, ha="right")
    axes[0].set_ylabel("share of the component")
    style.side_legend(axes[-1], fontsize=8)
    return figure


def component_densities(
    cells: np.ndarray, axons: np.ndarray, weights: np.ndarray, names: list[str], truth: bool
) -> plt.Figure:
    """Draw mean cell and axon density of each component, (c,), known or else from gray values."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 0.38 * len(names) + 1.0), sharey=True)
    place = range(len(names))
    for axis, values, label in zip(
        axes, (cells, axons), ("cells per mm²", "axons, share of the section")
    ):
        axis.barh(place, values, color=component_colours(len(names)), edgecolor=EDGE)
        axis.set_xlabel(label if truth else f"{label}, from gray values")
    ticks = [f"{name}\n{100 * w:.0f} % of cortex" for name, w in zip(names, weights)]
    axes[0].set_yticks(place, ticks, fontsize=7.5)
    axes[0].invert_yaxis()
    return figure


def barrels(
    view: View,
    found: np.ndarray,
    layers: np.ndarray,
    component: int,
    name: str,
    truth: np.ndarray | None = None,
) -> plt.Figure:
    """Draw where the component typical of L4 lies in L4, with the outlines of the true barrels
    where they are known.

    Parameters
    ----------
    view : View
    found : (h, w) bool array
    layers : (h, w) int array
        1…5 for L1…L6.
    component : int
        It keeps the colour it has on the other figures.
    name : str
    truth : (h, w) bool array, optional
    """
    figure, axis = plt.subplots(figsize=(4.2, 3.2 * view.aspect + 0.3))
    l4, colour = LAYER_COLOURS[2], component_colours(component + 1)[component]
    shown = np.where(layers == 0, np.nan, np.where(found, 2, layers == 3))
    show_map(axis, view, shown, cmap=ListedColormap(["#f7f7f7", l4, colour]), vmin=0, vmax=2)
    outlines(axis, view, layers == 3, "#888888", 0.6)
    handles = style.patches(["L4"], [l4])
    handles += style.patches([f"in L4: the component\n“{name}”"], [colour], EDGE)
    if truth is not None:
        outlines(axis, view, truth, "black", 0.9)
        handles.append(plt.Line2D([], [], color="black", label="true barrels"))
    style.side_legend(axis, handles, fontsize=8)
    style.bare(axis)
    return figure
