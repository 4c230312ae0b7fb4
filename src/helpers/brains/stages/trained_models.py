"""Stages of paper C: prepared images, trained models, and what is measured on them."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.brains import recipes, vae
from helpers.data import intensity
from helpers.data.files import write_json
from helpers.data.phantoms.brain_artifacts import tissue

SHARES = {"train": 0.7, "validation": 0.15}  # the rest is the test set
SPLIT_SEED = 0  # one split for every model, so that all are compared on the same images
BETA_VAE, VAE, PCA = "β-VAE", "VAE", "PCA"
FAMILIES = (BETA_VAE, VAE, PCA)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A population as the models see it.

    Attributes
    ----------
    images : (N, H, W) float32 array in [0, 1]
        At one mean brightness, outlier pixels clipped, cropped, shrunk by a whole factor.
    clean_images : (N, H, W) float32 array or None
        The same individuals without artifacts, prepared alike (phantoms only).
    atlas : (H, W) uint8 array
    regions : tuple of str
    train, validation, test : int arrays
        Indices. Validation images choose the best epoch and carry the metric's own PCA.
    clean : (N,) bool array or None
        Images without artifacts, where the dataset says so.
    pixel_size_um : float
    steps : tuple of str
        What was done, in words.
    """

    images: np.ndarray
    clean_images: np.ndarray | None
    atlas: np.ndarray
    regions: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    clean: np.ndarray | None
    pixel_size_um: float
    steps: tuple[str, ...]

    @property
    def reference(self) -> np.ndarray:
        """Indices of the clean test images; of all test images where nothing is known of artifacts."""
        return self.test if self.clean is None else self.test[self.clean[self.test]]

    @property
    def clean_all(self) -> np.ndarray:
        """Indices of all clean images; of all images where nothing is known of artifacts."""
        return np.arange(len(self.images)) if self.clean is None else np.flatnonzero(self.clean)

    @property
    def template(self) -> np.ndarray:
        """Mean of the clean images, (H, W)."""
        return self.images[self.clean_all].mean(0)

    @property
    def brain(self) -> np.ndarray:
        """Where the template shows tissue, (H, W) bool."""
        return tissue(self.template)


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model and what it is.

    Attributes
    ----------
    family : {"β-VAE", "VAE", "PCA"}
    latent_dim : int
    beta : float
        NaN for PCA.
    seed : int
    key : str
        Changes whenever the model does.
    net : helpers.brains.vae.BetaVAE or helpers.brains.vae.PCABaseline
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
            f", β = {self.beta:g}" if self.family == BETA_VAE else ""
        )


class NotTrained(Exception):
    """A model was asked for that this run does not hold yet."""


_prepared: dict = {}


def prepared_population(run: Run, rows: int = 80) -> Prepared:
    """Return the population preprocessed as published (C §3.1), shrunk to about ``rows`` rows, and
    split.

    Brightness first, then outliers, then the crop. Every image is kept.
    """
    data = run.population
    key = (data.fingerprint, rows)
    if key not in _prepared:
        _prepared.clear()  # a population at full size takes a gigabyte
        _prepared[key] = _prepare(data, rows)
    return _prepared[key]


def _prepare(data, rows: int) -> Prepared:
    images, _, target = intensity.match_brightness(data.images)
    images, ceiling = intensity.clip_outliers(images)
    factor = max(1, data.images.shape[1] // rows)
    small = tuple(side // factor for side in data.images.shape[1:])
    shape = (
        vae.fitting_shape(small) or small
    )  # what cannot fit is explained when the network is built

    def sized(stack):
        return intensity.centre_crop(_shrink(stack, factor), shape)

    clean_images = None
    if data.clean_images is not None:
        clean_images = sized(
            intensity.clip_outliers(
                intensity.match_brightness(data.clean_images, target)[0], ceiling
            )[0]
        )
    inner = data.atlas[: small[0] * factor, : small[1] * factor]
    atlas = intensity.centre_crop(inner[factor // 2 :: factor, factor // 2 :: factor], shape)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    n_train, n_validation = (round(share * len(images)) for share in SHARES.values())
    parts = [np.sort(part) for part in np.split(order, [n_train, n_train + n_validation])]
    clean = None
    if data.clean is not None:
        clean = np.zeros(len(images), bool)
        clean[data.clean] = True
    steps = (
        f"each image scaled to the set's mean brightness ({target:.3f})",
        f"pixels above {ceiling:.3f} clipped and that set to 1",
        *([f"shrunk {factor}-fold"] if factor > 1 else []),
        *([f"cropped to {shape[0]}×{shape[1]}"] if shape != small else []),
    )
    return Prepared(
        sized(images),
        clean_images,
        atlas,
        data.regions,
        *parts,
        clean,
        data.pixel_size_um * factor,
        steps,
    )


def _shrink(stack: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks of factor × factor pixels: (N, H, W) -> (N, H // factor, W // factor)."""
    if factor == 1:
        return stack
    n, h, w = stack.shape[0], stack.shape[1] // factor, stack.shape[2] // factor
    return (
        stack[:, : h * factor, : w * factor]
        .reshape(n, h, factor, w, factor)
        .mean((2, 4), dtype=np.float32)
    )


# ---------------------------------------------------------------- models


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
    train: bool = True,
) -> Model:
    """Return a trained β-VAE, the VAE for β = 1.

    Parameters
    ----------
    rows : int
        See `prepared_population`.
    recipe : str
        A name in ``helpers.brains.recipes.RECIPES``.
    steps : int
        Updates; 0 for the recipe's own number.
    train : bool
        False: raise `NotTrained` if the run does not hold the model yet.
    """
    if recipe not in recipes.RECIPES:
        raise ValueError(f"recipe is {recipe!r}; expected one of {', '.join(recipes.RECIPES)}")
    settings = {**recipes.RECIPES[recipe], **({"steps": steps} if steps else {})}
    parameters = {
        "latent_dim": latent_dim,
        "beta": float(beta),
        "seed": seed,
        "rows": rows,
        **settings,
    }

    def make(folder: Path) -> None:
        if not train:
            raise NotTrained
        prepared = prepared_population(run, rows)
        model, result = recipes.train_vae(
            prepared.images[prepared.train],
            prepared.images[prepared.validation],
            latent_dim=latent_dim,
            beta=beta,
            seed=seed,
            checkpoint=folder / "checkpoint",
            progress=progress,
            **settings,
        )
        vae.save(model, folder / "vae.safetensors")
        write_json(
            folder / "history.json", {"history": result.history, "best_epoch": result.best_epoch}
        )

    def load(folder: Path):
        return vae.load(folder / "vae.safetensors"), pd.DataFrame(
            json.loads((folder / "history.json").read_text())["history"]
        )

    stored = run.artifact(
        "vae",
        parameters,
        make,
        load,
        inputs=[run.population.fingerprint],
        methods=[recipes, intensity],
    )
    return Model(
        VAE if beta == 1 else BETA_VAE, latent_dim, float(beta), seed, stored.key, *stored.value
    )


def pca_baselines(run: Run, latent_dims, *, rows: int = 80) -> list[Model]:
    """Return PCA models of several sizes, fitted to the same training images."""

    def make(folder: Path) -> None:
        prepared = prepared_population(run, rows)
        pca = vae.PCABaseline.fit(prepared.images[prepared.train], largest)
        for name in ("mean", "components", "scale"):
            np.save(folder / f"{name}.npy", getattr(pca, name))

    def load(folder: Path):
        return vae.PCABaseline(
            *(
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("mean", "components", "scale")
            )
        )

    largest = min(max(latent_dims), len(prepared_population(run, rows).train) - 1)
    stored = run.artifact(
        "pca",
        {"latent_dim": largest, "rows": rows},
        make,
        load,
        inputs=[run.population.fingerprint],
        methods=[vae, intensity],
    )
    return [
        Model(PCA, size, float("nan"), 0, f"{stored.key}:{size}", stored.value.truncated(size))
        for size in latent_dims
        if size <= largest
    ]


def trained_vaes(run: Run, points, *, workers: int = 0, **settings) -> list[Model]:
    """Return models for grid points (L, β, seed); those not yet made are trained side by side, one
    thread each.

    Parameters
    ----------
    points : sequence of (int, float, int)
    workers : int
        Processes; 0 for as many as PyTorch has threads here. On a GPU points are trained one after
        the other.
    """
    import torch
    from tqdm.auto import tqdm

    missing = [point for point in points if not _is_trained(run, point, settings)]
    workers = min(workers or torch.get_num_threads(), len(missing))
    if workers > 1 and not torch.cuda.is_available():
        # Spawned, not forked: a forked child would inherit PyTorch's thread pool in an unusable
        # state.
        with ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            own = Run(run.path, run.notebook, run.sources)  # without the datasets it has open
            futures = [pool.submit(_train_one, own, *point, settings) for point in missing]
            for future in tqdm(
                as_completed(futures), total=len(futures), desc="models", unit="model"
            ):
                future.result()
    return [trained_vae(run, *point, **settings) for point in points]


def _is_trained(run: Run, point, settings) -> bool:
    try:
        trained_vae(run, *point, **settings, train=False)
    except NotTrained:
        return False
    return True


def _train_one(run: Run, latent_dim, beta, seed, settings) -> None:
    trained_vae(run, latent_dim, beta, seed, **{**settings, "progress": False})


def model_grid(
    run: Run, latent_dims, betas, seeds, *, pca_dims=(), chosen: int = 8, **settings
) -> list[Model]:
    """Return every β-VAE and VAE of the grid (further seeds at the chosen L only) and the PCA
    models.
    """
    points = [
        (size, float(beta), seed)
        for size in latent_dims
        for beta in betas
        for seed in (seeds if size == chosen else seeds[:1])
    ]
    pca_dims = sorted({*latent_dims, *pca_dims})
    return [
        *trained_vaes(run, points, **settings),
        *pca_baselines(run, pca_dims, rows=settings.get("rows", 80)),
    ]


def three_models(
    run: Run, seed: int = 0, *, latent_dim: int = 8, beta: float = 3.0, **settings
) -> dict[str, Model]:
    """Return the β-VAE, the VAE and the PCA of one size, by family."""
    trained = trained_vaes(run, [(latent_dim, beta, seed), (latent_dim, 1.0, seed)], **settings)
    return dict(
        zip(FAMILIES, [*trained, *pca_baselines(run, [latent_dim], rows=settings.get("rows", 80))])
    )
