"""The scoreboard as a table and as one picture."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd

from helpers.book import claims

COLOURS = {
    claims.REPRODUCED: "#1f7a3a",
    claims.NOT_REPRODUCED: "#b03030",
    claims.NOT_RUN: "#9a9a9a",
}


def summary(rows):
    """Show how many claims of each paper were reproduced, not reproduced, not run."""
    papers = sorted({row["id"][0] for row in rows})
    figure, axis = plt.subplots(figsize=(7, 0.5 * len(papers) + 1))
    left = [0] * len(papers)
    for verdict, colour in COLOURS.items():
        counts = [
            sum(row["id"][0] == paper and row["verdict"] == verdict for row in rows)
            for paper in papers
        ]
        bars = axis.barh(papers, counts, left=left, color=colour, label=verdict)
        axis.bar_label(
            bars,
            labels=[str(count) if count else "" for count in counts],
            label_type="center",
            color="white",
        )
        left = [a + b for a, b in zip(left, counts)]
    axis.set_yticks(range(len(papers)), [f"paper {paper}" for paper in papers])
    axis.invert_yaxis()
    axis.set_xlabel("claims")
    axis.legend(ncol=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def table(rows):
    """Return the rows of one paper as a styled table, verdicts in colour."""
    frame = pd.DataFrame(
        [
            {
                "claim": row["id"],
                "where": row["where"],
                "statement": row["statement"],
                "published": str(row["published"]),
                "found": _found(row),
                "rule": row["rule"],
                "verdict": row["verdict"],
                "data": row["dataset"] or row["reason"],
                "page": row["notebook"],
            }
            for row in rows
        ]
    )
    return (
        frame.style.hide(axis="index")
        .format({"page": lambda name: f'<a href="{name}.html">{name}</a>'})
        .apply(
            lambda column: [f"color: {COLOURS[verdict]}; font-weight: 600" for verdict in column],
            subset=["verdict"],
        )
        .set_properties(subset=["claim", "verdict"], **{"white-space": "nowrap"})
        .set_table_styles(
            [
                {
                    "selector": "td, th",
                    "props": "text-align: left; vertical-align: top; font-size: 0.8em",
                }
            ]
        )
    )


def _found(row) -> str:
    text = claims.number_text(row["mean"])
    if isinstance(row["sd"], float):
        text += f" ± {row['sd']:.2g} (n = {len(row['values'])})"
    elif len(row["values"]) > 1:
        text += f" (mean, n = {len(row['values'])})"
    return text
