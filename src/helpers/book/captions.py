"""Captions of the book's figures: numbers, words and references on a rendered page.

They stand in ``book/captions.yml``, by the name under which a notebook shows a figure; a name that
ends in ``*`` serves all that begin with it.
"""

import functools
import re
from pathlib import Path

import nbformat

from helpers.book.markup import file_name
from helpers.book.root import project_root
from helpers.data.datasets.manifest import Problem, load_yaml

FILE = "book/captions.yml"

METADATA = "brainbook"  # of an output, where `Run.show` notes which figure it is
REFERENCE = re.compile(r"\{numref\}`([^`<>]+)`")


@functools.lru_cache
def _load(path: Path, changed: float) -> dict[str, str]:
    try:
        known = load_yaml(path)
    except Problem as problem:
        line = int((re.search(r"line (\d+)", problem.field) or [0, 0])[1])
        figure = _figure_at(path, line)
        raise Problem(
            f"{problem.field}{figure and f', figure {figure}'}",
            problem.found,
            "`figure: >-`, then its caption indented by two spaces",
            "Mend that caption and build again; nothing is executed anew.",
            FILE,
        ) from None
    if not isinstance(known, dict):
        found, expected = f"a {type(known).__name__}", "captions by the names of figures"
        raise Problem("", found, expected, "Write `figure: caption`, one for each.", FILE)
    for name, text in known.items():
        if not isinstance(name, str) or not isinstance(text, str):
            found = f"the name {name!r}" if not isinstance(name, str) else _shown(text)
            remedy = f"Write `{name}: >-`, the caption below it, indented by two spaces."
            raise Problem(f"figure {name}", found, "a caption, which is text", remedy, FILE)
    return known


def _figure_at(path: Path, line: int) -> str:
    """The figure whose caption a line is part of, "" if there is none."""
    try:
        above = path.read_text(encoding="utf-8").splitlines()[:line]
    except (OSError, UnicodeDecodeError):
        return ""
    names = [found[1] for found in map(re.compile(r"([\w*]+)\s*:").match, above) if found]
    return names[-1] if names else ""


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def caption(name: str) -> str:
    """Return the caption of a figure in Markdown, "" where it has none.

    Raises
    ------
    Problem
        If ``book/captions.yml`` is not a list of captions; it names the figure where it can.
    """
    path = project_root() / FILE
    if not path.exists():
        return ""
    known = _load(path, path.stat().st_mtime)
    families = [key for key in known if key.endswith("*") and name.startswith(key[:-1])]
    text = known.get(name) or known.get(max(families, key=len, default=""), "")
    return " ".join(text.split())


def in_words(text: str, phantom: bool = False) -> str:
    """Return what stands in place of a picture that cannot be seen: its caption without markup."""
    plain = re.sub(r"[*`$]", "", REFERENCE.sub("another figure", text))
    return f"Phantom: {plain}" if phantom else plain


def shown_in(executed: Path) -> list[str]:
    """Return the figures with captions that an executed notebook shows, in order."""
    names = [
        figure_of(output)
        for cell in nbformat.read(executed, 4).cells
        for output in cell.get("outputs", [])
    ]
    return [name for name in dict.fromkeys(names) if name and caption(name)]


def figure_of(output: dict) -> str:
    """Return which figure an output is, "" if it is none that `Run.show` showed."""
    return output.get("metadata", {}).get(METADATA, {}).get("figure", "")


def one_figure_a_cell(
    cell: nbformat.NotebookNode, known: set[str] | None = None
) -> list[nbformat.NotebookNode]:
    """Return a code cell as cells that a page can give one caption each: its code stays with the
    first. Captions refer to `known` figures only, if these are given.
    """
    parts, outputs = [], []
    for output in cell.outputs:
        if figure_of(output) or (outputs and figure_of(outputs[-1])):
            parts.append(outputs)
            outputs = []
        outputs.append(output)
    parts = [part for part in [*parts, outputs] if part]
    cells = []
    for number, part in enumerate(parts):
        one = cell
        if number:  # a cell without code would be left out with its outputs
            one = nbformat.v4.new_code_cell("# as above", id=f"{cell.id}-{number}")
            one.metadata["tags"] = ["remove-input"]
        one.outputs = part
        cells.append(_captioned(one, known))
    return cells or [cell]


def _captioned(cell: nbformat.NotebookNode, known: set[str] | None) -> nbformat.NotebookNode:
    name = figure_of(cell.outputs[0])
    text = caption(name) if name else ""
    if known is not None:
        text = resolved(text, known)
    if text:
        phantom = cell.outputs[0]["metadata"][METADATA]["phantom"]
        cell.metadata["mystnb"] = {
            "figure": {"caption": text, "name": file_name(name)},
            "image": {"alt": in_words(text, phantom)},
        }
    return cell


def resolved(text: str, known: set[str]) -> str:
    """Return Markdown whose references to figures that a run did not make are words instead."""
    return REFERENCE.sub(
        lambda found: found[0] if found[1] in known else "a figure that this run did not make", text
    )
