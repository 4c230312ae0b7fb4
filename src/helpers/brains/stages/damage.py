"""Stages of paper C: what models do to damage whose truth is known."""

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.brains import quality, vae
from helpers.brains.stages.starts import linear_optimum, prepared_population
from helpers.brains.stages.trained_models import Model
from helpers.data.phantoms import brain_artifacts

PER_TYPE = 40  # clean test images, at most, that each kind of damage is put into


def spread(indices: np.ndarray, count: int) -> np.ndarray:
    """Return at most ``count`` of the indices, evenly spaced: the same images for every model."""
    if len(indices) <= count:
        return indices
    return indices[np.linspace(0, len(indices) - 1, count).astype(int)]


def injected_artifacts(
    run: Run, *, rows: int = 80, per_type: int = PER_TYPE, seed: int = 0
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Put each kind of damage into clean test images, so that the truth is known on any data.

    It is put in *before* preparation, as in nature: a bright spot makes the rest of its image
    darker when brightness is matched, and what is clipped is clipped in it as well.

    Returns
    -------
    dict
        kind -> (clean, damaged, masks), each (n, H, W), all prepared; the same clean images for
        every kind.
    """

    def inject() -> dict:
        data = prepared_population(run, rows)
        chosen = spread(data.reference, per_type)
        raw = np.asarray(run.population.images[chosen], np.float32)
        made = {}
        for number, kind in enumerate(brain_artifacts.ARTIFACTS):
            pairs = [
                brain_artifacts.inject(image, kind, (seed, number, i))
                for i, image in enumerate(raw)
            ]
            damaged, masks = (np.stack(stack) for stack in zip(*pairs))
            covered = data.treatment.sized(masks.astype(np.float32)) > 0.5
            made[kind] = data.treatment(raw), data.treatment(damaged), covered
        return made

    return run.held(("injected", rows, per_type, seed), inject)


def denoising_table(
    run: Run, model: Model, *, rows: int = 80, per_type: int = PER_TYPE, seed: int = 0
) -> pd.DataFrame:
    """Return, per kind of damage and image, what a model lets through and what it keeps.

    Columns: ``kind``, ``image``, ``transmission``, ``kept`` (share of the individual's deviation
    from the mean training image, of x̂(x + a)), ``error`` of x̂(x + a) to x, and ``error_inside``
    and ``error_outside`` the artifact's mask (mean squares).
    """

    def compute() -> dict:
        tables = []
        mean = linear_optimum(run, rows=rows)[1].mean
        injected = injected_artifacts(run, rows=rows, per_type=per_type, seed=seed)
        for kind, (clean, damaged, masks) in injected.items():
            rebuilt, rebuilt_clean = (
                vae.reconstruct(model.net, stack) for stack in (damaged, clean)
            )
            squares = (rebuilt - clean) ** 2
            columns = {
                "kind": kind,
                "image": np.arange(len(clean)),
                "transmission": quality.transmission(clean, damaged, rebuilt_clean, rebuilt),
                "kept": quality.kept_deviation(clean, rebuilt, mean),
                "error": squares.mean((1, 2)),
                "error_inside": _mean_where(squares, masks),
                "error_outside": _mean_where(squares, ~masks),
            }
            tables.append(pd.DataFrame(columns))
        return {"all": pd.concat(tables)}

    parameters = {"rows": rows, "per_type": per_type, "seed": seed}
    inputs = [model.key, run.key("population")]
    return run.stored("denoising", parameters, compute, inputs=inputs).value["all"]


def _mean_where(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    counts = masks.sum((1, 2))
    return np.divide(
        (values * masks).sum((1, 2)), counts, out=np.full(len(values), np.nan), where=counts > 0
    )
