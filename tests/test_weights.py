"""Weights folders and their download, on a local HTTP server; no outside host is asked."""

import hashlib

import pytest
import yaml
from local_server import Fault, nobody, serve

from helpers.data import folders
from helpers.data.datasets.weights import WeightsError, open_weights
from helpers.data.sources import download, weights

ONCE = download.Patience(timeout=5, attempts=1)
CONTENT = {"a.onnx": b"the first network" * 1000, "b.onnx": b"the second" * 1000}


@pytest.fixture
def server():
    """Address of a server that holds CONTENT, and the list of paths it was asked for."""
    cut = Fault(body=CONTENT["a.onnx"], cut=500)  # promises more than it sends
    with serve(lambda path: {**CONTENT, "cut.onnx": cut}.get(path[1:])) as archive:
        yield f"http://{archive.address}", archive.paths


def make_registry(tmp_path, address, **changes):
    entries = {
        name[0]: {
            "network": name[0].upper(),
            "file": name,
            "url": f"{address}/{name}",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "mean": [0.5] * 3,
            "std": [0.2] * 3,
        }
        for name, content in CONTENT.items()
    }
    entries["a"].update(changes)
    path = tmp_path / "registry.yml"
    path.write_text(yaml.safe_dump({"schema": 1, "weights": entries}))
    return path


def test_fetch_downloads_once_and_writes_the_records(tmp_path, server):
    address, asked = server
    registry = make_registry(tmp_path, address)
    out = tmp_path / "weights"
    files = weights.fetch(out, progress=False, registry=registry)
    assert [file.read_bytes() for file in files] == list(CONTENT.values())
    assert [r.network for r in open_weights(out).records] == ["A", "B"]
    assert open_weights(out).records[0].mean == (0.5, 0.5, 0.5)
    assert sorted(asked()) == ["/a.onnx", "/b.onnx"]
    weights.fetch(out, progress=False, registry=registry)
    assert len(asked()) == 2  # the same request again does no work


def test_fetch_of_one_name_keeps_what_the_user_added(tmp_path, server):
    address, _ = server
    registry = make_registry(tmp_path, address)
    out = tmp_path / "weights"
    weights.fetch(out, ["b"], progress=False, registry=registry)
    (out / "mine.onnx").write_bytes(b"mine")
    manifest = out / "weights.yml"
    manifest.write_text(manifest.read_text() + "- {network: Mine, file: mine.onnx}  # a comment\n")
    weights.fetch(out, ["a"], progress=False, registry=registry)
    assert [r.network for r in open_weights(out).records] == ["B", "Mine", "A"]
    assert "# a comment" in manifest.read_text()


def test_a_mirror_serves_when_the_first_address_does_not(tmp_path, server):
    address, asked = server
    dead = f"http://{nobody()}/a.onnx"
    registry = make_registry(
        tmp_path, address, url=dead, mirrors=[f"{address}/missing.onnx", f"{address}/a.onnx"]
    )
    (path,) = weights.fetch(tmp_path / "weights", ["a"], progress=False, registry=registry)
    assert path.read_bytes() == CONTENT["a.onnx"]
    assert asked() == ["/missing.onnx", "/a.onnx"]


def test_wrong_hash_no_network_and_moved_file_are_different_errors(tmp_path, server):
    address, _ = server
    out = tmp_path / "weights"
    errors = {
        download.WrongContent: ({"sha256": "0" * 64}, "SHA-256 is .*; expected 00"),
        download.Unreachable: (
            {"url": f"http://{nobody()}/a.onnx"},
            "is there a network",
        ),
        download.NotThere: ({"url": f"{address}/x.onnx"}, "answers 404"),
    }
    for kind, (changes, message) in errors.items():
        with pytest.raises(kind, match=message):
            weights.fetch(
                out,
                ["a"],
                progress=False,
                registry=make_registry(tmp_path, address, **changes),
                patience=ONCE,
            )
    assert [path.name for path in out.iterdir()] == ["source.yml"]  # nothing half-finished is left


def test_a_wrong_file_is_reported_even_if_a_mirror_is_silent(tmp_path, server):
    address, _ = server
    mirrors = [f"http://{nobody()}/a.onnx"]
    registry = make_registry(tmp_path, address, sha256="0" * 64, mirrors=mirrors)
    with pytest.raises(download.WrongContent):
        weights.fetch(tmp_path / "weights", ["a"], progress=False, registry=registry, patience=ONCE)


def test_a_download_that_was_cut_short_is_not_taken_for_the_file(tmp_path, server):
    address, _ = server
    registry = make_registry(tmp_path, address, url=f"{address}/cut.onnx")
    with pytest.raises(download.Unreachable):
        weights.fetch(tmp_path / "weights", ["a"], progress=False, registry=registry, patience=ONCE)
    assert not (tmp_path / "weights" / "a.onnx").exists()
    registry = make_registry(tmp_path, address)
    (path,) = weights.fetch(
        tmp_path / "weights", ["a"], progress=False, registry=registry
    )  # and a second try serves
    assert path.read_bytes() == CONTENT["a.onnx"]


def test_files_that_are_not_ours_are_refused(tmp_path, server):
    address, asked = server
    registry = make_registry(tmp_path, address)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(folders.OutputError, match="was not made by `brainbook fetch`"):
        weights.fetch(foreign, progress=False, registry=registry, force=True)
    with pytest.raises(folders.OutputError, match="is a file"):
        weights.fetch(foreign / "thesis.txt", progress=False, registry=registry)
    out = tmp_path / "weights"
    weights.fetch(out, ["b"], progress=False, registry=registry)
    (out / "a.onnx").write_bytes(b"another network under the same name")
    with pytest.raises(WeightsError, match="Move it away, or replace it with --force"):
        weights.fetch(out, ["a"], progress=False, registry=registry)
    weights.fetch(out, ["a"], progress=False, registry=registry, force=True)
    assert (out / "a.onnx").read_bytes() == CONTENT["a.onnx"]
    assert asked() == ["/b.onnx", "/a.onnx"]


def test_unknown_name(tmp_path, server):
    with pytest.raises(WeightsError, match="'resnet' is not in the registry; known: a, b"):
        weights.fetch(
            tmp_path / "w", ["resnet"], progress=False, registry=make_registry(tmp_path, server[0])
        )


def test_registry_of_the_project_names_the_two_public_networks():
    known = download.registered("weights")
    assert {entry["network"] for entry in known.values()} == {"ResNet18", "Inception v3"}
    for entry in known.values():
        assert entry["url"].startswith("https://") and len(entry["sha256"]) == 64


def folder_with(tmp_path, text, files=("net.onnx",)):
    for name in files:
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "weights.yml").write_text(text)
    return tmp_path


HEAD = "schema: 1\nkind: weights\nnetworks:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: [", "not valid YAML"),
        ("kind: microct\n", "expected `kind: weights`"),
        ("kind: weights\nnetworks: 3\n", "`networks` must be a list"),
        (HEAD + "  - {file: net.onnx, meen: [1]}", "unknown key `meen`; did you mean `mean`"),
        (HEAD + "  - {network: N}", "`file` must name an .onnx file"),
        (HEAD + "  - {file: ../net.onnx}", "leaves the weights folder"),
        (HEAD + "  - {file: /net.onnx}", "leaves the weights folder"),
        (HEAD + "  - {file: net.onnx, mean: [0.5]}", "both `mean` and `std`"),
        (
            HEAD + "  - {file: net.onnx, mean: [0.5], std: [1, 2]}",
            "must be a list of 1 or 3 numbers",
        ),
        (HEAD + "  - {file: net.onnx, mean: [0.5], std: [0]}", "must not be zero"),
        (HEAD + "  - {file: net.onnx, size: 22.5}", "positive whole number of pixels"),
        (
            HEAD + "  - {network: N, file: net.onnx}\n  - {network: N, file: b.onnx}",
            "two networks are called 'N'",
        ),
    ],
)
def test_manifest_errors_say_what_is_wrong(tmp_path, text, message):
    with pytest.raises(WeightsError, match=message):
        open_weights(folder_with(tmp_path, text, ("net.onnx", "b.onnx")))


def test_bare_files_records_and_missing_files(tmp_path):
    text = HEAD + "  - {network: Gone, file: gone.onnx}\n  - {network: Named, file: net.onnx}\n"
    found = open_weights(folder_with(tmp_path, text, ("net.onnx", "resnet18_Opset17.onnx")))
    assert [record.network for record in found.records] == ["Named", "resnet18"]
    assert "file is missing" in found.problems["Gone"]
    (single,) = open_weights(tmp_path / "net.onnx").records
    assert single.network == "Named"


def test_no_weights_wrong_folder_and_empty_folder(tmp_path):
    assert open_weights("").records == () and open_weights(None).path is None
    with pytest.raises(WeightsError, match="no such folder"):
        open_weights(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match="holds no .onnx file"):
        open_weights(tmp_path)


def test_fingerprint_follows_bytes_and_records_but_not_the_place(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        folder_with(folder, HEAD + "  - {network: N, file: net.onnx}")
    first = open_weights(one).fingerprint
    assert open_weights(two).fingerprint == first
    (two / "net.onnx").write_bytes(b"other bytes")
    assert open_weights(two).fingerprint != first
    folder_with(one, HEAD + "  - {network: N, file: net.onnx, mean: [0.5], std: [0.5]}")
    assert open_weights(one).fingerprint != first
