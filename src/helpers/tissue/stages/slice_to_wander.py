"""What the page loads to let a reader wander in a slice: pixels, areas, factors, components."""

from dataclasses import dataclass

import numpy as np

from helpers.book import pyramid
from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.stages import slices
from helpers.tissue.stages.factorisation import SliceFactors
from helpers.tissue.stages.report_of_cortex import CortexReport, slice_name

FACTORS = "factor coefficients"


@dataclass(frozen=True)
class SliceFiles:
    """What was written for the page.

    Attributes
    ----------
    folder : str
        Address of the files on a rendered page.
    step : int
        Pixels of the slice from one position with values to the next.
    shrink : int
        Pixels of the slice for each gray pixel at the finest zoom, in both directions.
    """

    folder: str
    step: int
    shrink: int


def slice_files(
    run: Run,
    trained: Artifact,
    factors: SliceFactors,
    report: CortexReport | None = None,
) -> SliceFiles:
    """Write a slice as tiles, and its maps thinned out to a few megabytes, for the page to load.

    Maps are area probabilities of the network (A §II), coefficients of all factors and, where there
    is a report, posteriors of the cortical components (B §3). Values are those of single positions,
    not means over several.

    Parameters
    ----------
    trained : Artifact
        From `trained_classifier`.
    factors : SliceFactors
    report : CortexReport, optional
        Of the same factors.
    """
    grid, image = factors.grid, factors.piece.image
    names = [
        *(("area probabilities", name) for name in run.microct.areas),
        *((FACTORS, f"F{i}") for i in range(factors.coefficients.shape[1])),
        *(("cortical components", name) for name in (report.names if report else ())),
    ]
    thin = pyramid.thinning(len(names), grid.included.shape)
    posteriors = slices.posteriors(run, trained, factors.piece, stride=grid.stride)
    probabilities = np.exp(posteriors[::thin, ::thin])  # (h, w, n)
    probabilities[~grid.computed[::thin, ::thin]] = np.nan
    layers = [probabilities[..., i] for i in range(probabilities.shape[-1])]
    for i in range(factors.coefficients.shape[1]):
        layers.append(factors.on_grid(factors.coefficients[:, i])[::thin, ::thin])
    if report:
        posterior = report.found.on_grid(report.found.posteriors)[::thin, ::thin]
        layers.extend(posterior[..., i] for i in range(posterior.shape[-1]))
    coded = [pyramid.quantised(layer) for layer in layers]
    shrink = 1
    while image.size > pyramid.MOST_PIXELS * shrink**2:
        shrink += 1
    gray = pyramid.gray_bytes(image[::shrink, ::shrink])
    facts = {
        "name": f"slice {slice_name(factors.piece)}",
        "phantom": run.is_phantom,
        "pixel_size_um": run.microct.pixel_size_um,
        "size": list(image.shape),
        "gray": {
            "size": list(gray.shape),
            "tile": pyramid.TILE,
            "finest": pyramid.finest_level(gray.shape),
            "shrink": shrink,
        },
        "origin": [int(grid.rows[0]), int(grid.columns[0])],
        "step": grid.stride * thin,
        "layers": [
            {
                "group": group,
                "name": str(name),
                "largest": largest,
                "darkest": _darkest(layer) if group == FACTORS else 1.0,
            }
            for (group, name), layer, (_, largest) in zip(names, layers, coded)
        ],
    }
    files = pyramid.tiles(gray)
    files["maps.js"] = pyramid.maps_script(facts, np.stack([codes for codes, _ in coded]))
    folder = run.page_files(f"slice-{run.notebook}", files)
    return SliceFiles(folder, grid.stride * thin, shrink)


def _darkest(layer: np.ndarray) -> float:
    """Return the value that gets the darkest colour: the 99th percentile of positive ones."""
    positive = layer[np.isfinite(layer) & (layer > 0)]
    return float(np.percentile(positive, 99)) if positive.size else 1.0
