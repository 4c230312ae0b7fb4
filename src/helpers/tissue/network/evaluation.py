"""Scores of predicted areas: confusion, accuracy, and which confusions touch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn import metrics

NEAR = 64  # pixels within which two areas touch
STEP = 4  # distances at a quarter of the resolution are exact enough for that


def confusion_matrix(
    truth: np.ndarray, predicted: np.ndarray, areas: Sequence[str]
) -> pd.DataFrame:
    """Counts of (true area, predicted area) over annotated samples.

    Parameters
    ----------
    truth, predicted : int arrays of one shape
        Labels 1 ... n; samples whose true label is 0 (not annotated) are left out.
    areas : sequence of str
        Names in class order.

    Returns
    -------
    DataFrame (n, n)
        Rows are true areas, columns predicted ones.

    Raises
    ------
    ValueError
        If the two differ in number, nothing is annotated, or a label lies outside 1 ... n (a
        prediction of 0 has no column: it would silently vanish from the accuracy).
    """
    truth, predicted = np.ravel(truth), np.ravel(predicted)
    if truth.shape != predicted.shape:
        raise ValueError(
            f"truth and prediction differ in number: {truth.size} and {predicted.size}"
        )
    kept = truth > 0
    if not kept.any():
        raise ValueError("no annotated sample: every true label is 0")
    for name, values in (("truth", truth[kept]), ("prediction", predicted[kept])):
        if values.min() < 1 or values.max() > len(areas):
            raise ValueError(
                f"labels of the {name} must lie in 1 ... {len(areas)}, "
                f"found {values.min()} ... {values.max()}"
            )
    labels = np.arange(1, len(areas) + 1)
    return pd.DataFrame(
        metrics.confusion_matrix(truth[kept], predicted[kept], labels=labels),
        index=pd.Index(areas, name="true"),
        columns=pd.Index(areas, name="predicted"),
    )


def scores(confusion: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, F1 and support per area, from a confusion matrix.

    A ratio whose denominator is zero (an area never predicted, or never present) counts as 0.

    Returns
    -------
    DataFrame (n, 4)
        Columns precision, recall, f1, support.
    """
    counts = confusion.to_numpy(dtype=float)
    hits, present, predicted = np.diag(counts), counts.sum(1), counts.sum(0)
    columns = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(present, 1),
        "f1": 2 * hits / np.maximum(present + predicted, 1),
        "support": present.astype(int),
    }
    return pd.DataFrame(columns, index=pd.Index(confusion.index, name="area"))


def accuracy(confusion: pd.DataFrame | np.ndarray) -> float:
    """Share of samples on the diagonal of a confusion matrix."""
    counts = np.asarray(confusion)
    return float(np.trace(counts) / counts.sum())


def neighbour_confusion(
    confusion: pd.DataFrame | np.ndarray, areas: np.ndarray
) -> dict[str, float]:
    """Mean confusion of areas that touch and of those that do not (paper A, Fig. 3).

    Parameters
    ----------
    confusion : (n, n) counts
    areas : (H, W) int array
        Annotation, 1…n.

    Returns
    -------
    dict
        ``touching`` and ``apart``: mean row-normalised confusion over ordered pairs; 0 where there
        is no such pair.
    """
    counts = np.asarray(confusion, float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    labels = np.arange(1, len(shares) + 1)
    small = areas[::STEP, ::STEP]
    near = np.zeros(shares.shape, bool)
    for label in np.intersect1d(labels, small):
        distance = STEP * ndimage.distance_transform_edt(small != label)
        near[label - 1] = np.isin(labels, small[distance <= NEAR])
    pairs = ~np.eye(len(shares), dtype=bool)
    groups = {"touching": shares[near & pairs], "apart": shares[~near & pairs]}
    return {name: float(values.mean()) if len(values) else 0.0 for name, values in groups.items()}


def ablation_table(scores: pd.DataFrame) -> pd.DataFrame:
    """What each step of a recipe brings, from scores of networks trained with and without it.

    Parameters
    ----------
    scores : DataFrame
        One row per network, indexed by what was left out ("" for nothing) and the seed; columns are
        measures, and ``minutes`` of training.

    Returns
    -------
    DataFrame
        One row per step in the order of `scores`; for every measure its mean over seeds, its
        standard deviation (``… sd``; missing with a single seed), and ``… brings``: how much lower
        the mean is without the step. Of the minutes the mean alone.

    Raises
    ------
    ValueError
        If there is no network of the complete recipe.
    """
    steps = scores.index.get_level_values(0)
    if "" not in steps:
        raise ValueError(
            "expected scores of the complete recipe, with the step '', to compare with; found only "
            f"{', '.join(map(repr, steps.unique()))}"
        )
    groups = scores.groupby(level=0, sort=False)
    mean, spread = groups.mean(), groups.std()
    columns = {}
    for measure in scores:
        columns[measure] = mean[measure]
        if measure == "minutes":
            continue
        columns[f"{measure} sd"] = spread[measure]
        columns[f"{measure} brings"] = mean.loc["", measure] - mean[measure]
    table = pd.DataFrame(columns).rename(index={"": "nothing"})
    return table.rename_axis("left out")
