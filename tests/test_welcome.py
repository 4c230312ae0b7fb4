"""What the first page says was found: the run's own numbers, and recorded ones beside them."""

import html
import re

from helpers.book import claims, welcome


def row(id, verdict, mean, control):
    claim = claims.load()[id]
    about = {
        "published": claim.published,
        "statement": claim.statement,
        "dataset": "mine",
        "reason": "",
    }
    return {"id": id, "verdict": verdict, "mean": mean, "control": control, **about}


def test_first_page_tells_numbers_controls_and_verdicts_of_every_run():
    here = [row("A.acc.slice", "reproduced", {"accuracy": 0.91}, {"accuracy": 0.4})]
    there = [row("A.acc.slice", "not reproduced", {"accuracy": 0.55}, {"accuracy": 0.5})]
    said = welcome.findings(here, {}, {"tissue": there})
    (sentence,) = [line for line in said.splitlines() if line.startswith("- ")]
    assert "this run: accuracy 0.91 (control: 0.4)" in sentence
    assert "recorded run tissue: accuracy 0.55 (control: 0.5)" in sentence
    assert sentence.index(">reproduced<") < sentence.index(">not reproduced<")
    assert "**This run**, on mine: of 1 statements 1 <" in said
    # What of the rule did not hold on the recorded tissue, in numbers.
    assert "accuracy (0.55) is not at least 0.8" in html.unescape(sentence)


def test_each_of_several_controls_is_told_and_greek_stays_small():
    controls = {"untrained": {"worst_auroc": 0.6}, "area map shifted": {"asked": 3}}
    rows = [row("B.nmf.areas", "reproduced", {"worst_auroc": 0.9, "asked": 3}, controls)]
    rows.append(row("C.quality.fd", "not reproduced", {"ahead_of_pca": 4.7}, None))
    said = welcome.findings(rows, {})
    assert "least area under the ROC curve 0.9 (control: untrained 0.6)," in said
    assert "The paper: β" in said


def test_what_was_not_run_is_no_finding_but_is_listed_with_its_reason():
    lacking = {**row("A.acc.slice", "not run", None, None), "reason": "no <labels>"}
    said = welcome.findings([lacking], {})
    assert not [line for line in said.splitlines() if line.startswith("- ")]
    listed = re.findall(r"<details class=.*?</details>", said)
    assert len(listed) == 1 and "open" not in listed[0].split(">")[0]
    assert "A.acc.slice" in listed[0] and "no <labels>" in html.unescape(listed[0])
    assert "<labels>" not in listed[0]
