"""The BossDB download, against a server on this machine that speaks the archive's protocol."""

import json
import re

import numpy as np
import pytest
import yaml
from local_server import Fault, nobody, serve

from helpers.data import datasets, folders
from helpers.data.sources import bossdb, bossdb_volume
from helpers.data.sources.download import NotThere, Patience, Unreachable, WrongContent

blosc = pytest.importorskip("blosc")
pytest.importorskip("intern")

DEPTH, HEIGHT, WIDTH = 470, 140, 1120
QUICK = Patience(timeout=0.5, attempts=3, wait=0.01)
CUTOUT = re.compile(r"/v1/cutout/prasad/prasad2020/(\w+)/0/(\d+):(\d+)/(\d+):(\d+)/(\d+):(\d+)/")


def plane(channel, z):
    """One slice of the pretended volume; labels 1 to 8 in vertical bands, a border without."""
    if channel == "image":
        return np.random.default_rng(z).integers(1, 255, (HEIGHT, WIDTH)).astype(np.uint8)
    labels = np.repeat(np.arange(1, 9, dtype=np.uint64), WIDTH // 8)[None].repeat(HEIGHT, 0)
    labels[:, :3] = 0
    return labels


def boss(path):
    """What the archive answers: resources as JSON, cut-outs as blosc-compressed raw bytes in z, y,
    x order.
    """
    found = CUTOUT.match(path)
    if found:
        channel, (x0, x1, y0, y1, z0, z1) = found[1], map(int, found.groups()[1:])
        assert z1 == z0 + 1
        return blosc.compress(
            np.ascontiguousarray(plane(channel, z0)[y0:y1, x0:x1]).tobytes(), typesize=8
        )
    resources = {
        "/v1/collection/prasad/experiment/prasad2020/channel/image": {
            "name": "image",
            "datatype": "uint8",
            "type": "image",
        },
        "/v1/collection/prasad/experiment/prasad2020/channel/region_of_interest": {
            "name": "region_of_interest",
            "datatype": "uint64",
            "type": "annotation",
        },
        "/v1/collection/prasad/experiment/prasad2020": {
            "name": "prasad2020",
            "coord_frame": "frame",
        },
        "/v1/coord/frame": {
            "name": "frame",
            "x_start": 0,
            "x_stop": WIDTH,
            "y_start": 0,
            "y_stop": HEIGHT,
            "z_start": 0,
            "z_stop": DEPTH,
        },
    }
    found = resources.get(path.rstrip("/"))
    return json.dumps(found).encode() if found else None


@pytest.fixture(autouse=True)
def no_home(tmp_path, monkeypatch):
    """The download must neither need nor touch the user's home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(bossdb, "CHUNK", 448)
    yield
    assert list(home.iterdir()) == []


@pytest.fixture
def registry(tmp_path):
    def write(address, **changes):
        volume = {
            "host": address,
            "protocol": "http",
            "token": "public",
            "collection": "prasad",
            "experiment": "prasad2020",
            "image": "image",
            "areas": "region_of_interest",
            "shape": [DEPTH, HEIGHT, WIDTH],
            "pixel_size_um": 1.17,
            **changes,
        }
        path = tmp_path / "registry.yml"
        path.write_text(yaml.safe_dump({"bossdb": {"thalamocortical": volume}}))
        return path

    return write


def test_slices_arrive_as_a_microct_dataset(tmp_path, registry):
    with serve(boss) as archive:
        out = bossdb.fetch(tmp_path / "out", patience=QUICK, registry=registry(archive.address))
        dataset = datasets.open_microct(out)
        assert dataset.areas == ("Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI")
        assert (
            dataset.name == "thalamocortical-xray"
            and dataset.pixel_size_um == 1.17
            and not dataset.is_phantom
        )
        assert [(s.z, s.role) for s in dataset.slices()] == [
            (159, "train"),
            (209, "validation"),
            (259, "test"),
            (359, "test"),
        ]
        for s in dataset.slices():
            np.testing.assert_array_equal(np.rint(s.image * 255), plane("image", s.z))
            # archive: 1 cortex, 2 striatum, 3 TRN, 4 VP, 5 ZI, 6 internal capsule, 7 hypothalamus,
            # 8 corpus callosum
            expected = np.array([0, 1, 3, 0, 4, 6, 5, 2, 5], np.uint8)[
                plane("region_of_interest", s.z)
            ]
            np.testing.assert_array_equal(s.areas, expected)
        assert sorted(p.name for p in out.iterdir()) == ["dataset.yml", "source.yml"] + sorted(
            f"z{z}{s}.tif" for z in (159, 209, 259, 359) for s in ("", "_areas")
        )
        asked = len(archive.requests)
        bossdb.fetch(out, patience=QUICK, registry=registry(archive.address))
        assert (
            len([r for r in archive.requests[asked:] if "cutout" in r[0]]) == 0
        )  # the same request again does no work


def test_other_slices_can_be_added_and_those_without_annotation_have_no_labels(tmp_path, registry):
    with serve(boss) as archive:
        path = registry(archive.address)
        bossdb.fetch(tmp_path / "out", {159: "train"}, patience=QUICK, registry=path)
        asked = len(archive.asked("cutout"))
        bossdb.fetch(tmp_path / "out", [159, 309, 310], patience=QUICK, registry=path)
        assert all("/159:160/" not in request[0] for request in archive.asked("cutout")[asked:])
    entries = yaml.safe_load((tmp_path / "out" / "dataset.yml").read_text())["slices"]
    assert entries == [
        {"z": 159, "role": "train", "image": "z159.tif", "areas": "z159_areas.tif"},
        {"z": 309, "role": "test", "image": "z309.tif", "areas": "z309_areas.tif"},
        {"z": 310, "role": "test", "image": "z310.tif"},
    ]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(body=b"<html>maintenance</html>"),
        Fault(sleep=0.8),
        Fault(body=blosc.compress(b"\0" * 100, typesize=1)),
        Fault(body=b"x" * 500, cut=20),
    ],
    ids=["503", "429", "HTML", "timeout", "too short", "cut off"],
)
def test_a_passing_fault_is_tried_again(tmp_path, registry, fault):
    faults = [fault]

    def answer(path):
        return faults.pop() if faults and "/cutout/" in path else boss(path)

    with serve(answer) as archive:
        bossdb.fetch(tmp_path / "out", [159], patience=QUICK, registry=registry(archive.address))
        assert (
            not faults and len(archive.asked("cutout")) == 2 * 3 + 1
        )  # 1120 columns in chunks of 448, twice; one again
    image = datasets.open_microct(tmp_path / "out").slices()[0].image
    np.testing.assert_array_equal(np.rint(image * 255), plane("image", 159))


def test_an_interrupted_download_resumes_at_the_chunk(tmp_path, registry):
    def fails_late(path):
        return Fault(status=500) if "/image/0/896:1120/" in path else boss(path)

    with serve(fails_late) as archive:
        with pytest.raises(
            Unreachable,
            match=r"image, z = 159, x = 896 to 1120.*answers 500.*tried 3 times.*the same command",
        ):
            bossdb.fetch(
                tmp_path / "out", [159], patience=QUICK, registry=registry(archive.address)
            )
        archive.answer = boss
        before = len(archive.requests)
        bossdb.fetch(tmp_path / "out", [159], patience=QUICK, registry=registry(archive.address))
        again = [
            path
            for path, _ in archive.requests[before:]
            if "/cutout/prasad/prasad2020/image" in path
        ]
        assert len(again) == 1 and "/896:1120/" in again[0]


def test_no_network_and_no_such_experiment_are_different_errors(tmp_path, registry):
    with pytest.raises(Unreachable, match=r"no answer \(ConnectionError\); is there a network"):
        bossdb.fetch(tmp_path / "a", patience=QUICK, registry=registry(nobody()))
    with (
        serve(boss) as archive,
        pytest.raises(NotThere, match="answers 404: there is no such thing"),
    ):
        path = registry(archive.address, experiment="prasad1999")
        bossdb.fetch(tmp_path / "b", patience=QUICK, registry=path)


def test_a_changed_volume_or_empty_annotation_is_refused(tmp_path, registry):
    with serve(boss) as archive:
        with pytest.raises(
            WrongContent,
            match=r"is now \[470, 140, 1120\] \(z, y, x\); expected \[720, 1420, 5805\]",
        ):
            bossdb.fetch(
                tmp_path / "a",
                [159],
                patience=QUICK,
                registry=registry(archive.address, shape=[720, 1420, 5805]),
            )

        def blank(path):
            found = CUTOUT.match(path)
            if not found or found[1] == "image":
                return boss(path)
            return blosc.compress(bytes(8 * HEIGHT * (int(found[3]) - int(found[2]))), typesize=8)

        archive.answer = blank
        with pytest.raises(WrongContent, match="annotation of this slice is empty"):
            bossdb.fetch(tmp_path / "b", [159], patience=QUICK, registry=registry(archive.address))


def test_what_lies_there_is_not_overwritten(tmp_path, registry):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(folders.OutputError, match="was not made by `brainbook fetch`"):
        bossdb.fetch(tmp_path / "mine", force=True, registry=registry("127.0.0.1:9"))
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    folders.claim(tmp_path / "other", "allen")
    with pytest.raises(folders.OutputError, match="holds data from allen; asked for bossdb"):
        bossdb.fetch(tmp_path / "other", registry=registry("127.0.0.1:9"))


def test_a_damaged_file_is_fetched_again_and_force_fetches_everything(tmp_path, registry):
    with serve(boss) as archive:
        path = registry(archive.address)
        out = bossdb.fetch(tmp_path / "out", [159], patience=QUICK, registry=path)
        (out / "z159.tif").write_bytes(b"damaged")
        before = len(archive.asked("cutout"))
        bossdb.fetch(out, [159], patience=QUICK, registry=path)
        assert len(archive.asked("cutout")) == before + 3
        bossdb.fetch(out, [159], patience=QUICK, registry=path, force=True)
        assert len(archive.asked("cutout")) == before + 3 + 6
    datasets.open_microct(out)


@pytest.mark.parametrize(
    "slices, message",
    [
        ([5000], "slice 5000 is outside the volume; expected 0 to 469"),
        ([], "no slices asked for"),
        ({159: "training"}, "role 'training'; expected train, validation or test"),
    ],
)
def test_wrong_requests_are_explained(tmp_path, registry, slices, message):
    with pytest.raises(ValueError, match=message):
        bossdb.fetch(tmp_path / "out", slices, registry=registry("127.0.0.1:9"))
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- the whole volume


def cube(z0, z1):
    """Planes of the pretended volume's image."""
    return np.stack([plane("image", z) for z in range(z0, z1)])


def boss_of_chunks(path):
    """As `boss`, but cut-outs may be several planes deep."""
    found = CUTOUT.match(path)
    if not found:
        return boss(path)
    x0, x1, y0, y1, z0, z1 = map(int, found.groups()[1:])
    part = cube(z0, z1)[:, y0:y1, x0:x1]
    return blosc.compress(np.ascontiguousarray(part).tobytes(), typesize=8)


@pytest.fixture
def small_volume(monkeypatch):
    """A pretended volume of 20 planes in twelve chunks."""
    monkeypatch.setattr("test_sources_bossdb.DEPTH", 20, raising=False)
    monkeypatch.setitem(globals(), "DEPTH", 20)
    monkeypatch.setattr(bossdb_volume, "CHUNK", (16, 100, 512))


def test_the_volume_arrives_as_zarr_and_is_not_fetched_twice(tmp_path, registry, small_volume):
    import zarr

    from helpers.data.datasets.volumes import open_volume

    with serve(boss_of_chunks) as archive:
        facts = {"patience": QUICK, "registry": registry(archive.address)}
        out = bossdb_volume.fetch_volume(tmp_path / "out", **facts)
        assert np.array_equal(zarr.open_array(str(out / "0"), mode="r")[:], cube(0, 20))
        volume = open_volume(out)
        assert volume.shape == (20, HEIGHT, WIDTH)
        assert volume.voxel_size_um == pytest.approx((1.17,) * 3)
        asked = len(archive.requests)
        bossdb_volume.fetch_volume(tmp_path / "out", **facts)
        assert len(archive.requests) == asked
        # a damaged chunk and one that was not noted are fetched again, and only they
        (out / "0" / "0" / "1" / "1").write_bytes(b"half")
        notes = (tmp_path / "out" / "image.sha256").read_text().splitlines()
        (tmp_path / "out" / "image.sha256").write_text("\n".join([*notes[:-1], notes[-1][:30]]))
        before = cutouts(archive)
        bossdb_volume.fetch_volume(tmp_path / "out", **facts)
        assert cutouts(archive) - before == 2
        assert np.array_equal(zarr.open_array(str(out / "0"), mode="r")[:], cube(0, 20))


def cutouts(archive):
    return sum("/cutout/" in request for request in map(str, archive.requests))


def test_an_interrupted_volume_goes_on(tmp_path, registry, small_volume, monkeypatch):
    calls = []

    def ending(path):
        if "/cutout/" in path:
            calls.append(path)
            if len(calls) > 5:
                return None
        return boss_of_chunks(path)

    with serve(ending) as archive, pytest.raises(NotThere):
        bossdb_volume.fetch_volume(
            tmp_path / "out", patience=QUICK, registry=registry(archive.address)
        )
    with serve(boss_of_chunks) as archive:
        bossdb_volume.fetch_volume(
            tmp_path / "out", patience=QUICK, registry=registry(archive.address)
        )
        assert cutouts(archive) == 12 - 5


def test_the_room_that_a_volume_needs_is_said_first(tmp_path, registry, small_volume, monkeypatch):
    import shutil

    few = shutil._ntuple_diskusage(10, 9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: few)
    with serve(boss_of_chunks) as archive, pytest.raises(OSError, match="12 chunks"):
        bossdb_volume.fetch_volume(
            tmp_path / "out", patience=QUICK, registry=registry(archive.address)
        )
    assert cutouts(archive) == 0
