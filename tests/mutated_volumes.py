"""A dataset whose slices lie in volumes of every format, and injuries to their metadata."""

import json
import random
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import tifffile
import zarr

SIZE = (5.0, 1.5, 1.5)  # of a voxel in µm, along z, y, x
VALUES = [
    None, True, -1, 0, 3.5, 10**9, 10**400, 1e300, "x", "", "../..", "/etc/passwd", "zyx", [], {},
    [0], ["a"], [[1]], {"id": "pickle"}, [{"id": "pickle"}], "|O", "<U9", ">f8", [5, 140, 10**8],
    [1, 1, 1], [0, 0, 0], [{"type": "scale", "scale": [0, "x"]}],
]  # fmt: skip
#: What an injury puts in the place of a line of an NRRD header, or of a piece of XML or TIFF text.
WORDS = [
    b"type: double", b"type: block", b"dimension: 9", b"sizes: 5 140", b"sizes: 99999 99999 9999",
    b"sizes: -1 0 1", b"encoding: raw", b"encoding: hex", b"encoding: bzip2", b"endian: big",
    b"data file: /etc/passwd", b"data file: LIST", b"space directions: (a,b,c) none",
    b"line skip: 999999999", b"byte skip: -1", b"spacings: nan 0 -1", b"\xff\xfe", b"",
    b'SizeZ="99999"', b'Type="bit"', b'PhysicalSizeX="-1"',
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'c'>]>",
    b"images=99999", b"slices=-4", b"hyperstack=true", b"channels=3",
]  # fmt: skip


def make_volumes(folder: Path, wide: np.ndarray) -> dict:
    """Write images and label maps of several planes; returns what the manifest says of them."""
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 255, (5, *wide.shape)).astype(np.uint8)
    labels = np.repeat(wide[None], 5, axis=0)
    sizes = {f"PhysicalSize{axis}": size for axis, size in zip("ZYX", SIZE)}
    sizes |= {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
    about = {"axes": "ZYX", "spacing": SIZE[0], "unit": "um"}
    per_um = (1 / SIZE[2], 1 / SIZE[1])
    tifffile.imwrite(folder / "s.tif", stack, imagej=True, resolution=per_um, metadata=about)
    with tifffile.TiffWriter(folder / "pages.tif") as file:
        for plane in labels:
            file.write(plane, compression="zlib", metadata=None)
    for name, array in (("s", stack), ("labels", labels)):
        about = {"axes": "ZYX", **sizes}
        tifffile.imwrite(folder / f"{name}.ome.tif", array, metadata=about, ome=True)
        _ome_zarr(folder / f"{name}.ome.zarr", array)
        header = {"space directions": np.diag(SIZE[::-1]), "space units": ["microns"] * 3}
        header |= {"space dimension": 3, "encoding": "gzip"}
        nrrd.write(str(folder / f"{name}.nrrd"), array, header, index_order="C")
        image = nibabel.Nifti1Image(array.T, np.eye(4))
        image.header.set_zooms(SIZE[::-1])
        image.header.set_xyzt_units("micron")
        nibabel.save(image, folder / f"{name}.nii.gz")
    with zipfile.ZipFile(folder / "rois.zip", "w") as archive:
        from test_drawn_areas import RECTANGLE, roi

        archive.writestr("a.roi", roi(RECTANGLE, (5, 5, 60, 60)))
        archive.writestr("1-2.roi", roi(RECTANGLE, (70, 150, 130, 200), name="b"))
    pairs = [
        ("s.tif", "pages.tif"), ("s.ome.tif", "labels.ome.zarr"), ("s.ome.zarr", "labels.nrrd"),
        ("s.nrrd", "labels.nii.gz"), ("s.nii.gz", "rois.zip"),
    ]  # fmt: skip
    slices = [
        {"z": z, "role": "test" if z else "train", "image": image, "areas": areas}
        for z, (image, areas) in enumerate(pairs)
    ]
    slices[2]["layers"] = "labels.ome.tif"
    return {"areas": {1: "a", 2: "b"}, "layers": {1: "L1", 2: "L2"}, "slices": slices}


def _ome_zarr(folder: Path, array: np.ndarray) -> None:
    folder.mkdir()
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    scale = [{"type": "scale", "scale": list(SIZE)}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    image = {"version": "0.4", "axes": axes}
    image["datasets"] = [{"path": "0", "coordinateTransformations": scale}]
    (folder / ".zattrs").write_text(json.dumps({"multiscales": [image]}))
    zarr.save_array(str(folder / "0"), array, chunks=(1, *array.shape[1:]))


def injure_metadata(folder: Path, kind: str, draw: random.Random) -> str:
    """Change a value of a zarr array's or group's metadata, or a piece of a header in text."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()]
    described = [p for p in files if p.name in (".zarray", ".zattrs", ".zgroup")]
    if described and draw.random() < 0.5:
        path = draw.choice(described)
        try:
            about = json.loads(path.read_text())
        except ValueError:
            return "nothing"
        box, key = _place(about, draw)
        if box is None:
            return "nothing"
        box[key] = draw.choice(VALUES)
        path.write_text(json.dumps(about))
        return f"{path.parent.name}/{path.name} {key}: {box[key]!r:.30}"
    path = draw.choice([p for p in files if p.suffix in (".nrrd", ".tif", ".gz", ".zip")] or [None])
    if path is None:
        return "nothing"
    content = path.read_bytes()
    word, reach = draw.choice(WORDS), min(len(content), 1500)
    pieces = content[:reach].split(b"\n")
    if len(pieces) > 3:  # lines of a header
        pieces[draw.randrange(1, len(pieces))] = word
        head = b"\n".join(pieces)
    else:
        start = draw.randrange(max(1, reach))
        head = content[:start] + word + content[start + len(word) : reach]
    path.write_bytes(head + content[reach:])
    return f"{path.name}: {word[:30]!r}"


def _place(about: object, draw: random.Random) -> tuple:
    places, waiting = [], [about]
    while waiting:
        box = waiting.pop()
        if isinstance(box, (dict, list)):
            keys = list(box) if isinstance(box, dict) else range(len(box))
            places += [(box, key) for key in keys]
            waiting += [box[key] for key in keys]
    return draw.choice(places) if places else (None, None)
