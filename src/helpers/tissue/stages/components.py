"""Stages of paper B: Gaussian mixtures of the factors of cortex."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.cortex import composition, mixtures
from helpers.tissue.cortex.depth import interior
from helpers.tissue.stages.factorisation import SliceFactors, laid_out, random_rows
from helpers.tissue.stages.kmeans import cortical_layers

NULL_STRIDE = 8  # pixels between the positions at which null draws are measured, at least


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
        1…m for ``layer_names``, 0 outside.
    layer_names : tuple of str
        From the surface down.
    layers_annotated : bool
        Whether layers are labels, or bands of depth that stand in for them.
    mixture : mixtures.Mixture
    posteriors : (m, c) float32 array
        For the positions inside, row by row.
    margin : float
        Pixels from the edge of the annotated tissue that are left out.
    seed : int
        Of the mixture.
    """

    factors: SliceFactors
    inside: np.ndarray
    depth: np.ndarray
    layers: np.ndarray
    layer_names: tuple[str, ...]
    layers_annotated: bool
    mixture: mixtures.Mixture
    posteriors: np.ndarray
    margin: float
    seed: int

    @property
    def components(self) -> np.ndarray:
        """Most probable component of each position: (h, w) int8, −1 outside."""
        out = np.full(self.inside.shape, -1, np.int8)
        out[self.inside] = self.posteriors.argmax(axis=1)
        return out

    @property
    def thinning(self) -> int:
        """Null draws are measured at every so many positions of the grid."""
        return max(1, NULL_STRIDE // self.factors.grid.stride)

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """Values (m, …) laid out on the grid (h, w, …), NaN outside."""
        return laid_out(values, self.inside)

    @property
    def coefficients(self) -> np.ndarray:
        """Factors at the positions inside: (m, k)."""
        return self.factors.coefficients[self.inside[self.factors.grid.included]]

    def shares(self) -> np.ndarray:
        """Layers of each component: (c, m)."""
        return composition.layer_shares(
            self.components, self.layers, len(self.mixture.weights), len(self.layer_names)
        )


def cortical_components(
    run: Run,
    fitted: Artifact,
    *,
    n_components: int = 4,
    seed: int = 22,
    margin: float = 64.0,
    max_rows: int = 100_000,
) -> Artifact:
    """Return the Gaussian mixture of the cortical coefficients of a slice (B §3).

    ``value`` is a `CorticalComponents`.

    Parameters
    ----------
    margin : float
        Pixels from the edge of the annotated tissue within which positions are left out as
        outliers.
    n_components, seed, max_rows
        As for `mixtures.fit_mixture`.
    """
    factors = fitted.value
    grid = factors.grid
    cortex = cortical_layers(run, grid, factors.areas)
    whole = interior(grid.at_grid(factors.areas) > 0, margin / grid.stride)
    inside = whole & ~np.isnan(cortex["depth"]) & grid.included

    def compute() -> dict:
        rows = factors.coefficients[inside[grid.included]]
        mixture = mixtures.fit_mixture(rows, n_components, seed, max_rows)
        return {**vars(mixture), "posteriors": mixture.posteriors(rows)}

    parameters = {
        "n_components": n_components,
        "seed": seed,
        "margin": margin,
        "max_rows": max_rows,
    }
    inputs = [fitted.key, run.key("microct")]
    found = run.stored(f"components-z{factors.piece.z}", parameters, compute, inputs=inputs)
    posteriors = found.value.pop("posteriors")
    mixture = mixtures.Mixture(**found.value)
    annotated = cortex.pop("annotated")
    components = CorticalComponents(
        factors=factors,
        inside=inside,
        **cortex,
        layers_annotated=annotated,
        mixture=mixture,
        posteriors=posteriors,
        margin=margin,
        seed=seed,
    )
    return replace(found, value=components)


def choice_of_components(
    run: Run,
    found: Artifact,
    numbers: list[int],
    seeds: list[int],
    *,
    max_rows: int = 20_000,
) -> Artifact:
    """Return BIC and stability of the cortical mixture for several numbers of components.

    ``value`` is a table. Stability is the mean adjusted Rand index between the maps of two seeds.
    """
    from sklearn.metrics import adjusted_rand_score

    def compute() -> dict:
        rows = found.value.coefficients
        rows = rows[random_rows(len(rows), max_rows, 0)]
        table = []
        for number in numbers:
            models = [mixtures.fit_mixture(rows, number, seed, max_rows) for seed in seeds]
            maps = [mixture.posteriors(rows).argmax(axis=1) for mixture in models]
            pairs = [adjusted_rand_score(a, b) for i, a in enumerate(maps) for b in maps[:i]]
            bic = np.mean([mixture.bic for mixture in models]) / len(rows)
            table.append((number, bic, np.mean(pairs)))
        return {"all": pd.DataFrame(table, columns=["components", "bic", "stability"])}

    parameters = {"numbers": numbers, "seeds": seeds, "max_rows": max_rows}
    stored = run.stored("choice-of-components", parameters, compute, inputs=[found.key])
    return replace(stored, value=stored.value["all"])
