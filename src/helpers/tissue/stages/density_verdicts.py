"""What claims on densities come to with a phantom's own densities and with estimated ones."""

import numpy as np
import pandas as pd

from helpers.book.claims import load
from helpers.book.rules import evaluate
from helpers.book.run import Run
from helpers.tissue.cortex import composition
from helpers.tissue.factors import findings, truth
from helpers.tissue.stages.densities import tissue_densities
from helpers.tissue.stages.report_of_cortex import CortexReport
from helpers.tissue.stages.report_of_factors import FactorReport

SOURCES = {"truth": False, "estimated": True}


def factor_by_both(run: Run, report: FactorReport) -> pd.DataFrame:
    """Return what claim B.nmf.axons asks, with a phantom's own densities and with estimated ones,
    and whether its rule holds with either.
    """
    found, white = report.found, [name.casefold() for name in run.microct.areas].index("wm") + 1
    columns = {}
    for name, estimated in SOURCES.items():
        cells, axons, _ = tissue_densities(run, found.piece, estimated=estimated)
        cells, axons = found.at(cells), found.at(axons)
        coefficients = np.asarray(found.coefficients)
        factor, value = findings.axon_factor(coefficients, report.auroc, white, cells)
        one = coefficients[:, [factor]]
        value["rho_cells"], value["rho_axons"] = (
            truth.density_correlations(one, density)[0] for density in (cells, axons)
        )
        said = {key: f"{number:.3g}" for key, number in value.items()}
        columns[name] = said | {"B.nmf.axons": _in_words("B.nmf.axons", value)}
    return pd.DataFrame(columns)


def components_by_both(run: Run, report: CortexReport) -> pd.DataFrame:
    """Return what claims B.gmm.layers and B.gmm.dense_axons ask of densities, with a phantom's own
    and with estimated ones.

    The second claim takes from densities only which component it speaks of: the same component is
    the same verdict.
    """
    found, columns = report.found, {}
    labels, n = np.asarray(found.posteriors).argmax(axis=1), len(report.names)
    for name, estimated in SOURCES.items():
        maps = tissue_densities(run, found.factors.piece, estimated=estimated)[:2]
        cells, axons = (found.factors.grid.at_grid(one)[found.inside] for one in maps)
        value = findings.split_of_layers(labels, found.layers[found.inside], cells, n)
        richest = composition.component_means(labels, cells * axons, n)
        columns[name] = {
            "density_ratio": f"{value['density_ratio']:.3g}",
            "B.gmm.layers": _in_words("B.gmm.layers", value),
            "component of B.gmm.dense_axons": report.names[int(np.nanargmax(richest))],
        }
    return pd.DataFrame(columns)


def _in_words(claim: str, value: dict) -> str:
    rules = [rule for rule in (load()[claim].rule, load()[claim].truth_rule) if rule]
    holds = all(evaluate(rule, value) for rule in rules)
    return "holds" if holds else "does not hold"
