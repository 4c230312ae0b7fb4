"""A large image and maps over it as small files, for a script of the page to zoom and read."""

import base64
import io
import json
import zlib

import numpy as np

TILE = 512  # pixels; side of a tile
MOST_PIXELS = 12_000_000  # of the image at its finest level
MOST_VALUES = 3_000_000  # bytes of all maps together, before they are compressed
LEVELS = 254  # steps between 0 and the largest value of a map; byte 0 says that there is none


def tiles(image: np.ndarray, tile: int = TILE) -> dict[str, bytes]:
    """Return an image pyramid as JPEG tiles: each level has half the pixels of the next, in both
    directions.

    Parameters
    ----------
    image : (H, W) uint8 array
    tile : int
        Side of a tile in pixels; those at the right and lower edge are smaller.

    Returns
    -------
    dict of str to bytes
        By file name, ``<level>_<column>_<row>.jpg``. Level 0 would be a single pixel; the coarsest
        that is made is the finest that fits into one tile.
    """
    from PIL import Image

    files, level = {}, finest_level(image.shape)
    whole = Image.fromarray(np.ascontiguousarray(image))
    full = whole.size
    while True:
        for top in range(0, whole.height, tile):
            for left in range(0, whole.width, tile):
                box = (left, top, min(left + tile, whole.width), min(top + tile, whole.height))
                stream = io.BytesIO()
                whole.crop(box).save(stream, format="JPEG", quality=80)
                files[f"{level}_{left // tile}_{top // tile}.jpg"] = stream.getvalue()
        if max(whole.size) <= tile:
            return files
        level -= 1
        shrink = 2 ** (finest_level(image.shape) - level)
        size = tuple(-(-side // shrink) for side in full)  # rounded up, as viewers expect
        whole = whole.resize(size, Image.Resampling.BOX)


def finest_level(shape: tuple[int, int]) -> int:
    """Return the level at which an image has all of its pixels, if level 0 is a single one."""
    return int(np.ceil(np.log2(max(shape))))


def gray_bytes(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W) of any type in 8 bits, the brightest 0.3 % clipped: (H, W) uint8."""
    low, high = np.percentile(image[::4, ::4], [0, 99.7])
    return np.rint(np.clip((image - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)


def thinning(count: int, shape: tuple[int, int], most: int = MOST_VALUES) -> int:
    """Return which n-th positions of a grid of some shape are kept so that `count` maps take at
    most so many bytes.
    """
    step = 1
    while count * -(-shape[0] // step) * -(-shape[1] // step) > most and step < max(shape):
        step += 1
    return step


def quantised(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return values as bytes, and the largest value.

    Parameters
    ----------
    values : array
        Not negative; NaN where there is none.

    Returns
    -------
    codes : uint8 array
        0 where there is no value, else 1 + value / largest · 254, rounded.
    largest : float
        A value read back is wrong by at most a 508th of it.
    """
    known = np.isfinite(values)
    largest = float(values[known].max()) if known.any() else 0.0
    scaled = np.where(known, values, 0) / (largest or 1.0) * LEVELS
    return np.where(known, 1 + np.rint(scaled), 0).astype(np.uint8), largest


def maps_script(facts: dict, codes: np.ndarray) -> bytes:
    """Return a script that hands facts and the bytes of all maps to the page that loads it.

    A script, because a page opened as a file may load no other kind of data.

    Parameters
    ----------
    facts : dict
        For JSON. Names in it may hold anything: the page must show them as text.
    codes : (maps, h, w) uint8 array
        From `quantised`.
    """
    packed = base64.b64encode(zlib.compress(np.ascontiguousarray(codes).tobytes(), 9)).decode()
    held = {**facts, "maps": packed, "shape": list(codes.shape)}
    text = json.dumps(held).replace("<", "\\u003c")
    return f"(window.brainbookSlices ||= []).push({text});\n".encode()
