"""What page 05 measures of clusters of cortical positions, and records."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.book.claims import Finding
from helpers.tissue.cortex import layer_scores, nulls
from helpers.tissue.cortex.depth import Strip
from helpers.tissue.stages.kmeans import CortexGrid

NEAR = 64  # pixels: half a window, within which a position counts as near a border between layers
COLUMN = 256  # pixels: two windows
FOUND = 0.5  # F1 from which a layer counts as found, as in the rule of A.kmeans.layers
TRAINED, UNTRAINED, GRAY = "trained CNN", "untrained CNN", "mean and sd of gray"


@dataclass(frozen=True)
class Judged:
    """The positions that clusters are judged on, as (h, w) maps.

    Attributes
    ----------
    layers : int array
        1…m from the surface down.
    names : tuple of str
        Of the layers.
    depth : float array
        NaN where a position is not judged.
    near : bool array
        Within `NEAR` pixels of a border between layers.
    column : float
        Width of a column that shifts along depth as one, in positions.
    """

    layers: np.ndarray
    names: tuple[str, ...]
    depth: np.ndarray
    near: np.ndarray
    column: float

    def finding(
        self, clusters: np.ndarray, k: int, draws: int = 200, seed: int = 0
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Value of the claim for one map of clusters, and that of its null.

        Returns
        -------
        value : dict
            ``f1_l1``, ``f1_l23``, ``transition`` and ``null_transition`` of
            `layer_scores.against_shifts`; ``windows``: how many are judged.
        null : dict
            The same of one shifted map, the one at the 95 % quantile of how nearly it meets the
            rule: it meets it if more than one in twenty do.
        """
        here = ~np.isnan(self.depth)
        marks = layer_scores.against_shifts(
            clusters[here],
            self.layers[here],
            self.near[here],
            k,
            len(self.names),
            nulls.depth_shifts(self.depth, self.column, draws, seed),
        ).assign(windows=float(here.sum()))
        margin = np.minimum(
            marks[["f1_l1", "f1_l23"]].min(axis=1) - FOUND,
            marks["transition"] - marks["null_transition"],
        )
        order = np.argsort(margin[1:].to_numpy(), kind="stable")
        nearest = 1 + order[int(0.95 * (draws - 1))]
        return marks.iloc[0].to_dict(), marks.iloc[nearest].to_dict()


def judged(grid: CortexGrid, whole: np.ndarray, strip: Strip) -> Judged:
    """Return what clusters are judged on: windows of the strip that have a layer and lie wholly on
    tissue.

    Parameters
    ----------
    whole : (h, w) bool array
        From `whole_windows`.
    """
    kept = grid.inside & whole & (grid.layers > 0)
    near = layer_scores.near_borders(grid.layers, NEAR / grid.stride)
    depth = np.where(kept, grid.depth, np.nan)
    layers, depth, near = map(strip.take, (grid.layers, depth, near))
    return Judged(layers, grid.layer_names, depth, near, COLUMN / grid.stride)


def agreement_table(
    clusters: dict[tuple[str, int, int], np.ndarray],
    grid: CortexGrid,
    whole: np.ndarray,
    strip: Strip,
    k: int,
) -> pd.DataFrame:
    """Numbers by which A Fig. 6 is judged, for each clustering; windows that see the edge of the
    tissue apart.

    Parameters
    ----------
    clusters : dict
        Features, seed and start of k-means to the (h, w) clusters of the grid.
    whole : (h, w) bool array
        From `whole_windows`.
    k : int
        Number of clusters.

    Returns
    -------
    DataFrame
        features, seed, start, region, windows and the numbers of `layer_scores.agreement`.
    """
    near = layer_scores.near_borders(grid.layers, NEAR / grid.stride)
    inside = grid.inside & (grid.layers > 0)
    in_strip = np.zeros(inside.shape, bool)
    strip.take(in_strip)[...] = True
    regions = {
        "strip, whole windows": inside & whole & in_strip,
        "strip, windows at the edge": inside & ~whole & in_strip,
        "all of cortex, whole windows": inside & whole,
    }
    rows = []
    for (features, seed, start), labels in clusters.items():
        for region, part in regions.items():
            if not part.any():
                continue
            about = {"features": features, "seed": seed, "start": start, "region": region}
            found = layer_scores.agreement(labels, grid.layers, part, near, k, grid.layer_names)
            rows.append({**about, "windows": int(part.sum()), **found})
    return pd.DataFrame(rows)


def cluster_claims(
    clusters: dict[str, np.ndarray], where: Judged, k: int, seed: int = 0
) -> dict[str, object]:
    """Value of the claim on layers, of one seed.

    Parameters
    ----------
    clusters : dict
        (h, w) clusters of the strip, by the features they are of: `TRAINED`, `UNTRAINED`, `GRAY`.
    where : Judged
    k : int
    seed : int
        Of the shifts.

    Returns
    -------
    dict
        The claim to its finding, or to the reason why there is none.
    """
    first, second = layer_scores.NAMED
    if tuple(where.names[:2]) != (first, second):
        reason = f"needs layers called {first} and {second} on top; found {', '.join(where.names)}"
        return {"A.kmeans.layers": reason}
    present = np.unique(where.layers[~np.isnan(where.depth)])
    missing = [name for number, name in enumerate((first, second), 1) if number not in present]
    if missing:
        reason = f"no window of {' and '.join(missing)} lies wholly on tissue"
        return {"A.kmeans.layers": reason}
    found = {name: where.finding(each, k, seed=seed) for name, each in clusters.items()}
    control = {
        "gray statistics": found[GRAY][0],
        "untrained": found[UNTRAINED][0],
        "shifted along depth": found[TRAINED][1],
    }
    return {"A.kmeans.layers": Finding(found[TRAINED][0], control)}
