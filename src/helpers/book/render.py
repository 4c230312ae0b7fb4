"""Stage a run's executed notebooks with the prose, and render them with Jupyter Book."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote

import nbformat
import yaml

from helpers.book import claims, welcome
from helpers.book.api import api_page
from helpers.book.markup import plain
from helpers.book.parameters import declared
from helpers.book.root import project_root
from helpers.data.files import atomic

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
    stage = run / ".book"
    pages = _stage(run, stage)
    index = run / "html" / "index.html"
    state = _state(stage)
    marker = run / ".book-state"
    if index.exists() and marker.exists() and marker.read_text() == state:
        return index
    rendered = _render(stage, run)
    _check_pages(rendered, stage, pages)
    shutil.rmtree(run / "html", ignore_errors=True)
    shutil.copytree(rendered, run / "html", ignore=shutil.ignore_patterns(".buildinfo"))
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
    small = welcome.small_figures(run)
    for name, picture in small.items():
        put(stage / "_web" / "run" / "welcome" / f"{name}.png", picture)
    addresses = {name: f"../_static/run/welcome/{name}.png" for name in small}
    text = (root / "book" / "welcome.md").read_text(encoding="utf-8")
    found = welcome.findings(claims.scoreboard(run), addresses)
    put(stage / "book" / "welcome.md", text.replace(welcome.PLACE, found).encode())
    for page in pages:
        if page.startswith("notebooks/"):
            executed = run / f"{page}.ipynb"
            if executed.exists():
                content, pictures = _pictures_aside(_page(executed, page.split("/")[-1]))
                for name, picture in pictures.items():
                    put(stage / "_web" / "run" / "pictures" / name, picture)
            else:
                content = _stub(root / f"{page}.ipynb", page, run)
            put(stage / f"{page}.ipynb", content.encode())
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


def _pictures_aside(page: str) -> tuple[str, dict[str, bytes]]:
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


def _page(executed: Path, name: str) -> str:
    """Return an executed notebook as a page shows it.

    Without widgets (progress bars, which a page would fetch scripts from outside for), and with one
    table of parameters in place of the default cell and papermill's copy.
    """
    notebook = nbformat.read(executed, 4)
    notebook.metadata.pop("widgets", None)
    cells = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
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
                # Figures first: code folds, and one button opens all of it.
                cell.metadata["tags"] = [*tags, "hide-input" if cell.outputs else "hide-cell"]
            cells.append(cell)
    notebook.cells = cells
    return nbformat.writes(notebook)


def _parameter_table(notebook: str, values: dict) -> str:
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


def _stub(source: Path, page: str, run: Path) -> str:
    """Return a page with the notebook's title that says it was not run."""
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
    command = f"brainbook run {name} --out {quote(_relative(run))}"
    text = f"{title}\n\n*This notebook was not run in this run.* Run it with `{command}`."
    cell = nbformat.v4.new_markdown_cell(text, id="not-run")
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell], metadata=metadata))


def _relative(run: Path) -> str:
    """Return a run folder as a page may show it: below the project root, or by its name."""
    root = project_root()
    return str(run.relative_to(root)) if root in run.parents else run.name


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
