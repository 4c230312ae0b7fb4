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
    kind, problems, _ = look_at(path)
    return kind, [problem for problem in problems if problem.severity != "note"]


def look_at(path: str | Path) -> tuple[str | None, list[Problem], str]:
    """Return what `check` does with notes on what pages will leave out, and what they will need of
    the machine, in words.
    """
    from helpers.data.datasets import foresight

    kind = None
    try:
        kind = read_manifest(Path(path))["kind"]
        reader = {"microct": read_microct, "population": read_population}[kind]
        data, problems = reader(Path(path))
    except DatasetError as error:
        return kind, error.problems, ""
    expect = foresight.of_microct if kind == "microct" else foresight.of_population
    return kind, [*problems, *expect(data)], foresight.needs(data)


def expect_to_run(data: MicroCT | Population) -> None:
    """Raise DatasetError if no page could run on a dataset, though it can be opened."""
    from helpers.data.datasets import foresight

    expect = foresight.of_microct if isinstance(data, MicroCT) else foresight.of_population
    errors = [problem for problem in expect(data) if problem.severity == "error"]
    if errors:
        raise DatasetError(data.path, errors)
