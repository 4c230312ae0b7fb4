"""The command `brainbook volume`, and what it finds in a run folder."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import zarr
from volume_samples import AREAS, draw_volume, varied_network

from helpers import cli, model_files
from helpers.book import provenance
from helpers.book.parameters import UsageError
from helpers.tissue.network.recipes import RECIPES
from helpers.tissue.stages.learned import trained_by
from helpers.tissue.stages.volume_command import memory


@pytest.fixture(scope="module")
def images():
    return draw_volume(2, (300, 500))


@pytest.fixture(scope="module")
def run(tmp_path_factory, images):
    """A run folder that holds two networks of seed 1, one of seed 2, and factors."""
    run = tmp_path_factory.mktemp("run")
    when = iter(range(1_000, 2_000))

    def describe(name, key, parameters, inputs):
        folder = run / "artifacts" / f"{name}-{key}"
        folder.mkdir(parents=True)
        about = {"name": name, "key": key, "parameters": parameters, "inputs": inputs}
        (folder / "artifact.json").write_text(json.dumps(about))
        time = next(when)
        os.utime(folder / "artifact.json", (time, time))
        return folder

    network = varied_network(draw_volume(1)[0])
    for key, seed in (("aa", 2), ("bb", 1), ("cc", 1)):
        folder = describe("classifier", key, {"seed": seed}, ["data"])
        model_files.save(network, folder / "classifier.safetensors", areas=list(AREAS), key=key)
    describe("classifier-of-something-else", "zz", {"seed": 0}, [])
    describe("features-z1", "f1", {"stride": 4}, ["cc", "data"])
    describe("features-z1", "f2", {"stride": 4}, ["bb", "data"])
    for key, inputs, parameters in (
        ("h1", ["f1"], {"k": 3, "seed": 0}),
        ("h2", ["f2"], {"k": 3, "seed": 0}),
        ("h3", ["f1", "h1"], {}),  # on another slice's basis
    ):
        folder = describe("factors-z1", key, parameters, inputs)
        np.save(folder / "components.npy", np.full((3, 64), float(key[1]), np.float32))
    return run


def test_the_last_network_of_the_lowest_seed_and_its_own_factors(run):
    found = trained_by(run, factors=True)
    assert "classifier-cc" in found.name and found.areas == AREAS
    assert found.basis.shape == (3, 64) and (found.basis == 1).all()
    assert "classifier-aa" in trained_by(run, seed=2).name and trained_by(run).basis is None
    with pytest.raises(UsageError, match="no trained area classifier of seed 7"):
        trained_by(run, seed=7)
    with pytest.raises(UsageError, match="holds no factors of this network"):
        trained_by(run, seed=2, factors=True)


def test_the_network_of_page_02_counts_or_the_one_of_most_windows(run, tmp_path):
    """Page 03 trains on fewer windows after page 02; its networks are the last ones made."""
    run = Path(shutil.copytree(run, tmp_path / "run"))
    usual = json.loads(json.dumps(asdict(RECIPES["fast"])))
    stored = (  # key, seed, windows, epochs, dataset, time
        ("m1", 4, 600, 3, "mine", 3_000),
        ("m2", 3, 600, 3, "other", 3_001),
        ("m3", 4, 600, 3, "other", 3_002),
        ("m4", 4, 75, 3, "mine", 3_003),
        ("m5", 1, 900, 3, "mine", 3_004),
    )
    for key, seed, windows, epochs, data, time in stored:
        folder = run / "artifacts" / f"classifier-{key}"
        shutil.copytree(run / "artifacts/classifier-aa", folder)
        recipe = usual | {"patches_per_area": windows, "epochs": epochs}
        facts = {"name": "classifier", "key": key, "inputs": [f"{data} code"]}
        facts["parameters"] = {"seed": seed, "recipe": recipe}
        (folder / "artifact.json").write_text(json.dumps(facts))
        os.utime(folder / "artifact.json", (time, time))
    found = trained_by(run)
    assert "classifier-m5" in found.name and "most windows" in found.recipe
    page = {"recipe": "fast, patches_per_area=600, epochs=3", "seeds": [4, 3]}
    facts = {"parameters": page, "datasets": {"a": {"fingerprint": "mine"}}}
    provenance.note(run, "02_area_classifier", facts)
    found = trained_by(run)
    assert "classifier-m1, seed 4" in found.name
    assert 'recipe "fast, patches_per_area=600, epochs=3" of page 02: 600' in found.recipe
    assert "classifier-m2, seed 3" in trained_by(run, seed=3).name
    assert "classifier-m5" in trained_by(run, seed=1).name  # not one of page 02's


def test_the_command_from_beginning_to_end(run, images, tmp_path, capsys):
    np.save(tmp_path / "in.npy", images)
    out = tmp_path / "out"
    request = ["volume", str(tmp_path / "in.npy"), str(out), "--run", str(run)]
    options = ["--stride", "16", "--factors", "--pixel-size", "2.0"]
    assert cli.main([*request, *options]) == 0
    said = capsys.readouterr().out
    assert "network: " in said and "classifier-cc, seed 1; most windows" in said
    assert "2 slices in 2 blocks" in said and "Cortex" in said and "mean Dice" in said
    labels = zarr.open_array(str(out / "labels/areas/0"), mode="r")
    assert labels.shape == (2, 19, 32) and labels[:].any()
    assert zarr.open_array(str(out / "factors/0"), mode="r").shape == (3, 2, 19, 32)
    assert cli.main([*request, *options]) == 0
    assert "up to date" in capsys.readouterr().out
    assert cli.main([*request, "--stride", "32"]) == 2
    assert "another request" in capsys.readouterr().err
    assert cli.main([*request, "--stride", "32", "--force"]) == 0


def test_wrong_requests_are_usage_errors(run, images, tmp_path, capsys):
    np.save(tmp_path / "in.npy", images)
    request = ["volume", str(tmp_path / "in.npy"), str(tmp_path / "out")]
    assert cli.main([*request, "--run", str(tmp_path / "nothing")]) == 2
    assert "holds no trained area classifier" in capsys.readouterr().err
    missing = ["volume", str(tmp_path / "no.npy"), str(tmp_path / "out"), "--run", str(run)]
    assert cli.main(missing) == 2
    assert cli.main([*request, "--run", str(run), "--dask", "somewhere"]) == 2
    assert cli.main([*request, "--run", str(run), "--memory", "100MB"]) == 2
    assert "found --memory 0.1 GB" in capsys.readouterr().err
    for wrong in (["--stride", "0"], ["--memory", "much"], ["--pixel-size", "-1"]):
        with pytest.raises(SystemExit) as ending:
            cli.main([*request, "--run", str(run), *wrong])
        assert ending.value.code == 2
    assert not (tmp_path / "out").exists()


def test_memory_is_read_as_people_write_it():
    assert memory("1.5GB") == 1_500_000_000 and memory("512 MiB") == 2**29
    assert memory("1000") == 1000
