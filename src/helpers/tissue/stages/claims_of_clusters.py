"""What page 05 measures of clusters of cortical positions, and records."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.tissue.cortex import layer_scores
from helpers.tissue.cortex.depth import Strip
from helpers.tissue.stages.kmeans import CortexGrid

NEAR = 64  # pixels: half a window, within which a position counts as near a border between layers


def agreement_table(
    clusters: dict[Sequence[int], np.ndarray], grid: CortexGrid, strip: Strip, k: int
) -> pd.DataFrame:
    """Numbers by which A Fig. 6 is judged, for each clustering, in the strip and in all of cortex.

    Parameters
    ----------
    clusters : dict
        Seed and start of k-means to the (h, w) clusters of the grid.
    k : int
        Number of clusters.

    Returns
    -------
    DataFrame
        seed, start, region and the numbers of `layer_scores.agreement`.
    """
    near = layer_scores.near_borders(grid.layers, NEAR / grid.stride)
    rows = []
    for (seed, start), labels in clusters.items():
        maps = [labels, grid.layers, grid.inside, near]
        regions = {"strip": [strip.take(each) for each in maps], "whole cortex": maps}
        for region, parts in regions.items():
            found = layer_scores.agreement(*parts, k, grid.layer_names)
            rows.append({"seed": seed, "start": start, "region": region, **found})
    return pd.DataFrame(rows)


def cluster_claims(table: pd.DataFrame) -> dict[int, dict]:
    """Value of the claim on layers, from `agreement_table`: that in the strip.

    Returns
    -------
    dict
        ``10 · seed + start`` to the value by its claim, or to the reason why it has none.
    """
    if "f1_l1" not in table:
        reason = f"needs layers called {', '.join(layer_scores.NAMED)}"
        return {0: {"A.kmeans.layers": reason}}
    in_strip = table[table["region"] == "strip"].drop(columns="region")
    rows = in_strip.set_index(["seed", "start"]).to_dict("index")
    return {int(10 * seed + start): {"A.kmeans.layers": row} for (seed, start), row in rows.items()}
