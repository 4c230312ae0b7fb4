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
