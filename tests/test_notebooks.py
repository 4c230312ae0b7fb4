"""Every notebook: paired, without outputs, thin, and it executes on a tiny dataset."""

import json
from pathlib import Path

import jupytext
import pytest

from helpers import execution

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_pair_is_the_same_and_holds_no_outputs(name):
    source = jupytext.read(ROOT / "notebooks" / f"{name}.py")
    pair = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    cells = [(cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in pair["cells"]]
    assert cells == [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in source.cells], \
        f"run: jupytext --update --to ipynb notebooks/{name}.py"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in pair["cells"])
    assert pair["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_cells_are_short_and_parameters_are_plain(name):
    source = jupytext.read(ROOT / "notebooks" / f"{name}.py")
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in source.cells) == 1
    parameters = execution.declared_parameters(name)
    assert "run" in parameters
    for cell in source.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 22, cell.source
            assert "def " not in cell.source, "a method belongs in helpers"
    assert source.cells[0].source.startswith("# ")


def test_every_notebook_is_a_page_and_every_profile_parameter_exists():
    import yaml

    from helpers.book import toc_pages

    pages = toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text()))
    assert [f"notebooks/{name}" for name in NOTEBOOKS if f"notebooks/{name}" not in pages] == []
    for profile in (ROOT / "notebooks" / "profiles").glob("*.yml"):
        content = yaml.safe_load(profile.read_text()) or {}
        execution.plan([], "runs/x", {}, content, [])
