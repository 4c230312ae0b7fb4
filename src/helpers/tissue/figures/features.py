"""Panels of paper A, Fig. 4 and 5: probes on frozen features, noise, Gram matrices,
three-dimensional PCA.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

from helpers.book import style

PROBE_COLOURS = {"SVM-linear": "#4f81bd", "SVM-RBF": "#c0504d", "LR": "#9bbb59", "GMM": "#8064a2"}
VIEWS = ((22, -60), (22, 30))  # elevation and azimuth, degrees


def network_colours(networks) -> dict[str, str]:
    """Return one colour per network: the trained first, grey for the untrained, the spare ones for
    the rest.
    """
    spare = iter(style.NETWORK_COLOURS[1:-1] * (1 + len(networks) // 5))
    fixed = {"trained CNN": style.NETWORK_COLOURS[0], "untrained CNN": style.NETWORK_COLOURS[-1]}
    return {name: fixed[name] if name in fixed else next(spare) for name in networks}


def probe_scores(table, end_to_end, chance):
    """Draw accuracies of probes and the V-measure of a mixture per network (A Fig. 4, top).

    Parameters
    ----------
    table : DataFrame
        Columns network, probe, score, one row per repeat.
    end_to_end : float
        Accuracy of the trained CNN's own output on the same patches.
    chance : float
        Accuracy of guessing.
    """
    networks, probes = list(dict.fromkeys(table["network"])), list(dict.fromkeys(table["probe"]))
    figure, axis = plt.subplots(figsize=(2.2 + 1.6 * len(networks), 3.2))
    width = 0.8 / len(probes)
    for index, probe in enumerate(probes):
        groups = table[table["probe"] == probe].groupby("network")["score"]
        means, deviations = groups.mean()[networks], groups.std().reindex(networks).fillna(0)
        x = np.arange(len(networks)) + (index - (len(probes) - 1) / 2) * width
        label = f"{probe} (V-measure)" if probe == "GMM" else probe
        bars = axis.bar(
            x,
            means,
            width * 0.92,
            yerr=deviations,
            capsize=2,
            color=PROBE_COLOURS.get(probe),
            label=label,
        )
        axis.bar_label(bars, fmt="%.2f", fontsize=6.5, padding=1)
    axis.axhline(
        end_to_end, color="#1f4e79", linestyle="--", linewidth=1, label="trained CNN, end to end"
    )
    axis.axhline(chance, color="#999999", linestyle=":", linewidth=1, label="guessing")
    axis.set_xticks(range(len(networks)), networks)
    axis.set(ylim=(0, 1.08), ylabel="accuracy, or V-measure")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def noise_curves(table, examples, chance):
    """Draw accuracy of logistic regression against noise, above it patches with that noise (A Fig.
    4, bottom).

    Parameters
    ----------
    table : DataFrame
        Columns network, variance, score (accuracy), one row per repeat.
    examples : dict
        Variance to a list of (128, 128) patches in [0, 1].
    chance : float
    """
    variances = sorted(examples)
    rows = len(examples[variances[0]])
    figure = plt.figure(figsize=(8.5, 3.1 + 0.95 * rows))
    top, bottom = figure.subfigures(2, 1, height_ratios=[0.95 * rows + 0.25, 3.1])
    top.suptitle("variance of the noise", fontsize=9)
    axes = top.subplots(rows, len(variances), squeeze=False)
    for column, variance in enumerate(variances):
        for row, patch in enumerate(examples[variance]):
            axes[row, column].imshow(patch, cmap="gray", vmin=0, vmax=1)
            style.bare(axes[row, column], f"{variance:g}" if row == 0 else "")
    axis = bottom.subplots()
    colours = network_colours(dict.fromkeys(table["network"]))
    for name, colour in colours.items():
        groups = table[table["network"] == name].groupby("variance")["score"]
        mean, deviation = groups.mean()[variances], groups.std().reindex(variances).fillna(0)
        axis.plot(variances, mean, "o-", color=colour, label=name, markersize=4)
        axis.fill_between(
            variances, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0
        )
    axis.axhline(chance, color="#999999", linestyle=":", linewidth=1, label="guessing")
    axis.set_xticks(
        variances, [f"{variance:g}" for variance in variances], rotation=45, ha="right", fontsize=7
    )
    axis.set(
        xlabel="variance of the added noise (raw gray values in [0, 1])",
        ylabel="accuracy of LR",
        ylim=(0, 1.02),
    )
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def learning_curves(table, end_to_end, chance):
    """Draw patch accuracy against training patches per area.

    Parameters
    ----------
    table : DataFrame
        Columns network, per_area, accuracy, one row per repeat: probes on fixed features.
    end_to_end : DataFrame
        Columns per_area, accuracy: CNNs trained from scratch on so many patches.
    chance : float
    """
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    for name, colour in network_colours(dict.fromkeys(table["network"])).items():
        groups = table[table["network"] == name].groupby("per_area")["accuracy"]
        mean, deviation = groups.mean(), groups.std().fillna(0)
        axis.plot(
            mean.index, mean, "o--", color=colour, label=f"LR on features: {name}", markersize=3
        )
        axis.fill_between(
            mean.index, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0
        )
    whole = end_to_end.groupby("per_area")["accuracy"].mean()
    axis.plot(
        whole.index, whole, "s-", color="#1f4e79", label="CNN trained on so many", markersize=5
    )
    axis.axhline(chance, color="#999999", linestyle=":", linewidth=1, label="guessing")
    ticks = sorted({*whole.index, *table["per_area"]})
    axis.set_xscale("log")
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel="training patches per area", ylabel="accuracy on test patches", ylim=(0, 1.02))
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def gram_matrices(grams, errors, labels, areas):
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
    columns = min(4, len(grams))
    rows = -(-len(grams) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.1 * columns + 1, 3.3 * rows), squeeze=False
    )
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    middles = (starts + np.append(starts[1:], len(labels))) / 2
    for axis in axes.flat[len(grams) :]:
        axis.set_visible(False)
    for axis, (name, gram) in zip(axes.flat, grams.items()):
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
        axis.set_xticks(middles, areas, rotation=40, ha="right", rotation_mode="anchor", fontsize=7)
        axis.set_yticks(middles, areas, fontsize=7)
        axis.tick_params(length=0)
        axis.set_title(f"{name}\nerror {errors[name]:.2f}")
    figure.colorbar(
        picture, ax=axes.ravel().tolist(), shrink=0.6, label="cosine similarity of two patches"
    )
    return figure


def error_intervals(bootstraps, nulls, published):
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
    for row, (name, colour) in enumerate(network_colours(bootstraps).items()):
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
    axis.set_yticks(range(bottom + 1), [*bootstraps, "published"])
    axis.set(
        ylim=(bottom + 0.9, -0.6),
        xlim=(0, 1),
        xlabel="block-diagonal error (bar: 95 % of bootstrap repeats)",
    )
    return figure


def area_similarity(matrices, areas):
    """Draw tables of the mean Gram entry of each pair of areas, one per network, on one scale."""
    columns = min(4, len(matrices))
    rows = -(-len(matrices) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.1 * columns + 0.9, 3.1 * rows), squeeze=False
    )
    for axis in axes.flat[len(matrices) :]:
        axis.set_visible(False)
    for axis, (name, matrix) in zip(axes.flat, matrices.items()):
        picture = axis.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(matrix):
            axis.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if value < 0.6 else "black",
            )
        axis.set_xticks(
            range(len(areas)), areas, rotation=40, ha="right", rotation_mode="anchor", fontsize=7
        )
        axis.set_yticks(range(len(areas)), areas, fontsize=7)
        axis.set_title(name)
    figure.colorbar(picture, ax=axes.ravel().tolist(), shrink=0.6, label="mean cosine similarity")
    return figure


def pca_3d(scores, explained, silhouettes, labels, areas):
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
    areas : sequence of str
    """
    columns = len(scores)
    figure = plt.figure(figsize=(3.1 * columns + 1.2, 5.8), layout="none")
    colours = np.array(style.area_colours(areas))
    for column, (name, points) in enumerate(scores.items()):
        for row, (elevation, azimuth) in enumerate(VIEWS):
            axis = figure.add_subplot(2, columns, row * columns + column + 1, projection="3d")
            axis.scatter(*points.T, c=colours[labels - 1], s=5, depthshade=False, linewidths=0)
            axis.view_init(elevation, azimuth)
            axis.set(xticklabels=[], yticklabels=[], zticklabels=[])
            for number, letter in enumerate("xyz", start=1):
                getattr(axis, f"set_{letter}label")(f"PC {number}", labelpad=-12, fontsize=7)
            if row == 0:
                axis.set_title(
                    f"{name}\n{100 * explained[name]:.0f} % of variance, silhouette {silhouettes[name]:.2f}",
                    fontsize=9,
                )
    figure.subplots_adjust(
        left=0.01,
        right=1 - 1.0 / (3.1 * columns + 1.2),
        top=0.9,
        bottom=0.03,
        wspace=0.05,
        hspace=0.05,
    )
    handles = [
        plt.Line2D([], [], marker="o", linestyle="", color=colour, label=name)
        for name, colour in zip(areas, colours)
    ]
    figure.legend(handles=handles, loc="outside center right")
    return figure
