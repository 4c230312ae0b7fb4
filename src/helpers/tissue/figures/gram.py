"""Panels of page 04: Gram matrices and principal components of features (A Fig. 5)."""

import html

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.colors import to_hex

from helpers.book import style


def gram_matrices(
    grams: dict[str, np.ndarray],
    errors: dict[str, float],
    labels: np.ndarray,
    areas: list[str],
) -> plt.Figure:
    """Draw Gram matrices side by side on one scale (A Fig. 5).

    Parameters
    ----------
    grams : dict
        Network to its (N, N) Gram matrix, rows sorted by area.
    errors : dict
        Network to its block-diagonal error.
    labels : (N,) int array, sorted
        Area 1…n of each row.
    areas : sequence of str
    """
    low = min(0.0, float(np.floor(10 * min(gram.min() for gram in grams.values())) / 10))
    figure, axes = style.small_multiples(
        len(grams), 3.1, 3.3, columns=min(4, len(grams)), margin=(1, 0)
    )
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    middles = (starts + np.append(starts[1:], len(labels))) / 2
    for axis, (name, gram) in zip(axes, grams.items()):
        picture = axis.imshow(
            gram,
            cmap="magma",
            vmin=low,
            vmax=1,
            interpolation="antialiased",
            interpolation_stage="data",
        )
        for start in starts[1:]:
            axis.axhline(start - 0.5, color="white", linewidth=0.6)
            axis.axvline(start - 0.5, color="white", linewidth=0.6)
        _area_ticks(axis, middles, areas)
        axis.tick_params(length=0)
        axis.set_title(f"{name}\nerror {errors[name]:.2f}")
    figure.colorbar(picture, ax=figure.axes, shrink=0.6, label="cosine similarity of two patches")
    return figure


def error_intervals(
    bootstraps: dict[str, np.ndarray], nulls: dict[str, float], published: dict[str, float]
) -> plt.Figure:
    """Draw the bootstrap distribution of each network's block-diagonal error, with nulls and
    published values.

    Parameters
    ----------
    bootstraps : dict
        Network to (repeats,) errors.
    nulls : dict
        Name to error, drawn as lines.
    published : dict
        Name to error, drawn as marks at the bottom.
    """
    figure, axis = plt.subplots(figsize=(7.5, 1.3 + 0.42 * (len(bootstraps) + 1)))
    for row, (name, colour) in enumerate(style.network_colours(bootstraps).items()):
        low, middle, high = np.percentile(bootstraps[name], [2.5, 50, 97.5])
        axis.plot([low, high], [row, row], color=colour, linewidth=5, solid_capstyle="butt")
        axis.plot(middle, row, "o", color="white", markeredgecolor=colour)
    bottom = len(bootstraps)
    for name, value in published.items():
        axis.plot(value, bottom, "^", color="#b03030")
        axis.annotate(
            name,
            (value, bottom),
            (0, -6),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7,
            color="#b03030",
        )
    for name, value in nulls.items():
        axis.axvline(value, color="#777777", linestyle=":", linewidth=1)
        axis.text(
            value - 0.004,
            bottom + 0.8,
            name,
            ha="right",
            va="bottom",
            rotation=90,
            fontsize=7,
            color="#555555",
        )
    axis.set(
        yticks=range(bottom + 1),
        yticklabels=[*bootstraps, "published"],
        ylim=(bottom + 0.9, -0.6),
        xlim=(0, 1),
        xlabel="block-diagonal error (bar: 95 % of bootstrap repeats)",
    )
    return figure


def area_similarity(matrices: dict[str, np.ndarray], areas: list[str]) -> plt.Figure:
    """Draw tables of the mean Gram entry of each pair of areas, one per network, on one scale."""
    side, columns = max(3.1, 1.6 + 0.32 * len(areas)), style.columns_beside(areas) or 4
    figure, axes = style.small_multiples(
        len(matrices), side, side, columns=min(columns, len(matrices)), margin=(0.9, 0)
    )
    for axis, (name, matrix) in zip(axes, matrices.items()):
        picture = axis.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
        style.numbers(axis, matrix, matrix < 0.6, size=6.5)
        _area_ticks(axis, np.arange(len(areas)), areas)
        axis.set_title(name)
    figure.colorbar(picture, ax=figure.axes, shrink=0.6, label="mean cosine similarity")
    return figure


def _area_ticks(axis: plt.Axes, places: np.ndarray, areas: list[str]) -> None:
    names = style.shortened(areas)
    axis.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
    axis.set_yticks(places, names, fontsize=7)


def pair_gaps(table: pd.DataFrame) -> plt.Figure:
    """Draw by how much the pairs that the paper calls alike are more so than cortex and VP.

    Parameters
    ----------
    table : DataFrame
        From `structure_table`, of one seed: network, measure, value, low, high. The untrained
        network, which each gap has to exceed, is hollow.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.6))
    pairs = {"cortex_striatum": "cortex–striatum", "vp_zi": "VP–ZI"}
    titles = {"similarity": "mean cosine", "distance": "centroid distance / mean distance"}
    networks = style.network_colours(table["network"])
    rows = table.set_index(["measure", "network"])
    for axis, (measure, title) in zip(axes, titles.items()):
        for place, (name, colour) in enumerate(networks.items()):
            part = rows.loc[[(f"{measure} {pair}", name) for pair in pairs]]
            y = np.arange(len(pairs)) + (place - (len(networks) - 1) / 2) * 0.18
            face = "white" if name == "untrained CNN" else colour
            axis.hlines(y, part["low"], part["high"], color=colour, linewidth=2)
            axis.plot(part["value"], y, "o", color=colour, markerfacecolor=face, label=name)
        axis.axvline(0, color="#999999", linestyle=":", linewidth=1)
        axis.set(yticks=range(len(pairs)), yticklabels=pairs.values(), title=title)
        axis.set(xlabel="gap to cortex–VP", ylim=(len(pairs) - 0.5, -0.5))
    style.side_legend(axes[1])
    return figure


def pca_3d(
    scores: dict[str, np.ndarray],
    explained: dict[str, float],
    silhouettes: dict[str, float],
    labels: np.ndarray,
    areas: list[str],
) -> plt.Figure:
    """Draw three principal components of each network's features from two viewpoints (A Fig. 5).

    Parameters
    ----------
    scores : dict
        Network to (N, 3) scores.
    explained : dict
        Network to the share of variance that the three components hold.
    silhouettes : dict
        Network to the mean silhouette of the areas in these three dimensions.
    labels : (N,) int array
        Area 1…n.
    areas : sequence of str
    """
    names = style.shortened(areas)
    beside = 0.5 + 0.075 * max(map(len, names))  # inches for the legend
    width, colours = 3.1 * len(scores) + beside, np.array(style.area_colours(areas))
    figure, axes = plt.subplots(
        2,
        len(scores),
        figsize=(width, 5.8),
        layout="none",
        squeeze=False,
        subplot_kw={"projection": "3d"},
    )
    for column, (name, points) in zip(axes.T, scores.items()):
        for axis, azimuth in zip(column, (-60, 30)):
            axis.scatter(*points.T, c=colours[labels - 1], s=5, depthshade=False, linewidths=0)
            axis.view_init(22, azimuth)
            axis.set(xticklabels=[], yticklabels=[], zticklabels=[])
            for number, letter in enumerate("xyz", start=1):
                getattr(axis, f"set_{letter}label")(f"PC {number}", labelpad=-12, fontsize=7)
        column[0].set_title(
            f"{name}\n{100 * explained[name]:.0f} % of variance, "
            f"silhouette {silhouettes[name]:.2f}",
            fontsize=9,
        )
    figure.subplots_adjust(
        left=0.01, right=1 - beside / width, top=0.9, bottom=0.03, wspace=0.05, hspace=0.05
    )
    figure.legend(
        handles=[
            plt.Line2D([], [], marker="o", linestyle="", color=colour, label=name)
            for name, colour in zip(names, colours)
        ],
        loc="outside center right",
    )
    return figure


def scatter_3d(
    scores: dict[str, np.ndarray], labels: np.ndarray, areas: list[str], phantom: bool = False
) -> go.Figure:
    """Points of several networks in three dimensions; a menu chooses the network, a legend hides
    areas.

    Parameters
    ----------
    scores : dict
        Network to (N, 3) scores.
    labels : (N,) int array
        Area 1…n.
    areas : sequence of str
    phantom : bool
        Say so in the title.

    Returns
    -------
    plotly.graph_objects.Figure
        For `helpers.book.interactive.plotly_html`.
    """
    figure, names = go.Figure(), list(scores)
    for name, points in scores.items():
        for number, (area, colour) in enumerate(zip(areas, style.area_colours(areas)), start=1):
            figure.add_scatter3d(
                **dict(zip("xyz", points[labels == number].T.round(4).tolist())),
                mode="markers",
                name=html.escape(area),
                visible=name == names[0],
                marker={"size": 2.5, "color": to_hex(colour)},
                hovertemplate=f"{html.escape(area)}<extra></extra>",
            )
    figure.update_layout(
        title={
            "text": "PCA of normalised features" + (" (phantom)" if phantom else ""),
            "x": 0.5,
        },
        margin={"l": 0, "r": 0, "t": 40, "b": 0},
        template="simple_white",
        legend={"itemsizing": "constant"},
        updatemenus=[
            {
                "buttons": [
                    {
                        "label": html.escape(name),
                        "method": "update",
                        "args": [{"visible": [name == other for other in names for _ in areas]}],
                    }
                    for name in names
                ],
                "x": 0,
                "y": 1.02,
                "xanchor": "left",
                "yanchor": "bottom",
                "direction": "down",
            }
        ],
        scene={
            f"{axis}axis": {"title": f"PC {i}", "showticklabels": False}
            for i, axis in enumerate("xyz", start=1)
        },
    )
    return figure
