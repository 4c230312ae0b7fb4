"""The first page: one picture of all three papers, and what was found, made by the run."""

import html
from collections import Counter
from pathlib import Path

from helpers.book import board
from helpers.book.claims import NOT_RUN, REPRODUCED, VERDICTS, Control, number_text, why_not
from helpers.book.markup import plain

PLACE = "<!-- what this run found -->"  # in book/welcome.md
#: From tissue to cortex, and from brains to latents and back: figure, page, what it shows.
STEPS = {
    "A slice of cortex, striatum and thalamus (papers A and B)": (
        ("A_fig2_annotated_slice", "01_data", "a slice, and its areas"),
        ("A_fig3_confusion", "02_area_classifier", "areas, told from 150 µm windows"),
        ("B_fig2C_factors", "06_nmf_factors", "factors of its features"),
        ("B_fig2A2_components", "07_cortical_gmm", "parts of cortex nobody labelled"),
    ),
    "A population of brains (paper C)": (
        ("C_fig1_overview", "08_vae_models", "brains, through eight numbers"),
        ("C_fig3A_strata", "10_projective_field", "what each number draws"),
        ("C_fig3BD_impact", "11_receptive_field", "what moves each number"),
        ("C_brain_in_hand", "14_brain_in_hand", "a brain to move yourself"),
    ),
}
#: Claims that the first page tells of: what each asks, the number that says most, what that is.
FIRST = {
    "A.acc.slice": (
        "Can a network name the area at every position of a slice?",
        "accuracy",
        "accuracy",
    ),
    "A.gram.cnn": (
        "Are the features of one area alike, and those of two areas not?",
        "value",
        "error",
    ),
    "B.nmf.areas": (
        "Do patterns found without labels mark areas?",
        "worst_auroc",
        "least area under the ROC curve",
    ),
    "B.cortex.layers": (
        "Do the patterns of cortex follow its layers?",
        "nmi",
        "normalised mutual information",
    ),
    "C.quality.fd": (
        "Does the β-VAE draw a crowd of brains more like the real one than its rivals?",
        "ahead_of_pca",
        "PCA's distance greater by",
    ),
    "C.artifact_latents": (
        "Do some latents carry damage, and the others anatomy?",
        "count",
        "latents that carry damage",
    ),
}


def findings(
    rows: list[dict], pictures: dict[str, str], recorded: dict[str, list[dict]] | None = None
) -> str:
    """Return what the run found, as Markdown that stands in for `PLACE`.

    Parameters
    ----------
    rows : list of dict
        As of `helpers.book.claims.scoreboard`.
    pictures : dict of str to str
        Address of a small copy of each figure that there is, by name.
    recorded : dict of str to list of dict, optional
        Rows of recorded runs.
    """
    parts = [_strip(title, steps, pictures) for title, steps in STEPS.items()]
    every = {"this run": rows}
    every |= {f"recorded run {name}": found for name, found in (recorded or {}).items()}
    sentences = [_sentence(id, every) for id in FIRST]
    return "\n\n".join(
        [
            *filter(None, parts),
            "## What was found",
            "A statement of a paper is *reproduced* if it meets a rule written before its result "
            "was known, and a *control*, which lacks what the paper credits, does not "
            "([how to read a verdict](how_to_read)). The "
            "[scoreboard](../notebooks/12_scoreboard) has every statement, rule and number.",
            "\n\n".join(_counted(name, found) for name, found in every.items()),
            "\n".join(f"- {one}" for one in sentences if one),
            "## Which hold in this run, and why others do not",
            "\n".join(_folded(verdict, rows) for verdict in VERDICTS),
        ]
    )


def _counted(name: str, rows: list[dict]) -> str:
    """Return a run's data, and how many of its statements got each verdict."""
    counted = Counter(row["verdict"] for row in rows)
    said = ", ".join(f"{counted[one]} {_chip(one)}" for one in VERDICTS if counted[one])
    data = list(dict.fromkeys(row["dataset"] for row in rows if row["dataset"]))
    on = f", on {' and '.join(map(plain, data))}" if data else ""
    return f"**{plain(name[0].upper() + name[1:])}**{on}: of {len(rows)} statements {said}."


def _chip(verdict: str) -> str:
    return f'<span class="{board.verdict_class(verdict)}">{verdict}</span>'


def _folded(verdict: str, rows: list[dict]) -> str:
    """Return the statements of one verdict as a list that folds, each with its reason."""
    lines = "".join(
        f'<li><a href="../notebooks/12_scoreboard.html#{row["id"]}"><code>{row["id"]}</code></a> '
        f"{html.escape(row['statement'])}{_because(row)}</li>"
        for row in rows
        if row["verdict"] == verdict
    )
    opened = " open" * (verdict == REPRODUCED)
    count = lines.count("<li>")
    words = f"{count} {_chip(verdict)}"
    folded = f'<details class="found"{opened}><summary>{words}</summary><ul>{lines}</ul></details>'
    return folded if count else ""


def _because(row: dict) -> str:
    reason = why_not(row) or (row["reason"] if row["verdict"] == NOT_RUN else "")
    return f": {plain(reason)}" if reason else ""


def _strip(title: str, steps: tuple, pictures: dict[str, str]) -> str:
    cards = [
        f'<a href="../notebooks/{page}.html"><img src="{html.escape(pictures[name])}" '
        f'alt="{words}"><span>{words}</span></a>'
        for name, page, words in steps
        if name in pictures
    ]
    if not cards:
        return ""
    joined = '<b aria-hidden="true">→</b>'.join(cards)
    return f"**{title}**\n\n" + f'<div class="journey">{joined}</div>'


def _sentence(id: str, every: dict[str, list[dict]]) -> str:
    """Return one claim in a sentence, over all runs in which it was run."""
    told = []
    for name, rows in every.items():
        row = next((row for row in rows if row["id"] == id), None)
        if row and row["verdict"] != NOT_RUN:
            question, key, words = FIRST[id]
            control = _number(row["control"], key)
            control = f" (control: {control})" if control else ""
            told.append(
                f"{plain(name)}: {words} {_number(row['mean'], key)}{control}, "
                f"{_chip(row['verdict'])}{_because(row)}"
            )
            statement, published = row["statement"], row["published"]
    if not told:
        return ""
    said = f"**{question}** The paper: {plain(statement)} (published: {published})."
    return "<br>".join([said, *told])


def _number(value: Control | None, key: str) -> str:
    """The one number of a value or of each of its controls, "" if it is not there."""
    if not isinstance(value, dict):
        return "" if value is None else number_text(value)
    if key in value:
        return number_text(value[key])
    told = {name: part for name, part in value.items() if isinstance(part, dict) or key == "value"}
    parts = {name: _number(part, key) for name, part in told.items()}
    return ", ".join(f"{plain(name)} {part}" for name, part in parts.items() if part)


def small_figures(run: Path) -> dict[str, bytes]:
    """Return small copies of the figures of `STEPS` that a run has, by name."""
    from helpers.book.figure_files import small_png

    names = [name for steps in STEPS.values() for name, _, _ in steps]
    found = {name: run / "figures" / f"{name}.png" for name in names}
    return {name: small_png(path) for name, path in found.items() if path.exists()}
