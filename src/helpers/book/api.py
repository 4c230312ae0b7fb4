"""The pages on the package, written from the package itself so that they cannot fall behind."""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
INTRODUCTION = """# The package

One concept per module; methods take arrays and return arrays. Arrows run downwards only: notebooks
use stages, figures and live views; those use methods; all of them use what comes in as data. Only
stages join a dataset, a method and a stored result.

What a wing exports can be imported from the wing itself, wherever it lies:
`from helpers.tissue import AreaCNN`. These pages are written from the source at every build, one
for each wing.
"""


def api_pages() -> dict[str, str]:
    """Return the pages ``book/api`` and ``book/api_<wing>`` (MyST) by name: every module of the
    package.

    Each folder directly below ``helpers`` is a page. It lists its modules with the first paragraph
    of their docstrings, then documents what each of them defines. Modules are read here, not
    imported; Sphinx imports them when it renders the pages.
    """
    wings = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    alone = sorted(path for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    links = [
        f"- {{doc}}`api_{wing.name}`: {_first_paragraph(wing / '__init__.py')}" for wing in wings
    ]
    first = [INTRODUCTION, *links, "", *(_documented(path) for path in alone)]
    return {"api": "\n".join(first), **{f"api_{wing.name}": _wing(wing) for wing in wings}}


def _wing(folder: Path) -> str:
    files = sorted(folder.rglob("*.py"), key=_name)
    contents = [f"- {{py:mod}}`{_name(path)}`: {_first_paragraph(path)}" for path in files]
    title = f"# The wing `{folder.name}`"
    return "\n".join([title, "", *contents, "", *(_documented(path) for path in files)])


def _documented(path: Path) -> str:
    """Return a heading and what Sphinx documents below it: the public names a module defines."""
    names = [
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    directive = f".. automodule:: {_name(path)}"
    members = [f"   :members: {', '.join(names)}"] if names else []
    lines = [f"## `{_name(path)}`", "", "```{eval-rst}", directive, *members, "```", ""]
    return "\n".join(lines)


def _name(path: Path) -> str:
    """Return the dotted name of the module in a file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _first_paragraph(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    plain = re.sub(r":\w+:(?=`)", "", text.partition("\n\n")[0])  # roles do nothing in Markdown
    return " ".join(plain.replace("``", "`").split())
