"""Record what a notebook found for each claim of the papers, and decide it by its rule."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, stdev

import yaml

from helpers.book.root import project_root
from helpers.book.rules import evaluate, names_of, over_seeds, refuted, unmet
from helpers.data.files import write_json

REPRODUCED = "reproduced"
CONTROL_HOLDS = "holds, but so does the control"
NOT_REPRODUCED = "not reproduced"
BY_CONSTRUCTION = "by construction"
NOT_RUN = "not run"
VERDICTS = (REPRODUCED, CONTROL_HOLDS, NOT_REPRODUCED, BY_CONSTRUCTION, NOT_RUN)

DRAWS_THAT_PASS = "draws_that_pass"  # of a control drawn many times: share that meets the rule
FEW = 0.05  # such a control meets the rule if more than this share of its draws do

Value = float | dict[str, float]  # a number, or one number per name that a rule compares
Control = Value | dict[str, Value]  # of several controls, one value each by name
Interval = Sequence[float] | dict[str, Sequence[float]]  # (low, high), or one per name


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a paper (``book/claims.yml``).

    ``rule`` is a comparison over the recorded value: ``value`` if it is a number, else the names
    it holds, for example ``cnn < untrained``. ``truth_rule`` is asked as well where the value holds
    its names, which need ground truth. ``in_words`` says the same to people.

    ``controls`` names what must fail the rule, ``control_in_words`` says what it is and why; a
    claim without a control says there why it needs none. ``drawn`` names those that are drawn many
    times and pass by their share of draws (see `over_draws`). ``by_construction`` marks what holds
    on any data.
    """

    id: str
    notebook: str
    where: str
    statement: str
    published: float | str
    rule: str
    in_words: str
    control_in_words: str
    controls: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    truth_rule: str = ""
    by_construction: bool = False
    figure: str = ""  # the one of the run's figures that shows it best


@dataclass(frozen=True)
class Finding:
    """What a page found for one claim at one seed: what `helpers.book.ledger.Ledger.record`
    takes.
    """

    value: Value
    control: Control | None = None
    interval: Interval | None = None
    note: str = ""


@cache
def load(path: Path | None = None) -> dict[str, Claim]:
    """Return every claim by its id, in the order of the file."""
    path = path or project_root() / "book" / "claims.yml"
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    named = ("controls", "drawn")
    return {
        row["id"]: Claim(**{**row, **{name: tuple(row.get(name, ())) for name in named}})
        for row in rows
    }


def decide(claim: Claim, records: list[dict]) -> dict:
    """Return what the records of all seeds say: the rule applied to their mean, and to the control.

    Parameters
    ----------
    claim : Claim
    records : list of dict
        ``value`` and, where there is one, ``control`` and ``interval``, one dict per seed.

    Returns
    -------
    dict
        ``values``, ``mean``, ``sd``, ``control`` (mean), ``control_passes`` (None without one),
        ``interval`` (mean of the ends), ``verdict`` and, where a verdict needs it, ``reason``.
    """
    values = [row["value"] for row in records]
    controls = [row["control"] for row in records if row.get("control") is not None]
    intervals = [row["interval"] for row in records if row.get("interval") is not None]
    found = {
        "values": values,
        "mean": over_seeds(fmean, values) if values else None,
        "sd": over_seeds(stdev, values) if len(values) > 1 else None,
        "control": over_seeds(fmean, controls) if controls else None,
        "control_passes": None,
        "interval": over_seeds(fmean, intervals) if intervals else None,
        "verdict": NOT_RUN,
        "reason": "",
    }
    if not values:
        return found
    if lacking := _lacking(claim, found["mean"]):
        if fails_anyway(claim, found["mean"]):
            return found | {"verdict": NOT_REPRODUCED}
        # What was recorded under an older rule is no verdict of this one.
        found["reason"] = f"recorded under an older rule, without {lacking}; run the page again"
        return found
    holds = _holds(claim, found["mean"])
    if controls:
        each = dict(single_controls(claim, found["control"]))
        lacking = next(filter(None, (lacking_in(claim, *one) for one in each.items())), "")
        if lacking and holds and not claim.by_construction:
            # A control that the rule cannot judge has not failed it.
            found["reason"] = (
                f"its control was recorded under an older rule, without {lacking}; "
                "run the page again, or record the run anew"
            )
            return found
        found["control_passes"] = (
            None if lacking else any(_control_holds(claim, one) for one in each.values())
        )
    if claim.by_construction:
        found["verdict"] = BY_CONSTRUCTION
    elif not holds:
        found["verdict"] = NOT_REPRODUCED
    elif found["control_passes"]:
        found["verdict"] = CONTROL_HOLDS
    elif absent := _not_computed(claim, records):
        # A claim that names several controls is not green by the one that was easiest to compute.
        found["reason"] = (
            f"the rule holds, but of its controls {', '.join(absent)} was not computed at every "
            f"seed ({claim.control_in_words})"
        )
    else:
        found["verdict"] = REPRODUCED
    notes = dict.fromkeys([found["reason"], *(row.get("note", "") for row in records)])
    found["reason"] = "; ".join(filter(None, notes))
    return found


def over_draws(id: str, draws: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return a control that is drawn many times, as a control of its claim: the mean of each number
    to be shown, and ``draws_that_pass``, the share of draws that meet the rule.

    A rule is not linear: the mean of draws of which a third meet it may fail it. So `decide` asks
    for the share, and a control passes if more than one draw in twenty does.

    Parameters
    ----------
    id : str
        The claim, whose rule each draw is held against.
    draws : sequence of dict
        The claim's value of each draw.
    """
    passing = [_holds(load()[id], draw) for draw in draws]
    shown = over_seeds(lambda numbers: float(fmean(numbers)), list(draws))
    return {**shown, DRAWS_THAT_PASS: fmean(passing)}


def scoreboard(run: Path) -> list[dict]:
    """Return one row per claim for a run folder, in the order of ``book/claims.yml``."""
    records: dict[str, list[dict]] = {}
    reasons: dict[str, str] = {}
    origin: dict[str, tuple[str, str]] = {}
    for path in sorted((run / "claims").glob("*.json")):
        content = _read(path)
        reasons.update(content["not_run"])
        for row in content["records"]:
            records.setdefault(row["id"], []).append(row)
            origin[row["id"]] = (content["dataset"], content["notebook"])
    rows = []
    for claim in load().values():
        found = decide(claim, records.get(claim.id, []))
        dataset, notebook = origin.get(claim.id, ("", claim.notebook))
        if not found["values"]:
            found["reason"] = reasons.get(claim.id, "its notebook was not part of this run")
        rows.append(
            {
                "id": claim.id,
                "published": claim.published,
                **found,
                "dataset": dataset,
                "notebook": notebook,
                "where": claim.where,
                "statement": claim.statement,
                "rule": claim.in_words,
                "control_in_words": claim.control_in_words,
                "figure": claim.figure,
            }
        )
    return rows


def merge(run: Path) -> list[dict]:
    """Write ``claims.json`` of a run folder from its notebooks' ledgers and return its rows."""
    rows = scoreboard(run)
    write_json(run / "claims.json", {"claims": rows})
    return rows


def number_text(value: Control | Interval | None) -> str:
    """Return recorded numbers in few characters: ``0.913`` or ``cnn 0.41, untrained 0.70``."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        parts = (f"{name} {number_text(part)}" for name, part in value.items())
        return ("; " if _nested(value) else ", ").join(parts)
    if isinstance(value, Sequence):
        return f"[{value[0]:.4g}, {value[1]:.4g}]"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def asked_of(id: str, value: Control | None) -> Control | None:
    """Return what a claim's rule compares of a value or of its controls; other numbers beside it
    say how it came about.
    """
    if not isinstance(value, dict) or id not in load():
        return value
    asked = names_of(load()[id].rule)
    if _nested(value):
        return {name: asked_of(id, part) for name, part in value.items()}
    return {name: part for name, part in value.items() if name in asked} or value


def why_not(row: dict) -> str:
    """Return which part of its rule a row does not meet, with the numbers; "" if it meets all, or
    cannot be asked.
    """
    claim, mean = load().get(row["id"]), row["mean"]
    if row["verdict"] != NOT_REPRODUCED or claim is None or mean is None or _lacking(claim, mean):
        return ""
    names = mean if isinstance(mean, dict) else {"value": mean}
    rules = [claim.rule]
    if claim.truth_rule and names_of(claim.truth_rule) <= set(names):
        rules.append(claim.truth_rule)
    return "; ".join(part for rule in rules for part in unmet(rule, names))


def single_controls(claim: Claim, control: Control) -> Iterator[tuple[str, Value]]:
    """Yield the controls of a claim by name: one value alone belongs to the first that it names."""
    of_numbers = names_of(claim.rule) == {"value"}
    by_name = of_numbers and isinstance(control, dict) and "value" not in control
    if by_name or _nested(control):
        yield from control.items()
    else:
        yield (*claim.controls, "control")[0], control


def _nested(value: Control | Interval) -> bool:
    return isinstance(value, dict) and any(isinstance(part, dict) for part in value.values())


def _holds(claim: Claim, value: Value) -> bool:
    """Return whether a value, or a control's, meets the rule, and the rule that needs truth."""
    names = value if isinstance(value, dict) else {"value": value}
    holds = evaluate(claim.rule, names)
    if claim.truth_rule and names_of(claim.truth_rule) <= set(names):
        holds = holds and evaluate(claim.truth_rule, names)
    return holds


def _control_holds(claim: Claim, value: Value) -> bool:
    """Return whether a control meets the rule: by its share of draws, where it has many."""
    if isinstance(value, dict) and DRAWS_THAT_PASS in value:
        return value[DRAWS_THAT_PASS] > FEW
    return _holds(claim, value)


def _not_computed(claim: Claim, records: list[dict]) -> list[str]:
    """Return the controls that the claim names and that some of its records lack, or hold numbers
    for that are none: a control fails by what it scores, not by having no score.
    """
    asked = names_of(claim.rule)

    def computed(name: str, row: dict) -> bool:
        if row.get("control") is None:
            return False
        value = dict(single_controls(claim, row["control"])).get(name)
        numbers = value if isinstance(value, dict) else {"value": value}
        known = [number for key, number in numbers.items() if key in asked]
        return value is not None and all(math.isfinite(number) for number in known)

    return [name for name in claim.controls if not all(computed(name, row) for row in records)]


def fails_anyway(claim: Claim, value: Value) -> bool:
    """Return whether a value fails its claim's rule, whatever the names that it lacks."""
    return refuted(claim.rule, value if isinstance(value, dict) else {"value": value})


def lacking_in(claim: Claim, control: str, value: Value) -> str:
    """Return what a control needs to be judged by its claim's rule and does not hold, as text."""
    return _lacking(claim, value, {DRAWS_THAT_PASS} if control in claim.drawn else set())


def _lacking(claim: Claim, value: Value, more: Collection[str] = ()) -> str:
    """Return the names that the rule compares and the value does not hold, as text."""
    names = names_of(claim.rule) | set(more)
    return ", ".join(sorted(names - set(value if isinstance(value, dict) else {"value"})))


def _read(path: Path) -> dict:
    """Return what a notebook recorded; of a damaged record, that it is, for each of its claims."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {key: content[key] for key in ("notebook", "dataset", "records", "not_run")}
    except (ValueError, TypeError, KeyError):
        reason = f"its record {path.name} is damaged; run its notebook again"
        lost = {claim.id: reason for claim in load().values() if claim.notebook == path.stem}
        return {"notebook": path.stem, "dataset": "", "records": [], "not_run": lost}
