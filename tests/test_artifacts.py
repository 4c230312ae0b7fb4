"""Artifacts: made once, made again exactly when what made them changes, whole or not at all."""

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from helpers.book import artifacts, checksums
from helpers.data import files, folders


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


def flip(path):
    """Flip one bit in the middle of a file, and put its time back."""
    content, about = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))


DAMAGE = {
    "value.txt is damaged": lambda folder: flip(folder / "value.txt"),
    "value.txt is missing": lambda folder: (folder / "value.txt").unlink(),
    "artifact.json is missing": lambda folder: (folder / "artifact.json").unlink(),
    "artifact.json is damaged": lambda folder: (folder / "artifact.json").write_text("{"),
    "stray.npy was not written": lambda folder: (folder / "stray.npy").write_bytes(b"1"),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_damage_is_named_and_the_artifact_made_anew(tmp_path, said, recwarn):
    root = tmp_path / "artifacts"
    first, _ = store(root)
    DAMAGE[said](first.path)
    with pytest.warns(UserWarning, match=f"artifact {first.path.name}: {said}.*it is made anew"):
        again, calls = store(root)
    assert len(calls) == 1 and again.value == "42" and again.key == first.key
    assert said in (tmp_path / "log.txt").read_text()
    quiet, calls = store(root)  # sound again
    assert not calls and sorted(p.name for p in quiet.path.iterdir()) == [
        "artifact.json",
        "value.txt",
    ]


def test_what_a_file_browser_leaves_is_no_damage(tmp_path):
    first, _ = store(tmp_path)
    (first.path / ".DS_Store").write_bytes(b"x")
    assert not store(tmp_path)[1]


def test_a_file_is_hashed_once_unless_it_is_touched(tmp_path, monkeypatch):
    result, _ = store(tmp_path)
    read = []
    monkeypatch.setattr(checksums, "file_sha256", lambda p: read.append(p) or files.file_sha256(p))
    store(tmp_path)
    store(tmp_path)
    assert read == [result.path / "value.txt"]
    (result.path / "value.txt").touch()
    store(tmp_path)
    assert len(read) == 2


def test_sound_files_that_cannot_be_read_are_named_with_the_remedy(tmp_path):
    def unreadable(folder):
        raise ValueError("odd")

    with pytest.raises(ValueError, match="Delete that folder and run again"):
        artifacts.artifact(tmp_path, "thing", {}, lambda f: None, unreadable)


def test_a_checkpoint_that_cannot_be_continued_is_dropped(tmp_path):
    def make(folder):
        checkpoint = folder / "checkpoint"
        if checkpoint.exists() and checkpoint.read_text() != "sound":
            raise RuntimeError("unexpected end of archive")
        first = not (tmp_path / "begun").exists()
        (tmp_path / "begun").touch()
        checkpoint.write_text("damaged" if first else "sound")
        if first:
            raise KeyboardInterrupt
        (folder / "value.txt").write_text("42")

    root = tmp_path / "artifacts"
    with pytest.raises(KeyboardInterrupt):
        store(root, make=make)
    with pytest.warns(UserWarning, match="cannot be continued .unexpected end.*made anew"):
        assert store(root, make=make)[0].value == "42"


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                             capture_output=True, text=True)  # fmt: skip
    gone = int(process.stdout)
    (tmp_path / f".{gone}-a.json").write_text("half")
    (tmp_path / f".{gone}-b.json").write_text("half")
    (tmp_path / f".{os.getpid()}-a.json.c").write_text("of a process that runs")
    files.write_json(tmp_path / "a.json", {})
    left = {f".{gone}-b.json", f".{os.getpid()}-a.json.c", "a.json"}
    assert {path.name for path in tmp_path.iterdir()} == left
    files.remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == left - {f".{gone}-b.json"}


def test_a_folder_that_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / ".999999999-out.partial").mkdir()
    (tmp_path / ".999999999-out.old").mkdir()
    with folders.new_folder(tmp_path / "out") as partial:
        (partial / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


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
