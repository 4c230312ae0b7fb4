"""Figures as files of a page: as wide as it, with letters that can be read there."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from helpers.book.labels import SMALLEST_PT, fit_labels, fit_legends

PAGE_INCHES = 7.5  # 720 pixels, the width of a page, at 96 pixels an inch
NOTE = "Smallest text"  # what a PNG file says of its letters


def fit_page(figure: plt.Figure) -> Bbox:
    """Bring a figure to the width of a page, and letters that are smaller than can be read there to
    the smallest size that can; return the box around all that it shows, in inches.

    It is laid out once and for all: a figure is written three times, and left to itself it would be
    laid out, and measured, before each. Wider figures are made as wide as the page, not shrunk as
    pictures, so that their letters keep their size. Panels of images keep their shape; others keep
    their height. Names that have no room there are wrapped, turned or cut.
    """
    fit_legends(figure)
    for text in figure.findobj(Text):
        if text.get_fontsize() < SMALLEST_PT:
            text.set_fontsize(SMALLEST_PT)
    for axis in figure.axes:  # ticks that are made later take their size from here
        for one in (axis.xaxis, axis.yaxis):
            sizes = [label.get_fontsize() for label in one.get_ticklabels()]
            if sizes and min(sizes) < SMALLEST_PT:
                one.set_tick_params(labelsize=SMALLEST_PT)
    _narrow(figure)
    for _ in range(2):  # names that were turned leave the panels another size
        if not fit_labels(figure):
            break
        _narrow(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure.get_tightbbox().padded(plt.rcParams["savefig.pad_inches"])


def _narrow(figure: plt.Figure) -> None:
    """Make a figure that is wider than the page as wide as it."""
    for _ in range(8):  # what stands beside the panels does not shrink with them
        found = shown_inches(figure)
        if found <= PAGE_INCHES:
            break
        width, height = figure.get_size_inches()
        images = [axis.get_aspect() != "auto" for axis in figure.axes]
        share = max(0.3, 1 - (found - PAGE_INCHES + 0.03) / width)
        height *= share if images and sum(images) > len(images) / 2 else 1
        figure.set_size_inches(width * share, height)


def shown_inches(figure: plt.Figure) -> float:
    """Return the width of a figure as it is written: what it holds, and a small margin."""
    figure.draw_without_rendering()
    margin = 2 * plt.rcParams["savefig.pad_inches"]
    return figure.get_tightbbox(figure.canvas.get_renderer()).width + margin


def smallest_text(figure: plt.Figure) -> float:
    """Return the size in points of the smallest letters of a figure, as it stands on a page of 720
    pixels; ``inf`` if it holds none. Exponents are not counted.
    """
    scale = min(1.0, PAGE_INCHES / shown_inches(figure))
    sizes, waiting = [], [figure]
    while waiting:
        artist = waiting.pop()
        if artist.get_visible():
            waiting.extend(artist.get_children())
            if isinstance(artist, Text) and artist.get_text().strip():
                sizes.append(artist.get_fontsize() * scale)
    return min(sizes, default=float("inf"))


def write(figure: plt.Figure, target: Path | io.BytesIO, form: str, dpi: int, box: Bbox) -> None:
    """Write what of a figure lies in a box, see `fit_page`, as ``png`` or ``svg``, without a date:
    the same figure is the same file.

    A PNG file notes the size of its smallest letters.
    """
    if form == "png":
        about = {NOTE: f"{smallest_text(figure):.2f} pt"}
    else:
        about = {"Date": None}
    figure.savefig(target, format=form, dpi=dpi, bbox_inches=box, metadata=about)


def small_png(picture: Path, width: int = 480) -> bytes:
    """Return a PNG file as one of at most so many pixels in width."""
    with Image.open(picture) as image:
        image.thumbnail((width, 4 * width))
        stream = io.BytesIO()
        image.convert("RGB").save(stream, format="PNG", optimize=True)
    return stream.getvalue()
