"""The Allen download, against a server on this machine that speaks the archive's protocol.

Volumes are a tenth of the real size, except in one test.
"""

import hashlib
import io
import json
import shutil
import tracemalloc
import zipfile

import numpy as np
import pytest
import yaml
from local_server import Fault, nobody, serve

from helpers.data import ccf, datasets, folders
from helpers.data.sources import allen, allen_volume, download
from helpers.data.sources.download import (
    DownloadError,
    NotThere,
    Patience,
    Unreachable,
    WrongContent,
)

pytest.importorskip("allensdk")
pytest.importorskip("SimpleITK")

QUICK = Patience(timeout=0.5, attempts=3, wait=0.01)
FULL_SHAPE, FULL_COLUMNS, FULL_SECTION = ccf.VOLUME_SHAPE, ccf.COLUMNS, ccf.SECTION
IDS = {"SSp": 322, "HPF": 1089, "STR": 477, "TH": 549, "HY": 1097, "RSP": 254}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(ccf, "VOLUME_SHAPE", (52, 32, 46))
    monkeypatch.setattr(ccf, "COLUMNS", slice(1, 45))
    monkeypatch.setattr(ccf, "SECTION", 28)


@pytest.fixture(autouse=True)
def no_home(tmp_path, monkeypatch):
    """The download must not touch the user's home, nor the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    yield
    assert list(home.iterdir()) == []


def annotation():
    """A brain a little above the middle of the section, its inner part cut into the six regions
    (children carry the labels).
    """
    labels = np.zeros(ccf.VOLUME_SHAPE, np.uint32)
    _, rows, columns = ccf.VOLUME_SHAPE
    section = labels[ccf.SECTION]
    section[2 : 3 * rows // 4, 2 : columns - 2] = 997
    for i, number in enumerate(IDS.values()):
        section[4 : 3 * rows // 4 - 2, (i + 1) * columns // 8 : (i + 2) * columns // 8] = (
            number + 5000
        )
    return labels


def red(number):
    """The red channel of one experiment, (AP, DV, ML): bright where the annotation has tissue,
    brighter by number.
    """
    volume = np.zeros(ccf.VOLUME_SHAPE, np.uint16)
    noise = np.random.default_rng(number).integers(0, 40, ccf.VOLUME_SHAPE[1:])
    volume[ccf.SECTION] = (annotation()[ccf.SECTION] > 0) * (100 + 10 * (number % 10)) + noise
    return volume


def packed(volume, prefix="resampled_", channels=("red", "green", "blue")):
    """The archive's zip: MetaImage headers and raw data, the first axis running fastest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for channel in channels:
            data = volume if channel == "red" else volume[:1, :1, :1]
            kind = {"uint16": "MET_USHORT", "uint8": "MET_UCHAR"}[str(data.dtype)]
            archive.writestr(
                f"{prefix}{channel}.mhd",
                f"ObjectType = Image\nNDims = 3\nDimSize = {' '.join(map(str, data.shape))}\n"
                f"ElementType = {kind}\nElementDataFile = {prefix}{channel}.raw\n",
            )
            archive.writestr(f"{prefix}{channel}.raw", data.transpose().tobytes())
    return buffer.getvalue()


class Allen:
    """The answers of the archive; ``zips`` may be replaced, ``faults`` are used up first."""

    def __init__(self, numbers):
        import nrrd

        self.numbers, self.zips, self.faults = numbers, {}, {}
        with io.BytesIO() as stream:
            nrrd.write(stream, annotation(), {"encoding": "gzip"}, compression_level=1)
            self.annotation = stream.getvalue()
        structures = [
            {
                "id": number,
                "acronym": name,
                "children": [{"id": number + 5000, "acronym": name + "1", "children": []}],
            }
            for name, number in IDS.items()
        ]
        self.graph = json.dumps(
            {"success": True, "msg": [{"id": 997, "acronym": "root", "children": structures}]}
        ).encode()

    def __call__(self, path):
        for part, faults in self.faults.items():
            if part in path and faults:
                return faults.pop(0)
        if "ApiConnectivity" in path:
            return self._rows(
                [
                    {
                        "data_set_id": n,
                        "transgenic_line": None,
                        "injection_structures": "385/394",
                        "structure_id": 385,
                        "storage_directory": "/x/",
                    }
                    for n in reversed(self.numbers)
                ]
            )
        if "WellKnownFile" in path:
            number = int(path.split("attachable_id$eq")[1].split("]")[0].split("%5D")[0])
            return self._rows(
                [{"download_link": f"/api/v2/well_known_file_download/{number}"}]
                if number in self.numbers and self.zips.get(number) != "none"
                else []
            )
        if "well_known_file_download" in path:
            number = int(path.rsplit("/", 1)[1])
            if number not in self.zips:
                self.zips[number] = packed(red(number))
            return self.zips[number]
        return {"/annotation_25.nrrd": self.annotation, "/graph.json": self.graph}.get(path)

    @staticmethod
    def _rows(rows):
        return json.dumps(
            {
                "success": True,
                "id": 0,
                "start_row": 0,
                "num_rows": len(rows),
                "total_rows": len(rows),
                "msg": rows,
            }
        ).encode()


@pytest.fixture
def registry(tmp_path):
    def write(address, archive, **changes):
        entries = {
            "api": f"http://{address}",
            "annotation_25": {
                "file": "annotation_25.nrrd",
                "url": f"http://{address}/annotation_25.nrrd",
                "sha256": hashlib.sha256(archive.annotation).hexdigest(),
            },
            "structure_graph": {"file": "graph.json", "url": f"http://{address}/graph.json"},
            **changes,
        }
        path = tmp_path / "registry.yml"
        path.write_text(yaml.safe_dump({"allen": entries}))
        return path

    return write


@pytest.fixture
def archive(small, registry):
    answers = Allen([101, 104, 102, 103])
    with serve(answers) as server:
        server.registry = registry(server.address, answers)
        server.answers = answers
        yield server


def get(archive, out, **options):
    return allen.fetch(out, patience=QUICK, registry=archive.registry, workers=2, **options)


def zips(archive):
    return [path.rsplit("/", 1)[1] for path, _ in archive.asked("well_known_file_download")]


def test_sections_arrive_as_a_population_dataset(archive, tmp_path, capsys):
    out = get(archive, tmp_path / "out", progress=True)
    said = capsys.readouterr().err.split("experiments:")[0]  # stated before the work
    assert "4 of 4 experiments to fetch, up to" in said and "of disk" in said
    dataset = datasets.open_population(out)
    assert (
        dataset.images.shape == (4, 32, 44)
        and dataset.regions == tuple(IDS)
        and dataset.pixel_size_um == 25
    )
    assert dataset.clean is None and dataset.truth is None and not dataset.is_phantom
    labels = annotation()[28][:, 1:45]
    np.testing.assert_array_equal(
        dataset.atlas,
        sum((labels == number + 5000) * (i + 1) for i, number in enumerate(IDS.values())),
    )
    expected = np.stack([red(number)[28][:, 1:45] for number in (101, 102, 103, 104)]).astype(float)
    scale = (
        np.asarray(dataset.images).sum() / expected.sum()
    )  # one scale for all: brightness stays comparable
    np.testing.assert_allclose(dataset.images, expected * scale, atol=1e-4)
    assert (out / "experiments.csv").read_text() == "index,experiment\n0,101\n1,102\n2,103\n3,104\n"
    assert not any((out / "downloads").iterdir())
    rows = json.loads((out / "fetched.json").read_text()).values()
    assert [len(row["zip"]) for row in rows] == [len(row["section"]) for row in rows] == [64] * 4
    before = len(archive.requests)
    get(archive, out)
    assert len(archive.requests) == before  # the same request again asks nobody


def test_a_limit_is_spread_over_all_experiments_and_can_be_raised(archive, tmp_path):
    out = get(archive, tmp_path / "out", limit=2)
    assert len(datasets.open_population(out).images) == 2 and sorted(zips(archive)) == [
        "101",
        "103",
    ]
    get(archive, out, limit=3)
    assert len(datasets.open_population(out).images) == 3 and sorted(zips(archive)) == [
        "101",
        "102",
        "103",
    ]
    get(archive, out, limit=1, force=True)
    assert len(datasets.open_population(out).images) == 1 and zips(archive).count("101") == 2


PASSING = {
    "503": Fault(status=503),
    "timeout": Fault(sleep=0.8),
    "HTML": Fault(body=b"<!DOCTYPE html><html>try later</html>"),
    "truncated at the source": Fault(body=b"PK\x03\x04" + b"\0" * 300),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_passing_fault_is_tried_again(archive, tmp_path, fault):
    archive.answers.faults = {"download/103": [fault]}
    out = get(archive, tmp_path / "out", limit=2)
    assert sorted(zips(archive)) == ["101", "103", "103"]
    assert len(datasets.open_population(out).images) == 2


@pytest.mark.parametrize(
    "part, fault",
    [
        ("ApiConnectivity", Fault(status=502)),
        ("ApiConnectivity", Fault(body=b"<html>busy</html>")),
        ("WellKnownFile", Fault(status=502)),
        ("WellKnownFile", Fault(body=b"<html>busy</html>")),
        ("annotation_25", Fault(status=502)),
        ("annotation_25", Fault(body=b"<html>busy</html>")),
        ("graph.json", Fault(status=502)),
        ("ApiConnectivity", Fault(sleep=0.8)),
    ],
)
def test_faults_of_the_other_services_are_passing_too(archive, tmp_path, part, fault):
    archive.answers.faults = {part: [fault]}
    assert len(datasets.open_population(get(archive, tmp_path / "out", limit=1)).images) == 1


def test_a_wrong_annotation_or_graph_is_refused_and_not_kept(archive, tmp_path):
    archive.answers.faults = {"graph.json": [Fault(body=b"<html>busy</html>")]}
    with pytest.raises(WrongContent, match="graph.json is not a structure graph"):
        get(archive, tmp_path / "out", limit=1)
    archive.answers.annotation += b"changed"
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(WrongContent, match=r"SHA-256 is \w{64}; expected \w{64}"):
        get(archive, tmp_path / "out", limit=1)
    assert not list((tmp_path / "out").glob("annotation*"))


def test_unusable_experiments_are_left_out_and_listed(archive, tmp_path):
    volume = red(102)
    archive.answers.numbers = [101, 102, 103, 104, 105, 106]
    archive.answers.zips = {
        102: packed(volume, channels=("green", "blue")),
        103: packed(volume[:, ::-1]),
        104: packed(volume[:40]),
        105: packed(volume * 0),
        106: "none",
    }
    out = get(archive, tmp_path / "out")
    assert len(datasets.open_population(out).images) == 1
    left_out = yaml.safe_load((out / "source.yml").read_text())["request"]["left_out"]
    assert sorted(left_out) == [102, 103, 104, 105, 106]
    assert "no red channel in the zip; found resampled_green.mhd" in left_out[102]
    assert (
        "axes reversed" in left_out[103]
        and "shape (46, 32, 40); expected the sides (52, 32, 46)" in left_out[104]
    )
    assert (
        "is empty" in left_out[105]
        and "no such experiment, or no registered volumes" in left_out[106]
    )
    before = len(zips(archive))
    get(archive, out)
    assert len(zips(archive)) == before  # what cannot get better is not tried again


def test_the_axis_of_528_is_found_whatever_the_order(small, tmp_path):
    brain = annotation()[28][:, 1:45] > 0
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        (tmp_path / "v.zip").write_bytes(packed(red(7).transpose(order)))
        np.testing.assert_array_equal(
            allen_volume.red_section(tmp_path / "v.zip", brain), red(7)[28][:, 1:45]
        )


def test_any_first_few_experiments_are_spread_over_all():
    numbers = list(range(100, 1823))
    order = allen.spread_order(numbers)
    assert sorted(order) == numbers
    for count in (4, 16, 100):
        gaps = np.diff([100, *sorted(order[:count]), 1823])
        assert gaps.max() <= 2.5 * 1723 / count
    assert allen.spread_order([7]) == [7] and allen.spread_order([]) == []


def test_a_volume_from_back_to_front_is_told(small, tmp_path):
    brain = annotation()[28][:, 1:45] > 0
    volume = red(7)
    volume[28, 2:14, 2:30] = 120  # tissue, but of another outline
    volume[28, 14:] = 0
    volume[52 - 1 - 28] = red(7)[28]
    (tmp_path / "v.zip").write_bytes(packed(volume))
    with pytest.raises(allen_volume.Unusable, match="from back to front"):
        allen_volume.red_section(tmp_path / "v.zip", brain)


def zip_of(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name.replace("__", "."), content)
    return path


@pytest.mark.parametrize(
    "elements",
    ["../secret.raw", "{secret}", "secret.raw", "LIST\n../secret.raw", "red%02d.raw 1 52 1"],
)
def test_a_header_may_not_name_a_file_elsewhere(small, tmp_path, elements):
    brain = annotation()[28][:, 1:45] > 0
    secret = tmp_path / "secret.raw"
    secret.write_bytes(red(7).transpose().tobytes())
    (tmp_path / "downloads").mkdir()
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 52 32 46\nElementType = MET_USHORT\n"
        f"ElementDataFile = {elements.format(secret=secret)}\n"
    )
    path = zip_of(tmp_path / "downloads" / "v.zip", red__mhd=header)
    with pytest.raises(allen_volume.Unusable, match="as the file of its pixels; expected one of"):
        allen_volume.red_section(path, brain)
    nrrd = (
        "NRRD0004\ntype: uint16\ndimension: 3\nsizes: 52 32 46\nencoding: raw\nendian: little\n"
        f"data file: {elements.format(secret=secret)}\n\n"
    )
    path = zip_of(tmp_path / "downloads" / "w.zip", red__nrrd=nrrd)
    with pytest.raises(allen_volume.Unusable, match="as the file of its pixels; expected one of"):
        allen_volume.red_section(path, brain)
    for hidden in ("\n" * 70_000, "Comment = x\n" * 7000):  # beyond what is looked at
        path = zip_of(tmp_path / "downloads" / "x.zip", red__mhd=hidden + header)
        with pytest.raises(allen_volume.Unusable, match="does not say where its pixels are"):
            allen_volume.red_section(path, brain)


def test_a_zip_bomb_is_cut_off(small, tmp_path):
    brain = annotation()[28][:, 1:45] > 0
    most = allen_volume.largest_volume()
    path = zip_of(tmp_path / "v.zip", red__mhd="", red__raw=bytes(20 * most))
    assert path.stat().st_size < most / 10
    tracemalloc.start()
    with pytest.raises(allen_volume.Unusable, match="red.raw unpacks to more than"):
        allen_volume.red_section(path, brain)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == ["v.zip"]


def test_a_header_that_declares_a_huge_volume_takes_no_memory(small, tmp_path):
    brain = annotation()[28][:, 1:45] > 0
    header = (
        "ObjectType = Image\nNDims = 3\nDimSize = 50000 50000 50000\nElementType = MET_UCHAR\n"
        "CompressedData = True\nElementDataFile = red.raw\n"
    )
    path = zip_of(tmp_path / "v.zip", red__mhd=header, red__raw=b"x")
    with pytest.raises(allen_volume.Unusable, match="expected the sides"):
        allen_volume.red_section(path, brain)


def test_the_documented_shapes(tmp_path):
    assert ((528, 320, 456), 286, slice(4, 452)) == (FULL_SHAPE, FULL_SECTION, FULL_COLUMNS)
    volume = np.zeros(FULL_SHAPE, np.uint8)
    volume[286] = np.add.outer(np.linspace(200, 0, 320), np.linspace(0, 50, 456))
    (tmp_path / "v.zip").write_bytes(packed(volume))
    section = allen_volume.red_section(
        tmp_path / "v.zip", np.arange(320)[:, None].repeat(448, 1) < 160
    )
    np.testing.assert_array_equal(section, volume[286, :, 4:452])


def test_red_is_told_from_words_that_hold_it():
    assert (
        allen_volume._is_red("a/resampled_red.mhd")
        and allen_volume._is_red("red.nrrd")
        and allen_volume._is_red("RED_25.raw")
    )
    assert not any(
        map(allen_volume._is_red, ("registered_green.mhd", "red/green.mhd", "reduced.raw", "red/"))
    )


def test_no_network_and_no_experiments_are_different_errors(archive, tmp_path, registry):
    archive.answers.numbers = []
    with pytest.raises(NotThere, match="lists no experiments"):
        get(archive, tmp_path / "a")
    path = registry(nobody(), archive.answers)
    with pytest.raises(
        Unreachable,
        match="Allen archive: list of experiments: no answer .* is there a network?.*tried 3 times",
    ):
        allen.fetch(tmp_path / "b", patience=QUICK, registry=path)


def test_an_outage_stops_early_keeps_what_arrived_and_resumes(archive, tmp_path):
    archive.answers.numbers = list(range(101, 113))
    archive.answers.faults = {f"download/{n}": [Fault(status=500)] * 3 for n in range(103, 113)}
    with pytest.raises(
        Unreachable,
        match=r"experiment \d+: .*answers 500 \(tried 3 times\).*run the same command again",
    ):
        get(archive, tmp_path / "out")
    assert len(set(zips(archive))) < 12 and not (tmp_path / "out" / "dataset.yml").exists()
    archive.answers.faults = {}
    get(archive, tmp_path / "out")
    assert zips(archive).count("101") == zips(archive).count("102") == 1
    assert len(datasets.open_population(tmp_path / "out").images) == 12


def test_experiments_that_stay_broken_are_named_and_tried_again_next_time(archive, tmp_path):
    archive.answers.zips = {102: b"PK never a zip"}
    with pytest.raises(
        WrongContent,
        match=r"1 of 4 experiments arrived broken; the others are kept.*102: a broken zip",
    ):
        get(archive, tmp_path / "out")
    del archive.answers.zips[102]
    assert len(datasets.open_population(get(archive, tmp_path / "out")).images) == 4
    assert zips(archive).count("101") == 1


def test_a_damaged_or_lost_section_is_fetched_again(archive, tmp_path):
    out = get(archive, tmp_path / "out")
    (out / "sections" / "101.npy").write_bytes(b"damaged")
    (out / "sections" / "104.npy").unlink()
    get(archive, out)
    assert sorted(zips(archive)) == ["101", "101", "102", "103", "104", "104"]
    np.testing.assert_array_equal(np.load(out / "sections" / "101.npy"), red(101)[28][:, 1:45])


def test_a_damaged_list_of_experiments_is_asked_for_again(archive, tmp_path):
    out = get(archive, tmp_path / "out", limit=1)
    (out / "allensdk" / "experiments.json").write_text('[{"data_set_id": 101')
    get(archive, out, limit=2)
    assert len(datasets.open_population(out).images) == 2


def test_too_little_disk_is_said_before_anything_is_fetched(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(
        download.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    )
    with pytest.raises(
        DownloadError,
        match=r"4 of 4 experiments to fetch, up to 1.8 GB to transfer: up to .* GB of disk, "
        r"1.0 kB are free in .*Free some",
    ):
        get(archive, tmp_path / "out")
    assert zips(archive) == []


def test_wrong_requests_and_foreign_folders_are_refused(archive, tmp_path):
    with pytest.raises(ValueError, match="limit is 0"):
        get(archive, tmp_path / "out", limit=0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(folders.OutputError, match="was not made by `brainbook fetch`"):
        get(archive, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep" and archive.requests == []
