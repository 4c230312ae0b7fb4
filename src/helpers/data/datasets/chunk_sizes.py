"""How much a compressed chunk unpacks to, found without unpacking it: a few bytes may declare, or
hold, gigabytes.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

SLACK = 64  # bytes that checksums and headers may add to what a chunk declares
HEADER = 16  # bytes of a chunk that blosc and lz4 begin with
PIECE = 2**16  # bytes unpacked at a time where only unpacking tells
ZSTD, SKIPPED = 0xFD2FB528, 0x184D2A50  # magic numbers of frames (RFC 8878)
ZSTD_BLOCK = 2**17  # bytes that a block unpacks to at most


def check_chunk(path: Path, codec: str, declared: int) -> None:
    """Refuse a chunk that unpacks to more than its array declares.

    Blosc, zstd and lz4 say in their headers how much they unpack to, and their decoders keep to it;
    gzip and zlib are unpacked piece by piece, none of it kept, until it is too much.

    Parameters
    ----------
    path : Path
        A file; nothing is done if there is none.
    codec : str
        ``blosc``, ``zlib``, ``gzip``, ``zstd``, ``lz4``, or "" where nothing is compressed.
    declared : int
        Bytes of a chunk.

    Raises
    ------
    ValueError
        If the chunk holds more, or cannot be what it is said to be.
    """
    if not path.is_file():
        return
    stored = path.stat().st_size
    if stored > 2 * declared + PIECE:
        raise ValueError(f"chunk {path.name}: {stored:,} bytes for a chunk of {declared:,}")
    if not codec:
        return
    with path.open("rb") as file:
        content = file.read(HEADER if codec in ("blosc", "lz4") else stored)
    try:
        found = _SIZES[codec](content, declared + SLACK)
    except (zlib.error, IndexError, ValueError):
        raise ValueError(f"chunk {path.name}: no {codec}; expected {declared:,} bytes") from None
    # an upper bound is all that some zstd frames allow; each of their blocks may hold less
    if found > (2 * declared + ZSTD_BLOCK if codec == "zstd" else declared + SLACK):
        raise ValueError(
            f"chunk {path.name}: unpacks to {found:,} bytes or more; expected {declared:,}"
        )


def _deflated(content: bytes, most: int) -> int:
    """Bytes that gzip or zlib unpacks to, counted no further than just beyond ``most``."""
    size = place = 0
    while size <= most:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either kind, by its header
        while not unpacker.eof and size <= most:
            # in pieces, or the rest would be copied for each that is unpacked
            rest = content[place : place + PIECE]
            place += len(rest)
            if not rest:
                raise ValueError("cut short")
            while rest and size <= most:
                size += len(unpacker.decompress(rest, PIECE))
                rest = unpacker.unconsumed_tail
        place -= len(unpacker.unused_data)
        # gzip goes on with further members; what follows otherwise is a checksum, or nobody's
        if content[place : place + 2] != b"\x1f\x8b":
            break
    return size


def _number(content: bytes, start: int, length: int) -> int:
    part = content[start : start + length]
    if len(part) < length:
        raise ValueError("cut short")
    return int.from_bytes(part, "little")


def _zstd_frames(content: bytes) -> Iterator[int]:
    """Yield what every frame unpacks to at most."""
    place = 0
    while len(content) - place > 4:  # a checksum may follow
        magic = _number(content, place, 4)
        if magic & ~0xF == SKIPPED:
            place += 8 + _number(content, place + 4, 4)
            continue
        if magic != ZSTD:
            raise ValueError("not zstd")
        about = content[place + 4]
        alone, kind = about >> 5 & 1, about >> 6
        place += 5 + (not alone) + (0, 1, 2, 4)[about & 3]
        length = (alone, 2, 4, 8)[kind]
        known = _number(content, place, length) + 256 * (kind == 1)
        place += length
        most, last = 0, False
        while not last:
            block = _number(content, place, 3)
            last, raw, size = block & 1, block >> 1 & 3, block >> 3
            most += size if raw < 2 else ZSTD_BLOCK
            place += 3 + (1 if raw == 1 else size)
        yield known if length else most
        place += 4 * (about >> 2 & 1)


_SIZES = {
    "zlib": _deflated,
    "gzip": _deflated,
    "blosc": lambda content, most: _number(content, 4, 4),
    "lz4": lambda content, most: _number(content, 0, 4),
    "zstd": lambda content, most: sum(_zstd_frames(content)),
}
