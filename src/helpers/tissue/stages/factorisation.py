"""Stages of paper B: factors of a whole slice, and Gaussian mixtures of the factors of its cortex."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.data.files import write_json
from helpers.tissue.cortex import depth as depths
from helpers.tissue.cortex import mixtures
from helpers.tissue.factors import densities, nmf
from helpers.tissue.stages import slices
from helpers.tissue.stages.kmeans import SURFACE_DOWN
from helpers.training import choose_device

PREDICTED_STRIDE = 8  # of the area map that stands in where a slice is not annotated


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
        "hals", "sklearn"; "basis of z = …" where the components are those of another slice.
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
        return _laid_out(values, self.grid.included)


@dataclass(frozen=True)
class CorticalComponents:
    """Gaussian-mixture components of the cortical factors of one slice, on the grid of its
    features.

    Attributes
    ----------
    factors : SliceFactors
    inside : (h, w) bool array
        Cortical positions that are not outliers.
    depth : (h, w) float32 array
        0 at the pia, 1 at the white matter, NaN outside the cortex.
    layers : (h, w) uint8 array
        1…5 for L1…L6, 0 outside.
    layers_annotated : bool
        Whether layers are labels, or bands of depth that stand in for them.
    mixture : mixtures.Mixture
    posteriors : (m, c) float32 array
        For the positions inside, row by row.
    """

    factors: SliceFactors
    inside: np.ndarray
    depth: np.ndarray
    layers: np.ndarray
    layers_annotated: bool
    mixture: mixtures.Mixture
    posteriors: np.ndarray

    @property
    def components(self) -> np.ndarray:
        """Most probable component of each position: (h, w) int8, −1 outside."""
        out = np.full(self.inside.shape, -1, np.int8)
        out[self.inside] = self.posteriors.argmax(axis=1)
        return out

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """Values (m, …) laid out on the grid (h, w, …), NaN outside."""
        return _laid_out(values, self.inside)

    @property
    def coefficients(self) -> np.ndarray:
        """Factors at the positions inside: (m, k)."""
        return self.factors.coefficients[self.inside[self.factors.grid.included]]

    def shares(self) -> np.ndarray:
        """Layers of each component: (c, 5)."""
        return mixtures.layer_shares(
            self.components, self.layers, len(self.mixture.weights), len(SURFACE_DOWN)
        )


def _laid_out(values, mask):
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


def area_labels(run: Run, trained: Artifact, piece: Slice) -> np.ndarray:
    """Return the areas of a slice (H, W): its annotation, or where it has none, the smoothed
    prediction of the classifier.
    """
    if piece.areas is not None:
        return piece.areas
    return slices.area_map(run, [trained], piece, stride=PREDICTED_STRIDE).labels


def nmf_factors(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    k: int = 15,
    seed: int = 0,
    stride: int = 4,
    basis: Artifact | None = None,
    device: str = "auto",
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
    features = slices.slice_features(
        run, trained, piece, stride=stride, device=device, progress=progress
    )
    grid = features.value

    def make(folder: Path) -> None:
        rows = nmf.Rows(grid.features, grid.included)
        if basis is None:
            found = nmf.fit_nmf(rows, k, seed, device=choose_device(device), progress=progress)
        else:
            components = basis.value.components
            coefficients, error = nmf.solve_coefficients(
                rows, components, device=choose_device(device), progress=progress
            )
            found = nmf.NMFResult(
                coefficients, components, error, 1, f"basis of z = {basis.value.piece.z}"
            )
        np.save(folder / "coefficients.npy", found.coefficients)
        np.save(folder / "components.npy", found.components)
        write_json(
            folder / "facts.json",
            {"error": found.error, "iterations": found.iterations, "solver": found.solver},
        )

    def load(folder: Path) -> SliceFactors:
        coefficients = np.load(folder / "coefficients.npy", mmap_mode="r", allow_pickle=False)
        components = np.load(folder / "components.npy", allow_pickle=False)
        return SliceFactors(
            grid,
            area_labels(run, trained, piece),
            piece.areas is not None,
            coefficients,
            components,
            **json.loads((folder / "facts.json").read_text()),
        )

    parameters = {"k": k, "seed": seed} if basis is None else {}
    return run.artifact(
        f"factors-z{piece.z}",
        parameters,
        make,
        load,
        inputs=[features.key] + ([basis.key] if basis else []),
        methods=[nmf],
    )


def cortical_layers(run: Run, found: SliceFactors) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return depth and layers (1…5, from the surface down) on the grid, and whether the layers are
    annotated.

    Raises
    ------
    ValueError
        If no area is called cortex, or its depth is not defined (see `depth.cortical_depth`).
    """
    areas = [name.casefold() for name in run.microct.areas]
    if "cortex" not in areas:
        raise ValueError(f"no area is called cortex; found {', '.join(run.microct.areas)}")
    labels = found.grid.at_grid(found.areas)
    mine = labels == areas.index("cortex") + 1
    depth = depths.cortical_depth(mine, (labels > 0) & ~mine)
    names = run.microct.layers
    if found.piece.layers is None or not set(SURFACE_DOWN) <= set(names):
        return depth, depths.depth_bands(depth), False
    order = np.array(
        [0, *(SURFACE_DOWN.index(name) + 1 if name in SURFACE_DOWN else 0 for name in names)],
        np.uint8,
    )
    return depth, np.where(mine, order[found.grid.at_grid(found.piece.layers)], 0), True


def cortical_components(
    run: Run,
    fitted: Artifact,
    *,
    n_components: int = 4,
    seed: int = 22,
    margin: float = 64.0,
    max_rows: int = 100_000,
) -> Artifact:
    """Return the Gaussian mixture of the cortical coefficients of a slice (B §3); ``value`` is a
    `CorticalComponents`.

    Parameters
    ----------
    margin : float
        Pixels from the edge of the annotated tissue within which positions are left out as
        outliers.
    n_components, seed, max_rows
        As for `cortex.fit_mixture`.
    """
    found = fitted.value
    depth, layers, annotated = cortical_layers(run, found)
    whole = found.grid.at_grid(found.areas) > 0
    inside = (
        mixtures.interior(whole, margin / found.grid.stride)
        & ~np.isnan(depth)
        & found.grid.included
    )

    def make(folder: Path) -> None:
        rows = found.coefficients[inside[found.grid.included]]
        mixture = mixtures.fit_mixture(rows, n_components, seed, max_rows)
        np.savez(
            folder / "mixture.npz",
            weights=mixture.weights,
            means=mixture.means,
            covariances=mixture.covariances,
            bic=mixture.bic,
            rows=mixture.rows,
        )
        np.save(folder / "posteriors.npy", mixture.posteriors(rows))

    def load(folder: Path) -> CorticalComponents:
        with np.load(folder / "mixture.npz", allow_pickle=False) as stored:
            mixture = mixtures.Mixture(
                stored["weights"],
                stored["means"],
                stored["covariances"],
                float(stored["bic"]),
                int(stored["rows"]),
            )
        posteriors = np.load(folder / "posteriors.npy", mmap_mode="r", allow_pickle=False)
        return CorticalComponents(found, inside, depth, layers, annotated, mixture, posteriors)

    parameters = {
        "n_components": n_components,
        "seed": seed,
        "margin": margin,
        "max_rows": max_rows,
    }
    return run.artifact(
        f"components-z{found.piece.z}",
        parameters,
        make,
        load,
        inputs=[fitted.key, run.microct.fingerprint],
        methods=[mixtures],
    )


def tissue_densities(run: Run, piece: Slice) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return density of cells (per mm²) and of axons (share of the section), each (H, W), and
    whether they are the truth.

    A phantom's own maps; for real tissue, estimates from the gray values (`densities`).
    """
    if {"cell_density", "axon_density"} <= set(piece.truth):
        return (
            piece.truth["cell_density"],
            piece.truth["axon_density"] / np.float32(255),
            True,
        )  # kept in steps of 1/255
    image, _ = slices.standardised(piece)
    tissue = slices.classified(piece)
    return (
        densities.cell_density(image, tissue, run.microct.pixel_size_um),
        densities.fibre_density(image, tissue),
        False,
    )


def choice_of_k(
    run: Run, fitted: Artifact, ks: list[int], seeds: list[int], *, max_rows: int = 8_000
) -> Artifact:
    """Return error and stability of NMF for several k; ``value`` is a table: k, error (mean over
    seeds), stability.

    Stability is the mean cosine of factors matched between seeds; every seed draws its own rows of
    the features. Numbers above the rank of the features are left out.
    """
    grid = fitted.value.grid

    def make(folder: Path) -> None:
        rows = nmf.Rows(grid.features, grid.included)
        samples = [
            rows[
                np.sort(
                    np.random.default_rng(seed).choice(
                        len(rows), min(max_rows, len(rows)), replace=False
                    )
                )
            ]
            for seed in seeds
        ]
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
            table.append(
                {"k": k, "error": np.mean([f.error for f in found]), "stability": np.mean(pairs)}
            )
        pd.DataFrame(table, columns=["k", "error", "stability"]).to_csv(
            folder / "table.csv", index=False
        )

    parameters = {"ks": ks, "seeds": seeds, "max_rows": max_rows}
    return run.artifact(
        "choice-of-k",
        parameters,
        make,
        lambda folder: pd.read_csv(folder / "table.csv"),
        inputs=[fitted.key],
        methods=[nmf],
    )


def choice_of_components(
    run: Run,
    fitted: Artifact,
    found: Artifact,
    numbers: list[int],
    seeds: list[int],
    *,
    max_rows: int = 20_000,
) -> Artifact:
    """Return BIC and stability of the cortical mixture for several numbers of components; ``value``
    is a table.

    Stability is the mean adjusted Rand index between the maps of two seeds.
    """
    from sklearn.metrics import adjusted_rand_score

    def make(folder: Path) -> None:
        rows = found.value.coefficients
        rows = rows[
            np.sort(
                np.random.default_rng(0).choice(len(rows), min(max_rows, len(rows)), replace=False)
            )
        ]
        table = []
        for number in numbers:
            models = [mixtures.fit_mixture(rows, number, seed, max_rows) for seed in seeds]
            maps = [mixture.posteriors(rows).argmax(axis=1) for mixture in models]
            pairs = [adjusted_rand_score(a, b) for i, a in enumerate(maps) for b in maps[:i]]
            table.append(
                {
                    "components": number,
                    "bic": np.mean([mixture.bic for mixture in models]) / len(rows),
                    "stability": np.mean(pairs),
                }
            )
        pd.DataFrame(table).to_csv(folder / "table.csv", index=False)

    parameters = {"numbers": numbers, "seeds": seeds, "max_rows": max_rows}
    return run.artifact(
        "choice-of-components",
        parameters,
        make,
        lambda folder: pd.read_csv(folder / "table.csv"),
        inputs=[found.key],
        methods=[mixtures],
    )
