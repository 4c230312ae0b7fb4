"""How `AreaCNN` is trained: recipes, augmentation and batches."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch.nn import functional as F

from helpers import training
from helpers.data.patches import Patches
from helpers.tissue.network.classifier import AreaCNN, apply_in_batches


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training patches, drawn anew for every patch. Nothing is mirrored: the
    direction of fibres is a cue that slices of a sample share.

    Attributes
    ----------
    contrast : float
        Gain, log-uniform in ``[1 / (1 + contrast), 1 + contrast]``.
    brightness : float
        Offset, uniform in ``±brightness``, in units of the tissue's standard deviation.
    """

    contrast: float = 0.0
    brightness: float = 0.0

    def __call__(self, patches: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Change a float32 array (N, 1, H, W) in place and return it."""
        shape = (len(patches), 1, 1, 1)
        patches *= ((1 + self.contrast) ** generator.uniform(-1, 1, shape)).astype(np.float32)
        patches += generator.uniform(-self.brightness, self.brightness, shape).astype(np.float32)
        return patches


@dataclass(frozen=True)
class Recipe:
    """One way to train an `AreaCNN`.

    Attributes
    ----------
    patches_per_area, validation_per_area : int
        Patches per class to train on and to choose the epoch by.
    epochs : int
        At most; the one with the best validation accuracy is kept.
    learning_rate : float
        Of Adam, at its highest.
    batch_size : int
    purity : float
        Share of a training window that its area must fill.
    cosine : bool
        Let the learning rate rise during the first twentieth of all updates and then fall to zero
        along half a cosine; constant otherwise.
    augmentation : Augmentation, optional
    """

    patches_per_area: int
    epochs: int
    learning_rate: float
    batch_size: int = 64
    validation_per_area: int = 150
    purity: float = 1.0
    cosine: bool = False
    augmentation: Augmentation | None = None


# "paper" is what paper A states (§III.1, 2). "fast" learns the same in a fraction of the epochs,
# and its windows need only their centre in the area (purity 0): without windows over borders and
# over the tissue's rim in training, both come out wrong on a whole slice.
RECIPES = {
    "fast": Recipe(
        patches_per_area=600,
        epochs=8,
        learning_rate=1e-3,
        batch_size=32,
        purity=0.0,
        cosine=True,
        augmentation=Augmentation(contrast=0.15, brightness=0.3),
    ),
    "paper": Recipe(patches_per_area=2000, epochs=60, learning_rate=1e-4),
}


def patch_batches(
    patches: Patches, batch_size: int = 64, augmentation: Augmentation | None = None
) -> Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """Batches for :func:`helpers.training.train`: every patch once an epoch, in random order.

    Returns
    -------
    callable
        ``batches(epoch, generator)`` yields ``(images (B, 1, H, W) float32, classes (B,) int64 from
        0)``.
    """

    def batches(
        epoch: int, generator: np.random.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = generator.permutation(len(patches))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            images = patches.cut(chosen)
            if augmentation is not None:
                images = augmentation(images, generator)
            yield torch.from_numpy(images), torch.from_numpy(patches.labels[chosen] - 1)

    return batches


def initial_classifier(n_areas: int, seed: int = 0) -> AreaCNN:
    """Return an `AreaCNN` of random weights, in evaluation mode: what training begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AreaCNN(n_areas).eval()


def train_area_classifier(
    train: Patches,
    validation: Patches,
    n_areas: int,
    recipe: Recipe,
    seed: int = 0,
    place: training.Place = training.HERE,
) -> tuple[AreaCNN, training.TrainingResult]:
    """Train an `AreaCNN` and keep the epoch with the best accuracy on the validation patches.

    Parameters
    ----------
    train, validation : helpers.data.patches.Patches
    n_areas : int
    recipe : Recipe
        Its numbers of patches describe `train` and `validation`, which are given.
    seed : int
        Of the initial weights and of the epochs.
    place : helpers.training.Place

    Returns
    -------
    model : AreaCNN
        On the device, in evaluation mode.
    result : helpers.training.TrainingResult
        Its history has ``loss``, ``accuracy`` (on training patches as seen in training),
        ``validation_loss`` and ``validation_accuracy`` per epoch.

    Raises
    ------
    ValueError
        If a label exceeds `n_areas`.
    """
    highest = int(max(train.labels.max(), validation.labels.max()))
    if highest > n_areas:
        raise ValueError(
            f"labels must lie in 1…{n_areas}, found {highest}: "
            "give n_areas as many areas as the slices have"
        )
    model = initial_classifier(n_areas, seed).to(training.choose_device(place.device))
    steps = -(-len(train) // recipe.batch_size) * recipe.epochs
    images, classes = validation.cut(), torch.from_numpy(validation.labels - 1)

    def scores(logits: torch.Tensor, classes: torch.Tensor) -> dict[str, torch.Tensor]:
        right = (logits.argmax(1) == classes).float().mean()
        return {"loss": F.cross_entropy(logits.float(), classes), "accuracy": right}

    def validate(model: AreaCNN) -> dict[str, torch.Tensor]:
        logits = torch.from_numpy(apply_in_batches(model, model, images))  # (M, n_areas)
        return {f"validation_{key}": value for key, value in scores(logits, classes).items()}

    result = training.train(
        model,
        patch_batches(train, recipe.batch_size, recipe.augmentation),
        lambda model, batch: scores(model(batch[0]), batch[1]),
        torch.optim.Adam(model.parameters(), lr=recipe.learning_rate),
        training.Schedule(
            max_epochs=recipe.epochs,
            rate=training.cosine(steps) if recipe.cosine else None,
            monitor="validation_accuracy",
            higher_is_better=True,
            seed=seed,
        ),
        place,
        validate=validate,
        settings={"n_areas": n_areas, "train": len(train), **asdict(recipe)},
    )
    return model, result
