"""What page 06 records: the statements of paper B on factors, each with what must fail it."""

from dataclasses import dataclass

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.claims import Finding, over_draws
from helpers.book.run import Run
from helpers.tissue.cortex.nulls import depth_shifts
from helpers.tissue.factors import alignment, controls, findings, greedy_selection, nmf
from helpers.tissue.stages.factorisation import SliceFactors, nmf_factors
from helpers.tissue.stages.kmeans import as_published
from helpers.tissue.stages.report_of_factors import BLOCK, FactorReport, factor_report

CONTROL_STRIDE = 4  # pixels between positions at which null draws are measured, at least
SHIFT_STRIDE = 8  # the same for shifted area maps: 200 AUROCs of areas, which are much larger
SHIFT_BINS = 1 << 12  # of coefficients, in those AUROCs
RANDOM_ROWS = 100_000  # positions, at most, that random components are fitted to


@dataclass(frozen=True)
class FactorClaims:
    """Values and controls of page 06's claims, and the draws that its figure shows.

    Attributes
    ----------
    found : dict
        Claim to its `Finding`, or to the reason (str) why it has none.
    choices : (n,) array
        Mean absolute correlation within random choices of as many factors.
    own_auroc : dict
        Name to (areas,) array: AUROC of each area's selected factor in its own area, NaN without
        one; of the trained network, of the untrained, of area maps shifted along the slice.
    layers : (n,) array
        Contrast of L4 and L6 in the factor chosen for VP, its columns of cortex shifted along
        depth; empty where it has none.
    """

    found: dict
    choices: np.ndarray
    own_auroc: dict
    layers: np.ndarray


def factor_claims(run: Run, report: FactorReport, untrained: FactorReport | str) -> FactorClaims:
    """Return the claims on the factors of a slice, with their controls.

    Parameters
    ----------
    report : FactorReport
    untrained : FactorReport or str
        The same of a network with random weights, or the reason why there is none.
    """
    found = dict(report.values)
    selection = report.selection
    found["B.nmf.rank"] = _rank(run, report)
    size = len(selection.factors)
    choices = controls.random_choices(report.correlation, size) if size > 1 else np.zeros(0)
    if size > 1:
        found["B.nmf.uncorrelated"] = {
            "selected": alignment.mean_absolute_correlation(report.correlation, selection.factors),
            "null_05": float(np.percentile(choices, 5)),
        }
    shifted = _shifted(report)
    own = {"trained": own_auroc(report.selection, report.auroc)}
    if isinstance(untrained, FactorReport):
        own["untrained"] = own_auroc(untrained.selection, untrained.auroc)
    own["area map shifted"] = np.nanmean([one for one, _ in shifted], axis=0)
    layers = _layers(report)
    moved = {}
    if report.asked:
        elsewhere = over_draws("B.nmf.areas", [value for _, value in shifted])
        moved["B.nmf.areas"] = {"area map shifted": elsewhere}
    theirs = {}
    if isinstance(untrained, FactorReport):
        theirs = {c: value for c, value in untrained.values.items() if isinstance(value, dict)}
    if len(layers):
        found["B.nmf.shared"] = {**found["B.nmf.shared"], **_null(layers)}
        if "B.nmf.shared" in theirs:
            theirs["B.nmf.shared"] = theirs["B.nmf.shared"] | _null(_layers(untrained))
    for claim in ("B.nmf.areas", "B.nmf.axons", "B.nmf.shared"):
        if isinstance(found[claim], str):
            continue
        control = theirs.get(claim)
        if claim in moved:
            control = moved[claim] | ({"untrained": control} if control else {})
        found[claim] = Finding(found[claim], control)
    return FactorClaims(found, choices, own, layers)


def untrained_report(
    run: Run, untrained: Artifact, like: FactorReport, seed: int
) -> FactorReport | str:
    """Return what a network with random weights makes of a slice, or why it cannot.

    Parameters
    ----------
    untrained : Artifact
        What `untrained_classifier` returned.
    like : FactorReport
        Of the trained network: the same slice, numbers of factors and λ are taken.
    seed : int
        Of the factorisation.
    """
    try:
        fitted = untrained_factors(run, untrained, like.found, seed)
    except ValueError as error:  # too few units of the random network are alive
        return str(error)
    return factor_report(run, fitted, p=len(like.selection.factors), lam=like.lam)


def untrained_factors(run: Run, untrained: Artifact, like: SliceFactors, seed: int) -> Artifact:
    """Return as many factors of the same slice, at positions `CONTROL_STRIDE` pixels apart."""
    return nmf_factors(
        run,
        untrained,
        like.piece,
        k=like.coefficients.shape[1],
        seed=seed,
        stride=max(like.grid.stride, CONTROL_STRIDE),
    )


def null_panels_of_factors(claims: FactorClaims) -> list[controls.Panel]:
    """Return what page 06 draws of its null distributions."""
    panels = []
    if len(claims.choices):
        value = claims.found["B.nmf.uncorrelated"]
        bound = {"5 % quantile": value["null_05"]}
        panels.append(
            controls.Panel(
                "random choices", "mean |correlation|", value["selected"], claims.choices, bound
            )
        )
    if len(claims.layers):
        value = claims.found["B.nmf.shared"].value
        bound = {"its lower bound": value["layers_low"], "95 % quantile": value["layers_null"]}
        panels.append(
            controls.Panel(
                "turned along depth", "L4, L6 − other layers", value["layers"], claims.layers, bound
            )
        )
    return panels


def thinned(report: FactorReport, stride: int = CONTROL_STRIDE) -> tuple[np.ndarray, int]:
    """Return which positions lie on a grid of as many pixels (n,), and its step."""
    step = max(1, stride // report.found.grid.stride)
    return (np.argwhere(report.found.grid.included) % step == 0).all(axis=1), step


def own_auroc(selection: greedy_selection.Selection, auroc: np.ndarray) -> np.ndarray:
    """Return the AUROC of each area's selected factor in its own area; NaN for an area without."""
    own = np.full(auroc.shape[1], np.nan)
    for factor, area in zip(selection.factors, selection.areas):
        own[area - 1] = auroc[factor, area - 1]
    return own


def _rank(run: Run, report: FactorReport) -> Finding | str:
    """Fifteen factors at every annotated position: the error beside the lowest that there is."""
    grid, k = report.found.grid, report.found.coefficients.shape[1]
    if grid.stride != 1 or k != 15:
        return f"it speaks of 15 factors at every position; found {k} at stride {grid.stride}"
    rows = nmf.Rows(grid.features, grid.included)
    lowest = run.stored(
        f"lowest-error-z{grid.piece.z}",
        {"k": k},
        lambda: {"error": controls.lowest_error(rows, k)},
        inputs=[report.key],
    ).value["error"]
    chosen = np.random.default_rng(0).choice(len(rows), min(RANDOM_ROWS, len(rows)), replace=False)
    sample = rows[np.sort(chosen)]
    _, error = nmf.solve_coefficients(sample, controls.random_basis(k, rows.shape[1]))
    return Finding(
        {"error": report.found.error, "svd_error": float(lowest), "positions": float(len(rows))},
        {"error": error, "svd_error": controls.lowest_error(sample, k)},
    )


def _shifted(report: FactorReport) -> list[tuple[np.ndarray, dict]]:
    """Select and measure the same factors, as `factor_report` does, under area maps shifted along
    the slice.
    """
    thin, step = thinned(report, SHIFT_STRIDE)
    grid, n_areas = report.found.grid, report.auroc.shape[1]
    rows, size = np.asarray(report.found.coefficients)[thin], len(report.selection.factors)
    areas = grid.at_grid(report.found.areas)[::step, ::step]
    included = grid.included[::step, ::step]
    found = []
    for shifted in controls.shifted_maps(areas, included):
        labels = shifted[included]
        selection = greedy_selection.select_factors(rows, labels, size, report.lam, present=True)
        means = alignment.area_means(rows, labels, n_areas)
        auroc = alignment.auroc(rows, labels, n_areas, SHIFT_BINS)
        value = (
            findings.aligned_areas(selection, means, auroc, report.asked) if report.asked else {}
        )
        found.append((own_auroc(selection, auroc), value))
    return found


def _null(layers: np.ndarray) -> dict[str, float]:
    return {"layers_null": float(np.percentile(layers, 95))}


def _layers(report: FactorReport) -> np.ndarray:
    """Return the contrast of layers in draws of columns turned along depth: (draws,), empty where
    the claim has no value.
    """
    if not isinstance(report.values["B.nmf.shared"], dict):
        return np.zeros(0)
    thin, step = thinned(report)
    grid, cortex = report.found.grid, report.cortex
    published = as_published(cortex["layers"], cortex["layer_names"])
    depth = np.where(published > 0, cortex["depth"], np.nan)[::step, ::step]
    depth = np.where(grid.included[::step, ::step], depth, np.nan)
    used = ~np.isnan(depth)
    values = report.shared_factor[thin][used[grid.included[::step, ::step]]]
    deep = np.isin(published[::step, ::step][used], (3, 5))
    shifts = depth_shifts(depth, BLOCK / (grid.stride * step))
    return np.array([values[order][deep].mean() - values[order][~deep].mean() for order in shifts])
