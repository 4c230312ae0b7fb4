"""Panels, and the views with sliders: what is exported, and what the shared pieces promise."""

import ast
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.book import live, style
from helpers.brains import figures as of_brains
from helpers.brains import live as live_brains
from helpers.tissue import figures as of_tissue
from helpers.tissue import live as live_tissue


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("package", [of_brains, of_tissue], ids=lambda package: package.__name__)
def test_every_public_function_of_the_panels_is_exported_and_nothing_else(package):
    public = {
        node.name
        for path in Path(package.__file__).parent.glob("[!_]*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    }
    assert set(package.__all__) == public
    for name in public:
        assert callable(getattr(package, name))


@pytest.mark.parametrize("wing", ["tissue", "brains"])
def test_no_panel_bears_the_name_of_a_module(wing):
    package = import_module(f"helpers.{wing}.figures")
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert not modules & set(package.__all__)  # the module would hide the panel once imported


# ---------------------------------------------------------------------------- shared pieces


def test_numbers_are_white_where_told_and_left_out_where_there_is_none():
    axis = plt.figure().gca()
    style.numbers(axis, np.array([[0.5, np.nan, 1]]), np.array([[True, True, False]]), "<{:.1f}>")
    written = {text.get_text(): (text.get_position(), text.get_color()) for text in axis.texts}
    assert written == {"<0.5>": ((0, 0), "white"), "<1.0>": ((2, 0), "black")}


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_grouped_bars_stand_around_their_place(groups):
    axis = plt.figure().gca()
    table = pd.DataFrame(np.ones((4, groups)), list("wxyz"), [f"g{i}" for i in range(groups)])
    bars = style.grouped_bars(axis, table, ["red"] * groups, 0.25, 0.2)
    middles = np.array([[bar.get_x() + 0.1 for bar in own] for own in bars])
    np.testing.assert_allclose(middles.mean(0), range(4), atol=1e-12)
    np.testing.assert_allclose(np.diff(middles, axis=0), 0.25)
    assert [label.get_text() for label in axis.get_xticklabels()] == list("wxyz")


def test_places_left_over_stay_empty():
    figure, axes = style.small_multiples(5, 2, 1, columns=3, margin=(1, 0.5))
    assert len(axes) == 5 and len(figure.axes) == 6
    assert tuple(figure.get_size_inches()) == (7, 2.5)
    assert not len(figure.axes[5].get_xticks())


def test_small_numbers_stand_in_brackets():
    values = np.array([[0.1, 0.5], [np.nan, 2]])
    figure = of_brains.matrix(values, ["a", "b"], ["x", "y"], "t", "nats", brackets_below=0.3)
    assert {text.get_text() for text in figure.axes[0].texts} == {"(0.10)", "0.50", "2.00"}


def test_model_without_a_score_leaves_no_mark():
    columns = ["family", "seed", "score", "low", "high", "null_low", "null_median", "null_high"]
    rows = [("VAE", 0, 0.5, 0.4, 0.6, 0.1, 0.2, 0.3), ("VAE", 1, *[np.nan] * 6)]
    figure = of_brains.decorrelation(pd.DataFrame(rows, columns=columns))
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "E"]  # the seed; the panel


# ---------------------------------------------------------------------------- views with sliders


def views():
    """Return one call of each view."""
    net = SimpleNamespace(
        encode=lambda images: images.reshape(len(images), -1)[:, :3],
        decode=lambda z: np.zeros((len(z), 6, 8)) + z.sum(1)[:, None, None],
    )
    rng = np.random.default_rng(0)
    image, masks = rng.random((6, 8)), np.zeros((2, 6, 8), bool)
    masks[:, 2:4, 2:4] = True
    view = of_tissue.View(0, 0, 6, 8, 0, 1)
    found = SimpleNamespace(
        coefficients=rng.random((48, 3)),
        labels=np.repeat([1, 2], 24),
        on_grid=lambda values: values.reshape(6, 8),
    )
    labels, inside = found.labels.reshape(6, 8), np.ones((6, 8), bool)
    depth = np.tile(np.linspace(0, 1, 8), (6, 1))
    return {
        "latents": lambda: live_brains.latent_sliders(net, np.zeros(3)),
        "region": lambda: live_brains.region_brightness(net, image, masks, [0.5, 0.5], ["a", "b"]),
        "clusters": lambda: live_tissue.cluster_choice(rng.random((6, 8, 32)), depth, inside),
        "factors": lambda: live_tissue.factor_explorer(image, view, found, labels, ["a", "b"]),
        "components": lambda: live_tissue.component_explorer(
            image, view, rng.random((6, 8, 2)), ["a", "b"]
        ),
    }


@pytest.mark.parametrize("name", views())
def test_view_draws_in_a_live_session_and_only_there(name, monkeypatch):
    displayed = []
    monkeypatch.setattr(live, "display", displayed.append)
    views()[name]()
    assert not displayed and not plt.get_fignums()
    monkeypatch.setattr(live, "is_live", lambda: True)
    views()[name]()
    (box,) = displayed
    sliders = box.children[0].children
    assert all(slider.description for slider in sliders)
    assert plt.get_fignums()


def test_headless_kernel_is_not_live(monkeypatch):
    monkeypatch.setattr(live, "get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.delenv("BRAINBOOK_HEADLESS", raising=False)
    assert live.is_live()
    monkeypatch.setenv("BRAINBOOK_HEADLESS", "1")
    assert not live.is_live()
    monkeypatch.setattr(live, "get_ipython", lambda: None)
    assert not live.is_live()


def test_menu_and_sliders_give_indices_and_numbers():
    assert live.menu("region", ["a", "b"]).options == (("a", 0), ("b", 1))
    whole, part = live.slider("p", 3, 1, 5), live.slider("λ", 0.5, 0, 2, 0.05)
    assert isinstance(whole.value, int) and part.step == 0.05 and part.max == 2


def test_a_training_that_was_judged_once_shows_its_points():
    """A line through one point draws nothing, and the axes looked empty."""
    history = pd.DataFrame({"step": [0, 10], "gap": [2.0, 1.0], "train_gap": 1.5, "kl_1": 0.3})
    label = "VAE L=1 β=1"
    for rows, marker in ((history[1:], "o"), (history, "")):
        figure = of_brains.training_curves({label: rows}, label)
        lines = [line for axes in figure.axes for line in axes.lines]
        curves = [line for line in lines if line.get_xdata()[-1] == 10]  # not the line at 0
        assert len(curves) == 3
        shown = {"" if line.get_marker() in ("", "None", None) else "o" for line in curves}
        assert shown == {marker}
