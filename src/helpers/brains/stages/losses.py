"""Stage of paper C: the loss of every model beside the linear optimum."""

from collections.abc import Sequence

import pandas as pd

from helpers.book.run import Run
from helpers.brains import convergence, quality, vae
from helpers.brains.stages.starts import linear_optimum, prepared_population
from helpers.brains.stages.trained_models import BETA_VAE, PCA, VAE, Model


def model_losses(
    run: Run, models: Sequence[Model], *, rows: int = 80
) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per model, and what is wrong with their training, a sentence each.

    Columns: ``family``, ``L``, ``beta``, ``seed``; ``loss``: squared error summed over pixels at
    the posterior mean plus the scaled KL divergence, mean over validation images in float32, and
    ``linear_loss``, the same of the linear VAE of equal L and β (both missing for a PCA, which has
    no posterior); ``clean_test_error``: squared error summed over pixels, mean over the clean test
    images.
    """
    largest = max((model.latent_dim for model in models if model.family != PCA), default=1)
    linear = linear_optimum(run, largest, rows=rows)[1]

    def row(model: Model) -> dict:
        def compute() -> dict:
            data = prepared_population(run, rows)
            clean, held_out = data.images[data.reference], data.images[data.validation]
            error = quality.reconstruction_error(clean, vae.reconstruct(model.net, clean))
            found = {"clean_test_error": float(error.mean() * clean[0].size)}
            if model.family != PCA:
                optimum = linear.at(model.latent_dim, model.beta)
                found["loss"] = vae.mean_loss(model.net, held_out, optimum.kl_weight)
                found["linear_loss"] = optimum.loss(held_out)
            return found

        facts = {name: getattr(model, name) for name in ("family", "latent_dim", "beta", "seed")}
        return facts | run.stored("losses", {"rows": rows}, compute, inputs=[model.key]).value

    rows_found = [row(model) for model in models]
    networks = [found for found in rows_found if found["family"] in (BETA_VAE, VAE)]
    columns = ["family", "L", "beta", "seed", "loss", "linear_loss", "clean_test_error"]
    table = pd.DataFrame(rows_found).rename(columns={"latent_dim": "L"}).reindex(columns=columns)
    return table, convergence.check_losses(networks)
