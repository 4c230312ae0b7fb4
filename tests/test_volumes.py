"""Volumes of every format: the same numbers as from .npy, read as they are asked for, and faults
of their metadata told before anything is decoded.
"""

import gzip
import json
import math
import os
import pickle
import resource
import time

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from helpers.data.datasets.manifest import Problem
from helpers.data.datasets.volumes import open_volume
from helpers.data.datasets.zarr_arrays import inspect

STACK = np.random.default_rng(0).integers(0, 60_000, (5, 12, 17)).astype(np.uint16)
VOXEL = (5.0, 1.17, 1.17)


def zarr_array(path, array=STACK):
    zarr.save_array(str(path), array)


def ome_zarr(path, array=STACK, axes="zyx", unit="micrometer", scale=VOXEL, inner="0"):
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    image = {
        "version": "0.4",
        "axes": [{"name": name, "type": "space", "unit": unit} for name in axes],
        "datasets": [
            {
                "path": inner,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1.0] * (len(axes) - 3) + list(scale)}
                ],
            }
        ],
    }
    (path / ".zattrs").write_text(json.dumps({"multiscales": [image]}))
    zarr_array(path / "0", array)


def ome_zarr_with_channel(path):
    ome_zarr(path, STACK[None, None], "tczyx")


def ome_tiff(path, **options):
    metadata = {f"PhysicalSize{a}": s for a, s in zip("ZYX", VOXEL)}
    metadata |= {f"PhysicalSize{a}Unit": "µm" for a in "ZYX"}
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX", **metadata}, ome=True, **options)


def imagej(path):
    about = {"axes": "ZYX", "spacing": VOXEL[0], "unit": "um"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(1 / 1.17, 1 / 1.17), metadata=about)


def pages(path):
    with tifffile.TiffWriter(path) as file:
        for plane in STACK:
            file.write(plane, compression="zlib", metadata=None)


def nrrd_file(path, encoding="gzip"):
    import nrrd

    header = {"space directions": np.diag(VOXEL[::-1]), "space units": ["microns"] * 3}
    header |= {"space dimension": 3, "encoding": encoding}
    nrrd.write(str(path), STACK, header, index_order="C")


def nifti(path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(STACK.T, np.eye(4))
    image.header.set_zooms(VOXEL[::-1])
    image.header.set_xyzt_units("micron")
    nibabel.save(image, path)


def folder(path):
    path.mkdir()
    for index, plane in enumerate(STACK):
        tifffile.imwrite(path / f"{index:03}.tif", plane, compression="zlib")


FORMATS = {
    "npy": ("v.npy", lambda path: np.save(path, STACK), None),
    "zarr": ("v.zarr", zarr_array, None),
    "OME-Zarr": ("v.ome.zarr", ome_zarr, VOXEL),
    "OME-Zarr, one channel": ("v.ome.zarr", ome_zarr_with_channel, VOXEL),
    "OME-TIFF": ("v.ome.tif", ome_tiff, VOXEL),
    "OME-TIFF, compressed": ("v.ome.tiff", lambda path: ome_tiff(path, compression="zlib"), VOXEL),
    "big-endian TIFF": ("v.tif", lambda p: tifffile.imwrite(p, STACK, byteorder=">"), None),
    "ImageJ": ("v.tif", imagej, VOXEL),
    "pages": ("v.tif", pages, None),
    "NRRD": ("v.nrrd", nrrd_file, VOXEL),
    "NRRD, raw": ("v.nrrd", lambda path: nrrd_file(path, "raw"), VOXEL),
    "NIfTI": ("v.nii", nifti, VOXEL),
    "NIfTI, packed": ("v.nii.gz", nifti, VOXEL),
    "folder": ("planes", folder, None),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_numbers(kind, tmp_path):
    name, write, voxel = FORMATS[kind]
    write(tmp_path / name)
    volume = open_volume(tmp_path / name)
    assert (volume.shape, volume.dtype.kind, len(volume)) == (STACK.shape, "u", 5)
    assert np.array_equal(np.asarray(volume), STACK)
    for index in (
        2,
        -1,
        (slice(1, 4), 3),
        (..., 4),
        (slice(None, None, 2), slice(3, 9, 2)),
        (4, 5, 6),
    ):
        assert np.array_equal(volume[index], STACK[index]), index
    assert volume[5:].shape[0] == 0
    if voxel is None:
        assert volume.pixel_size_um is None
    else:
        assert np.allclose(volume.voxel_size_um, voxel, rtol=1e-4)
        assert volume.pixel_size_um == pytest.approx(1.17, rel=1e-4)


def test_volumes_travel_to_other_processes(tmp_path):
    for name, write, _ in FORMATS.values():
        if not (tmp_path / name).exists() and "nii" not in name:
            write(tmp_path / name)
            copy = pickle.loads(pickle.dumps(open_volume(tmp_path / name)))
            assert np.array_equal(copy[3], STACK[3])


def test_a_single_image_is_one_plane(tmp_path):
    Image.fromarray(STACK[0].astype(np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    zarr_array(tmp_path / "a.zarr", STACK[0])
    for name in ("a.png", "a.tif", "a.zarr"):
        volume = open_volume(tmp_path / name)
        assert volume.shape == (1, 12, 17)
        assert np.array_equal(volume[0].astype(np.uint8), STACK[0].astype(np.uint8))


def test_planes_are_read_one_by_one(tmp_path):
    """A plane of a stack that would not fit into 200 MB is had with less."""
    stack = np.lib.format.open_memmap(tmp_path / "v.npy", "w+", np.uint8, (3000, 1000, 1000))
    stack[1234] = 7
    stack.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (open_volume(tmp_path / "v.npy")[1234] == 7).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("index", [5, -6, (0, 0, 0, 0), (slice(None, None, -1),)])
def test_indices_that_are_not_there(index, tmp_path):
    np.save(tmp_path / "v.npy", STACK)
    with pytest.raises(IndexError):
        open_volume(tmp_path / "v.npy")[index]


# ---------------------------------------------------------------------------- faults


def raw_nrrd(*lines, data=b""):
    head = ["NRRD0004", "type: uint8", "dimension: 3", *lines, "", ""]
    return "\n".join(head).encode() + data


def nifti_with(**fields):
    def write(path):
        nibabel = pytest.importorskip("nibabel")
        header = nibabel.Nifti1Header()
        header.set_data_dtype(fields.get("dtype", np.uint8))
        header.set_data_shape(fields.get("shape", (3, 3, 3)))
        header["magic"] = b"n+1"
        header["vox_offset"] = fields.get("offset", 352)
        path.write_bytes(bytes(header.binaryblock) + bytes(4) + bytes(fields.get("bytes", 27)))

    return write


def with_codec(codec):
    def write(path):
        ome_zarr(path)
        about = json.loads((path / "0/.zarray").read_text())
        (path / "0/.zarray").write_text(json.dumps({**about, "compressor": {"id": codec}}))

    return write


def laughs(path):
    """OME metadata whose entities would grow to gigabytes."""
    rows = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{rows}]><OME>&l9;</OME>'
    tifffile.imwrite(path, STACK, description=text, metadata=None)


def two_channels(path):
    tifffile.imwrite(path, np.stack([STACK, STACK]), metadata={"axes": "CZYX"}, ome=True)


FAULTS = {
    "data elsewhere": (
        "v.nrrd",
        lambda p: p.write_bytes(
            raw_nrrd("sizes: 4 4 4", "encoding: raw", "data file: /etc/passwd")
        ),
        "data lie in another file",
    ),
    "declared": (
        "v.nrrd",
        lambda p: p.write_bytes(raw_nrrd("sizes: 99999 99999 999", "encoding: gzip")),
        "a declared size of 999 × 99999 × 99999",
    ),
    "short": (
        "v.nrrd",
        lambda p: p.write_bytes(raw_nrrd("sizes: 4 4 4", "encoding: raw", data=bytes(9))),
        "fewer bytes",
    ),
    "encoding": (
        "v.nrrd",
        lambda p: p.write_bytes(raw_nrrd("sizes: 4 4 4", "encoding: hex")),
        "the encoding hex",
    ),
    "no header": ("v.nrrd", lambda p: p.write_bytes(bytes(100)), "cannot be read"),
    "NIfTI declared": ("v.nii", nifti_with(shape=(32767, 32767, 32767)), "a declared size"),
    "NIfTI short": ("v.nii", nifti_with(bytes=3), "fewer bytes"),
    "NIfTI far": ("v.nii", nifti_with(offset=1e9), "fewer bytes"),
    "NIfTI colours": (
        "v.nii",
        nifti_with(dtype=np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])),
        "type",
    ),
    "NIfTI none": ("v.nii", lambda p: p.write_bytes(bytes(400)), "another header"),
    "pickle": ("v.ome.zarr", with_codec("pickle"), "the codec 'pickle'"),
    "leaves": ("v.ome.zarr", lambda p: ome_zarr(p, inner="../../etc"), "an array inside"),
    "axes": ("v.ome.zarr", lambda p: ome_zarr(p, axes="xyz"), "axes x, y, z"),
    "channels": ("v.ome.zarr", lambda p: ome_zarr(p, np.stack([STACK] * 2), "czyx"), "channel"),
    "no image": (
        "v.zarr",
        lambda p: (p.mkdir(), (p / ".zgroup").write_text("{}")),
        "a group without an image",
    ),
    "laughs": ("v.ome.tif", laughs, ""),
    "channels of a TIFF": ("v.ome.tif", two_channels, "several channels"),
    "colours": ("v.tif", lambda p: tifffile.imwrite(p, np.zeros((9, 9, 3), np.uint8)), "colours"),
    "empty": ("v.tif", lambda p: p.write_bytes(b""), "cannot be read"),
    "nothing": ("planes", lambda p: p.mkdir(), "a folder without images"),
    "other": ("v.mha", lambda p: p.write_bytes(b"x"), "the file type .mha"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_before_anything_is_decoded(fault, tmp_path):
    name, write, words = FAULTS[fault]
    write(tmp_path / name)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        open_volume(tmp_path / name, "image")
    except Problem as problem:
        assert words in str(problem)
    else:
        assert not words  # what harms nobody may be read
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_a_packed_volume_is_unpacked_no_further_than_declared(tmp_path):
    data = gzip.compress(bytes(2**30), 1)
    (tmp_path / "v.nrrd").write_bytes(raw_nrrd("sizes: 4 4 4", "encoding: gzip", data=data))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert open_volume(tmp_path / "v.nrrd")[:].shape == (4, 4, 4)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_chunks_that_are_not_there_are_told(tmp_path):
    array = zarr.open(str(tmp_path / "v.zarr"), "w", shape=(4, 8, 8), chunks=(1, 8, 8), dtype="u1")
    array[0] = 1
    (problem,) = open_volume(tmp_path / "v.zarr").warnings
    assert "3 of 4 chunks missing" in str(problem)


@pytest.mark.parametrize(
    "scale",
    [(0.0, 1, 1), (5, -1.17, 1.17), (5, 1, math.inf), (math.nan, 1, 1), (1, 1), (1, 1, 1, 1)]
    + [(True, 1, 1), ("5", 1, 1), (None, 1, 1), (10**400, 1, 1), ([1], 1, 1)],
)
def test_a_scale_that_is_no_size_is_refused(tmp_path, scale):
    ome_zarr(tmp_path / "v.zarr", scale=scale)
    with pytest.raises(Problem, match="the scale .*expected 3 finite numbers above 0"):
        inspect(tmp_path / "v.zarr", "image")


def test_a_scale_of_the_whole_image_is_looked_at_too(tmp_path):
    ome_zarr(tmp_path / "v.zarr")
    about = tmp_path / "v.zarr" / ".zattrs"
    content = json.loads(about.read_text())
    step = {"type": "scale", "scale": [1, 2, 2]}
    content["multiscales"][0]["coordinateTransformations"] = [step]
    about.write_text(json.dumps(content))
    assert inspect(tmp_path / "v.zarr", "image").voxel_size_um == (5.0, 2.34, 2.34)
    step["scale"] = [1, 0, 2]
    about.write_text(json.dumps(content))
    with pytest.raises(Problem, match="the scale"):
        inspect(tmp_path / "v.zarr", "image")


@pytest.mark.parametrize("axes", ["yyx", "xyx", "yxyx"])
def test_axes_differ(tmp_path, axes):
    ome_zarr(tmp_path / "v.zarr", axes=axes)
    with pytest.raises(Problem, match="expected axes that all differ"):
        inspect(tmp_path / "v.zarr", "image")


@pytest.mark.parametrize("shape", [(0, 12, 17), (5, 0, 17), (5, 12, 0)])
def test_a_volume_without_voxels_is_refused(shape, tmp_path):
    np.save(tmp_path / "v.npy", np.zeros(shape, np.uint8))
    with pytest.raises(Problem, match="v.npy: found .*expected at least one plane"):
        open_volume(tmp_path / "v.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "v.npy")
    with pytest.raises(Problem, match="v.npy: found a pipe or a device"):
        open_volume(tmp_path / "v.npy")
