"""How runs end: by themselves, by a signal, by a failure; and what must not be left then."""

import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from helpers.book import claims, kernels, provenance
from helpers.data.files import remove_abandoned, write_json

LIKE_CTRL_C = ("SIGTERM", "SIGHUP")  # a batch system's, and a terminal's that closes


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, so that all is cleaned up."""
    signs = [getattr(signal, name) for name in LIKE_CTRL_C if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        signs = []  # they are the main thread's
    # a signal that is ignored stays so: `nohup brainbook run` outlives its terminal
    signs = [sign for sign in signs if signal.getsignal(sign) is signal.SIG_DFL]
    try:
        for sign in signs:
            signal.signal(sign, signal.default_int_handler)
        yield
    finally:
        for sign in signs:
            signal.signal(sign, signal.SIG_DFL)


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, however that ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def temporary_prefix(run: Path) -> str:
    """Return how the temporary folders of a run folder's kernels begin."""
    return f"brainbook-{hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:10]}-"


@contextmanager
def swept(run: Path) -> Iterator[None]:
    """Remove what killed runs and kernels left of half-written files, before the block and after.

    The run must be locked. What artifacts need to go on from (``.….partial``) stays.
    """
    _sweep(run)
    try:
        yield
    finally:
        _sweep(run)


def _sweep(run: Path) -> None:
    for folder, names, _ in os.walk(run):
        names[:] = [name for name in names if name not in ("html", ".book")]
        remove_abandoned(Path(folder))
    for path in Path(tempfile.gettempdir()).glob(f"{temporary_prefix(run)}*"):
        with suppress(OSError):
            if not hasattr(os, "getuid") or path.stat().st_uid == os.getuid():
                shutil.rmtree(path, ignore_errors=True)


def record_failure(run: Path, notebook: str, failure: str) -> None:
    """Write to a failed notebook's ledger that its claims were not run, and why.

    Numbers that it recorded before it failed are dropped: they may be of some seeds only.
    """
    reason = f"its notebook {failure}"
    missing = {id: reason for id, claim in claims.load().items() if claim.notebook == notebook}
    content = {"notebook": notebook, "dataset": "", "records": [], "not_run": missing}
    write_json(run / "claims" / f"{notebook}.json", content)


def failures(run: Path) -> dict[str, kernels.Failure]:
    """Return the notebooks that failed in a run folder, and how."""
    rows = provenance.read(run).get("notebooks", {})
    found = {name: row["failed"] for name, row in sorted(rows.items()) if "failed" in row}
    return {name: kernels.Failure(**fault) for name, fault in found.items()}


class Clock:
    """Estimates how long the rest of a run will take.

    Parameters
    ----------
    before : dict of str to float or None
        Seconds that each notebook took the last time.
    """

    def __init__(self, before: dict[str, float | None]) -> None:
        self.before = {name: seconds for name, seconds in before.items() if seconds}
        self.done: dict[str, float] = {}

    def left(self, notebook: str, seconds: float, waiting: list[Any], workers: int) -> str:
        """Return words on the time that is left after one more notebook is done.

        Notebooks that never ran count as the mean of those done; those that did are scaled by how
        much faster or slower this run is.
        """
        self.done[notebook] = seconds
        if not waiting:
            return ""
        both = [name for name in self.done if name in self.before]
        earlier = sum(self.before[name] for name in both)
        scale = sum(self.done[name] for name in both) / earlier if earlier else 1.0
        mean = sum(self.done.values()) / len(self.done)
        names = [job.notebook for job in waiting]
        rest = sum(self.before[name] * scale if name in self.before else mean for name in names)
        return f"; about {_in_words(rest / max(1, min(workers, len(names))))} left"


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
