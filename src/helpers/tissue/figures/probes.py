"""Panels of page 03: probes on frozen features, noise, learning curves (A Fig. 4)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style

PROBE_COLOURS = {"SVM-linear": "#4f81bd", "SVM-RBF": "#c0504d", "LR": "#9bbb59", "GMM": "#8064a2"}


def probe_scores(table: pd.DataFrame, end_to_end: float, chance: float) -> plt.Figure:
    """Draw accuracies of probes and the V-measure of a mixture per network (A Fig. 4, top); the
    untrained one, which is the control, is hatched.

    Parameters
    ----------
    table : DataFrame
        Columns network, probe, score, one row per repeat.
    end_to_end : float
        Accuracy of the trained CNN's own output on the same patches.
    chance : float
        Accuracy of guessing.
    """
    networks, probes = table["network"].unique(), table["probe"].unique()
    figure, axis = plt.subplots(figsize=(2.2 + 1.6 * len(networks), 3.2))
    scores = table.groupby(["network", "probe"])["score"]
    means, errors = (
        values.unstack().loc[networks, probes].rename(columns={"GMM": "GMM (V-measure)"})
        for values in (scores.mean(), scores.std().fillna(0))
    )
    colours, width = map(PROBE_COLOURS.get, probes), 0.8 / len(probes)
    for bars in style.grouped_bars(axis, means, colours, width, width * 0.92, errors):
        style.bar_numbers(axis, bars)
        for network, bar in zip(networks, bars):
            if network == "untrained CNN":
                bar.set(hatch="////", edgecolor="white", linewidth=0)
    axis.axhline(
        end_to_end, color="#1f4e79", linestyle="--", linewidth=1, label="trained CNN, end to end"
    )
    axis.set(ylim=(0, 1.08), ylabel="accuracy, or V-measure")
    _guessing_and_legend(axis, chance)
    return figure


def noise_curves(
    table: pd.DataFrame, examples: dict[float, list[np.ndarray]], chance: float
) -> plt.Figure:
    """Draw accuracy of logistic regression against noise, above it patches with that noise (A Fig.
    4, bottom).

    Parameters
    ----------
    table : DataFrame
        Columns network, variance, score (accuracy), one row per repeat.
    examples : dict
        Each variance of the table to a list of (128, 128) patches in [0, 1].
    chance : float
        Accuracy of guessing.
    """
    variances = sorted(examples)
    rows = len(examples[variances[0]])
    figure = plt.figure(figsize=(8.5, 3.1 + 0.95 * rows))
    top, bottom = figure.subfigures(2, 1, height_ratios=[0.95 * rows + 0.25, 3.1])
    top.suptitle("variance of the noise", fontsize=9)
    cells = top.subplots(rows, len(variances), squeeze=False)
    for (row, column), cell in np.ndenumerate(cells):
        variance = variances[column]
        cell.imshow(examples[variance][row], cmap="gray", vmin=0, vmax=1)
        style.bare(cell, f"{variance:g}" if row == 0 else "")
    axis = bottom.subplots()
    _curves(axis, table, "variance", "score", "o-", markersize=4)
    axis.set_xticks(
        variances, [f"{each:g}" for each in variances], rotation=45, ha="right", fontsize=7
    )
    axis.set(
        xlabel="variance of the added noise (raw gray values in [0, 1])",
        ylabel="accuracy of LR",
        ylim=(0, 1.02),
    )
    _guessing_and_legend(axis, chance)
    return figure


def learning_curves(table: pd.DataFrame, end_to_end: pd.DataFrame, chance: float) -> plt.Figure:
    """Draw patch accuracy against training patches per area.

    Parameters
    ----------
    table : DataFrame
        Columns network, per_area, accuracy, one row per repeat: probes on fixed features.
    end_to_end : DataFrame
        Columns per_area, accuracy: CNNs trained from scratch on so many patches.
    chance : float
        Accuracy of guessing.
    """
    figure, axis = plt.subplots(figsize=(6.5, 3.2))
    _curves(axis, table, "per_area", "accuracy", "o--", markersize=3, prefix="LR on features: ")
    whole = end_to_end.groupby("per_area")["accuracy"].mean()
    axis.plot(whole, "s-", color="#1f4e79", label="CNN trained on so many", markersize=5)
    ticks = sorted({*whole.index, *table["per_area"]})
    axis.set(
        xlabel="training patches per area",
        ylabel="accuracy on test patches",
        ylim=(0, 1.02),
        xscale="log",
        xticks=ticks,
        xticklabels=ticks,
    )
    axis.minorticks_off()
    _guessing_and_legend(axis, chance)
    return figure


def _curves(
    axis: plt.Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    line: str,
    *,
    markersize: int,
    prefix: str = "",
) -> None:
    """Draw the mean over repeats of column y against column x of every network, and one standard
    deviation around it.
    """
    for name, colour in style.network_colours(table["network"]).items():
        scores = table[table["network"] == name].groupby(x)[y]
        mean, deviation = scores.mean(), scores.std().fillna(0)
        axis.plot(mean, line, color=colour, label=prefix + name, markersize=markersize)
        axis.fill_between(
            mean.index, mean - deviation, mean + deviation, color=colour, alpha=0.2, linewidth=0
        )


def _guessing_and_legend(axis: plt.Axes, chance: float) -> None:
    axis.axhline(chance, color="#999999", linestyle=":", linewidth=1, label="guessing")
    style.side_legend(axis)
