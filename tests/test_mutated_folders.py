"""Hundreds of damaged folders: a message or a dataset; no traceback, no hang, nothing written."""

import os
import random
import time

import pytest
from mutations import make, mutate

from helpers.data import datasets
from helpers.data.datasets import DatasetError
from helpers.data.datasets.weights import WeightsError, open_weights

OPEN = {"microct": datasets.open_microct, "population": datasets.open_population}
OPEN["volumes"] = datasets.open_microct
FAST, ALL = 42, 1002
FAST_VOLUMES, ALL_VOLUMES = 10, 200  # of a dataset in stacks, zarr, OME, NRRD and NIfTI


def state(folder):
    return sorted((str(p), os.lstat(p).st_mtime_ns, os.lstat(p).st_size) for p in folder.rglob("*"))


def outcome(folder, kind):
    """Whether a folder is accepted; whatever else it raises than a message fails the test."""
    if kind == "weights":
        from helpers.tissue.network.pretrained import load_network

        try:
            for record in open_weights(folder).records:
                load_network(record)
        except WeightsError as error:
            assert len(str(error)) > 20
            return False
        return True
    found, problems = datasets.check(folder)
    errors = [str(problem) for problem in problems if problem.severity == "error"]
    assert all(": found " in text and "; expected " in text for text in errors)
    try:
        OPEN[found or kind](folder)
    except DatasetError:
        assert errors
        return False
    cannot_run = ("no slice of role train",)  # such a dataset opens, and no page could run on it
    assert all(any(reason in text for reason in cannot_run) for text in errors)
    return not errors


def one_case(tmp_path, number, kind=""):
    draw = random.Random(f"{kind} {number}" if kind else number)
    kind = kind or ("microct", "population", "weights")[number % 3]
    folder = tmp_path / "folder"
    make(folder, kind)
    done = mutate(folder, kind, draw)
    before, start = state(tmp_path), time.perf_counter()
    try:
        accepted = outcome(folder, kind)
    except Exception as error:
        pytest.fail(f"case {number} ({kind}: {'; '.join(done)}) raised {error!r}")
    assert time.perf_counter() - start < 10, done
    assert state(tmp_path) == before, done
    return accepted


def test_what_was_not_damaged_is_accepted(tmp_path):
    for kind in ("microct", "population", "weights", "volumes"):
        make(tmp_path / kind, kind)
        assert outcome(tmp_path / kind, kind)


@pytest.mark.parametrize("number", range(FAST))
def test_a_sample_of_damaged_folders(tmp_path, number):
    one_case(tmp_path, number)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FAST, ALL))
def test_all_damaged_folders(tmp_path, number):
    one_case(tmp_path, number)


@pytest.mark.parametrize("number", range(FAST_VOLUMES))
def test_a_sample_of_damaged_volumes(tmp_path, number):
    one_case(tmp_path, number, "volumes")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FAST_VOLUMES, ALL_VOLUMES))
def test_all_damaged_volumes(tmp_path, number):
    one_case(tmp_path, number, "volumes")
