"""What page 06 says of the factors of one slice: tables, maps and the values of its claims."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.factors import alignment, findings, greedy_selection, truth
from helpers.tissue.stages import densities, factorisation
from helpers.tissue.stages.kmeans import as_published, cortical_layers

BLOCK = 256  # pixels: side of the blocks of the bootstrap; two windows


@dataclass(frozen=True)
class FactorReport:
    """Factors of a slice, what they align with, and what that says of the claims.

    Attributes
    ----------
    found : factorisation.SliceFactors
    selection : greedy_selection.Selection
    means, coverage, auroc : (k, areas) arrays
    correlation : (k, k) array
        Between factors, over positions.
    cells, axons : (k,) arrays
        Rank correlation of each factor with the density of cells, of axons.
    known : bool
        Whether the densities are the phantom's own.
    layer_means : (k, m) array or None
        Mean coefficient in each layer; None without a cortex.
    cortex : dict
        As of `kmeans.cortical_layers`; empty without a cortex.
    asked : list of int
        Those of cortex, striatum and ZI that the slice has.
    thalamus : int
        Label of VP, 0 without one.
    lam : float
        λ of the selection.
    values : dict
        Claim to its value, or to the reason (str) why it has none.
    key : str
        Of the factors.
    """

    found: factorisation.SliceFactors
    selection: greedy_selection.Selection
    means: np.ndarray
    coverage: np.ndarray
    auroc: np.ndarray
    correlation: np.ndarray
    cells: np.ndarray
    axons: np.ndarray
    known: bool
    layer_means: np.ndarray | None
    cortex: dict
    asked: list[int]
    thalamus: int
    lam: float
    values: dict
    key: str

    @property
    def shared_factor(self) -> np.ndarray:
        """Coefficients (n,) of the factor chosen for the thalamus, VP."""
        chosen = dict(zip(self.selection.areas, self.selection.factors))
        return np.asarray(self.found.coefficients[:, chosen[self.thalamus]])

    @property
    def tops(self) -> np.ndarray:
        """Coefficient of each factor that gets the darkest colour: the 99th percentile of its
        positive ones.
        """
        step = max(1, len(self.found.coefficients) // 500_000)
        columns = np.asarray(self.found.coefficients[::step]).T
        return np.array([np.percentile(c[c > 0], 99) if (c > 0).any() else 1.0 for c in columns])


def factor_report(run: Run, fitted: Artifact, *, p: int = 6, lam: float = 0.5) -> FactorReport:
    """Select factors of a slice (one per area, at most ``p``) and measure what each aligns with (B
    §3, Fig. 2C).
    """
    found, names = fitted.value, run.microct.areas
    coefficients, labels = np.asarray(found.coefficients), found.labels
    selection = greedy_selection.select_factors(coefficients, labels, p, lam, present=True)
    means, coverage, auroc = (
        measure(coefficients, labels, len(names))
        for measure in (alignment.area_means, alignment.area_coverage, alignment.auroc)
    )
    matrix = alignment.correlation(coefficients)
    cells, axons, known = densities.tissue_densities(run, found.piece)
    cells, axons = found.at(cells), found.at(axons)
    rho = [truth.density_correlations(coefficients, density) for density in (cells, axons)]

    def axon_claim(asked: list[int]) -> dict:
        factor, value = findings.axon_factor(coefficients, auroc, asked[0], cells)
        return value | ({"rho_cells": rho[0][factor], "rho_axons": rho[1][factor]} if known else {})

    def shared_claim(asked: list[int]) -> dict | str:
        cortex, vp, zi = asked
        if isinstance(published, str):
            return published
        if vp not in selection.areas:
            return "no factor was selected for VP"
        chosen = coefficients[:, dict(zip(selection.areas, selection.factors))[vp]]
        return findings.thalamic_factor(
            chosen, labels, published, found.places, [vp, zi], cortex, BLOCK
        )

    layer_means, cortex = None, {}
    try:
        cortex = cortical_layers(run, found.grid, found.areas)
        layers = cortex["layers"][found.grid.included]
        layer_means = alignment.area_means(coefficients, layers, len(cortex["layer_names"]))
        published = as_published(layers, cortex["layer_names"])
    except ValueError as error:
        published = str(error)
    roles = ("cortex", "striatum", "zona_incerta")
    asked = [area for role in roles for area in run.microct.role(role) if (labels == area).any()]
    values = {
        "B.nmf.areas": findings.aligned_areas(selection, means, auroc, asked)
        if asked
        else "the slice has neither cortex, striatum nor zona incerta",
        "B.nmf.uncorrelated": "only one area",
        "B.nmf.axons": _if_present(run, labels, ("white_matter",), axon_claim),
        "B.nmf.shared": _if_present(
            run, labels, ("cortex", "thalamus_vp", "zona_incerta"), shared_claim
        ),
    }
    return FactorReport(
        found,
        selection,
        means,
        coverage,
        auroc,
        matrix,
        *rho,
        known,
        layer_means,
        cortex,
        asked,
        max(run.microct.role("thalamus_vp"), default=0),
        lam,
        values,
        fitted.key,
    )


def _if_present(
    run: Run,
    labels: np.ndarray,
    wanted: tuple[str, ...],
    measure: Callable[[list[int]], dict | str],
) -> dict | str:
    """Measure with the labels of the areas that play the wanted roles, or say which are missing
    from the dataset or from the slice. Of several white matters, the largest serves.
    """
    sizes = np.bincount(labels, minlength=len(run.microct.areas) + 1)
    played = {role: run.microct.role(role) for role in wanted}
    for role, areas in played.items():
        if not areas or not sizes[list(areas)].any():
            where = "in the slice" if areas else "(`roles:` in dataset.yml names it)"
            return f"no {role.replace('_', ' ')} {where}"
    return measure([max(areas, key=lambda area: sizes[area]) for areas in played.values()])
