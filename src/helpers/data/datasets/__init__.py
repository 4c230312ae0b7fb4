"""Open, check and begin dataset folders; errors name file, field, found, expected and remedy."""

from pathlib import Path

from helpers.data.datasets.manifest import DatasetError, Problem, read_manifest
from helpers.data.datasets.microct import MicroCT, Slice, open_microct, read_microct
from helpers.data.datasets.population import Population, open_population, read_population

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


def check(path: str | Path) -> tuple[str | None, list[Problem]]:
    """Return the kind of a dataset folder and every :class:`Problem` in it; writes nothing."""
    kind = None
    try:
        kind = read_manifest(Path(path))["kind"]
        return kind, {"microct": read_microct, "population": read_population}[kind](Path(path))[1]
    except DatasetError as error:
        return kind, error.problems
