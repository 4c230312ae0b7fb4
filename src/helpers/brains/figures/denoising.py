"""Panels of page 09: what the models do to artifacts (C Fig. 2B and S1)."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style
from helpers.brains.figures.shared import FAMILY_COLOURS


def bars_per_artifact(
    table: pd.DataFrame, measures: dict[str, tuple[str, str]], floor: str = ""
) -> plt.Figure:
    """Grouped bars per artifact type and model, mean over images with the middle 50 % of images as
    a line.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``kind``, ``family`` and the measured columns.
    measures : dict
        Column -> (title, axis label).
    floor : str
        A family that is drawn as a hollow gray marker: the control.
    """
    lowest, table = table[table["family"] == floor], table[table["family"] != floor]
    kinds, families = table["kind"].unique(), table["family"].unique()
    figure, axes = style.small_multiples(len(measures), 3.6, 3)
    for axis, (column, (title, label)) in zip(axes, measures.items()):
        scores = table.groupby(["kind", "family"])[column]
        means, low, high = (
            values.unstack().loc[kinds, families]
            for values in (scores.mean(), scores.quantile(0.25), scores.quantile(0.75))
        )
        bars = style.grouped_bars(axis, means, map(FAMILY_COLOURS.get, families), 0.26, 0.24)
        for family, own in zip(families, bars):
            middles = [bar.get_x() + bar.get_width() / 2 for bar in own]
            axis.vlines(middles, low[family], high[family], color="black", linewidth=1)
        for place, kind in enumerate(kinds if len(lowest) else ()):
            axis.plot(
                place,
                lowest.loc[lowest["kind"] == kind, column].mean(),
                "D",
                color="#777777",
                markerfacecolor="none",
                label=floor if place == 0 else None,
            )
        bottom = min(table[column].quantile(0.05), table[column].mean())
        if bottom > 0.5:  # similarities crowd near one
            axis.set_ylim(bottom - 0.05, 1)
        axis.set(title=title, ylabel=label)
    handles = axes[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), fontsize=7)
    return figure


def receiver_operating_curves(
    curves: dict[str, tuple[np.ndarray, np.ndarray, float]],
) -> plt.Figure:
    """False against true positive rates: ``curves`` maps a label to (false positives, true
    positives, area).
    """
    figure, axis = plt.subplots(figsize=(3.8, 3.4))
    for label, (false, true, area) in curves.items():
        axis.plot(false, true, label=f"{label} ({area:.2f})")
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linestyle=":")
    axis.set(
        xlabel="share of clean images flagged",
        ylabel="share of artifact images flagged",
        title="flagging artifact images (area)",
    )
    axis.legend(fontsize=7, loc="lower right")
    return figure


def uncertainty(
    images: np.ndarray,
    rebuilt: np.ndarray,
    spread: np.ndarray,
    errors: np.ndarray,
) -> plt.Figure:
    """Reconstruction beside its own uncertainty and its actual error, one column per image, (H,
    W).
    """
    figure, axes = plt.subplots(4, len(images), figsize=(2.6 * len(images), 7.2), squeeze=False)
    rows = {
        "image": (images, "gray", 1),
        "reconstruction": (rebuilt, "gray", 1),
        "posterior spread": (spread, "magma", np.percentile(spread, 99.8)),
        "actual error": (errors, "magma", np.percentile(errors, 99.8)),
    }
    for row, (label, (pictures, cmap, top)) in zip(axes, rows.items()):
        for axis, picture in zip(row, pictures):
            shown = axis.imshow(picture, cmap=cmap, vmin=0, vmax=top)
            style.bare(axis)
        row[0].set_ylabel(label)
        if cmap == "magma":
            figure.colorbar(shown, ax=row, fraction=0.02)
    return figure
