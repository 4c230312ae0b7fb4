"""From the tables of a page to what it records: values per seed, or the reason why not."""

import numpy as np
import pandas as pd
import pytest

from helpers.book.claims import Finding
from helpers.book.run import Run
from helpers.tissue.factors.tables import by_factor
from helpers.tissue.stages import claims_of_clusters, claims_of_features

TRAINED = ("trained CNN", "trained")
UNTRAINED = ("untrained CNN", "untrained")
RESNET, INCEPTION = ("ResNet18", "pretrained"), ("Inception v3", "pretrained")


class Ledger:
    """Stands in for a ledger: keeps what is recorded."""

    def __init__(self):
        self.values, self.reasons = {}, {}

    def record(self, claim, value, seed, control, interval, note=""):
        self.values[claim, seed] = (value, control, interval)

    def not_run(self, claim, reason):
        self.reasons[claim] = reason


def test_a_claim_has_the_values_of_its_seeds_or_the_reason(tmp_path):
    run = Run(tmp_path, "page", {}, Ledger())
    found = {
        0: {"A": 1.0, "B": "no labels", "C": Finding(2.0, control=1.0, interval=(1.5, 2.5))},
        1: {"A": "one latent", "B": "no labels"},
    }
    run.record_all(found)
    assert run.ledger.values == {
        ("A", 0): (1.0, None, None),
        ("C", 0): (2.0, 1.0, (1.5, 2.5)),
    }
    assert run.ledger.reasons == {"A": "one latent", "B": "no labels"}


def predictions(networks, **facts):
    """Ten patches of two areas; each network errs in its first patches, one more than the last."""
    truth = np.tile([1, 2], 5)
    rows = []
    for errors, (network, kind) in enumerate(networks):
        said = np.where(np.arange(10) < errors, 3 - truth, truth)
        columns = {"group": np.arange(10), "truth": truth, "predicted": said}
        rows.append(pd.DataFrame({"network": network, "kind": kind, **facts, **columns}))
    return pd.concat(rows, ignore_index=True)


def probed(networks):
    parts = [
        predictions(networks, probe=probe, seed=0, repeat=2)
        for probe in ("end to end", "SVM-linear", "SVM-RBF", "LR", "GMM")
    ]
    return pd.concat(parts, ignore_index=True)


def test_gaps_name_every_other_network_and_lean_to_the_better_one():
    gaps = claims_of_features.network_gaps(probed([TRAINED, UNTRAINED, RESNET]))
    assert gaps["network"].tolist() == ["untrained CNN"] * 2 + ["ResNet18"] * 2
    assert gaps["probe"].tolist() == ["LR", "GMM"] * 2
    assert (gaps["gap_from"] <= gaps["gap_to"]).all() and (gaps["gap_to"] > 0).all()


def test_probe_claims_with_and_without_pretrained_networks():
    from helpers.tissue.features.probes import score_table

    table = probed([TRAINED, UNTRAINED, RESNET, INCEPTION])
    gaps = claims_of_features.network_gaps(table)
    found = claims_of_features.probe_claims(score_table(table), gaps)
    assert list(found) == [2]  # 10 · seed + repeat
    best = found[2]["A.probes.best"]
    assert best["best_probe"] == 1.0 and best["best_pretrained"] == 0.8
    closest = gaps[(gaps["kind"] == "pretrained") & (gaps["probe"] == "LR")]
    assert best["gap_from"] == closest["gap_from"].min()
    assert found[2]["A.probes.pretrained"] == {"worst_pretrained_best": 0.7, "end_to_end": 1.0}

    table = probed([TRAINED, UNTRAINED])
    alone = claims_of_features.probe_claims(
        score_table(table), claims_of_features.network_gaps(table)
    )[2]
    assert alone["A.probes.supervised"] == {"worst_probe": 1.0, "end_to_end": 1.0}
    assert [claim for claim, value in alone.items() if value == claims_of_features.NO_NETWORK] == [
        "A.probes.best",
        "A.probes.pretrained",
        "A.probes.vmeasure",
    ]


@pytest.mark.parametrize(
    ("networks", "in_order"),
    [([RESNET], 1), ([RESNET, INCEPTION], 0.1), ([("Mine", "pretrained")], 1)],
)
def test_gram_claims_ask_for_the_networks_by_name(networks, in_order):
    listed = [TRAINED, *networks]
    errors = {"trained CNN": 0.3, "ResNet18": 0.7, "Inception v3": 0.6, "Mine": 0.5}
    table = pd.DataFrame(
        {"network": name, "kind": kind, "seed": 1, "repeat": 0, "error": errors[name]}
        for name, kind in listed
    )
    resampled = {name: np.full(5, errors[name]) for name, _ in listed}
    gaps = claims_of_features.error_gaps(resampled)
    (found,) = claims_of_features.gram_claims(table, gaps).values()
    best = min(errors[name] for name, _ in networks)
    assert found["A.gram.cnn"] == 0.3
    assert found["A.gram.order"] == pytest.approx(
        {
            "cnn": 0.3,
            "best_pretrained": best,
            "in_order": in_order,
            "gap_from": best - 0.3,
            "gap_to": best - 0.3,
        }
    )
    for claim, network in {"A.gram.resnet18": RESNET, "A.gram.inception": INCEPTION}.items():
        if network in networks:
            assert found[claim] == errors[network[0]]
        else:
            assert found[claim] == "this network is not among those at hand"


def test_arrangement_claims_without_pairs_or_networks_say_why():
    table = pd.DataFrame([{"network": "trained CNN", "kind": "trained", "seed": 0, "repeat": 0}])
    table["silhouette"] = 0.5
    (found,) = claims_of_features.arrangement_claims(table, None).values()
    assert found["A.gram.similar"] == "the areas that it names are not in this dataset"
    assert found["A.pca.separable"] == claims_of_features.NO_NETWORK


def test_cluster_claims_are_those_of_the_strip():
    rows = [
        {"seed": 1, "start": 2, "region": region, "f1_l1": value}
        for region, value in (("strip", 0.7), ("whole cortex", 0.4))
    ]
    found = claims_of_clusters.cluster_claims(pd.DataFrame(rows))
    assert found == {12: {"A.kmeans.layers": {"f1_l1": 0.7}}}


def test_tables_of_factors_name_rows_and_columns():
    table = by_factor({"mean": np.ones((2, 3)), "score": np.zeros((2, 2))}, ("a", "b", "c"))
    assert table.index.tolist() == ["F0", "F1"] and table.index.name == "factor"
    assert table.columns.tolist()[2:] == [("mean", "c"), ("score", "a"), ("score", "b")]
