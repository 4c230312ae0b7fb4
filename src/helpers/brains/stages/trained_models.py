"""Stages of paper C: the models that are compared."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import model_files, training
from helpers.book import endings, executors, tasks
from helpers.book.run import Run
from helpers.brains import recipes, vae
from helpers.brains.stages.starts import common_start, linear_optimum, prepared_population
from helpers.data.files import write_json

BETA_VAE, VAE, PCA, LINEAR = "β-VAE", "VAE", "PCA", "linear VAE"
FAMILIES = (BETA_VAE, VAE, PCA)
Point = tuple[int, float, int]  # of the grid: latents, β, seed


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model and what it is.

    Attributes
    ----------
    family : {"β-VAE", "VAE", "PCA", "linear VAE"}
    latent_dim : int
    beta : float
        NaN for PCA.
    seed : int
    key : str
        Changes whenever the model does.
    net : BetaVAE, PCABaseline or LinearVAE
    history : pandas.DataFrame or None
        One row of numbers per epoch.
    """

    family: str
    latent_dim: int
    beta: float
    seed: int
    key: str
    net: object = field(repr=False)
    history: pd.DataFrame | None = field(repr=False, default=None)

    @property
    def label(self) -> str:
        return f"{self.family}, L = {self.latent_dim}" + (
            f", β = {self.beta:g}" if self.family in (BETA_VAE, LINEAR) else ""
        )


class NotTrained(Exception):
    """A model was asked for that this run does not hold yet."""


def trained_vae(
    run: Run,
    latent_dim: int = 8,
    beta: float = 3.0,
    seed: int = 0,
    *,
    rows: int = 80,
    recipe: str = "quick",
    steps: int = 0,
    progress: bool = True,
) -> Model:
    """Return a trained β-VAE, the VAE for β = 1.

    Parameters
    ----------
    rows : int
        See `prepared_population`.
    recipe : str
        A name in :data:`helpers.brains.recipes.RECIPES`, and behind it what differs.
    steps : int
        Updates; 0 for the recipe's own number.
    """
    return _trained_vae(run, (latent_dim, beta, seed), rows, recipe, steps, progress)


def _trained_vae(
    run: Run, point: Point, rows: int, recipe: str, steps: int, progress: bool, train: bool = True
) -> Model:
    """Return a trained model; raise `NotTrained` if ``train`` is false and it is not there yet."""
    latent_dim, beta, seed = point
    chosen = training.choose_recipe(recipes.RECIPES, recipe, steps=steps)

    def make(folder: Path) -> None:
        if not train:
            raise NotTrained
        prepared = prepared_population(run, rows)
        model, result = recipes.train_vae(
            prepared.images[prepared.train],
            prepared.images[prepared.validation],
            chosen,
            common_start(run, chosen, seed, latent_dim, rows=rows, progress=progress),
            latent_dim=latent_dim,
            beta=beta,
            seed=seed,
            place=training.Place(checkpoint=folder / "checkpoint", progress=progress),
        )
        model_files.save(model, folder / "vae.safetensors")
        write_json(folder / "history.json", vars(result))

    def load(folder: Path) -> tuple[vae.BetaVAE, pd.DataFrame]:
        history = json.loads((folder / "history.json").read_text())["history"]
        return vae.load(folder / "vae.safetensors"), pd.DataFrame(history)

    facts = {"latent_dim": latent_dim, "beta": float(beta), "seed": seed, "rows": rows}
    parameters = {**facts, **asdict(chosen)}
    stored = run.artifact("vae", parameters, make, load, inputs=[run.key("population")])
    family = VAE if beta == 1 else BETA_VAE
    return Model(family, latent_dim, float(beta), seed, stored.key, *stored.value)


def pca_baselines(run: Run, latent_dims: Iterable[int], *, rows: int = 80) -> list[Model]:
    """Return PCA models of several sizes, fitted to the same training images."""
    prepared = prepared_population(run, rows)
    largest = min(max(latent_dims), len(prepared.train) - 1)

    def compute() -> dict:
        pca = vae.PCABaseline.fit(prepared.images[prepared.train], largest)
        return {name: getattr(pca, name) for name in ("mean", "components", "scale")}

    parameters = {"latent_dim": largest, "rows": rows}
    stored = run.stored("pca", parameters, compute, inputs=[run.key("population")])
    pca = vae.PCABaseline(**stored.value)
    return [
        Model(PCA, size, float("nan"), 0, f"{stored.key}:{size}", pca.truncated(size))
        for size in latent_dims
        if size <= largest
    ]


def linear_vaes(run: Run, points: Iterable[tuple[int, float]], *, rows: int = 80) -> list[Model]:
    """Return the linear optimum for pairs of L and β, fitted to the same training images."""
    points = list(points)
    key, linear = linear_optimum(run, max(size for size, _ in points), rows=rows)
    return [
        Model(LINEAR, size, float(beta), 0, f"{key}:{size}:{beta:g}", linear.at(size, beta))
        for size, beta in points
    ]


def trained_vaes(
    run: Run,
    points: Sequence[Point],
    *,
    rows: int = 80,
    recipe: str = "quick",
    steps: int = 0,
    workers: int = 0,
) -> list[Model]:
    """Return models for grid points (L, β, seed).

    Those not yet made are trained side by side, one thread each: by processes of this machine, or
    by Dask's workers where `helpers.book.executors` was told of some. One that dies loses nothing
    but what it did since its last checkpoint; the model goes on with another worker.

    Parameters
    ----------
    points : sequence of (int, float, int)
    rows, recipe, steps
        As for `trained_vae`.
    workers : int
        Processes; 0 for as many as PyTorch has threads here. On a GPU points are trained one after
        the other.
    """
    import torch

    settings = (rows, recipe, steps)
    missing = [point for point in points if not _is_trained(run, point, settings)]
    address = os.environ.get(executors.DASK, "")
    workers = min(workers or torch.get_num_threads(), len(missing))
    if missing and address:
        with executors.workers(address) as found:
            _train_side_by_side(found.executor, run, missing, settings)
    elif workers > 1 and not torch.cuda.is_available():
        # Spawned, not forked: a forked child would inherit PyTorch's threads in an unusable state.
        # A worker would wait for ever for a parent that was killed.
        with ProcessPoolExecutor(workers, get_context("spawn"), endings.end_with_parent) as pool:
            _train_side_by_side(pool, run, missing, settings)
    return [_trained_vae(run, point, *settings, progress=True) for point in points]


def _train_side_by_side(
    executor: Executor, run: Run, points: Sequence[Point], settings: tuple[int, str, int]
) -> None:
    """Train models as tasks of an executor, whose workers see the run's folder."""
    address = tasks.run_address(run)
    rows, recipe, steps = settings
    chosen = training.choose_recipe(recipes.RECIPES, recipe, steps=steps)
    # Before the models, that none waits for another's start.
    seeds = {seed for _, _, seed in points}
    starts = [executor.submit(_start_in_worker, address, chosen, seed, rows) for seed in seeds]
    wait(starts)
    futures = [executor.submit(_train_in_worker, address, point, settings) for point in points]
    tasks.wait_for_all([*starts, *futures], "model")


def _start_in_worker(address: tasks.Address, recipe: recipes.Recipe, seed: int, rows: int) -> None:
    common_start(tasks.run_at(address), recipe, seed, rows=rows)


def _train_in_worker(address: tasks.Address, point: Point, settings: tuple[int, str, int]) -> None:
    _trained_vae(tasks.run_at(address), point, *settings, progress=False)


def _is_trained(run: Run, point: Point, settings: tuple[int, str, int]) -> bool:
    try:
        _trained_vae(run, point, *settings, progress=False, train=False)
    except NotTrained:
        return False
    return True


def model_grid(
    run: Run,
    latent_dims: Sequence[int],
    betas: Sequence[float],
    seeds: Sequence[int],
    *,
    pca_dims: Sequence[int] = (),
    chosen: tuple[int, float] = (8, 3.0),
    **settings: Any,
) -> list[Model]:
    """Return every β-VAE and VAE of a cross through the chosen L and β, the PCA models, and linear
    VAEs along the cross.

    All L at the chosen β and at β = 1, all β at the chosen L; further seeds where the two meet.
    The linear VAEs leave out β = 1 at other L, where they draw what they draw at the chosen β.
    ``settings`` are those of `trained_vaes`.
    """
    size, beta = chosen
    lines = (1.0, float(beta))
    cross = {(each, line) for each in latent_dims for line in lines}
    cross = sorted(cross | {(size, float(each)) for each in betas})
    further = [(size, line, seed) for line in sorted({*lines}) for seed in seeds[1:]]
    points = [(*point, seeds[0]) for point in cross]
    pca = pca_baselines(run, sorted({*latent_dims, *pca_dims}), rows=settings.get("rows", 80))
    drawn = [point for point in cross if point[0] == size or point[1] == beta]
    linear = linear_vaes(run, drawn, rows=settings.get("rows", 80))
    return [*trained_vaes(run, points + further, **settings), *pca, *linear]


def three_models(
    run: Run, seed: int = 0, *, latent_dim: int = 8, beta: float = 3.0, **settings: Any
) -> dict[str, Model]:
    """Return the β-VAE, the VAE and the PCA of one size, by family."""
    trained = trained_vaes(run, [(latent_dim, beta, seed), (latent_dim, 1.0, seed)], **settings)
    pca = pca_baselines(run, [latent_dim], rows=settings.get("rows", 80))
    return dict(zip(FAMILIES, [*trained, *pca]))
