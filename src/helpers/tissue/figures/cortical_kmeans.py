"""Panels of page 05: clusters of windows across the depth of the cortex (A Fig. 6)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator

from helpers.book import style

# Light at the surface, dark at the white matter: clusters are numbered by depth.
CLUSTER_COLOURS = (
    "#fde725",
    "#35b779",
    "#31688e",
    "#a5387e",
    "#f28c28",
    "#7f7f7f",
    "#d1495b",
    "#4bacc6",
    "#8c6d53",
    "#b5cf6b",
)


def cluster_colours(k: int) -> list[str]:
    """Return one colour per cluster, the most superficial first."""
    return [CLUSTER_COLOURS[i % len(CLUSTER_COLOURS)] for i in range(k)]


def show_clusters(
    axis: plt.Axes, clusters: np.ndarray, inside: np.ndarray, k: int, **options: object
) -> None:
    """Draw a map (h, w) of clusters 0…k−1 where it lies ``inside`` the cortex, (h, w) bool."""
    colours = ListedColormap(cluster_colours(k))
    axis.imshow(np.where(inside, clusters, np.nan), cmap=colours, vmin=0, vmax=k - 1, **options)


def _cluster_legend(axis: plt.Axes, k: int) -> None:
    handles = style.patches(_cluster_names(k), cluster_colours(k))
    style.side_legend(axis, handles, title="from the\nsurface down", title_fontsize=8)


def _cluster_names(k: int) -> list[str]:
    return [f"cluster {i + 1}" for i in range(k)]


def strip(
    image: np.ndarray,
    clusters: np.ndarray,
    layers: np.ndarray,
    inside: np.ndarray,
    names: list[str],
    k: int,
    pixel_size_um: float,
    layers_title: str,
) -> plt.Figure:
    """Draw a strip of cortex from white matter (left) to the surface (right), its layers and its
    clusters (A Fig. 6).

    Parameters
    ----------
    image : (H, W) array
        Raw pixels of the strip.
    clusters, layers, inside : (h, w) arrays
        On the grid of windows; positions outside the cortex are left blank.
    names : sequence of str
        Of the layers, from the surface down.
    k : int
        Number of clusters.
    pixel_size_um : float
    layers_title : str
    """
    width, height = (side * pixel_size_um for side in image.shape[::-1])
    figure, axes = plt.subplots(
        3, 1, figsize=(9, 3 * min(7.4 * height / width, 4) + 1.4), sharex=True
    )
    place = {"extent": (0, width, height, 0)}
    low, high = np.percentile(image, [1, 99.5])
    axes[0].imshow(image, cmap="gray", vmin=low, vmax=high, **place)
    axes[1].imshow(
        np.where(inside & (layers > 0), layers, np.nan),
        cmap=ListedColormap(plt.cm.Greys_r(np.linspace(0.2, 0.9, len(names)))),
        vmin=1,
        vmax=len(names),
        **place,
    )
    for number in np.intersect1d(layers, range(1, len(names) + 1)):
        middle = np.nonzero(layers == number)[1].mean() + 0.5
        axes[1].text(
            middle * width / layers.shape[1],
            height / 2,
            names[number - 1],
            ha="center",
            va="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
        )
    show_clusters(axes[2], clusters, inside, k, **place)
    _cluster_legend(axes[2], k)
    axes[0].set(ylabel="µm", title="white matter on the left, surface of the cortex on the right")
    axes[1].set(ylabel="µm", title=layers_title)
    axes[2].set(ylabel="µm", title=f"k-means, k = {k}", xlabel="µm")
    return figure


def strips(
    clusters: dict[str, np.ndarray],
    layers: np.ndarray,
    inside: np.ndarray,
    names: list[str],
    k: int,
    whole: np.ndarray,
) -> plt.Figure:
    """Draw one strip of cortex as clusters of several features see it, borders of layers over it.

    Parameters
    ----------
    clusters : dict
        Features to (h, w) clusters.
    layers, inside : (h, w) arrays
    names : sequence of str
        Of the layers, from the surface down.
    k : int
        Number of clusters.
    whole : (h, w) bool array
        Windows that lie wholly on tissue; the others are shown pale.
    """
    height, width = inside.shape
    columns = min(3, len(clusters))
    figure, axes = style.small_multiples(
        len(clusters), 2.4, 0.4 + 2.4 * height / width, columns=columns, margin=(0, 0.3)
    )
    for axis, (name, labels) in zip(axes, clusters.items()):
        show_clusters(axis, labels, inside & ~whole, k, alpha=0.35)
        show_clusters(axis, labels, inside & whole, k)
        for number in range(1, len(names)):
            if (layers > number).any() and (layers == number).any():
                axis.contour(
                    np.where(inside, layers > number, np.nan), [0.5], colors="black", linewidths=0.8
                )
        style.bare(axis, name)
    handles = style.patches(_cluster_names(k), cluster_colours(k))
    where = {"loc": "outside lower center", "ncols": min(k, 6)}
    figure.legend(handles=handles, title="from the surface down", title_fontsize=8, **where)
    return figure


def layer_controls(scores: dict[str, dict[str, float]]) -> plt.Figure:
    """Draw what decides A.kmeans.layers, for the network and for each control.

    Parameters
    ----------
    scores : dict
        Features to ``f1_l1``, ``f1_l23``, ``transition`` and ``null_transition``; the first are
        those of the trained network.
    """
    figure, axis = plt.subplots(figsize=(8, 2.8))
    marks = {"f1_l1": "F1 of L1", "f1_l23": "F1 of L2/3", "transition": "transition"}
    markers, n = "oDs^v", len(scores)
    for row, (name, found) in enumerate(scores.items()):
        x = np.arange(len(marks)) + (row - (n - 1) / 2) * 0.16
        colour, face = ("#1f4e79", "#1f4e79") if row == 0 else ("#777777", "white")
        axis.plot(
            x,
            [found[mark] for mark in marks],
            markers[row % len(markers)],
            color=colour,
            markerfacecolor=face,
            label=name,
        )
        axis.plot(x[-1] + np.array([-0.06, 0.06]), 2 * [found["null_transition"]], color=colour)
    axis.plot([-0.45, 1.45], [0.5, 0.5], ":", color="#b03030", linewidth=1, label="asked for")
    axis.plot([], [], color="#777777", label="95 % of shifted maps")
    axis.set(xticks=range(len(marks)), xticklabels=marks.values(), ylim=(0, 1.02))
    axis.set_ylabel("F1, or share near borders")
    style.side_legend(axis)
    return figure


def explained_variance(shares: np.ndarray, kept: int) -> plt.Figure:
    """Draw the variance of principal components, each and cumulative, and how many are kept."""
    figure, axis = plt.subplots(figsize=(5, 2.6))
    shown = shares[: max(20, kept)]
    place = np.arange(1, len(shown) + 1)
    axis.bar(place, shown, color=["#1f4e79"] * kept + ["#c9d3de"] * (len(shown) - kept))
    axis.plot(place, np.cumsum(shown), "o-", color="#c0504d", markersize=3, label="cumulative")
    axis.axhline(0.95, color="#999999", linestyle=":", linewidth=1, label="95 %")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(
        xlabel="principal component",
        ylabel="share of variance",
        ylim=(0, 1.02),
        title=f"{kept} kept, {100 * shares[:kept].sum():.1f} % of the variance",
    )
    axis.legend(loc="center right")
    return figure


def depth_profile(
    centres: np.ndarray,
    shares: np.ndarray,
    edges: np.ndarray,
    names: list[str],
    density: np.ndarray | None,
    density_label: str,
) -> plt.Figure:
    """Draw the share of each cluster along cortical depth, and cell density where it is known.

    Parameters
    ----------
    centres : (bins,) array
        Cortical depth, 0 at the surface.
    shares : (bins, k) array
    edges : sequence of float
        Depth of the lower edge of every layer.
    names : sequence of str
        Of the layers.
    density : (bins,) array or None
    density_label : str
    """
    rows, k = (1 if density is None else 2), shares.shape[1]
    figure, axes = plt.subplots(rows, 1, figsize=(8, 0.8 + 1.9 * rows), sharex=True, squeeze=False)
    top, bottom = axes[0, 0], axes[-1, 0]
    known = ~np.isnan(shares).any(axis=1)  # a thin layer may leave a bin without windows
    centres, shares = centres[known], shares[known]
    density = None if density is None else density[known]
    x = 1 - centres  # white matter on the left, as in the strip
    top.stackplot(x, np.nan_to_num(shares).T, colors=cluster_colours(k), labels=_cluster_names(k))
    top.set(ylim=(0, 1), xlim=(0, 1), ylabel="share of windows")
    style.side_legend(top)
    if density is not None:
        bottom.plot(x, density, "o-", color="#333333", markersize=3)
        bottom.set(ylabel=density_label, ylim=(0, None))
    for start, end, name in zip([0.0, *edges], edges, names):
        top.text(1 - (start + end) / 2, 1.02, name, ha="center", va="bottom", fontsize=8)
        for axis in axes.flat:
            axis.axvline(1 - end, color="black", linestyle=":", linewidth=0.8)
    bottom.set_xlabel("cortical depth, white matter (left) to surface (right)")
    return figure


def cortex_map(
    image: np.ndarray,
    clusters: np.ndarray,
    inside: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    k: int,
    title: str,
    pixel_size_um: float,
) -> plt.Figure:
    """Draw the clusters of all cortical windows over the slice, cut to the cortex.

    Parameters
    ----------
    image : (H, W) array
    clusters, inside : (h, w) arrays
        On the grid of windows.
    rows, columns : (h,), (w,) int arrays
        First pixel that a position of the grid stands for.
    k : int
        Number of clusters.
    title : str
    pixel_size_um : float
    """
    cut = tuple(slice(places.min(), places.max() + 1) for places in np.nonzero(inside))
    stride = int(rows[1] - rows[0])
    rows, columns = rows[cut[0]], columns[cut[1]]
    part = image[rows[0] : rows[-1] + stride, columns[0] : columns[-1] + stride]
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 0.6 + 4.2 * part.shape[0] / part.shape[1]), sharex=True, sharey=True
    )
    small = style.thumbnail(part, 900)
    low, high = np.percentile(small, [1, 99.5])
    for axis, name in zip(axes, (title, "clusters of every cortical window")):
        ground = axis.imshow(small, cmap="gray", vmin=low, vmax=high)
        style.bare(axis, name)
    show_clusters(axes[1], clusters[cut], inside[cut], k, alpha=0.65, extent=ground.get_extent())
    style.scale_bar(axes[0], pixel_size_um * style.thumbnail_step(part, 900), 500, colour="black")
    _cluster_legend(axes[1], k)
    return figure


def layer_table(f1: np.ndarray, names: list[str]) -> plt.Figure:
    """Draw F1 of every cluster for every layer, (k, layers)."""
    figure, axis = plt.subplots(figsize=(1.6 + 0.75 * len(names), 1.1 + 0.4 * len(f1)))
    clusters = _cluster_names(len(f1))
    style.matrix(axis, f1, clusters, names, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    style.numbers(axis, f1, f1 > 0.6)
    axis.set_title("F1 of cluster for layer")
    return figure
