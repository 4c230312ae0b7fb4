"""Stages of paper C before any network: prepared images, their linear optimum, common starts."""

from pathlib import Path

from helpers import model_files, training
from helpers.book.run import Run
from helpers.brains import recipes, vae
from helpers.brains.distilling import Start
from helpers.brains.linear_vae import LinearVAE
from helpers.brains.preparation import Prepared, prepare

START_LATENTS = 20  # the largest L of the paper's grid: one start serves all of it


def prepared_population(run: Run, rows: int = 80) -> Prepared:
    """Return the run's population as the models see it, shrunk to about ``rows`` rows.

    It is held as long as the run is.
    """
    return run.held(("population", rows), lambda: prepare(run.population, rows))


def linear_optimum(run: Run, latent_dim: int = 8, *, rows: int = 80) -> tuple[str, LinearVAE]:
    """Return the key of the linear VAE of the training images, and itself: with β = 3 and 20
    latents, more if asked for, fewer where images are few.
    """
    training_images = prepared_population(run, rows).train
    size = min(max(START_LATENTS, latent_dim), len(training_images) - 1)

    def compute() -> dict:
        fitted = LinearVAE.fit(prepared_population(run, rows).images[training_images], size)
        return {name: getattr(fitted, name) for name in ("mean", "components", "eigenvalues")}

    parameters = {"latent_dim": size, "rows": rows}
    stored = run.stored("linear", parameters, compute, inputs=[run.key("population")])
    return stored.key, LinearVAE(**stored.value, beta=3.0)


def common_start(
    run: Run,
    recipe: recipes.Recipe,
    seed: int = 0,
    latent_dim: int = 8,
    *,
    rows: int = 80,
    progress: bool = False,
) -> Start:
    """Return what all trainings of one seed begin with; one for all L up to 20 and all β."""
    key, linear = linear_optimum(run, latent_dim, rows=rows)
    if not any(recipes.start_updates(recipe)):
        return Start(linear)

    def make(folder: Path) -> None:
        data = prepared_population(run, rows)
        place = training.Place(progress=progress)
        start = recipes.common_start(linear, data.images[data.train], recipe, seed, place)
        model_files.save(start.net, folder / "start.safetensors")

    parameters = {
        "seed": seed,
        "rows": rows,
        "updates": recipes.start_updates(recipe),
        "batch_size": recipe.batch_size,
    }
    stored = run.artifact(
        "start",
        parameters,
        make,
        lambda folder: vae.load(folder / "start.safetensors"),
        inputs=[key],
    )
    return Start(linear, stored.value)
