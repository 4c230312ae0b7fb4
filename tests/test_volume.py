"""Whole volumes: equal to single slices, restartable, and readable by others."""

import json

import numpy as np
import pytest
import tifffile
import torch
import zarr
from volume_samples import AREAS, STRIDE, chunks, learned, notes, predict, write_inputs

from helpers.book.parameters import UsageError
from helpers.data import ome_zarr
from helpers.data.datasets import DatasetError, Slice
from helpers.data.storage import Files
from helpers.tissue.factors import nmf
from helpers.tissue.network import area_map, dense
from helpers.tissue.prepared_slice import PreparedSlice
from helpers.tissue.stages import volume
from helpers.tissue.volumes import blocks, schedule, tables
from helpers.tissue.volumes.request import Request, block_side
from helpers.tissue.volumes.scale import slice_scale

TILE = dense.TILE // STRIDE  # positions


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with a volume, a network and a basis."""
    folder = tmp_path_factory.mktemp("volume")
    write_inputs(folder, factors=4)
    return folder


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of one tile, so that a small slice has several."""
    monkeypatch.setattr(volume, "block_side", lambda stride: TILE)


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    """A finished result in blocks of one tile."""
    out = tmp_path_factory.mktemp("done") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "block_side", lambda stride: TILE)
        return predict(inputs, out)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(inputs):
    from helpers import model_files
    from helpers.tissue.network.classifier import AreaCNN

    return model_files.load(AreaCNN, inputs / "network.safetensors")


def test_a_slice_in_blocks_equals_the_slice_in_one_piece(inputs, done):
    assert len(done.request.blocks) == 6
    labels = done.labels()
    for k, raw in enumerate(np.load(inputs / "volume.npy")):
        piece = Slice(k, "test", raw / np.float32(255), None, None, None, raw.shape)
        prepared = PreparedSlice(piece)
        grid = dense.dense_log_probabilities(
            network(inputs),
            prepared.image,
            STRIDE,
            pad_value=prepared.scale.raw_zero,
            mask=prepared.classified | prepared.featured,
        )
        smooth = area_map.smooth_log_posteriors(
            grid, prepared.tissue[::STRIDE, ::STRIDE], 95.0 / 1.17 / STRIDE
        )
        whole = area_map.label_map(smooth, raw.shape, STRIDE, prepared.classified)
        assert len(np.unique(whole)) > 2  # two areas or more, and what is none
        assert np.array_equal(labels[k], whole[::STRIDE, ::STRIDE])


def test_log_probabilities_of_blocks_are_those_of_the_slice_to_the_last_bit(
    inputs, tmp_path, small_blocks, monkeypatch
):
    monkeypatch.setattr(Files, "remove", lambda self, name: None)  # keep the scraps
    result = predict(inputs, tmp_path / "out")
    files = Files(result.out)
    found = result.request.log_probabilities(files).read(
        [(0, 1), *((0, side) for side in result.request.grid), (0, len(AREAS))]
    )[0]
    raw = np.load(inputs / "volume.npy")[0]
    prepared = PreparedSlice(Slice(0, "test", raw / np.float32(255), None, None, None, raw.shape))
    options = {"pad_value": prepared.scale.raw_zero, "mask": prepared.classified}
    model = network(inputs)
    whole = dense.dense_log_probabilities(model, prepared.image, STRIDE, **options)
    assert np.array_equal(found, whole)
    # and the coefficients are those that the factors of a single slice would have
    features = dense.dense_features(model, prepared.image, STRIDE, pad=True, **options)
    here = prepared.classified[::STRIDE, ::STRIDE]
    expected, _ = nmf.solve_coefficients(features[here], learned(inputs).basis)
    region = [(0, 4), (0, 1), *((0, side) for side in result.request.grid)]
    factors = result.request.factors(files)[0].read(region)[:, 0][:, here].T
    assert np.abs(factors - expected).max() < 2e-3 * expected.max()
    assert factors.min() == 0 and expected.max() > 0


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e30])
def test_a_voxel_that_is_no_gray_value_is_counted_and_named(value):
    raw = np.random.default_rng(0).random((64, 80))
    raw[3, 5] = value
    with pytest.raises(ValueError, match="1 of 5120 voxels that are NaN, infinite or beyond"):
        slice_scale(raw)


def test_bands_change_nothing(inputs, tmp_path, done, small_blocks, monkeypatch):
    monkeypatch.setattr(Request, "band_rows", lambda self, memory: 7)
    predict(inputs, tmp_path / "out")
    assert chunks(tmp_path / "out") == chunks_of(done)


def chunks_of(result):
    from pathlib import Path

    return chunks(Path(result.out))


def test_threads_change_nothing_and_the_same_request_does_no_work(
    inputs, tmp_path, done, small_blocks
):
    out = tmp_path / "out"
    first = predict(inputs, out, threads=3)
    assert chunks(out) == chunks_of(done)
    assert first.work.computed == {"scale": 3, "block": 18, "slice": 3}
    chunk = lambda path: path.is_file() and path.name[0].isdigit()
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if chunk(path)}
    again = predict(inputs, out)
    assert not again.work.computed and again.work.kept == {"slice": 3}
    assert times and times == {path: path.stat().st_mtime_ns for path in times}
    assert np.allclose(again.volumes, first.volumes)


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_chunk_is_noticed_and_computed_again(
    inputs, tmp_path, done, small_blocks, damage
):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(done.out, out)
    path = out / "labels" / "areas" / "0" / "1" / "0" / "1"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "truncated" else content[:-1] + b"?")
    result = predict(inputs, out)
    assert result.work.computed == {"scale": 1, "block": 6, "slice": 1}
    assert result.work.kept == {"slice": 2}
    assert chunks(out) == chunks_of(done)


def test_a_killed_run_goes_on_and_computes_no_finished_block_twice(
    inputs, tmp_path, done, small_blocks, monkeypatch
):
    real, calls = blocks.compute_block, []

    def dying(out, digest, k, start):
        if len(calls) == 8:
            raise KeyboardInterrupt
        calls.append((k, start))
        return real(out, digest, k, start)

    monkeypatch.setattr(blocks, "compute_block", dying)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        predict(inputs, out)
    monkeypatch.setattr(blocks, "compute_block", real)
    scraps = sorted((out / ".brainbook" / "scraps" / "1").glob("*-*.json"))
    assert len(scraps) == 2  # of the second slice
    # one of its log-probabilities is cut off: it does not count as done
    first = json.loads(scraps[0].read_text())["sha256"]
    path = out / next(name for name in first if "log_probabilities" in name)
    path.write_bytes(path.read_bytes()[:100])
    result = predict(inputs, out)
    assert result.work.computed["block"] == 18 - 8 + 1
    assert result.work.kept == {"slice": 1, "scale": 1, "block": 1}
    assert chunks(out) == chunks_of(done)


def test_a_piece_that_fails_is_tried_again_and_then_named(
    inputs, tmp_path, small_blocks, monkeypatch
):
    real, fails = blocks.compute_block, [2]

    def moody(*facts):
        if fails[0]:
            fails[0] -= 1
            raise OSError("the disk was away")
        return real(*facts)

    monkeypatch.setattr(blocks, "compute_block", moody)
    assert predict(inputs, tmp_path / "out").work.computed["block"] == 18
    fails[0] = 1000
    with pytest.raises(schedule.VolumeError, match="slice 0, block at .*OSError: the disk was"):
        predict(inputs, tmp_path / "other")


# ---------------------------------------------------------------- what lies at OUT


def test_what_is_not_ours_is_refused_and_force_replaces_only_ours(inputs, tmp_path, small_blocks):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(FileExistsError, match="was not made by `brainbook volume`"):
            predict(inputs, out, force=force)
    (out / "thesis.txt").unlink()
    predict(inputs, out, stride=32)
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"another request \(other stride"):
        predict(inputs, out, stride=64)
    predict(inputs, out, stride=64, force=True)
    assert (out / "thesis.txt").read_text() == "years of work"
    assert zarr.open_array(str(out / "0"), mode="r").shape == (3, 10, 18)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        predict(inputs, tmp_path / "file")


def test_too_little_memory_is_said_first(inputs, tmp_path):
    with pytest.raises(UsageError, match=r"600 × 1100 px need 0.5 GB a worker, found --memory 0.3"):
        predict(inputs, tmp_path / "out", memory=300_000_000)
    assert not (tmp_path / "out").exists()


def test_out_may_lie_elsewhere(inputs, done, small_blocks):
    import fsspec

    result = predict(inputs, "memory://volumes/out")
    system = fsspec.filesystem("memory")
    stored = {name.split("out/")[1]: system.cat(name) for name in system.find("/volumes/out")}
    expected = chunks_of(done)
    assert {name: stored[name] for name in expected} == expected
    assert np.array_equal(result.labels(), done.labels())


# ---------------------------------------------------------------- what others read


def spec_of_multiscales(attributes, shape, voxel):
    """Check what version 0.4 of the specification demands of an image."""
    (about,) = attributes["multiscales"]
    assert about["version"] == "0.4"
    names = [axis["name"] for axis in about["axes"]]
    assert names == list("czyx")[-len(shape) :] and len(set(names)) == len(names)
    for axis in about["axes"]:
        assert axis["type"] == ("channel" if axis["name"] == "c" else "space")
        assert axis["type"] == "channel" or axis["unit"] == "micrometer"
    scales = []
    for number, dataset in enumerate(about["datasets"]):
        assert dataset["path"] == str(number)
        steps = [step["type"] for step in dataset["coordinateTransformations"]]
        assert steps in (["scale"], ["scale", "translation"])
        for step in dataset["coordinateTransformations"]:
            assert len(step[step["type"]]) == len(shape)
        scales.append(dataset["coordinateTransformations"][0]["scale"])
    assert scales[0][-3:] == pytest.approx(voxel)
    assert all(b[-1] == 2 * a[-1] and b[-3] == a[-3] for a, b in zip(scales, scales[1:]))
    return about


def test_metadata_follow_the_specification(inputs, done, monkeypatch, tmp_path, small_blocks):
    monkeypatch.setattr(ome_zarr, "SMALLEST", 20)
    out = tmp_path / "out"
    result = predict(inputs, out)
    grid, voxel = (38, 69), (1.17, 1.17 * STRIDE, 1.17 * STRIDE)
    images = {"": (3, *grid), "labels/areas": (3, *grid), "factors": (4, 3, *grid)}
    for name, shape in images.items():
        group = zarr.open_group(str(out / name), mode="r")
        about = spec_of_multiscales(dict(group.attrs), shape, voxel)
        levels = [group[each["path"]] for each in about["datasets"]]
        assert levels[0].shape == shape and len(levels) == 3
        for fine, coarse in zip(levels, levels[1:]):
            assert np.array_equal(coarse[...], fine[...][..., ::2, ::2])
    labels = zarr.open_array(str(out / "labels/areas/0"), mode="r")
    assert np.array_equal(labels[:], result.labels())
    raw = np.load(inputs / "volume.npy")
    gray = zarr.open_array(str(out / "0"), mode="r")
    assert gray.dtype == np.uint8 and np.array_equal(gray[:], raw[:, ::STRIDE, ::STRIDE])
    assert dict(zarr.open_group(str(out / "labels"), mode="r").attrs) == {"labels": ["areas"]}
    label = dict(zarr.open_group(str(out / "labels/areas"), mode="r").attrs)["image-label"]
    assert label["version"] == "0.4" and label["source"] == {"image": "../../"}
    values = [each["label-value"] for each in label["colors"]]
    assert values == [1, 2, 3, 4, 5, 6] == [each["label-value"] for each in label["properties"]]
    assert [each["area"] for each in label["properties"]] == list(AREAS)
    assert all(
        len(each["rgba"]) == 4 and all(0 <= part <= 255 for part in each["rgba"])
        for each in label["colors"]
    )
    shown = dict(zarr.open_group(str(out / "factors"), mode="r").attrs)["omero"]["channels"]
    assert len(shown) == 4 and shown[0]["window"]["end"] > 0


def nodes_that_ome_zarr_finds(path):
    """What the reference library reads of an image and of the label maps below it, by name."""
    why = "ome-zarr asks for fsspec[s3], whose releases contradict both locks"
    reader = pytest.importorskip("ome_zarr.reader", reason=why)
    location = pytest.importorskip("ome_zarr.io").parse_url(path, mode="r")
    found = list(reader.Reader(location)())
    # by these the library knows what the metadata declare, and under which version of them
    kinds = {
        str(node.zarr.basename()): [type(each).__name__ for each in node.specs] for node in found
    }
    assert {node.zarr.fmt.version for node in found} == {"0.4"}
    return {str(node.zarr.basename()): node for node in found}, kinds


def test_ome_zarr_reads_image_labels_and_factors(done):
    nodes, kinds = nodes_that_ome_zarr_finds(done.out)
    assert kinds == {
        "out": ["Multiscales"],
        "labels": ["Labels"],
        "areas": ["Label", "Multiscales"],
    }
    image, areas = nodes["out"], nodes["areas"]
    assert np.array_equal(np.asarray(image.data[0]), done.images())
    assert np.array_equal(np.asarray(areas.data[0]), done.labels())
    for node in (image, areas):
        axes = [(axis["name"], axis["type"], axis["unit"]) for axis in node.metadata["axes"]]
        assert axes == [(name, "space", "micrometer") for name in "zyx"]
        (scale,) = node.metadata["coordinateTransformations"][0]
        assert scale["scale"] == pytest.approx([1.17, 1.17 * STRIDE, 1.17 * STRIDE])
    colours = {label: [*rgb, 255] for label, rgb in enumerate(done.request.colours, start=1)}
    found = {
        label: [round(255 * part) for part in areas.metadata["color"][label]] for label in colours
    }
    assert found == colours
    named = {label: each["area"] for label, each in areas.metadata["properties"].items()}
    assert named == dict(enumerate(AREAS, start=1))
    nodes, kinds = nodes_that_ome_zarr_finds(f"{done.out}/factors")
    assert kinds == {"factors": ["Multiscales", "OMERO"]}
    assert nodes["factors"].data[0].shape == (4, 3, 38, 69)
    assert nodes["factors"].metadata["channel_names"] == [f"factor {k}" for k in range(4)]


def test_tables_against_counts_by_hand(done):
    labels, volumes = done.labels(), done.volumes
    each = 1.17**3 * STRIDE**2 / 1e9
    for label, name in enumerate(AREAS, start=1):
        assert volumes.loc[name, "volume_mm3"] == pytest.approx((labels == label).sum() * each)
    assert volumes.loc["all", "volume_mm3"] == pytest.approx((labels > 0).sum() * each)
    a, b = labels[0] == 1, labels[1] == 1
    dice = 2 * (a & b).sum() / (a.sum() + b.sum()) if (a | b).any() else np.nan
    assert done.agreement.loc[(0, 1), "Cortex"] == pytest.approx(dice, nan_ok=True)
    assert (done.agreement.max(axis=1) > 0).all()


def test_areas_that_are_nowhere_have_no_first_slice():
    found = tables.area_volumes([[5, 0, 2], [5, 0, 0]], ["a", "b"], [7, 8], 0.5)
    assert found.loc["a"].tolist() == [0, 0, -1, -1]
    assert found.loc["b"].tolist() == [1.0, 1.0, 7, 7]


# ---------------------------------------------------------------- what comes in


def test_black_slices_hold_nothing(inputs, tmp_path, small_blocks):
    images = np.load(inputs / "volume.npy")
    images[1] = 0
    for name in ("network.safetensors", "basis.npy"):
        (tmp_path / name).write_bytes((inputs / name).read_bytes())
    np.save(tmp_path / "volume.npy", images)
    labels = predict(tmp_path, tmp_path / "out").labels()
    assert not labels[1].any() and labels[0].any() and labels[2].any()


def test_one_slice_is_a_volume_too(inputs, tmp_path, small_blocks, done):
    np.save(tmp_path / "volume.npy", np.load(inputs / "volume.npy")[:1])
    for name in ("network.safetensors", "basis.npy"):
        (tmp_path / name).write_bytes((inputs / name).read_bytes())
    found = predict(tmp_path, tmp_path / "out")
    assert np.array_equal(found.labels(), done.labels()[:1]) and found.agreement.shape == (0, 6)


def test_a_dataset_folder_is_a_volume_of_its_slices(inputs, tmp_path, small_blocks, done):
    import yaml

    images = np.load(inputs / "volume.npy")
    entries = []
    for z, image in zip((4, 2, 3), images[[2, 0, 1]]):
        tifffile.imwrite(tmp_path / f"z{z}.tif", image)
        entries.append({"z": z, "role": "test", "image": f"z{z}.tif"})
    about = {"schema": 1, "kind": "microct", "name": "x", "pixel_size_um": 1.17}
    (tmp_path / "dataset.yml").write_text(
        yaml.safe_dump({**about, "areas": {1: "a", 2: "b"}, "slices": entries})
    )
    from helpers.book.executors import workers

    with workers(threads=1) as found:
        result = volume.predict_volume(
            tmp_path,
            tmp_path / "out",
            learned(inputs),
            found,
            volume.Options(stride=STRIDE),
            progress=False,
        )
    assert result.request.z == (2, 3, 4)
    assert np.array_equal(result.labels(), done.labels())


def test_slices_that_are_planes_of_a_volume_are_read_from_it(tmp_path, capsys):
    import yaml

    from helpers import cli, model_files
    from helpers.tissue.network.classifier import AreaCNN
    from helpers.tissue.volumes.source import open_source

    stack = np.random.default_rng(0).integers(0, 4000, (5, 30, 40)).astype(np.uint16)
    (tmp_path / "v.ome.zarr").mkdir()
    zarr.save_array(str(tmp_path / "v.ome.zarr/0"), stack)
    scale = {"type": "scale", "scale": [60.0, 1.3, 1.3]}
    image = {
        "axes": [{"name": name, "unit": "micrometer"} for name in "zyx"],
        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
    }
    (tmp_path / "v.ome.zarr/.zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "v.ome.zarr/.zattrs").write_text(json.dumps({"multiscales": [image]}))
    tifffile.imwrite(tmp_path / "z3.tif", stack[3])
    files = {4: "v.ome.zarr", 0: "v.ome.zarr", 3: "z3.tif", 2: "v.ome.zarr"}
    entries = [{"z": z, "role": "test", "image": file} for z, file in files.items()]
    about = {"schema": 1, "kind": "microct", "name": "x", "areas": {1: "a", 2: "b"}}
    manifest = {**about, "slices": entries}
    (tmp_path / "dataset.yml").write_text(yaml.safe_dump(manifest))
    source = open_source(tmp_path)
    assert source.z == (0, 2, 3, 4) and source.volume.dtype == np.uint16
    assert np.array_equal(source.volume[:], stack[[0, 2, 3, 4]])
    assert np.array_equal(source.volume[1:3, 5:20, 7], stack[2:4, 5:20, 7])
    assert source.voxel_um == (60.0, 1.3, 1.3)  # as the volume says it

    entries[0]["z"] = 7
    (tmp_path / "dataset.yml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(DatasetError, match=r"slices\[0\].image: found a volume of 5 planes"):
        open_source(tmp_path)
    run = tmp_path / "run/artifacts/classifier-a"
    run.mkdir(parents=True)
    facts = {"name": "classifier", "key": "a", "inputs": [], "parameters": {"seed": 0}}
    (run / "artifact.json").write_text(json.dumps(facts))
    model_files.save(AreaCNN(2), run / "classifier.safetensors", areas=["a", "b"])
    request = ["volume", str(tmp_path), str(tmp_path / "out"), "--run", str(tmp_path / "run")]
    assert cli.main(request) == 2
    assert "expected a plane numbered z = 7" in capsys.readouterr().err


def test_floats_beyond_one_are_scaled_by_slice(inputs, tmp_path, small_blocks, done):
    images = np.load(inputs / "volume.npy").astype(np.float32)
    images = images * 40 - 300
    np.save(tmp_path / "volume.npy", images)
    for name in ("network.safetensors", "basis.npy"):
        (tmp_path / name).write_bytes((inputs / name).read_bytes())
    labels = predict(tmp_path, tmp_path / "out").labels()
    assert np.mean(labels == done.labels()) > 0.98


def test_what_is_no_volume_is_refused(inputs, tmp_path):
    (tmp_path / "volume.npy").write_bytes(b"no array")
    for name in ("network.safetensors", "basis.npy"):
        (tmp_path / name).write_bytes((inputs / name).read_bytes())
    with pytest.raises(DatasetError):
        predict(tmp_path, tmp_path / "out")


def test_chunks_are_written_whole(tmp_path):
    array = ome_zarr.ChunkedArray(Files(tmp_path), "a", (5, 7), (2, 3), "<i4")
    array.create()
    values = np.arange(35, dtype=np.int32).reshape(5, 7)
    sums = array.write((0, 0), values)
    assert len(sums) == 9 and Files(tmp_path).holds(sums)
    assert np.array_equal(zarr.open_array(str(tmp_path / "a"), mode="r")[:], values)
    assert np.array_equal(array.read([(1, 4), (2, 7)]), values[1:4, 2:7])
    for start, shape in (((1, 0), (2, 3)), ((0, 0), (1, 3)), ((4, 6), (1, 2))):
        with pytest.raises(ValueError, match="whole chunks"):
            array.write(start, np.zeros(shape, np.int32))
    (tmp_path / "a" / "0" / "0").write_bytes(b"x" * 40)
    with pytest.raises(ValueError, match="damaged"):
        array.read([(0, 1), (0, 1)])


def test_blocks_are_whole_tiles():
    for stride in (1, 2, 3, 5, 8, 16, 100, 600):
        assert block_side(stride) % max(1, dense.TILE // stride) == 0
        assert block_side(stride) >= 128
    assert block_side(1) == 1024


def test_notes_say_who_did_it(done):
    from pathlib import Path

    found = notes(Path(done.out))
    assert set(found) == {"0", "1", "2"}
    assert all(":" in note["by"] and note["seconds"] > 0 for note in found.values())
