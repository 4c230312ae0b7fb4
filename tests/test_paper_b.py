"""What pages 06 and 07 share: views that keep pixels and positions together, which slices, columns
of cortex.
"""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from helpers.tissue import figures
from helpers.tissue.figures import cortical_gmm
from helpers.tissue.stages import factorisation


@pytest.mark.parametrize("turns", range(4))
def test_pixels_positions_and_places_of_a_view_agree(turns):
    rows, columns = np.indices((60, 90))
    image = 1000 * rows + columns
    view = figures.View(8, 12, 40, 52, turns, stride=4)
    pixels, positions = view.pixels(image), view.positions(image[::4, ::4])
    left, right, bottom, top = view.extent
    assert pixels.shape == (bottom, right) and positions.shape == (bottom // 4, right // 4)
    for (i, j), value in np.ndenumerate(
        positions
    ):  # a position covers a square of pixels; it is the value of one of them
        square = pixels[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        assert value in square
    for row, column in ((8, 12), (20, 30), (47, 63)):
        x, y = view.rectangle(row, column, 1)  # the pixel as a square of side 1
        assert pixels[y, x] == 1000 * row + column


@pytest.mark.parametrize("turns", range(4))
def test_thinned_view_shows_the_same_part(turns):
    rows, columns = np.indices((120, 180))
    image = 1000 * rows + columns
    view = figures.View(24, 36, 60, 96, turns, stride=4)
    small = view.thinned(3)
    shown = small.positions(image[::4, ::4][::3, ::3])
    np.testing.assert_array_equal(shown, small.pixels(image[::12, ::12]))
    if turns == 0:
        np.testing.assert_array_equal(shown, view.pixels(image)[::12, ::12])
    assert shown.size == 5 * 8 and shown.min() == 24036


@pytest.mark.parametrize("turns", range(4))
def test_cortex_comes_to_the_top(turns):
    labels = np.full((20, 60), 2)
    labels[:, 50:] = 1
    turned = np.rot90(labels, -turns)
    upright = np.rot90(turned, figures.quarter_turns(turned, 1))
    assert (upright[:10] == 1).all() and (upright[10:] == 2).all()
    assert figures.quarter_turns(turned, 7) == 0


def test_view_holds_the_mask_and_starts_on_the_grid():
    mask = np.zeros((100, 120), bool)
    mask[33:50, 41:99] = True
    view = figures.view_of(mask, 0, stride=8, margin=5)
    assert view.top % 8 == view.left % 8 == 0
    assert view.pixels(mask).sum() == mask.sum()
    assert view.height <= 17 + 2 * 5 + 8 and view.width <= 58 + 2 * 5 + 8


def test_published_order_comes_first_and_strangers_follow():
    names = ["Cerebellum", "Cortex", "Hypothalamus", "Striatum", "WM"]
    assert [names[i] for i in figures.in_paper_order(names)] == [
        "Cortex",
        "Striatum",
        "WM",
        "Hypothalamus",
        "Cerebellum",
    ]


def test_silent_factors_are_named_and_not_drawn():
    means = np.array([[1, 2, 3.0], [0, 1e-6, 0], [0, 0, 0]])
    figure = figures.layer_means(
        means, ["L1", "L2/3", "L4"], {0: "F0 (Cortex)", 1: "F1 (VP)"}, "bands", silent=[1]
    )
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["F0 (Cortex)"]
    assert axis.get_title() == "bands\nsilent in cortex: F1 (VP)"
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [0.5, 1, 1.5])
    plt.close(figure)


def test_numbers_tried_are_the_ticks():
    figure = figures.choosing(
        pd.DataFrame({"k": [5, 10, 20], "error": [3, 2, 1.0]}), "k", 10, {"error": "error"}
    )
    assert list(figure.axes[0].get_xticks()) == [5, 10, 20]
    plt.close(figure)


@pytest.mark.parametrize("component", [0, 3])
def test_barrels_keep_the_colour_of_their_component(component):
    layers = np.repeat([1, 2, 3, 4, 5], 4)[:, None].repeat(20, 1)
    found = (layers == 3) & (np.arange(20) < 8)
    view = figures.View(0, 0, 20, 20, 0, stride=1)
    figure = cortical_gmm.barrels(view, found, layers, component, "dense", found)
    image = figure.axes[0].images[0]
    colour = to_rgba(cortical_gmm.COMPONENT_COLOURS[component])
    np.testing.assert_allclose(image.cmap(image.norm(image.get_array()))[9, 3], colour, atol=0.01)
    assert any("dense" in text.get_text() for text in figure.axes[0].get_legend().get_texts())
    plt.close(figure)


def test_annotated_test_slices_come_first():
    def piece(z, role, annotated):
        return SimpleNamespace(z=z, role=role, areas=np.ones((2, 2)) if annotated else None)

    def pair(*pieces):
        found = factorisation.slice_pair(
            SimpleNamespace(microct=SimpleNamespace(slices=lambda: list(pieces)))
        )
        return [p and p.z for p in found]

    assert pair(
        piece(1, "train", True),
        piece(2, "validation", True),
        piece(3, "test", True),
        piece(4, "test", True),
    ) == [3, 4]
    assert pair(piece(1, "train", True), piece(3, "test", False)) == [1, 3]
    assert pair(piece(1, "train", True), piece(2, "validation", True), piece(3, "test", False)) == [
        2,
        3,
    ]
    assert pair(piece(1, "train", True)) == [1, None]


def test_values_return_to_their_positions():
    included = np.random.default_rng(0).random((5, 7)) < 0.5
    grid = SimpleNamespace(
        included=included,
        rows=np.arange(0, 20, 4),
        columns=np.arange(0, 28, 4),
        at_grid=lambda image: image[np.ix_(np.arange(0, 20, 4), np.arange(0, 28, 4))],
    )
    image = np.arange(20 * 28).reshape(20, 28)
    found = factorisation.SliceFactors(grid, image, True, None, None, 0, 0, "hals")
    np.testing.assert_array_equal(found.labels, image[tuple(found.places.T)])
    laid = found.on_grid(found.labels)
    np.testing.assert_array_equal(laid[included], image[::4, ::4][included])
    assert np.isnan(laid[~included]).all()
