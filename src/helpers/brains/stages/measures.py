"""Stages of paper C: what is measured on trained models, stored under the key of its model."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.brains import cwssim, frechet, projective_field, quality, receptive_field, vae
from helpers.brains.preparation import Prepared
from helpers.brains.stages.trained_models import LINEAR, Model, prepared_population
from helpers.data.phantoms import population as phantom

BRIGHT_PERCENTILE = 99.9  # of clean images: pixels above it are bright artifacts (C §3.3)


def spread(indices: np.ndarray, count: int) -> np.ndarray:
    """Return at most ``count`` of the indices, evenly spaced: the same images for every model."""
    if len(indices) <= count:
        return indices
    return indices[np.linspace(0, len(indices) - 1, count).astype(int)]


def injected_artifacts(prepared: Prepared, per_type: int = 20, seed: int = 0) -> dict:
    """Put each artifact type into clean test images, so that the truth is known on any data.

    Returns
    -------
    dict
        type -> (clean, corrupted, masks), each (n, H, W); the same clean images for every type.
    """
    clean = prepared.images[spread(prepared.reference, per_type)]
    made = {
        kind: [phantom.inject(image, kind, (seed, number, i)) for i, image in enumerate(clean)]
        for number, kind in enumerate(phantom.ARTIFACTS)
    }
    return {
        kind: (clean, *(np.stack(stack) for stack in zip(*pairs))) for kind, pairs in made.items()
    }


def denoising_table(
    run: Run, model: Model, *, rows: int = 80, per_type: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Return, per artifact type and image, what a model lets through and what it keeps.

    Columns: ``kind``, ``transmission``, ``cwssim`` and ``error`` of x̂(x + a) to x, and
    ``error_inside`` and ``error_outside`` the artifact's mask (mean squares).
    """

    def compute() -> dict:
        tables = []
        injected = injected_artifacts(prepared_population(run, rows), per_type, seed)
        for kind, (clean, corrupted, masks) in injected.items():
            rebuilt, rebuilt_clean = (
                vae.reconstruct(model.net, stack) for stack in (corrupted, clean)
            )
            squares = (rebuilt - clean) ** 2
            columns = {
                "kind": kind,
                "transmission": quality.transmission(clean, corrupted, rebuilt_clean, rebuilt),
                "cwssim": cwssim.cw_ssim_many(clean, rebuilt),
                "error": squares.mean((1, 2)),
                "error_inside": _mean_where(squares, masks),
                "error_outside": _mean_where(squares, ~masks),
            }
            tables.append(pd.DataFrame(columns))
        return {"all": pd.concat(tables)}

    parameters = {"rows": rows, "per_type": per_type, "seed": seed}
    return run.stored("denoising", parameters, compute, inputs=[model.key]).value["all"]


def _mean_where(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    counts = masks.sum((1, 2))
    return np.divide(
        (values * masks).sum((1, 2)), counts, out=np.full(len(values), np.nan), where=counts > 0
    )


def model_scores(
    run: Run,
    models: list[Model],
    *,
    rows: int = 80,
    images: int = 48,
    metric_components: int = 48,
    per_type: int = 20,
) -> pd.DataFrame:
    """Return one row of numbers per model (C Fig. 2C, 2D and beyond).

    Columns: ``family``, ``latent_dim``, ``beta``, ``seed``; ``cwssim`` and its ``cwssim_sd`` over
    clean test images; ``fd_clean``, ``fd_all``, ``fd_prior``: PCA-FD of clean test images against
    reconstructions of clean images, of all test images, and samples of the prior; ``error`` (summed
    over pixels, clean test images); ``fine_power`` of the reconstructions and ``fine_power_real``;
    ``active`` latents; mean transmission per artifact type (where artifacts are known, and not of
    linear VAEs, which pass what PCA passes).
    """
    known = prepared_population(run, rows).clean is not None

    def row(model: Model) -> dict:
        facts = {name: getattr(model, name) for name in ("family", "latent_dim", "beta", "seed")}
        scores = _scores(run, model, rows, images, metric_components)
        if not known or model.family == LINEAR:
            return facts | scores
        table = denoising_table(run, model, rows=rows, per_type=per_type)
        passed = table.groupby("kind")["transmission"].mean()
        return facts | scores | {f"transmission_{kind}": passed[kind] for kind in phantom.ARTIFACTS}

    with ThreadPoolExecutor(torch_threads()) as pool:
        return pd.DataFrame(pool.map(row, models))


def torch_threads() -> int:
    """Return how many threads PyTorch was given here: what other work should keep to as well."""
    import torch

    return torch.get_num_threads()


def _scores(run: Run, model: Model, rows: int, images: int, metric_components: int) -> dict:
    def compute() -> dict:
        data = prepared_population(run, rows)
        real = data.images[data.reference]
        rebuilt = vae.reconstruct(model.net, real)
        shown = spread(np.arange(len(real)), images)
        similarity = cwssim.cw_ssim_many(real[shown], rebuilt[shown])
        draws = np.random.default_rng(0).standard_normal((len(real), model.latent_dim))
        generated = {
            "clean": rebuilt,
            "all": vae.reconstruct(model.net, data.images[data.test]),
            "prior": model.net.decode(draws),
        }
        project = _metric(run, rows, metric_components)
        scores = project(real)
        return {
            "cwssim": similarity.mean(),
            "cwssim_sd": similarity.std(ddof=1),
            **{
                f"fd_{name}": frechet.score_distance(scores, project(stack))
                for name, stack in generated.items()
            },
            "error": float(quality.reconstruction_error(real, rebuilt).mean() * real[0].size),
            "fine_power": quality.high_frequency_power(rebuilt).mean(),
            "fine_power_real": quality.high_frequency_power(real).mean(),
            "active": len(vae.active_latents(model.net, real)),
        }

    parameters = {"rows": rows, "images": images, "metric_components": metric_components}
    return run.stored("scores", parameters, compute, inputs=[model.key]).value


def _metric(run: Run, rows: int, components: int) -> Callable:
    """Return the projection of PCA-FD, fitted to validation images that no PCA model saw."""

    def fit() -> Callable:
        data = prepared_population(run, rows)
        basis = data.images[data.validation]
        return frechet.pca_metric(basis, min(components, len(basis) - 1))

    return run.held(("PCA-FD", rows, components), fit)


def projective_fields(
    run: Run, model: Model, *, rows: int = 80, step: float = 0.05, starts: int = 4
) -> dict:
    """Return the stratified variance of every latent and its bright pixels.

    See `helpers.brains.projective_field`. Adds ``threshold``: the intensity above which a pixel
    counts as bright, from all clean images.
    """

    def compute() -> dict:
        data = prepared_population(run, rows)
        threshold = float(np.percentile(data.images[data.clean_all], BRIGHT_PERCENTILE))
        found = projective_field.stratified_variance(
            model.net.decode,
            model.net.encode(data.images[spread(data.reference, starts)]),
            range(model.latent_dim),
            projective_field.interpolation_weights(step=step),
            bright=threshold,
            progress=True,
        )
        return {**found, "threshold": threshold}

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
