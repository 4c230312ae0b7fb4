"""Whole volumes on Dask: real schedulers and workers, which are killed."""

import contextlib
import json
import os
import signal

import pytest
from dask_cluster import Cluster, when
from volume_samples import STRIDE, chunks, notes, predict, write_inputs

from helpers.book import executors
from helpers.book.parameters import UsageError
from helpers.tissue.network import dense
from helpers.tissue.stages import volume
from helpers.tissue.volumes.schedule import VolumeError

pytest.importorskip("distributed")
TILE = dense.TILE // STRIDE


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of one tile; the workers learn of it from the request."""
    monkeypatch.setattr(volume, "block_side", lambda stride: TILE)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("volume")
    write_inputs(folder, n=8, factors=3)
    return folder


@pytest.fixture(scope="module")
def serial(inputs, tmp_path_factory):
    """The files of the result that one thread makes."""
    out = tmp_path_factory.mktemp("serial") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume, "block_side", lambda stride: TILE)
        predict(inputs, out)
    return chunks(out)


def block_notes(out):
    """Notes of blocks and slices that are done, each with the time when it was written."""
    found = {}
    for path in (out / ".brainbook").rglob("*.json"):
        if path.name[0] != "." and (path.parent.name == "done" or "-" in path.stem):
            with contextlib.suppress(OSError, ValueError):
                found[path] = (json.loads(path.read_text())["by"], path.stat().st_mtime_ns)
    return found


def finished_slices(out):
    return len(list((out / ".brainbook" / "done").glob("[0-9]*.json")))


@pytest.mark.slow
def test_two_workers_make_what_one_thread_makes(inputs, serial, tmp_path):
    out = tmp_path / "out"
    with Cluster(tmp_path) as cluster:
        result = predict(inputs, out, cluster.address)
        assert chunks(out) == serial
        assert result.work.computed == {"scale": 8, "block": 48, "slice": 8}
        assert len({note["by"] for note in notes(out).values()}) == 2
        assert not predict(inputs, out, cluster.address).work.computed


@pytest.mark.slow
def test_a_worker_is_killed_in_the_middle(inputs, serial, tmp_path):
    out, seen = tmp_path / "out", {}
    with Cluster(tmp_path) as cluster:

        def kill():
            os.kill(cluster.workers[0].pid, signal.SIGKILL)
            seen.update(block_notes(out))

        thread = when(lambda: finished_slices(out) >= 3, kill)
        result = predict(inputs, out, cluster.address)
        thread.join()
    assert seen and cluster.workers[0].poll() == -signal.SIGKILL
    assert chunks(out) == serial
    # what was finished when the worker died is still the same file: nothing of it was done again
    finished = {path: when for path, when in seen.items() if path.parent.name == "done"}
    assert len(finished) >= 3 and finished.items() <= block_notes(out).items()
    # a block that was noted counts as kept if its worker could not tell of it any more
    assert result.work.computed["block"] + result.work.kept["block"] == 48


@pytest.mark.slow
def test_the_scheduler_is_killed_and_the_same_command_goes_on(inputs, serial, tmp_path):
    out, seen = tmp_path / "out", {}
    with Cluster(tmp_path) as cluster:
        kill = lambda: os.kill(cluster.scheduler.pid, signal.SIGKILL)
        thread = when(lambda: finished_slices(out) >= 3, kill)
        with pytest.raises(VolumeError, match="run the same command again"):
            predict(inputs, out, cluster.address)
        thread.join()
    seen = block_notes(out)
    blocks = [path for path in seen if path.parent.name != "done"]
    slices = [path for path in seen if path.parent.name == "done"]
    assert 3 <= len(slices) < 8
    with Cluster(tmp_path) as cluster:
        result = predict(inputs, out, cluster.address)
    assert chunks(out) == serial
    assert result.work.computed["block"] == 48 - 6 * len(slices) - len(blocks)
    assert result.work.kept["block"] == len(blocks)
    finished = {path: seen[path] for path in slices}
    assert finished.items() <= block_notes(out).items()


@pytest.mark.slow
def test_local_workers_are_bounded_in_memory(inputs, serial, tmp_path):
    said = []
    predict(inputs, tmp_path / "out", "local:2", memory=1_500_000_000, say=said.append)
    assert chunks(tmp_path / "out") == serial
    assert "2 Dask workers" in said[0] and "at most 1.5 GB each" in said[0]


def test_an_address_that_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 1)
    for text in ("somewhere", "local:0", "local:x"):
        with pytest.raises(UsageError, match="expected local, local:N"), executors.workers(text):
            pass
    with (
        pytest.raises(UsageError, match="no scheduler answers"),
        executors.workers("tcp://127.0.0.1:9"),
    ):
        pass
