"""Open, check and begin dataset folders; errors name file, field, found, expected and remedy."""

from helpers.data.datasets.manifest import DatasetError, Problem, read_manifest
from helpers.data.datasets.microct import MicroCT, Slice, open_microct
from helpers.data.datasets.population import Population, open_population

__all__ = [
    "DatasetError",
    "MicroCT",
    "Population",
    "Problem",
    "Slice",
    "check",
    "open_microct",
    "open_population",
]


def check(path):
    """Return the kind of a dataset folder and every :class:`Problem` in it; writes nothing."""
    from pathlib import Path

    from helpers.data.datasets.microct import read_microct
    from helpers.data.datasets.population import read_population

    folder = Path(path)
    try:
        kind = read_manifest(folder, None)["kind"]
        _, problems = {"microct": read_microct, "population": read_population}[kind](folder)
    except DatasetError as error:
        return None, error.problems
    return kind, list(problems)
