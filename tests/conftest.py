"""Fixtures that several test files share. Nothing here touches the user's home or the network."""

import os
import shutil
import textwrap
from pathlib import Path

import jupytext
import numpy as np
import pytest
import tifffile
import yaml


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist writes the groups into the tests' names
def pytest_collection_modifyitems(items):
    """Keep each file in one process; files that look at the executed notebooks share one, so that
    they run once.
    """
    for item in items:
        together = "tiny_run" in item.fixturenames
        item.add_marker(pytest.mark.xdist_group("tiny_run" if together else item.path.name))
    # The long group first, so that the other process takes all the rest meanwhile.
    items.sort(key=lambda item: "tiny_run" not in item.fixturenames)


@pytest.fixture(scope="session")
def tiny_microct(tmp_path_factory):
    """Folder of the smallest microCT phantom in which every area holds training patches."""
    from helpers.data.phantoms import microct

    return microct.generate(tmp_path_factory.mktemp("phantom") / "microct", seed=0, size="tiny")


@pytest.fixture(scope="session")
def tiny_population(tmp_path_factory):
    """Folder of a small population phantom."""
    from helpers.data.phantoms import population

    return population.generate(tmp_path_factory.mktemp("phantom") / "population", n=120, seed=0)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny_microct, tiny_population):
    """Run folder in which every notebook was executed on the tiny phantoms, and what failed."""
    from helpers.book import execution

    out = tmp_path_factory.mktemp("run") / "tiny"
    profile = yaml.safe_load((Path(__file__).parent / "tiny.yml").read_text())
    datasets = {"microct": str(tiny_microct), "population": str(tiny_population)}
    try:
        execution.execute(execution.plan([], out, datasets, profile, []), out)
        failure = ""
    except execution.NotebookError as error:
        failure = str(error)
    return out, failure


@pytest.fixture(scope="session")
def site(tiny_run):
    """Address of the rendered tiny run, served from this machine."""
    from local_server import serve_folder

    from helpers.book import render

    run, _ = tiny_run
    render.build(run)
    with serve_folder(run / "html") as address:
        yield address


@pytest.fixture(scope="session")
def real_data():
    """Folder with real slices, atlas files and network files; tests that need it are skipped
    without.
    """
    folder = os.environ.get("BRAINBOOK_REAL_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("BRAINBOOK_REAL_DATA names no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window; tests that need it are skipped without."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    quiet = ("gpu", "background-networking", "component-update", "sync")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", *(f"--disable-{name}" for name in quiet)]
        )
        yield browser
        browser.close()


@pytest.fixture
def book_style():
    """Figures as the book draws them; none is left open."""
    import matplotlib.pyplot as plt

    from helpers.book import style

    with plt.rc_context():
        style.use()
        yield
        plt.close("all")


@pytest.fixture
def two_area_folder(tmp_path):
    """A minimal valid microCT folder (200 × 400, two areas side by side) and its manifest as a
    mapping.
    """
    rng = np.random.default_rng(0)
    areas = np.zeros((200, 400), np.uint8)
    areas[20:180, 20:200], areas[20:180, 200:380] = 1, 5
    manifest = {
        "schema": 1,
        "kind": "microct",
        "name": "two",
        "pixel_size_um": 1.0,
        "areas": {1: "left", 5: "Right"},
        "slices": [],
    }
    for z, role in ((0, "train"), (60, "validation"), (120, "test")):
        tifffile.imwrite(tmp_path / f"z{z}.tif", rng.integers(0, 255, areas.shape).astype(np.uint8))
        tifffile.imwrite(tmp_path / f"z{z}_areas.tif", areas)
        manifest["slices"].append(
            {"z": z, "role": role, "image": f"z{z}.tif", "areas": f"z{z}_areas.tif"}
        )

    def write(**changes):
        (tmp_path / "dataset.yml").write_text(
            yaml.safe_dump({**manifest, **changes}, sort_keys=False)
        )
        return tmp_path

    write()
    write.manifest, write.folder, write.areas = manifest, tmp_path, areas
    return write


# What a notebook of the toy project begins with.
HEADER = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
"""


@pytest.fixture
def project(tmp_path, monkeypatch, two_area_folder):
    """A project of two notebooks that need no kernel time to speak of, and a microCT folder beside
    it.
    """
    from helpers.book import claims

    root = tmp_path / "project"
    (root / "notebooks" / "profiles").mkdir(parents=True)
    (root / "book").mkdir()
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/welcome\nparts: []\n")
    (root / "book" / "claims.yml").write_text(
        "- {id: A.one, notebook: 01_one, where: here, published: 1, statement: s, "
        'rule: "value >= 1", in_words: w, controls: [], control_in_words: n}\n'
    )
    (root / "notebooks" / "profiles" / "quick.yml").write_text("{}\n")

    def notebook(name, body, parameters):
        text = (
            HEADER
            + '\n# %% [markdown]\n# # Title\n\n# %% tags=["parameters"]\n'
            + textwrap.dedent(parameters)
            + "\n# %%\n"
            + textwrap.dedent(body)
        )
        path = root / "notebooks" / f"{name}.py"
        path.write_text(text)
        jupytext.write(jupytext.read(path), path.with_suffix(".ipynb"))

    notebook(
        "01_one",
        """
        from helpers.book import open_run
        opened = open_run(run, notebook="01_one", microct=microct)
        opened.record("A.one", value, seed=seeds[0])
        (opened.path / "count").open("a").write("x")
        if value < 0:
            raise ValueError("value is negative")
        """,
        'microct = "data/phantom-microct"\nrun = "runs/quick"\n'
        'seeds = [0]\nvalue = 1.5\nname = "a"\n',
    )
    notebook(
        "08_two", "print(run)\n", 'population = "data/phantom-population"\nrun = "runs/quick"\n'
    )
    monkeypatch.chdir(root)
    claims.load.cache_clear()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    yield notebook
    claims.load.cache_clear()
