"""Stages of paper C: what moves latents and what latents draw, under the key of each model."""

from collections.abc import Sequence

import numpy as np

from helpers.book.run import Run
from helpers.brains import projective_field, receptive_field, vae
from helpers.brains.stages.damage import spread
from helpers.brains.stages.starts import prepared_population
from helpers.brains.stages.trained_models import Model

BRIGHT_PERCENTILE = 99.9  # of each pixel over clean images: what is above it is bright (C §3.3)


def bright_threshold(run: Run, *, rows: int = 80) -> np.ndarray:
    """Return the intensity above which each pixel is bright, (H, W): its own 99.9th percentile over
    all clean images.

    One threshold for all pixels would call every bright structure an artifact.
    """

    def compute() -> dict:
        data = prepared_population(run, rows)
        clean = data.images[data.clean_all]
        return {"threshold": np.percentile(clean, BRIGHT_PERCENTILE, axis=0).astype(np.float32)}

    stored = run.stored("bright", {"rows": rows}, compute, inputs=[run.key("population")])
    return stored.value["threshold"]


def projective_fields(
    run: Run, model: Model, *, rows: int = 80, step: float = 0.05, starts: int = 4
) -> dict:
    """Return the stratified variance of every latent and its bright pixels.

    See `helpers.brains.projective_field` and `bright_threshold`.
    """
    threshold = bright_threshold(run, rows=rows)

    def compute() -> dict:
        data = prepared_population(run, rows)
        return projective_field.stratified_variance(
            model.net.decode,
            model.net.encode(data.images[spread(data.reference, starts)]),
            range(model.latent_dim),
            projective_field.interpolation_weights(step=step),
            bright=threshold,
            progress=True,
        )

    parameters = {"rows": rows, "step": step, "starts": starts}
    return run.stored("projective-fields", parameters, compute, inputs=[model.key]).value


def region_responses(
    run: Run,
    model: Model,
    *,
    rows: int = 80,
    images: int = 300,
    weights: Sequence[float] = receptive_field.WEIGHTS,
    keep_texture: bool = False,
) -> np.ndarray:
    """Return the latents of clean images with each region perturbed, (regions, weights, images, L).

    Parameters
    ----------
    images : int
        Clean images at most, of the whole population (832 in the paper).
    keep_texture : bool
        Multiply a region by the weight instead of filling it with one brightness.
    """

    def compute() -> dict:
        data = prepared_population(run, rows)
        masks = receptive_field.region_masks(data.atlas, len(data.regions))
        chosen = data.images[spread(data.clean_all, images)]
        responses = receptive_field.region_responses(
            model.net.encode, chosen, masks, weights, keep_texture=keep_texture
        )
        return {"responses": responses}

    parameters = {
        "rows": rows,
        "images": images,
        "weights": list(weights),
        "keep_texture": keep_texture,
    }
    stored = run.stored("region-responses", parameters, compute, inputs=[model.key])
    return stored.value["responses"]


def population_latents(run: Run, model: Model, *, rows: int = 80) -> np.ndarray:
    """Return the latents of every image of the population, (N, L)."""

    def compute() -> dict:
        return {"latents": model.net.encode(prepared_population(run, rows).images)}

    return run.stored("latents", {"rows": rows}, compute, inputs=[model.key]).value["latents"]


def overview(run: Run, model: Model, region: int, *, rows: int = 80) -> dict:
    """Return this run's own pictures for the overview of the method (C Fig. 1), as
    `helpers.brains.figures.vae_models.overview` takes them.

    One clean image with a region at three brightnesses and its latents; and the latent that draws
    most variance there, moved.
    """
    data = prepared_population(run, rows)
    masks = receptive_field.region_masks(data.atlas, len(data.regions))
    image = data.images[data.reference[:1]]
    brightness = receptive_field.region_brightness(data.images[data.clean_all], masks)[region]
    images = np.concatenate(
        [
            receptive_field.fill_region(image, masks[region], brightness, weight)
            for weight in (0.6, 1.0, 1.4)
        ]
    )
    z0, weights = model.net.encode(image)[0], np.linspace(-2, 2, 9)
    moved = np.stack(
        [
            projective_field.traverse(model.net.decode, z0, k, weights)
            for k in range(model.latent_dim)
        ]
    )  # (L, 9, H, W)
    latent = int(moved.var(1)[:, masks[region]].mean(1).argmax())
    return {
        "images": images,
        "mask": masks[region],
        "codes": model.net.encode(images),
        "latent": latent,
        "convolutions": vae.halvings(image.shape[1:]) + 1,
        "field": moved[latent].var(0),
        "generated": moved[latent][[0, 4, 8]],
    }
