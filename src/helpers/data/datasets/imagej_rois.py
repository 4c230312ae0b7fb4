"""Areas drawn in ImageJ: one ``.roi`` or a ``.zip`` of them from the ROI manager, as a label map.

The layout of a ROI is that of ImageJ's own ``ij.io.RoiDecoder``: big-endian numbers behind the
letters *Iout*, a bounding box, corners relative to it, and, in a second header, a name.
"""

import struct
import zipfile
from pathlib import Path

import numpy as np
from skimage.draw import ellipse

from helpers.data.datasets.manifest import Problem

ENDINGS = (".roi", ".zip")
MOST_ROIS, LARGEST_ROI = 5000, 2**22  # of one file; bytes of one
AREAS = {0: "polygon", 1: "rectangle", 2: "oval", 7: "freehand", 8: "traced"}
MOST_CROSSINGS = 2**22  # of an outline with rows of the image; a hand draws far fewer
SUB_PIXEL = 128  # bit of the options: corners are stored once more, as floating-point numbers


def read_rois(path: Path, field: str, shape: tuple[int, int], names: dict[int, str]) -> np.ndarray:
    """Return the label map (H, W) int32 of drawn areas; of two that overlap, the later one counts.

    Parameters
    ----------
    path : Path
    field : str
        Where the manifest names it.
    shape : (int, int)
        Height and width of the image that they were drawn on.
    names : dict
        Label to area. A ROI is called as its area, or by its label; ImageJ's own endings of
        repeated names (``Cortex-1``) are left aside.

    Raises
    ------
    Problem
        If a ROI is damaged, no area, called unlike every area, or outside of the image.
    """
    labels, called = np.zeros(shape, np.int32), {}
    for label, name in names.items():
        called.setdefault(name.casefold(), label)
        called[str(label)] = label
    for name, content in _members(path, field):
        try:
            own, rows, columns = _pixels(content, shape)
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise Problem(
                field,
                f"{name}: {error or 'too few bytes'}",
                f"a closed area: {', '.join(AREAS.values())}",
                "Draw it again, or convert the ROIs to a label map in ImageJ.",
                file=path.name,
            ) from None
        plain = (own or name.removesuffix(".roi")).strip().casefold()
        label = called.get(plain) or called.get(plain.rsplit("-", 1)[0].strip())
        if label is None or not rows.size:
            listed = ", ".join(dict.fromkeys(names.values()))
            raise Problem(
                field,
                f"a ROI {plain[:60]!r}" + ("" if label is None else " with no pixel in the image"),
                f"ROIs called {listed}, within the image of {shape[0]} × {shape[1]} pixels",
                "Rename it in the ROI manager, or list its area.",
                file=path.name,
            )
        labels[rows, columns] = label
    return labels


def _members(path: Path, field: str) -> list[tuple[str, bytes]]:
    """Name and content of every ROI of a file; nothing larger than a ROI can be is unpacked."""
    if path.suffix.lower() == ".roi":
        with path.open("rb") as file:
            return [(path.name, file.read(LARGEST_ROI))]
    with zipfile.ZipFile(path) as archive:
        rois = [info for info in archive.infolist() if info.filename.lower().endswith(".roi")]
        if not 0 < len(rois) <= MOST_ROIS or max(info.file_size for info in rois) > LARGEST_ROI:
            raise Problem(
                field,
                f"an archive of {len(rois)} ROIs",
                f"1 to {MOST_ROIS} ROIs of at most {LARGEST_ROI:,} bytes",
                "Save them with ImageJ's ROI manager.",
                file=path.name,
            )
        return [(Path(info.filename).name, archive.open(info).read(LARGEST_ROI)) for info in rois]


def _pixels(content: bytes, shape: tuple[int, int]) -> tuple[str, np.ndarray, np.ndarray]:
    """Name of a ROI, and rows and columns of the pixels whose centres lie in it."""
    if content[:4] != b"Iout":
        raise ValueError("it does not begin as a ROI of ImageJ")
    kind, top, left, bottom, right, n = struct.unpack_from(">B x 4h H", content, 6)
    if kind not in AREAS or struct.unpack_from(">i", content, 36)[0]:  # a shape of several parts
        raise ValueError("it is a line, points, or made of several parts")
    if bottom < top or right < left:
        raise ValueError("a damaged ROI, whose box ends before it begins")
    name, middle = _name(content), ((top + bottom - 1) / 2, (left + right - 1) / 2)
    if AREAS[kind] == "oval":
        found = ellipse(*middle, (bottom - top) / 2, (right - left) / 2, shape=shape)
    elif AREAS[kind] == "rectangle":
        y, x = np.array([top, top, bottom, bottom]), np.array([left, right, right, left])
        found = filled(y - 0.5, x - 0.5, shape)
    else:
        if n < 3:
            raise ValueError(f"it has {n} corners")
        sub_pixel = struct.unpack_from(">h", content, 50)[0] & SUB_PIXEL
        if sub_pixel:
            x, y = np.array(struct.unpack_from(f">{2 * n}f", content, 64 + 4 * n)).reshape(2, n)
            if not np.isfinite([x, y]).all():
                raise ValueError("its corners are not numbers")
        else:
            x, y = np.array(struct.unpack_from(f">{2 * n}h", content, 64)).reshape(2, n)
            x, y = x + left, y + top
        found = filled(y - 0.5, x - 0.5, shape)  # ImageJ's corners are those of pixels
    return name, *found


def filled(y: np.ndarray, x: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the pixels whose centres lie in a polygon, by the even-odd rule.

    Each row is filled between the places where the outline crosses it, so that the work grows with
    the length of the outline and the area of its box; `skimage.draw.polygon` finds the same pixels
    by asking every pixel of the box for every corner, which takes seconds for an outline of a hand.

    Parameters
    ----------
    y, x : (n,) arrays
        Corners; the last is joined to the first.
    shape : (int, int)
        Height and width of the image; what lies outside is left out.

    Raises
    ------
    ValueError
        If the outline crosses the rows more than ``MOST_CROSSINGS`` times.
    """
    y, x = np.asarray(y, float), np.asarray(x, float)
    to_y, to_x = np.roll(y, -1), np.roll(x, -1)
    # an edge crosses the rows from its upper end on, up to but without its lower end
    ends = np.ceil([np.minimum(y, to_y), np.maximum(y, to_y)]).clip(0, shape[0]).astype(int)
    counts = ends[1] - ends[0]
    if counts.sum() > MOST_CROSSINGS:
        raise ValueError(f"its outline crosses rows of the image {counts.sum():,} times")
    edge = np.repeat(np.arange(len(y)), counts)
    if not edge.size:
        return np.zeros(0, int), np.zeros(0, int)
    rows = np.arange(len(edge)) + np.repeat(ends[0] - np.cumsum(counts) + counts, counts)
    along = (rows - y[edge]) / (to_y - y)[edge]
    columns = x[edge] + along * (to_x - x)[edge]
    order = np.lexsort((columns, rows))  # two by two: where a row enters, and where it leaves
    rows, columns = rows[order][::2], columns[order].reshape(-1, 2)
    start = np.ceil(columns[:, 0]).clip(0, shape[1]).astype(int)
    stop = (np.floor(columns[:, 1]) + 1).clip(0, shape[1]).astype(int)
    top, left = rows.min(), start.min()
    steps = np.zeros((rows.max() - top + 1, max(stop.max() - left, 0) + 1), np.int32)
    some = start < stop
    np.add.at(steps, (rows[some] - top, start[some] - left), 1)
    np.add.at(steps, (rows[some] - top, stop[some] - left), -1)
    found = np.nonzero(np.cumsum(steps, axis=1, out=steps))
    return found[0] + top, found[1] + left


def _name(content: bytes) -> str:
    """The name that a ROI carries; empty without a second header."""
    second = struct.unpack_from(">i", content, 60)[0]
    if not 0 < second <= len(content) - 24:
        return ""
    start, length = struct.unpack_from(">2i", content, second + 16)
    return content[start : start + 2 * length].decode("utf-16-be") if min(start, length) > 0 else ""
