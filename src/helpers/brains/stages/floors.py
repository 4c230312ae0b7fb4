"""Stages of paper C: the controls that several pages share, as models."""

from collections.abc import Sequence
from pathlib import Path

from helpers import model_files
from helpers.book.run import Run
from helpers.brains import vae
from helpers.brains.floors import MeanImage
from helpers.brains.stages.losses import model_losses
from helpers.brains.stages.starts import linear_optimum, prepared_population
from helpers.brains.stages.trained_models import BETA_VAE, VAE, Model

MEAN_IMAGE, UNTRAINED = "mean image", "untrained"


def mean_image(run: Run, *, rows: int = 80) -> Model:
    """Return the mean of the training images as a model: what to draw if nothing is known."""
    key, linear = linear_optimum(run, rows=rows)
    return Model(MEAN_IMAGE, 0, float("nan"), 0, f"{key}:mean", MeanImage(linear.mean))


def untrained_network(
    run: Run, *, latent_dim: int = 8, beta: float = 3.0, seed: int = 0, rows: int = 80
) -> Model:
    """Return the published network with random weights, its input standardised as in training."""

    def make(folder: Path) -> None:
        import torch

        data = prepared_population(run, rows)
        torch.manual_seed(seed)
        network = vae.BetaVAE(data.images.shape[1:], latent_dim, beta)
        model_files.save(network.standardise(data.images[data.train]), folder / "vae.safetensors")

    parameters = {"latent_dim": latent_dim, "beta": float(beta), "seed": seed, "rows": rows}
    stored = run.artifact(
        "untrained",
        parameters,
        make,
        lambda folder: vae.load(folder / "vae.safetensors"),
        inputs=[run.key("population")],
    )
    return Model(UNTRAINED, latent_dim, float(beta), seed, stored.key, stored.value)


def training_note(run: Run, models: Sequence[Model], *, rows: int = 80) -> str:
    """Return what is to be said beside every row that rests on these models: which of the networks
    among them lie above the linear optimum; nothing if none does.
    """
    networks = [model for model in models if model.family in (BETA_VAE, VAE)]
    table, _ = model_losses(run, networks, rows=rows)
    above = table[table["loss"] > table["linear_loss"]]
    if above.empty:
        return ""
    named = (
        f"L = {row.L}, β = {row.beta:g}, seed {row.seed} ({row.loss / row.linear_loss - 1:+.1%})"
        for row in above.itertuples()
    )
    return f"rests on networks above the linear optimum, so not trained: {'; '.join(named)}"
