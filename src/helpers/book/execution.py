"""Execute notebooks into a run folder with papermill: nothing twice, loud failures."""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, get_ident

from helpers.book import claims, endings, events, freshness, kernels, provenance
from helpers.book.parameters import UsageError, chosen_values, declared_parameters, notebooks
from helpers.book.reached_code import code_hash
from helpers.book.root import from_root, project_root
from helpers.book.run import NO_CLAIMS, PHANTOMS, claim_folder
from helpers.data.datasets.manifest import MANIFEST, load_yaml
from helpers.data.files import lock

SCOREBOARD = "12_scoreboard"  # reads what all others recorded, so it runs last
FACTORS = "06_nmf_factors"  # makes what page 07 reads as well: at the same time, one would wait
REGIONS = "11_receptive_field"  # perturbs regions of an atlas, and nothing else
# How a run is started, watched or rendered shapes no result.
NO_PART = ("render", "execution", "kernels", "endings", "freshness")


class NotebookError(RuntimeError):
    """A notebook failed; says which, in which cell, and with what error."""


@dataclass(frozen=True)
class Job:
    """One notebook with its final parameters and the key of everything that shapes its result."""

    notebook: str
    parameters: dict
    key: str


def plan(
    names: list[str], run: str | Path, datasets: dict[str, str], profile: dict, overrides: list[str]
) -> list[Job]:
    """Return what to execute, in order, with final parameters.

    Parameters
    ----------
    names : list of str
        Notebooks; empty means all whose kind of data is given.
    run : path
        The run folder.
    datasets : dict
        Paths under ``microct``, ``population``, ``weights``; without a dataset the phantoms serve.
    profile, overrides
        As for :func:`helpers.book.parameters.chosen_values`.

    Raises
    ------
    UsageError
        Unknown notebook or parameter, a value of the wrong type, or a dataset that is needed and
        not given.
    """
    given = {kind: path for kind, path in datasets.items() if path}
    if not any(kind in given for kind in PHANTOMS):
        given = {**PHANTOMS, **given}
    lacking = {
        name: [kind for kind in PHANTOMS if kind in declared_parameters(name) and kind not in given]
        for name in names or notebooks()
        if names or not _is_left_out(name, given)
    }
    for name, kinds in lacking.items():
        if names and kinds:
            raise UsageError(f"{name} needs a {kinds[0]} dataset: give --{kinds[0]} DIR")
    selected = [name for name, kinds in lacking.items() if not kinds]
    values = chosen_values(selected, profile, overrides)
    shared = {"run": _relative(run), **{kind: _relative(path) for kind, path in given.items()}}
    code, states, jobs = _package_hash(), {}, []
    for name in sorted(selected, key=lambda name: (name == SCOREBOARD, name)):
        final = {
            **values[name],
            **{key: text for key, text in shared.items() if key in values[name]},
        }
        jobs.append(Job(name, final, _job_key(name, final, code, states)))
    return jobs


def _is_left_out(name: str, given: dict[str, str]) -> bool:
    """Whether a page has nothing to say unless it is asked for by name: regions without an atlas,
    the scoreboard where no claim is judged.
    """
    if name == REGIONS and "population" in given:
        folder = from_root(given["population"])
        return (folder / MANIFEST).is_file() and "atlas" not in load_yaml(folder / MANIFEST)
    return name == SCOREBOARD and NO_CLAIMS in os.environ


def _relative(path: str | Path) -> str:
    """Return a path below the project root as relative to it: pages do not show where the clone
    lies.
    """
    root = project_root()
    return str(Path(path).relative_to(root) if root in Path(path).parents else path)


def execute(
    jobs: list[Job],
    run: Path,
    *,
    workers: int = 1,
    verbose: bool = False,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Execute jobs whose result is not already there.

    A failure does not stop the others: long runs keep what can be had; the scoreboard comes last.
    Another run into the same folder is waited for. What is said also goes to the run's ``log.txt``.

    Raises
    ------
    NotebookError
        After all jobs, naming every notebook that failed, its cell and its error.
    KeyboardInterrupt
        Ctrl-C, or a signal that stands for it (:func:`helpers.book.endings.interruptible`). Kernels
        are ended, and the same call resumes.
    """
    claim_folder(run)

    def told(text: str) -> None:
        say(text)
        events.log(run, text)

    wait = lambda: say(f"{run}: another run is writing there; waiting for it to end")
    with lock(run / ".run.lock", wait), endings.swept(run):
        events.log(run, f"run: {', '.join(job.notebook for job in jobs)}")
        todo = Work(run, workers, verbose, force, told)
        try:
            for text in freshness.damaged_records(run, {job.notebook for job in jobs}):
                told(text)
            failures = todo.execute([job for job in jobs if job.notebook != SCOREBOARD])
            claims.merge(run)
            last = [
                replace(job, key=_with_claims(job.key, run))
                for job in jobs
                if job.notebook == SCOREBOARD
            ]
            failures += todo.execute(last)
            claims.merge(run)
        except KeyboardInterrupt:
            events.log(run, "interrupted")
            raise
        events.log(run, f"done; failed: {len(failures)}")
    if failures:
        raise NotebookError("\n\n".join(failures))


@dataclass
class Work:
    """What executes the notebooks of one call; arguments as of :func:`execute`."""

    run: Path
    workers: int
    verbose: bool
    force: bool
    say: Callable[[str], None]
    threads: int = 0  # of each kernel

    def execute(self, jobs: list[Job]) -> list[str]:
        """Execute what is not done, side by side if asked; return the errors."""
        waiting, failures = [], []
        known = provenance.read(self.run).get("notebooks", {})
        for job in jobs:
            facts = known.get(job.notebook, {})
            fault = freshness.reason(self.run, facts, job.key, job.parameters)
            if not fault and not self.force:
                self.say(f"{job.notebook}: up to date")
                continue
            waiting.append(job)
            if facts and fault:
                self.say(f"{job.notebook}: {fault}; made again")
        clock = endings.Clock({name: row.get("seconds") for name, row in known.items()})
        with closing(self._endings(waiting)) as ended:  # on any error no kernel is left
            for number, (job, ending) in enumerate(ended, start=1):
                self._note(job, ending)
                left = clock.left(job.notebook, ending.seconds, waiting[number:], self.workers)
                memory = f", {kernels.in_gigabytes(ending.peak)} at most" if ending.peak else ""
                done = "FAILED after" if ending.failure else "done in"
                count = f"[{number}/{len(waiting)}] " if len(waiting) > 1 else ""
                self.say(f"{count}{job.notebook}: {done} {ending.seconds:.0f} s{memory}{left}")
                for text in ending.notes.get("said", ()):
                    self.say(f"  {text}")
                if ending.failure:
                    page = self.run / "notebooks" / f"{job.notebook}.ipynb"
                    failures.append(f"{job.notebook} {ending.failure}\n  see {page}")
                    events.log(self.run, failures[-1])
        return failures

    def _endings(self, jobs: list[Job]) -> Iterator[tuple[Job, kernels.Ending]]:
        """Yield jobs with their endings as they end; on any error no kernel is left."""
        environment = dict(kernels.ENVIRONMENT)
        workers = max(1, min(self.workers, len(jobs)))
        if workers > 1:  # side by side, kernels would fight for cores
            environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
            environment["OMP_WAIT_POLICY"] = "passive"  # a thread that waits leaves its core free
        together = kernels.Kernels(endings.temporary_prefix(self.run), environment)
        self.threads = threads_of(environment)
        order = Order(jobs, workers)

        def one() -> tuple[Job, kernels.Ending]:
            job = order.next()
            return job, self._one(together, job)

        # Threads, for the work is done by kernels; and signals stay with the main thread.
        with ThreadPoolExecutor(workers) as pool:
            try:
                for future in as_completed([pool.submit(one) for _ in jobs]):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                together.end()
                raise

    def _one(self, together: kernels.Kernels, job: Job) -> kernels.Ending:
        page = self.run / "notebooks" / f"{job.notebook}.ipynb"
        provenance.forget(self.run, job.notebook)  # from here on it is not done
        source = project_root() / "notebooks" / f"{job.notebook}.ipynb"
        return together.execute(source, page, job.parameters, verbose=self.verbose)

    def _note(self, job: Job, ending: kernels.Ending) -> None:
        """Write down how a notebook ended, and what it wrote."""
        facts = {"parameters": job.parameters, "seconds": round(ending.seconds, 1)}
        facts["threads"] = self.threads  # numbers of a training differ with it
        if ending.peak:
            facts["peak_memory_bytes"] = ending.peak
        if ending.failure:
            endings.record_failure(self.run, job.notebook, str(ending.failure))
            facts["failed"] = {"cell": ending.failure.cell, "error": ending.failure.error}
        else:
            written = freshness.outputs(self.run, job.notebook, ending.notes.get("wrote", []))
            facts |= {"key": job.key, "outputs": written}
        provenance.note(self.run, job.notebook, facts)


def threads_of(environment: dict[str, str]) -> int:
    """How many threads a kernel computes with, given what is set for it."""
    told = environment.get("OMP_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() else os.cpu_count() or 1


def branches(jobs: list[Job]) -> int:
    """How many notebooks to execute at a time, unless somebody says: two where there are notebooks
    of slices and of a population, and a core for each.
    """
    kinds = {"population" in job.parameters for job in jobs if job.notebook != SCOREBOARD}
    return min(len(kinds), os.cpu_count() or 1) or 1


class Order:
    """Which notebook is next: those of slices and those of populations share nothing, so two
    threads take one branch each, from its beginning. A thread whose branch is done helps with the
    other: first with the factors, which another page needs, then from its end, which needs least of
    what is being made there.
    """

    def __init__(self, jobs: list[Job], threads: int) -> None:
        self._branches = [jobs] if threads == 1 else [[], []]
        if threads > 1:
            for job in jobs:
                self._branches["population" in job.parameters].append(job)
        self._branches = [deque(branch) for branch in self._branches]
        self._lock, self._own = Lock(), {}

    def next(self) -> Job:
        """The next job of the calling thread; there must be one left."""
        with self._lock:
            number = self._own.setdefault(get_ident(), len(self._own))
            if number < len(self._branches) and self._branches[number]:
                return self._branches[number].popleft()
            longest = max(self._branches, key=len)
            early = next((job for job in longest if job.notebook == FACTORS), longest[-1])
            longest.remove(early)
            return early


def _job_key(notebook: str, values: dict, code: str, states: dict[str, str]) -> str:
    """Return a key over the notebook's text, its parameters, the data it reads and the package.

    Where the run lies is none of it: a run folder may be moved.
    """
    root = project_root()
    digest = hashlib.sha256((root / "notebooks" / f"{notebook}.py").read_bytes() + code.encode())
    digest.update((root / "book" / "claims.yml").read_bytes())
    digest.update(os.environ.get(NO_CLAIMS, "").encode())
    shaping = {name: value for name, value in values.items() if name != "run"}
    digest.update(json.dumps(shaping, sort_keys=True).encode())
    for kind in ("microct", "population", "weights"):
        folder = values.get(kind)
        if folder:
            if folder not in states:
                states[folder] = freshness.folder_state(from_root(folder), kind == "weights")
            digest.update(states[folder].encode())
    return digest.hexdigest()


def _with_claims(key: str, run: Path) -> str:
    ledgers = sorted((run / "claims").glob("*.json"))
    content = b"".join(path.read_bytes() for path in ledgers if path.stem != SCOREBOARD)
    return hashlib.sha256(key.encode() + content).hexdigest()


def _package_hash() -> str:
    """Return a hash of the package's code; how a run is started or rendered does not count."""
    package = Path(__file__).parents[1]
    aside = {
        package / "cli.py",
        *(package / "book" / f"{name}.py" for name in NO_PART),
    }
    sources = [path for path in sorted(package.rglob("*.py")) if path not in aside]
    return "".join(code_hash(path.read_text(encoding="utf-8")) for path in sources)
