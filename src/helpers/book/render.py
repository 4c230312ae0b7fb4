"""Stage a run's executed notebooks with the prose, and render them with Jupyter Book."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from helpers.book import captions, claims, endings, recorded, welcome
from helpers.book.api import api_pages
from helpers.book.pages import page_of, pictures_aside, stub_of
from helpers.book.root import project_root
from helpers.data.files import atomic, lock

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
    made = [run / f"{page}.ipynb" for page in pages if (run / f"{page}.ipynb").exists()]
    known = {name for one in made for name in captions.shown_in(one)}
    for folder in ("book", "_web"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix == ".md":
                text = captions.resolved(path.read_text(encoding="utf-8"), known)
                put(stage / path.relative_to(root), text.encode())
            elif path.is_file() and path.suffix != ".sh":
                put(stage / path.relative_to(root), path.read_bytes())
    for path in sorted((run / "web").rglob("*")):
        if path.is_file():
            put(stage / "_web" / "run" / path.relative_to(run / "web"), path.read_bytes())
    for name, text in api_pages().items():
        put(stage / "book" / f"{name}.md", text.encode())
    small = welcome.small_figures(run)
    for name, picture in small.items():
        put(stage / "_web" / "run" / "welcome" / f"{name}.png", picture)
    addresses = {name: f"../_static/run/welcome/{name}.png" for name in small}
    text = (root / "book" / "welcome.md").read_text(encoding="utf-8")
    found = welcome.findings(claims.scoreboard(run), addresses, recorded.all_rows())
    text = captions.resolved(text, known)
    put(stage / "book" / "welcome.md", text.replace(welcome.PLACE, found).encode())
    failed = endings.failures(run)
    for page in pages:
        if page.startswith("notebooks/"):
            executed, name = run / f"{page}.ipynb", page.split("/")[-1]
            if executed.exists():
                content = page_of(executed, name, failed.get(name), known)
                content, pictures = pictures_aside(content)
                for name, picture in pictures.items():
                    put(stage / "_web" / "run" / "pictures" / name, picture)
            else:
                content = stub_of(root / f"{page}.ipynb", page, failed.get(name), run)
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
