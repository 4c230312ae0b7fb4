"""Panels of paper C, Fig. 3 and S2 to S4: which pixels a latent draws, which latents a region moves."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from helpers.figures import style
from helpers.figures.paper_c import FAMILY_COLOURS, GRAY, region_outlines


def _latent_grid(count, height, width, columns=4):
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, (3.1 * height / width + 0.25) * rows + 0.3), squeeze=False)
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
    handles = [Patch(color=(0, 1, 1), label="0 < c ≤ 3.5"), Patch(color=(1, 0, 1), label="−3.5 ≤ c < 0"), Patch(color=(1, 1, 0), label="|c| > 3.5"),
               Patch(color=(0, 0, 1), label="both small strata"), Patch(color=(0, 0, 0), label="all three"), Patch(facecolor="white", edgecolor="#aaaaaa", label="no variance")]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8)
    return figure


def variance_maps(variance, names):
    """Variance per pixel of each latent over all weights, each on its own scale."""
    figure, axes = _latent_grid(len(variance), *variance.shape[1:])
    for axis, picture, name in zip(axes, variance, names):
        axis.imshow(picture, cmap="inferno", vmin=0, vmax=max(np.percentile(picture, 99.7), 1e-12))
        axis.set_title(name, fontsize=9)
    return figure


def traversal_strips(images, weights, names):
    """Decoded images along each latent (C S4): (K, C, H, W), one row per latent."""
    k, c, height, width = images.shape
    figure, axes = plt.subplots(k, c, figsize=(2.0 * c, 2.0 * height / width * k + 0.4), squeeze=False)
    for i in range(k):
        for j in range(c):
            axes[i, j].imshow(images[i, j], **GRAY)
            style.bare(axes[i, j], f"c = {weights[j]:+.2f}" if i == 0 else "")
        axes[i, 0].set_ylabel(names[i])
    return figure


def png_frames(images):
    """Images (C, H, W) in [0, 1] as PNG files in memory, for `helpers.figures.slider.image_slider`."""
    from PIL import Image

    files = [io.BytesIO() for _ in images]
    for image, file in zip(images, files):
        Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)).save(file, "PNG")
    return [file.getvalue() for file in files]


def matrix(values, rows, columns, title, label, *, cmap="viridis", text=True, limits=None, ax=None, digits=2, column_width=0.55):
    """A labelled matrix with its numbers (C Fig. 3B and relatives)."""
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
                ax.text(j, i, f"{values[i, j]:.{digits}f}", ha="center", va="center", fontsize=6, color="white" if dark else "black")
    ax.figure.colorbar(shown, ax=ax, label=label, fraction=0.05)
    return ax.figure


def impact_and_covariance(shares, covariance, regions, names):
    """Region × latent impact, normalised per region (C Fig. 3B), beside the covariance of the latents' profiles (C Fig. 3D)."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.4), width_ratios=[1.15, 1])
    matrix(shares, regions, names, "impact of each region, per region", "share of the region's KL", ax=axes[0], limits=(0, float(np.max(shares))))
    limit = float(np.abs(covariance).max())
    matrix(covariance, names, names, "covariance of impact over regions", "covariance", cmap="RdBu_r", limits=(-limit, limit), ax=axes[1], text=False)
    return figure


def masked_inputs(images, regions, weights):
    """One image with each region at each brightness (C S2): (R, W, H, W'), one row per region."""
    r, w, height, width = images.shape
    figure, axes = plt.subplots(r, w, figsize=(2.3 * w, 2.3 * height / width * r + 0.4), squeeze=False)
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
        axis.hist(values, bins=np.linspace(x[0], x[-1], bins), density=True, histtype="stepfilled", color=colour, alpha=0.25)
        axis.plot(x, np.exp(-0.5 * (x - m) ** 2 / v) / np.sqrt(2 * np.pi * v), color=colour, linewidth=1.2, label=f"w = {weight:g}")
    axis.set_yticks([])


def activation_grid(responses, weights, mean, variance, regions, names):
    """Distributions of every latent for every region (C S3): (R, W, N, L), one row per latent."""
    r, _, _, k = responses.shape
    figure, axes = plt.subplots(k, r, figsize=(1.9 * r + 0.5, 1.15 * k + 0.6), squeeze=False, sharex="row")
    for i in range(k):
        for j in range(r):
            _densities(axes[i, j], responses[j, :, :, i], weights, mean[j, :, i], variance[j, :, i])
            axes[i, j].tick_params(labelsize=6)
            if i == 0:
                axes[i, j].set_title(regions[j])
        axes[i, 0].set_ylabel(names[i])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(weights), fontsize=8)
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
    """Decorrelation score of each model (C Fig. 3E) with its bootstrap interval, every seed, and its own null.

    Parameters
    ----------
    table : pandas.DataFrame
        With family, seed, score, low, high (bootstrap 95 %), null_low, null_median, null_high.
    """
    figure, axis = plt.subplots(figsize=(4.6, 3.2))
    families = list(dict.fromkeys(table["family"]))
    for place, family in enumerate(families):
        part = table[table["family"] == family]
        for shift, row in zip(np.linspace(-0.18, 0.18, len(part)) if len(part) > 1 else [0.0], part.itertuples()):
            axis.fill_between([place + shift - 0.07, place + shift + 0.07], row.null_low, row.null_high, color="#dddddd")
            axis.plot([place + shift - 0.07, place + shift + 0.07], [row.null_median] * 2, color="#888888", linewidth=1)
            axis.errorbar(place + shift, row.score, [[max(row.score - row.low, 0)], [max(row.high - row.score, 0)]], fmt="o", capsize=3, color=FAMILY_COLOURS[family])
    axis.set_xticks(range(len(families)), families)
    axis.set(ylabel="decorrelation score", title="gray: shuffled profiles, 95 %")
    return figure


def bright_pixels(bright, weights, names, clean):
    """Pixels above the clean threshold along each latent, beside the share in clean images (dashed)."""
    figure, axis = plt.subplots(figsize=(6.2, 3.2))
    for counts, name, colour in zip(bright, names, plt.get_cmap("tab10").colors * 20):
        axis.plot(weights, counts, label=name, color=colour)
    axis.axhline(clean, color="#999999", linestyle="--", linewidth=1)
    axis.set(xlabel="interpolation weight c", ylabel="bright pixels per image", title="bright pixels (dashed: clean images)")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(bottom=-0.1)  # a count: no negative decades
    axis.legend(fontsize=7, ncols=2)
    return figure


def region_against_latent(projective, receptive, regions, names):
    """Both directions side by side: what a latent draws and what moves it, each latent's column summing to one."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 3.2))
    for axis, values, title in zip(axes, (projective, receptive), ("what each latent draws (variance)", "what moves each latent (KL)")):
        matrix(values, regions, names, title, "share of the latent's total", ax=axis, limits=(0, 1))
    return figure
