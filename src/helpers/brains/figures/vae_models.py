"""Panels of paper C, Fig. 1, 2 and S1: the method, the data, the models, their quality, and what
they do to artifacts.
"""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import FancyArrowPatch, Patch, Rectangle

from helpers.book import style

FAMILY_COLOURS = {"β-VAE": "#d1495b", "VAE": "#1f4e79", "PCA": "#7f9f3f"}
GRAY = {"cmap": "gray", "vmin": 0, "vmax": 1}


def region_outlines(axis, atlas, colours, **options):
    """Draw the outline of every region 1…R of a label map."""
    for label, colour in enumerate(colours, start=1):
        axis.contour(
            atlas == label, levels=[0.5], colors=[colour], **{"linewidths": 0.8, **options}
        )


def region_colours(regions):
    """Colours of `helpers.book.style` with cyan in place of gray, which cannot be seen on a gray
    brain.
    """
    return [
        colour if np.ptp(colour) > 0 else to_rgb("#25c3ea")
        for colour in style.area_colours(regions)
    ]


def template_and_atlas(template, atlas, regions, pixel_size_um):
    """Average of the clean images beside the regions of interest (C Fig. 2A)."""
    colours = region_colours(regions)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.1))
    left.imshow(template, **GRAY)
    style.bare(left, "average of the clean images")
    style.scale_bar(left, pixel_size_um, 2000)
    right.imshow(template, **GRAY)
    right.imshow(
        atlas,
        cmap=ListedColormap([(0, 0, 0, 0), *colours]),
        vmin=0,
        vmax=len(regions),
        alpha=0.65,
        interpolation="nearest",
    )
    style.bare(right, "regions of interest")
    handles = [Patch(color=colour, label=name) for name, colour in zip(regions, colours)]
    right.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1)
    return figure


def overview(images, mask, codes, latent, field, generated, convolutions, colour, region):
    """Draw the method from a run's own pictures (C Fig. 1): perturb a region and read the latents;
    move a latent and see the pixels.

    Parameters
    ----------
    images : (3, H, W) array
        One image with the region at three brightnesses.
    mask : (H, W) bool array
    codes : (3, L) array
        Their latents.
    latent : int
        The latent that is moved, 0-based.
    field : (H, W) array
        Variance that it draws at each pixel.
    generated : (3, H, W) array
        Decoded at three values of that latent.
    convolutions : int
        How many the encoder has at this image size (seven in the paper).
    colour, region : str
        Of the region, and its name.
    """
    figure = plt.figure(figsize=(10.5, 5.4))
    grid = figure.add_gridspec(3, 6, width_ratios=[2.5, 1.5, 0.8, 0.8, 1.5, 2.5])
    tint = np.zeros((*field.shape, 4))
    tint[..., :3], tint[..., 3] = (
        (0.65, 0.1, 0.75),
        0.8 * np.clip(field / max(np.percentile(field, 99.5), 1e-12), 0, 1),
    )
    for row in range(3):
        left, right = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 5])
        left.imshow(images[row], **GRAY)
        left.contour(mask, levels=[0.5], colors=[colour], linewidths=1)
        right.imshow(generated[row], **GRAY)
        right.imshow(tint)
        style.bare(left, f"A1  perturb {region}" if row == 0 else "")
        style.bare(right, "B2  observe the pixels" if row == 0 else "")
    moved = np.zeros((codes.shape[1], 3))
    moved[latent] = [-1, 0, 1]
    _code_strip(
        figure.add_subplot(grid[:, 2]),
        codes.T - codes[1][:, None],
        "A2  observe\nthe latents",
        ["x₁", "x₂", "x₃"],
    )
    _code_strip(figure.add_subplot(grid[:, 3]), moved, "B1  perturb\none latent", ["−c", "0", "+c"])
    for column, name in (
        (1, f"encoder\n\n{convolutions} convolutions\n3 fully connected"),
        (4, f"decoder\n\n3 fully connected\n{convolutions} transposed\nconvolutions"),
    ):
        axis = figure.add_subplot(grid[:, column])
        axis.set(xlim=(0, 1), ylim=(0, 1))
        axis.add_patch(Rectangle((0.08, 0.3), 0.84, 0.4, facecolor="#e8eef5", edgecolor="#5b8bd0"))
        axis.text(0.5, 0.5, name, ha="center", va="center", fontsize=8)
        axis.add_patch(
            FancyArrowPatch(
                (0.02, 0.2), (0.98, 0.2), arrowstyle="-|>", mutation_scale=14, color="#555555"
            )
        )
        style.bare(axis)
    return figure


def _code_strip(axis, values, title, columns):
    """Latents (L, 3) as a strip of coloured squares around zero."""
    limit = max(float(np.abs(values).max()), 1e-6)
    axis.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(values)), [f"F{k + 1}" for k in range(len(values))], fontsize=7)
    axis.set_title(title, fontsize=9)


def history_colours(labels):
    """One colour per label: its family tells the model (VAE blue, the first β red, …), dark to
    light with L.
    """
    families = [re.sub(r", L = \d+", "", label) for label in labels]
    weighted = [family for family in dict.fromkeys(families) if family.startswith("β-VAE")]
    maps = {"VAE": "Blues", **dict(zip(weighted, ("Reds", "Greens", "Purples", "Oranges")))}
    colours = {}
    for family in dict.fromkeys(families):
        members = [label for label, own in zip(labels, families) if own == family]
        for shade, label in zip(np.linspace(0.95, 0.45, len(members)), members):
            colours[label] = plt.get_cmap(maps.get(family, "Greys"))(shade)
    return colours


def training_curves(histories, chosen=None):
    """Loss of every model over its training, and the KL divergence of each latent of one of them.

    Parameters
    ----------
    histories : dict of str to pandas.DataFrame
        Label to one row per epoch, labels in the order of L.
    chosen : str, optional
        Whose latents to show; the first by default.
    """
    chosen = chosen or next(iter(histories))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.2))
    colours = history_colours(histories)
    for label in sorted(
        histories, key=lambda label: re.sub(r", L = \d+", "", label)
    ):  # the legend keeps a family together
        history = histories[label]
        left.plot(history["step"], history["validation_error"], color=colours[label], label=label)
        left.plot(
            history["step"], history["error"], color=colours[label], linewidth=0.9, linestyle=":"
        )
    left.set(
        xlabel="updates",
        ylabel="squared error per image",
        title="solid: validation, dotted: training",
    )
    left.legend(fontsize=7, ncols=1 + len(histories) // 9)
    names = sorted(
        (name for name in histories[chosen] if name.startswith("kl_")),
        key=lambda name: int(name[3:]),
    )
    for name in names:
        right.plot(histories[chosen]["step"], histories[chosen][name], label=f"F{name[3:]}")
    right.set(xlabel="updates", ylabel="KL to the prior (nats)", title=f"each latent of {chosen}")
    right.legend(fontsize=7, ncols=2)
    return figure


def gallery(rows, row_labels, column_labels=None, crop=None, outline=None, title_size=9):
    """Images in a grid: ``rows`` is (rows, columns, H, W) or nested lists; NaN images are left
    blank.

    Parameters
    ----------
    outline : nested list of (H, W) bool array or None, optional
        What to outline on the first row, one per column.
    """
    n_rows, n_columns = len(rows), max(len(row) for row in rows)
    height, width = np.shape(rows[0][0])
    tall = min(12.4, 1.9 * n_columns) / n_columns * height / width * n_rows + 0.5
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(min(13, 1.9 * n_columns + 0.6), tall), squeeze=False
    )
    for i, row in enumerate(rows):
        for j in range(n_columns):
            axis = axes[i, j]
            if j < len(row) and row[j] is not None:
                axis.imshow(row[j], **GRAY)
                if (
                    outline is not None
                    and i == 0
                    and outline[j] is not None
                    and outline[j].any()
                    and not outline[j].all()
                ):
                    axis.contour(outline[j], levels=[0.5], colors=["#ffb000"], linewidths=0.7)
            style.bare(axis)
            if i == 0 and column_labels is not None:
                axis.set_title(column_labels[j], fontsize=title_size)
        axes[i, 0].set_ylabel(row_labels[i], fontsize=title_size)
    figure.get_layout_engine().set(
        rect=(0, 0, 1, 1 - 0.2 / figure.get_figheight())
    )  # a line of room above the images
    return figure


def against_latent_dim(scores, measures, chosen=8):
    """Measures of all models against L (C Fig. 2C, 2D).

    Parameters
    ----------
    scores : pandas.DataFrame
        With family, latent_dim, beta and seed.
    measures : dict
        Column -> (title, axis label).
    """
    figure, axes = plt.subplots(1, len(measures), figsize=(3.5 * len(measures), 3.2), squeeze=False)
    for axis, (column, (title, label)) in zip(axes[0], measures.items()):
        for (family, beta), part in scores.groupby(["family", "beta"], dropna=False):
            mean = part.groupby("latent_dim")[column].agg(["mean", "min", "max"])
            name = family if family != "β-VAE" else f"β-VAE, β = {beta:g}"
            line = axis.plot(
                mean.index,
                mean["mean"],
                "o-",
                markersize=4,
                color=FAMILY_COLOURS[family],
                alpha=1 if family != "β-VAE" or beta == 3 else 0.45,
                label=name,
            )[0]
            axis.vlines(mean.index, mean["min"], mean["max"], color=line.get_color())
        axis.axvline(chosen, color="#bbbbbb", linestyle=":", zorder=0)
        ticks = sorted(scores["latent_dim"].unique())
        axis.set_xscale("log", base=2)
        axis.set_xticks(ticks, [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set(title=title, xlabel="latent dimension L", ylabel=label)
    axes[0, -1].legend(fontsize=7)
    return figure


def against_beta(scores, measures, chosen=8):
    """Measures of the trained models at one L against β."""
    part = scores[(scores["latent_dim"] == chosen) & scores["beta"].notna()]
    figure, axes = plt.subplots(1, len(measures), figsize=(3.2 * len(measures), 2.9), squeeze=False)
    for axis, (column, (title, label)) in zip(axes[0], measures.items()):
        mean = part.groupby("beta")[column].agg(["mean", "min", "max"])
        axis.plot(mean.index, mean["mean"], "o-", color="#444444")
        axis.vlines(mean.index, mean["min"], mean["max"], color="#444444")
        axis.set_xticks(mean.index, [f"{beta:g}" for beta in mean.index])
        axis.set(title=title, xlabel=f"β (L = {chosen})", ylabel=label)
        if column == "active":
            axis.set_ylim(0, 1.1 * chosen)
    return figure


def bars_per_artifact(table, measures):
    """Grouped bars per artifact type and model, mean over images with the middle 50 % of images as
    a line.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``kind``, ``family`` and the measured columns.
    measures : dict
        Column -> (title, axis label).
    """
    kinds, families = list(dict.fromkeys(table["kind"])), list(dict.fromkeys(table["family"]))
    figure, axes = plt.subplots(1, len(measures), figsize=(3.6 * len(measures), 3), squeeze=False)
    for axis, (column, (title, label)) in zip(axes[0], measures.items()):
        for number, family in enumerate(families):
            values = [
                table.loc[(table["kind"] == kind) & (table["family"] == family), column].dropna()
                for kind in kinds
            ]
            place = np.arange(len(kinds)) + (number - (len(families) - 1) / 2) * 0.26
            axis.bar(
                place,
                [v.mean() for v in values],
                width=0.24,
                color=FAMILY_COLOURS[family],
                label=family,
            )
            axis.vlines(
                place,
                [v.quantile(0.25) for v in values],
                [v.quantile(0.75) for v in values],
                color="black",
                linewidth=1,
            )
        low = min(table[column].quantile(0.05), table[column].mean())
        if low > 0.5:  # similarities crowd near one
            axis.set_ylim(low - 0.05, 1)
        axis.set_xticks(range(len(kinds)), kinds)
        axis.set(title=title, ylabel=label)
    axes[0, -1].legend(fontsize=7)
    return figure


def receiver_operating_curves(curves):
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


def uncertainty(images, rebuilt, spread, errors):
    """Reconstruction beside its own uncertainty and its actual error, one column per image."""
    figure, axes = plt.subplots(4, len(images), figsize=(2.6 * len(images), 7.2), squeeze=False)
    tops = [1, 1, np.percentile(spread, 99.8), np.percentile(errors, 99.8)]
    labels, maps = (
        ["image", "reconstruction", "posterior spread", "actual error"],
        ["gray", "gray", "magma", "magma"],
    )
    for j, column in enumerate(zip(images, rebuilt, spread, errors)):
        for i, picture in enumerate(column):
            shown = axes[i, j].imshow(picture, cmap=maps[i], vmin=0, vmax=tops[i])
            style.bare(axes[i, j])
            if j == 0:
                axes[i, j].set_ylabel(labels[i])
            if i >= 2 and j == len(images) - 1:
                figure.colorbar(shown, ax=axes[i, :], fraction=0.02)
    return figure
