"""A real scheduler and real workers of Dask, for tests that kill them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "src"), *sys.path]),
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "5",
}


class Cluster:
    """A scheduler and workers, one thread each, as processes of their own.

    `preload` is code that every worker executes before anything else.
    """

    def __init__(self, folder, workers=2, preload=""):
        self.folder, self.processes, self.preload = folder, [], ()
        if preload:
            (folder / "preload.py").write_text(preload)
            self.preload = ("--preload", str(folder / "preload.py"))
        file = folder / "scheduler.json"
        file.unlink(missing_ok=True)
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(file))
        self.address = self._address(file)
        self.workers = [self.add_worker() for _ in range(workers)]

    def add_worker(self):
        facts = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "600")
        return self._start("worker", self.address, *facts, *self.preload)

    def _start(self, kind, *arguments):
        with open(self.folder / "dask.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_" + kind, *arguments],
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd=self.folder,
            )
        self.processes.append(process)
        return process

    def _address(self, file):
        for _ in range(600):
            try:
                return json.loads(file.read_text())["address"]
            except (OSError, ValueError, KeyError):
                time.sleep(0.1)
        raise TimeoutError((self.folder / "dask.log").read_text()[-2000:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def when(condition, then, seconds=600):
    """Do something in a thread of its own as soon as a condition holds."""

    def wait():
        for _ in range(int(seconds / 0.02)):
            if condition():
                then()
                return
            time.sleep(0.02)

    thread = Thread(target=wait, daemon=True)
    thread.start()
    return thread
