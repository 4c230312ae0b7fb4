"""Training of the β-VAE: recipes, validation with KL per latent, an early warning of posterior
collapse.
"""

import warnings

import numpy as np
import torch

from helpers import training
from helpers.brains.vae import INACTIVE_NATS, BetaVAE

# How to train: "paper" is what the paper and its released run state; "quick" is ours, for minutes
# instead of hours.
# Every difference is stated in the book.
RECIPES = {
    "paper": dict(learning_rate=2e-4, batch_size=64, steps=10_000),
    "quick": dict(
        learning_rate=1.5e-3,
        batch_size=16,
        steps=1_000,
        cosine=True,
        quick_start=True,
        kl_warmup=0.5,
    ),
}

EPOCH = 100  # updates, about, between two validations: as many whole passes over the images as come nearest


def train_vae(images, validation, *, latent_dim=8, beta=3.0, learning_rate=2e-4, batch_size=64, steps=10_000,
              cosine=False, quick_start=False, kl_warmup=0.0, seed=0, device="auto", bfloat16=None, checkpoint=None, progress=False):  # fmt: skip
    """Train a β-VAE; the weights with the lowest validation loss are kept.

    The defaults are the published settings; `RECIPES` holds both these and the short training's.

    Parameters
    ----------
    images, validation : ndarray, (N, H, W) and (M, H, W), in [0, 1]
    steps : int
        Updates of the weights.
    cosine : bool
        Let the learning rate fall along a cosine to zero.
    quick_start : bool
        See `helpers.brains.vae.BetaVAE.quick_start`.
    kl_warmup : float
        Share of the updates over which the weight of the KL term rises from zero to its value.
    device, bfloat16, checkpoint, progress
        See `helpers.training.train`.

    Returns
    -------
    (BetaVAE, training.TrainingResult)
        The history holds, per epoch, ``loss``, ``error``, ``kl``, the same with ``validation_`` in
        front, ``active`` (latents with at least 0.01 nat on the validation images) and ``kl_1`` …
        ``kl_L``.

    Warns
    -----
    UserWarning
        early, when no latent carries anything yet: posterior collapse, or a slow start.
    """
    if not len(images) or not len(validation):
        raise ValueError(
            f"expected images to train and to validate on, found {len(images)} and {len(validation)}"
        )
    if min(steps, batch_size) < 1:
        raise ValueError(
            f"expected at least one step and one image per batch, found steps={steps} and batch_size={batch_size}"
        )
    torch.manual_seed(seed)
    model = BetaVAE(images.shape[1:], latent_dim, beta)
    if quick_start:
        model.quick_start(images)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    tensor = torch.from_numpy(np.array(images, np.float32))[:, None]  # (N, 1, H, W)
    held_out = torch.from_numpy(np.array(validation, np.float32))[:, None]
    batch_size = min(batch_size, len(tensor))
    per_pass = len(tensor) // batch_size
    passes = max(1, round(EPOCH / per_pass))
    settings = dict(latent_dim=latent_dim, beta=beta, learning_rate=learning_rate, batch_size=batch_size, steps=steps,
                    cosine=cosine, quick_start=quick_start, kl_warmup=kl_warmup, images=list(tensor.shape))  # fmt: skip
    device = training.choose_device(device)
    if device.startswith("cuda"):  # the whole set fits: 1,723 images of 320×448 take one gigabyte
        tensor, held_out = tensor.to(device), held_out.to(device)
    epochs = -(-steps // (passes * per_pass))
    active, share = (
        [],
        1.0,
    )  # number of active latents per epoch; how much of the KL term counts now

    def batches(epoch, generator):
        nonlocal share
        done = epoch * passes * per_pass
        for _ in range(passes):
            order = torch.from_numpy(generator.permutation(len(tensor))).to(tensor.device)
            for chosen in order.split(batch_size)[:per_pass]:
                share = min(1.0, done / (kl_warmup * steps)) if kl_warmup else 1.0
                done += 1
                yield tensor[chosen]

    def loss(model, batch):
        error, kl = model.terms(batch)
        return model.total(error, kl, share), {"error": error, "kl": kl.sum()}

    def validate(model):
        error, kl = 0.0, torch.zeros(latent_dim, device=device)
        for batch in held_out.split(32):
            terms = model.terms(batch.to(device))
            error, kl = error + terms[0] * len(batch), kl + terms[1] * len(batch)
        error, kl = error / len(held_out), kl / len(held_out)
        active.append(int((kl >= INACTIVE_NATS).sum()))
        if len(active) == max(3, epochs // 10) and not any(active):
            warnings.warn(
                f"after {len(active)} epochs no latent carries {INACTIVE_NATS} nat: the decoder still ignores them "
                "(posterior collapse, or a slow start). If this lasts, train longer, lower beta, or use quick_start=True."
            )
        numbers = {"loss": model.total(error, kl), "error": error, "kl": kl.sum()}
        per_latent = {f"kl_{k + 1}": value for k, value in enumerate(kl)}
        return (
            {f"validation_{key}": value for key, value in numbers.items()}
            | {"active": active[-1]}
            | per_latent
        )

    result = training.train(
        model, batches, loss, optimizer,
        max_epochs=epochs, max_steps=steps, schedule=training.cosine_schedule(steps, warmup=steps // 20) if cosine else None,
        validate=validate, monitor="validation_loss", seed=seed, device=device, bfloat16=bfloat16,
        checkpoint=checkpoint, settings=settings, progress=progress)  # fmt: skip
    return model, result
