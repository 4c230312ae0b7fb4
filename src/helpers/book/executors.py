"""Where work that can be done side by side is done: threads or processes here, or Dask's workers.

Whoever has such work takes an executor of `concurrent.futures`, and does not know which. Dask's own
(`distributed.Client.get_executor`) is one of them.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.book.parameters import UsageError

if TYPE_CHECKING:
    from distributed import Client

DASK = "BRAINBOOK_DASK"  # in the environment of a kernel: the address of Dask's scheduler
GONE = (
    "the workers are gone: Dask's scheduler does not answer any more. What is done stays; run the "
    "same command again to go on."
)
PATIENCE = 30  # seconds until a scheduler must have answered
DEATHS = 3  # workers that may die on a task before it counts as what kills them
# Workers start with one thread each and with large blocks of memory staying mapped, see
# `helpers.book.execution.ENVIRONMENT`.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
}


@dataclass(frozen=True)
class Workers:
    """Something that does work side by side.

    Attributes
    ----------
    executor : concurrent.futures.Executor
    count : callable
        How many pieces of work are done at a time, now.
    name : str
        What it is, for people.
    address : str
        Of Dask's scheduler, "" without.
    """

    executor: Executor
    count: Callable[[], int]
    name: str
    address: str = ""


@contextmanager
def workers(dask: str = "", *, memory: int = 0, threads: int = 0) -> Iterator[Workers]:
    """Open workers for as long as the block runs.

    Parameters
    ----------
    dask : str
        ``local`` or ``local:N`` (processes of this machine that live as long as the block), or the
        address of a scheduler, for example ``tcp://host:8786``; "" for threads of this process.
    memory : int
        Bytes at which a local worker of Dask is started anew; 0 for no limit.
    threads : int
        Of this process, without Dask; 0 for one per processor.

    Raises
    ------
    UsageError
        If the text is none of these, or no scheduler answers there.
    """
    if not dask:
        count = threads or processors()
        with ThreadPoolExecutor(count) as pool:
            yield Workers(pool, lambda: count, f"{count} threads of this machine")
        return
    with _client(dask, memory) as client:
        executor = client.get_executor(pure=False, retries=0)
        count = lambda: max(1, sum(client.nthreads().values()))
        name = f"{count()} Dask workers at {client.scheduler.address}{_dashboard(client)}"
        try:
            yield Workers(executor, count, name, client.scheduler.address)
        finally:
            executor.shutdown(wait=False)


@contextmanager
def serving(dask: str) -> Iterator[str]:
    """Let all kernels that are started in the block give what can be shared out to Dask.

    Parameters
    ----------
    dask : str
        As for `workers`; "" changes nothing.

    Yields
    ------
    str
        What the workers are, for people; "" without.
    """
    if not dask:
        yield ""
        return
    before = os.environ.get(DASK)
    with workers(dask) as found:
        os.environ[DASK] = found.address
        try:
            yield found.name
        finally:
            os.environ.pop(DASK)
            if before is not None:
                os.environ[DASK] = before


def processors() -> int:
    """Return how many processors this process may use."""
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return len(usable(0))


def local_workers(dask: str) -> int | None:
    """Return N of ``local:N``, the number of processors for ``local``, None for an address.

    Raises
    ------
    UsageError
        If the text is neither.
    """
    kind, _, number = dask.partition(":")
    if kind == "local":
        if number and not (number.isdigit() and int(number) > 0):
            raise UsageError(
                f"--dask {dask}: expected local, local:N or the address of a scheduler"
            )
        return int(number or processors())
    if ":" not in dask:
        raise UsageError(
            f"--dask {dask}: expected local, local:N or the address of a scheduler, "
            "for example tcp://host:8786"
        )
    return None


@contextmanager
def _client(dask: str, memory: int) -> Iterator["Client"]:
    count = local_workers(dask)
    try:
        import dask as library
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError(
            "--dask needs the packages dask and distributed, which both locks hold: "
            "pip install --constraint locks/full.txt 'brainbook[dask]'"
        ) from None
    settings = {
        "distributed.nanny.pre-spawn-environ": WORKER_ENVIRONMENT,
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.comm.timeouts.connect": f"{PATIENCE}s",
    }
    with library.config.set(settings):
        if count is None:
            try:
                client = Client(dask, timeout=f"{PATIENCE}s", set_as_default=False)
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"--dask {dask}: no scheduler answers there ({error}); "
                    "`dask scheduler` starts one, and prints its address"
                ) from None
            with client:
                yield client
            return
        options = {"n_workers": count, "threads_per_worker": 1, "memory_limit": memory or None}
        with (
            LocalCluster(**options, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _dashboard(client: "Client") -> str:
    try:
        import bokeh  # noqa: F401
    except ImportError:
        return " (its dashboard needs the package bokeh)"
    return f", dashboard {client.dashboard_link}"
