"""Write chunked arrays and the metadata that make them an image for OME-Zarr viewers.

Version 0.4 of OME-NGFF, whose arrays are zarr format 2 with chunks in nested folders: what every
viewer and both generations of the zarr library read. A chunk is encoded here, so that its bytes,
and with them its checksum, are known before they are written, and each is written exactly once.

Source: Moore et al. (2021), "OME-NGFF", Nature Methods; specification 0.4,
https://ngff.openmicroscopy.org/0.4/.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from helpers.data.storage import Files

VERSION = "0.4"
SMALLEST = 256  # a pyramid ends when height and width are no larger
Region = tuple[slice, ...]


@dataclass(frozen=True)
class ChunkedArray:
    """An array of zarr format 2 among some files.

    Attributes
    ----------
    files : Files
    name : str
        Its folder.
    shape, chunks : tuple of int
    dtype : str
        As numpy spells it.
    """

    files: Files
    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str

    def create(self) -> None:
        """Write the array's metadata."""
        about = {
            "zarr_format": 2,
            "shape": list(self.shape),
            "chunks": list(self.chunks),
            "dtype": np.dtype(self.dtype).str,
            "compressor": _codec().get_config(),
            "fill_value": 0,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
        }
        self.files.write_json(f"{self.name}/.zarray", about)

    def write(self, start: Sequence[int], values: np.ndarray) -> dict[str, str]:
        """Write whole chunks.

        Parameters
        ----------
        start : sequence of int
            First element; a chunk begins there.
        values : array
            Up to the end of a chunk, or of the array, along every axis.

        Returns
        -------
        dict
            SHA-256 of every chunk's file, by name.

        Raises
        ------
        ValueError
            If the values would fill part of a chunk only.
        """
        stop = [first + side for first, side in zip(start, values.shape)]
        for first, last, side, chunk in zip(start, stop, self.shape, self.chunks):
            if first % chunk or (last % chunk and last != side) or last > side:
                raise ValueError(
                    f"{self.name} {self.shape} is written in whole chunks of {self.chunks}, "
                    f"found values from {tuple(start)} to {tuple(stop)}"
                )
        sums = {}
        for index in itertools.product(*self._indices(list(zip(start, stop)))):
            chunk = np.zeros(self.chunks, self.dtype)  # a chunk at the border is filled up
            here = [slice(i * side, (i + 1) * side) for i, side in zip(index, self.chunks)]
            part = values[tuple(slice(s.start - f, s.stop - f) for s, f in zip(here, start))]
            chunk[tuple(slice(0, side) for side in part.shape)] = part
            name = self.key(index)
            sums[name] = self.files.write(name, bytes(_codec().encode(chunk)))
        return sums

    def read(self, region: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return the elements from, to along every axis; chunks that are not there are 0.

        Raises
        ------
        ValueError
            If a chunk cannot be decoded.
        """
        out = np.zeros([last - first for first, last in region], self.dtype)
        for index in itertools.product(*self._indices(region)):
            content = self.files.read(self.key(index))
            if content is None:
                continue
            try:
                chunk = np.frombuffer(_codec().decode(content), self.dtype).reshape(self.chunks)
            except (RuntimeError, ValueError) as error:
                raise ValueError(
                    f"{self.files.path}/{self.key(index)} is damaged ({error}): run the same "
                    "command again, it is computed anew"
                ) from None
            source, target = [], []
            for i, side, (first, last) in zip(index, self.chunks, region):
                low, high = max(i * side, first), min((i + 1) * side, last)
                source.append(slice(low - i * side, high - i * side))
                target.append(slice(low - first, high - first))
            out[tuple(target)] = chunk[tuple(source)]
        return out

    def key(self, index: Sequence[int]) -> str:
        """Return the file of a chunk."""
        return f"{self.name}/{'/'.join(map(str, index))}"

    def _indices(self, region: Sequence[tuple[int, int]]) -> list[range]:
        return [
            range(first // side, math.ceil(last / side))
            for (first, last), side in zip(region, self.chunks)
        ]


def _codec() -> "object":
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)


def pyramid(
    files: Files, name: str, shape: Sequence[int], chunks: Sequence[int], dtype: str
) -> list[ChunkedArray]:
    """Return the arrays ``name/0``, ``name/1`` … of an image, each with half the rows and columns
    of the one before: every second row and column, so that labels stay labels.
    """
    levels = []
    *front, height, width = shape
    while True:
        path = f"{name}/{len(levels)}".lstrip("/")
        levels.append(ChunkedArray(files, path, (*front, height, width), tuple(chunks), dtype))
        if max(height, width) <= SMALLEST:
            return levels
        height, width = math.ceil(height / 2), math.ceil(width / 2)


def multiscales(
    name: str,
    levels: Sequence[ChunkedArray],
    voxel_um: Sequence[float],
    origin_um: Sequence[float] = (0.0, 0.0, 0.0),
) -> dict:
    """Return the attributes of an image of several sizes.

    Parameters
    ----------
    name : str
    levels : sequence of ChunkedArray
        As `pyramid` makes them, (z, y, x) or (c, z, y, x).
    voxel_um : (z, y, x)
        Distance between the positions of the first level, µm.
    origin_um : (z, y, x)
        Centre of the first position, µm.
    """
    channels = [{"name": "c", "type": "channel"}] * (len(levels[0].shape) - 3)
    space = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    front = [1.0] * len(channels)
    datasets = []
    for number, level in enumerate(levels):
        z, y, x = (float(side) for side in voxel_um)
        scale = [*front, z, y * 2**number, x * 2**number]
        steps = [{"type": "scale", "scale": scale}]
        if any(origin_um):
            moved = [*(0.0 for _ in front), *map(float, origin_um)]
            steps.append({"type": "translation", "translation": moved})
        datasets.append({"path": level.name.rpartition("/")[2], "coordinateTransformations": steps})
    about = {
        "version": VERSION,
        "name": name,
        "axes": [*channels, *space],
        "datasets": datasets,
        "type": "every second row and column",
    }
    return {"multiscales": [about]}


def image_label(names: Sequence[str], colours: Sequence[Sequence[int]]) -> dict:
    """Return the attributes that make an image a label map: names and colours of 1…n.

    Parameters
    ----------
    names : sequence of str
    colours : sequence of (red, green, blue), 0…255
    """
    colour = [
        {"label-value": label, "rgba": [*map(int, rgb), 255]}
        for label, rgb in enumerate(colours, start=1)
    ]
    properties = [{"label-value": label, "area": name} for label, name in enumerate(names, start=1)]
    return {
        "image-label": {
            "version": VERSION,
            "colors": colour,
            "properties": properties,
            "source": {"image": "../../"},
        }
    }


def write_group(files: Files, name: str, attributes: dict) -> None:
    """Make a folder a zarr group with attributes."""
    prefix = f"{name}/" if name else ""
    files.write_json(f"{prefix}.zgroup", {"zarr_format": 2})
    files.write_json(f"{prefix}.zattrs", attributes)


def channels(name: str, largest: Sequence[float]) -> dict:
    """Return the attributes that show the first channel of an image, each from 0 to its largest
    value.
    """
    shown = [
        {
            "label": f"{name} {number}",
            "color": "FFFFFF",
            "active": number == 0,
            "window": {"min": 0.0, "start": 0.0, "end": high or 1.0, "max": high or 1.0},
        }
        for number, high in enumerate(map(float, largest))
    ]
    return {"omero": {"version": VERSION, "channels": shown}}
