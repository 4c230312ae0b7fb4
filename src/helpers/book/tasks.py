"""Tasks of a run that are done elsewhere: the run as whoever does them sees it, and their end.

A worker is given what can be sent, opens the run's folder itself, and stores there what it makes.
"""

from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, as_completed
from functools import lru_cache
from pathlib import Path

from tqdm.auto import tqdm

from helpers.book.executors import GONE
from helpers.book.run import Run

Address = tuple[str, str, tuple[tuple[str, str], ...]]  # of a run: folder, notebook, datasets


def run_address(run: Run) -> Address:
    """Return what a worker has to know of a run to open it with `run_at`."""
    return str(run.path.resolve()), run.notebook, tuple(sorted(run.sources.items()))


@lru_cache(maxsize=1)
def run_at(address: Address) -> Run:
    """Return a worker's own run, which holds the datasets for all of its tasks; it computes on one
    thread from here on.
    """
    import torch

    torch.set_num_threads(1)
    path, notebook, sources = address
    return Run(Path(path), notebook, dict(sources))


def wait_for_all(tasks: Sequence[Future], what: str) -> None:
    """Wait until all tasks are done, with a progress bar; raise what any of them raised.

    Raises
    ------
    RuntimeError
        If the workers are gone.
    """
    for task in tqdm(as_completed(tasks), total=len(tasks), desc=f"{what}s", unit=what):
        try:
            task.result()
        except CancelledError:
            raise RuntimeError(GONE) from None
