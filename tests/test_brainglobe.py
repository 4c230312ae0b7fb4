"""BrainGlobe atlases by name, through a stand-in for brainglobe-atlasapi that reads the documented
layout: ``reference.tiff``, ``annotation.tiff``, ``structures.json`` and ``metadata.json``.
"""

import json
import sys

import numpy as np
import pytest
import tifffile
from test_datasets import population_folder

from helpers.data.datasets import DatasetError, look_at, open_population

API = """
import json
from pathlib import Path

import numpy as np
import tifffile

HOME = Path(__file__).parents[1] / "atlases"


class BrainGlobeAtlas:
    def __init__(self, atlas_name, check_latest=True):
        assert not check_latest, "this would ask a server"
        (folder,) = HOME.glob(f"{atlas_name}_v*")
        self.metadata = json.loads((folder / "metadata.json").read_text())
        self.resolution = tuple(self.metadata["resolution"])
        self.annotation = tifffile.imread(folder / "annotation.tiff")
        structures = json.loads((folder / "structures.json").read_text())
        self.structures = {one["id"]: one for one in structures}
"""
LISTED = """
from brainglobe_atlasapi import HOME


def get_downloaded_atlases():
    return [folder.name.split("_v")[0] for folder in HOME.glob("*_*_*_v*")]
"""
PATHS = {  # from the root down to each structure itself
    "root": [997],
    "grey": [997, 8],
    "CTX": [997, 8, 315],
    "SSp": [997, 8, 315, 322],
    "HPF": [997, 8, 1089],
    "ZI": [997, 614454292],
}


@pytest.fixture
def atlas(tmp_path, monkeypatch):
    """A package and one atlas of four sections of 20 × 30 pixels, on the path of Python."""
    package = tmp_path / "site" / "brainglobe_atlasapi"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(API)
    (package / "list_atlases.py").write_text(LISTED)
    folder = tmp_path / "site" / "atlases" / "tiny_mouse_25um_v1.2"
    folder.mkdir(parents=True)
    structures = [
        {"acronym": name, "id": path[-1], "name": name, "structure_id_path": path}
        for name, path in PATHS.items()
    ]
    (folder / "structures.json").write_text(json.dumps(structures))
    about = {"name": "tiny_mouse", "version": "1.2", "resolution": [50.0, 25.0, 25.0]}
    (folder / "metadata.json").write_text(json.dumps(about))
    annotation = np.zeros((4, 20, 30), np.uint32)
    annotation[2, :5], annotation[2, 5:10], annotation[2, 10:15] = 315, 322, 1089
    annotation[2, 15:18] = 614454292
    tifffile.imwrite(folder / "annotation.tiff", annotation)
    tifffile.imwrite(folder / "reference.tiff", np.zeros((4, 20, 30), np.uint16))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield folder
    for name in [name for name in sys.modules if name.startswith("brainglobe_atlasapi")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data").mkdir()

    def write(**changes):
        about = {"atlas": "brainglobe:tiny_mouse_25um", "section": 2}
        regions = {1: "CTX", 2: "HPF", 3: "ZI"}
        return population_folder(tmp_path / "data", **{**about, "regions": regions, **changes})

    return write


def test_a_section_is_a_label_map_with_all_that_lies_below_a_region(atlas, folder):
    data = open_population(folder())
    assert data.regions == ("CTX", "HPF", "ZI") and data.pixel_size_um == 25
    assert [row[0] for row in data.atlas] == [1] * 10 + [2] * 5 + [3] * 3 + [0] * 2
    part = open_population(folder(regions={7: "SSp"}))
    assert part.atlas[:, 0].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    assert {problem.severity for problem in look_at(folder())[1]} <= {"note"}


def test_another_version_of_the_atlas_is_other_data(atlas, folder):
    before = open_population(folder()).fingerprint
    assert open_population(folder()).fingerprint == before
    about = json.loads((atlas / "metadata.json").read_text())
    (atlas / "metadata.json").write_text(json.dumps({**about, "version": "1.3"}))
    assert open_population(folder()).fingerprint != before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"section": None}, "section: found no value; expected a whole number from 0 to 3"),
        ({"section": 4}, "section: found 4; expected a whole number from 0 to 3"),
        ({"regions": {1: "CTXX"}}, "regions.1: found 'CTXX'; expected the acronym of a structure"),
        ({"regions": {1: "CTXX"}}, "Did you mean `CTX`?"),
        ({"section": 1}, "label 1 (CTX), which does not occur in the atlas"),
        ({"atlas": "brainglobe:tiny_mouse_52um"}, "Did you mean `tiny_mouse_25um`?"),
        ({"atlas": "brainglobe:whs_sd_rat_39um"}, "Run `brainglobe install -a whs_sd_rat_39um`."),
        ({"atlas": "brainglobe:x; rm -r ."}, "Correct the name."),
        ({"pixel_size_um": 20}, "20, while the images' metadata say 25"),
    ],
)
def test_what_does_not_fit_is_said(atlas, folder, changes, said):
    problems = "\n".join(str(problem) for problem in look_at(folder(**changes))[1])
    assert said in problems


def test_a_section_belongs_to_an_atlas_by_name(folder):
    with pytest.raises(DatasetError, match="section: found a section of a label map in a file"):
        open_population(folder(atlas="atlas.tif", regions={2: "HPF", 7: "STR"}))


def test_images_off_the_grid_of_the_atlas(atlas, folder):
    path = folder()
    np.save(path / "images.npy", np.random.default_rng(0).random((6, 20, 28)))
    with pytest.raises(DatasetError, match=r"shape \(20, 30\); expected the images' shape"):
        open_population(path)


def test_without_the_package_the_message_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "brainglobe_atlasapi", None)
    with pytest.raises(DatasetError, match="pip install brainglobe-atlasapi"):
        open_population(folder())
