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


def touching_areas(areas: np.ndarray, n_areas: int) -> np.ndarray:
    """Return which areas come within `NEAR` pixels of each other.

    Parameters
    ----------
    areas : (H, W) int array
        Annotation, 1…n.
    n_areas : int

    Returns
    -------
    (n, n) bool array
        Symmetric; an area that is not annotated touches none.
    """
    labels, small = np.arange(1, n_areas + 1), areas[::STEP, ::STEP]
    touching = np.zeros((n_areas, n_areas), bool)
    for label in np.intersect1d(labels, small):
        distance = STEP * ndimage.distance_transform_edt(small != label)
        touching[label - 1] = np.isin(labels, small[distance <= NEAR])
    return (touching | touching.T) & ~np.eye(n_areas, dtype=bool)


def neighbour_confusion(
    confusion: pd.DataFrame | np.ndarray,
    touching: np.ndarray,
    permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean confusion of areas that touch and of those that do not (paper A, Fig. 3), and the same
    with the names of the areas permuted.

    Areas without a sample take no part.

    Parameters
    ----------
    confusion : (n, n) counts
    touching : (n, n) bool array
        From :func:`touching_areas`.
    permutations : int
        How often the names of the areas are permuted: the same confusions between other areas.
    seed : int

    Returns
    -------
    DataFrame (1 + permutations, 3)
        ``touching`` and ``apart``: mean row-normalised confusion over ordered pairs; ``share``:
        touching / (touching + apart), 0.5 where nothing is confused. The first row is the confusion
        as it is.

    Raises
    ------
    ValueError
        If no pair of areas touches, or none is apart.
    """
    counts = np.asarray(confusion, float)
    present = counts.sum(1) > 0
    part = np.ix_(present, present)
    near, n = np.asarray(touching, bool)[part], int(present.sum())
    apart = ~near & ~np.eye(n, dtype=bool)
    if not near.any() or not apart.any():
        raise ValueError(
            f"expected areas that touch and areas that do not; of {n} areas, {near.sum() // 2} "
            f"pairs touch and {apart.sum() // 2} lie apart"
        )
    shares = (counts / np.maximum(counts.sum(1, keepdims=True), 1))[part]
    rng = np.random.default_rng(seed)
    order = np.array([np.arange(n), *(rng.permutation(n) for _ in range(permutations))])
    renamed = shares[order[:, :, None], order[:, None, :]]  # (1 + permutations, n, n)
    close, far = renamed[:, near].mean(1), renamed[:, apart].mean(1)
    both = close + far
    share = np.divide(close, both, out=np.full(len(both), 0.5), where=both > 0)
    return pd.DataFrame({"touching": close, "apart": far, "share": share})


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
