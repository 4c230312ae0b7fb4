"""Every notebook: paired, without outputs, thin, readable at the width of a page, and it executes
on a tiny dataset.
"""

import ast
import importlib
import json
import re
from pathlib import Path
from types import ModuleType

import jupytext
import pytest

from helpers.book import execution, parameters

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py"))
COLUMNS = 79  # of code that a rendered page shows
CELL_LINES = 15


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_pair_is_the_same_and_holds_no_outputs(name):
    source = jupytext.read(ROOT / "notebooks" / f"{name}.py")
    pair = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    cells = [
        (cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", []))
        for cell in pair["cells"]
    ]
    assert cells == [
        (cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in source.cells
    ], f"run: jupytext --update --to ipynb notebooks/{name}.py"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in pair["cells"])
    assert pair["metadata"]["kernelspec"]["name"] == "python3"


def code_cells(name):
    cells = jupytext.read(ROOT / "notebooks" / f"{name}.py").cells
    return [cell for cell in cells if cell.cell_type == "code"]


def is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", [])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_short_and_fit_the_page(name):
    first = jupytext.read(ROOT / "notebooks" / f"{name}.py").cells[0]
    assert first.source.startswith("# ")
    for cell in code_cells(name):
        lines = cell.source.splitlines()
        assert is_parameters(cell) or len(lines) <= CELL_LINES, cell.source
        assert [line for line in lines if len(line) > COLUMNS] == []
        assert "def " not in cell.source, "a method belongs in helpers"


@pytest.mark.parametrize("name", ["06_nmf_factors", "07_cortical_gmm"])
def test_headings_name_no_number_that_a_parameter_may_change(name):
    lines = (ROOT / "notebooks" / f"{name}.py").read_text().splitlines()
    headings = [line for line in lines if line.startswith(("# # ", "# ## "))]
    numbers = re.compile(r"\b(four|fifteen|4|15)\b", re.IGNORECASE)
    assert headings and not [line for line in headings if numbers.search(line)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_parameter_says_what_it_means(name):
    assert sum(map(is_parameters, code_cells(name))) == 1
    found = parameters.declared(name)
    assert "run" in found
    assert [key for key, parameter in found.items() if not parameter.meaning] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_cells_ask_of_the_package_is_there(name):
    tree = ast.parse("\n".join(cell.source for cell in code_cells(name)))
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("helpers"):
            for alias in node.names:
                known[alias.name] = imported(node.module, alias.name)
    asked = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    modules = {key: value for key, value in known.items() if isinstance(value, ModuleType)}
    missing = [f"{a}.{b}" for a, b in asked if a in modules and not hasattr(modules[a], b)]
    assert missing == []


def imported(module, name):
    """What ``from module import name`` gives: an attribute, or a module of the package."""
    parent = importlib.import_module(module)
    return (
        getattr(parent, name)
        if hasattr(parent, name)
        else importlib.import_module(f"{module}.{name}")
    )


def test_every_notebook_is_a_page_and_every_profile_parameter_exists():
    import yaml

    from helpers.book.render import toc_pages

    pages = toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    assert [f"notebooks/{name}" for name in NOTEBOOKS if f"notebooks/{name}" not in pages] == []
    for profile in (ROOT / "notebooks" / "profiles").glob("*.yml"):
        content = yaml.safe_load(profile.read_text()) or {}
        execution.plan([], "runs/x", {}, content, [])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_executes_on_a_tiny_dataset_and_decides_its_claims(name, tiny_run):
    from helpers.book import claims

    run, failure = tiny_run
    executed = run / "notebooks" / f"{name}.ipynb"
    assert executed.exists() and name not in failure, failure
    recorded = json.loads((run / "claims" / f"{name}.json").read_text())
    known = {row["id"] for row in recorded["records"]} | set(recorded["not_run"])
    assert {claim.id for claim in claims.load().values() if claim.notebook == name} == known


def test_no_claim_is_reproduced_whose_control_passes_or_is_missing(tiny_run):
    from helpers.book import claims

    run, _ = tiny_run
    rows = json.loads((run / "claims.json").read_text())["claims"]
    assert [row["id"] for row in rows] == list(claims.load())
    assert len([row for row in rows if row["control"] is not None]) > 20
    every_green_row_has_controls_that_fail(rows)


def test_nor_in_the_quick_book():
    """Of `make book`, where it was run; under today's rules."""
    from helpers.book import claims
    from helpers.book.root import from_root

    if not (from_root("runs/quick") / "claims").is_dir():
        pytest.skip("no quick book was made here")
    every_green_row_has_controls_that_fail(claims.scoreboard(from_root("runs/quick")))


def every_green_row_has_controls_that_fail(rows):
    from helpers.book import claims, rules

    for row in rows:
        claim = claims.load()[row["id"]]
        if row["verdict"] == claims.REPRODUCED and claim.controls:
            assert row["control_passes"] is False, claim.id
            each = dict(claims.single_controls(claim, row["control"]))
            assert tuple(sorted(each)) == tuple(sorted(claim.controls)), claim.id
            for value in each.values():  # asked once more, of the numbers that the row shows
                names = value if isinstance(value, dict) else {"value": value}
                asked = [claim.rule]
                if claim.truth_rule and rules.names_of(claim.truth_rule) <= set(names):
                    asked.append(claim.truth_rule)
                assert not all(rules.evaluate(rule, names) for rule in asked), claim.id


def test_every_figure_is_in_both_formats_and_none_is_empty(tiny_run):
    import numpy as np
    from PIL import Image

    run, _ = tiny_run
    figures = sorted((run / "figures").glob("*.png"))
    assert len(figures) >= 10
    for path in figures:
        assert path.with_suffix(".svg").exists()
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5, f"{path.name} is nearly one colour"


def test_no_table_holds_times(tiny_run):
    """Times differ from run to run; tables of the same settings must not."""
    run, _ = tiny_run
    tables = sorted((run / "tables").glob("*.csv"))
    assert {"ablations.csv", "volume_areas.csv"} <= {path.name for path in tables}
    timed = re.compile(r"minute|hour|seconds|clock|processor|_s\b")
    for path in tables:
        header = path.read_text(encoding="utf-8").splitlines()[0]
        assert not timed.search(header), f"{path.name}: {header}"


def test_area_map_has_the_images_shape_and_the_classes_of_the_table(tiny_run, tiny_microct):
    import numpy as np
    import pandas as pd
    import tifffile

    from helpers.data.datasets import open_microct

    run, _ = tiny_run
    data = open_microct(tiny_microct)
    names = pd.read_csv(run / "tables" / "areas.csv")
    assert names["label"].tolist() == [1, 2, 3, 4, 5, 6] and tuple(names["area"]) == data.areas
    for piece in data.slices("test"):
        labels = tifffile.imread(run / "artifacts" / f"area_map_z{piece.z}.tif")
        assert labels.dtype == np.uint8 and labels.shape == piece.image.shape
        assert labels.max() <= 6 and labels[piece.areas > 0].mean() > 0.9 and (labels[0, 0] == 0)
