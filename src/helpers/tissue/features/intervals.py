"""How sure the scores of several networks on the same patches are, and which of them is higher.

Patches that lie near each other overlap, so whole tiles of the slice are drawn. All networks,
probes, levels of noise and repeats share one draw: what is compared is compared on the same tissue,
and repeats whose test patches share tiles are not taken for independent.
"""

import numpy as np
import pandas as pd

from helpers.tissue.features.probes import GMM, guessing, robustness
from helpers.tissue.features.resampling import bootstrap_weights, interval


def resampled_scores(table: pd.DataFrame, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Score what was predicted, as it is and on bootstrap draws of tiles.

    Parameters
    ----------
    table : DataFrame
        Columns network, seed, repeat, group (the tile), truth, predicted, and probe or variance.
    draws : int
    seed : int

    Returns
    -------
    DataFrame (1 + draws, networks × probes or variances)
        Columns (network, probe or variance), in the order of the table; means over seeds and
        repeats. Row 0 is every tile once.
    """
    measure = "probe" if "probe" in table else "variance"
    tiles = pd.MultiIndex.from_frame(table[["truth", "group"]])
    numbers, unique = tiles.factorize()
    drawn = bootstrap_weights(unique.get_level_values(0), draws, seed=seed)
    counts = np.vstack([np.ones(len(unique)), drawn])  # (1 + draws, tiles)
    table, columns = table.assign(tile=numbers), {}
    for (network, kind), parts in table.groupby(["network", measure], sort=False):
        name = kind if measure == "probe" else "LR"
        columns[network, kind] = np.mean(
            [
                weighted_scores(name, part["truth"], part["predicted"], counts[:, part["tile"]])
                for _, part in parts.groupby(["seed", "repeat"])
            ],
            axis=0,
        )
    return pd.DataFrame(columns).rename_axis(columns=["network", measure])


def resampled_robustness(table: pd.DataFrame, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Return what is left under noise, see `probes.robustness`, per network and draw.

    Parameters
    ----------
    table : DataFrame
        As for `resampled_scores`, with a column variance.
    draws : int
    seed : int
    """
    scores, chance = resampled_scores(table, draws, seed), guessing(table["truth"])
    names = scores.columns.get_level_values("network").unique()
    curves = {name: scores[name].sort_index(axis=1) for name in names}
    return pd.DataFrame(
        {
            name: robustness(curve.columns.to_numpy(), curve.to_numpy(), chance)
            for name, curve in curves.items()
        }
    )


def lead(own: pd.Series, rivals: pd.DataFrame) -> tuple[float, tuple[float, float]]:
    """By how much a network leads the rival that comes closest to it.

    Parameters
    ----------
    own : (1 + draws,) Series
        The number as it is, then on bootstrap draws.
    rivals : (1 + draws, m) DataFrame
        Likewise, on the same draws.

    Returns
    -------
    difference : float
        Own minus that of the rival whose lower bound is least: beating it is beating all.
    ends : (float, float)
        95 % interval of that difference.
    """
    gaps = -rivals.sub(own, axis=0)
    ends = {name: interval(gap.iloc[1:]) for name, gap in gaps.items()}
    closest = min(ends, key=lambda name: ends[name][0])
    return float(gaps[closest].iloc[0]), ends[closest]


def weighted_scores(
    name: str, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Score of each draw: accuracy of a supervised probe, V-measure of the mixture's clusters.

    Parameters
    ----------
    name : str
        See `probes.score`.
    truth, predicted : (N,) arrays
    weights : (draws, N) array
        How often each patch is drawn.

    Returns
    -------
    (draws,) array
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if name != GMM:
        return weights @ (truth == predicted) / weights.sum(axis=1)
    areas, clusters = (np.unique(each, return_inverse=True)[1] for each in (truth, predicted))
    shape = areas.max() + 1, clusters.max() + 1
    cell = np.eye(shape[0] * shape[1])[areas * shape[1] + clusters]  # (N, areas · clusters)
    joint = (weights @ cell / weights.sum(axis=1, keepdims=True)).reshape(-1, *shape)
    of_areas, of_clusters = _entropy(joint.sum(2)), _entropy(joint.sum(1))
    shared = of_areas + of_clusters - _entropy(joint.reshape(len(joint), -1))
    both = of_areas + of_clusters
    # homogeneity shared / of_areas, completeness shared / of_clusters: their harmonic mean
    return np.divide(2 * shared, both, out=np.ones(len(both)), where=both > 0)


def _entropy(shares: np.ndarray) -> np.ndarray:
    """Entropy of each row, in nats: (draws, n) -> (draws,)."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(axis=1)
