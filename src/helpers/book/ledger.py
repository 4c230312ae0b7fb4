"""What a notebook writes down for its claims: checked when recorded, read with its damage named."""

import math
from pathlib import Path

from helpers.book.claims import (
    Claim,
    Control,
    Interval,
    Value,
    decide,
    lacking_in,
    load,
    single_controls,
)
from helpers.book.rules import names_of
from helpers.data.files import write_json


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

    def record(
        self,
        id: str,
        value: Value,
        seed: int | None = None,
        control: Control | None = None,
        interval: Interval | None = None,
        note: str = "",
    ) -> str:
        """Record what was found for a claim and return its verdict so far.

        Parameters
        ----------
        id : str
            A claim of ``book/claims.yml``, for example ``"A.gram.cnn"``.
        value : float or dict of str to float
            A number, or one number per name that the claim's rule compares. Names the rule does not
            use (a number of positions, say) are kept and shown.
        seed : int, optional
            Recording another seed adds to the claim; the same seed replaces. The verdict is of the
            mean.
        control : float or dict, optional
            The same from what must fail the rule; of several controls, one such value for each by
            its name: ``{"untrained": 0.5, "all alike": 0.9}``. The rule is applied to each.
        interval : (float, float) or dict of str to (float, float), optional
            Interval of the value, or of some of its names: low and high.
        note : str, optional
            What has to be said beside the row: what it rests on, say.

        Raises
        ------
        ValueError
            Unknown claim, a value that is not finite, a name that the rule needs and the value
            or a control lacks, a control by a name that ``book/claims.yml`` does not have, an
            interval whose low is above its high.
        """
        claim = _known(id)
        row = {"id": id, "seed": seed, "value": _checked(claim, value, "its value")}
        if control is not None:
            row["control"] = _checked_controls(claim, control)
        if interval is not None:
            row["interval"] = _checked_interval(claim, interval)
        if note:
            row["note"] = note
        kept = [old for old in self.content["records"] if (old["id"], old["seed"]) != (id, seed)]
        self.content["records"] = [*kept, row]
        self.content["not_run"].pop(id, None)
        write_json(self.path, self.content)
        return decide(claim, [one for one in self.content["records"] if one["id"] == id])["verdict"]

    def not_run(self, id: str, reason: str) -> None:
        """Note that a claim was not run here, and why (no labels, no pretrained network, …)."""
        self.content["not_run"][_known(id).id] = reason
        write_json(self.path, self.content)


def _checked(claim: Claim, value: Value, whose: str) -> Value:
    """Return a value as plain floats; refuse one that the rule cannot use."""
    plain = (
        {name: float(number) for name, number in value.items()}
        if isinstance(value, dict)
        else float(value)
    )
    numbers = plain if isinstance(plain, dict) else {"value": plain}
    bad = [name for name, number in numbers.items() if not math.isfinite(number)]
    if bad:
        raise ValueError(
            f"claim {claim.id}: in {whose}, {', '.join(bad)} is not a finite number; "
            "if it cannot be computed, use run.not_run"
        )
    missing = sorted(names_of(claim.rule) - set(numbers))
    if missing:
        raise ValueError(
            f"claim {claim.id}: its rule `{claim.rule}` needs {', '.join(missing)}; "
            f"{whose} has {', '.join(numbers)}"
        )
    return plain


def _checked_controls(claim: Claim, control: Control) -> Control:
    if not claim.controls:
        raise ValueError(
            f"claim {claim.id} has no control in book/claims.yml ({claim.control_in_words}); "
            "found one recorded. Name it there first."
        )
    checked = {
        name: _checked(claim, value, f"its control {name!r}")
        for name, value in single_controls(claim, control)
    }
    for name in set(checked) & set(claim.drawn):
        if lacking := lacking_in(claim, name, checked[name]):
            raise ValueError(
                f"claim {claim.id}: its control {name!r} is drawn many times and needs {lacking}, "
                f"as of `claims.over_draws`; found {', '.join(checked[name])}"
            )
    unknown = sorted(set(checked) - set(claim.controls))
    if unknown:
        raise ValueError(
            f"claim {claim.id}: unknown control {', '.join(unknown)}; "
            f"book/claims.yml names {', '.join(claim.controls)}"
        )
    return checked if len(claim.controls) > 1 else checked[claim.controls[0]]


def _checked_interval(claim: Claim, interval: Interval) -> Interval:
    named = interval if isinstance(interval, dict) else {"value": interval}
    plain = {name: [float(end) for end in ends] for name, ends in named.items()}
    for name, ends in plain.items():
        if len(ends) != 2 or not (ends[0] <= ends[1]):  # `not <=` also refuses NaN
            raise ValueError(
                f"claim {claim.id}: the interval of {name} is {ends}; expected (low, high)"
            )
    return plain if isinstance(interval, dict) else plain["value"]


def _known(id: str) -> Claim:
    claims = load()
    if id not in claims:
        raise ValueError(
            f"unknown claim {id!r}; expected an id of book/claims.yml, "
            f"for example {next(iter(claims))!r}"
        )
    return claims[id]
