"""What page 07 records: the statements of paper B on cortex, each with what must fail it."""

from dataclasses import dataclass, replace

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.claims import Finding, over_draws
from helpers.book.run import Run
from helpers.tissue.cortex import mixtures
from helpers.tissue.cortex.depth import interior
from helpers.tissue.cortex.nulls import depth_shifts, layer_shifts
from helpers.tissue.factors import controls, findings, truth
from helpers.tissue.stages.claims_of_factors import untrained_factors
from helpers.tissue.stages.components import CorticalComponents, cortical_components
from helpers.tissue.stages.densities import tissue_densities
from helpers.tissue.stages.kmeans import cortex_label
from helpers.tissue.stages.report_of_cortex import (
    BLOCK,
    SMALLEST_BLOB,
    CortexReport,
    laminar_information,
)

DRAWS = 200


@dataclass(frozen=True)
class CortexClaims:
    """Values and controls of page 07's claims, and the draws that its figure shows.

    Attributes
    ----------
    found : dict
        Claim to its `Finding`, or to the reason (str) why it has none.
    untrained_information : float or None
        Laminar information of the three factors of a network with random weights.
    axons : dict
        ``enrichment_l4``, … and ``both``, the smaller: (draws,) arrays of pieces named anew.
    barrels : dict
        ``precision``, ``l4_enrichment``, …: (draws,) arrays of the map shifted along the layer.
    """

    found: dict
    untrained_information: float | None
    axons: dict
    barrels: dict


def cortex_claims(run: Run, report: CortexReport, untrained: Artifact | str) -> CortexClaims:
    """Return the claims on the cortex of a slice, with their controls.

    Parameters
    ----------
    report : CortexReport
    untrained : Artifact or str
        Components of the cortex of a network with random weights (see
        `components.cortical_components`), or the reason why there are none.
    """
    found, values = report.found, report.values
    information, layers = None, None
    if not isinstance(untrained, str):
        information, null, _ = laminar_information(untrained.value, report.lam, report.p)
        layers = {**values["B.cortex.layers"], "nmi": information}
        layers["null_99"] = float(np.percentile(null, 99))
    controlled = {"B.cortex.layers": layers, "B.gmm.subset": _one_gaussian(found)}
    axons, barrels, dense = {}, {}, report.published
    if not isinstance(report.published, str):
        named = replace(report, found=replace(found, layers=report.published))
        axons, dense = _dense_axons(run, named.found)
        barrels = _barrels(named)
        controlled["B.gmm.layers"] = _layers_shifted(run, named)
        null = {}
        if "precision" in barrels:
            null = {"precision_null": float(np.percentile(barrels["precision"], 95))}
        each = [dict(zip(barrels, numbers)) | null for numbers in zip(*barrels.values())]
        controlled["B.gmm.barrels"] = over_draws("B.gmm.barrels", each)
        values = {**values, "B.gmm.barrels": {**values["B.gmm.barrels"], **null}}
    claims = {name: Finding(values[name], control) for name, control in controlled.items()}
    # where layers are not called as in the paper, the reason stands in place of a value
    claims |= {name: value for name, value in values.items() if isinstance(value, str)}
    claims["B.gmm.dense_axons"] = dense
    return CortexClaims(claims, information, axons, barrels)


def untrained_components(
    run: Run, untrained: Artifact, like: CorticalComponents, seed: int
) -> Artifact | str:
    """Return the components of cortex from a network with random weights, or why there are none.

    Parameters
    ----------
    untrained : Artifact
        What `untrained_classifier` returned.
    like : CorticalComponents
        Of the trained network: the same slice, numbers and margin are taken.
    seed : int
        Of the factorisation.
    """
    try:
        fitted = untrained_factors(run, untrained, like.factors, seed)
        return cortical_components(
            run,
            fitted,
            n_components=len(like.mixture.weights),
            seed=like.seed,
            margin=like.margin,
        )
    except ValueError as error:
        return str(error)


def null_panels_of_cortex(report: CortexReport, claims: CortexClaims) -> list[controls.Panel]:
    """Return what page 07 draws of its null distributions."""
    bounds = {"99 % quantile": report.values["B.cortex.layers"]["null_99"]}
    if claims.untrained_information is not None:
        bounds["untrained"] = claims.untrained_information
    panels = [
        controls.Panel(
            "columns turned along depth", "information", report.information, report.null, bounds
        )
    ]
    if claims.axons:
        value = claims.found["B.gmm.dense_axons"].value
        both = min(value["enrichment_l4"], value["enrichment_l6"])
        bounds = {"95 % quantile": value["null_both"]}
        panels.append(
            controls.Panel(
                "pieces named anew", "enrichment, L4 or L6", both, claims.axons["both"], bounds
            )
        )
    if not claims.barrels:
        return panels
    name = "precision" if "precision" in claims.barrels else "l4_enrichment"
    value = report.values["B.gmm.barrels"][name]
    label = {"precision": "precision of barrels", "l4_enrichment": "enrichment in L4"}[name]
    panels.append(controls.Panel("map moved along the layer", label, value, claims.barrels[name]))
    return panels


def _one_gaussian(found: CorticalComponents) -> float:
    """The same mixture, fitted to one Gaussian of equal mean and covariance: what two hold."""
    rows = np.asarray(found.coefficients)
    chosen = np.random.default_rng(0).permutation(len(rows))[: found.mixture.rows]
    drawn = controls.one_gaussian(rows[chosen])
    n = len(found.mixture.weights)
    labels = mixtures.fit_mixture(drawn, n, found.seed).posteriors(drawn).argmax(axis=1)
    return float(np.sort(np.bincount(labels, minlength=n) / len(labels))[::-1][:2].sum())


def _layers_shifted(run: Run, report: CortexReport) -> dict[str, float]:
    """How layers split over the components, whose columns are shifted along depth."""
    found, step = report.found, report.found.thinning
    here = found.inside[::step, ::step]
    components, layers = (array[::step, ::step][here] for array in (found.components, found.layers))
    depth = np.where(here, found.depth[::step, ::step], np.nan)
    width = BLOCK / (found.factors.grid.stride * step)
    cells, _, _ = tissue_densities(run, found.factors.piece)
    cells = found.factors.grid.at_grid(cells)[::step, ::step][here]
    n = len(found.mixture.weights)
    draws = [
        findings.split_of_layers(components[order], layers, cells, n)
        for order in depth_shifts(depth, width, DRAWS)
    ]
    return over_draws("B.gmm.layers", draws)


def _dense_axons(run: Run, found: CorticalComponents) -> tuple[dict, Finding | str]:
    """The component rich in cells and axons, judged beyond half a window of every border, and the
    same with the names of its pieces dealt out anew.
    """
    grid, step = found.factors.grid, found.thinning
    cortex = grid.at_grid(found.factors.areas) == cortex_label(run)
    # A window nearer to a border sees white matter, and takes its axons for those of cortex.
    deep = found.inside & interior(cortex, found.margin / grid.stride)
    here = deep[::step, ::step]
    if not here.any():
        return {}, "no position lies further than half a window from every border"
    cells, axons, _ = tissue_densities(run, found.factors.piece)
    cells, axons, layers = (
        image[::step, ::step][here]
        for image in (grid.at_grid(cells), grid.at_grid(axons), found.layers)
    )
    places = np.argwhere(here) * step * grid.stride
    components = found.components[::step, ::step]

    def measured(named: np.ndarray) -> dict[str, float]:
        return findings.dense_axon_component(named[here], layers, cells, axons, places, BLOCK)[1]

    value = measured(components)
    draws = [measured(named) for named in controls.permuted_pieces(components, DRAWS)]
    draws = {name: np.array([draw[name] for draw in draws]) for name in value}
    # A piece alone may lie in one of the two layers; both at once is what is asked.
    draws["both"] = np.minimum(draws["enrichment_l4"], draws["enrichment_l6"])
    null = {"null_both": float(np.percentile(draws["both"], 95))}
    control = {name: float(one.mean()) for name, one in draws.items()}
    return draws, Finding({**value, **null}, {**control, **null})


def _barrels(report: CortexReport) -> dict[str, np.ndarray]:
    """The component most typical of L4, its map shifted along the layers: (draws,) arrays."""
    found, step = report.found, report.found.thinning
    grid = found.factors.grid
    here = found.inside[::step, ::step]
    components, layers = (array[::step, ::step] for array in (found.components, found.layers))
    depth = np.where(here, found.depth[::step, ::step], np.nan)
    there = None
    if "barrels" in grid.piece.truth:
        there = (grid.at_grid(grid.piece.truth["barrels"]) > 0)[::step, ::step] & here
    draws = []
    for order in layer_shifts(depth, DRAWS):
        moved = np.full(here.shape, -1, components.dtype)
        moved[here] = components[here][order]
        _, mask, value = findings.barrel_component(
            moved, layers, SMALLEST_BLOB / (grid.stride * step) ** 2
        )
        if there is not None:
            value["precision"], value["recall"] = truth.precision_recall(mask, there)
            value["precision_by_chance"] = report.values["B.gmm.barrels"]["precision_by_chance"]
        draws.append(value)
    return {name: np.array([draw[name] for draw in draws]) for name in draws[0]}
