"""What documents speak of exists: names, files, commands, options, pages, claims, parameters."""

import ast
import contextlib
import functools
import importlib
import io
import re
from pathlib import Path

import pytest
import yaml

from helpers import cli
from helpers.book.api import api_pages

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "helpers"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")),
    *sorted((ROOT / "book").glob("*.md")),
]
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
OF_OTHER_TOOLS = {"--update", "--sync", "--to"}  # jupytext's
MADE_BY_USERS = {"weights.yml", "bad.yml"}


def fenced(text):
    """Blocks of code, continued lines joined."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\\\n", " ") for block in blocks]


def spans(text):
    """Code inside sentences."""
    sentences = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    plain = re.sub(r"{[\w:]+}`[^`]*`", "", sentences)  # roles, such as {doc}`data`
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", plain)]


def commands(text):
    """Every `brainbook …` that a document shows, as words."""
    indented = [line.replace("\\\n", " ") for line in re.findall(r"^    brainbook.*", text, re.M)]
    lines = [line for block in fenced(text) for line in block.splitlines()]
    for line in [*lines, *indented, *spans(text)]:
        for part in line.partition("  #")[0].split("&&"):
            words = part.split()
            if words[:1] == ["brainbook"] and len(words) > 1:
                yield words[1:]


@functools.cache
def help_of(*command):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        cli.main([*command, "--help"])
    return shown.getvalue()


@functools.cache
def notebook_parameters():
    """Names in the parameters cells of all notebooks."""
    found = set()
    for path in (ROOT / "notebooks").glob("[0-9]*.py"):
        cell = re.search(r'tags=\["parameters"\]\n(.*?)^# %%', path.read_text(), re.M | re.S)[1]
        found |= {node.targets[0].id for node in ast.parse(cell).body}
    return found


@functools.cache
def defined_names():
    """Names of every function, class and method of the package."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    trees = [ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, kinds)}


def resolve(name):
    """Import as much of a dotted name as is a module and take the rest as attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
            continue
        return functools.reduce(getattr, parts[end:], found)
    raise ModuleNotFoundError(name)


@pytest.fixture(params=DOCUMENTS, ids=IDS)
def document(request):
    return request.param


def test_every_name_of_the_package_exists(document):
    text = document.read_text()
    missing = []
    imported = re.findall(r"from (helpers[\w.]*) import (\w+)", text)
    names = {
        *re.findall(r"\bhelpers(?:\.\w+)+", text),
        *(f"{module}.{name}" for module, name in imported),
    }
    for name in sorted(names):
        try:
            resolve(name)
        except (ModuleNotFoundError, AttributeError):
            missing.append(name)
    called = [re.match(r"(?:\w+\.)*(\w+)\(.*\)$", span) for span in spans(text)]
    missing += [match[0] for match in called if match and match[1] not in defined_names()]
    assert missing == []


def test_every_file_exists(document):
    text = document.read_text()
    written = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    missing = []
    for span in spans(text):
        if re.match(r"(src|book|notebooks|tests|benchmarks|locks|\.ci|_web)/[\w./*-]*$", span):
            missing += [] if list(ROOT.glob(span.rstrip("/"))) else [span]
        elif re.match(r"[\w.-]+\.(py|md|yml|yaml|toml|txt|cff|json|csv|npy)$", span):
            known = [ROOT / folder / span for folder in (".", "book", "data", "notebooks")]
            if not any(path.exists() for path in known) and span not in MADE_BY_USERS:
                missing += [] if span in written else [span]
    assert missing == []


def test_every_command_and_option_exists(document):
    text = document.read_text()
    for words in commands(text):
        if words[0] == "--version":
            continue
        command = words[:2] if words[0] == "phantom" and len(words) > 1 else words[:1]
        shown = help_of(*command)
        assert f"brainbook {' '.join(command)}" in shown, f"no such command: {words}"
        if words[0] == "fetch" and len(words) > 1:
            assert words[1] in shown, words
        for option in [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]:
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown), f"{option}: {words}"
    everything = "".join(
        help_of(*command)
        for command in (
            ["phantom", "microct"],
            ["phantom", "population"],
            *([name] for name in re.findall(r"^    (\w+) ", help_of(), re.MULTILINE)),
        )
    )
    alone = {span.split()[0] for span in spans(text) if span.startswith("--")} - OF_OTHER_TOOLS
    assert [name for name in alone if not re.search(rf"{name}(?![\w-])", everything)] == []


def test_every_notebook_parameter_and_profile_exists(document):
    text = document.read_text()
    code = "\n".join([*fenced(text), *spans(text)])
    asked = {name.rpartition(".")[2] for name in re.findall(r"-p ([\w.]+)[= ]", code)}
    asked |= {m[1] for span in spans(text) if (m := re.match(r"([a-z]\w*) ?= ?\S", span))}
    assert asked - notebook_parameters() - {"name"} == set()
    for name in re.findall(r"\b\d\d_[a-z_]+[a-z]\b", text):
        assert (ROOT / "notebooks" / f"{name}.py").exists(), name
    for name in re.findall(r"--profile ([a-z]+)", text):
        assert (ROOT / "notebooks" / "profiles" / f"{name}.yml").exists(), name


def test_every_make_target_exists(document):
    text = document.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join([*fenced(text), *spans(text)])
    assert set(re.findall(r"\bmake ([a-z-]+)", code)) <= targets


def test_every_page_and_source_exists(document):
    text = document.read_text()
    pages = re.findall(r"{doc}`(?:[^`<]*<)?([^`>]+)>?`", text)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in [*pages, *(link for link in links if not link.startswith(("http", "#")))]:
        path = document.parent / target
        candidates = [path, *(path.with_name(f"{path.name}{end}") for end in (".md", ".py"))]
        generated = path.name == "api"
        assert generated or any(one.exists() for one in candidates), target
    sources = set(re.findall(r"@\w+{(\w+),", (ROOT / "book" / "references.bib").read_text()))
    assert set(re.findall(r"{cite}`(\w+)`", text)) <= sources


def test_every_claim_exists(document):
    claims = {row["id"] for row in yaml.safe_load((ROOT / "book" / "claims.yml").read_text())}
    named = set(re.findall(r"(?<![\w.])[ABC]\.[a-z]+(?:[._][a-z_0-9]+)*", document.read_text()))
    assert named <= claims


def test_every_verdict_is_explained():
    from helpers.book.scoreboard import COLOURS

    text = " ".join((ROOT / "book" / "how_to_read.md").read_text().split())
    assert [verdict for verdict in COLOURS if verdict not in text] == []


def test_the_page_on_the_package_holds_every_module():
    pages = api_pages()
    listed = (ROOT / "_toc.yml").read_text()
    assert all(f"- file: book/{name}\n" in listed for name in pages)
    page = "\n".join(pages.values())
    for path in SOURCE.rglob("*.py"):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        assert name == "helpers" or f".. automodule:: {name}\n" in page
    assert "   :members: AreaCNN" in page


def test_the_package_page_has_no_heading_twice():
    """Headings of module docstrings become targets of one page: numpydoc sections belong below."""
    import ast

    for path in (ROOT / "src" / "helpers").rglob("*.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert not re.search(r"^[-=]{3,}$", text, re.MULTILINE), path


def test_every_claim_names_a_figure_of_its_page():
    for row in yaml.safe_load((ROOT / "book" / "claims.yml").read_text()):
        page = (ROOT / "notebooks" / f"{row['notebook']}.py").read_text()
        assert f'"{row["figure"]}"' in page, row["id"]
