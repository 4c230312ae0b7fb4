"""Stages of papers A and B: the trained area classifier, and the released one beside it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import model_files, training
from helpers.book import executors, tasks
from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.files import write_json
from helpers.data.patches import Patches
from helpers.tissue.network import classifier, recipes, released
from helpers.tissue.stages.slices import evaluation_patches, patches


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained `AreaCNN` and how it came about.

    Attributes
    ----------
    model : AreaCNN
    history : DataFrame
        One row of numbers per epoch.
    best_epoch : int
        The epoch that was kept, from 0.
    patches_per_area : int
        Training patches per area.
    purity : float
        Share of a training window that its area fills at least.
    """

    model: classifier.AreaCNN
    history: pd.DataFrame
    best_epoch: int
    patches_per_area: int
    purity: float


@dataclass(frozen=True)
class UntrainedClassifier:
    """An `AreaCNN` that never saw a window: the control of what training gave.

    Attributes
    ----------
    model : AreaCNN
        The weights that training with the same seed begins with.
    """

    model: classifier.AreaCNN


def trained_classifier(
    run: Run,
    seed: int = 0,
    *,
    recipe: str = "fast",
    without: str = "",
    device: str = "auto",
    progress: bool = True,
) -> Artifact:
    """Return the area classifier trained on a dataset's training slices (A §III.2).

    ``value`` is a `TrainedClassifier`.

    Parameters
    ----------
    recipe : str
        How it is trained: a name in :data:`helpers.tissue.network.recipes.RECIPES`, and behind it
        what differs, for example ``"fast, epochs=20, patches_per_area=1500"``.
    without : str
        A step of the recipe to leave out, see :func:`helpers.tissue.network.recipes.without`.
    """
    chosen = recipes.without(training.choose_recipe(recipes.RECIPES, recipe), without)
    areas = run.microct.areas

    def make(folder: Path) -> None:
        model, result = recipes.train_area_classifier(
            patches(run, "train", chosen.patches_per_area, seed=seed, purity=chosen.purity),
            patches(run, "validation", chosen.validation_per_area, seed=seed),
            len(areas),
            chosen,
            seed,
            training.Place(device, checkpoint=folder / "checkpoint", progress=progress),
        )
        model_files.save(model, folder / "classifier.safetensors", areas=list(areas))
        write_json(folder / "history.json", vars(result))

    def load(folder: Path) -> TrainedClassifier:
        content = json.loads((folder / "history.json").read_text())
        model = model_files.load(classifier.AreaCNN, folder / "classifier.safetensors")
        history = pd.DataFrame(content["history"])
        drawn = chosen.patches_per_area, chosen.purity
        return TrainedClassifier(model, history, content["best_epoch"], *drawn)

    parameters = {"seed": seed, "recipe": asdict(chosen)}
    return run.artifact("classifier", parameters, make, load, inputs=[run.key("microct")])


def trained_classifiers(
    run: Run, seeds: Sequence[int], *, recipe: str = "fast", without: str = ""
) -> dict[int, Artifact]:
    """Return what `trained_classifier` returns for every seed, by seed.

    One after the other, each with all threads of this process; side by side where
    `helpers.book.executors` was told of Dask's workers, each on one thread. A worker that dies
    loses nothing but what it did since its last checkpoint; another goes on from there.

    Raises
    ------
    RuntimeError
        If Dask's workers are gone.
    """
    settings = {"recipe": recipe, "without": without}
    dask = os.environ.get(executors.DASK, "")
    if dask and len(seeds) > 1:
        with executors.workers(dask) as found:
            facts = tasks.run_address(run)
            submit = found.executor.submit
            waiting = [submit(_train_in_worker, facts, seed, settings) for seed in seeds]
            tasks.wait_for_all(waiting, "network")
    return {seed: trained_classifier(run, seed, **settings) for seed in seeds}


def _train_in_worker(address: tasks.Address, seed: int, settings: dict[str, str]) -> None:
    trained_classifier(tasks.run_at(address), seed, **settings, progress=False)


def training_patches(
    run: Run,
    learned: TrainedClassifier,
    per_area: int | None = None,
    *,
    seed: int = 0,
    raw: bool = False,
) -> Patches:
    """Return the windows that a network learned from, or a part of them drawn at random.

    Whatever is compared with the network learns from these, so that no rule of drawing favours
    either.

    Parameters
    ----------
    learned : TrainedClassifier
        What `trained_classifier` returned for the same seed.
    per_area : int, optional
        So many of each area; all of them if the network saw no more.
    seed, raw
        As for `patches`.
    """
    drawn = patches(
        run, "train", learned.patches_per_area, seed=seed, raw=raw, purity=learned.purity
    )
    if per_area is None or per_area >= learned.patches_per_area:
        return drawn
    rng = np.random.default_rng([seed, len(drawn)])
    rows = [np.flatnonzero(drawn.labels == area) for area in np.unique(drawn.labels)]
    chosen = np.concatenate([np.sort(rng.permutation(mine)[:per_area]) for mine in rows])
    return drawn.part(chosen)


def untrained_classifier(run: Run, seed: int = 0) -> Artifact:
    """Return the area classifier as it is before any training; ``value`` is an
    `UntrainedClassifier`.

    Whatever takes a trained classifier (features of a slice, of the cortex, of patches, factors of
    them) takes this one in its place: same architecture, same inputs, same later steps.
    """

    def make(folder: Path) -> None:
        model = recipes.initial_classifier(len(run.microct.areas), seed)
        model_files.save(model, folder / "classifier.safetensors", areas=list(run.microct.areas))

    def load(folder: Path) -> UntrainedClassifier:
        return UntrainedClassifier(
            model_files.load(classifier.AreaCNN, folder / "classifier.safetensors")
        )

    parameters = {"seed": seed, "areas": list(run.microct.areas)}
    return run.artifact("classifier-untrained", parameters, make, load)


def released_accuracy(run: Run, weights: str | Path, per_area: int, *, seed: int = 0) -> pd.Series:
    """Return the accuracy of the authors' released network on the windows of `evaluation_patches`.

    Parameters
    ----------
    weights : path
        Their ``cnn_weights.pt``.

    Raises
    ------
    ValueError
        If the file does not hold that network, or it knows other areas than the dataset has.
    """
    model = classifier.AreaCNN.from_released(weights)
    accuracy = {}
    for name, windows in evaluation_patches(run, per_area, seed=seed, raw=True).items():
        said = released.predict(model, windows.cut()[:, 0], run.microct.areas)
        accuracy[name] = np.mean(said == windows.labels)
    return pd.Series(accuracy, name="released weights")
