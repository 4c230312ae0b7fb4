"""Captions of the book's figures: numbers, words and references on a rendered page.

They stand in ``book/captions.yml``, by the name under which a notebook shows a figure; a name that
ends in ``*`` serves all that begin with it.
"""

import functools
import re
from pathlib import Path

import nbformat
import yaml

from helpers.book.markup import file_name
from helpers.book.root import project_root

METADATA = "brainbook"  # of an output, where `Run.show` notes which figure it is
REFERENCE = re.compile(r"\{numref\}`([^`<>]+)`")


@functools.lru_cache
def _load(path: Path, changed: float) -> dict[str, str]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def caption(name: str) -> str:
    """Return the caption of a figure in Markdown, "" where it has none."""
    path = project_root() / "book" / "captions.yml"
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
