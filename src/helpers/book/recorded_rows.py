"""Rows of a recorded run as they lie on disk: read, and refused where they are no record's.

Verdicts of today are computed from them, so that nothing that is no number may pass for one.
"""

import json
import re
from pathlib import Path
from typing import Any, NoReturn

#: What `helpers.book.claims.scoreboard` says of a claim, and a record holds.
KEYS = {
    *("id", "published", "values", "mean", "sd", "control", "control_passes", "interval"),
    *("verdict", "reason", "dataset", "notebook", "where", "statement", "rule"),
    *("control_in_words", "figure"),
}
USED = ("id", "values", "control", "interval", "dataset", "notebook", "reason")
LARGEST = 1e100  # beyond it a mean or a spread over seeds is no number any more


class DamagedRecordError(ValueError):
    """A recorded run cannot be read: which file, what was found, and what to do."""

    def __init__(self, path: Path, found: str, expected: str) -> None:
        super().__init__(
            f"the recorded run {path.parent.name} is left out: {path.name}: found {found}; "
            f"expected {expected}. Record it anew with --force, or take its folder away."
        )


def read_text(path: Path) -> str:
    """Return the text of a file of a recorded run.

    Raises
    ------
    DamagedRecordError
        If it is not there, or no UTF-8.
    """
    try:
        if not path.is_file():
            raise DamagedRecordError(path, "no such file", "what `brainbook record` wrote")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedRecordError(path, type(error).__name__, "text in UTF-8") from None


def read_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of ``claims.json`` of a recorded run by their claim.

    Raises
    ------
    DamagedRecordError
        If it is no JSON, or no list of rows of one claim each, with known keys and finite numbers.
    """
    text = read_text(path)
    try:
        content = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DamagedRecordError(path, f"no JSON ({str(error)[:80]})", "a whole file") from None
    rows = content.get("claims") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DamagedRecordError(path, "no list of claims", '`{"claims": [...]}`')
    found: dict[str, dict] = {}
    for number, row in enumerate(rows, start=1):
        fault = _fault(row)
        if not fault and row["id"] in found:
            fault = "a second row of that claim", "one row per claim"
        if fault:
            id = row.get("id") if isinstance(row, dict) else None
            place = f"row {number} ({id})" if isinstance(id, str) else f"row {number}"
            raise DamagedRecordError(path, f"in {place[:90]} {fault[0]}", fault[1])
        found[row["id"]] = row
    return found


def _fault(row: Any) -> tuple[str, str] | None:
    """What is wrong with a row, and what was expected."""
    if not isinstance(row, dict):
        return f"a {type(row).__name__}", "keys and values"
    if unknown := sorted(set(row) - KEYS):
        return f"the unknown key {unknown[0][:40]!r}", f"of {', '.join(sorted(KEYS))}"
    if missing := [key for key in USED if key not in row]:
        return f"no {missing[0]}", f"{', '.join(USED)}"
    for key in ("id", "dataset", "notebook", "reason"):
        if not isinstance(row[key], str):
            return f"{key} {row[key]!r:.40}", "text"
    if not re.fullmatch(r"[\w-]*", row["notebook"]):  # it becomes part of an address
        return f"notebook {row['notebook']!r:.40}", "the name of a page"
    values, control, interval = row["values"], row["control"], row["interval"]
    if not isinstance(values, list) or not all(map(_is_value, values)):
        return f"values {values!r:.60}", "a list of finite numbers, or of numbers by name"
    if len({isinstance(value, dict) for value in values}) > 1:
        return f"values {values!r:.60}", "numbers alone, or all of them by name"
    if control is not None and not _is_control(control):
        return f"control {control!r:.60}", "a finite number, or numbers by name"
    if interval is not None and not _is_interval(interval):
        return f"interval {interval!r:.60}", "two finite numbers, low and high"
    return None


def _is_number(value: Any) -> bool:
    """Whether it is a finite number; true and false are none."""
    return type(value) in (int, float) and -LARGEST <= value <= LARGEST


def _is_value(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_number, value.values()))
    return _is_number(value)


def _is_control(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_value, value.values()))
    return _is_number(value)


def _is_interval(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(
            isinstance(ends, list) and _is_interval(ends) for ends in value.values()
        )
    pair = isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
    return pair and value[0] <= value[1]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
