"""Up to date means it: every file that a page was made from, and every file that it made."""

import json
import multiprocessing
import shutil
import time

import numpy as np
import pytest
import tifffile
import yaml

from helpers import cli
from helpers.book import execution, freshness, provenance
from helpers.book.root import project_root
from helpers.data.datasets.manifest import files_named

BODY = """
import pandas as pd
from helpers.book import open_run
opened = open_run(run, notebook="01_one", microct=microct)
opened.record("A.one", value, seed=seeds[0])
opened.save_table(pd.DataFrame({"value": [value]}), "one")
(opened.path / "count").open("a").write("x")
"""
PARAMETERS = 'microct = "data/phantom-microct"\nrun = "runs/quick"\nseeds = [0]\nvalue = 1.5\n'


@pytest.fixture
def run_one(project, two_area_folder, capsys):
    """Run the toy page into ``runs/a``; gives what was said and how often it was executed so
    far.
    """
    project("01_one", BODY, PARAMETERS)

    def run(*more, out="runs/a"):
        arguments = ("run", "01_one", "--microct", two_area_folder.folder, "--out", out, *more)
        assert cli.main([str(argument) for argument in arguments]) == 0
        count = project_root() / out / "count"
        return capsys.readouterr().out, len(count.read_text())

    return run


def test_deleted_and_changed_outputs_are_named_and_come_back(run_one):
    assert run_one()[1] == 1 and "up to date" in run_one()[0]
    out = project_root() / "runs" / "a"
    content = {}
    for number, name in enumerate(
        ("tables/one.csv", "claims/01_one.json", "notebooks/01_one.ipynb"), start=2
    ):
        content[name] = (out / name).read_bytes()
        (out / name).unlink()
        said, count = run_one()
        assert f"01_one: {name} is missing; made again" in said and count == number
        assert (out / name).exists() and "up to date" in run_one()[0]
    assert (out / "tables/one.csv").read_bytes() == content["tables/one.csv"]
    assert (out / "claims/01_one.json").read_bytes() == content["claims/01_one.json"]
    (out / "tables/one.csv").write_text("value\n2.5\n")
    assert "01_one: tables/one.csv has changed; made again" in run_one()[0]
    assert (out / "tables/one.csv").read_bytes() == content["tables/one.csv"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "deleted"])
def test_damaged_records_are_named_and_made_again(run_one, damage):
    run_one()
    out = project_root() / "runs" / "a"
    before = (out / "claims.json").read_bytes()
    path = out / "provenance.json"
    if damage == "deleted":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.write_text(path.read_text().replace('"value": 1.5', '"value": 2.5'))
    said, count = run_one()
    word = "is missing" if damage == "deleted" else "is damaged"
    assert f"provenance.json {word}" in said and "made again" in said and count == 2
    assert (out / "claims.json").read_bytes() == before
    assert provenance.fault(out) == "" and "up to date" in run_one()[0]


def test_truncated_ledgers_are_named_also_of_pages_that_were_not_asked_for(run_one):
    run_one()
    out = project_root() / "runs" / "a"
    ledger = out / "claims" / "01_one.json"
    ledger.write_bytes(ledger.read_bytes()[:10])
    said, count = run_one()
    assert "claims/01_one.json cannot be read and was removed: it is made again" in said
    assert count == 2 and json.loads(ledger.read_text())["records"]
    ledger.write_bytes(b"")
    said = freshness.damaged_records(out, set())
    assert said[0] == (
        "claims/01_one.json cannot be read and was removed: run 01_one to make it again"
    )


def test_every_member_of_a_folder_of_images_counts(tmp_path):
    folder = tmp_path / "data"
    (folder / "images" / "deeper").mkdir(parents=True)
    for i in range(40):
        tifffile.imwrite(folder / "images" / f"{i:02d}.tif", np.full((8, 8), i, np.uint8))
    (folder / "images" / "deeper" / "0.0").write_bytes(b"chunk")
    (folder / "dataset.yml").write_text(yaml.safe_dump({"images": "images"}))
    before = freshness.folder_state(folder)
    assert freshness.folder_state(folder) == before
    (folder / "unnamed.txt").write_text("not part of the dataset")
    assert freshness.folder_state(folder) == before
    for name in ("00.tif", "39.tif", "deeper/0.0"):
        path = folder / "images" / name
        content = bytearray(path.read_bytes())
        content[-1] ^= 1  # same size, same names: only the file's own time tells
        path.write_bytes(content)
        now = freshness.folder_state(folder)
        assert now != before
        before = now


@pytest.mark.parametrize("name", ["n" * 300, "/etc/passwd", "..", "../beside", "other", "a\\b"])
def test_only_what_names_a_file_is_looked_at(tmp_path, name):
    folder, beside = tmp_path / "data", tmp_path / "beside"
    for path in (beside / "deep", folder / "maps", folder / "other"):
        path.mkdir(parents=True)
    for file in ("z.tif", "maps/z_areas.tif", "maps/barrels.npy", "layers.tif", "other/text"):
        (folder / file).write_bytes(b"content")
    one = {"z": 1, "role": "test", "image": "z.tif", "areas": "maps\\z_areas.tif"}
    entry = {**one, "layers": "layers.tif", "truth": {"barrels": "maps/barrels.npy"}}
    manifest = {"name": name, "areas": {1: name, 2: "Cortex"}, "colours": {name: "other"}}
    manifest |= {"roles": {"cortex": [name]}, "slices": [entry, "other", {"image": [name]}]}
    (folder / "dataset.yml").write_text(yaml.safe_dump(manifest))
    named = {path.relative_to(folder).as_posix() for path in files_named(folder)}
    assert named == {
        "dataset.yml", "z.tif", "maps/z_areas.tif", "maps/barrels.npy", "layers.tif"
    }  # fmt: skip
    before = freshness.folder_state(folder)
    (beside / "deep" / "new").write_text("x")
    (folder / "other" / "text").write_text("changed, and longer")
    assert freshness.folder_state(folder) == before
    (folder / "maps" / "barrels.npy").write_text("changed, and longer")
    assert freshness.folder_state(folder) != before


@pytest.mark.parametrize("name", ["n" * 300, "/usr/lib", "..", "../beside", "link", 3, ["z"], None])
def test_a_file_outside_of_the_folder_is_not_looked_at(tmp_path, name):
    folder, beside = tmp_path / "data", tmp_path / "beside"
    folder.mkdir()
    beside.mkdir()
    (beside / "file").write_text("x")
    (folder / "link").symlink_to(beside)
    manifest = {key: name for key in ("images", "clean_images", "atlas", "clean", "truth")}
    manifest["slices"] = [{"image": name, "areas": name, "layers": name, "truth": {"a": name}}]
    (folder / "dataset.yml").write_text(json.dumps(manifest))
    assert files_named(folder) == [folder / "dataset.yml"]
    freshness.folder_state(folder)


def test_what_is_replaced_is_said(run_one):
    run_one()
    said, count = run_one("-p", "value=3")
    assert "01_one: replaces value 1.5 → 3.0; made again" in said and count == 2


def test_a_moved_run_folder_executes_nothing(run_one):
    run_one()
    shutil.move(project_root() / "runs" / "a", project_root() / "runs" / "b")
    said, count = run_one(out="runs/b")
    assert "01_one: up to date" in said and count == 1


def _hold(path):
    from helpers.data.files import lock

    with lock(path):
        (path.parent / "held").touch()
        while not (path.parent / "let go").exists():
            time.sleep(0.05)


def test_a_second_run_into_the_same_folder_waits(run_one, two_area_folder):
    run_one()
    out = project_root() / "runs" / "a"
    context = multiprocessing.get_context("spawn")
    holder = context.Process(target=_hold, args=(out / ".run.lock",), daemon=True)
    holder.start()
    while not (out / "held").exists():
        time.sleep(0.05)
    lines = []

    def say(text):
        lines.append(text)
        (out / "let go").touch()

    datasets = {"microct": str(two_area_folder.folder), "population": "", "weights": ""}
    jobs = execution.plan(["01_one"], out, datasets, {}, ["value=3"])
    execution.execute(jobs, out, say=say)
    assert lines[0].endswith("another run is writing there; waiting for it to end")
    assert lines[1] == "01_one: replaces value 1.5 → 3.0; made again"
    holder.join()
    log = (out / "log.txt").read_text()
    assert "01_one: done in" in log and "replaces value" in log


def test_a_page_that_another_one_overwrote_is_not_made_again_for_ever(tmp_path):
    provenance.note(tmp_path, "01", {"outputs": {"tables/x.csv": "1", "tables/y.csv": "1"}})
    provenance.note(tmp_path, "02", {"outputs": {"tables/x.csv": "2"}})
    rows = provenance.read(tmp_path)["notebooks"]
    assert rows["01"]["outputs"] == {"tables/y.csv": "1"}
    assert rows["02"]["outputs"] == {"tables/x.csv": "2"}


def test_the_key_holds_no_place_of_the_run(project, two_area_folder):
    datasets = {"microct": str(two_area_folder.folder), "population": "", "weights": ""}
    keys = {execution.plan([], out, datasets, {}, [])[0].key for out in ("runs/x", "/tmp/y")}
    assert len(keys) == 1
