"""How `AreaCNN` is trained: batches, augmentation and settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from helpers import training
from helpers.tissue.network.classifier import AreaCNN


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training patches, drawn anew for every patch; intensities in units of the
    tissue's sd.

    Attributes
    ----------
    flip : bool
        Mirror up–down and left–right, each with probability one half.
    contrast : float
        Gain, log-uniform in ``[1 / (1 + contrast), 1 + contrast]``.
    brightness : float
        Offset, uniform in ``±brightness``.
    noise : float
        Standard deviation of added white noise, uniform in ``[0, noise]``.
    levels : int
        If above 0, half of the patches are rounded to a gray scale whose steps are drawn between 0
        and ``6 / levels`` (a slice stored with that many gray levels over six standard deviations).
    """

    flip: bool = True
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0
    levels: int = 0

    def __call__(self, patches, generator):
        """Change a float32 array (N, 1, H, W) in place and return it."""
        n = len(patches)
        if self.flip:
            for axis in (1, 2):
                chosen = generator.random(n) < 0.5
                patches[chosen] = np.flip(patches[chosen], axis=axis + 1)
        if self.contrast:
            patches *= _per_patch((1 + self.contrast) ** generator.uniform(-1, 1, n))
        if self.brightness:
            patches += _per_patch(generator.uniform(-self.brightness, self.brightness, n))
        if self.noise:
            sd = _per_patch(generator.uniform(0, self.noise, n))
            patches += sd * generator.standard_normal(patches.shape, np.float32)
        if self.levels:
            chosen = generator.random(n) < 0.5
            step = _per_patch(generator.uniform(0.2, 1, chosen.sum()) * 6 / self.levels)
            patches[chosen] = np.round(patches[chosen] / step) * step
        return patches


# Ways to train, by name. "paper" is what paper A states (§III.1, 2). "fast" learns the same in a
# fraction of the epochs, and
# its windows need only their centre in the area (purity 0): without windows over borders and over
# the tissue's rim in
# training, both come out wrong on a whole slice. No flips: the direction of fibres is a cue that
# slices of a sample share.
RECIPES = {
    "fast": {
        "purity": 0.0,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": "cosine",
        "augmentation": Augmentation(flip=False, contrast=0.15, brightness=0.3),
    },
    "paper": {"purity": 1.0, "learning_rate": 1e-4, "schedule": "constant", "augmentation": None},
}


def _per_patch(values):
    return values.astype(np.float32)[:, None, None, None]


def patch_batches(patches, batch_size=64, augmentation=None):
    """Batches for :func:`helpers.training.train`: every patch once an epoch, in random order.

    Parameters
    ----------
    patches : helpers.data.patches.Patches
    batch_size : int
    augmentation : callable, optional
        ``augmentation(patches, generator)``, for instance an :class:`Augmentation`.

    Returns
    -------
    callable
        ``batches(epoch, generator)`` yields ``(images (B, 1, H, W) float32, classes (B,) int64 from
        0)``.
    """

    def batches(epoch, generator):
        order = generator.permutation(len(patches))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            images = patches.cut(chosen)
            if augmentation is not None:
                images = augmentation(images, generator)
            yield torch.from_numpy(images), torch.from_numpy(patches.labels[chosen] - 1)

    return batches


def train_area_classifier(
    train,
    validation,
    n_areas,
    *,
    epochs=8,
    batch_size=64,
    learning_rate=1e-3,
    schedule="cosine",
    weight_decay=0.0,
    label_smoothing=0.0,
    augmentation=None,
    average=0.0,
    patience=None,
    seed=0,
    device="cpu",
    bfloat16=None,
    checkpoint=None,
    progress=False,
):
    """Train an `AreaCNN` and keep the epoch with the best accuracy on the validation patches.

    The paper's settings are ``learning_rate=1e-4, schedule="constant"`` without augmentation; the
    defaults learn the same in a fraction of the epochs.

    Parameters
    ----------
    train, validation : helpers.data.patches.Patches
    n_areas : int
    epochs, batch_size : int
    learning_rate : float
        Of Adam, at its highest.
    schedule : {"cosine", "constant"}
        Cosine: up during the first twentieth of all updates, then down along half a cosine to zero.
    weight_decay : float
        Decoupled from the gradient (AdamW); with 0 the optimiser is Adam.
    label_smoothing : float
        Share of the target given to all classes alike.
    augmentation : callable, optional
        See :class:`Augmentation`.
    average, patience, seed, device, bfloat16, checkpoint, progress
        See :func:`helpers.training.train`; `seed` also draws the initial weights.

    Returns
    -------
    model : AreaCNN
        On `device`, in evaluation mode.
    result : helpers.training.TrainingResult
        Its history has ``loss``, ``accuracy`` (on training patches as seen in training),
        ``validation_loss`` and ``validation_accuracy`` per epoch.

    Raises
    ------
    ValueError
        If `schedule` is neither of the two, or a label exceeds `n_areas`.
    """
    if schedule not in ("cosine", "constant"):
        raise ValueError(f"schedule must be 'cosine' or 'constant', found {schedule!r}")
    highest = int(max(train.labels.max(), validation.labels.max()))
    if highest > n_areas:
        raise ValueError(
            f"labels must lie in 1…{n_areas}, found {highest}: give n_areas as many areas as the slices have"
        )
    device = training.choose_device(device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AreaCNN(n_areas).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    steps = -(-len(train) // batch_size) * epochs
    images, classes = torch.from_numpy(validation.cut()), torch.from_numpy(validation.labels - 1)
    settings = {
        "n_areas": n_areas,
        "train": len(train),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "augmentation": repr(augmentation),
        "average": average,
    }

    def loss(model, batch):
        logits = model(batch[0])
        right = (logits.argmax(1) == batch[1]).float().mean()
        return F.cross_entropy(logits.float(), batch[1], label_smoothing=label_smoothing), {
            "accuracy": right
        }

    def validate(model):
        logits = torch.cat(
            [
                model(part.to(device).contiguous(memory_format=torch.channels_last)).float().cpu()
                for part in images.split(256)
            ]
        )  # (M, n_areas)
        return {
            "validation_loss": F.cross_entropy(logits, classes),
            "validation_accuracy": (logits.argmax(1) == classes).float().mean(),
        }

    result = training.train(
        model,
        patch_batches(train, batch_size, augmentation),
        loss,
        optimizer,
        max_epochs=epochs,
        schedule=training.cosine_schedule(steps, warmup=steps // 20)
        if schedule == "cosine"
        else None,
        validate=validate,
        monitor="validation_accuracy",
        higher_is_better=True,
        patience=patience,
        average=average,
        seed=seed,
        device=device,
        bfloat16=bfloat16,
        checkpoint=checkpoint,
        settings=settings,
        progress=progress,
    )
    return model, result
