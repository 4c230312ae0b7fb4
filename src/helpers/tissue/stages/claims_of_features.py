"""What page 03 records: probes on features and what noise leaves of them, each with its control.

The control of every row is the untrained CNN, put through the same function in place of the trained
one (or of the pretrained ones, where the row speaks of those). Where a claim has no value, the
reason stands in its place.
"""

import numpy as np
import pandas as pd

from helpers.book.claims import Finding
from helpers.tissue.features import probes
from helpers.tissue.features.intervals import lead, resampled_scores
from helpers.tissue.features.resampling import interval
from helpers.tissue.stages.networks import TRAINED, UNTRAINED
from helpers.tissue.stages.probes import END_TO_END

TAIL = 0.025  # of bootstrap draws; a lower bound leaves out no more of them
NO_NETWORK = "no pretrained network is at hand"
NO_CHOICE = "no test slice is annotated: no windows are left to choose the probe by"


def chosen_probes(predictions: pd.DataFrame) -> dict[str, str]:
    """Return the supervised probe of each network that does best on validation windows.

    Parameters
    ----------
    predictions : DataFrame
        From `probe_predictions`. Empty without validation windows beside the test windows.
    """
    rows = (predictions["role"] == "validation") & predictions["probe"].isin(probes.PROBES)
    if not rows.any() or (predictions["role"] == "validation").all():
        return {}
    scores = probes.score_table(predictions[rows])
    mean = scores.groupby(["network", "probe"], sort=False)["score"].mean()
    return {network: best[1] for network, best in mean.groupby("network").idxmax().items()}


def probe_claims(
    predictions: pd.DataFrame, chosen: dict[str, str], seed: int = 0
) -> dict[str, object]:
    """Values of the claims on probes (A Fig. 4, top), of one seed.

    Parameters
    ----------
    predictions : DataFrame
        From `probe_predictions`, those of test windows. Networks that are neither the trained nor
        the untrained CNN are pretrained ones.
    chosen : dict
        From `chosen_probes`.
    seed : int
        Of the bootstrap over tiles.
    """
    scores = resampled_scores(predictions, seed=seed)
    now, end_to_end = scores.iloc[0], scores[TRAINED, END_TO_END]
    worst = {network: _worst(scores[network], end_to_end) for network in (TRAINED, UNTRAINED)}
    floor = {"chance": probes.guessing(predictions["truth"])}
    networks = scores.columns.get_level_values(0).unique()
    rivals = [name for name in networks if name not in (TRAINED, UNTRAINED)]
    found = {"A.probes.supervised": Finding(worst[TRAINED] | floor, worst[UNTRAINED] | floor)}
    found |= dict.fromkeys(("A.probes.best", "A.probes.pretrained"), NO_CHOICE)
    if not rivals:
        return found | dict.fromkeys(
            ("A.probes.best", "A.probes.pretrained", "A.probes.vmeasure"), NO_NETWORK
        )
    found["A.probes.vmeasure"] = ahead(scores.xs(probes.GMM, axis=1, level=1))
    if chosen:
        supervised = scores[[(name, probe) for name in rivals for probe in probes.PROBES]]
        (value, ends), (control, _) = (
            _best(scores[name, chosen[name]], end_to_end, supervised)
            for name in (TRAINED, UNTRAINED)
        )
        found["A.probes.best"] = Finding(value, control, ends)
        own = {name: now[name, chosen[name]] for name in networks}
        each = (min(own[name] for name in rivals), own[UNTRAINED])
        found["A.probes.pretrained"] = Finding(
            *({"worst_pretrained": one, "end_to_end": end_to_end.iloc[0]} for one in each)
        )
    return found


def noise_claims(robustness: pd.DataFrame) -> dict[str, object]:
    """Value of the claim on noise (A Fig. 4, bottom), of one seed.

    Parameters
    ----------
    robustness : DataFrame
        From `intervals.resampled_robustness`.
    """
    rare = lambda name: robustness[name].isna().mean() < TAIL or name == UNTRAINED
    lost = [n for n in robustness if not (np.isfinite(robustness[n].iloc[0]) and rare(n))]
    if lost and robustness.shape[1] > 2:
        return {"A.noise": f"at no noise it is no better than guessing: {', '.join(lost)}"}
    return {"A.noise": ahead(robustness)}


def gap_table(scores: pd.DataFrame) -> pd.DataFrame:
    """95 % intervals of the trained CNN minus each other network, for each measure that both have.

    Parameters
    ----------
    scores : DataFrame
        (1 + draws) rows; columns network, or network and measure.
    """
    rows = []
    for column in scores.columns:
        network, *measure = column if isinstance(column, tuple) else (column,)
        own = (TRAINED, *measure) if measure else TRAINED
        if network == TRAINED or own not in scores:
            continue
        difference, (low, high) = lead(scores[own], scores[[column]])
        about = {"network": network, **dict(zip(["measure"], measure))}
        rows.append({**about, "difference": difference, "low": low, "high": high})
    return pd.DataFrame(rows)


def ahead(scores: pd.DataFrame) -> Finding | str:
    """The trained CNN against the best pretrained network, and the untrained in its place.

    Parameters
    ----------
    scores : DataFrame
        (1 + draws) rows, one column per network.
    """
    rivals = scores.drop(columns=[TRAINED, UNTRAINED])
    if rivals.empty:
        return NO_NETWORK

    def value(network: str) -> tuple[dict, dict]:
        _, ends = lead(scores[network], rivals)
        best = {"cnn": scores[network].iloc[0], "best_pretrained": rivals.iloc[0].max()}
        return {**best, "lower_gap": ends[0]}, {"gap": ends}

    (numbers, ends), (control, _) = value(TRAINED), value(UNTRAINED)
    return Finding(numbers, control, ends)


def _worst(own: pd.DataFrame, end_to_end: pd.Series) -> dict:
    worst = own[list(probes.PROBES)].min(axis=1)
    return {
        "worst_probe": worst.iloc[0],
        "lower_worst_probe": interval(worst[1:])[0],
        "end_to_end": end_to_end.iloc[0],
    }


def _best(own: pd.Series, end_to_end: pd.Series, rivals: pd.DataFrame) -> tuple[dict, dict]:
    over_cnn, ends = lead(own, end_to_end.to_frame())
    over_rivals, ends_of_rivals = lead(own, rivals)
    value = {
        "best_probe": own.iloc[0],
        "over_end_to_end": over_cnn,
        "over_pretrained": over_rivals,
        "lower_over_end_to_end": ends[0],
        "lower_over_pretrained": ends_of_rivals[0],
    }
    return value, {"over_end_to_end": ends, "over_pretrained": ends_of_rivals}
