"""What was found beside what must fail: values as lines, controls as gray or hollow marks."""

from typing import TYPE_CHECKING

import numpy as np

from helpers.book import style
from helpers.tissue.factors.controls import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRAY = "#8a8a8a"


def null_panels(panels: list[Panel]) -> "Figure":
    """Show each value as a line over the histogram of its control's draws."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(panels), figsize=(3.2 * len(panels), 2.9), layout="constrained", squeeze=False
    )
    for axis, panel in zip(axes[0], panels):
        draws = panel.draws[np.isfinite(panel.draws)]
        if len(draws):
            axis.hist(draws, bins=25, color=GRAY, alpha=0.7, label="control, drawn many times")
        axis.axvline(panel.value, color=style.NETWORK_COLOURS[0], lw=2, label="found")
        lines = zip(panel.marks.items(), ("--", ":", "-."))
        for (name, value), line in lines:
            axis.axvline(value, color=GRAY, ls=line, label=name)
        axis.set_title(panel.title)
        axis.set_xlabel(panel.axis)
        axis.set_yticks([])
        axis.margins(x=0.1)
        axis.locator_params(axis="x", nbins=4)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), frameon=False)
    return figure


def by_area(values: dict[str, np.ndarray], areas: list[str], axis_name: str) -> "Figure":
    """Show a number per area: of what was found as dots, of its controls as hollow marks.

    Parameters
    ----------
    values : dict
        Name to (areas,) array, what was found first; NaN is not drawn.
    areas : list of str
    axis_name : str
    """
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 2.9), layout="constrained")
    at = np.arange(len(areas))
    for index, ((name, numbers), mark) in enumerate(zip(values.items(), "osD^")):
        face = "none" if index else style.NETWORK_COLOURS[0]
        edge = GRAY if index else style.NETWORK_COLOURS[0]
        axis.scatter(at, numbers, s=50, marker=mark, facecolors=face, edgecolors=edge, label=name)
    axis.axhline(0.5, color=GRAY, lw=0.8, ls=":")
    axis.text(len(areas) - 0.45, 0.5, "chance", color=GRAY, va="center")
    axis.set_xticks(at, areas)
    axis.set_xlim(-0.5, len(areas) - 0.5)
    axis.set_ylabel(axis_name)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=len(values), frameon=False)
    return figure
