"""Training of the β-VAE: recipes, validation with KL per latent, when it is done, an early warning
of posterior collapse.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from helpers import training
from helpers.brains import convergence
from helpers.brains.distilling import Start, distil, started
from helpers.brains.linear_vae import LinearVAE
from helpers.brains.vae import INACTIVE_NATS, BetaVAE

EPOCH = 50  # updates, about, between validations: the nearest number of whole passes over images


@dataclass(frozen=True)
class Recipe:
    """One way to train a β-VAE.

    Attributes
    ----------
    learning_rate : float
        Of Adam.
    batch_size : int
    steps : int
        Updates of the weights, at most.
    least : int
        Updates before which the rule of `flat` does not stop training.
    flat : float
        Stop when a validation has lowered the validation loss by less than this share, the first
        beside the loss of the start; 0 for all updates.
    average : float
        See `helpers.training.Schedule`.
    warm_up : int
        Updates over which the learning rate rises, before it falls to zero with the last of
        ``steps``; 0 for a constant rate. Adam's first steps, of full length in every weight, would
        undo much of a good start.
    encoder_updates, decoder_updates, nested_updates : int
        Of the common start, see `helpers.brains.distilling.distil`; all 0 for random weights.
    """

    learning_rate: float
    batch_size: int
    steps: int
    least: int = 0
    flat: float = 0.0
    average: float = 0.0
    warm_up: int = 0
    encoder_updates: int = 0
    decoder_updates: int = 0
    nested_updates: int = 0


def start_updates(recipe: Recipe) -> tuple[int, int, int]:
    """Updates of the encoder, of the decoder, and of both in nested training."""
    return recipe.encoder_updates, recipe.decoder_updates, recipe.nested_updates


# "paper" is what the paper and its released run state; "quick" is ours, for minutes instead of
# hours. Every difference is stated in the book.
# "linear start" leaves the nested training out, to show what it is worth.
_QUICK = Recipe(
    learning_rate=1e-3,
    batch_size=32,
    steps=100,
    flat=0.01,
    average=0.9,
    warm_up=10,
    encoder_updates=300,
    decoder_updates=700,
    nested_updates=600,
)
RECIPES = {
    "paper": Recipe(learning_rate=2e-4, batch_size=64, steps=10_000),
    "quick": _QUICK,
    "linear start": replace(_QUICK, nested_updates=0),
}


def common_start(
    linear: LinearVAE,
    images: np.ndarray,
    recipe: Recipe,
    seed: int = 0,
    place: training.Place = training.HERE,
) -> Start:
    """Make what all trainings of one seed begin with: distilled, if the recipe says so.

    Parameters
    ----------
    linear : LinearVAE
        Fitted to the same images, with as many latents as any network will have.
    images : ndarray, (N, H, W)
        The training images.
    """
    updates, batch_size = start_updates(recipe), min(recipe.batch_size, len(images))
    if not any(updates):
        return Start(linear)
    options = {"updates": updates, "batch_size": batch_size, "seed": seed, "place": place}
    return Start(linear, distil(linear, images, **options))


def train_vae(
    images: np.ndarray,
    validation: np.ndarray,
    recipe: Recipe,
    start: Start | None = None,
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
    start : Start, optional
        What `common_start` gave for these images, this recipe and this seed; made here without.
    latent_dim, beta : int, float
        See `helpers.brains.vae.BetaVAE`.
    seed : int
        Of the initial weights and of the epochs.
    place : helpers.training.Place

    Returns
    -------
    (BetaVAE, training.TrainingResult)
        The history holds, per epoch, ``loss``, ``error``, ``kl`` as training saw them (posteriors
        sampled, weights moving); the same with ``validation_`` in front, at the posterior mean;
        ``gap`` and ``train_gap``, the share by which the loss at the posterior mean lies above
        the linear optimum of this L and β on the validation images and on as many training images;
        ``active`` (latents with at least 0.1 nat on the validation images) and ``kl_1`` … ``kl_L``.

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
    if start is None:
        start = common_start(LinearVAE.fit(images, latent_dim), images, recipe, seed, place)
    torch.manual_seed(seed)
    if start.net is None:
        model = BetaVAE(images.shape[1:], latent_dim, beta)
    else:
        model = started(start.net, start.linear, latent_dim, beta)
    device = training.choose_device(place.device)
    seen = images[np.linspace(0, len(images) - 1, min(len(images), len(validation))).astype(int)]
    optimum = start.linear.at(latent_dim, beta) if beta else None  # at β = 0 there is none
    bounds = [optimum.loss(stack) if optimum else np.nan for stack in (validation, seen)]
    tensor, held_out, seen = (  # on a GPU all fits: 1,723 images of 320×448 take one gigabyte
        torch.from_numpy(np.array(stack, np.float32))[:, None].to(device)
        for stack in (images, validation, seen)
    )
    per_pass = len(tensor) // batch_size
    passes = max(1, round(EPOCH / per_pass))
    epochs = -(-steps // (passes * per_pass))
    active = []  # latents, per epoch

    def batches(epoch: int, generator: np.random.Generator) -> Iterator[torch.Tensor]:
        for _ in range(passes):
            order = torch.from_numpy(generator.permutation(len(tensor))).to(device)
            yield from (tensor[chosen] for chosen in order.split(batch_size)[:per_pass])

    def loss(model: BetaVAE, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        error, kl = model.terms(batch)
        return {"loss": model.total(error, kl), "error": error, "kl": kl.sum()}

    def at_the_mean(model: BetaVAE, stack: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [(len(batch), *model.terms(batch)) for batch in stack.split(32)]
        return tuple(sum(part[0] * part[k] for part in parts) / len(stack) for k in (1, 2))

    def validate(model: BetaVAE) -> dict[str, torch.Tensor]:
        error, kl = at_the_mean(model, held_out)
        active.append(int((kl >= INACTIVE_NATS).sum()))
        if len(active) == max(3, epochs // 10) and not any(active):
            warnings.warn(
                f"after {len(active)} epochs no latent carries {INACTIVE_NATS} nat: the decoder "
                "still ignores them (posterior collapse, or a slow start). If this lasts, train "
                "longer, lower beta, or use the quick recipe.",
                stacklevel=2,
            )
        numbers = {"loss": model.total(error, kl), "error": error, "kl": kl.sum()}
        return {
            **{f"validation_{key}": value for key, value in numbers.items()},
            "gap": convergence.gap(numbers["loss"], bounds[0]),
            "train_gap": convergence.gap(model.total(*at_the_mean(model, seen)), bounds[1]),
            "active": active[-1],
            **{f"kl_{k}": value for k, value in enumerate(kl, start=1)},
        }

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / recipe.warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))

    if recipe.flat:
        model.to(device).eval()
        with torch.no_grad(), training.precision(device, place.bfloat16):
            begun = float(model.total(*at_the_mean(model, held_out)))

    def stop(history: list[dict]) -> bool:
        losses = [begun, *(row["validation_loss"] for row in history)]
        enough = history[-1]["step"] >= recipe.least
        return enough and convergence.is_flat(losses, window=1, tolerance=recipe.flat)

    result = training.train(
        model,
        batches,
        loss,
        torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True),
        training.Schedule(
            max_epochs=epochs,
            max_steps=steps,
            rate=rate if recipe.warm_up else None,
            monitor="validation_loss",
            stop=stop if recipe.flat else None,
            average=recipe.average,
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
