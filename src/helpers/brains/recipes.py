"""Training of the β-VAE: recipes, validation with KL per latent, an early warning of posterior
collapse.
"""

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch

from helpers import training
from helpers.brains.vae import INACTIVE_NATS, BetaVAE

EPOCH = (
    100  # updates, about, between validations: the nearest number of whole passes over the images
)


@dataclass(frozen=True)
class Recipe:
    """One way to train a β-VAE.

    Attributes
    ----------
    learning_rate : float
        Of Adam, at its highest.
    batch_size : int
    steps : int
        Updates of the weights.
    cosine : bool
        Let the learning rate rise during the first twentieth of all updates and then fall to zero
        along half a cosine; constant otherwise.
    quick_start : bool
        See `helpers.brains.vae.BetaVAE.quick_start`.
    kl_warmup : float
        Share of the updates over which the weight of the KL term rises from zero to its value.
    """

    learning_rate: float
    batch_size: int
    steps: int
    cosine: bool = False
    quick_start: bool = False
    kl_warmup: float = 0.0


# "paper" is what the paper and its released run state; "quick" is ours, for minutes instead of
# hours. Every difference is stated in the book.
RECIPES = {
    "paper": Recipe(learning_rate=2e-4, batch_size=64, steps=10_000),
    "quick": Recipe(
        learning_rate=1.5e-3,
        batch_size=16,
        steps=1_000,
        cosine=True,
        quick_start=True,
        kl_warmup=0.5,
    ),
}


def train_vae(
    images: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    *,
    latent_dim: int = 8,
    beta: float = 3.0,
    seed: int = 0,
    place: training.Place = training.HERE,
) -> tuple[BetaVAE, training.TrainingResult]:
    """Train a β-VAE; the weights with the lowest validation loss are kept.

    Parameters
    ----------
    images, validation : ndarray, (N, H, W) and (M, H, W), in [0, 1]
    recipe : Recipe
    latent_dim, beta : int, float
        See `helpers.brains.vae.BetaVAE`.
    seed : int
        Of the initial weights and of the epochs.
    place : helpers.training.Place

    Returns
    -------
    (BetaVAE, training.TrainingResult)
        The history holds, per epoch, ``loss``, ``error``, ``kl``, the same with ``validation_`` in
        front, ``active`` (latents with at least 0.01 nat on the validation images) and ``kl_1`` …
        ``kl_L``.

    Raises
    ------
    ValueError
        If there are no images to train or to validate on, no steps, or no images in a batch.

    Warns
    -----
    UserWarning
        early, when no latent carries anything yet: posterior collapse, or a slow start.
    """
    if not len(images) or not len(validation):
        raise ValueError(
            "expected images to train and to validate on, "
            f"found {len(images)} and {len(validation)}"
        )
    steps, batch_size = recipe.steps, min(recipe.batch_size, len(images))
    if min(steps, batch_size) < 1:
        raise ValueError(
            "expected at least one step and one image per batch, "
            f"found steps={steps} and batch_size={batch_size}"
        )
    torch.manual_seed(seed)
    model = BetaVAE(images.shape[1:], latent_dim, beta)
    if recipe.quick_start:
        model.quick_start(images)
    device = training.choose_device(place.device)
    tensor, held_out = (  # on a GPU the whole set fits: 1,723 images of 320×448 take one gigabyte
        torch.from_numpy(np.array(stack, np.float32))[:, None].to(device)
        for stack in (images, validation)
    )
    per_pass = len(tensor) // batch_size
    passes = max(1, round(EPOCH / per_pass))
    epochs = -(-steps // (passes * per_pass))
    active, share = [], 1.0  # active latents per epoch; how much of the KL term counts now

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[torch.Tensor]:
        nonlocal share
        done = epoch * passes * per_pass
        for _ in range(passes):
            order = torch.from_numpy(generator.permutation(len(tensor))).to(device)
            for chosen in order.split(batch_size)[:per_pass]:
                share = min(1.0, done / (recipe.kl_warmup * steps)) if recipe.kl_warmup else 1.0
                done += 1
                yield tensor[chosen]

    def loss(model: BetaVAE, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        error, kl = model.terms(batch)
        return {"loss": model.total(error, kl, share), "error": error, "kl": kl.sum()}

    def validate(model: BetaVAE) -> dict[str, torch.Tensor]:
        parts = [(len(batch), *model.terms(batch)) for batch in held_out.split(32)]
        error = sum(n * error for n, error, _ in parts) / len(held_out)
        kl = sum(n * kl for n, _, kl in parts) / len(held_out)
        active.append(int((kl >= INACTIVE_NATS).sum()))
        if len(active) == max(3, epochs // 10) and not any(active):
            warnings.warn(
                f"after {len(active)} epochs no latent carries {INACTIVE_NATS} nat: the decoder "
                "still ignores them (posterior collapse, or a slow start). If this lasts, train "
                "longer, lower beta, or use quick_start=True.",
                stacklevel=2,
            )
        numbers = {"loss": model.total(error, kl), "error": error, "kl": kl.sum()}
        return {
            **{f"validation_{key}": value for key, value in numbers.items()},
            "active": active[-1],
            **{f"kl_{k}": value for k, value in enumerate(kl, start=1)},
        }

    result = training.train(
        model,
        batches,
        loss,
        torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True),
        training.Schedule(
            max_epochs=epochs,
            max_steps=steps,
            rate=training.cosine(steps) if recipe.cosine else None,
            monitor="validation_loss",
            seed=seed,
        ),
        place,
        validate=validate,
        settings={
            "latent_dim": latent_dim,
            "beta": beta,
            "images": list(tensor.shape),
            **asdict(recipe),
        },
    )
    return model, result
