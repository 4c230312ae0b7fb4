"""Stages of paper A, Fig. 5: how the features of areas lie to each other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.book.run import Run
from helpers.tissue.features import gram
from helpers.tissue.stages.probes import (
    FeatureSet,
    Network,
    repeats,
    train_and_test,
)

# The pairs of areas that paper A speaks of (§III.5), by the names that its claims use.
PAIRS = {
    "cortex_striatum": ("cortex", "striatum"),
    "vp_zi": ("vp", "zi"),
    "cortex_vp": ("cortex", "vp"),
}


def structure_sets(
    run: Run, networks: list[Network], *, train_per_area: int, test_per_area: int, seed: int = 0
) -> dict[str, tuple[FeatureSet, FeatureSet]]:
    """Training and test features of every network, by its name; all on the same patches, as for the
    probes.
    """
    sets = {
        each.name: train_and_test(run, each, train_per_area, test_per_area, seed)
        for each in networks
    }
    return {name: (train.value, test.value) for name, (train, test) in sets.items()}


def structure_table(
    networks: list[Network],
    sets: dict[str, tuple[FeatureSet, FeatureSet]],
    areas: Sequence[str],
    n_repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Numbers of A Fig. 5 for every network, on each part of the test patches.

    Returns
    -------
    DataFrame
        network, kind, seed, repeat; ``error`` and ``error_all`` (test patches; all patches at
        once); ``silhouette`` of the areas in three dimensions; ``similarity …`` and ``distance …``
        of the area pairs the paper names.
    """
    from sklearn.metrics import silhouette_score

    rows = []
    for network in networks:
        train, test = sets[network.name]
        everything = gram.block_diagonal_error(
            np.vstack([train.features, test.features]), np.concatenate([train.labels, test.labels])
        )
        for repeat, (_, chosen) in enumerate(repeats(train, test, n_repeats, seed)):
            part = test.part(chosen)
            scores, _ = gram.principal_components(part.features)
            tables = {
                "similarity": gram.area_similarity(part.features, part.labels),
                "distance": gram.centroid_distances(scores, part.labels),
            }
            row = {
                "network": network.name,
                "kind": network.kind,
                "seed": seed,
                "repeat": repeat,
                "error": gram.block_diagonal_error(part.features, part.labels),
                "error_all": everything,
                "silhouette": silhouette_score(scores, part.labels),
            }
            for kind, matrix in tables.items():
                row |= {f"{kind} {pair}": matrix[at] for pair, at in area_pairs(areas).items()}
            rows.append(row)
    return pd.DataFrame(rows)


def area_pairs(areas: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Where the paper's area pairs stand in class order; empty if one of the areas is not there."""
    place = {name.casefold(): index for index, name in enumerate(areas)}
    if not all(name in place for pair in PAIRS.values() for name in pair):
        return {}
    return {name: (place[a], place[b]) for name, (a, b) in PAIRS.items()}


def pair_intervals(part: FeatureSet, weights: np.ndarray, areas: Sequence[str]) -> pd.DataFrame:
    """By how much the pairs that the paper calls similar are more alike than cortex and VP: 95 %
    bootstrap intervals.

    ``similarity``: mean Gram entry of the pair minus that of cortex and VP. ``distance``: distance
    of the centroids of cortex and VP, in three principal components, minus that of the pair. Both
    are above 0 if the paper is right.

    Parameters
    ----------
    part : FeatureSet
    weights : (repeats, N) array
        From :func:`helpers.tissue.features.resampling.bootstrap_weights`.
    """
    scores, _ = gram.principal_components(part.features)
    similarity = gram.bootstrap_similarity(part.features, part.labels, weights)
    distance = gram.centroid_distances(scores, part.labels, weights)
    pairs = area_pairs(areas)
    rows = []
    for name in ("cortex_striatum", "vp_zi"):
        (a, b), (c, d) = pairs[name], pairs["cortex_vp"]
        for measure, gap in (
            ("similarity", similarity[:, a, b] - similarity[:, c, d]),
            ("distance", distance[:, c, d] - distance[:, a, b]),
        ):
            low, high = np.percentile(gap, [2.5, 97.5])
            rows.append(
                {
                    "pair": name.replace("_", "–"),
                    "measure": measure,
                    "gap_from": low,
                    "gap_to": high,
                    "share_above_0": (gap > 0).mean(),
                }
            )
    return pd.DataFrame(rows)


def is_network(name: str, wanted: str) -> bool:
    """Whether a network's name is a plain spelling of ``wanted``: *Inception v3* is inception,
    *GoogLeNet* is not.
    """
    return "".join(filter(str.isalnum, name.casefold())).removesuffix("v3") == wanted
