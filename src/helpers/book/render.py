"""Stage a run's executed notebooks with the prose, and render them with Jupyter Book."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from helpers.book import endings, kernels
from helpers.book.api import api_page
from helpers.book.markup import plain
from helpers.book.parameters import declared
from helpers.book.root import project_root
from helpers.data.files import atomic, lock

WIDGET = "application/vnd.jupyter.widget-view+json"
MATHJAX_CDN = "https://cdn.jsdelivr.net/npm/mathjax@3.2.2/es5/tex-chtml.js"


class BookError(RuntimeError):
    """The book could not be rendered, or a page lacks what it must hold."""


def build(run: Path) -> Path:
    """Render a run folder to ``html/`` and return the path of its first page.

    Notebooks that were not part of the run become stub pages that say so. Rendering what did not
    change costs nothing: the staging folder keeps time stamps, and an unchanged book is not
    rendered at all.

    Raises
    ------
    BookError
        With Jupyter Book's own warnings, or naming the page that is missing or holds no figure.
    """
    with lock(run / ".book.lock"):
        return _build(run)


def _build(run: Path) -> Path:
    stage = run / ".book"
    pages = _stage(run, stage)
    index = run / "html" / "index.html"
    state = _state(stage)
    marker = run / ".book-state"
    there = all((run / "html" / f"{page}.html").is_file() for page in pages)
    if there and index.exists() and marker.exists() and marker.read_text() == state:
        return index
    marker.unlink(missing_ok=True)  # it speaks of a whole book, which there is none from here on
    rendered = _render(stage, run)
    _check_pages(rendered, stage, pages)
    shutil.rmtree(run / "html", ignore_errors=True)
    shutil.copytree(rendered, run / "html", ignore=shutil.ignore_patterns(".buildinfo", "_sources"))
    with atomic(marker) as temporary:
        temporary.write_text(state)
    return index


def toc_pages(toc: dict) -> list[str]:
    """Return every page that a table of contents names, in order."""
    chapters = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *chapters]


def _stage(run: Path, stage: Path) -> list[str]:
    """Copy configuration, prose and executed notebooks into ``stage`` where they differ; return the
    pages.
    """
    root = project_root()
    pages = toc_pages(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))
    kept: set[Path] = set()

    def put(target: Path, content: bytes) -> None:
        kept.add(target)
        if (
            not target.exists() or target.read_bytes() != content
        ):  # an unchanged file keeps its time stamp
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    for name in ("_config.yml", "_toc.yml"):
        put(stage / name, (root / name).read_bytes())
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if not (root / "_web" / "vendor" / "mathjax" / "tex-chtml.js").exists():
        config["sphinx"]["config"]["mathjax_path"] = MATHJAX_CDN
        put(stage / "_config.yml", yaml.safe_dump(config, allow_unicode=True).encode())
    for folder in ("book", "_web"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".sh":
                put(stage / path.relative_to(root), path.read_bytes())
    for path in sorted((run / "web").rglob("*")):
        if path.is_file():
            put(stage / "_web" / "run" / path.relative_to(run / "web"), path.read_bytes())
    put(stage / "book" / "api.md", api_page().encode())
    failed = endings.failures(run)
    for page in pages:
        if page.startswith("notebooks/"):
            executed, name = run / f"{page}.ipynb", page.split("/")[-1]
            put(
                stage / f"{page}.ipynb",
                _page(executed, name, failed.get(name))
                if executed.exists()
                else _stub(root / f"{page}.ipynb", page, failed.get(name)),
            )
    if any(
        "vendor/plotly.min.js" in (stage / f"{page}.ipynb").read_text(encoding="utf-8")
        for page in pages
        if page.startswith("notebooks/")
    ):
        from plotly.offline import get_plotlyjs

        put(stage / "_web" / "vendor" / "plotly.min.js", get_plotlyjs().encode())
    for path in stage.rglob("*"):
        if path.is_file() and path not in kept and "_build" not in path.parts:
            path.unlink()
    return pages


def _page(executed: Path, name: str, failed: kernels.Failure | None) -> bytes:
    """Return an executed notebook as a page shows it.

    Without widgets (progress bars, which a page would fetch scripts from outside for), and with one
    table of parameters in place of the default cell and papermill's copy. If it failed, the page
    says so below its title and at the cell.
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
                nbformat.v4.new_markdown_cell(_parameter_table(name, values), id="parameters")
            )
        elif "injected-parameters" not in tags:
            if "outputs" in cell:
                cell.outputs = [
                    output for output in cell.outputs if WIDGET not in output.get("data", {})
                ]
            cells.append(cell)
    if failed:
        cells.insert(1, nbformat.v4.new_markdown_cell(_failure_box(failed), id="failed"))
    notebook.cells = cells
    return nbformat.writes(notebook).encode()


def _failure_box(failed: kernels.Failure) -> str:
    place = f" in cell {failed.cell}" if failed.cell else ""
    return (
        f":::{{error}}\n**This notebook failed{place}:** <code>{plain(failed.error)}</code>\n\n"
        "What follows the failure was not run, and none of its claims counts.\n:::"
    )


def _parameter_table(notebook: str, values: dict) -> str:
    """Return the parameters of a run of a notebook as a Markdown table: name, value, meaning."""
    rows = ["| parameter | value | meaning |", "|---|---|---|"]
    for name, parameter in declared(notebook).items():
        value = plain(values.get(name, parameter.default)) or '""'
        rows.append(f"| `{name}` | <code>{value}</code> | {parameter.meaning} |")
    return "\n".join(rows)


def _stub(source: Path, page: str, failed: kernels.Failure | None) -> bytes:
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
    text = f"{title}\n\n{said}Run it with `brainbook run {name}`."
    cell = nbformat.v4.new_markdown_cell(text, id="not-run")
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell], metadata=metadata)).encode()


def _state(stage: Path) -> str:
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]  # the API page shows its docstrings
    for base, paths in ((stage, stage.rglob("*")), (package, package.rglob("*.py"))):
        for path in sorted(p for p in paths if p.is_file() and "_build" not in p.parts):
            digest.update(
                str(path.relative_to(base)).encode() + hashlib.sha256(path.read_bytes()).digest()
            )
    return digest.hexdigest()


def _render(stage: Path, run: Path) -> Path:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(stage),
        "--path-output",
        str(stage),
        "-W",
        "--keep-going",
        "-q",
    ]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    log = result.stdout + result.stderr
    (run / "book.log").write_text(log)
    if result.returncode:
        lines = [
            line
            for line in log.splitlines()
            if any(word in line for word in ("WARNING", "ERROR", "Error", "rror:"))
        ]
        raise BookError(
            "Jupyter Book could not render the book:\n  "
            + "\n  ".join(lines[:20] or log.splitlines()[-20:])
            + f"\n  see {run / 'book.log'}"
        )
    return stage / "_build" / "html"


def _check_pages(rendered: Path, stage: Path, pages: list[str]) -> None:
    """Raise unless every page exists and shows as many pictures as its notebook has."""
    for page in pages:
        html = rendered / f"{page}.html"
        if not html.is_file():
            raise BookError(f"the page {page} is missing from the rendered book; see book.log")
        notebook = stage / f"{page}.ipynb"
        if notebook.exists():
            cells = nbformat.read(notebook, 4).cells
            pictures = sum(
                "image/png" in output.get("data", {})
                for cell in cells
                for output in cell.get("outputs", [])
            )
            shown = html.read_text(encoding="utf-8").count("<img ")
            if shown < pictures:
                raise BookError(
                    f"the page {page} shows {shown} pictures; its notebook has {pictures}"
                )
