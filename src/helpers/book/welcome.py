"""The first page: one picture of all three papers, and what was found, made by the run."""

import html
from collections import Counter
from pathlib import Path

from helpers.book import board
from helpers.book.claims import NOT_RUN, VERDICTS, Control, number_text
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
#: Claims that the first page tells of: the number of each that says most, and what it is.
FIRST = {
    "A.acc.slice": ("accuracy", "accuracy"),
    "A.gram.cnn": ("value", "error"),
    "B.nmf.areas": ("worst_auroc", "least AUROC"),
    "B.cortex.layers": ("nmi", "normalised mutual information"),
    "C.quality.fd": ("ahead_of_pca", "PCA's distance greater by"),
    "C.artifact_latents": ("count", "latents"),
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
    counted = Counter(row["verdict"] for row in rows)
    said = ", ".join(f"{counted[one]} {one}" for one in VERDICTS if counted[one])
    names = list(dict.fromkeys(row["dataset"] for row in rows if row["dataset"]))
    data = f" on {', '.join(map(plain, names))}" if names else ""
    return "\n\n".join(
        [
            *filter(None, parts),
            "## What was found",
            f"Of {len(rows)} statements of the papers{data}: {said}. "
            "Each was held against a control that must fail it; the "
            "[scoreboard](../notebooks/12_scoreboard) has them all.",
            "\n".join(f"- {one}" for one in sentences if one),
        ]
    )


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
            key, words = FIRST[id]
            control = _number(row["control"], key)
            control = f" (control: {control})" if control else ""
            chip = f'<span class="{board.verdict_class(row["verdict"])}">{row["verdict"]}</span>'
            told.append(f"{plain(name)}: {words} {_number(row['mean'], key)}{control}, {chip}")
            statement, published = row["statement"], row["published"]
    if not told:
        return ""
    first = statement[0].upper() if statement[0].isascii() else statement[0]  # β stays small
    return f"{first}{statement[1:]} (published: {published}). {'; '.join(told)}."


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
