"""Execute notebooks into a run folder with papermill: nothing twice, loud failures."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.book import claims, provenance
from helpers.book.parameters import UsageError, chosen_values, declared_parameters, notebooks
from helpers.book.reached_code import code_hash
from helpers.book.root import from_root, project_root
from helpers.book.run import NO_CLAIMS, PHANTOMS, claim_folder
from helpers.data.datasets.manifest import MANIFEST, files_named, load_yaml

SCOREBOARD = "12_scoreboard"  # reads what all others recorded, so it runs last
REGIONS = "11_receptive_field"  # perturbs regions of an atlas, and nothing else
RETRIES = 2  # kernels that start together can race for a port
# What every kernel finds in its environment. Large blocks of memory stay mapped instead of going
# back to the system: several times faster on machines whose memory is slow to map, and Python must
# find this at its start.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "BRAINBOOK_HEADLESS": "1",
}


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
    code = _package_hash()
    jobs = []
    for name in sorted(selected, key=lambda name: (name == SCOREBOARD, name)):
        final = {
            **values[name],
            **{key: text for key, text in shared.items() if key in values[name]},
        }
        jobs.append(Job(name, final, _job_key(name, final, code)))
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

    Raises
    ------
    NotebookError
        After all jobs, naming every notebook that failed, its cell and its error.
    """
    claim_folder(run)
    failures = _execute_some(
        [job for job in jobs if job.notebook != SCOREBOARD], run, workers, verbose, force, say
    )
    claims.merge(run)
    last = [
        replace(job, key=_with_claims(job.key, run)) for job in jobs if job.notebook == SCOREBOARD
    ]
    failures += _execute_some(last, run, 1, verbose, force, say)
    if failures:
        raise NotebookError("\n\n".join(failures))


def _execute_some(
    jobs: list[Job], run: Path, workers: int, verbose: bool, force: bool, say: Callable
) -> list[str]:
    """Execute what is not done, side by side if asked; return the errors."""
    waiting, failures = [], []
    for job in jobs:
        if force or not _is_done(run, job):
            waiting.append(job)
        else:
            say(f"{job.notebook}: up to date")
    for job, seconds, error in _results(waiting, run, workers, verbose):
        say(f"{job.notebook}: FAILED" if error else f"{job.notebook}: done in {seconds:.0f} s")
        failures += [error] if error else []
    return failures


def _results(
    jobs: list[Job], run: Path, workers: int, verbose: bool
) -> Iterator[tuple[Job, float, str | None]]:
    """Yield (job, seconds, error text or None) as jobs end."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, *_execute_one(job, run, verbose, ENVIRONMENT)
        return
    # Side by side, kernels would fight for cores.
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    environment = {**ENVIRONMENT, "OMP_NUM_THREADS": threads}
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_execute_one, job, run, verbose, environment): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], *future.result()


def _execute_one(
    job: Job, run: Path, verbose: bool, environment: dict[str, str]
) -> tuple[float, str | None]:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    root = project_root()
    output = run / "notebooks" / f"{job.notebook}.ipynb"
    output.parent.mkdir(exist_ok=True)
    partial = output.with_name(f".{output.name}")
    start = time.perf_counter()
    for attempt in range(RETRIES + 1):
        try:
            with tempfile.TemporaryDirectory(prefix="brainbook-") as sockets:
                papermill.execute_notebook(
                    root / "notebooks" / f"{job.notebook}.ipynb",
                    partial,
                    job.parameters,
                    kernel_name="python3",
                    cwd=root,
                    progress_bar=verbose,
                    log_output=verbose,
                    request_save_on_cell_execute=False,
                    kernel_manager_class=_local_kernel_manager(sockets, environment),
                )
            break
        except PapermillExecutionError as error:
            os.replace(partial, output)
            return time.perf_counter() - start, (
                f"{job.notebook} failed in cell {error.cell_index}: {error.ename}: {error.evalue}\n"
                f"  see {output}"
            )
        except RuntimeError as error:  # the kernel died before it answered
            if attempt == RETRIES:
                seconds = time.perf_counter() - start
                return seconds, f"{job.notebook} failed: its kernel did not start ({error})"
    os.replace(partial, output)
    seconds = time.perf_counter() - start
    facts = {"parameters": job.parameters, "key": job.key, "seconds": round(seconds, 1)}
    provenance.note(run, job.notebook, facts)
    return seconds, None


def _local_kernel_manager(folder: str, environment: dict[str, str]) -> type:
    """Return a kernel manager that talks over files in its own ``folder``: no ports to race for."""
    from jupyter_client import AsyncKernelManager

    class LocalKernelManager(AsyncKernelManager):
        transport = "ipc"
        ip = f"{folder}/kernel"

        async def start_kernel(self, **options: object) -> None:
            options["env"] = {**os.environ, **environment}
            # A kernel that is asked to end says so on the terminal, as if something had failed.
            options["extra_arguments"] = ["--log-level=50"]
            await super().start_kernel(**options)

    return LocalKernelManager


def _is_done(run: Path, job: Job) -> bool:
    if not (run / "notebooks" / f"{job.notebook}.ipynb").exists():
        return False
    return provenance.read(run).get("notebooks", {}).get(job.notebook, {}).get("key") == job.key


def _job_key(notebook: str, values: dict, code: str) -> str:
    """Return a key over the notebook's text, its parameters, the data it reads and the package."""
    root = project_root()
    digest = hashlib.sha256((root / "notebooks" / f"{notebook}.py").read_bytes() + code.encode())
    digest.update((root / "book" / "claims.yml").read_bytes())
    digest.update(os.environ.get(NO_CLAIMS, "").encode())
    digest.update(json.dumps(values, sort_keys=True).encode())
    for kind in ("microct", "population", "weights"):
        folder = from_root(values[kind]) if values.get(kind) else None
        if folder and folder.is_dir():
            for path in sorted(folder.iterdir()) if kind == "weights" else files_named(folder):
                # Contents are hashed when the dataset is opened; here, that a file was touched is
                # enough to look again.
                digest.update(
                    f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}".encode()
                )
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
        *(package / "book" / name for name in ("render.py", "execution.py")),
    }
    sources = [path for path in sorted(package.rglob("*.py")) if path not in aside]
    return "".join(code_hash(path.read_text(encoding="utf-8")) for path in sources)
