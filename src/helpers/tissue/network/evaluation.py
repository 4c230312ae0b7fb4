"""Scores of predicted areas: confusion, accuracy, and which confusions touch."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def confusion_matrix(truth, predicted, areas):
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
    """
    import pandas as pd
    from sklearn import metrics

    truth, predicted = np.asarray(truth).ravel(), np.asarray(predicted).ravel()
    if truth.shape != predicted.shape:
        raise ValueError(
            f"truth and prediction differ in number: {truth.size} and {predicted.size}"
        )
    kept = truth > 0
    if not kept.any():
        raise ValueError("no annotated sample: every true label is 0")
    labels = np.arange(1, len(areas) + 1)
    # Label 0 of a prediction (not classified) has no column; it would silently vanish from the
    # accuracy.
    for name, values in (("truth", truth[kept]), ("prediction", predicted[kept])):
        if values.min() < 1 or values.max() > len(areas):
            raise ValueError(
                f"labels of the {name} must lie in 1 ... {len(areas)}, found {values.min()} ... {values.max()}"
            )
    counts = metrics.confusion_matrix(truth[kept], predicted[kept], labels=labels)
    return pd.DataFrame(
        counts, index=pd.Index(areas, name="true"), columns=pd.Index(areas, name="predicted")
    )


def scores(confusion):
    """Precision, recall, F1 and support per area, from a confusion matrix.

    A ratio whose denominator is zero (an area never predicted, or never present) counts as 0.

    Returns
    -------
    DataFrame (n, 4)
        Columns precision, recall, f1, support.
    """
    import pandas as pd

    counts = confusion.to_numpy(dtype=float)
    hits, present, predicted = np.diag(counts), counts.sum(1), counts.sum(0)

    def ratio(a, b):
        return np.divide(a, b, out=np.zeros_like(a), where=b > 0)

    columns = {
        "precision": ratio(hits, predicted),
        "recall": ratio(hits, present),
        "f1": ratio(2 * hits, present + predicted),
        "support": present.astype(int),
    }
    return pd.DataFrame(columns, index=pd.Index(confusion.index, name="area"))


def accuracy(confusion):
    """Share of samples on the diagonal of a confusion matrix."""
    counts = np.asarray(confusion)
    return float(np.trace(counts) / counts.sum())


NEAR = 64  # pixels within which two areas touch


def neighbour_confusion(confusion, areas) -> dict[str, float]:
    """Return the mean confusion of areas that touch and of those that do not (A Fig. 3).

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
    n, step = (
        len(shares),
        4,
    )  # distances to a quarter of the resolution are exact enough for "within 64 pixels"
    small = areas[::step, ::step]
    near = np.zeros((n, n), bool)
    for a in range(n):
        if (small == a + 1).any():
            distance = step * ndimage.distance_transform_edt(small != a + 1)
            near[a] = [(distance[small == b + 1] <= NEAR).any() for b in range(n)]
    off_diagonal = ~np.eye(n, dtype=bool)

    def mean(mask):
        return float(shares[mask].mean()) if mask.any() else 0.0

    return {"touching": mean(near & off_diagonal), "apart": mean(~near & off_diagonal)}
