"""The same numbers on another number of threads, up to a stated tolerance.

With the same number of threads a run repeats bit for bit. Another number adds up gradients and
products in another order, which changes the last bits of the weights; what follows must not make
much of that.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import cli

TOLERANCE = 1e-3  # of every number that a claim rests on (see book/decisions.md)
PAGES = ("02_area_classifier", "04_gram_structure", "06_nmf_factors")


def numbers(value, name=""):
    """Yield (name, number) of all that a claim recorded."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from numbers(part, f"{name}.{key}")
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from numbers(part, f"{name}[{i}]")
    elif isinstance(value, float):
        yield name, value


@pytest.mark.long
def test_claims_do_not_hang_on_the_number_of_threads(tiny_microct, tmp_path):
    found = {}
    for threads in ("1", "2"):
        out = tmp_path / threads
        command = [sys.executable, "-m", "helpers.cli", "run", *PAGES, "--out", str(out)]
        command += ["--microct", str(tiny_microct)]
        command += ["--profile", str(Path(__file__).parent / "tiny.yml")]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "PYTHONPATH": str(Path(cli.__file__).parents[1]),
        }
        subprocess.run(command, check=True, env=environment, capture_output=True)
        rows = json.loads((out / "claims.json").read_text())["claims"]
        found[threads] = {
            name: number for row in rows for name, number in numbers(row["values"], row["id"])
        }
    assert found["1"].keys() == found["2"].keys() and len(found["1"]) > 10
    far = {
        name: (one, found["2"][name])
        for name, one in found["1"].items()
        if abs(one - found["2"][name]) > TOLERANCE * max(1.0, abs(one))
    }
    assert not far
