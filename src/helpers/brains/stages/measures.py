"""Stages of paper C: what is measured on trained models. Each result is stored under the key of its
model.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.brains import cwssim, frechet, projective_field, quality, receptive_field, vae
from helpers.brains.stages.trained_models import Model, Prepared, prepared_population
from helpers.data import intensity
from helpers.data.files import write_json
from helpers.data.phantoms import brain_artifacts
from helpers.data.phantoms import population as phantom

BRIGHT_PERCENTILE = 99.9  # of clean images: pixels above it are bright artifacts (C §3.3)


def spread(indices: np.ndarray, count: int) -> np.ndarray:
    """Return at most ``count`` of the indices, evenly spaced, so that every model is measured on
    the same images.
    """
    return (
        indices
        if len(indices) <= count
        else indices[np.linspace(0, len(indices) - 1, count).astype(int)]
    )


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

    def make(folder: Path) -> None:
        tables = []
        for kind, (clean, corrupted, masks) in injected_artifacts(
            prepared_population(run, rows), per_type, seed
        ).items():
            rebuilt, rebuilt_clean = (
                vae.reconstruct(model.net, stack) for stack in (corrupted, clean)
            )
            squares = (rebuilt - clean) ** 2
            tables.append(
                pd.DataFrame(
                    {
                        "kind": kind,
                        "transmission": quality.transmission(
                            clean, corrupted, rebuilt_clean, rebuilt
                        ),
                        "cwssim": cwssim.cw_ssim_many(clean, rebuilt),
                        "error": squares.mean((1, 2)),
                        "error_inside": _mean_where(squares, masks),
                        "error_outside": _mean_where(squares, ~masks),
                    }
                )
            )
        pd.concat(tables).to_csv(folder / "denoising.csv", index=False)

    return run.artifact(
        "denoising",
        {"rows": rows, "per_type": per_type, "seed": seed},
        make,
        lambda folder: pd.read_csv(folder / "denoising.csv"),
        inputs=[model.key],
        methods=[quality, vae, brain_artifacts, intensity],
    ).value


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
    ``active`` latents; mean transmission per artifact type (where artifacts are known).
    """
    data = prepared_population(run, rows)
    basis = data.images[data.validation]
    metric = lru_cache(
        lambda: frechet.pca_metric(basis, min(metric_components, len(basis) - 1))
    )  # fitted once, and only if something is missing
    with ThreadPoolExecutor(torch_threads()) as pool:
        return pd.DataFrame(
            pool.map(
                lambda model: _score(run, model, metric, rows, images, metric_components, per_type),
                models,
            )
        )


def torch_threads() -> int:
    """Return how many threads PyTorch was given here: what other work should keep to as well."""
    import torch

    return torch.get_num_threads()


def _score(
    run: Run, model: Model, metric, rows: int, images: int, metric_components: int, per_type: int
) -> dict:
    def make(folder: Path) -> None:
        data = prepared_population(run, rows)
        real = data.images[data.reference]
        rebuilt = vae.reconstruct(model.net, real)
        shown = spread(np.arange(len(real)), images)
        similarity = cwssim.cw_ssim_many(real[shown], rebuilt[shown])
        prior = model.net.decode(
            np.random.default_rng(0).standard_normal((len(real), model.latent_dim))
        )
        generated = {
            "clean": rebuilt,
            "all": vae.reconstruct(model.net, data.images[data.test]),
            "prior": prior,
        }
        project = metric()
        write_json(
            folder / "scores.json",
            {
                "cwssim": similarity.mean(),
                "cwssim_sd": similarity.std(ddof=1),
                **{
                    f"fd_{name}": frechet.score_distance(project(real), project(stack))
                    for name, stack in generated.items()
                },
                "error": float(quality.reconstruction_error(real, rebuilt).mean() * real[0].size),
                "fine_power": quality.high_frequency_power(rebuilt).mean(),
                "fine_power_real": quality.high_frequency_power(real).mean(),
                "active": len(vae.active_latents(model.net, real)),
            },
        )

    parameters = {"rows": rows, "images": images, "metric_components": metric_components}
    row = {
        "family": model.family,
        "latent_dim": model.latent_dim,
        "beta": model.beta,
        "seed": model.seed,
    }
    row.update(
        run.artifact(
            "scores",
            parameters,
            make,
            lambda folder: json.loads((folder / "scores.json").read_text()),
            inputs=[model.key],
            methods=[quality, vae, intensity],
        ).value
    )
    if prepared_population(run, rows).clean is not None:
        passed = (
            denoising_table(run, model, rows=rows, per_type=per_type)
            .groupby("kind")["transmission"]
            .mean()
        )
        row.update({f"transmission_{kind}": passed[kind] for kind in phantom.ARTIFACTS})
    return row


def projective_fields(
    run: Run, model: Model, *, rows: int = 80, step: float = 0.05, starts: int = 4
) -> dict:
    """Return the stratified variance of every latent and its bright pixels; see
    `helpers.brains.projective_field`.

    Adds ``threshold``: the intensity above which a pixel counts as bright, from all clean images.
    """

    def make(folder: Path) -> None:
        data = prepared_population(run, rows)
        threshold = float(np.percentile(data.images[data.clean_all], BRIGHT_PERCENTILE))
        z0 = model.net.encode(data.images[spread(data.reference, starts)])
        found = projective_field.stratified_variance(
            model.net.decode,
            z0,
            range(model.latent_dim),
            projective_field.interpolation_weights(step=step),
            bright=threshold,
            progress=True,
        )
        for name, array in {**found, "threshold": threshold}.items():
            np.save(folder / f"{name}.npy", array)

    def load(folder: Path) -> dict:
        return {
            name: np.load(folder / f"{name}.npy", allow_pickle=False)
            for name in ("variance", "bright", "weights", "threshold")
        }

    return run.artifact(
        "projective-fields",
        {"rows": rows, "step": step, "starts": starts},
        make,
        load,
        inputs=[model.key],
        methods=[projective_field, vae, intensity],
    ).value


def region_responses(
    run: Run,
    model: Model,
    *,
    rows: int = 80,
    images: int = 300,
    weights=receptive_field.WEIGHTS,
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

    def make(folder: Path) -> None:
        data = prepared_population(run, rows)
        chosen = data.images[spread(data.clean_all, images)]
        masks = receptive_field.region_masks(data.atlas, len(data.regions))
        perturb = (
            (
                lambda stack, region, weight: receptive_field.scale_region(
                    stack, masks[region], weight
                )
            )
            if keep_texture
            else None
        )
        np.save(
            folder / "responses.npy",
            receptive_field.region_responses(
                model.net.encode, chosen, masks, weights, perturb=perturb
            ),
        )

    parameters = {
        "rows": rows,
        "images": images,
        "weights": list(weights),
        "keep_texture": keep_texture,
    }
    return run.artifact(
        "region-responses",
        parameters,
        make,
        lambda folder: np.load(folder / "responses.npy", allow_pickle=False),
        inputs=[model.key],
        methods=[receptive_field, vae, intensity],
    ).value


def population_latents(run: Run, model: Model, *, rows: int = 80) -> np.ndarray:
    """Return the latents of every image of the population, (N, L)."""

    def make(folder: Path) -> None:
        np.save(folder / "latents.npy", model.net.encode(prepared_population(run, rows).images))

    return run.artifact(
        "latents",
        {"rows": rows},
        make,
        lambda folder: np.load(folder / "latents.npy", allow_pickle=False),
        inputs=[model.key],
        methods=[vae, intensity],
    ).value


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
