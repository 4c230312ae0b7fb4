"""What pages 03 and 04 record: values of paper A's claims on features, from their tables.

Claims come per number of a repeat, ``10 · seed + repeat``; where a claim has no value, the reason
stands in its place.
"""

import numpy as np
import pandas as pd

from helpers.tissue.features import probes, resampling
from helpers.tissue.stages.gram import PAIRS, is_network
from helpers.tissue.stages.probes import END_TO_END, TRAINED

NO_NETWORK = "no pretrained network is at hand"
GAP = ["gap_from", "gap_to"]


def network_gaps(predictions: pd.DataFrame) -> pd.DataFrame:
    """95 % intervals of the score of the trained CNN minus that of each other network.

    Parameters
    ----------
    predictions : DataFrame
        Of `probe_predictions` (compared by logistic regression, and by the mixture), or of
        `noise_predictions` (compared by the relative area under the curve).

    Returns
    -------
    DataFrame
        network, kind, probe (unless of noise), gap_from, gap_to.
    """
    measures = [{"probe": "LR"}, {"probe": "GMM"}] if "probe" in predictions else [{}]
    names = predictions[["network", "kind"]].drop_duplicates()
    rows = []
    for name, kind in names[names["kind"] != "trained"].itertuples(index=False):
        for measure in measures:
            first, second = {"network": TRAINED, **measure}, {"network": name, **measure}
            gap = probes.difference_interval(predictions, first, second)
            rows.append({"network": name, "kind": kind, **measure, **dict(zip(GAP, gap))})
    return pd.DataFrame(rows)


def probe_claims(scores: pd.DataFrame, gaps: pd.DataFrame) -> dict[int, dict]:
    """Values of the claims on probes (A Fig. 4, top).

    Parameters
    ----------
    scores : DataFrame
        From `probes.score_table`.
    gaps : DataFrame
        From `network_gaps`: the interval towards the network that comes closest is shown.
    """
    closest = gaps[gaps["kind"] == "pretrained"].groupby("probe")[GAP].min()
    found = {}
    for (seed, repeat), part in scores.groupby(["seed", "repeat"]):
        cnn = part[part["kind"] == "trained"].set_index("probe")["score"]
        supervised, end_to_end = cnn[list(probes.PROBES)], cnn[END_TO_END]
        other = part[part["kind"] == "pretrained"]
        best = other[other["probe"].isin(probes.PROBES)].groupby("network")["score"].max()
        values = {
            "A.probes.supervised": {"worst_probe": supervised.min(), "end_to_end": end_to_end},
            "A.probes.best": NO_NETWORK,
            "A.probes.pretrained": NO_NETWORK,
            "A.probes.vmeasure": NO_NETWORK,
        }
        if len(best):
            values["A.probes.best"] = {
                "best_probe": supervised.max(),
                "end_to_end": end_to_end,
                "best_pretrained": best.max(),
                **closest.loc["LR"],
            }
            values["A.probes.pretrained"] = {
                "worst_pretrained_best": best.min(),
                "end_to_end": end_to_end,
            }
            values["A.probes.vmeasure"] = {
                "cnn": cnn["GMM"],
                "best_pretrained": other[other["probe"] == "GMM"]["score"].max(),
                **closest.loc["GMM"],
            }
        found[_number(seed, repeat)] = values
    return found


def noise_claims(areas: pd.DataFrame, gaps: pd.DataFrame) -> dict[int, dict]:
    """Value of the claim on noise (A Fig. 4, bottom).

    Parameters
    ----------
    areas : DataFrame
        From `probes.noise_areas`.
    gaps : DataFrame
        From `network_gaps`.
    """
    closest = gaps.groupby("kind")[GAP].min()
    found = {}
    for (seed, repeat), part in areas.groupby(["seed", "repeat"]):
        best, value = part.groupby("kind")["area"].max(), NO_NETWORK
        if "pretrained" in best:
            value = {
                "cnn": best["trained"],
                "best_pretrained": best["pretrained"],
                **closest.loc["pretrained"],
            }
        found[_number(seed, repeat)] = {"A.noise": value}
    return found


def error_gaps(resampled: dict[str, np.ndarray]) -> pd.DataFrame:
    """95 % intervals of the error of each other network minus that of the trained CNN.

    Parameters
    ----------
    resampled : dict
        Network to (repeats,) errors, from `gram.bootstrap_errors`.

    Returns
    -------
    DataFrame
        gap_from and gap_to per network.
    """
    rows = {
        name: resampling.interval(errors - resampled[TRAINED])
        for name, errors in resampled.items()
        if name != TRAINED
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=GAP)
    return table.rename_axis("error minus that of the trained CNN")


def gram_claims(table: pd.DataFrame, gaps: pd.DataFrame) -> dict[int, dict]:
    """Values of the claims on block-diagonal errors (A §III.5).

    Parameters
    ----------
    table : DataFrame
        From `structure_table`.
    gaps : DataFrame
        From `error_gaps`.
    """
    found = {}
    for (seed, repeat), part in table.groupby(["seed", "repeat"]):
        error = part.set_index("network")["error"]
        other = error[part[part["kind"] == "pretrained"]["network"]]
        missing = "this network is not among those at hand" if len(other) else NO_NETWORK
        named = {
            wanted: error[name]
            for wanted in ("inception", "resnet18")
            for name in other.index
            if is_network(name, wanted)
        }
        values = {"A.gram.cnn": error[TRAINED]}
        values |= {f"A.gram.{name}": named.get(name, missing) for name in ("inception", "resnet18")}
        values["A.gram.order"] = missing
        if len(other):
            both = len(named) == 2
            values["A.gram.order"] = {
                "cnn": error[TRAINED],
                "best_pretrained": other.min(),
                "in_order": named["resnet18"] - named["inception"] if both else 1,
                **gaps.loc[other.idxmin()],
            }
        found[_number(seed, repeat)] = values
    return found


def arrangement_claims(table: pd.DataFrame, pair_gaps: pd.DataFrame | None) -> dict[int, dict]:
    """Values of the claims on which areas are alike, and on three dimensions (A Fig. 5).

    Parameters
    ----------
    table : DataFrame
        From `structure_table`.
    pair_gaps : DataFrame or None
        From `pair_intervals`; None where the areas that the paper names are not there.
    """
    found = {}
    for (seed, repeat), part in table.groupby(["seed", "repeat"]):
        row = part[part["kind"] == "trained"].iloc[0]
        values = dict.fromkeys(
            ("A.gram.similar", "A.pca.neighbours"),
            "the areas that it names are not in this dataset",
        )
        if pair_gaps is not None:
            surely = pair_gaps.groupby("measure")["gap_from"].min()
            for claim, measure in zip(values, ("similarity", "distance")):
                pairs = {pair: row[f"{measure} {pair}"] for pair in PAIRS}
                values[claim] = {**pairs, "gap_from": surely[measure]}
        other = part[part["kind"] == "pretrained"]["silhouette"]
        values["A.pca.separable"] = NO_NETWORK
        if len(other):
            values["A.pca.separable"] = {"cnn": row["silhouette"], "best_pretrained": other.max()}
        found[_number(seed, repeat)] = values
    return found


def _number(seed: int, repeat: int) -> int:
    return int(10 * seed + repeat)
