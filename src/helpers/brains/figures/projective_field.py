"""Panels of page 10: which pixels a latent draws (C Fig. 3A and S4)."""

import io
from collections.abc import Collection

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from helpers.book import style
from helpers.brains.figures.shared import image_rows

# Ordered by columns of two: single strata above, what their mixtures mean below.
STRATA = {
    "0 < c ≤ 3.5": "cyan",
    "0 < c ≤ 3.5, and far": "lime",
    "−3.5 ≤ c < 0": "magenta",
    "−3.5 ≤ c < 0, and far": "red",
    "far: |c| > 3.5": "yellow",
    "both small strata": "blue",
    "no variance": "white",
    "all three": "black",
}


def _latent_grid(pictures: np.ndarray) -> tuple[plt.Figure, np.ndarray]:
    height = 3.1 * pictures.shape[1] / pictures.shape[2] + 0.25
    return style.small_multiples(len(pictures), 3.1, height, columns=4, margin=(0, 0.3))


def stratified_maps(
    rgb: np.ndarray,
    atlas: np.ndarray,
    regions: list[str],
    names: list[str],
    starred: Collection[int] = (),
) -> plt.Figure:
    """One colour picture per latent, (L, H, W, 3), with region outlines and the legend of strata
    (C Fig. 3A); a star marks, as published, latents that carry artifacts.
    """
    figure, axes = _latent_grid(rgb)
    for k, (axis, picture, name) in enumerate(zip(axes, rgb, names)):
        axis.imshow(picture)
        if k in starred:
            axis.text(
                0.03, 0.95, "★", color="#d1495b", fontsize=15, va="top", transform=axis.transAxes
            )
        for label in range(1, len(regions) + 1):
            axis.contour(atlas == label, levels=[0.5], colors=["#777777"], linewidths=0.4)
        style.bare(axis, name, fontsize=9)
    style.letter(axes[0], "A")
    handles = style.patches(STRATA, STRATA.values(), "#aaaaaa")
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def variance_maps(variance: np.ndarray, names: list[str]) -> plt.Figure:
    """Variance per pixel of each latent, (L, H, W), in units of its own 99.7th percentile, which
    stands in the title.
    """
    figure, axes = _latent_grid(variance)
    for axis, picture, name in zip(axes, variance, names):
        top = max(np.percentile(picture, 99.7), 1e-12)
        shown = axis.imshow(picture / top, cmap="inferno", vmin=0, vmax=1)
        style.bare(axis, f"{name}, 1 = {top:.1e}", fontsize=9)
    figure.colorbar(
        shown, ax=figure.axes, label="variance, in units of the title", fraction=0.02, shrink=0.7
    )
    return figure


def traversal_strips(images: np.ndarray, weights: np.ndarray, names: list[str]) -> plt.Figure:
    """Decoded images along each latent (C S4): (K, C, H, W), one row per latent."""
    return image_rows(images, names, [f"c = {weight:+.2f}" for weight in weights], 2.0)


def png_frames(images: np.ndarray, phantom: bool = False) -> list[bytes]:
    """Images (C, H, W) in [0, 1] as PNG files in memory, for `helpers.book.slider.image_slider`.

    Parameters
    ----------
    images : (C, H, W) array
    phantom : bool, optional
        Write *phantom* into the upper right corner; small images are enlarged first, so that the
        word covers little.
    """
    font = ImageFont.truetype(findfont(FontProperties(style="italic")), 13)
    pngs = []
    for pixels in np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8):
        file, frame = io.BytesIO(), Image.fromarray(pixels)
        if phantom:
            zoom = max(1, 448 // frame.width)
            size = frame.width * zoom, frame.height * zoom
            frame = frame.resize(size, Image.Resampling.NEAREST).convert("RGB")
            # Lighter than `style.mark_phantom`: this corner is black, a figure's margin is white.
            ImageDraw.Draw(frame).text(
                (frame.width - 4, 2), "phantom", fill="#e07070", anchor="ra", font=font
            )
        frame.save(file, "PNG")
        pngs.append(file.getvalue())
    return pngs


def bright_pixels(
    bright: np.ndarray,
    weights: np.ndarray,
    names: list[str],
    clean: float,
    artifact: Collection[int] = (),
) -> plt.Figure:
    """Bright pixels along each latent, (K, C), beside their number in clean images (dashed).

    ``artifact``: rows of latents that carry artifacts, drawn in colour; the others, the control,
    are gray.
    """
    figure, axis = plt.subplots(figsize=(6.2, 3.2))
    colours = iter(("#d1495b", "#1f4e79", "#7f9f3f", "#8a4fb5", "#c98a00") * len(names))
    for k, (counts, name) in enumerate(zip(bright, names)):
        own = {"color": next(colours), "zorder": 3} if k in artifact else {"color": "#bbbbbb"}
        axis.plot(weights, counts, label=f"★ {name}" if k in artifact else name, **own)
    axis.axhline(clean, color="#999999", linestyle="--", linewidth=1)
    axis.set_yscale("symlog", linthresh=1)
    axis.set(
        xlabel="interpolation weight c",
        ylabel="bright pixels per image",
        ylim=(-0.1, None),  # a count: no negative decades
        title="bright pixels (dashed: clean images)",
    )
    axis.legend(fontsize=7, ncols=2)
    return figure
