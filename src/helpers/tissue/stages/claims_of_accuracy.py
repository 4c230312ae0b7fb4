"""What page 02 records: accuracies and confusions, each with its control."""

import numpy as np
import pandas as pd

from helpers.book.claims import Finding
from helpers.tissue.network import evaluation

ENOUGH_ERRORS = 100  # with fewer, where errors lie is chance
NO_TEST = "no test slice is annotated"


def window_claims(accuracies: pd.Series, gray: pd.DataFrame, test: str | None) -> dict[str, object]:
    """Values of the claims on balanced windows.

    Parameters
    ----------
    accuracies : Series
        Of the network, by the name of the windows: validation first.
    gray : DataFrame
        baseline, windows, accuracy: of gray statistics on the same windows.
    test : str or None
        Name of the test windows, None if no test slice is annotated.
    """
    best = gray.groupby("windows")["accuracy"].max()

    def found(name: str) -> Finding:
        return Finding(float(accuracies[name]), control=float(best[name]))

    return {
        "B.acc.validation": found("validation"),
        "A.acc.test": found(test) if test else NO_TEST,
    }


def slice_claims(
    confusion: pd.DataFrame, touching: np.ndarray, gray: dict, seed: int = 0
) -> dict[str, object]:
    """Values of the claims on a whole slice.

    Parameters
    ----------
    confusion : (n, n) DataFrame
        Counts over all positions that the network judged.
    touching : (n, n) bool array
        From `evaluation.touching_areas`.
    gray : dict
        From `gray_controls`: the histogram forest on the same slice.
    seed : int
        Of the permutations of area names.
    """
    positions = int(confusion.to_numpy().sum())
    value = {"accuracy": evaluation.accuracy(confusion), "positions": positions}
    forest = {"accuracy": gray["slice_accuracy"], "positions": gray["slice_positions"]}
    return {
        "A.acc.slice": Finding(value, control=forest),
        "A.confusion.neighbours": neighbour_claim(confusion, touching, seed),
    }


def neighbour_claim(confusion: pd.DataFrame, touching: np.ndarray, seed: int = 0) -> Finding | str:
    """Value of the claim that confusions concentrate on areas that touch, or why there is none.

    ``permuted_share`` is the 95 % quantile of ``share`` over permutations of the areas' names; the
    control is the permutation that comes nearest to it from below.
    """
    counts = confusion.to_numpy()
    errors = int(counts.sum() - np.trace(counts))
    if errors < ENOUGH_ERRORS:
        return f"{errors} errors are too few to say where they lie; expected {ENOUGH_ERRORS}"
    try:
        table = evaluation.neighbour_confusion(confusion, touching, seed=seed)
    except ValueError as error:
        return str(error)
    permuted = table.iloc[1:].sort_values("share", kind="stable")
    limit = permuted.iloc[int(0.95 * (len(permuted) - 1))]
    null = {"permuted_share": limit["share"]}
    value = {**table.iloc[0], **null, "errors": errors}
    return Finding(value, control={**limit, **null, "errors": errors})
