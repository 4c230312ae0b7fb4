"""Artifacts: made once, made again exactly when what made them changes, whole or not at all."""

import multiprocessing
import time

import pytest

from helpers.book import artifacts
from helpers.data import files


def store(root, parameters=None, make=None, **options):
    calls = []

    def default_make(folder):
        calls.append(folder)
        (folder / "value.txt").write_text("42")

    result = artifacts.artifact(
        root,
        "thing",
        parameters or {},
        make or default_make,
        lambda f: (f / "value.txt").read_text(),
        **options,
    )
    return result, calls


def test_second_request_loads_and_does_not_make(tmp_path):
    first, calls = store(tmp_path)
    again, more = store(tmp_path)
    assert (
        len(calls) == 1
        and not more
        and first.value == again.value == "42"
        and first.key == again.key
    )


def test_key_follows_parameters_inputs_and_name(tmp_path):
    keys = {
        store(tmp_path, parameters, inputs=inputs)[0].key
        for parameters, inputs in (
            ({}, ()),
            ({"k": 1}, ()),
            ({"k": 2}, ()),
            ({}, ("a",)),
            ({}, ("b",)),
        )
    }
    assert len(keys) == 5
    assert store(tmp_path, {"a": 1, "b": 2})[0].key == store(tmp_path, {"b": 2, "a": 1})[0].key


def test_a_failed_make_leaves_nothing_and_its_checkpoint_is_found_again(tmp_path):
    def failing(folder):
        (folder / "checkpoint").write_text("half")
        raise KeyboardInterrupt

    def resuming(folder):
        (folder / "value.txt").write_text((folder / "checkpoint").read_text() + " whole")

    # One function that behaves differently, so that both requests have one key.
    state = {"function": failing}

    def make(folder):
        state["function"](folder)

    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, make=make)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("thing")]
    state["function"] = resuming
    assert store(tmp_path, make=make)[0].value == "half whole"


def test_a_damaged_artifact_is_named_with_the_remedy(tmp_path):
    result, _ = store(tmp_path)
    (result.path / "value.txt").unlink()
    with pytest.raises(ValueError, match="Delete that folder and run again"):
        store(tmp_path)


def test_parameters_must_be_plain(tmp_path):
    import numpy as np

    store(tmp_path, {"k": np.int64(3)})
    with pytest.raises(TypeError, match="a parameter is a ndarray"):
        store(tmp_path, {"k": np.zeros(3)})


def _slow_make(folder):
    time.sleep(0.3)
    with open(folder.parent / "made", "a") as stream:
        stream.write("x")
    (folder / "value.txt").write_text("42")


def _request(root):
    artifacts.artifact(root, "thing", {}, _slow_make, lambda f: (f / "value.txt").read_text())


def test_two_processes_make_it_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_request, args=(tmp_path,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0] and (
        tmp_path / "made"
    ).read_text() == "x"


def test_atomic_write_keeps_the_old_file_on_failure(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), files.atomic(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
