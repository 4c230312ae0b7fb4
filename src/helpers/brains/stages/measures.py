"""Stages of paper C: how good the pictures of a model are, stored under the key of the model."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.brains import cwssim, frechet, quality, vae
from helpers.brains.stages.damage import denoising_table, spread
from helpers.brains.stages.starts import prepared_population
from helpers.brains.stages.trained_models import PCA, Model

COHERENT_IMAGES = 120  # clean test images, at most, whose texture is held against the model's


def model_scores(
    run: Run,
    models: list[Model],
    *,
    rows: int = 80,
    images: int = 48,
    metric_components: int = 48,
) -> pd.DataFrame:
    """Return one row of numbers per model (C Fig. 2C, 2D and beyond).

    Columns: ``family``, ``latent_dim``, ``beta``, ``seed``; ``cwssim`` over clean test images and
    ``cwssim_1`` … per scale, the finest first; ``fd_clean``, ``fd_all``, ``fd_prior``: PCA-FD of
    clean test images against reconstructions of clean images, of all test images, and samples of
    the prior; ``error`` (summed over pixels, clean test images); ``fine_power`` of the
    reconstructions and ``fine_power_real``; ``coherent``, the high-frequency power that is coherent
    with the input, and ``coherent_real``, the input's own; ``active`` latents; of a PCA, where
    artifacts are known, the mean ``transmission_<kind>``.
    """
    known = prepared_population(run, rows).clean is not None
    samples = model_samples(run, models, rows=rows, images=images, components=metric_components)

    def row(model: Model, found: dict) -> dict:
        facts = {name: getattr(model, name) for name in ("family", "latent_dim", "beta", "seed")}
        similarity = found["cwssim"].mean(0)
        facts |= {"cwssim": float(similarity.mean()), "coherent": float(found["coherent"].mean())}
        facts |= {f"cwssim_{k}": float(value) for k, value in enumerate(similarity, start=1)}
        facts |= {name: value for name, value in found.items() if np.ndim(value) == 0}
        if not known or model.family != PCA:
            return facts
        table = denoising_table(run, model, rows=rows)
        passed = table.groupby("kind")["transmission"].mean()
        return facts | {f"transmission_{kind}": value for kind, value in passed.items()}

    return pd.DataFrame([row(model, found) for model, found in zip(models, samples)])


def model_samples(
    run: Run,
    models: list[Model],
    *,
    rows: int = 80,
    images: int = 48,
    components: int = 48,
) -> list[dict]:
    """Return what `model_scores` are means of, image by image, so that differences of models can be
    taken on the same images.

    Per model: ``cwssim`` (images, scales), ``coherent`` (n,), and ``points`` (N, components), the
    scores of its reconstructions of clean test images in the metric's own PCA; beside them the
    numbers that are one per model.
    """
    real = real_points(run, rows=rows, components=components)
    with ThreadPoolExecutor(torch_threads()) as pool:
        one = lambda model: _samples(run, model, rows, images, components, real)
        return list(pool.map(one, models))


def torch_threads() -> int:
    """Return how many threads PyTorch was given here: what other work should keep to as well."""
    import torch

    return torch.get_num_threads()


def real_points(run: Run, *, rows: int = 80, components: int = 48) -> np.ndarray:
    """Return the scores of the clean test images in the PCA of PCA-FD, (N, components)."""
    data = prepared_population(run, rows)
    return _metric(run, rows, components)(data.images[data.reference])


def _samples(
    run: Run, model: Model, rows: int, images: int, components: int, points: np.ndarray
) -> dict:
    def compute() -> dict:
        data = prepared_population(run, rows)
        real = data.images[data.reference]
        codes = model.net.encode(data.images[data.test])
        everything = model.net.decode(codes)
        rebuilt = everything[np.isin(data.test, data.reference)]
        shown, fine = (spread(np.arange(len(real)), n) for n in (images, COHERENT_IMAGES))
        draws = np.random.default_rng(0).standard_normal((len(real), model.latent_dim))
        project = _metric(run, rows, components)
        generated = {"all": everything, "prior": model.net.decode(draws)}
        scores = {"clean": project(rebuilt), **{k: project(x) for k, x in generated.items()}}
        return {
            "cwssim": cwssim.cw_ssim_many(real[shown], rebuilt[shown], per_scale=True),
            "coherent": quality.coherent_power(real[fine], rebuilt[fine], data.template),
            "points": scores["clean"],
            **{f"fd_{name}": frechet.score_distance(points, each) for name, each in scores.items()},
            "error": float(quality.reconstruction_error(real, rebuilt).mean() * real[0].size),
            "fine_power": float(quality.high_frequency_power(rebuilt[fine]).mean()),
            **_real_texture(run, rows),
            "active": len(vae.active_latents(model.net, real)),
        }

    parameters = {"rows": rows, "images": images, "metric_components": components}
    return run.stored("scores", parameters, compute, inputs=[model.key]).value


def _real_texture(run: Run, rows: int) -> dict:
    """Return the fine texture of the clean test images themselves, the same beside every model."""

    def measure() -> dict:
        data = prepared_population(run, rows)
        real = data.images[spread(data.reference, COHERENT_IMAGES)]
        shared = quality.coherent_power(real, real, data.template)
        power = quality.high_frequency_power(real)
        return {"fine_power_real": float(power.mean()), "coherent_real": float(shared.mean())}

    return run.held(("texture", rows), measure)


def _metric(run: Run, rows: int, components: int) -> Callable:
    """Return the projection of PCA-FD, fitted to validation images that no PCA model saw."""

    def fit() -> Callable:
        data = prepared_population(run, rows)
        basis = data.images[data.validation]
        return frechet.pca_metric(basis, min(components, len(basis) - 1))

    return run.held(("PCA-FD", rows, components), fit)
