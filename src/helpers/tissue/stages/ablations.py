"""Stages of page 02: what each step of a recipe brings, and each step of a prediction."""

import json

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.network import classifier, evaluation
from helpers.tissue.stages.classifier import trained_classifiers
from helpers.tissue.stages.slices import area_map, evaluation_patches, labelled_test_slice


def ablation_scores(
    run: Run,
    seeds: list[int],
    steps: list[str],
    *,
    recipe: str = "fast",
    per_area: int = 300,
    stride: int = 4,
) -> pd.DataFrame:
    """Train the complete recipe and, for every step, the recipe without it, and score them all.

    Parameters
    ----------
    seeds : list of int
        One network of each kind is trained for each; the same windows judge all of them.
    steps : list of str
        Names in :data:`helpers.tissue.network.recipes.STEPS`.
    recipe : str
        See `trained_classifiers`.
    per_area : int
        Windows per area of the patch accuracies.
    stride : int
        Pixels between the windows of a whole slice.

    Returns
    -------
    DataFrame
        Indexed by ``left out`` ("" for nothing) and ``seed``. Patch accuracy on validation and on
        every annotated test slice, raw accuracy over the first of these as a whole, and ``minutes``
        of training. For `helpers.tissue.network.evaluation.ablation_table`.
    """
    drawn = evaluation_patches(run, per_area, seed=seeds[0])
    test, rows = labelled_test_slice(run), {}
    for step in ("", *steps):
        networks = trained_classifiers(run, seeds, recipe=recipe, without=step)
        for seed, trained in networks.items():
            row = {
                name: np.mean(classifier.predict(trained.value.model, part.cut()) == part.labels)
                for name, part in drawn.items()
            }
            if test is not None:
                found = area_map(run, [trained], test, stride=stride).raw
                matrix = evaluation.confusion_matrix(test.areas, found, run.microct.areas)
                row["whole slice"] = evaluation.accuracy(matrix)
            made = json.loads((trained.path / "artifact.json").read_text())
            rows[step, seed] = {**row, "minutes": made["seconds"] / 60}
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["left out", "seed"])


def prediction_steps(
    run: Run, trained: list[Artifact], *, stride: int = 4, smoothing_um: float = 95.0
) -> pd.DataFrame | None:
    """Score what is done to the log-probabilities of trained networks before a pixel gets its area.

    Returns
    -------
    DataFrame or None
        Raw and smoothed accuracy over the first annotated test slice: the mean and the standard
        deviation of single networks, and the networks averaged. None where no test slice is
        annotated.
    """
    test = labelled_test_slice(run)
    if test is None:
        return None

    def scores(networks: list[Artifact]) -> dict[str, float]:
        result = area_map(run, networks, test, stride=stride, smoothing_um=smoothing_um)
        found = {"raw": result.raw, "smooth": result.smooth}
        return {
            kind: evaluation.accuracy(
                evaluation.confusion_matrix(test.areas, labels, run.microct.areas)
            )
            for kind, labels in found.items()
        }

    single = pd.DataFrame([scores([one]) for one in trained])
    rows = {"one network": single.mean()}
    if len(trained) > 1:
        rows["one network, sd over seeds"] = single.std()
        rows[f"mean of {len(trained)} networks"] = scores(trained)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("prediction")
