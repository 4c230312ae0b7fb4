"""The scoreboard as one picture, and as text."""

import csv
import io
import json
from collections import Counter
from typing import TYPE_CHECKING

from helpers.book.claims import (
    BY_CONSTRUCTION,
    CONTROL_HOLDS,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    number_text,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    REPRODUCED: "#1f7a3a",
    CONTROL_HOLDS: "#945e00",
    NOT_REPRODUCED: "#b03030",
    BY_CONSTRUCTION: "#4a6a94",
    NOT_RUN: "#757575",
}
KEYS = (
    "id",
    "published",
    "values",
    "mean",
    "sd",
    "control",
    "control_passes",
    "interval",
    "verdict",
    "dataset",
    "notebook",
)


def summary(rows: list[dict]) -> "Figure":
    """Show how many claims of each paper got each verdict."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    papers = sorted({row["id"][0] for row in rows})
    counts = Counter((row["id"][0], row["verdict"]) for row in rows)
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(papers) + 1))
    left = [0] * len(papers)
    for verdict, colour in COLOURS.items():
        widths = [counts[paper, verdict] for paper in papers]
        bars = axis.barh(papers, widths, left=left, color=colour, label=verdict)
        labels = [str(width or "") for width in widths]
        axis.bar_label(bars, labels=labels, label_type="center", color="white")
        left = [a + b for a, b in zip(left, widths)]
    axis.set_yticks(range(len(papers)), [f"paper {paper}" for paper in papers])
    axis.invert_yaxis()
    axis.set_xlabel("claims")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def found_text(row: dict) -> str:
    """Return what a row found: the mean, its spread over repeats and its interval."""
    text = number_text(row["mean"])
    if isinstance(row["sd"], float):
        text += f" ± {row['sd']:.2g} (n = {len(row['values'])})"
    elif len(row["values"]) > 1:
        text += f" (mean, n = {len(row['values'])})"
    return f"{text}; 95 % {number_text(row['interval'])}" if row["interval"] else text


def text(rows: list[dict], form: str, several: bool = False) -> str:
    """Return the scoreboard of one or several runs as text.

    Parameters
    ----------
    rows : list of dict
        As of `helpers.book.claims.scoreboard`, with the run's name under ``run``.
    form : {"table", "csv", "json"}
    several : bool
        Whether the rows are of several runs, so that each says which.
    """
    if form == "json":
        keys = (*KEYS, "run") if several else KEYS
        return json.dumps({"claims": [{key: row[key] for key in keys} for row in rows]}, indent=1)
    if form == "csv":
        stream = io.StringIO()
        columns = ("run", *(key for key in KEYS if key != "values"))
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            numbers = {
                key: "" if row[key] is None else number_text(row[key])
                for key in ("mean", "sd", "control", "interval")
            }
            writer.writerow({**row, **numbers})
        return stream.getvalue().rstrip("\n")
    last = "run" if several else "data"
    cells = [("claim", "published", "found (mean ± sd)", "control", "verdict", last)]
    for row in rows:
        spread = f" ± {row['sd']:.2g}" if isinstance(row["sd"], float) else ""
        data = row["run"] if several else row["reason"] or row["dataset"]
        found, control = number_text(row["mean"]) + spread, number_text(row["control"])
        cells.append((row["id"], str(row["published"]), found, control, row["verdict"], data))
    widths = [min(58, max(map(len, column))) for column in zip(*cells)]
    lines = ["  ".join(t.ljust(w) for t, w in zip(row, widths)).rstrip() for row in cells]
    verdicts = Counter(row["verdict"] for row in rows)
    return "\n".join([*lines, "; ".join(f"{verdicts[verdict]} {verdict}" for verdict in COLOURS)])
