"""What page 04 records: how the features of areas lie to each other, each with its control.

All come from `structure_draws`. Where a claim has no value, the reason stands in its place.
"""

import numpy as np
import pandas as pd

from helpers.book.claims import Finding
from helpers.tissue.features import gram
from helpers.tissue.features.intervals import lead
from helpers.tissue.features.resampling import interval
from helpers.tissue.stages.claims_of_features import NO_NETWORK, ahead
from helpers.tissue.stages.gram import ALIKE, BETWEEN_TILES, is_network
from helpers.tissue.stages.networks import TRAINED, UNTRAINED

NO_PAIRS = "the areas that it names are not in this dataset"
TOO_FEW_AREAS = "its four areas alone can be named in too few ways to tell theirs from chance"


def structure_claims(draws: pd.DataFrame, labels: np.ndarray) -> dict[str, object]:
    """Values of the claims of paper A, §III.5 and Fig. 5, of one seed.

    Parameters
    ----------
    draws : DataFrame
        From `structure_draws`. Networks that are neither the trained nor the untrained CNN are
        pretrained ones.
    labels : (N,) array
        Areas of the patches, for the errors of features that know nothing.
    """
    n_areas = len(np.unique(labels))
    return error_claims(draws, labels) | {
        "A.gram.similar": _alike(draws, "similarity", n_areas),
        "A.pca.neighbours": _alike(draws, "distance", n_areas),
        "A.pca.separable": ahead(draws.xs("silhouette", axis=1, level="measure")),
    }


def error_claims(draws: pd.DataFrame, labels: np.ndarray) -> dict[str, object]:
    """Values of the claims on block-diagonal errors, from the same draws."""
    errors, below = (
        draws.xs(measure, axis=1, level="measure") for measure in ("error", BETWEEN_TILES)
    )
    nulls = gram.null_errors(labels)
    controls = {
        "untrained": errors[UNTRAINED].iloc[0],
        "no two alike": nulls["nothing alike"],
        "all alike": nulls["all alike"],
    }
    named = {
        wanted: errors[name]
        for wanted in ("inception", "resnet18")
        for name in errors.columns.drop([TRAINED, UNTRAINED])
        if is_network(name, wanted)
    }
    missing = "this network is not among those at hand" if errors.shape[1] > 2 else NO_NETWORK
    found = {
        "A.gram.cnn": Finding(
            errors[TRAINED].iloc[0], control=controls, interval=interval(errors[TRAINED][1:])
        )
    }
    for wanted in ("inception", "resnet18"):
        found[f"A.gram.{wanted}"] = missing
        if wanted in named:
            error = named[wanted]
            found[f"A.gram.{wanted}"] = Finding(error.iloc[0], interval=interval(error[1:]))
    found["A.gram.order"] = "it needs both Inception v3 and ResNet18; not both are at hand"
    if len(named) == 2:
        (value, ends), (control, _) = (
            _order(errors[network], below[network], **named) for network in (TRAINED, UNTRAINED)
        )
        found["A.gram.order"] = Finding(value, control, ends)
    elif errors.shape[1] == 2:
        found["A.gram.order"] = NO_NETWORK
    return found


def _order(
    cnn: pd.Series, below: pd.Series, inception: pd.Series, resnet18: pd.Series
) -> tuple[dict, dict]:
    first, ends_of_first = lead(inception, cnn.to_frame())
    second, ends_of_second = lead(resnet18, inception.to_frame())
    value = {
        "cnn": cnn.iloc[0],
        "cnn_to_inception": first,
        "inception_to_resnet18": second,
        "lower_between_tiles": interval(below[1:])[0],
        "lower_cnn_to_inception": ends_of_first[0],
        "lower_inception_to_resnet18": ends_of_second[0],
    }
    return value, {"cnn_to_inception": ends_of_first, "inception_to_resnet18": ends_of_second}


def _alike(draws: pd.DataFrame, measure: str, n_areas: int) -> Finding | str:
    """Gaps of the pairs that are alike, of the trained CNN and, as control, of the untrained; both
    beside the gaps under names dealt out anew.
    """
    if (TRAINED, f"{measure} {ALIKE[0]}") not in draws:
        return NO_PAIRS
    if n_areas <= len(ALIKE) * 2:
        return TOO_FEW_AREAS

    def value(network: str) -> tuple[dict, dict]:
        names = {name: f"{measure} {name}" for name in ALIKE}
        if measure == "similarity":
            names |= {f"share_{name}": f"similarity share {name}" for name in ALIKE}
        gaps = {name: draws[network, column] for name, column in names.items()}
        ends = {name: interval(gap[1:]) for name, gap in gaps.items()}
        numbers = {name: gap.iloc[0] for name, gap in gaps.items()}
        for name, column in names.items():
            numbers[f"lower_{name}"] = ends[name][0]
            numbers[f"untrained_{name}"] = draws[UNTRAINED, column].iloc[0]
        for name, column in (("least_gap", "least"), ("named_anew", "named anew")):
            numbers[name] = draws[network, f"{measure} {column}"].iloc[0]
        return numbers, ends

    numbers, ends = value(TRAINED)
    return Finding(numbers, value(UNTRAINED)[0], ends)
