"""An executed notebook, made a page of the book: figures first, parameters in one table."""

import base64
import hashlib
import re
from pathlib import Path
from shlex import quote

import nbformat

from helpers.book import captions, kernels
from helpers.book.markup import plain
from helpers.book.parameters import declared
from helpers.book.root import project_root

WIDGET = "application/vnd.jupyter.widget-view+json"


def page_of(
    executed: Path, name: str, failed: kernels.Failure | None, known: set[str] = frozenset()
) -> str:
    """Return an executed notebook as a page shows it.

    Without widgets (progress bars, which a page would fetch scripts from outside for), and with one
    table of parameters in place of the default cell and papermill's copy. If it failed, the page
    says so below its title and at the cell. Figures get their captions; references are to the
    `known` ones.
    """
    notebook = nbformat.read(executed, 4)
    notebook.metadata.pop("widgets", None)
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "papermill-error-cell-tag" in tags:  # we say it ourselves
            continue
        if failed and cell.cell_type == "code" and cell.execution_count == failed.cell:
            text = f"**Cell {failed.cell}, which failed:**"
            cells.append(nbformat.v4.new_markdown_cell(text, id="failed-cell"))
        if "parameters" in tags:
            values = notebook.metadata.get("papermill", {}).get("parameters", {})
            cells.append(
                nbformat.v4.new_markdown_cell(parameter_table(name, values), id="parameters")
            )
        elif "injected-parameters" not in tags:
            if "outputs" in cell:
                cell.outputs = [
                    output for output in cell.outputs if WIDGET not in output.get("data", {})
                ]
                # Figures first: code folds, and one button opens all of it.
                broken = failed and cell.execution_count == failed.cell
                fold = "hide-input" if cell.outputs else "hide-cell"
                cell.metadata["tags"] = tags if broken else [*tags, fold]
                cells.extend(captions.one_figure_a_cell(cell, known))
            else:
                cell.source = captions.resolved(cell.source, known)
                cells.append(cell)
    if failed:
        cells.insert(1, nbformat.v4.new_markdown_cell(_failure_box(failed), id="failed"))
    notebook.cells = cells
    return nbformat.writes(notebook)


def _failure_box(failed: kernels.Failure) -> str:
    place = f" in cell {failed.cell}" if failed.cell else ""
    return (
        f":::{{error}}\n**This notebook failed{place}:** <code>{plain(failed.error)}</code>\n\n"
        "What follows the failure was not run, and none of its claims counts.\n:::"
    )


def parameter_table(notebook: str, values: dict) -> str:
    """Return the parameters of a run of a notebook as a Markdown table: name, value, meaning."""
    rows = [
        "```{dropdown} Parameters of this run",
        "| parameter | value | meaning |",
        "|---|---|---|",
    ]
    for name, parameter in declared(notebook).items():
        value = plain(values.get(name, parameter.default)) or '""'
        rows.append(f"| `{name}` | <code>{value}</code> | {parameter.meaning} |")
    return "\n".join([*rows, "```"])


def stub_of(source: Path, page: str, failed: kernels.Failure | None, run: Path) -> str:
    """Return a page with the notebook's title that says it was not run, or failed to start."""
    title = f"# {page.split('/')[-1]}"
    if source.exists():
        text = next(
            (
                cell.source
                for cell in nbformat.read(source, 4).cells
                if cell.cell_type == "markdown"
            ),
            title,
        )
        title = text.splitlines()[0]
    name = page.split("/")[-1]
    said = "*This notebook was not run in this run.*"
    said = _failure_box(failed) + "\n\n" if failed else f"{said} "
    command = f"brainbook run {name} --out {quote(_relative(run))}"
    text = f"{title}\n\n{said}Run it with `{command}`."
    cell = nbformat.v4.new_markdown_cell(text, id="not-run")
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell], metadata=metadata))


def _relative(run: Path) -> str:
    """Return a run folder as a page may show it: below the project root, or by its name."""
    root = project_root()
    return str(run.relative_to(root)) if root in run.parents else run.name


def pictures_aside(page: str) -> tuple[str, dict[str, bytes]]:
    """Return a page whose sliders name files instead of holding every picture, and those files:
    a browser then loads what is looked at.
    """
    pictures = {}

    def aside(found: re.Match) -> str:
        content = base64.b64decode(found[1])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.png"
        pictures[name] = content
        return f'loading=\\"lazy\\" src=\\"../_static/run/pictures/{name}\\"'

    # Quotes are escaped: the HTML stands in the JSON of a notebook.
    return re.sub(r'src=\\"data:image/png;base64,([\w+/=]+)\\"', aside, page), pictures
