"""Stages of paper A, Fig. 5: how the features of areas lie to each other."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.tissue.features import gram, resampling
from helpers.tissue.stages.networks import Network
from helpers.tissue.stages.probes import FeatureSet, train_and_test

# The pairs of areas that paper A speaks of (§III.5), by the names that its claims use.
PAIRS = {
    "cortex_striatum": ("cortex", "striatum"),
    "vp_zi": ("vp", "zi"),
    "cortex_vp": ("cortex", "vp"),
}
ALIKE = ("cortex_striatum", "vp_zi")  # more so than the third
BETWEEN_TILES = "error between tiles below all equally alike"
ARRANGEMENTS = 2000  # of names, at most, that a pair's gap is held against


def structure_sets(
    run: Run,
    networks: list[Network],
    trained: Artifact,
    *,
    train_per_area: int,
    test_per_area: int,
    seed: int = 0,
) -> dict[str, tuple[FeatureSet, FeatureSet]]:
    """Training and test features of every network, by its name; all on the same patches, as for the
    probes.
    """
    sets = {
        each.name: train_and_test(run, each, trained, train_per_area, test_per_area, seed)
        for each in networks
    }
    return {name: (train.value, test.value) for name, (train, test) in sets.items()}


def structure_draws(
    tested: dict[str, FeatureSet], areas: Sequence[str], draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Numbers of A Fig. 5 for every network, on all test patches and on bootstrap draws of them.

    Whole tiles are drawn, because patches that overlap are not independent, and the same ones for
    every network.

    Parameters
    ----------
    tested : dict
        Network to its features of the same patches.
    areas : sequence of str
        Names in class order.
    draws : int
    seed : int

    Returns
    -------
    DataFrame (1 + draws, networks × measures)
        Columns (network, measure); row 0 is every patch once. ``error``: block-diagonal error;
        `BETWEEN_TILES`: by how much it is below that of features all of whose pairs are equally
        alike, over patches from different tiles; ``silhouette`` of the areas in three principal
        components; for the pairs that the paper calls alike, and if the areas are there,
        ``similarity …``: mean Gram entry of
        the pair minus that of cortex and VP; ``similarity share …``: the same in units of how far
        areas are from alike, 1 − the mean entry over all pairs of areas (0 where all are alike);
        and ``distance …``: distance of the centroids of cortex and VP minus that of the pair, in
        units of the mean over all pairs of areas. These six are above 0 if the paper is right.
        ``similarity least`` and ``distance least``: the smaller of the two gaps; ``… named anew``:
        the 95 % quantile of the same over the ways to give the four names to areas.
    """
    first = next(iter(tested.values()))
    weights = resampling.bootstrap_weights(first.labels, draws, first.groups, seed)
    weights = np.vstack([np.ones(len(first.labels)), weights])
    columns = {}
    for name, part in tested.items():
        scores, _ = gram.principal_components(part.features)
        columns[name, "error"] = gram.bootstrap_errors(part.features, part.labels, weights)
        columns[name, BETWEEN_TILES] = gram.bootstrap_gaps_between_tiles(
            part.features, part.labels, weights, part.groups
        )
        columns[name, "silhouette"] = gram.bootstrap_silhouettes(scores, part.labels, weights)
        for measure, gap in _pair_gaps(part, scores, weights, areas).items():
            columns[name, measure] = gap
    return pd.DataFrame(columns).rename_axis(columns=["network", "measure"])


def _pair_gaps(
    part: FeatureSet, scores: np.ndarray, weights: np.ndarray, areas: Sequence[str]
) -> dict[str, np.ndarray]:
    pairs, found = area_pairs(areas), {}
    if not pairs:
        return found
    similarity = gram.bootstrap_similarity(part.features, part.labels, weights)
    distance = gram.centroid_distances(scores, part.labels, weights)
    rows, columns = np.triu_indices(len(areas), 1)
    mean = distance[:, rows, columns].mean(axis=1)[:, None, None]
    distance = distance / np.where(mean > 0, mean, 1)
    apart = 1 - similarity[:, rows, columns].mean(axis=1)
    c, d = pairs["cortex_vp"]
    for name in ALIKE:
        a, b = pairs[name]
        found[f"similarity {name}"] = similarity[:, a, b] - similarity[:, c, d]
        gap, none = found[f"similarity {name}"], np.zeros_like(apart)
        found[f"similarity share {name}"] = np.divide(gap, apart, out=none, where=apart > 1e-9)
        found[f"distance {name}"] = distance[:, c, d] - distance[:, a, b]
    for measure, matrices in (("similarity", similarity), ("distance", -distance)):
        named = _least_gaps(matrices, _namings(pairs, len(areas)))
        found[f"{measure} least"] = named[:, 0]
        # "higher": no more than one arrangement in twenty lies above, whatever their number
        found[f"{measure} named anew"] = np.quantile(named, 0.95, axis=1, method="higher")
    return found


def _namings(pairs: dict[str, tuple[int, int]], n_areas: int) -> np.ndarray:
    """Return ways to give the names of `PAIRS`, in the order cortex, striatum, VP, ZI, to areas:
    (n, 4) int, the true one first; then all of them, or `ARRANGEMENTS` random ones.
    """
    true = [place for name in ALIKE for place in pairs[name]]
    if n_areas <= 7:
        return np.array([true, *permutations(range(n_areas), len(true))])
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(n_areas)[: len(true)] for _ in range(ARRANGEMENTS)]
    return np.array([true, *drawn])


def _least_gaps(matrices: np.ndarray, named: np.ndarray) -> np.ndarray:
    """Return by how much both pairs of `ALIKE` are above the third at least: (repeats, c, c) and
    (n, 4) -> (repeats, n).
    """
    cortex, striatum, vp, zi = named.T
    alike = np.minimum(matrices[:, cortex, striatum], matrices[:, vp, zi])
    return alike - matrices[:, cortex, vp]


def structure_table(draws: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return network, measure, seed, value and its 95 % interval (low, high), from
    `structure_draws`.
    """
    ends = draws.iloc[1:].quantile([0.025, 0.975])
    columns = {"seed": seed, "value": draws.iloc[0], "low": ends.iloc[0], "high": ends.iloc[1]}
    return pd.DataFrame(columns, index=draws.columns).reset_index()


def area_pairs(areas: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Where the paper's area pairs stand in class order; empty if one of the areas is not there."""
    place = {name.casefold(): index for index, name in enumerate(areas)}
    if not all(name in place for pair in PAIRS.values() for name in pair):
        return {}
    return {name: (place[a], place[b]) for name, (a, b) in PAIRS.items()}


def is_network(name: str, wanted: str) -> bool:
    """Whether a network's name is a plain spelling of ``wanted``: *Inception v3* is inception,
    *GoogLeNet* is not.
    """
    return "".join(filter(str.isalnum, name.casefold())).removesuffix("v3") == wanted
