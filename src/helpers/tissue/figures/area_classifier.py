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
    figure, axes = style.small_multiples(len(matrices), side, side - 0.4)
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
        axis.bar_label(bars, fmt="%.2f", fontsize=6.5, padding=1)
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
