"""Panels of page 08: the method, the data, the models and their quality (C Fig. 1 and 2)."""

import re
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

from helpers.book import style
from helpers.brains import bends
from helpers.brains.figures.shared import FAMILY_COLOURS, GRAY
from helpers.brains.findings.comparisons import MEASURES, curve


def template_and_atlas(
    template: np.ndarray,
    atlas: np.ndarray,
    regions: list[str],
    pixel_size_um: float,
    title: str = "average of the clean images",
) -> plt.Figure:
    """Average (H, W) of images beside the regions of interest, if there are any (C Fig. 2A)."""
    # Gray cannot be seen on a gray brain.
    colours = [c if np.ptp(c) > 0 else to_rgb("#25c3ea") for c in style.area_colours(regions)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.1))
    left.imshow(template, **GRAY)
    style.bare(left, title)
    style.letter(left, "A")
    style.scale_bar(left, pixel_size_um, 2000)
    if not regions:
        right.set_visible(False)
        return figure
    right.imshow(template, **GRAY)
    right.imshow(
        atlas,
        cmap=style.label_colourmap(colours),
        vmin=0,
        vmax=len(regions),
        alpha=0.65,
        interpolation="nearest",
    )
    style.bare(right, "regions of interest")
    style.side_legend(right, style.patches(regions, colours), handlelength=1)
    return figure


# ---------------------------------------------------------------------------- the method


def overview(
    images: np.ndarray,
    mask: np.ndarray,
    codes: np.ndarray,
    latent: int,
    field: np.ndarray,
    generated: np.ndarray,
    convolutions: int,
    region: str,
) -> plt.Figure:
    """Draw the method from a run's own pictures (C Fig. 1): perturb a region and read the latents;
    move a latent and see the pixels.

    Parameters
    ----------
    images : (3, H, W) array
        One image with the region at three brightnesses.
    mask : (H, W) bool array
        The region.
    codes : (3, L) array
        Latents of the three images.
    latent : int
        The latent that is moved, 0-based.
    field : (H, W) array
        Variance that it draws at each pixel.
    generated : (3, H, W) array
        Decoded at three values of that latent.
    convolutions : int
        How many the encoder has at this image size (seven in the paper).
    region : str
        Name of the region.
    """
    columns = ["encoder", "answer", "cause", "decoder"]
    figure, axes = plt.subplot_mosaic(
        [[f"in {row}", *columns, f"out {row}"] for row in range(3)],
        figsize=(10.5, 5.4),
        width_ratios=[2.5, 1.5, 0.8, 0.8, 1.5, 2.5],
    )
    tint = np.full((*field.shape, 4), (0.65, 0.1, 0.75, 0.8))
    tint[..., 3] *= np.clip(field / max(np.percentile(field, 99.5), 1e-12), 0, 1)
    for row in range(3):
        left, right = axes[f"in {row}"], axes[f"out {row}"]
        left.imshow(images[row], **GRAY)
        left.contour(mask, levels=[0.5], colors=[FAMILY_COLOURS["β-VAE"]], linewidths=1)
        right.imshow(generated[row], **GRAY)
        right.imshow(tint)
        style.bare(left, f"A1  perturb {region}" if row == 0 else "")
        style.bare(right, "B2  observe the pixels" if row == 0 else "")
    moved = np.zeros((codes.shape[1], 3))
    moved[latent] = [-1, 0, 1]
    shift, inputs = (codes - codes[1]).T, ["x₁", "x₂", "x₃"]
    _code_strip(axes["answer"], shift, "A2  observe\nthe latents", inputs)
    _code_strip(axes["cause"], moved, "B1  perturb\none latent", ["−c", "0", "+c"])
    for axis, name in (
        (axes["encoder"], f"encoder\n\n{convolutions} convolutions\n3 fully connected"),
        (axes["decoder"], f"decoder\n\n3 fully connected\n{convolutions} transposed\nconvolutions"),
    ):
        axis.add_patch(Rectangle((0.0, 0.28), 1.0, 0.44, facecolor="#e8eef5", edgecolor="#5b8bd0"))
        axis.text(0.5, 0.5, name, ha="center", va="center", fontsize=7)
        axis.add_patch(
            FancyArrowPatch(
                (0.02, 0.2), (0.98, 0.2), arrowstyle="-|>", mutation_scale=14, color="#555555"
            )
        )
        style.bare(axis)
    return figure


def _code_strip(axis: plt.Axes, values: np.ndarray, title: str, columns: list[str]) -> None:
    """Latents (L, 3) as a strip of coloured squares around zero."""
    limit = max(float(np.abs(values).max()), 1e-6)
    scale = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "aspect": "auto"}
    style.matrix(axis, values, [f"F{k + 1}" for k in range(len(values))], columns, **scale)
    axis.tick_params("y", labelsize=7)
    axis.set_title(title, fontsize=9)


# ---------------------------------------------------------------------------- training, quality


def _without_latents(label: str) -> str:
    return re.sub(r", L = \d+", "", label)


def history_colours(labels: list[str]) -> dict[str, tuple]:
    """One colour per label: its family tells the model (VAE blue, the first β red, …), dark to
    light with L.
    """
    families = {}
    for label in labels:
        family = "recipe" if label.startswith("recipe") else _without_latents(label)
        families.setdefault(family, []).append(label)
    weighted = (family for family in families if family.startswith("β-VAE"))
    maps = {"VAE": "Blues", **dict(zip(weighted, ("Reds", "Greens", "Purples", "Oranges", "RdPu")))}
    return {
        label: plt.get_cmap(maps.get(family, "Greys"))(shade)
        for family, members in families.items()
        for label, shade in zip(members, np.linspace(0.95, 0.45, len(members)))
    }


def training_curves(histories: dict[str, pd.DataFrame], chosen: str) -> plt.Figure:
    """How far the loss of every model lies above the linear optimum of its L and β over its
    training, and the KL divergence of each latent of one of them.

    Parameters
    ----------
    histories : dict of str to pandas.DataFrame
        Label to one row per epoch, labels in the order of L.
    chosen : str
        Whose latents to show.
    """
    figure, (left, right) = plt.subplots(2, 1, figsize=(7.3, 6.6))
    colours = history_colours(histories)
    for label in sorted(histories, key=_without_latents):  # the legend keeps a family together
        history = histories[label].set_index("step")
        dot = _dot(history)
        left.plot(100 * history["gap"], marker=dot, label=label, color=colours[label])
        left.plot(
            100 * history["train_gap"], ":", marker=dot, mfc="none", lw=0.9, color=colours[label]
        )
    left.axhline(0, color=FAMILY_COLOURS["linear VAE"], linestyle="--", label="linear optimum")
    left.set(
        xlabel="updates",
        ylabel="loss against the linear optimum (%)",
        title="solid: validation, dotted: training images",
    )
    # Random weights begin a thousand percent above: what matters is near the line.
    left.set_yscale("symlog", linthresh=10)
    style.side_legend(left, left.get_legend_handles_labels()[0], fontsize=7, ncols=2)
    latents = histories[chosen].set_index("step").filter(like="kl_")
    for k in range(1, latents.shape[1] + 1):
        right.plot(latents[f"kl_{k}"], marker=_dot(latents), label=f"F{k}")
    right.set(xlabel="updates", ylabel="KL to the prior (nats)", title=f"each latent of {chosen}")
    style.side_legend(right, fontsize=7, ncols=2)
    return figure


def _dot(history: pd.DataFrame) -> str:
    """Marker of a curve's points: a line through one point cannot be seen."""
    return "o" if len(history) == 1 else ""


def against_latent_dim(
    scores: pd.DataFrame,
    measures: dict[str, tuple[str, str]],
    chosen: int = 8,
    letters: str = "",
) -> plt.Figure:
    """Measures of all models against L (C Fig. 2C, 2D).

    Parameters
    ----------
    scores : pandas.DataFrame
        With family, latent_dim, beta and seed.
    measures : dict
        Column -> (title, axis label).
    chosen : int
        The L that is marked.
    letters : str
        Of the first panels in the paper.

    A row of the mean image is a dotted gray line, the floor; a column ``<measure>_real`` a solid
    one, what real images have, on a logarithmic axis.
    """
    columns = 2 if len(measures) in (2, 4) else 3
    figure, axes = style.small_multiples(len(measures), 7.3 / columns, 3, columns=columns)
    floor = scores[scores["latent_dim"] == 0]  # the mean image has no latents
    scores = scores[scores["latent_dim"] > 0]
    ticks = sorted(scores["latent_dim"].unique())
    # Where the grid is a cross, most β stand at one L only: see `against_beta`.
    reach = scores.groupby(["family", "beta"], dropna=False)["latent_dim"].transform("nunique")
    lines = scores[reach == reach.groupby(scores["family"]).transform("max")]
    lines = list(lines.groupby(["family", "beta"], dropna=False))
    for axis, (column, (title, label)) in zip(axes, measures.items()):
        for (family, beta), part in lines:
            _mean_and_range(
                axis,
                part.set_index("latent_dim")[column],
                FAMILY_COLOURS[family],
                markersize=4,
                linestyle="--" if family == "linear VAE" else "-",
                alpha=0.45 if family != "VAE" and beta == 1 else 1,
                label=family if family in ("VAE", "PCA") else f"{family}, β = {beta:g}",
            )
        axis.axvline(chosen, color="#bbbbbb", linestyle=":", zorder=0)
        real = scores.get(f"{column}_real")
        if real is not None:
            axis.set_yscale("log")
            axis.axhline(real.mean(), color="#777777", label="real images")
        if len(floor) and (real is None or floor[column].iloc[0] > 0):
            axis.axhline(floor[column].iloc[0], color="#777777", linestyle=":", label="mean image")
        axis.set_xscale("log", base=2)
        title = textwrap.fill(title, 60 // columns)
        axis.set(title=title, xlabel="latent dimension L", ylabel=label)
        axis.set_xticks(ticks, _apart(ticks, 0.35 if columns == 3 else 0.2))
        axis.xaxis.minorticks_off()
    for axis, letter in zip(axes, letters):
        style.letter(axis, letter)
    handles = axes[-1].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), fontsize=7)
    return figure


def _apart(ticks: list[float], octaves: float) -> list[str]:
    """Return labels of ticks on a logarithmic axis, "" where one would touch the last before it."""
    labels, last = [], 0.0
    for tick in ticks:
        labels.append("" if last and np.log2(tick / last) < octaves else f"{tick:g}")
        last = tick if labels[-1] else last
    return labels


def bends_and_power_laws(scores: pd.DataFrame, beta: float, chosen: int) -> plt.Figure:
    """The curves that bends are looked for in, where they lie farthest from their chord, and the
    best power law through each (gray, hollow): the control.

    Parameters
    ----------
    scores : pandas.DataFrame
        As of `against_latent_dim`.
    beta, chosen : float, int
        Where the cross of β and L meets.
    """
    networks = scores[scores["family"].isin(["β-VAE", "VAE"])]
    lines = (
        ("latent_dim", bends.LATENTS, {"beta": beta}, f"L (β = {beta:g})", "β-VAE"),
        ("latent_dim", bends.LATENTS, {"beta": 1.0}, "L (β = 1)", "VAE"),
        ("beta", bends.BETAS, {"latent_dim": chosen}, f"β (L = {chosen})", "β-VAE"),
    )
    figure, axes = plt.subplots(2, 3, figsize=(7.3, 4.8))
    for column, (along, (low, high), fixed, label, family) in zip(axes.T, lines):
        for axis, (name, measure) in zip(column, MEASURES.items()):
            x, y = curve(networks, measure, along, **fixed)
            inside = (x >= low) & (x <= high)
            x, y = x[inside], y[inside]
            axis.plot(x, y, "o-", color=FAMILY_COLOURS[family], markersize=4)
            axis.set(xlabel=label, ylabel="CW-SSIM" if name == "cwssim" else "PCA-FD")
            if len(x) >= bends.LEAST:
                law = bends.power_law(x, y)
                axis.plot(x, law, "o-", color="#888888", markerfacecolor="none", markersize=4)
                place = bends.find(x, y, (low, high)).place
                axis.axvline(place, color="#bbbbbb", linestyle=":", zorder=0)
                axis.set_title(f"farthest from its chord\nat {place:g}", fontsize=8)
    return figure


def against_beta(
    scores: pd.DataFrame, measures: dict[str, tuple[str, str]], chosen: int = 8
) -> plt.Figure:
    """Measures at one L against β, of networks and of the linear VAE; the tables of
    `against_latent_dim`.
    """
    part = scores[(scores["latent_dim"] == chosen) & scores["beta"].notna()]
    linear = part["family"] == "linear VAE"
    betas = sorted(part["beta"].unique())
    figure, axes = style.small_multiples(len(measures), 2.4, 2.6, columns=min(3, len(measures)))
    for axis, (column, (title, label)) in zip(axes, measures.items()):
        for rows, name, line in ((~linear, "networks", "-"), (linear, "linear VAE", "--")):
            color = FAMILY_COLOURS.get(name, FAMILY_COLOURS["β-VAE"])
            values = part[rows].set_index("beta")[column]
            _mean_and_range(axis, values, color, linestyle=line, label=name)
        axis.set_xscale("log")
        axis.minorticks_off()
        axis.set(
            title=title,
            xlabel=f"β (L = {chosen})",
            ylabel=label,
            xticks=betas,
            xticklabels=[f"{beta:g}" for beta in betas],
        )
        if column == "active":
            axis.set_ylim(0, 1.1 * chosen)
    axes[0].legend(fontsize=7)
    return figure


def _mean_and_range(axis: plt.Axes, scores: pd.Series, color: str, **options: object) -> None:
    """Draw the mean score at every value of the index, and from the smallest to the largest."""
    found = scores.groupby(level=0).agg(["mean", "min", "max"])
    axis.plot(found["mean"], marker="o", color=color, **options)
    axis.vlines(found.index, found["min"], found["max"], color=color)
