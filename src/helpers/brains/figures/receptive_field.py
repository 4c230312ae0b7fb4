"""Panels of page 11: which latents a region moves (C Fig. 3B to 3E, S2 and S3)."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.book import style
from helpers.brains.figures.shared import FAMILY_COLOURS, draw_matrix, image_rows


def masked_inputs(images: np.ndarray, regions: list[str], weights: np.ndarray) -> plt.Figure:
    """One image with each region at each brightness (C S2): (R, W, H, W'), one row per region."""
    return image_rows(images, regions, [f"w = {weight:g}" for weight in weights], 2.3)


# ---------------------------------------------------------------------------- distributions


def _densities(
    axis: plt.Axes,
    responses: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> None:
    """Histogram and fitted Gaussian of one latent per weight: responses (W, N)."""
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(weights)))
    low, high = np.percentile(responses, [0.5, 99.5])
    margin = 0.15 * max(high - low, 1e-3)
    edges = np.linspace(low - margin, high + margin, 30)
    x = np.linspace(edges[0], edges[-1], 200)
    fitted = norm.pdf(x, mean[:, None], np.sqrt(variance)[:, None])
    for values, weight, colour, gaussian in zip(responses, weights, colours, fitted):
        axis.hist(values, edges, density=True, histtype="stepfilled", color=colour, alpha=0.25)
        axis.plot(x, gaussian, color=colour, linewidth=1.2, label=f"w = {weight:g}")
    axis.set_yticks([])


def activation_grid(
    responses: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    regions: list[str],
    names: list[str],
) -> plt.Figure:
    """Distributions of every latent for every region (C S3), one row per latent.

    Parameters
    ----------
    responses : (R, W, N, L) array
        Latents of N images with each region at each brightness.
    weights : (W,) sequence of float
    mean, variance : (R, W, L) arrays
        Of the Gaussians fitted over images.
    regions, names : sequence of str
        Of regions and latents.
    """
    figure, axes = plt.subplots(
        len(names),
        len(regions),
        figsize=(1.9 * len(regions) + 0.5, 1.15 * len(names) + 0.6),
        squeeze=False,
        sharex="row",
    )
    for (k, r), axis in np.ndenumerate(axes):
        _densities(axis, responses[r, :, :, k], weights, mean[r, :, k], variance[r, :, k])
        axis.tick_params(labelsize=7)
        axis.locator_params(nbins=3)
    for axis, name in zip(axes[0], regions):
        axis.set_title(textwrap.fill(name, 13), fontsize=8)
    for axis, name in zip(axes[:, 0], names):
        axis.set_ylabel(name)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(weights),
        fontsize=8,
    )
    return figure


def activation_panels(
    responses: np.ndarray,
    weights: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    region: str,
    names: list[str],
) -> plt.Figure:
    """Selected latents under one region (C Fig. 3C): responses (W, N, K), as in
    `activation_grid`.
    """
    figure, axes = style.small_multiples(len(names), 3.4, 2.6)
    for k, axis in enumerate(axes):
        _densities(axis, responses[:, :, k], weights, mean[:, k], variance[:, k])
        axis.set(title=textwrap.fill(f"{names[k]}, {region}", 24), xlabel="activation")
    style.letter(axes[0], "C")
    axes[0].set_ylabel("density over images")
    axes[-1].legend(fontsize=7)
    return figure


# ---------------------------------------------------------------------------- impact


def impact_and_covariance(
    shares: np.ndarray, covariance: np.ndarray, regions: list[str], names: list[str]
) -> plt.Figure:
    """Region × latent impact (R, L), normalised per region (C Fig. 3B), beside the covariance (L,
    L) of the latents' profiles (C Fig. 3D).
    """
    height = 0.3 * (len(regions) + len(names)) + 2
    ratios = [len(regions) + 1.5, len(names) + 1.5]
    figure, (left, right) = plt.subplots(2, 1, figsize=(7.3, height), height_ratios=ratios)
    title, label = "impact of each region, per region", "share of the region's KL"
    draw_matrix(left, shares, regions, names, title, label, limits=(0, shares.max()))
    limit = np.abs(covariance).max()
    scale = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "aspect": "auto"}
    shown = style.matrix(right, covariance, names, names, **scale)
    right.spines[:].set_visible(False)
    right.set_title("covariance of impact over regions")
    figure.colorbar(shown, ax=right, label="covariance", fraction=0.05)
    style.letter(left, "B")
    style.letter(right, "D")
    return figure


def region_against_latent(
    projective: np.ndarray, receptive: np.ndarray, regions: list[str], names: list[str]
) -> plt.Figure:
    """Both directions side by side, (R, L): what a latent draws and what moves it, each latent's
    column summing to one.
    """
    figure, axes = plt.subplots(2, 1, figsize=(7.3, 0.7 * len(regions) + 2))
    titles = "what each latent draws (variance)", "what moves each latent (KL)"
    label = "share of the latent's total"
    for axis, values, title in zip(axes, (projective, receptive), titles):
        draw_matrix(axis, values, regions, names, title, label, limits=(0, 1))
    return figure


def decorrelation(table: pd.DataFrame) -> plt.Figure:
    """Decorrelation score of each model (C Fig. 3E) with its bootstrap interval, every seed, and
    its own null.

    Parameters
    ----------
    table : pandas.DataFrame
        With family, seed, score, low, high (bootstrap 95 %), null_low, null_median, null_high. A
        model with one latent has no score.
    """
    figure, axis = plt.subplots(figsize=(4.6, 3.2))
    families = table["family"].unique()
    for place, family in enumerate(families):
        part = table[table["family"] == family]
        x = place + (np.linspace(-0.18, 0.18, len(part)) if len(part) > 1 else np.zeros(1))
        axis.bar(
            x,
            part["null_high"] - part["null_low"],
            width=0.14,
            bottom=part["null_low"],
            color="#dddddd",
            edgecolor="#dddddd",
        )
        axis.plot([x - 0.07, x + 0.07], [part["null_median"]] * 2, color="#888888", linewidth=1)
        interval = part["score"] - part["low"], part["high"] - part["score"]
        axis.errorbar(
            x,
            part["score"],
            np.clip(interval, 0, None),
            fmt="o",
            capsize=3,
            color=FAMILY_COLOURS[family],
        )
        lowest = part[["low", "score", "null_low"]].min(axis=1)
        for seed, score, *corner in zip(part["seed"], part["score"], x, lowest):
            if family != "PCA" and np.isfinite(score):  # PCA has no seed
                axis.annotate(
                    seed,
                    corner,
                    (0, -3),
                    textcoords="offset points",
                    ha="center",
                    va="top",
                    fontsize=7,
                )
    axis.use_sticky_edges = False  # a bar would take the room that seeds need below it
    axis.margins(y=0.1)
    axis.set(
        xticks=range(len(families)),
        xticklabels=families,
        xlabel="small numbers: seeds",
        ylabel="decorrelation score",
        title="gray: shuffled profiles, 95 %",
    )
    style.letter(axis, "E")
    return figure
