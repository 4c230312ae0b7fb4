"""Many ways to damage a small dataset, population or weights folder; the same number, the same way.

A case draws a kind of folder, then one to three injuries: to the text of its manifest, to a value
of it, to the bytes of a file, or to what lies in place of a file.
"""

import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import tifffile
import yaml
from mutated_volumes import injure_metadata, make_volumes
from PIL import Image

VALUES = [
    None, True, -1, 0, 2, 300, 10**10, 1e-300, 1e300, float("nan"), float("inf"), "", " ", "x",
    "..", ".", "/", "/dev/zero", "/etc/passwd", "../x", "a" * 5000, "é\n|<b>", "dataset.yml",
    [], {}, [[]], [None] * 3, [0, 0, 0, 0], [0, 0, 10**10, 5], {0: "a"}, {1: ""}, {1: None},
    {"a": 1}, {1: ["a"]}, [{}], [{"z": 1}], [1, 2], [0.5], [float("nan")] * 3,
]  # fmt: skip
LINES = [
    "\t", "- ", "a: [", "x: *x", "x: &x [*x]", "<<: {a: 1}", "name: again", f"z: {10**400}", "\0",
    "x: !!int 'a'", "x: !!bool 'a'", "x: !!timestamp 'a'", "x: !!float ''", "? [a]\n: b", "--- ",
    "x: 2024-99-99", "x: 1:2:3:4", "x: '\ud7ff'", 'x: "\\ud800"', "%TAG", "x: !!set {a, a}",
    "x: " + "[" * 3000, "x: !!binary '='", "!!python/name:os.system", "x: 0x" + "f" * 99,
]  # fmt: skip
ODD = {
    "empty": lambda: np.zeros((0, 0)),
    "one": lambda: np.ones((1, 1)),
    "line": lambda: np.ones(9),
    "stack": lambda: np.ones((3, 4, 5)),
    "colour": lambda: np.zeros((40, 40, 3), np.uint8),
    "complex": lambda: np.ones((40, 40), complex),
    "nan": lambda: np.full((40, 40), np.nan),
    "huge": lambda: np.full((40, 40), 1e300),
    "negative": lambda: np.full((40, 40), -5, np.int16),
    "large": lambda: np.arange(1600, dtype=np.uint64).reshape(40, 40) << np.uint64(50),
    "text": lambda: np.full((40, 40), "a"),
    "records": lambda: np.zeros((40, 40), "i4,f4"),
    "bool": lambda: np.eye(40, dtype=bool),
    "noise": lambda: np.random.default_rng(0).integers(0, 60000, (40, 40)).astype(np.uint16),
}


def make(folder: Path, kind: str) -> None:
    """Write a small folder that every check accepts."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    written = "microct" if kind == "volumes" else kind
    about = {"schema": 1, "kind": written, "name": kind, "pixel_size_um": 1.5}
    areas = np.zeros((40, 40), np.uint8)
    areas[5:20, 5:35], areas[20:35, 5:35] = 1, 2
    image = rng.integers(0, 255, (40, 40)).astype(np.uint8)
    wide = np.pad(np.repeat(np.uint8([[1, 2]]), 130, 1).repeat(130, 0), 5)
    if kind == "volumes":
        about |= make_volumes(folder, wide)
    elif kind == "microct":
        noise = rng.integers(0, 255, wide.shape).astype(np.uint8)
        tifffile.imwrite(folder / "t.tif", noise, compression="zlib")
        tifffile.imwrite(folder / "t_areas.tif", wide, compression="zlib")
        tifffile.imwrite(folder / "a.tif", image, compression="zlib")
        Image.fromarray(image).save(folder / "b.png")
        np.save(folder / "c.npy", image / 255)
        tifffile.imwrite(folder / "areas.tif", areas)
        entry = {"image": "c.npy", "areas": "areas.tif", "layers": "areas.tif", "z": 90}
        about["areas"], about["layers"] = {1: "a", 2: "b"}, {1: "L1", 2: "L2"}
        about["slices"] = [
            {"z": 0, "role": "train", "image": "t.tif", "areas": "t_areas.tif"},
            {"z": 60, "role": "test", "image": "a.tif", "areas": "areas.tif"},
            {"z": 61, "role": "test", "image": "b.png", "window": [0, 0, 20, 20]},
            {**entry, "role": "test", "truth": {"cells": "a.tif"}},
        ]
    elif kind == "population":
        images = rng.integers(0, 255, (8, 40, 40)).astype(np.uint8)
        np.save(folder / "images.npy", images)
        zarr_folder(folder / "images.zarr", images)
        tifffile.imwrite(folder / "atlas.tif", areas)
        (folder / "clean.txt").write_text("0\n2\n3\n")
        rows = "".join(f"{i},none,{i / 8}\n" for i in range(8))
        (folder / "truth.csv").write_text("index,artifact,size\n" + rows)
        about |= {"images": "images.zarr", "atlas": "atlas.tif", "regions": {1: "a", 2: "b"}}
        about |= {"clean": "clean.txt", "truth": "truth.csv", "clean_images": "images.npy"}
    else:
        from test_hostile_data import network

        network(folder / "n.onnx")
        record = {"network": "n", "file": "n.onnx", "mean": [0.5], "std": [0.2], "size": 8}
        about = {"schema": 1, "kind": "weights", "networks": [record]}
    (folder / manifest(kind)).write_text(yaml.safe_dump(about))


def zarr_folder(folder: Path, images: np.ndarray) -> None:
    """An array of zarr format 2 in chunks of two images."""
    folder.mkdir()
    n, h, w = images.shape
    about = {"zarr_format": 2, "shape": [n, h, w], "chunks": [2, h, w], "dtype": "|u1"}
    about |= {"compressor": {"id": "gzip", "level": 1}, "filters": None, "fill_value": 0}
    (folder / ".zarray").write_text(json.dumps({**about, "order": "C"}))
    for i in range(0, n, 2):
        (folder / f"{i // 2}.0.0").write_bytes(gzip.compress(images[i : i + 2].tobytes(), mtime=0))


def manifest(kind: str) -> str:
    return "weights.yml" if kind == "weights" else "dataset.yml"


def mutate(folder: Path, kind: str, draw: random.Random) -> list[str]:
    """Damage a folder in one to three ways; return which."""
    injuries = [_text, _value, _value, _bytes, _bytes, _replace, _json]
    if kind == "volumes":
        injuries = [_value, _bytes, _bytes, _replace, *[injure_metadata] * 4]
    return [draw.choice(injuries)(folder, kind, draw) for _ in range(draw.randint(1, 3))]


def _text(folder: Path, kind: str, draw: random.Random) -> str:
    path = folder / manifest(kind)
    if not path.is_file():  # an earlier injury, as below
        return "nothing"
    lines = path.read_bytes().split(b"\n")
    line = draw.choice(LINES)
    lines.insert(draw.randrange(len(lines) + 1), line.encode("utf-8", "replace"))
    path.write_bytes(b"\n".join(lines))
    return f"line {line[:20]!r}"


def _value(folder: Path, kind: str, draw: random.Random) -> str:
    """Put another value, or none, in the place of one somewhere in the manifest."""
    path = folder / manifest(kind)
    try:
        about = yaml.safe_load(path.read_bytes() if path.is_file() else b"")
    except Exception:
        return "nothing"
    places, waiting, seen = [], [about], set()
    while waiting:
        box = waiting.pop()
        if isinstance(box, (dict, list)) and id(box) not in seen:
            seen.add(id(box))
            keys = list(box) if isinstance(box, dict) else range(len(box))
            places += [(box, key) for key in keys]
            waiting += [box[key] for key in keys]
    if not places:
        return "nothing"
    box, key = draw.choice(places)
    value = draw.choice(VALUES)
    if draw.random() < 0.1:
        del box[key]
    elif isinstance(box, dict) and draw.random() < 0.1:
        box[draw.choice([None, 3.5, True, "x", -1, (1, 2)])] = box.pop(key)
    else:
        box[key] = value
    path.write_text(yaml.safe_dump(about))
    return f"value {key!r}: {value!r:.30}"


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _bytes(folder: Path, kind: str, draw: random.Random) -> str:
    """Cut a file, or change bytes of it, mostly near its beginning."""
    path = draw.choice(_files(folder) or [folder / "new"])
    content = bytearray(path.read_bytes() if path.exists() else b"")
    if draw.random() < 0.3:
        content = content[: draw.randrange(len(content) + 1)]
    for _ in range(draw.choice([0, 1, 4, 64]) if content else 0):
        reach = draw.choice([40, 400, len(content)])
        content[draw.randrange(min(reach, len(content)))] = draw.choice(
            [0, 255, draw.randrange(256)]
        )
    path.write_bytes(content)
    return f"bytes of {path.name}"


def _replace(folder: Path, kind: str, draw: random.Random) -> str:
    """Put something else in the place of a file."""
    path = draw.choice(_files(folder) or [folder / "new"])
    others = [p for p in _files(folder) if p != path]
    what = draw.choice(["FIFO", "folder", "link", "loop", "gone", "swapped", *ODD, *ODD])
    path.unlink(missing_ok=True)
    if what == "FIFO":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(draw.choice(["/etc/passwd", "/dev/zero", "..", "/nowhere"]))
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "swapped" and others:
        path.write_bytes(draw.choice(others).read_bytes())
    elif what in ODD:
        _save(path, ODD[what]())
    return f"{path.name} is {what}"


def _save(path: Path, array: np.ndarray) -> None:
    if path.suffix == ".tif" and array.dtype.kind in "biufc" and array.size:
        tifffile.imwrite(path, array)
    elif path.suffix == ".png" and array.dtype in (np.uint8, np.uint16, bool) and array.size:
        Image.fromarray(array).save(path)
    else:
        with open(path, "wb") as file:
            np.save(file, array)


def _json(folder: Path, kind: str, draw: random.Random) -> str:
    """Change a value of a zarr array's metadata."""
    path = folder / "images.zarr" / ".zarray"
    try:
        about = json.loads(path.read_text() if path.is_file() else "")
    except (OSError, ValueError):
        return _value(folder, kind, draw)
    key = draw.choice(sorted(about))
    codecs = [{"id": name} for name in ("pickle", "lz4", "json2", "vlen-utf8", "bz2")]
    values = [*codecs, codecs, "|O", "<f8", ">i2", "<U9", [8, 40, 40], [8, 10**6, 10**6], [1, 1, 1]]
    about[key] = draw.choice([*values, None, -1, "x", {}, [0], 10**400])
    path.write_text(json.dumps(about))
    return f"zarr {key}: {about[key]!r:.30}"
