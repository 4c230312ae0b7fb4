"""Record what a notebook found for each claim of the papers, and decide it by its rule."""

from __future__ import annotations

import ast
import json
import math
import operator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean, stdev

import yaml

from helpers.book.root import project_root
from helpers.data.files import write_json

REPRODUCED, NOT_REPRODUCED, NOT_RUN = "reproduced", "not reproduced", "not run"


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a paper (``book/claims.yml``).

    ``rule`` is a comparison over the recorded value: ``value`` if it is a number, else the names
    it holds, for example ``cnn < untrained``. ``truth_rule`` is asked as well where the value holds
    its names, which need ground truth. ``in_words`` says the same to people.
    """

    id: str
    notebook: str
    where: str
    statement: str
    published: float | str
    rule: str
    in_words: str
    truth_rule: str = ""


@cache
def load(path: Path | None = None) -> dict[str, Claim]:
    """Return every claim by its id, in the order of the file."""
    path = path or project_root() / "book" / "claims.yml"
    rows = [Claim(**row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return {row.id: row for row in rows}


class Ledger:
    """The claims of one notebook in one run, written to ``claims/<notebook>.json`` at every record.

    What an earlier execution of the notebook recorded is replaced.

    Parameters
    ----------
    path : Path
    notebook : str
    dataset : str
        Name of the data that the numbers speak of.
    """

    def __init__(self, path: Path, notebook: str, dataset: str) -> None:
        self.path = path
        self.content = {"notebook": notebook, "dataset": dataset, "records": [], "not_run": {}}
        write_json(path, self.content)

    def record(self, id: str, value: float | dict[str, float], seed: int | None = None) -> str:
        """Record what was found for a claim and return its verdict so far.

        Parameters
        ----------
        id : str
            A claim of ``book/claims.yml``, for example ``"A.gram.cnn"``.
        value : float or dict of str to float
            A number, or one number per name that the claim's rule compares. Names the rule does not
            use (an interval, say) are kept and shown.
        seed : int, optional
            Recording another seed adds to the claim; the same seed replaces. The verdict is of the
            mean.

        Raises
        ------
        ValueError
            Unknown claim, a value that is not finite, a name that the rule needs and the value
            lacks.
        """
        claim = _known(id)
        plain = (
            {name: float(number) for name, number in value.items()}
            if isinstance(value, dict)
            else float(value)
        )
        numbers = plain if isinstance(plain, dict) else {"value": plain}
        bad = [name for name, number in numbers.items() if not math.isfinite(number)]
        if bad:
            raise ValueError(
                f"claim {id}: {', '.join(bad)} is not a finite number; "
                "if it cannot be computed, use run.not_run"
            )
        missing = sorted(_names(claim.rule) - set(numbers))
        if missing:
            raise ValueError(
                f"claim {id}: its rule `{claim.rule}` needs {', '.join(missing)}; "
                f"found {', '.join(numbers)}"
            )
        kept = [row for row in self.content["records"] if (row["id"], row["seed"]) != (id, seed)]
        self.content["records"] = [*kept, {"id": id, "seed": seed, "value": plain}]
        self.content["not_run"].pop(id, None)
        write_json(self.path, self.content)
        return decide(claim, [row["value"] for row in self.content["records"] if row["id"] == id])

    def not_run(self, id: str, reason: str) -> None:
        """Note that a claim was not run here, and why (no labels, no pretrained network, …)."""
        self.content["not_run"][_known(id).id] = reason
        write_json(self.path, self.content)


def decide(claim: Claim, values: list) -> str:
    """Return the verdict of a claim for the values of all seeds: its rule applied to their mean."""
    if not values:
        return NOT_RUN
    mean = _mean(values)
    names = mean if isinstance(mean, dict) else {"value": mean}
    holds = evaluate(claim.rule, names)
    if claim.truth_rule and _names(claim.truth_rule) <= set(names):
        holds = holds and evaluate(claim.truth_rule, names)
    return REPRODUCED if holds else NOT_REPRODUCED


def scoreboard(run: Path) -> list[dict]:
    """Return one row per claim for a run folder, in the order of ``book/claims.yml``."""
    found: dict[str, list] = {}
    reasons: dict[str, str] = {}
    origin: dict[str, tuple[str, str]] = {}
    for path in sorted((run / "claims").glob("*.json")):
        content = json.loads(path.read_text())
        reasons.update(content["not_run"])
        for row in content["records"]:
            found.setdefault(row["id"], []).append(row["value"])
            origin[row["id"]] = (content["dataset"], content["notebook"])
    rows = []
    for claim in load().values():
        values = found.get(claim.id, [])
        dataset, notebook = origin.get(claim.id, ("", claim.notebook))
        rows.append(
            {
                "id": claim.id,
                "published": claim.published,
                "values": values,
                "mean": _mean(values) if values else None,
                "sd": _sd(values),
                "verdict": decide(claim, values),
                "dataset": dataset,
                "notebook": notebook,
                "where": claim.where,
                "statement": claim.statement,
                "rule": claim.in_words,
                "reason": ""
                if values
                else reasons.get(claim.id, "its notebook was not part of this run"),
            }
        )
    return rows


def merge(run: Path) -> list[dict]:
    """Write ``claims.json`` of a run folder from its notebooks' ledgers and return its rows."""
    rows = scoreboard(run)
    write_json(run / "claims.json", {"claims": rows})
    return rows


def number_text(value: float | dict[str, float] | None) -> str:
    """Return a recorded value in few characters: ``0.913`` or ``cnn 0.41, untrained 0.70``."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.4g}" for name, number in value.items())
    return f"{value:.4g}"


def evaluate(rule: str, names: dict[str, float]) -> bool:
    """Return whether a rule holds; it may compare, add, multiply, and use min, max, abs, and, or,
    not.
    """
    return bool(_evaluate(ast.parse(rule, mode="eval").body, names))


_FUNCTIONS = {"min": min, "max": max, "abs": abs}
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


def _evaluate(node: ast.expr, names: dict[str, float]) -> float | bool:
    """Walk the few kinds of syntax a rule may hold; anything else is an error, never executed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.BoolOp):
        results = [_evaluate(part, names) for part in node.values]
        return all(results) if isinstance(node.op, ast.And) else any(results)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.operand, names))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_evaluate(node.left, names), _evaluate(node.right, names))
    if isinstance(node, ast.Compare) and all(type(op) in _OPERATORS for op in node.ops):
        sides = [_evaluate(part, names) for part in (node.left, *node.comparators)]
        return all(_OPERATORS[type(op)](a, b) for op, a, b in zip(node.ops, sides, sides[1:]))
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in _FUNCTIONS
        and not node.keywords
    ):
        return _FUNCTIONS[node.func.id](*[_evaluate(part, names) for part in node.args])
    raise ValueError(
        f"a rule may not hold `{ast.unparse(node)}`; names at hand: {', '.join(names)}"
    )


def _names(rule: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(rule)) if isinstance(node, ast.Name)} - set(
        _FUNCTIONS
    )


def _known(id: str) -> Claim:
    claims = load()
    if id not in claims:
        raise ValueError(
            f"unknown claim {id!r}; expected an id of book/claims.yml, "
            f"for example {next(iter(claims))!r}"
        )
    return claims[id]


def _mean(values: list) -> float | dict[str, float]:
    if isinstance(values[0], dict):
        shared = [name for name in values[0] if all(name in value for value in values)]
        return {name: fmean(value[name] for value in values) for name in shared}
    return fmean(values)


def _sd(values: list) -> float | dict[str, float] | None:
    """Return the sample standard deviation over seeds, None with fewer than two."""
    if len(values) < 2:
        return None
    if isinstance(values[0], dict):
        return {name: stdev(value[name] for value in values) for name in _mean(values)}
    return stdev(values)
