"""Stages of paper B: factors of a whole slice."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.tissue.factors import nmf
from helpers.tissue.stages import slices
from helpers.training import choose_device


@dataclass(frozen=True)
class SliceFactors:
    """Factors of the features of one slice; a row per position with features.

    Attributes
    ----------
    grid : slices.SliceFeatures
        Where the positions lie.
    areas : (H, W) uint8 array
        Area of each pixel: annotated, or else predicted.
    annotated : bool
        Which of the two.
    coefficients : (n, k) float32 array
        On disk, read as needed.
    components : (k, 64) float32 array
    error : float
        Relative Frobenius error.
    iterations : int
    solver : str
        "hals", or "basis of z = …" where the components are those of another slice.
    """

    grid: slices.SliceFeatures
    areas: np.ndarray
    annotated: bool
    coefficients: np.ndarray
    components: np.ndarray
    error: float
    iterations: int
    solver: str

    @property
    def piece(self) -> Slice:
        return self.grid.piece

    @property
    def labels(self) -> np.ndarray:
        """Area of each position: (n,) uint8, 0 = none."""
        return self.at(self.areas)

    @property
    def places(self) -> np.ndarray:
        """Pixel row and column of each position: (n, 2)."""
        i, j = np.nonzero(self.grid.included)
        return np.column_stack([self.grid.rows[i], self.grid.columns[j]])

    def at(self, image: np.ndarray) -> np.ndarray:
        """Values of an image (H, W) at the positions: (n,)."""
        return self.grid.at_grid(image)[self.grid.included]

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """Values (n,) laid out on the grid (h, w), NaN where there is no position."""
        return laid_out(values, self.grid.included)


def laid_out(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return values (n, …) at the true positions of a mask (h, w), NaN elsewhere: (h, w, …)."""
    out = np.full(mask.shape + values.shape[1:], np.nan, np.float32)
    out[mask] = values
    return out


def slice_pair(run: Run) -> tuple[Slice, Slice | None]:
    """Return the slice that paper B is about, and a second one to compare it with.

    The first annotated test slice, else validation, else training slice; then another, test slices
    first.
    """
    order = {"test": 0, "validation": 1, "train": 2}
    pieces = sorted(run.microct.slices(), key=lambda piece: order[piece.role])
    first = next(piece for piece in pieces if piece.areas is not None)
    return first, next((piece for piece in pieces if piece is not first), None)


def area_labels(run: Run, trained: Artifact, piece: Slice, stride: int) -> np.ndarray:
    """Return the areas of a slice (H, W): its annotation, or where it has none, the smoothed
    prediction of the classifier on the features that are there at this stride.
    """
    if piece.areas is not None:
        return piece.areas
    return slices.area_map(run, [trained], piece, stride=stride).labels


def nmf_factors(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    k: int = 15,
    seed: int = 0,
    stride: int = 4,
    basis: Artifact | None = None,
    progress: bool = True,
) -> Artifact:
    """Return the NMF factors of all features of a slice (B §2); ``value`` is a `SliceFactors`.

    Parameters
    ----------
    k, seed
        As for `factors.fit_nmf`.
    stride : int
        Pixels between positions; 1 in the paper.
    basis : Artifact, optional
        Factors of another slice: its components are kept and only coefficients are solved for.
    """
    features = slices.slice_features(run, trained, piece, stride=stride, progress=progress)
    grid = features.value

    def compute() -> dict:
        rows = nmf.Rows(grid.features, grid.included)
        options = {"device": choose_device(), "progress": progress}
        if basis is None:
            return vars(nmf.fit_nmf(rows, k, seed, **options))
        components = basis.value.components
        coefficients, error = nmf.solve_coefficients(rows, components, **options)
        solver = f"basis of z = {basis.value.piece.z}"
        return vars(nmf.NMFResult(coefficients, components, error, 1, solver))

    parameters = {"k": k, "seed": seed} if basis is None else {}
    inputs = [features.key, *([basis.key] if basis else [])]
    found = run.stored(f"factors-z{piece.z}", parameters, compute, inputs=inputs)
    areas = area_labels(run, trained, piece, stride)
    return replace(found, value=SliceFactors(grid, areas, piece.areas is not None, **found.value))


def choice_of_k(
    run: Run, fitted: Artifact, ks: list[int], seeds: list[int], *, max_rows: int = 8_000
) -> Artifact:
    """Return error and stability of NMF for several k.

    ``value`` is a table: k, error (mean over seeds), stability. Stability is the mean cosine of
    factors matched between seeds; every seed draws its own rows of the features. Numbers above the
    rank of the features are left out.
    """
    grid = fitted.value.grid

    def compute() -> dict:
        rows = nmf.Rows(grid.features, grid.included)
        samples = [rows[random_rows(len(rows), max_rows, seed)] for seed in seeds]
        table = []
        for k in sorted(ks):
            try:
                found = [nmf.fit_nmf(sample, k, seed) for sample, seed in zip(samples, seeds)]
            except ValueError:
                break
            pairs = [
                nmf.match_components(a.components, b.components)[1].mean()
                for i, a in enumerate(found)
                for b in found[:i]
            ]
            table.append((k, np.mean([one.error for one in found]), np.mean(pairs)))
        return {"all": pd.DataFrame(table, columns=["k", "error", "stability"])}

    parameters = {"ks": ks, "seeds": seeds, "max_rows": max_rows}
    found = run.stored("choice-of-k", parameters, compute, inputs=[fitted.key])
    return replace(found, value=found.value["all"])


def random_rows(n: int, at_most: int, seed: int) -> np.ndarray:
    """Return sorted indices of at most so many of n rows, drawn at random."""
    return np.sort(np.random.default_rng(seed).choice(n, min(at_most, n), replace=False))
