"""Panels of paper C, Fig. 3 and S2 to S4: which pixels a latent draws, which latents a region
moves.
"""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from helpers.book import style
from helpers.brains.figures.vae_models import FAMILY_COLOURS, GRAY, region_outlines


def _latent_grid(count, height, width, columns=4):
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(3.1 * columns, (3.1 * height / width + 0.25) * rows + 0.3),
        squeeze=False,
    )
    for axis in axes.flat:
        style.bare(axis)
    return figure, axes.flat[:count]


def stratified_maps(rgb, atlas, regions, names):
    """One colour picture per latent (C Fig. 3A) with region outlines and the legend of strata."""
    figure, axes = _latent_grid(len(rgb), *rgb.shape[1:3])
    for axis, picture, name in zip(axes, rgb, names):
        axis.imshow(picture)
        region_outlines(axis, atlas, ["#777777"] * len(regions), linewidths=0.4)
        axis.set_title(name, fontsize=9)
    # Ordered by columns of two: single strata above, what their mixtures mean below.
    strata = (
        ("cyan", "0 < c ≤ 3.5"),
        ("lime", "0 < c ≤ 3.5, and far"),
        ("magenta", "−3.5 ≤ c < 0"),
        ("red", "−3.5 ≤ c < 0, and far"),
        ("yellow", "far: |c| > 3.5"),
        ("blue", "both small strata"),
        ("white", "no variance"),
        ("black", "all three"),
    )
    handles = [
        Patch(facecolor=colour, edgecolor="#aaaaaa", label=label) for colour, label in strata
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def variance_maps(variance, names):
    """Variance per pixel of each latent, in units of its own 99.7th percentile, which stands in the
    title.
    """
    figure, axes = _latent_grid(len(variance), *variance.shape[1:])
    for axis, picture, name in zip(axes, variance, names):
        top = max(np.percentile(picture, 99.7), 1e-12)
        shown = axis.imshow(picture / top, cmap="inferno", vmin=0, vmax=1)
        axis.set_title(f"{name}, 1 = {top:.1e}", fontsize=9)
    figure.colorbar(
        shown, ax=figure.axes, label="variance, in units of the title", fraction=0.02, shrink=0.7
    )
    return figure


def traversal_strips(images, weights, names):
    """Decoded images along each latent (C S4): (K, C, H, W), one row per latent."""
    k, c, height, width = images.shape
    figure, axes = plt.subplots(
        k, c, figsize=(2.0 * c, 2.0 * height / width * k + 0.4), squeeze=False
    )
    for i in range(k):
        for j in range(c):
            axes[i, j].imshow(images[i, j], **GRAY)
            style.bare(axes[i, j], f"c = {weights[j]:+.2f}" if i == 0 else "")
        axes[i, 0].set_ylabel(names[i])
    return figure


def png_frames(images, phantom=False):
    """Images (C, H, W) in [0, 1] as PNG files in memory, for `helpers.book.slider.image_slider`.

    Parameters
    ----------
    phantom : bool, optional
        Write *phantom* into the upper right corner; small images are enlarged first, so that the
        word covers little.
    """
    from matplotlib.font_manager import FontProperties, findfont
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(findfont(FontProperties(style="italic")), 13)
    files = [io.BytesIO() for _ in images]
    for image, file in zip(images, files):
        frame = Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))
        if phantom:
            zoom = max(1, 448 // frame.width)
            frame = frame.resize(
                (frame.width * zoom, frame.height * zoom), Image.Resampling.NEAREST
            ).convert("RGB")
            # Lighter than `style.mark_phantom`: this corner is black, the margin of a figure is
            # white.
            ImageDraw.Draw(frame).text(
                (frame.width - 4, 2), "phantom", fill="#e07070", anchor="ra", font=font
            )
        frame.save(file, "PNG")
    return [file.getvalue() for file in files]


def matrix(
    values,
    rows,
    columns,
    title,
    label,
    *,
    cmap="viridis",
    text=True,
    limits=None,
    ax=None,
    digits=2,
    column_width=0.55,
    brackets_below=None,
):
    """A labelled matrix with its numbers (C Fig. 3B and relatives); those under ``brackets_below``
    stand in brackets.
    """
    values = np.asarray(values, float)
    if ax is None:
        _, ax = plt.subplots(figsize=(column_width * len(columns) + 2.4, 0.4 * len(rows) + 1.3))
    low, high = limits or (np.nanmin(values), np.nanmax(values))
    shown = ax.imshow(values, cmap=cmap, vmin=low, vmax=high, aspect="auto")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    if text:
        for i, j in np.ndindex(values.shape):
            if np.isfinite(values[i, j]):
                red, green, blue, _ = shown.cmap(shown.norm(values[i, j]))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                number = f"{values[i, j]:.{digits}f}"
                if brackets_below is not None and values[i, j] < brackets_below:
                    number = f"({number})"
                ax.text(
                    j,
                    i,
                    number,
                    ha="center",
                    va="center",
                    fontsize=6,
                    color="white" if dark else "black",
                )
    ax.figure.colorbar(shown, ax=ax, label=label, fraction=0.05)
    return ax.figure


def impact_and_covariance(shares, covariance, regions, names):
    """Region × latent impact, normalised per region (C Fig. 3B), beside the covariance of the
    latents' profiles (C Fig. 3D).
    """
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.4), width_ratios=[1.15, 1])
    matrix(
        shares,
        regions,
        names,
        "impact of each region, per region",
        "share of the region's KL",
        ax=axes[0],
        limits=(0, float(np.max(shares))),
    )
    limit = float(np.abs(covariance).max())
    matrix(
        covariance,
        names,
        names,
        "covariance of impact over regions",
        "covariance",
        cmap="RdBu_r",
        limits=(-limit, limit),
        ax=axes[1],
        text=False,
    )
    return figure


def masked_inputs(images, regions, weights):
    """One image with each region at each brightness (C S2): (R, W, H, W'), one row per region."""
    r, w, height, width = images.shape
    figure, axes = plt.subplots(
        r, w, figsize=(2.3 * w, 2.3 * height / width * r + 0.4), squeeze=False
    )
    for i in range(r):
        for j in range(w):
            axes[i, j].imshow(images[i, j], **GRAY)
            style.bare(axes[i, j], f"w = {weights[j]:g}" if i == 0 else "")
        axes[i, 0].set_ylabel(regions[i])
    return figure


def _densities(axis, responses, weights, mean, variance, bins=30):
    """Histogram and fitted Gaussian of one latent per weight: (W, N)."""
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(weights)))
    low, high = np.percentile(responses, [0.5, 99.5])
    margin = 0.15 * max(high - low, 1e-3)
    x = np.linspace(low - margin, high + margin, 200)
    for values, colour, m, v, weight in zip(responses, colours, mean, variance, weights):
        axis.hist(
            values,
            bins=np.linspace(x[0], x[-1], bins),
            density=True,
            histtype="stepfilled",
            color=colour,
            alpha=0.25,
        )
        axis.plot(
            x,
            np.exp(-0.5 * (x - m) ** 2 / v) / np.sqrt(2 * np.pi * v),
            color=colour,
            linewidth=1.2,
            label=f"w = {weight:g}",
        )
    axis.set_yticks([])


def activation_grid(responses, weights, mean, variance, regions, names):
    """Distributions of every latent for every region (C S3): (R, W, N, L), one row per latent."""
    r, _, _, k = responses.shape
    figure, axes = plt.subplots(
        k, r, figsize=(1.9 * r + 0.5, 1.15 * k + 0.6), squeeze=False, sharex="row"
    )
    for i in range(k):
        for j in range(r):
            _densities(axes[i, j], responses[j, :, :, i], weights, mean[j, :, i], variance[j, :, i])
            axes[i, j].tick_params(labelsize=6)
            if i == 0:
                axes[i, j].set_title(regions[j])
        axes[i, 0].set_ylabel(names[i])
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(weights),
        fontsize=8,
    )
    return figure


def activation_panels(responses, weights, mean, variance, region, names):
    """Selected latents under one region (C Fig. 3C): responses (W, N, K)."""
    figure, axes = plt.subplots(1, len(names), figsize=(3.4 * len(names), 2.6), squeeze=False)
    for k, axis in enumerate(axes[0]):
        _densities(axis, responses[:, :, k], weights, mean[:, k], variance[:, k])
        axis.set(title=f"{names[k]}, {region}", xlabel="activation")
    axes[0, 0].set_ylabel("density over images")
    axes[0, -1].legend(fontsize=7)
    return figure


def decorrelation(table):
    """Decorrelation score of each model (C Fig. 3E) with its bootstrap interval, every seed, and
    its own null.

    Parameters
    ----------
    table : pandas.DataFrame
        With family, seed, score, low, high (bootstrap 95 %), null_low, null_median, null_high.
    """
    figure, axis = plt.subplots(figsize=(4.6, 3.2))
    families = list(dict.fromkeys(table["family"]))
    for place, family in enumerate(families):
        part = table[table["family"] == family]
        for shift, row in zip(
            np.linspace(-0.18, 0.18, len(part)) if len(part) > 1 else [0.0], part.itertuples()
        ):
            axis.fill_between(
                [place + shift - 0.07, place + shift + 0.07],
                row.null_low,
                row.null_high,
                color="#dddddd",
            )
            axis.plot(
                [place + shift - 0.07, place + shift + 0.07],
                [row.null_median] * 2,
                color="#888888",
                linewidth=1,
            )
            axis.errorbar(
                place + shift,
                row.score,
                [[max(row.score - row.low, 0)], [max(row.high - row.score, 0)]],
                fmt="o",
                capsize=3,
                color=FAMILY_COLOURS[family],
            )
            if family != "PCA" and np.isfinite(
                row.score
            ):  # PCA has no seed; a model with one latent has no score
                below = place + shift, np.nanmin([row.low, row.score, row.null_low])
                axis.annotate(
                    f"{row.seed}",
                    below,
                    (0, -3),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=7,
                )
    axis.margins(y=0.1)  # room for the seeds
    axis.set_xticks(range(len(families)), families)
    axis.set(
        xlabel="small numbers: seeds",
        ylabel="decorrelation score",
        title="gray: shuffled profiles, 95 %",
    )
    return figure


def bright_pixels(bright, weights, names, clean):
    """Pixels above the clean threshold along each latent, beside the share in clean images
    (dashed).
    """
    figure, axis = plt.subplots(figsize=(6.2, 3.2))
    for counts, name, colour in zip(bright, names, plt.get_cmap("tab10").colors * 20):
        axis.plot(weights, counts, label=name, color=colour)
    axis.axhline(clean, color="#999999", linestyle="--", linewidth=1)
    axis.set(
        xlabel="interpolation weight c",
        ylabel="bright pixels per image",
        title="bright pixels (dashed: clean images)",
    )
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(bottom=-0.1)  # a count: no negative decades
    axis.legend(fontsize=7, ncols=2)
    return figure


def region_against_latent(projective, receptive, regions, names):
    """Both directions side by side: what a latent draws and what moves it, each latent's column
    summing to one.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.2))
    for axis, values, title in zip(
        axes,
        (projective, receptive),
        ("what each latent draws (variance)", "what moves each latent (KL)"),
    ):
        matrix(values, regions, names, title, "share of the latent's total", ax=axis, limits=(0, 1))
    return figure
