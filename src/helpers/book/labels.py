"""Names on figures, fitted to the room there is: wrapped, turned, cut with an ellipsis, and in the
last place left out, before two of them overlap. Letters are never made smaller than can be read.
"""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axis import Axis
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

SMALLEST_PT = 7  # points; smaller letters cannot be read
TICK, LEGEND = 22, 30  # characters of a name on an axis, and of a line of a legend
TURNED, UPRIGHT = 35, 90  # degrees
NUMBER, TOP, LETTER = "number in a cell", "number at a bar", "letter of a panel"  # marks
GAP = 2  # pixels between two names


def shortened(names: Iterable[str], longest: int = TICK) -> list[str]:
    """Return names cut to a length: at their ends, or in their middles where their beginnings are
    the same; all whole where that would make two of them one.
    """
    names = [*map(str, names)]
    tail = (longest - 1) // 2
    ends = [name if len(name) <= longest else f"{name[: longest - 1]}…" for name in names]
    middles = [
        name if len(name) <= longest else f"{name[: longest - 1 - tail]}…{name[-tail:]}"
        for name in names
    ]
    apart = len(set(names))
    return next((short for short in (ends, middles) if len(set(short)) == apart), names)


def wrapped(names: Iterable[str], longest: int, lines: int = 2) -> list[str]:
    """Return names broken into lines of a length, between words where that is possible; what more
    lines would be needed for is cut.
    """
    found = []
    for name in shortened(names, lines * longest):
        parts = textwrap.wrap(name, longest, break_on_hyphens=False) or [""]
        if len(parts) > lines:  # words leave gaps at the ends of lines
            rest = " ".join(parts[lines - 1 :])
            parts = [*parts[: lines - 1], f"{rest[: longest - 1]}…"]
        found.append("\n".join(parts))
    return found if len(set(found)) == len({*map(str, names)}) else shortened(names)


def fit_legends(figure: plt.Figure) -> None:
    """Break long names in legends into two lines; before a figure is laid out."""
    legends = [legend for axis in figure.axes if (legend := axis.get_legend())]
    for legend in [*legends, *figure.legends]:
        texts = legend.get_texts()
        names = [text.get_text() for text in texts]
        if max(map(len, names), default=0) > LEGEND and not any("\n" in name for name in names):
            for text, name in zip(texts, wrapped(names, LEGEND)):
                text.set_text(name)


def fit_labels(figure: plt.Figure) -> bool:
    """Fit names on axes, in titles, in cells and at bars of a figure that was drawn to the room
    they have; return whether anything changed.
    """
    changed = [_fit_sides(figure)]
    changed += [_fit_rows(figure, of) for of in (lambda a: a.title, lambda a: a.xaxis.label)]
    for axis in figure.axes:
        if not axis.axison or axis.name == "3d":
            continue
        changed += [_fit_ticks(axis, axis.xaxis), _fit_ticks(axis, axis.yaxis)]
        changed += [_fit_numbers(axis), _fit_bar_labels(axis), _fit_letter(axis)]
    return any(changed)


def overlapping(texts: Sequence[Text]) -> bool:
    """Return whether any of the boxes around visible texts, as drawn, touches another."""
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    boxes = [text.get_window_extent().padded(GAP / 2 - 1) for text in shown]
    return any(
        boxes[i].overlaps(boxes[j]) for i in range(len(boxes)) for j in range(i + 1, len(boxes))
    )


def _line(text: Text) -> float:
    """Height of a line of a text, in pixels."""
    return 1.15 * text.get_fontsize() * text.figure.dpi / 72


def _letter(text: Text) -> float:
    """Mean width of the letters of a text that is not turned, in pixels."""
    longest = max(text.get_text().split("\n"), key=len)
    before = text.get_rotation()
    text.set_rotation(0)
    width = text.get_window_extent().width
    text.set_rotation(before)
    return width / max(1, len(longest))


def _fit_ticks(axis: plt.Axes, one: Axis) -> bool:
    """Fit the names along one side; numbers, which matplotlib spaces itself, are left alone."""
    labels = [label for label in one.get_ticklabels() if label.get_text().strip()]
    named = isinstance(one.get_major_formatter(), (FixedFormatter, FuncFormatter))
    if not named or not isinstance(one.get_major_locator(), FixedLocator) or len(labels) < 2:
        return False
    ticks, names = one.get_ticklocs(), [label.get_text() for label in one.get_ticklabels()]
    across = one.axis_name == "x"
    data = np.column_stack([ticks, 0 * ticks] if across else [0 * ticks, ticks])
    places = np.sort(axis.transData.transform(data)[:, 0 if across else 1])
    room, line = float(np.diff(places).min()), _line(labels[0])
    rotation = labels[0].get_rotation()
    if across and rotation:
        if room * math.sin(math.radians(rotation)) >= line or rotation == UPRIGHT:
            return rotation == UPRIGHT and _thin(one, labels, room, line)
    elif not overlapping(labels):
        return False
    if not across:
        return _thin(one, labels, room, line)
    letters = int((room - GAP) / max(map(_letter, labels)))
    words = max(len(word) for name in names for word in name.split() or [""])
    if rotation == 0 and words <= letters:
        return _rename(one, labels, wrapped(names, letters, 3), 0)
    steep = room * math.sin(math.radians(TURNED)) >= line and rotation == 0
    _rename(one, labels, shortened(names), TURNED if steep else UPRIGHT)
    if not steep:
        _thin(one, labels, room, line)
    return True


def _rename(one: Axis, labels: list[Text], names: list[str], rotation: float) -> bool:
    """Set the names along an axis, each in the colour that it had."""
    looks = [(label.get_color(), label.get_fontweight()) for label in one.get_ticklabels()]
    below = labels[0].get_va() != "bottom"
    slanted = 0 < rotation < UPRIGHT
    one.set_ticks(
        one.get_ticklocs(),
        names,
        rotation=rotation,
        ha="right" if slanted else "center",
        va="top" if below else "bottom",
        rotation_mode="anchor" if slanted else "default",
        fontsize=labels[0].get_fontsize(),
    )
    for label, (colour, weight) in zip(one.get_ticklabels(), looks):
        label.set(color=colour, fontweight=weight)
    return True


def _thin(one: Axis, labels: list[Text], room: float, line: float) -> bool:
    """Make letters as small as can be read, and leave out every other name, or more, where even
    these have no room.
    """
    if room >= line:
        return False
    size = labels[0].get_fontsize()
    small = max(SMALLEST_PT, size * room / line)
    step = math.ceil(line * small / size / room - 1e-6)
    names = [text.get_text() for text in one.get_ticklabels()]
    if small >= size and step == 1:
        return False
    kept = [name if i % step == 0 else "" for i, name in enumerate(names)]
    if kept == names and small == size:
        return False
    one.set_ticks(one.get_ticklocs(), kept, fontsize=small)
    return True


def _fit_rows(figure: plt.Figure, of: Callable[[plt.Axes], Text]) -> bool:
    """Break titles of panels, or names of their axes, that run into those of their neighbours."""
    rows: dict[int, list[plt.Axes]] = {}
    for axis in figure.axes:
        if of(axis).get_text().strip():
            rows.setdefault(round(axis.get_window_extent().y1), []).append(axis)
    changed = False
    for row in rows.values():
        row.sort(key=lambda axis: axis.get_window_extent().x0)
        texts = [of(axis) for axis in row]
        if not overlapping(texts):
            continue
        middles = [(box.x0 + box.x1) / 2 for box in (axis.get_window_extent() for axis in row)]
        changed |= _break(texts, float(np.diff(middles).min()) - 2 * GAP)
    return changed


def _fit_sides(figure: plt.Figure) -> bool:
    """Break names at the sides of axes that are longer than these."""
    changed = False
    for axis in figure.axes:
        text, room = axis.yaxis.label, axis.get_window_extent().height
        upright = text.get_text().strip() and text.get_rotation() == UPRIGHT
        if upright and text.get_window_extent().height > room + 2 * GAP:
            changed |= _break([text], room)
    return changed


def _break(texts: list[Text], room: float) -> bool:
    """Break texts into up to three lines of a width in pixels; whether that changed them."""
    letters = max(4, int(room / max(map(_letter, texts))))
    before = [text.get_text() for text in texts]
    names = [" ".join(name.split()) for name in before]
    for text, name in zip(texts, wrapped(names, letters, 3)):
        text.set_text(name)
    return before != [text.get_text() for text in texts]


def _fit_letter(axis: plt.Axes) -> bool:
    """Lift the letter of a panel over a title that reaches it."""
    changed = False
    for letter in (text for text in axis.texts if text.get_gid() == LETTER):
        title = axis.title.get_window_extent()
        if axis.title.get_text() and letter.get_window_extent().overlaps(title):
            left, up = letter.get_position()
            lifted = up + 1 + 72 * (title.y1 - letter.get_window_extent().y0) / letter.figure.dpi
            letter.set_position((left, max(up, lifted)))
            changed = lifted > up
    return changed


def _fit_numbers(axis: plt.Axes) -> bool:
    """Leave out the numbers of a matrix whose cells have no room for them: colours say as much."""
    numbers = [t for t in axis.texts if t.get_gid() == NUMBER and t.get_visible()]
    if not numbers:
        return False
    unit = np.abs(np.diff(axis.transData.transform([(0, 0), (1, 1)]), axis=0))[0]
    fits = lambda: all(
        box.width <= unit[0] and 0.8 * box.height <= unit[1]
        for box in (number.get_window_extent() for number in numbers)
    )
    if fits():
        return False
    for number in numbers:
        number.set_fontsize(SMALLEST_PT)
    if not fits():
        for number in numbers:
            number.set_visible(False)
    return True


def _fit_bar_labels(axis: plt.Axes) -> bool:
    """Turn the numbers at bars upright where they touch; leave them out where that is no help."""
    numbers = [t for t in axis.texts if t.get_gid() == TOP and t.get_visible()]
    if not overlapping(numbers):
        return False
    for number in numbers:
        number.set_rotation(UPRIGHT)
    if overlapping(numbers):
        for number in numbers:
            number.set_visible(False)
    return True
