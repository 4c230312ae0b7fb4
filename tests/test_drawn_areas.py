"""Areas drawn in other programs: ImageJ's ROIs, written here byte by byte, and napari's labels."""

import struct
import time
import zipfile

import numpy as np
import pytest
import tifffile
import zarr
from skimage.draw import polygon

from helpers.book import open_run
from helpers.data.datasets import DatasetError, open_microct
from helpers.data.datasets.imagej_rois import filled
from helpers.tissue.stages import slices

POLYGON, RECTANGLE, OVAL, LINE, FREEHAND = 0, 1, 2, 3, 7


def roi(kind, box, corners=(), name="", floats=False, parts=0):
    """A ROI as ImageJ's RoiEncoder lays it out; box is top, left, bottom, right, corners (x, y)."""
    top, left, *_ = box
    n = len(corners)
    header = bytearray(64)
    header[:4] = b"Iout"
    struct.pack_into(">hBx", header, 4, 228, kind)
    struct.pack_into(">4hH", header, 8, *box, n)
    struct.pack_into(">i", header, 36, parts)
    struct.pack_into(">h", header, 50, 128 if floats else 0)
    places = [int(x) - left for x, _ in corners] + [int(y) - top for _, y in corners]
    body = struct.pack(f">{2 * n}h", *places)
    if floats:
        body += struct.pack(f">{2 * n}f", *(x for x, _ in corners), *(y for _, y in corners))
    second = 64 + len(body)
    struct.pack_into(">i", header, 60, second if name else 0)
    after = bytearray(64)
    struct.pack_into(">2i", after, 16, second + 64, len(name))
    return bytes(header) + body + (bytes(after) + name.encode("utf-16-be") if name else b"")


def box_of(top, left, bottom, right):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


LEFT, RIGHT = (20, 20, 180, 200), (20, 200, 180, 380)


def with_rois(folder, rois):
    """The folder's training slice, with its areas drawn."""
    with zipfile.ZipFile(folder.folder / "z0_rois.zip", "w") as archive:
        for name, content in rois.items():
            archive.writestr(f"{name}.roi", content)
    first, *others = folder.manifest["slices"]
    return folder(slices=[{**first, "areas": "z0_rois.zip"}, *others])


@pytest.mark.parametrize(
    "right",
    [
        roi(RECTANGLE, RIGHT),
        roi(POLYGON, RIGHT, box_of(*RIGHT)),
        roi(FREEHAND, RIGHT, [(x + 0.2, y - 0.2) for x, y in box_of(*RIGHT)], floats=True),
    ],
)
def test_rois_of_imagej_are_the_label_map_that_they_outline(two_area_folder, right):
    wanted = open_microct(two_area_folder.folder).slices("train")[0].areas
    path = with_rois(two_area_folder, {"LEFT": roi(POLYGON, LEFT, box_of(*LEFT)), "Right-1": right})
    found = open_microct(path).slices("train")[0].areas
    assert np.array_equal(found, wanted) and (wanted == 2).sum() == 160 * 180


def test_the_name_inside_a_roi_and_labels_count_and_later_ones_lie_on_top(two_area_folder):
    diamond = [(200, 70), (230, 100), (200, 130), (170, 100)]
    rois = {
        "0001-0100": roi(RECTANGLE, LEFT, name="left"),
        "0002-0100": roi(RECTANGLE, RIGHT, name="5"),
        "0003-0100": roi(POLYGON, (70, 170, 130, 230), diamond, name="Right"),
    }
    path = with_rois(two_area_folder, rois)
    found = open_microct(path).slices("train")[0].areas
    rows, columns = np.indices(found.shape) + 0.5  # the centres of pixels
    inside = np.abs(rows - 100) + np.abs(columns - 200) < 30
    assert (found[inside] == 2).all() and (found[100, 168], found[72, 190]) == (1, 1)


def test_a_single_oval(two_area_folder):
    (two_area_folder.folder / "z0.roi").write_bytes(roi(OVAL, LEFT, name="left"))
    *others, last = two_area_folder.manifest["slices"]
    found = open_microct(two_area_folder(slices=[*others, {**last, "areas": "z0.roi"}]))
    area = (found.slices("test")[0].areas == 1).sum()
    assert area == pytest.approx(np.pi * 80 * 90, rel=0.005)


@pytest.mark.parametrize(
    ("rois", "said"),
    [
        ({"left": roi(LINE, LEFT)}, "a line, points, or made of several parts"),
        ({"left": roi(POLYGON, LEFT, box_of(*LEFT), parts=40)}, "made of several parts"),
        ({"left": roi(POLYGON, LEFT, box_of(*LEFT))[:70]}, "left.roi: unpack_from requires"),
        ({"left": b"PK and so on"}, "does not begin as a ROI of ImageJ"),
        ({"left": roi(FREEHAND, LEFT, box_of(*LEFT)[:2])}, "it has 2 corners"),
        ({"barrel": roi(RECTANGLE, LEFT)}, "a ROI 'barrel'; expected ROIs called left, Right"),
        ({"left": roi(RECTANGLE, (500, 500, 600, 600))}, "no pixel in the image"),
        ({"left": roi(RECTANGLE, (20, 200, 180, 20))}, "a damaged ROI, whose box ends"),
        ({"left": roi(OVAL, (180, 20, 20, 200))}, "a damaged ROI, whose box ends"),
        ({"left": roi(POLYGON, (20, 200, 180, 20), box_of(*LEFT))}, "a damaged ROI, whose"),
        ({}, "an archive of 0 ROIs"),
        ({"left": bytes(2**22 + 1)}, "an archive of 1 ROIs; expected 1 to 5000 ROIs of at most"),
    ],
)
def test_what_is_no_area_is_said(two_area_folder, rois, said):
    with pytest.raises(DatasetError) as error:
        open_microct(with_rois(two_area_folder, rois))
    assert said in str(error.value) and "slices[0].areas" in str(error.value)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint16])
@pytest.mark.parametrize("ending", ["tif", "zarr"])
def test_labels_as_napari_saves_them(two_area_folder, ending, kind):
    """A labels layer is whole numbers of any width: `File > Save`, or an array in zarr."""
    wanted = open_microct(two_area_folder.folder).slices("train")[0].areas
    path = two_area_folder.folder / f"Labels.{ending}"
    labels = two_area_folder.areas.astype(kind)
    if ending == "zarr":
        zarr.save_array(str(path), labels)
    else:
        tifffile.imwrite(path, labels, compression="zlib")
    first, *others = two_area_folder.manifest["slices"]
    data = open_microct(two_area_folder(slices=[{**first, "areas": path.name}, *others]))
    assert np.array_equal(data.slices("train")[0].areas, wanted)


@pytest.mark.parametrize(
    ("areas", "values", "kind"),
    [
        ({1: "left", 5: "Right"}, (1, 5), np.uint8),
        ({5: "Right", 1: "left", 7: "left"}, (1, 5), np.uint8),
        ({1: "left", 5: "Right", 700: "left"}, (1, 5), np.uint8),
        ({5: "left", 1: "Right", 70_000: "Right"}, (5, 1), np.uint8),
        ({70_000: "left", 300: "Right", 1: "left", 5: "Right"}, (70_000, 300), np.int32),
        ({999: "left", 5: "Right", 1: "left"}, (999, 5), np.uint16),
    ],
)
def test_maps_come_out_with_the_users_own_label_values(
    two_area_folder, tmp_path, areas, values, kind
):
    first = two_area_folder.manifest["slices"][0]
    every = np.zeros_like(two_area_folder.areas, np.int32)
    every[20:180, 20:380] = np.array(list(areas))[np.arange(360) % len(areas)]
    tifffile.imwrite(two_area_folder.folder / "every.tif", every)
    others = [{**entry, "areas": "every.tif"} for entry in two_area_folder.manifest["slices"][1:]]
    data = open_microct(two_area_folder(areas=areas, slices=[first, *others]))
    assert [data.labels[name] for name in data.areas] == list(values)
    piece = data.slices("test")[0]
    predicted = np.ones(piece.image.shape, np.uint8)
    predicted[:50], predicted[100:] = 0, 2
    result = slices.AreaMap(piece, predicted, predicted, predicted > 0)
    run = open_run(tmp_path / "run", "02_area_classifier", microct=data.path)
    slices.save_area_maps(run, [result])
    assert not (run.path / "artifacts" / "own_labels_z120.tif").exists()
    slices.save_area_maps(run, [result], own_labels=True)
    plain = tifffile.imread(run.path / "artifacts" / "area_map_z120.tif")
    assert np.array_equal(plain, predicted) and plain.dtype == np.uint8
    with tifffile.TiffFile(run.path / "artifacts" / "own_labels_z120.tif") as file:
        own, about = file.asarray(), file.pages[0].description
    assert own.dtype == kind and (own[0, 0], own[60, 0], own[150, 0]) == (0, *values)
    assert f'"{values[0]}": "left", "{values[1]}": "Right"' in about


@pytest.mark.parametrize("seed", range(60))
def test_an_outline_is_filled_as_pixel_by_pixel(seed):
    random = np.random.default_rng(seed)
    corners = random.uniform(-20, 60, (2, random.integers(3, 30)))
    if seed % 3:  # the corners of pixels, or of quarters of them, with edges that lie on rows
        corners = np.round(corners * (seed % 3)) / (seed % 3) - 0.5
    found = np.zeros((40, 47), int)
    rows, columns = filled(*corners, found.shape)
    found[rows, columns] = 1
    expected = np.zeros_like(found)
    expected[polygon(*corners, found.shape)] = 1
    assert len(rows) == found.sum()
    differ = np.argwhere(found != expected)
    for y, x in differ:  # only centres that lie on the outline itself may fall to either side
        ends = np.stack([corners, np.roll(corners, -1, 1)]) - [[[y], [x]]]
        side = ends[0, 0] * ends[1, 1] - ends[0, 1] * ends[1, 0]
        assert ((abs(side) < 1e-9) & ((ends[0] * ends[1]).sum(0) <= 1e-9)).any(), (y, x)
    if not seed % 3:
        assert not len(differ)


@pytest.mark.parametrize(
    "y, x", [([-9, -5, -7], [0, 3, 5]), ([1, 5, 9], [90, 99, 95]), ([2, 2], [1, 8])]
)
def test_an_outline_outside_of_the_image_has_no_pixels(y, x):
    assert filled(np.array(y), np.array(x), (20, 30))[0].size == 0
    assert (
        filled(np.array([5e30, -5e30, 3.0]), np.array([-5e30, 3.0, 5e30]), (20, 30))[0].size < 601
    )


def test_an_outline_of_a_whole_slice_takes_no_time():
    angle = np.linspace(0, 2 * np.pi, 3000, endpoint=False)
    y, x = 710 + 700 * np.sin(angle), 2900 + 2800 * np.cos(angle)
    begin = time.process_time()
    rows, columns = filled(y, x, (1420, 5805))
    assert time.process_time() - begin < 3  # corner by corner, over a minute
    assert abs(len(rows) / (np.pi * 700 * 2800) - 1) < 1e-3
    with pytest.raises(ValueError, match="crosses rows"):
        filled(np.tile([0, 1420], 3000), np.arange(6000.0), (1420, 5805))
