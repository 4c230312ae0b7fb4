"""Colours of areas: never two alike, the same on every page, the reader's own first."""

import itertools
import math

import pytest
from matplotlib.colors import to_rgb

from helpers.book import colours, style


@pytest.fixture(autouse=True)
def nobody_named():
    yield
    colours.name_areas([])


@pytest.mark.parametrize("n", [2, 12, 60, 255])
def test_any_number_of_areas_has_as_many_colours(n):
    found = colours.area_colours([f"area {i}" for i in range(n)])
    pairs = itertools.combinations(found, 2)
    assert min(math.dist(a, b) for a, b in pairs) > (0.1 if n < 20 else 0.005)


def test_an_area_has_one_colour_on_every_page():
    names = ["Ctx", "α-motor", "IC", "ZI", *map(str, range(20))]
    colours.name_areas(names, {"cortex": ("Ctx",), "white_matter": ("IC",)}, {"7": "#123456"})
    whole = dict(zip(names, style.area_colours(names)))
    assert style.area_colours(["19", "Ctx", "α-motor"]) == [
        whole["19"],
        whole["Ctx"],
        whole["α-motor"],
    ]
    assert whole["Ctx"] == to_rgb(colours.AREA_COLOURS["cortex"])
    assert whole["IC"] == to_rgb(colours.AREA_COLOURS["wm"])
    assert whole["7"] == to_rgb("#123456")
    assert len(set(whole.values())) == len(names)


def test_names_are_shown_as_they_are_and_powers_as_powers(tmp_path):
    """``$…$`` in a name is no formula, least of all one that cannot be parsed."""
    import matplotlib.pyplot as plt

    style.take_as_written(["a", r"$\bad$"])
    figure, axis = plt.subplots()
    axis.plot([1, 1000], [1, 1000], label=r"$\bad$")
    axis.set(yscale="log", title=r"$x_1$ nucleus")
    axis.legend()
    style.write_powers(figure)
    figure.savefig(tmp_path / "a.svg")
    assert axis.title.get_parse_math() is False
    assert all(
        text.get_parse_math() for text in axis.get_yticklabels() if "mathdefault" in text.get_text()
    )
    plt.close(figure)
    style.take_as_written(["a"])
    assert plt.rcParams["text.parse_math"]


def test_a_scale_bar_fits():
    assert style.fitting_length(500, 6000) == 500
    assert style.fitting_length(50, 128 * 1.17) == 50  # a third of the papers' window, by a hair
    assert style.fitting_length(500, 450) == 100
    assert style.fitting_length(150, 330) == 100
    assert style.fitting_length(2000, 0.5) == pytest.approx(0.1)


def test_a_label_map_carries_names_colours_and_pixel_size(tmp_path):
    """What it is opened with shows the areas of the book, at their size."""
    import json

    import numpy as np
    import tifffile

    from helpers.book import open_run
    from helpers.data.datasets.images import read_labels
    from helpers.data.datasets.pixel_sizes import of_tiff

    run = open_run(tmp_path / "run", "02_area_classifier")
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    run.save_map("map", labels, ["Ctx", "α"], 1.17)
    path = tmp_path / "run/artifacts/map.tif"
    assert np.array_equal(tifffile.imread(path), labels) and tifffile.imread(path).dtype == np.uint8
    assert np.array_equal(read_labels(path, ""), labels)
    assert of_tiff(path)[1:] == pytest.approx((1.17, 1.17), rel=1e-5)
    with tifffile.TiffFile(path) as file:
        about = json.loads(file.pages[0].description)
        found = file.pages[0].colormap[:, 1] / 65535
    assert about == {"pixel_size_um": 1.17, "areas": {"1": "Ctx", "2": "α"}}
    assert np.allclose(found, style.area_colours(["Ctx", "α"])[0], atol=1e-4)
