"""Areas drawn in ImageJ: one ``.roi`` or a ``.zip`` of them from the ROI manager, as a label map.

The layout of a ROI is that of ImageJ's own ``ij.io.RoiDecoder``: big-endian numbers behind the
letters *Iout*, a bounding box, corners relative to it, and, in a second header, a name.
"""

import struct
import zipfile
from pathlib import Path

import numpy as np
from skimage.draw import ellipse, polygon

from helpers.data.datasets.manifest import Problem

ENDINGS = (".roi", ".zip")
MOST_ROIS, LARGEST_ROI = 5000, 2**22  # of one file; bytes of one
AREAS = {0: "polygon", 1: "rectangle", 2: "oval", 7: "freehand", 8: "traced"}
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
    name, middle = _name(content), ((top + bottom - 1) / 2, (left + right - 1) / 2)
    if AREAS[kind] == "oval":
        found = ellipse(*middle, (bottom - top) / 2, (right - left) / 2, shape=shape)
    elif AREAS[kind] == "rectangle":
        y, x = np.array([top, top, bottom, bottom]), np.array([left, right, right, left])
        found = polygon(y - 0.5, x - 0.5, shape)
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
        found = polygon(y - 0.5, x - 0.5, shape)  # ImageJ's corners are those of pixels
    return name, *found


def _name(content: bytes) -> str:
    """The name that a ROI carries; empty without a second header."""
    second = struct.unpack_from(">i", content, 60)[0]
    if not 0 < second <= len(content) - 24:
        return ""
    start, length = struct.unpack_from(">2i", content, second + 16)
    return content[start : start + 2 * length].decode("utf-16-be") if min(start, length) > 0 else ""
