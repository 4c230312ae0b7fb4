"""What page 07 says of the components of one cortex: tables, maps and the values of its claims."""

from dataclasses import dataclass

import numpy as np

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.tissue.cortex import composition, zoom
from helpers.tissue.factors import alignment, findings, greedy_selection, truth
from helpers.tissue.stages.components import CorticalComponents
from helpers.tissue.stages.densities import tissue_densities
from helpers.tissue.stages.factorisation import laid_out
from helpers.tissue.stages.kmeans import as_published

BLOCK = 256  # pixels: width of the columns of the null; two windows
SMALLEST_BLOB = 64 * 64  # pixels: pieces smaller than a quarter of a window do not count as barrels


@dataclass(frozen=True)
class CortexReport:
    """Mixture components of the cortex of one slice, described, and what that says of the claims.

    Attributes
    ----------
    found : CorticalComponents
    selection : greedy_selection.Selection
        Of factors for layers.
    names : list of str
        What each component is.
    cells, axons : (c,) arrays
        Mean density in each component.
    known : bool
        Whether the densities are the phantom's own.
    base : (m,) array
        Share of each layer in the cortex.
    barrel_component : int or None
        The component most typical of L4; None where no layer is called so.
    barrels : (h, w) bool array or None
        Its positions in L4.
    information, null : float, (n,) array
        See `alignment.laminar_information`, of the three selected factors.
    rand : float
        Adjusted Rand index of components and layers.
    published : (h, w) array or str
        Layers numbered as the paper's, or why they cannot be.
    lam : float
        λ of the selection.
    p : int
        Factors to select.
    values : dict
        Claim to its value.
    """

    found: CorticalComponents
    selection: greedy_selection.Selection
    names: list
    cells: np.ndarray
    axons: np.ndarray
    known: bool
    base: np.ndarray
    barrel_component: int | None
    barrels: np.ndarray | None
    information: float
    null: np.ndarray
    rand: float
    published: np.ndarray | str
    lam: float
    p: int
    values: dict

    @property
    def left_out(self) -> np.ndarray:
        """Share of each layer that is not clustered, because it lies in the margin: (m,); NaN for
        an absent layer.
        """
        layers = np.asarray(self.found.layers)
        whole, kept = (
            np.bincount(part, minlength=len(self.found.layer_names) + 1)[1:]
            for part in (layers.ravel(), layers[self.found.inside])
        )
        return 1 - kept / np.where(whole > 0, whole, np.nan)

    @property
    def density_ratio(self) -> float:
        """Largest over smallest density of cells of the components."""
        return float(np.nanmax(self.cells) / max(np.nanmin(self.cells), 1e-12))

    def top_maps(self) -> list:
        """The selected factors on the grid, scaled so that the 99th percentile over cortex is 1."""
        columns = [self.found.coefficients[:, factor] for factor in self.selection.factors]
        return [
            self.found.on_grid(values / max(np.percentile(values, 99), 1e-12)) for values in columns
        ]


def cortex_report(run: Run, components: Artifact, *, lam: float = 0.3, p: int = 3) -> CortexReport:
    """Describe the mixture components of a slice's cortex and the factors selected for its layers
    (B §3, Fig. 2A, 2B).
    """
    found = components.value
    inside, layers, n = found.inside, found.layers[found.inside], len(found.mixture.weights)
    labels = np.asarray(found.posteriors).argmax(axis=1)
    piece = found.factors.piece
    cells, axons, known = tissue_densities(run, piece)
    cells, axons = (found.factors.grid.at_grid(density)[inside] for density in (cells, axons))
    information, null, selection = laminar_information(found, lam, p)
    published = as_published(found.layers, found.layer_names)
    barrel_component = barrels = None
    split = barrel_claim = published  # a reason, where layers are not called as in the paper
    if not isinstance(published, str):
        split = findings.split_of_layers(labels, published[inside], cells, n)
        barrel_component, barrels, barrel_claim = findings.barrel_component(
            found.components, published, SMALLEST_BLOB / found.factors.grid.stride**2
        )
    if barrels is not None and "barrels" in piece.truth:
        there = found.factors.grid.at_grid(piece.truth["barrels"]) > 0
        precision, recall = truth.precision_recall(barrels, there & inside)
        base_rate = (there & inside & (published == 3)).sum() / max(
            (inside & (published == 3)).sum(), 1
        )
        barrel_claim = {
            **barrel_claim,
            "precision": precision,
            "recall": recall,
            "precision_by_chance": float(base_rate),
        }
    sizes = np.sort(np.bincount(labels, minlength=n) / len(labels))[::-1]
    cortical = ~np.isnan(found.depth)
    values = {
        "B.cortex.layers": {
            "nmi": information,
            "null_99": float(np.percentile(null, 99)),
            "left_out": float(1 - inside.sum() / cortical.sum()),
        },
        "B.gmm.subset": float(sizes[:2].sum()),
        "B.gmm.layers": split,
        "B.gmm.barrels": barrel_claim,
    }
    base = np.bincount(layers, minlength=len(found.layer_names) + 1)[1:] / max(
        (layers > 0).sum(), 1
    )
    return CortexReport(
        found,
        selection,
        findings.describe(labels, layers, cells, n, found.layer_names),
        composition.component_means(labels, cells, n),
        composition.component_means(labels, axons, n),
        known,
        base,
        barrel_component,
        barrels,
        information,
        null,
        truth.adjusted_rand(labels + 1, layers),
        published,
        lam,
        p,
        values,
    )


def laminar_information(
    found: CorticalComponents, lam: float, p: int
) -> tuple[float, np.ndarray, greedy_selection.Selection]:
    """Select factors for layers, and measure how much the largest of them tells of the layer.

    Returns
    -------
    information : float
    null : (n,) array
        See `alignment.laminar_information`.
    selection : greedy_selection.Selection
    """
    rows, layers = np.asarray(found.coefficients), found.layers[found.inside]
    selection = greedy_selection.select_factors(rows, layers, p, lam, present=True)
    chosen = rows[:, selection.factors]
    scaled = chosen / np.maximum(np.percentile(chosen, 99, axis=0), 1e-12)
    largest = np.where(scaled.any(axis=1), scaled.argmax(axis=1) + 1, 0)
    step = found.thinning
    named = laid_out(largest, found.inside)[::step, ::step]
    depth = np.where(found.inside, found.depth, np.nan)[::step, ::step]
    width = BLOCK / (found.factors.grid.stride * step)
    layers = found.layers[::step, ::step]
    return *alignment.laminar_information(named, layers, depth, width), selection


def matched_shares(
    first: CortexReport, second: CortexReport
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return laminar shares of the second slice's components in the order of the first's, the
    partners, their distances.

    Raises
    ------
    ValueError
        If layers of the two are not the same, such as labels on one slice and bands of depth on the
        other.
    """
    here, there = first.found, second.found
    if (here.layers_annotated, here.layer_names) != (there.layers_annotated, there.layer_names):
        raise ValueError(
            f"its layers are {_kind_of_layers(there)}, those of the first are "
            f"{_kind_of_layers(here)}, and shares of different layers do not compare"
        )
    partner, distance = composition.match_shares(first.found.shares(), second.found.shares())
    return second.found.shares()[partner], partner, distance


def _kind_of_layers(found: CorticalComponents) -> str:
    origin = "labels" if found.layers_annotated else "bands of depth"
    return f"{origin} ({', '.join(found.layer_names)})"


def example_box(report: CortexReport, size: int, window: int, box: list | None = None) -> tuple:
    """Return the zoom box (row, column) in pixels and an example window per component, None where
    it has none.

    Parameters
    ----------
    size, window : int
        Sides in pixels.
    box : [row, column], optional
        Take this box instead of the one in which all components meet.
    """
    components, stride = report.found.components, report.found.factors.grid.stride
    n, side = len(report.names), min(size // stride, *components.shape)
    corner = tuple(value // stride for value in box) if box else zoom.zoom_box(components, n, side)
    windows = zoom.example_windows(components, n, corner, side, min(window // stride, side))
    inside = components[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    pixels = [
        (i * stride, j * stride) if (inside == c).any() else None
        for c, (i, j) in enumerate(windows)
    ]
    return (corner[0] * stride, corner[1] * stride), pixels


def slice_name(piece: Slice) -> str:
    """Return how a slice is called on figures."""
    return f"z = {piece.z} ({piece.role})"
