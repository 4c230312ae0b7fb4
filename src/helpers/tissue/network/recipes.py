"""How `AreaCNN` is trained: recipes, their steps, and batches."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from helpers import training
from helpers.data.patches import Patches
from helpers.tissue.network.augmentation import Augmentation
from helpers.tissue.network.classifier import AreaCNN, apply_in_batches


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
    average : float
        Decay per update of the exponential moving average of the weights that is kept; 0 keeps
        the weights themselves.
    label_smoothing : float
        Share of every target that is spread evenly over all areas.
    """

    patches_per_area: int
    epochs: int
    learning_rate: float
    batch_size: int = 64
    validation_per_area: int = 150
    purity: float = 1.0
    cosine: bool = False
    augmentation: Augmentation | None = None
    average: float = 0.0
    label_smoothing: float = 0.0


# "paper" is what paper A states (§III.1, 2). "fast" learns the same in a fraction of the epochs,
# and its windows need only their centre in the area (purity 0): without windows over borders and
# over the tissue's rim in training, both come out wrong on a whole slice. "thorough" is for real
# tissue, of which one annotated slice is few independent windows: after 12 epochs of 1,500 windows
# the training loss was 0.007, all of it learned by heart, borders that the annotation has wrong
# included. So windows are many and seen a few times, never twice alike (gray as slices, scanners
# and file formats differ, shape as tissue does from slice to slice); targets are softened, as
# annotations of neighbouring slices agree on 88 % of pixels; and the average of the last 200
# updates or so is kept, because from one epoch to the next the validation accuracy moved by up to
# 0.04 on the way.
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
    "thorough": Recipe(
        patches_per_area=4500,
        epochs=4,
        learning_rate=1e-3,
        batch_size=64,
        validation_per_area=400,
        purity=0.0,
        cosine=True,
        augmentation=Augmentation(
            contrast=0.2,
            brightness=0.3,
            shade=0.3,
            quantisation=0.4,
            rotation=10.0,
            scale=0.1,
            elastic=1.5,
        ),
        average=0.995,
        label_smoothing=0.1,
    ),
    "paper": Recipe(patches_per_area=2000, epochs=60, learning_rate=1e-4),
}


# What it means to leave out a step: these settings of a recipe, or of its augmentation, instead.
STEPS = {
    "many windows": {"patches_per_area": 600},
    "weight averaging": {"average": 0.0},
    "label smoothing": {"label_smoothing": 0.0},
    "falling learning rate": {"cosine": False},
    "borders": {"purity": 1.0},
    "brightness and contrast": {"contrast": 0.0, "brightness": 0.0, "shade": 0.0},
    "gray levels": {"quantisation": 0.0},
    "rotation and bending": {"rotation": 0.0, "scale": 0.0, "elastic": 0.0},
}


def without(recipe: Recipe, step: str) -> Recipe:
    """The same recipe with one step left out, at the same number of updates.

    Parameters
    ----------
    recipe : Recipe
    step : str
        A name in `STEPS`; "" leaves nothing out.

    Raises
    ------
    ValueError
        If there is no such step, or the recipe does without it anyway.
    """
    if not step:
        return recipe
    if step not in STEPS:
        raise ValueError(f"step is {step!r}; expected one of {', '.join(STEPS)}")
    own = {key: value for key, value in STEPS[step].items() if key in vars(recipe)}
    changed = replace(recipe, **own)
    if recipe.augmentation is not None and not own:
        changed = replace(recipe, augmentation=replace(recipe.augmentation, **STEPS[step]))
    if "patches_per_area" in own:
        epochs = round(recipe.epochs * recipe.patches_per_area / own["patches_per_area"])
        changed = replace(changed, epochs=max(1, epochs))
    if changed == recipe:
        raise ValueError(
            f"the recipe does without {step!r} anyway: name a step that it takes, or another recipe"
        )
    return changed


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

    margin = augmentation.margin if augmentation is not None else 0
    wide = replace(patches, size=patches.size + 2 * margin)

    def batches(
        epoch: int, generator: np.random.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = generator.permutation(len(patches))
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            images = wide.cut(chosen)
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

    def scores(
        logits: torch.Tensor, classes: torch.Tensor, smoothing: float = 0.0
    ) -> dict[str, torch.Tensor]:
        right = (logits.argmax(1) == classes).float().mean()
        loss = F.cross_entropy(logits.float(), classes, label_smoothing=smoothing)
        return {"loss": loss, "accuracy": right}

    def validate(model: AreaCNN) -> dict[str, torch.Tensor]:
        logits = torch.from_numpy(apply_in_batches(model, model, images))  # (M, n_areas)
        return {f"validation_{key}": value for key, value in scores(logits, classes).items()}

    def loss(model: AreaCNN, batch: tuple[torch.Tensor, torch.Tensor]) -> dict[str, torch.Tensor]:
        return scores(model(batch[0]), batch[1], recipe.label_smoothing)

    result = training.train(
        model,
        patch_batches(train, recipe.batch_size, recipe.augmentation),
        loss,
        torch.optim.Adam(model.parameters(), lr=recipe.learning_rate),
        training.Schedule(
            max_epochs=recipe.epochs,
            rate=training.cosine(steps) if recipe.cosine else None,
            monitor="validation_accuracy",
            higher_is_better=True,
            average=recipe.average,
            seed=seed,
        ),
        place,
        validate=validate,
        settings={"n_areas": n_areas, "train": len(train), **asdict(recipe)},
    )
    return model, result
