"""Panels of page 02: training and quality of the area classifier (A Fig. 3)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style
from helpers.tissue.figures.views import annotated_slice


def training_curves(histories: dict[int, pd.DataFrame]) -> plt.Figure:
    """Show loss and patch accuracy per epoch; ``histories`` maps a seed to its table (A §III.2)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9))
    for index, (seed, table) in enumerate(histories.items()):
        colour = style.NETWORK_COLOURS[index % len(style.NETWORK_COLOURS)]
        epochs, validation = np.arange(1, len(table) + 1), table["validation_accuracy"].to_numpy()
        left.plot(epochs, table["loss"], "--", color=colour)
        left.plot(epochs, table["validation_loss"], color=colour)
        right.plot(epochs, table["accuracy"], "--", color=colour)
        right.plot(epochs, validation, color=colour, label=f"seed {seed}")
        right.plot(1 + validation.argmax(), validation.max(), "o", color=colour)
        if len(table) == 1:  # a line through one point cannot be seen
            left.plot(1, table["validation_loss"], "o", color=colour)
    left.set(xlabel="epoch", ylabel="cross-entropy")
    left.legend(left.lines[:2], ["training", "validation"])
    right.set(
        xlabel="epoch", ylabel="patch accuracy", ylim=(0, 1.02), title="dot: the epoch that is kept"
    )
    right.legend(loc="lower right")
    return figure


def confusion(matrices: list[pd.DataFrame], titles: list[str], areas: list[str]) -> plt.Figure:
    """Show row-normalised confusion matrices side by side (A Fig. 3, top)."""
    side = max(4.6, 2.2 + 0.4 * len(areas))
    columns = style.columns_beside(areas)
    figure, axes = style.small_multiples(len(matrices), side, side - 0.4, columns=columns)
    for axis, matrix, title in zip(axes, matrices, titles):
        counts = np.asarray(matrix, float)
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        picture = style.matrix(axis, shares, areas, areas, 35, cmap="Blues", vmin=0, vmax=1)
        style.numbers(axis, shares, shares > 0.55)
        axis.set(xlabel="predicted", ylabel="annotated", title=title)
    figure.colorbar(picture, ax=figure.axes, shrink=0.75, label="share of the annotated area")
    return figure


def scores_per_area(table: pd.DataFrame) -> plt.Figure:
    """Show precision, recall and F1 per area as bars (A Fig. 3, bottom)."""
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    scores = table[["precision", "recall", "f1"]].rename(columns={"f1": "F1"})
    for bars in style.grouped_bars(axis, scores, ("#4f81bd", "#c0504d", "#9bbb59"), 0.27, 0.25):
        style.bar_numbers(axis, bars)
    axis.set(ylim=(0, 1.12), ylabel="whole slice")
    axis.legend(ncol=3, loc="upper center", bbox_to_anchor=(0.5, 1.18))
    return figure


def area_map(
    image: np.ndarray,
    labels: np.ndarray | None,
    raw: np.ndarray,
    smooth: np.ndarray,
    areas: list[str],
    title: str,
    pixel_size_um: float,
) -> plt.Figure:
    """Show a slice (H, W), the raw and the smoothed map over it, and, where annotated, the
    annotation and where raw differs.
    """
    figure, axes = style.small_multiples(3 if labels is None else 5, 9, 2.2, columns=1)
    annotated_slice(axes[0], image, None, areas, title, pixel_size_um=pixel_size_um)
    annotated_slice(axes[1], image, raw, areas, "predicted, raw", alpha=0.5)
    annotated_slice(axes[2], image, smooth, areas, "predicted, smooth", alpha=0.5)
    style.side_legend(axes[1], style.patches(areas), handlelength=1)
    if labels is not None:
        annotated_slice(axes[3], image, labels, areas, "annotated", alpha=0.5)
        annotated_slice(axes[4], image, None, areas, "red: raw differs from the annotation")
        wrong = style.thumbnail(np.where((labels > 0) & (raw != labels), 1.0, np.nan))
        axes[4].imshow(wrong, cmap="autumn", vmin=1, vmax=2, alpha=0.6)
    return figure


def baselines(scores: dict[str, float], reference: dict[str, float]) -> plt.Figure:
    """Show patch accuracies of gray-value baselines beside the network's, which is the last one;
    ``reference`` marks published values.
    """
    figure, axis = plt.subplots(figsize=(7, 2.4))
    bars = axis.barh([*scores], [*scores.values()], color="#9a9a9a")
    bars[-1].set_facecolor("#1f4e79")
    axis.bar_label(bars, fmt="%.2f", padding=3)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.1), xlabel="patch accuracy on the test slice")
    for name, value in reference.items():
        axis.axvline(value, color="#b03030", linestyle=":", linewidth=1)
        axis.text(value, -0.6, name, color="#b03030", fontsize=7, ha="center", va="bottom")
    return figure


def permuted_names(shares: np.ndarray) -> plt.Figure:
    """Show how much of the confusion lies between areas that touch, and the same under permuted
    names.

    Parameters
    ----------
    shares : (1 + permutations,) array
        From `evaluation.neighbour_confusion`, in [0, 1]; the first is the confusion as it is.
    """
    figure, axis = plt.subplots(figsize=(7, 2.4))
    axis.hist(shares[1:], np.linspace(0, 1, 41), color="#b5b5b5", label="names permuted (control)")
    limit = np.quantile(shares[1:], 0.95)
    axis.axvline(limit, color="#666666", linestyle="--", linewidth=1, label="their 95 % quantile")
    axis.axvline(2 / 3, color="#b03030", linestyle=":", linewidth=1, label="touching = 2 × apart")
    axis.axvline(shares[0], color="#1f4e79", linewidth=2.5, label="the network")
    axis.set(
        xlim=(0, 1),
        xlabel="confusion of touching pairs / (touching + apart)",
        ylabel="permutations",
    )
    style.side_legend(axis)
    return figure


def ablations(scores: pd.DataFrame) -> plt.Figure:
    """Show accuracies of networks that were trained without one step of their recipe.

    ``scores`` is indexed by what was left out ("" for nothing) and the seed; one panel per measure,
    one dot per network, a line at the mean of the complete recipe.
    """
    measures = [name for name in scores if name != "minutes"]
    steps = scores.index.get_level_values(0)
    names = list(steps.unique())
    height = 0.9 + 0.3 * len(names)
    figure, axes = plt.subplots(
        1, len(measures), figsize=(3.2 * len(measures) + 1.5, height), sharey=True, squeeze=False
    )
    for axis, measure in zip(axes[0], measures):
        axis.axvline(scores.loc[[""], measure].mean(), color="0.7", zorder=0)
        axis.plot(scores[measure], [names.index(step) for step in steps], "o", color="#4f81bd")
        axis.set(xlabel=f"accuracy, {measure}", ylim=(-0.5, len(names) - 0.5))
        axis.locator_params(axis="x", nbins=3)
    axes[0, 0].set_yticks(range(len(names)), [name or "nothing left out" for name in names])
    axes[0, 0].invert_yaxis()
    return figure
