"""Names on figures: twelve of 30 characters stand beside one another and none touches the next."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from helpers.book import figure_files, labels, style
from helpers.book.figure_files import PAGE_INCHES, fit_page, shown_inches, smallest_text
from helpers.tissue import figures
from helpers.tissue.factors.greedy_selection import Selection
from helpers.tissue.figures import controls
from helpers.tissue.figures.views import View

TWELVE = [
    f"{f'{kind} nucleus of thalamus':.27} {i:02d}".ljust(30, "x")
    for i, kind in enumerate(["ventral", "dorsal", "medial", "lateral", "anterior", "rostral"] * 2)
]
RNG = np.random.default_rng(0)
STATE = RNG.bit_generator.state
VIEW = View(0, 0, 60, 100, 0, 1)


pytestmark = pytest.mark.usefixtures("book_style")


def apart(texts, what):
    """Fail if boxes of texts meet; of slanted ones, if the next stands less than a line away."""
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent() for text in shown]
    for first, second, one, other in zip(shown, shown[1:], boxes, boxes[1:]):
        if turn := first.get_rotation() % 90:
            room = abs(other.x1 - one.x1) * np.sin(np.radians(turn))
            assert room >= first.get_fontsize() * first.figure.dpi / 72, what
        else:
            assert not one.overlaps(other), f"{what}: {first.get_text()}, {second.get_text()}"


def everything_apart(figure):
    fit_page(figure)
    assert smallest_text(figure) >= 6.99 and shown_inches(figure) <= PAGE_INCHES + 1e-6
    apart([axis.title for axis in figure.axes], "titles")
    apart([axis.xaxis.label for axis in figure.axes], "names of axes")
    for axis in figure.axes:
        apart(axis.get_xticklabels(), "names below")
        apart(axis.get_yticklabels(), "names beside")
        apart([axis.title, *axis.texts], "names inside")
        if axis.get_legend():
            apart(axis.get_legend().get_texts(), "legend")


def square_table():
    return pd.DataFrame(RNG.integers(0, 99, (12, 12)), TWELVE, TWELVE)


def selection():
    values = RNG.random((8, 12)) * 1000
    return Selection([0, 1, 2], [1, 2, 3], values, values, values)


NUMBERS = RNG.integers(1, 13, 240).repeat(1)
FIGURES = {
    "confusion": lambda: figures.confusion([square_table()] * 2, ["raw", "smooth"], TWELVE),
    "scores": lambda: figures.scores_per_area(
        pd.DataFrame(RNG.random((12, 3)), TWELVE, ["precision", "recall", "f1"])
    ),
    "similarity": lambda: figures.area_similarity(
        {"trained CNN": RNG.random((12, 12)), "untrained CNN": RNG.random((12, 12))}, TWELVE
    ),
    "selection": lambda: figures.score_table(selection(), TWELVE),
    "alignment": lambda: figures.factor_tables(*RNG.random((3, 8, 12)), TWELVE, [(0, 1)]),
    "factors": lambda: figures.selected_factors(
        RNG.random((60, 100)),
        View(0, 0, 60, 100, 1, 1),
        list(RNG.random((6, 60, 100))),
        [1.0] * 6,
        [f"F{i} ({name})" for i, name in enumerate(TWELVE[:6])],
        np.ones((60, 100), int),
        2.0,
    ),
    "by area": lambda: controls.by_area(
        {"trained": RNG.random(12), "untrained": RNG.random(12)}, TWELVE, "AUROC"
    ),
    "balance": lambda: figures.class_balance(
        pd.DataFrame(RNG.random((3, 12)), ["a", "b", "c"], TWELVE), TWELVE
    ),
    "annotated": lambda: figures.annotated_slice_with_patches(
        RNG.random((60, 100)), np.ones((60, 100), int), RNG.random((240, 128, 128)),
        np.sort(NUMBERS), TWELVE, 2.0,
    ),
    "overview": lambda: figures.overview(
        RNG.random((600, 900)), RNG.integers(64, 500, (240, 2)), np.sort(NUMBERS),
        RNG.random((240, 128, 128)), RNG.random((240, 64)), np.sort(NUMBERS),
        dict.fromkeys(TWELVE, 0.5),
    ),
    "components": lambda: figures.component_map(
        RNG.random((60, 100)), VIEW, RNG.integers(-1, 4, (60, 100)), np.ones((60, 100), int),
        [f"1200 cells/mm², prefers {name}" for name in TWELVE[:5]], (5, 5), 30, 2.0,
    ),
    "layers": lambda: figures.areas_and_layers(
        RNG.random((100, 60)), View(0, 0, 100, 60, 0, 1), RNG.integers(0, 13, (100, 60)),
        RNG.integers(0, 6, (100, 60)), TWELVE, [f"layer {n}" for n in TWELVE[:5]], 2, "note",
    ),
    "volumes": lambda: figures.areas_of_volume(
        pd.DataFrame(RNG.random((12, 3)), TWELVE, ["true mm³", "predicted mm³", "Dice"])
    ),
}  # fmt: skip


def test_twelve_are_twelve():
    assert len(set(TWELVE)) == 12 and {len(name) for name in TWELVE} == {30}


@pytest.mark.parametrize("name", FIGURES)
def test_twelve_long_names_do_not_touch(name):
    everything_apart(FIGURES[name]())


def test_short_names_stay_as_they_are():
    areas = ["Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI"]
    table = pd.DataFrame(RNG.integers(0, 99, (6, 6)), areas, areas)
    figure = figures.confusion([table] * 2, ["raw", "smooth"], areas)
    fit_page(figure)
    for axis in figure.axes[:2]:
        assert [label.get_text() for label in axis.get_xticklabels()] == areas
        assert axis.get_xticklabels()[0].get_rotation() == 35
        assert all(text.get_visible() for text in axis.texts) and len(axis.texts) == 36


def test_names_are_cut_where_that_keeps_them_apart():
    assert labels.shortened(["short", "a" * 30], 10) == ["short", "a" * 9 + "…"]
    assert labels.shortened(["nucleus of the left", "nucleus of the right"], 12) == [
        "nucleu… left",
        "nucleu…right",
    ]
    same = ["nucleus 1 of the left", "nucleus 2 of the left", "nucleus 1 of the l, left"]
    assert labels.shortened(same, 8) == same
    assert max(map(len, labels.shortened(TWELVE))) == labels.TICK


def test_names_are_broken_between_words():
    assert labels.wrapped(["internal capsule", "Hy"], 10) == ["internal\ncapsule", "Hy"]
    assert labels.wrapped(["ventral posterolateral nucleus"], 14, 2) == ["ventral\nposterolatera…"]
    for name in labels.wrapped(TWELVE, 12, 3):
        assert max(map(len, name.split("\n"))) <= 12 and name.count("\n") <= 2


def test_ticks_keep_colours_and_numbers_are_left_alone():
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.set_xticks(range(12), TWELVE)
    axis.get_xticklabels()[3].set_color("red")
    axis.plot(range(12), np.arange(12) * 1e-3)
    fit_page(figure)
    assert axis.get_xticklabels()[3].get_color() == "red"
    assert axis.get_xticklabels()[0].get_rotation() == 90
    assert [label.get_rotation() for label in axis.get_yticklabels()] == [0] * len(
        axis.get_yticks()
    )


def test_names_of_axes_are_broken_where_they_are_longer_than_these():
    figure, axes = plt.subplots(3, 3, figsize=(6, 5))
    for row in axes:
        row[0].set_ylabel("β-VAE, L = 4, β = 3")
        for axis in row:
            axis.set_xlabel("axons, share of the section, from gray values")
    fit_page(figure)
    apart([axis.yaxis.label for axis in axes[:, 0]], "at the sides")
    for row in axes:
        apart([axis.xaxis.label for axis in row], "below")
    assert axes[0, 0].get_ylabel().replace("\n", " ").startswith("β-VAE")


def test_names_without_any_room_are_left_out_evenly():
    figure, axis = plt.subplots(figsize=(2, 2))
    axis.set_yticks(range(60), [f"region {i}" for i in range(60)])
    fit_page(figure)
    shown = [i for i, label in enumerate(axis.get_yticklabels()) if label.get_text()]
    assert len(shown) > 5 and set(np.diff(shown)) == {shown[1]} and shown[0] == 0
    apart(axis.get_yticklabels(), "names")


def test_a_figure_that_was_fitted_is_the_same_file_again():
    files = []
    for _ in range(2):
        RNG.bit_generator.state = STATE
        stream = io.BytesIO()
        figure = FIGURES["by area"]()
        figure_files.write(figure, stream, "png", 80, fit_page(figure))
        files.append(stream.getvalue())
    assert files[0] == files[1]


@pytest.mark.parametrize("n", [2, 6, 12])
def test_a_volume_has_the_colours_of_its_legend(n):
    """Every label 1…n from three sides, as many colours as the legend has, none of them shifted."""
    names = TWELVE[:n]
    volume = np.tile(np.arange(1, n + 1, dtype=np.uint8)[:, None], (3, 4, 1, 1)).reshape(3, 4, n)
    figure = figures.orthogonal_views(
        np.zeros((3, 4, n)), volume, 1, names, (0, 50, 100), (50, 1, 1)
    )
    top = figure.axes[0].images[1]
    drawn = top.to_rgba(top.get_array())[0, :, :3]
    np.testing.assert_allclose(drawn, [to_rgb(colour) for colour in style.area_colours(names)])
    assert figure.axes[1].images[0].get_extent()[2:] == [125, -25]
