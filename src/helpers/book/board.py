"""The scoreboard as a page: one row a claim, on any width, with filters, without a kernel."""

import html
from collections import Counter
from collections.abc import Callable

from docutils.nodes import make_id
from IPython.display import HTML

from helpers.book.claims import VERDICTS, Control, Interval, asked_of, number_text, why_not
from helpers.book.markup import file_name
from helpers.book.scoreboard import found_text

NOTHING = number_text(None)
PAPERS = {"A": "areas from texture", "B": "factors of a slice", "C": "a population of brains"}
#: Every row can be hidden by a filter; what is left is counted. The script is the page's own.
_SCRIPT = """<script>
for (const board of document.querySelectorAll(".board:not([data-live])")) {
  board.dataset.live = "yes";
  const filters = [...board.querySelectorAll("select")];
  const rows = [...board.querySelectorAll("details.claim")];
  const apply = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = filters.some((one) => one.value && row.dataset[one.name] !== one.value);
      shown += !row.hidden;
    }
    board.querySelector(".board-count").textContent = `${shown} of ${rows.length} claims`;
  };
  filters.forEach((one) => one.addEventListener("change", apply));
  apply();
}
</script>"""


def board(
    rows: list[dict],
    recorded: dict[str, list[dict]] | None = None,
    thumbnail: Callable[[dict], str] = lambda row: "",
) -> HTML:
    """Return the scoreboard of a run, recorded runs beside it.

    Parameters
    ----------
    rows : list of dict
        As of `helpers.book.claims.scoreboard`.
    recorded : dict of str to list of dict, optional
        The same of recorded runs, by name.
    thumbnail : callable
        Address of the picture that decides a row's claim, "" without one.

    Returns
    -------
    IPython.display.HTML
        A row says statement, published, found, control and verdict; opened, it adds the rule, the
        interval, the picture and the page.
    """
    recorded = recorded or {}
    others = {name: {row["id"]: row for row in theirs} for name, theirs in recorded.items()}
    filters = [
        _filter("paper", "paper", {key: f"{key}: {words}" for key, words in PAPERS.items()}),
        _filter("verdict", "verdict", {verdict: verdict for verdict in VERDICTS}),
        _filter(
            "dataset", "data", {row["dataset"]: row["dataset"] for row in rows if row["dataset"]}
        ),
    ]
    body = "\n".join(_row(row, others, thumbnail(row)) for row in rows)
    return HTML(
        f'<div class="board"><p class="board-filters">{" ".join(filters)} '
        f'<output class="board-count" aria-live="polite"></output></p>\n'
        f"{_counts(rows, recorded)}\n{body}</div>\n{_SCRIPT}"
    )


def verdict_class(verdict: str) -> str:
    """Return the class that ``book.css`` colours a verdict by."""
    short = {VERDICTS[1]: "control-holds"}
    return "verdict-" + short.get(verdict, verdict.replace(" ", "-"))


def _filter(name: str, label: str, choices: dict[str, str]) -> str:
    options = "".join(
        f'<option value="{html.escape(value)}">{html.escape(text)}</option>'
        for value, text in choices.items()
    )
    everything = '<option value="">all</option>'
    return f'<label>{label} <select name="{name}">{everything}{options}</select></label>'


def _counts(rows: list[dict], recorded: dict[str, list[dict]]) -> str:
    """Return how many claims got each verdict, in this run and in each recorded one."""
    runs = {"this run": rows, **recorded}
    counted = [Counter(row["verdict"] for row in theirs) for theirs in runs.values()]
    head = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in runs)
    lines = [
        f'<tr><th scope=row class="{verdict_class(one)}">{one}</th>'
        f"{''.join(f'<td>{count[one]}</td>' for count in counted)}</tr>"
        for one in VERDICTS
    ]
    return f'<table class="board-counts"><tr><td></td>{head}</tr>{"".join(lines)}</table>'


def _spaced(value: Control | Interval | None) -> str:
    """Return numbers as text, their names as words."""
    return number_text(value).replace("_", " ")


def _row(row: dict, others: dict[str, dict[str, dict]], picture: str) -> str:
    text = {key: html.escape(str(row[key])) for key in ("id", "statement", "published", "verdict")}
    theirs = "".join(
        f'<span class="board-other" title="{html.escape(name)}: '
        f'{html.escape(number_text(found[row["id"]]["mean"]))}">{html.escape(name)}: '
        f"{_chip(found[row['id']]['verdict'])}</span> "
        for name, found in others.items()
        if row["id"] in found
    )
    short = {"mean": asked_of(row["id"], row["mean"]), "interval": None}
    cells = {
        "published": text["published"],
        "found": html.escape(found_text({**row, **short}).replace("_", " ")),
        "control": html.escape(_spaced(asked_of(row["id"], row["control"]))),
    }
    several = isinstance(row["mean"], dict) or isinstance(row["control"], dict)
    summary = "".join(
        f'<span class="board-cell"><small>{name}</small> {value}</span>'
        for name, value in cells.items()
    )
    facts = {
        "where in the paper": row["where"],
        "rule": row["rule"],
        "what the rule lacks": why_not(row),
        "control": row["control_in_words"],
        "all that was found": _spaced(row["mean"] if several else None),
        "all of the control": _spaced(row["control"] if several else None),
        "interval (95 %)": _spaced(row["interval"] or None),
        "data": row["dataset"],
        "why": row["reason"],
    }
    listed = "".join(
        f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in facts.items()
        if value not in ("", NOTHING)
    )
    page = f"{html.escape(row['notebook'])}.html"
    place = make_id(file_name(row["figure"]).lower()) if picture else ""  # as docutils names it
    shown = (
        f'<a href="{page}#{place}"><img loading="lazy" src="{html.escape(picture)}" '
        f'alt="the figure that decides {text["id"]}"></a>'
        if picture
        else ""
    )
    return (
        f'<details class="claim" id="{text["id"]}" data-paper="{text["id"][0]}" '
        f'data-verdict="{text["verdict"]}" data-dataset="{html.escape(row["dataset"])}">'
        f'<summary><span class="board-statement"><code>{text["id"]}</code> '
        f"{text['statement']}</span>"
        f'{summary}<span class="board-verdict">{_chip(row["verdict"])} {theirs}</span></summary>'
        f'<div class="board-more"><dl>{listed}</dl>{shown}'
        f'<p><a href="{page}">the page that computes it</a></p></div></details>'
    )


def _chip(verdict: str) -> str:
    return f'<span class="{verdict_class(verdict)}">{html.escape(verdict)}</span>'
