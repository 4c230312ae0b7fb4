"""Every notebook: paired, without outputs, thin, and it executes on a tiny dataset."""

import json
from pathlib import Path

import jupytext
import pytest

from helpers.book import execution

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py"))


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
