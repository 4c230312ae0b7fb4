"""Execute one notebook in a kernel of its own: how long, how much memory, and how it ended."""

import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from helpers.book import events
from helpers.book.root import project_root

RETRIES = 2  # of a kernel that does not start
PATIENCE = 3.0  # seconds that a kernel gets to clean up when it is to end
SAMPLING = 0.2  # seconds between looks at a kernel's memory
# What every kernel finds in its environment. Large blocks of memory stay mapped instead of going
# back to the system: several times faster on machines whose memory is slow to map, and Python must
# find this at its start.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "BRAINBOOK_HEADLESS": "1",
}


@dataclass(frozen=True)
class Failure:
    """Why a notebook failed: the cell as numbered in the notebook (``[7]``; None if no cell ran),
    and its error in one line.
    """

    cell: int | None
    error: str

    def __str__(self) -> str:
        place = f"failed in cell {self.cell}" if self.cell else "failed"
        return f"{place}: {self.error}"


@dataclass(frozen=True)
class Ending:
    """How the execution of one notebook ended.

    Attributes
    ----------
    seconds : float
    peak : int
        Largest memory of the kernel's process in bytes; 0 where it cannot be known.
    failure : Failure or None
    notes : dict of str to list of str
        What the kernel noted, see :mod:`helpers.book.events`.
    """

    seconds: float
    peak: int
    failure: Failure | None
    notes: dict[str, list[str]]


class Interrupted(RuntimeError):
    """The kernel was ended because the run was."""


@dataclass
class Kernels:
    """The kernels of one run, which end together.

    Attributes
    ----------
    prefix : str
        How their temporary folders begin, so that what a killed run left is known.
    environment : dict of str to str
    ended : bool
        Set by :meth:`end`; no further kernel starts.
    """

    prefix: str
    environment: dict[str, str]
    ended: bool = False
    _watched: list["_Watch"] = field(default_factory=list)

    def execute(
        self, notebook: Path, page: Path, parameters: dict, *, verbose: bool = False
    ) -> Ending:
        """Execute a notebook with papermill and write it to ``page``, also if a cell fails.

        Raises
        ------
        Interrupted
            :meth:`end` was called; nothing was written.
        """
        for attempt in range(RETRIES + 1):
            with tempfile.TemporaryDirectory(prefix=self.prefix) as place:
                watch = _Watch(Path(place), self)
                failure = watch.execute(notebook, page, parameters, verbose)
            if self.ended:
                raise Interrupted(f"{notebook.stem}: interrupted")
            if failure is None or watch.cells or attempt == RETRIES:
                break
        return Ending(time.perf_counter() - watch.begun, watch.peak, failure, watch.notes)

    def end(self) -> None:
        """End all kernels: ask first, so that they can clean up, then kill them."""
        self.ended = True
        for sign in (signal.SIGINT, getattr(signal, "SIGKILL", signal.SIGTERM)):
            for watch in list(self._watched):
                watch.send(sign)
            deadline = time.monotonic() + PATIENCE
            while any(w.alive() for w in list(self._watched)) and time.monotonic() < deadline:
                time.sleep(0.05)


class _Watch:
    """One kernel: its process, the most memory that it held, the cells that it began."""

    def __init__(self, place: Path, kernels: Kernels) -> None:
        self.place, self.kernels = place, kernels
        self.process: Popen | None = None
        self.notebook: Any = None
        self.begun, self.peak, self.cells, self.notes = time.perf_counter(), 0, 0, {}

    def execute(self, source: Path, page: Path, parameters: dict, verbose: bool) -> Failure | None:
        import nbformat
        import papermill
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

        result, failure = self.place / "page.ipynb", None
        self.kernels._watched.append(self)
        try:
            papermill.execute_notebook(
                source,
                result,
                parameters,
                kernel_name="python3",
                progress_bar=verbose,
                log_output=verbose,
                request_save_on_cell_execute=False,
                kernel_manager_class=self._manager(),
                on_notebook_start=self._keep,
                on_cell_execute=self._count,
            )
        except PapermillExecutionError as error:
            said = f"{error.ename}: {error.evalue}".strip().splitlines()
            failure = Failure(error.exec_count, said[0] if said else "no message")
        except DeadKernelError:
            failure = Failure(self.cells or None, self._death())
            nbformat.write(self.notebook, result)
        except RuntimeError as error:  # the kernel died before it answered
            failure = Failure(None, f"its kernel did not start ({error}); {self._death()}")
        finally:
            self.kernels._watched.remove(self)
            self.send(getattr(signal, "SIGKILL", signal.SIGTERM))  # what the kernel started itself
        self.notes = events.notes(self.place / "notes")
        if result.exists() and not self.kernels.ended:
            from helpers.data.files import atomic

            with atomic(page) as temporary:
                temporary.write_bytes(result.read_bytes())
        return failure

    def send(self, sign: int) -> None:
        """Send a signal to the kernel and all that it started."""
        if self.process is not None:
            with suppress(OSError):
                if hasattr(os, "killpg"):  # the kernel leads a group of its own
                    os.killpg(self.process.pid, sign)
                else:
                    self.process.terminate()

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _keep(self, notebook: Any) -> None:
        self.notebook = notebook

    def _count(self, cell: Any, cell_index: int) -> None:
        self.cells += 1

    def _death(self) -> str:
        """Say how the kernel's process ended, in words."""
        with suppress(Exception):  # it is ending; nothing to say if it does not
            self.process.wait(PATIENCE)
        code = getattr(self.process, "returncode", None)
        if code is None:
            return "its kernel does not answer"
        if code >= 0:
            return f"its kernel ended by itself (exit code {code})"
        held = f"; it held {in_gigabytes(self.peak)}" if self.peak else ""
        if -code == getattr(signal, "SIGKILL", 9):
            return (
                f"its kernel was killed (SIGKILL), as a system does when memory runs out{held}. "
                "Free memory, run fewer notebooks at a time (--jobs), or choose a larger stride"
            )
        return f"its kernel was ended by {signal.Signals(-code).name}{held}"

    def _measure(self) -> None:
        while self.alive():
            self.peak = max(self.peak, peak_memory(self.process.pid))
            time.sleep(SAMPLING)

    def _manager(self) -> type:
        """Return a kernel manager that talks over files in its own folder: no ports to race for."""
        from jupyter_client import AsyncKernelManager

        watch = self

        class LocalKernelManager(AsyncKernelManager):
            transport = "ipc"
            ip = f"{watch.place}/kernel"
            connection_file = f"{watch.place}/kernel.json"

            async def start_kernel(self, **options: object) -> None:
                notes = {events.NOTES: str(watch.place / "notes")}
                options["env"] = {**os.environ, **watch.kernels.environment, **notes}
                options["cwd"] = str(project_root())
                # A kernel that is asked to end says so, as if something had failed.
                options["extra_arguments"] = ["--log-level=50"]
                if not watch.kernels.ended:
                    await super().start_kernel(**options)
                    watch.process = self.provisioner.process
                    threading.Thread(target=watch._measure, daemon=True).start()
                if watch.kernels.ended:  # meanwhile
                    watch.send(getattr(signal, "SIGKILL", signal.SIGTERM))
                    raise RuntimeError("the run has ended")

        return LocalKernelManager


def peak_memory(process: int) -> int:
    """Return the most memory that a process has held, in bytes; where the system does not say that
    (outside Linux), what it holds now; 0 if it is gone.
    """
    if sys.platform == "linux":
        with suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{process}/status").read_text()
            return int(text.split("VmHWM:")[1].split()[0]) * 1024
        return 0
    import psutil

    with suppress(psutil.Error):
        return psutil.Process(process).memory_info().rss
    return 0


def in_gigabytes(size: int) -> str:
    """Return bytes for people: ``"1.24 GB"``."""
    return f"{size / 1e9:.2f} GB"
