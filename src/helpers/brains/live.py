"""Views with sliders for paper C; outside a live session they do nothing."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.book import style
from helpers.book.live import controls, live_only, menu, slider
from helpers.brains.figures.shared import GRAY
from helpers.brains.receptive_field import fill_region
from helpers.brains.vae import BetaVAE


@live_only
def latent_sliders(net: BetaVAE, z0: np.ndarray, limit: float = 4.0) -> None:
    """Show one slider per latent and the image they decode to, from a start in latent space (C Fig.
    3A, live).

    Parameters
    ----------
    net : object with ``decode``
    z0 : (L,) array
        Where the sliders stand first.
    limit : float
        How far each slider goes to either side of its start.
    """

    def draw(**latents: float) -> None:
        _, axis = plt.subplots(figsize=(5, 3.6))
        axis.imshow(net.decode(np.array([[*latents.values()]], np.float32))[0], **GRAY)
        style.bare(axis)

    sliders = (slider(f"F{k}", z, z - limit, z + limit, 0.1) for k, z in enumerate(z0, start=1))
    controls(draw, beside=True, **{each.description: each for each in sliders})


@live_only
def region_brightness(
    net: BetaVAE,
    image: np.ndarray,
    masks: np.ndarray,
    brightness: np.ndarray,
    regions: list[str],
) -> None:
    """Show a region menu and a brightness slider; the input, its latents and its reconstruction
    follow (C Fig. 3C, live).

    Parameters
    ----------
    net : object with ``encode`` and ``decode``
    image : (H, W) array
    masks : (R, H, W) bool array
    brightness : (R,) array
        Usual brightness of each region.
    regions : sequence of str
    """
    usual = net.encode(image[None])[0]
    names = [f"F{k + 1}" for k in range(len(usual))]

    def draw(region: int, weight: float) -> None:
        filled = fill_region(image[None], masks[region], brightness[region], weight)
        z = net.encode(filled)
        _, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 2.8))
        left.imshow(filled[0], **GRAY)
        style.bare(left, "input")
        right.imshow(net.decode(z)[0], **GRAY)
        style.bare(right, "decoded")
        latents = pd.DataFrame({"untouched": usual, "perturbed": z[0]}, names)
        style.grouped_bars(middle, latents, ("#bbbbbb", "#d1495b"), 0.4, 0.4)
        middle.legend(fontsize=7)

    controls(draw, region=menu("region", regions), weight=slider("brightness", 1.0, 0.0, 2.0, 0.05))
