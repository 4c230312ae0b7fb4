"""What all figures share: colours, fonts, and the small pieces that panels are made of."""

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.colors import ListedColormap
from matplotlib.container import BarContainer
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

from helpers.book.colours import area_colours
from helpers.book.labels import LETTER, NUMBER, TOP, shortened

NETWORK_COLOURS = ("#1f4e79", "#c0504d", "#7f9f3f", "#8064a2", "#d98b2b", "#4bacc6", "#7f7f7f")


def use() -> None:
    """Set the look of all figures of the book."""
    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.labelsize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "figure.facecolor": "white",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "svg.hashsalt": "brainbook",
            "figure.constrained_layout.use": True,
        }
    )


# ---------------------------------------------------------------------------- colours


def network_colours(networks: Iterable[str]) -> dict[str, str]:
    """Return one colour per network: the trained first, grey for the untrained, the spare ones for
    the rest.
    """
    names = dict.fromkeys(networks)
    spare = iter(NETWORK_COLOURS[1:-1] * (1 + len(names) // 5))
    fixed = {"trained CNN": NETWORK_COLOURS[0], "untrained CNN": NETWORK_COLOURS[-1]}
    return {name: fixed[name] if name in fixed else next(spare) for name in names}


def label_colourmap(colours: Sequence) -> ListedColormap:
    """Return a colour map for label maps: 0 transparent, 1…n the given colours."""
    return ListedColormap(["none", *colours])


def take_as_written(names: Iterable[str]) -> None:
    """Have figures show names as they are from here on: ``$…$`` in one is no formula."""
    plt.rcParams["text.parse_math"] = not any("$" in name for name in names)


def write_powers(figure: plt.Figure) -> None:
    """Let the powers of ten on logarithmic axes be formulas where names are taken as written."""
    if not plt.rcParams["text.parse_math"]:
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            text.set_parse_math("\\mathdefault{" in text.get_text())


# ---------------------------------------------------------------------------- axes and legends


def small_multiples(
    count: int,
    width: float,
    height: float,
    *,
    columns: int | None = None,
    margin: tuple[float, float] = (0, 0),
    **options: object,
) -> tuple[plt.Figure, np.ndarray]:
    """Start a figure of panels of one size, in one row if ``columns`` is not given.

    Parameters
    ----------
    count : int
    width, height : float
        Of a panel, in inches.
    columns : int, optional
        Places of the last row that are left over stay empty.
    margin : (float, float)
        Added to width and height of the whole figure, in inches.
    **options
        Of `matplotlib.pyplot.subplots`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : (count,) array of Axes
    """
    columns = columns or count
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width * columns + margin[0], height * rows + margin[1]),
        squeeze=False,
        **options,
    )
    for axis in axes.flat[count:]:
        bare(axis)
    return figure, axes.flat[:count]


def columns_beside(names: Sequence[str]) -> int | None:
    """Return in how many columns of `small_multiples` matrices of so many names stand: all beside
    one another, or, where their numbers had no room then, one below the other.
    """
    return 1 if len(names) > 8 else None


def bare(axis: plt.Axes, title: str = "", **options: object) -> None:
    """Remove ticks and frame of an image axis and set its title, with options of the text."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_title(title, **options)


def letter(axis: plt.Axes, name: str) -> None:
    """Write the letter that a panel has in the paper beside its upper left corner."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right"}
    axis.annotate(name, (0, 1), xytext=(-5, 5), weight="bold", fontsize=11, gid=LETTER, **place)


def patches(
    names: Sequence[str], colours: Iterable | None = None, edge: str | None = None
) -> list[Patch]:
    """Return what a legend of coloured areas needs.

    Parameters
    ----------
    names : sequence of str
    colours : iterable of colours, optional
        Those of `area_colours` by default.
    edge : str, optional
        Colour of all edges; each its own by default.
    """
    return [
        Patch(facecolor=colour, edgecolor=edge or colour, label=name)
        for name, colour in zip(names, colours or area_colours(names))
    ]


def side_legend(axis: plt.Axes, handles: Sequence | None = None, **options: object) -> None:
    """Add a legend to the right of an axis, where it covers nothing."""
    axis.legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), **options)


def grouped_bars(
    axis: plt.Axes,
    table: pd.DataFrame,
    colours: Iterable,
    step: float,
    width: float,
    errors: pd.DataFrame | None = None,
) -> list[BarContainer]:
    """Draw one group of bars for each row of a table, one bar for each column.

    Parameters
    ----------
    table : DataFrame
        Heights; the index is written below, the columns into the legend.
    colours : iterable
        One colour, or one list of them, for each column.
    step, width : float
        From bar to bar, and of a bar; groups stand at 0, 1, 2, …
    errors : DataFrame, optional
        Half the length of the error bars.

    Returns
    -------
    list of BarContainer
        One for each column.
    """
    names = shortened(table.index)
    turned = {"rotation": 35, "ha": "right"} if sum(map(len, names)) > 70 else {}
    axis.set_xticks(range(len(table)), names, **turned)
    return [
        axis.bar(
            np.arange(len(table)) + (i - (table.shape[1] - 1) / 2) * step,
            table[name],
            width,
            yerr=None if errors is None else errors[name],
            capsize=2,
            color=colour,
            label=name,
        )
        for i, (name, colour) in enumerate(zip(table, colours))
    ]


# ---------------------------------------------------------------------------- matrices


def matrix(
    axis: plt.Axes,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    rotation: float = 0,
    **options: object,
) -> AxesImage:
    """Draw a matrix (rows, columns) with its labels, with options of `imshow`."""
    axis.set_xticks(
        range(values.shape[1]),
        shortened(columns),
        rotation=rotation,
        ha="right" if rotation else "center",
    )
    axis.set_yticks(range(values.shape[0]), shortened(rows))
    return axis.imshow(values, **options)


def numbers(
    axis: plt.Axes, values: np.ndarray, white: np.ndarray, form: str = "{:.2f}", size: float = 8
) -> None:
    """Write the numbers of a matrix into its cells.

    Parameters
    ----------
    values : (rows, columns) array
        Nothing is written for values that are not finite.
    white : (rows, columns) bool array
        Cells so dark that they need white letters.
    form : str
        Format of a number.
    size : float
        Of the letters, in points.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axis.text(
                column,
                row,
                form.format(value),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if white[row, column] else "black",
                gid=NUMBER,
            )


def bar_numbers(axis: plt.Axes, bars: BarContainer, labels: Sequence[str] | str = "{:.2f}") -> None:
    """Write numbers at the ends of bars, in one format or one by one; left out where they would
    touch.
    """
    said = {"fmt": labels} if isinstance(labels, str) else {"labels": labels}
    for text in axis.bar_label(bars, **said, fontsize=6.5, padding=1):
        text.set_gid(TOP)


# ---------------------------------------------------------------------------- images


def thumbnail_step(array: np.ndarray, longest: int = 1800) -> int:
    """Return which n-th pixels `thumbnail` keeps."""
    return max(1, -(-max(array.shape[:2]) // longest))


def thumbnail(array: np.ndarray, longest: int = 1800) -> np.ndarray:
    """Return every n-th pixel of a large image or label map, so that figures stay small files."""
    step = thumbnail_step(array, longest)
    return array[::step, ::step]


def square(
    axis: plt.Axes,
    corner: tuple[float, float],
    side: float,
    colour: str | tuple,
    linewidth: float,
) -> None:
    """Frame a square, given by the (x, y) of its first corner."""
    axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=linewidth))


def fitting_length(length_um: float, width_um: float) -> float:
    """Return a length for a scale bar: the one wanted, or a round one of at most a third of the
    width.
    """
    lengths = [length_um, *(step * 10.0**ten for ten in range(4, -4, -1) for step in (5, 2, 1))]
    third = 1.01 * width_um / 3  # 50 µm in a window of 149.8 µm
    return next(each for each in lengths if each <= length_um and each <= third)


def scale_bar(
    axis: plt.Axes, pixel_size_um: float, length_um: float, colour: str = "white"
) -> None:
    """Draw a scale bar into the lower right corner of an image axis, shorter where it must be."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    length_um = fitting_length(length_um, abs(right - left) * pixel_size_um)
    width, height = length_um / pixel_size_um, abs(top - bottom)
    x, y = right - 0.03 * (right - left) - width, bottom - 0.06 * (bottom - top)
    # A rim of the other shade: what lies under the bar may be dark or bright.
    rim = [
        patheffects.withStroke(linewidth=2, foreground="black" if colour == "white" else "white")
    ]
    axis.plot([x, x + width], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    axis.text(
        x + width / 2,
        y - 0.02 * height,
        f"{length_um:g} µm",
        color=colour,
        ha="center",
        va="bottom",
        fontsize=7,
        path_effects=rim,
    )


def mark_phantom(figure: plt.Figure, is_phantom: bool) -> None:
    """Write *phantom* onto a figure that shows synthetic data."""
    if is_phantom:
        figure.text(
            0.995,
            1.005,
            "phantom",
            ha="right",
            va="bottom",
            fontsize=8,
            style="italic",
            color="#b03030",
        )
