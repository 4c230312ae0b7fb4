"""Panels of paper A, Fig. 1 to 3 (and B Fig. 1): the method, the slices, the classifier."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

from helpers.book import style


def overview(image, centres, labels, patches, features, feature_labels, areas, recall):
    """Draw the method from a run's own pictures (A Fig. 1, B Fig. 1).

    Parameters
    ----------
    image : (H, W) array
        The slice that patches come from.
    centres : (N, 2) int array
        Row and column of each patch.
    labels : (N,) int array
        Area 1…n of each patch.
    patches : (N, 128, 128) array
    features : (M, 64) array
        Activations of the last hidden layer for held-out patches.
    feature_labels : (M,) int array
        Their areas.
    areas : sequence of str
    recall : (n,) array
        Share of each area's held-out patches that the network names rightly.
    """
    colours = style.area_colours(areas)
    figure, grid = plt.subplots(1, 5, figsize=(13, 3.8), width_ratios=[0.55, 0.95, 0.9, 1.2, 1.3])
    slice_axis, patch_axis, network_axis, feature_axis, space_axis = grid
    _slice_with_boxes(slice_axis, image, centres, labels, colours)
    _patch_columns(patch_axis, patches, labels, areas, colours)
    _network(network_axis)
    order = np.argsort(feature_labels, kind="stable")
    shown = features[order]
    feature_axis.imshow(
        shown / max(float(np.percentile(shown, 99)), 1e-9),
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=1,
    )
    feature_axis.set(
        title="3  activations",
        xlabel="64 units of the last hidden layer",
        ylabel="patches, sorted by area",
    )
    feature_axis.set_yticks([])
    centred = features - features.mean(0)
    plane = (
        centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    )  # (N, 2) principal components
    for number, (name, colour) in enumerate(zip(areas, colours), start=1):
        here = plane[feature_labels == number]
        space_axis.scatter(
            *here.T, s=8, color=colour, label=f"{name} {100 * recall[number - 1]:.0f} %"
        )
    space_axis.legend(
        fontsize=7,
        title="area, recall",
        title_fontsize=7,
        markerscale=1.5,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
    )
    space_axis.set(
        title="4  low-dimensional model",
        xlabel="first principal component",
        ylabel="second",
        xticks=[],
        yticks=[],
    )
    return figure


def _slice_with_boxes(axis, image, centres, labels, colours):
    tall = np.rot90(
        style.thumbnail(image, 1200)
    )  # cortex, the slice's right end, on top as in the papers
    step = max(1, -(-max(image.shape) // 1200))
    axis.imshow(tall, cmap="gray", vmin=0, vmax=np.percentile(tall, 99.5), aspect="equal")
    shown = np.concatenate([_spread(labels, number, 2) for number in np.unique(labels)])
    for index in shown:
        row, column = centres[index] / step
        side = 128 / step
        x, y = row - side / 2, tall.shape[0] - 1 - column - side / 2
        axis.add_patch(
            Rectangle(
                (x, y), side, side, fill=False, color=colours[labels[index] - 1], linewidth=1.3
            )
        )
    style.bare(axis, "1  local views")


def _patch_columns(axis, patches, labels, areas, colours):
    rows = -(-len(areas) // 2)
    canvas = np.full((rows * 140, 280), np.nan)
    low, high = np.percentile(patches, [0.5, 99.5])
    for number in range(1, len(areas) + 1):
        row, column = divmod(number - 1, 2)
        chosen = _spread(labels, number, 1)
        if chosen.size:
            canvas[row * 140 : row * 140 + 128, column * 140 : column * 140 + 128] = patches[
                chosen[0]
            ]
            axis.add_patch(
                Rectangle(
                    (column * 140, row * 140),
                    127,
                    127,
                    fill=False,
                    color=colours[number - 1],
                    linewidth=2,
                )
            )
            axis.text(
                column * 140 + 5,
                row * 140 + 20,
                areas[number - 1],
                color="white",
                fontsize=7,
                weight="bold",
                bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.2, "linewidth": 0},
            )
    axis.imshow(canvas, cmap="gray", vmin=low, vmax=high)
    style.bare(axis, "128 × 128 px each")


def _spread(labels, number, count):
    """Return up to ``count`` indices of one area, spread over its patches (which are sorted by
    place).
    """
    chosen = np.flatnonzero(labels == number)
    return (
        chosen[np.unique(np.linspace(0, len(chosen) - 1, count + 2)[1:-1].astype(int))]
        if chosen.size
        else chosen
    )


def _network(axis):
    """Draw the layers of the network as bars whose heights follow the number of units."""
    layers = [
        ("input", 128),
        ("16", 61),
        ("32", 28),
        ("64", 13),
        ("128", 5),
        ("1024", 40),
        ("64", 16),
        ("areas", 6),
    ]
    for x, (name, height) in enumerate(layers):
        axis.add_patch(
            Rectangle(
                (x, -height / 2),
                0.55,
                height,
                facecolor="#9fb8d8" if x < 5 else "#d8b49f",
                edgecolor="#444",
                linewidth=0.6,
            )
        )
        axis.text(x + 0.27, height / 2 + 3, name, ha="center", fontsize=6.5)
    axis.text(2.3, -72, "convolutions\n7×7, 5×5, 3×3, 3×3", ha="center", va="top", fontsize=7)
    axis.text(6.3, -30, "fully\nconnected", ha="center", va="top", fontsize=7)
    axis.set(xlim=(-0.5, 8.2), ylim=(-100, 85))
    style.bare(axis, "2  CNN")


def slices(images, area_maps, names, areas, pixel_size_um):
    """Show every slice of a dataset, its annotation over it, with role and z (``names``)."""
    figure, axes = plt.subplots(len(images), 1, figsize=(9, 2.15 * len(images)), squeeze=False)
    for axis, image, labels, name in zip(axes[:, 0], images, area_maps, names):
        _annotated(axis, image, labels, areas)
        style.bare(axis, name)
        step = max(1, -(-max(image.shape) // 1800))
        style.scale_bar(axis, pixel_size_um * step, 500)
    style.area_legend(axes[0, 0], areas)
    return figure


def _annotated(axis, image, labels, areas, alpha=0.38):
    small = style.thumbnail(image)
    axis.imshow(small, cmap="gray", vmin=0, vmax=np.percentile(small, 99.7))
    if labels is not None:
        axis.imshow(
            style.thumbnail(labels),
            cmap=style.area_colourmap(areas),
            vmin=0,
            vmax=len(areas),
            alpha=alpha,
        )


def annotated_slice_with_patches(
    image, labels, patches, patch_labels, areas, pixel_size_um, columns=5
):
    """Show an annotated slice above example patches of every area (A Fig. 2)."""
    figure = plt.figure(figsize=(9, 3 + 1.1 * len(areas)))
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.4, 1.15 * len(areas)])
    axis = top.subplots()
    _annotated(axis, image, labels, areas)
    style.bare(axis)
    style.scale_bar(axis, pixel_size_um * max(1, -(-max(image.shape) // 1800)), 500)
    style.area_legend(axis, areas)
    axes = bottom.subplots(len(areas), columns, squeeze=False)
    low, high = np.percentile(patches, [0.5, 99.5])
    for number, (name, colour) in enumerate(zip(areas, style.area_colours(areas)), start=1):
        chosen = _spread(patch_labels, number, columns)
        for column, cell in enumerate(axes[number - 1]):
            style.bare(cell)
            if column < chosen.size:
                cell.imshow(patches[chosen[column]], cmap="gray", vmin=low, vmax=high)
        axes[number - 1, 0].set_ylabel(
            name, rotation=0, ha="right", va="center", color=colour, weight="bold"
        )
    style.scale_bar(axes[-1, -1], pixel_size_um, 50)
    return figure


def class_balance(pixels, areas):
    """Show annotated area per class and slice; ``pixels`` is a table (slices × areas) in mm²."""
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    width = 0.8 / len(pixels)
    for index, (name, row) in enumerate(pixels.iterrows()):
        axis.bar(
            np.arange(len(areas)) + (index - (len(pixels) - 1) / 2) * width,
            row,
            width * 0.92,
            color=style.area_colours(areas),
            alpha=1 - 0.6 * index / max(1, len(pixels)),
            label=name,
        )
    axis.set_xticks(range(len(areas)), areas)
    axis.set(
        ylabel="annotated area (mm²)",
        title=f"darkest: {pixels.index[0]}; then {', '.join(pixels.index[1:])}"
        if len(pixels) > 1
        else pixels.index[0],
    )
    return figure


def texture_ratios(ratios):
    """Show a table (areas × measurements) of phantom over real tissue, one cell each, on a
    logarithmic scale.
    """
    figure, axis = plt.subplots(figsize=(8.5, 0.42 * len(ratios) + 1.6))
    with np.errstate(divide="ignore"):  # a measurement that is 0 gets the darkest blue
        shown = np.log2(ratios.to_numpy(float))
    picture = axis.imshow(shown, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="auto")
    axis.set_xticks(range(ratios.shape[1]), ratios.columns, rotation=20, ha="right")
    axis.set_yticks(range(len(ratios)), ratios.index)
    for (row, column), value in np.ndenumerate(ratios.to_numpy(float)):
        if np.isfinite(value):
            axis.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if abs(np.log2(max(value, 1e-9))) > 1 else "black",
            )
    figure.colorbar(picture, ax=axis, label="log₂ of phantom / real", shrink=0.8)
    axis.set_title("texture of the phantom over that of real tissue (1 = alike)")
    return figure


def training_curves(histories):
    """Show loss and patch accuracy per epoch; ``histories`` maps a seed to its table (A §III.2)."""
    figure, (loss_axis, accuracy_axis) = plt.subplots(1, 2, figsize=(9, 2.9))
    for index, (seed, table) in enumerate(histories.items()):
        colour = style.NETWORK_COLOURS[index % len(style.NETWORK_COLOURS)]
        epochs = np.arange(1, len(table) + 1)
        loss_axis.plot(
            epochs,
            table["loss"],
            color=colour,
            linestyle="--",
            label="training" if index == 0 else None,
        )
        loss_axis.plot(
            epochs,
            table["validation_loss"],
            color=colour,
            label="validation" if index == 0 else None,
        )
        accuracy_axis.plot(epochs, table["accuracy"], color=colour, linestyle="--")
        accuracy_axis.plot(epochs, table["validation_accuracy"], color=colour, label=f"seed {seed}")
        best = int(np.argmax(table["validation_accuracy"]))
        accuracy_axis.plot(epochs[best], table["validation_accuracy"].iloc[best], "o", color=colour)
    loss_axis.set(xlabel="epoch", ylabel="cross-entropy")
    loss_axis.legend()
    accuracy_axis.set(
        xlabel="epoch", ylabel="patch accuracy", ylim=(0, 1.02), title="dot: the epoch that is kept"
    )
    accuracy_axis.legend(loc="lower right")
    return figure


def confusion(matrices, titles, areas):
    """Show row-normalised confusion matrices side by side (A Fig. 3, top)."""
    figure, axes = plt.subplots(1, len(matrices), figsize=(4.6 * len(matrices), 4.2), squeeze=False)
    for axis, matrix, title in zip(axes[0], matrices, titles):
        counts = np.asarray(matrix, float)
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(shares):
            axis.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if value > 0.55 else "black",
            )
        axis.set_xticks(range(len(areas)), areas, rotation=35, ha="right")
        axis.set_yticks(range(len(areas)), areas)
        axis.set(xlabel="predicted", ylabel="annotated", title=title)
    figure.colorbar(picture, ax=axes[0].tolist(), shrink=0.75, label="share of the annotated area")
    return figure


def scores_per_area(table):
    """Show precision, recall and F1 per area as bars (A Fig. 3, bottom)."""
    figure, axis = plt.subplots(figsize=(7.5, 2.8))
    for index, (name, colour) in enumerate(
        zip(("precision", "recall", "f1"), ("#4f81bd", "#c0504d", "#9bbb59"))
    ):
        bars = axis.bar(
            np.arange(len(table)) + (index - 1) * 0.27,
            table[name],
            0.25,
            label=name.upper() if name == "f1" else name,
            color=colour,
        )
        axis.bar_label(bars, fmt="%.2f", fontsize=6.5, padding=1)
    axis.set_xticks(range(len(table)), table.index)
    axis.set(ylim=(0, 1.12), ylabel="whole slice")
    axis.legend(ncol=3, loc="upper center", bbox_to_anchor=(0.5, 1.18))
    return figure


def area_map(image, labels, raw, smooth, areas, title, pixel_size_um):
    """Show a slice, the raw and the smoothed map over it, and, where annotated, the annotation and
    where raw differs.
    """
    rows = 3 if labels is None else 5
    figure, axes = plt.subplots(rows, 1, figsize=(9, 2.2 * rows))
    small = style.thumbnail(image)
    axes[0].imshow(small, cmap="gray", vmin=0, vmax=np.percentile(small, 99.7))
    style.bare(axes[0], title)
    style.scale_bar(axes[0], pixel_size_um * max(1, -(-max(image.shape) // 1800)), 500)
    for axis, shown, name in zip(
        axes[1:], (raw, smooth, labels), ("predicted, raw", "predicted, smooth", "annotated")
    ):
        if shown is not None:
            _annotated(axis, image, shown, areas, alpha=0.5)
            style.bare(axis, name)
    style.area_legend(axes[1], areas)
    if labels is not None:
        small, known = style.thumbnail(image), style.thumbnail(labels) > 0
        axes[4].imshow(small, cmap="gray", vmin=0, vmax=np.percentile(small, 99.7))
        wrong = known & (style.thumbnail(raw) != style.thumbnail(labels))
        axes[4].imshow(np.where(wrong, 1.0, np.nan), cmap="autumn", vmin=1, vmax=2, alpha=0.6)
        style.bare(axes[4], "red: raw differs from the annotation")
    return figure


def baselines(scores, reference=None):
    """Show patch accuracies of gray-value baselines beside the network's; ``reference`` marks
    published values.
    """
    figure, axis = plt.subplots(figsize=(7, 2.4))
    names = list(scores)
    bars = axis.barh(
        range(len(names)),
        [scores[name] for name in names],
        color=["#9a9a9a"] * (len(names) - 1) + ["#1f4e79"],
    )
    axis.bar_label(bars, fmt="%.2f", padding=3)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.1), xlabel="patch accuracy on the test slice")
    for name, value in (reference or {}).items():
        axis.axvline(value, color="#b03030", linestyle=":", linewidth=1)
        axis.text(value, -0.6, name, color="#b03030", fontsize=7, ha="center", va="bottom")
    return figure
