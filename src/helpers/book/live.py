"""Views with sliders, for a live session; the rendered page never depends on them.

A callback needs a kernel, so outside a live session (papermill, the rendered book) a view does
nothing.
"""

import functools
import os
from collections.abc import Callable

import ipywidgets
from IPython import get_ipython
from IPython.display import display


def is_live() -> bool:
    """Return whether somebody sits at this notebook: a kernel, and no papermill driving it."""
    return hasattr(get_ipython(), "kernel") and not os.environ.get("BRAINBOOK_HEADLESS")


def live_only(view: Callable[..., None]) -> Callable[..., None]:
    """Let a view do nothing outside a live session."""

    @functools.wraps(view)
    def show(*args: object, **options: object) -> None:
        if is_live():
            view(*args, **options)

    return show


def controls(draw: Callable[..., None], beside: bool = False, **widgets: ipywidgets.Widget) -> None:
    """Display widgets and the matplotlib figures that ``draw`` leaves open for their values.

    Parameters
    ----------
    draw : callable
        Takes the value of every widget by its name.
    beside : bool
        Let the figures stand to the right of the widgets instead of below them.
    **widgets
        By the name of the value.
    """
    place = ipywidgets.HBox if beside else ipywidgets.VBox
    drawing = ipywidgets.interactive_output(draw, widgets)
    display(place([ipywidgets.VBox([*widgets.values()]), drawing]))


def slider(
    name: str, value: float, low: float, high: float, step: float = 1
) -> ipywidgets.IntSlider | ipywidgets.FloatSlider:
    """Return a slider that answers when it is let go; over whole numbers if its step is one."""
    kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=name, continuous_update=False
    )


def menu(name: str, choices: list[str]) -> ipywidgets.Dropdown:
    """Return a menu whose value is the index of the choice."""
    return ipywidgets.Dropdown(options=[*zip(choices, range(len(choices)))], description=name)
