"""Claims: rules are computed, not believed; what cannot be computed is never green."""

import json
import math

import pytest

from helpers.book import claims


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "claims" / "02_area_classifier.json"
    return claims.Ledger(path, "02_area_classifier", "two (phantom)")


@pytest.fixture
def run(ledger):
    return ledger.path.parents[1]


def row(run, id):
    return next(row for row in claims.scoreboard(run) if row["id"] == id)


@pytest.mark.parametrize(
    "value, verdict", [(0.8588, "reproduced"), (0.95, "reproduced"), (0.858, "not reproduced")]
)
def test_published_numbers_are_one_sided(ledger, value, verdict, run):
    assert ledger.record("A.acc.test", value) == verdict
    assert row(run, "A.acc.test")["verdict"] == verdict


def test_verdict_is_of_the_mean_over_seeds(ledger, run):
    ledger.record("A.acc.test", 0.80, seed=0)
    assert ledger.record("A.acc.test", 0.95, seed=1) == "reproduced"
    found = row(run, "A.acc.test")
    assert (
        found["mean"] == pytest.approx(0.875)
        and found["sd"] == pytest.approx(0.10607, abs=1e-5)
        and len(found["values"]) == 2
    )
    assert ledger.record("A.acc.test", 0.75, seed=1) == "not reproduced"  # the same seed replaces


def test_rules_compare_names(ledger):
    assert (
        ledger.record("A.probes.vmeasure", {"cnn": 0.5, "best_pretrained": 0.2, "low": 0.1})
        == "reproduced"
    )
    assert (
        ledger.record("A.probes.vmeasure", {"cnn": 0.1, "best_pretrained": 0.2}) == "not reproduced"
    )
    with pytest.raises(ValueError, match="needs best_pretrained; found cnn"):
        ledger.record("A.probes.vmeasure", {"cnn": 0.5})


def test_truth_rule_is_asked_only_where_truth_is(ledger):
    value = {"l4_enrichment": 3, "blobs": 4}
    assert ledger.record("B.gmm.barrels", value) == "reproduced"
    assert (
        ledger.record("B.gmm.barrels", {**value, "precision": 0.2, "recall": 0.9})
        == "not reproduced"
    )
    assert (
        ledger.record("B.gmm.barrels", {**value, "precision": 0.6, "recall": 0.9}) == "reproduced"
    )


def test_what_is_not_finite_or_unknown_is_refused(ledger):
    with pytest.raises(
        ValueError, match="not a finite number; if it cannot be computed, use run.not_run"
    ):
        ledger.record("A.acc.test", math.nan)
    with pytest.raises(ValueError, match="unknown claim 'A.acc.tset'"):
        ledger.record("A.acc.tset", 1.0)


def test_not_run_keeps_its_reason(ledger, run):
    ledger.not_run("A.acc.slice", "the test slice has no labels")
    found = row(run, "A.acc.slice")
    assert (found["verdict"], found["reason"], found["mean"]) == (
        "not run",
        "the test slice has no labels",
        None,
    )
    assert row(run, "C.elbow")["reason"] == "its notebook was not part of this run"


def test_merge_writes_the_scores_format(ledger, run):
    ledger.record("A.acc.test", 0.9, seed=3)
    claims.merge(run)
    rows = json.loads((run / "claims.json").read_text())["claims"]
    assert [r["id"] for r in rows] == list(claims.load())
    assert {"id", "published", "values", "mean", "sd", "verdict", "dataset", "notebook"} <= set(
        rows[0]
    )


@pytest.mark.parametrize(
    "rule, names, holds",
    [
        ("a > b and not c > 1", {"a": 2, "b": 1, "c": 0}, True),
        ("abs(a - 8) <= 2", {"a": 5.9}, False),
        ("max(a, b) >= 2 * min(a, b)", {"a": 1, "b": 2}, True),
        ("1 < a < 3", {"a": 3}, False),
    ],
)
def test_rule_language(rule, names, holds):
    assert claims.evaluate(rule, names) is holds


@pytest.mark.parametrize("rule", ["__import__('os')", "a.b", "[a]", "unknown > 1", "max(a, key=1)"])
def test_rules_cannot_do_anything_else(rule):
    with pytest.raises(ValueError, match="a rule may not hold"):
        claims.evaluate(rule, {"a": 1.0})


def test_every_claim_has_a_rule_that_parses_and_a_notebook_of_the_plan():
    for claim in claims.load().values():
        names = claims._names(claim.rule)
        assert names, claim.id
        claims.evaluate(claim.rule, dict.fromkeys(names, 1.0))
        if claim.truth_rule:
            claims.evaluate(claim.truth_rule, dict.fromkeys(claims._names(claim.truth_rule), 1.0))
        assert claim.notebook[:2] in {f"{n:02}" for n in range(1, 12)} and claim.id[0] in "ABC"
