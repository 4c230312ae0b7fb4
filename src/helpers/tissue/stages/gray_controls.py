"""What gray values alone say of the windows and the slice that the classifier is judged on."""

import numpy as np
import pandas as pd
from sklearn.utils import gen_batches

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.data.patches import Patches
from helpers.tissue.features import baselines
from helpers.tissue.stages.classifier import TrainedClassifier, training_patches
from helpers.tissue.stages.slices import evaluation_patches, labelled_test_slice, prepared_slice

BATCH = 512  # windows that are cut at a time


def gray_controls(
    run: Run,
    learned: TrainedClassifier,
    per_area: int,
    *,
    positions: int = 20_000,
    seed: int = 0,
    drawn: int = 0,
) -> Artifact:
    """Return how well gray statistics tell areas apart where the classifier is judged.

    The baselines learn from the very windows that the network learned from.

    Parameters
    ----------
    learned : TrainedClassifier
        Trained with the same seed.
    per_area : int
        Windows per area of `evaluation_patches`.
    positions : int
        Random annotated positions of the test slice that stand for the whole of it.
    seed : int
    drawn : int
        Seed of `evaluation_patches`.

    Returns
    -------
    Artifact
        ``value["windows"]`` is a table of baseline, windows (names of `evaluation_patches`),
        accuracy. ``value["slice_accuracy"]`` is that of the histogram forest at
        ``value["slice_positions"]`` positions, None where no test slice is annotated.
    """

    def compute() -> dict:
        windows = training_patches(run, learned, seed=seed)
        fitted = baselines.fit_gray_baselines(_statistics(windows), windows.labels, seed)
        rows = []
        for name, part in evaluation_patches(run, per_area, seed=drawn).items():
            seen = _statistics(part)
            for baseline, predict in fitted.items():
                rows.append((baseline, name, np.mean(predict(seen) == part.labels)))
        found = {"windows": pd.DataFrame(rows, columns=["baseline", "windows", "accuracy"])}
        test, right = labelled_test_slice(run), None
        if test:
            part = _annotated_positions(run, test, positions, seed)
            right = fitted[baselines.HISTOGRAM](_statistics(part)) == part.labels
        found["slice_accuracy"] = None if right is None else float(right.mean())
        return found | {"slice_positions": 0 if right is None else len(right)}

    parameters = {
        "learned": [learned.patches_per_area, learned.purity],
        "per_area": per_area,
        "positions": positions,
        "seed": [seed, drawn],
    }
    return run.stored("gray-controls", parameters, compute, inputs=[run.key("microct")])


def _annotated_positions(run: Run, piece: Slice, n: int, seed: int) -> Patches:
    """Windows at random annotated pixels of a slice; all of them if there are fewer than n."""
    places = np.flatnonzero(piece.areas)
    chosen = np.random.default_rng(seed).choice(places, min(n, len(places)), replace=False)
    centres = np.stack(np.unravel_index(np.sort(chosen), piece.areas.shape), axis=1)
    prepared = prepared_slice(run, piece)
    return Patches(
        (prepared.whole,),
        np.zeros(len(centres), int),
        centres + piece.offset,
        piece.areas[tuple(centres.T)],
        padding=(prepared.scale.raw_zero,),
    )


def _statistics(part: Patches) -> np.ndarray:
    batches = gen_batches(len(part), BATCH)
    return np.concatenate(
        [baselines.gray_statistics(part.cut(range(len(part))[batch])) for batch in batches]
    )
