"""Why a sliding window can cost fewer multiplications than its definition has."""

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

DIRECT, FILTERED = "#7f7f7f", "#1f4e79"
FIRST, LAST = "#c0504d", "#d98b2b"


def minimal_filtering(
    multiply_adds: Mapping[str, float], errors: Mapping[int, float], taps: int, chosen: int
) -> Figure:
    """Draw a tile with what its outputs share, multiplications per output against the size of the
    tile, and what a position costs.

    Parameters
    ----------
    multiply_adds : dict
        Name of a way to compute a position, to how many it takes.
    errors : dict
        Outputs along a tile's side, to the relative error of filtering in float32.
    taps : int
        Side of the filters.
    chosen : int
        Outputs along the side of the tile that is drawn and highlighted.
    """
    figure, (sketch, products, cost) = plt.subplots(
        1, 3, figsize=(7.4, 2.8), width_ratios=(0.8, 1.4, 0.9)
    )
    _tile(sketch, taps, chosen)

    sizes = [1, *errors]
    counts = [((m + taps - 1) / m) ** 2 for m in sizes]
    colours = [DIRECT] + [FILTERED if m == chosen else "#9db4c9" for m in errors]
    bars = products.bar(range(len(sizes)), counts, color=colours)
    products.bar_label(bars, fmt="%.3g", fontsize=8)
    names = ["direct"] + [
        f"{m}×{m}\n{error:.0e}".replace("e-0", "e−") for m, error in errors.items()
    ]
    products.set_xticks(range(len(sizes)), names, fontsize=7)
    products.set(
        xlabel="outputs of a tile, error in float32", ylabel="products per output\nand channel"
    )

    names = [textwrap.fill(name, 14) for name in multiply_adds]
    values = [number / 1e6 for number in multiply_adds.values()]
    bars = cost.barh(names, values, color=[DIRECT] * (len(names) - 1) + [FILTERED])
    cost.bar_label(bars, fmt="%.3g", padding=2, fontsize=8)
    cost.set(xscale="log", xlabel="million multiply-adds\na position", xlim=(0.3, 300))
    cost.invert_yaxis()
    return figure


def _tile(axis: Axes, taps: int, outputs: int) -> None:
    """One tile of cells, and the windows of its first and of its last output."""
    n = outputs + taps - 1
    for i in range(n):
        for j in range(n):
            axis.add_patch(Rectangle((j, i), 1, 1, facecolor="#f2f2f2", edgecolor="white"))
    for place, colour in ((0, FIRST), (outputs - 1, LAST)):
        window = Rectangle((place, place), taps, taps, facecolor=colour, alpha=0.35)
        axis.add_patch(window)
        centre = place + taps / 2
        axis.plot(centre, centre, "o", color=colour)
    axis.set(xlim=(-0.1, n + 0.1), ylim=(n + 0.1, -0.1), aspect="equal")
    axis.set_title(f"{n}×{n} cells,\n{outputs}×{outputs} windows of {taps}×{taps}", fontsize=9)
    axis.axis("off")
