"""Rules of the house: cheap imports, small functions and modules, arrows that run downwards."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "helpers"
HEAVY = {"torch", "matplotlib", "sklearn", "allensdk", "pandas", "onnxruntime", "papermill"}
WINGS = ("helpers", "helpers.book", "helpers.data", "helpers.tissue", "helpers.brains")
LAZY = sorted(
    ".".join(path.parent.relative_to(ROOT / "src").parts)
    for path in SOURCE.rglob("__init__.py")
    if "lazy_loader" in path.read_text()
)
MOST_PARAMETERS, MOST_LINES = 8, 350


def in_a_fresh_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", sorted({*WINGS, *LAZY, "helpers.cli"}))
def test_importing_a_wing_is_cheap(name):
    heavy = in_a_fresh_process(f"import {name}, sys; print({HEAVY} & set(sys.modules))")
    assert heavy.strip() == "set()"


def test_importing_the_package_takes_a_moment():
    clock = "import time; start = time.perf_counter(); import helpers"
    assert float(in_a_fresh_process(f"{clock}; print(time.perf_counter() - start)")) < 0.3


@pytest.mark.parametrize("name", LAZY)
def test_every_name_a_wing_exports_resolves(name):
    wing = importlib.import_module(name)
    assert wing.__all__ and set(wing.__all__) <= set(dir(wing))
    for exported in wing.__all__:
        getattr(wing, exported)


def test_stages_and_figures_show_what_they_hold():
    from helpers.tissue import figures, stages

    assert {"trained_classifier", "nmf_factors"} <= set(dir(stages))
    assert {"confusion", "gram_matrices"} <= set(dir(figures))


def trees():
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text())


def test_no_function_takes_more_than_eight_parameters():
    many = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                asked = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                names = [argument.arg for argument in asked if argument.arg not in ("self", "cls")]
                if len(names) > MOST_PARAMETERS:
                    many.append(f"{path}:{node.lineno} {node.name} takes {len(names)}")
    assert many == []


def test_no_module_is_long():
    lines = {path: len((ROOT / path).read_text().splitlines()) for path, _ in trees()}
    assert {str(path): n for path, n in lines.items() if n > MOST_LINES} == {}


def test_no_asserts_and_no_pickles():
    found = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                found += [f"{path}: {name}" for name in modules if name in ("pickle", "joblib")]
            elif isinstance(node, ast.Assert):
                found.append(f"{path}:{node.lineno}: assert is switched off by python -O")
    assert found == []


def test_arrows_run_downwards():
    """The contracts of ``[tool.importlinter]`` in pyproject.toml."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache", "--no-logo"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def install(monkeypatch):
    """The installer, with pip and uv replaced by what they would say."""
    place = importlib.util.spec_from_file_location("install", ROOT / "locks" / "install.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    for name in module.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)

    def answers(said, code=0, errors=""):
        result = subprocess.CompletedProcess([], code, said, errors)
        monkeypatch.setattr(module.subprocess, "run", lambda *a, **k: result)
        monkeypatch.setattr(module, "watched", lambda *a, **k: (0, []))
        return module

    return answers


def test_uv_asks_where_pip_was_told_to_ask(install):
    listed = ":env:.find-links='/a /b'\nglobal.find-links='/c'\nglobal.extra-index-url='x y'\n"
    assert install(listed).uv_settings() == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INDEX": "x y",
        "UV_FIND_LINKS": "/a,/b",
    }


@pytest.mark.parametrize(
    ("code", "plan", "reason"),
    [
        (0, "Would install 1 package\n + zipp==4.1.2\n", ""),
        (0, " + zipp==4.1.2\n + torch==2.13.0\n", "it would change + torch==2.13.0"),
        (0, " - torch==2.13.0+cpu\n", "it would change - torch==2.13.0+cpu"),
        (0, " + nvidia-cublas==13.1.1.3\n", "it would change + nvidia-cublas==13.1.1.3"),
        (2, "error: no index", "error: no index"),
    ],
)
def test_uv_never_touches_torch(install, code, plan, reason):
    assert install("", code, plan).by_uv([], []) == reason
