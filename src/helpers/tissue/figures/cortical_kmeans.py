"""Panels of paper A, Fig. 6: clusters of windows across the depth of the cortex."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
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


def strip(image, clusters, layers, inside, names, k, pixel_size_um, layers_title):
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
    layers_title : str
    """
    width, height = (side * pixel_size_um for side in image.shape[::-1])
    figure, axes = plt.subplots(
        3, 1, figsize=(9, 3 * min(7.4 * height / width, 4) + 1.4), sharex=True
    )
    place = {"extent": (0, width, height, 0)}
    low, high = np.percentile(image, [1, 99.5])
    axes[0].imshow(image, cmap="gray", vmin=low, vmax=high, **place)
    axes[0].set_title("white matter on the left, surface of the cortex on the right")
    axes[1].imshow(
        np.where(inside & (layers > 0), layers, np.nan),
        cmap=ListedColormap(plt.cm.Greys_r(np.linspace(0.2, 0.9, len(names)))),
        vmin=1,
        vmax=len(names),
        **place,
    )
    axes[1].set_title(layers_title)
    for number, name in enumerate(names, start=1):
        here = np.flatnonzero((layers == number).any(axis=0))
        if here.size:
            x = np.average(np.arange(layers.shape[1]), weights=(layers == number).sum(0) + 1e-9)
            axes[1].text(
                (x + 0.5) * width / layers.shape[1],
                height / 2,
                name,
                ha="center",
                va="center",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
            )
    axes[2].imshow(
        np.where(inside, clusters, np.nan),
        cmap=ListedColormap(cluster_colours(k)),
        vmin=0,
        vmax=k - 1,
        **place,
    )
    axes[2].set_title(f"k-means, k = {k}")
    axes[2].set_xlabel("µm")
    handles = [
        Patch(color=colour, label=f"cluster {i + 1}") for i, colour in enumerate(cluster_colours(k))
    ]
    axes[2].legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        title="from the\nsurface down",
        title_fontsize=8,
    )
    for axis in axes:
        axis.set_ylabel("µm")
    return figure


def explained_variance(shares, kept):
    """Draw the cumulative variance over principal components, and how many are kept."""
    figure, axis = plt.subplots(figsize=(5, 2.6))
    shown = shares[: max(20, kept)]
    axis.bar(
        np.arange(1, len(shown) + 1),
        shown,
        color=["#1f4e79"] * kept + ["#c9d3de"] * (len(shown) - kept),
    )
    axis.plot(
        np.arange(1, len(shown) + 1),
        np.cumsum(shown),
        "o-",
        color="#c0504d",
        markersize=3,
        label="cumulative",
    )
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


def depth_profile(centres, shares, edges, names, density, density_label):
    """Draw the share of each cluster along cortical depth, and cell density where it is known.

    Parameters
    ----------
    centres : (bins,) array
        Cortical depth, 0 at the surface.
    shares : (bins, k) array
    edges : sequence of float
        Depth of the lower edge of every layer.
    names : sequence of str
    density : (bins,) array or None
    density_label : str
    """
    figure, axes = plt.subplots(
        1 if density is None else 2,
        1,
        figsize=(8, 2.7 if density is None else 4.6),
        sharex=True,
        squeeze=False,
    )
    axis = axes[0, 0]
    x = 1 - centres  # white matter on the left, as in the strip
    axis.stackplot(
        x,
        np.nan_to_num(shares).T,
        colors=cluster_colours(shares.shape[1]),
        labels=[f"cluster {i + 1}" for i in range(shares.shape[1])],
    )
    axis.set(ylim=(0, 1), xlim=(0, 1), ylabel="share of windows")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    if density is not None:
        axes[1, 0].plot(x, density, "o-", color="#333333", markersize=3)
        axes[1, 0].set(ylabel=density_label, ylim=(0, None))
    starts = [0.0, *edges[:-1]]
    for start, end, name in zip(starts, edges, names):
        axis.text(1 - (start + end) / 2, 1.02, name, ha="center", va="bottom", fontsize=8)
        for panel in axes[:, 0]:
            panel.axvline(1 - end, color="black", linestyle=":", linewidth=0.8)
    axes[-1, 0].set_xlabel("cortical depth, white matter (left) to surface (right)")
    return figure


def cortex_map(image, clusters, inside, rows, columns, k, title, pixel_size_um):
    """Draw the clusters of all cortical windows over the slice, cut to the cortex."""
    here = np.nonzero(inside)
    stride = int(rows[1] - rows[0])
    top, bottom, left, right = (
        rows[here[0].min()],
        rows[here[0].max()] + stride,
        columns[here[1].min()],
        columns[here[1].max()] + stride,
    )
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 0.6 + 4.2 * (bottom - top) / (right - left)), sharex=True, sharey=True
    )
    small = style.thumbnail(image[top:bottom, left:right], 900)
    step = max(1, -(-max(bottom - top, right - left) // 900))
    for axis in axes:
        axis.imshow(
            small, cmap="gray", vmin=np.percentile(small, 1), vmax=np.percentile(small, 99.5)
        )
    shown = np.where(inside, clusters, np.nan)[
        here[0].min() : here[0].max() + 1, here[1].min() : here[1].max() + 1
    ]
    axes[1].imshow(
        shown,
        cmap=ListedColormap(cluster_colours(k)),
        vmin=0,
        vmax=k - 1,
        alpha=0.65,
        extent=(-0.5, small.shape[1] - 0.5, small.shape[0] - 0.5, -0.5),
    )
    style.bare(axes[0], title)
    style.bare(axes[1], "clusters of every cortical window")
    style.scale_bar(axes[0], pixel_size_um * step, 500, colour="black")
    handles = [
        Patch(color=colour, label=f"cluster {i + 1}") for i, colour in enumerate(cluster_colours(k))
    ]
    axes[1].legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        title="from the\nsurface down",
        title_fontsize=8,
    )
    return figure


def layer_table(f1, names):
    """Draw F1 of every cluster for every layer."""
    figure, axis = plt.subplots(figsize=(1.6 + 0.75 * len(names), 1.1 + 0.4 * len(f1)))
    axis.imshow(f1, cmap="Greens", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(f1):
        axis.text(
            column,
            row,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if value > 0.6 else "black",
        )
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(f1)), [f"cluster {i + 1}" for i in range(len(f1))])
    axis.set_title("F1 of cluster for layer")
    return figure
