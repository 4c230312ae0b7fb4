"""Execute notebooks into a run folder with papermill: strict parameters, nothing twice, loud
failures.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import yaml

from helpers.book import artifacts, claims
from helpers.book.root import from_root, project_root
from helpers.book.run import ALLOCATOR, PHANTOMS, claim_folder, note_execution
from helpers.data.datasets.manifest import files_named

SCOREBOARD = "12_scoreboard"  # reads what all others recorded, so it runs last
RETRIES = 2  # kernels that start together can race for a port


class UsageError(ValueError):
    """The request itself is wrong: an unknown notebook or parameter, or a value of the wrong type."""


class NotebookError(RuntimeError):
    """A notebook failed; says which, in which cell, and with what error."""


@dataclass(frozen=True)
class Job:
    """One notebook with its final parameters and the key of everything that shapes its result."""

    notebook: str
    parameters: dict
    key: str


def notebooks() -> list[str]:
    """Return the names of all notebooks, in order."""
    return sorted(path.stem for path in (project_root() / "notebooks").glob("[0-9][0-9]_*.py"))


def declared_parameters(notebook: str) -> dict:
    """Return the parameters a notebook declares, with their defaults, from its percent source."""
    path = project_root() / "notebooks" / f"{notebook}.py"
    if not path.is_file():
        raise UsageError(
            f"unknown notebook {notebook!r}{_near(notebook, notebooks())}; there are {', '.join(notebooks())}"
        )
    cell, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# %%"):
            inside = "parameters" in line
        elif inside:
            cell.append(line)
    tree = ast.parse("\n".join(cell))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
    }


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
    profile : dict
        ``{notebook: {parameter: value}}``.
    overrides : list of str
        ``name=value`` or ``notebook.name=value``; values are YAML.

    Raises
    ------
    UsageError
        Unknown notebook or parameter, a value of the wrong type, or a dataset that is needed and
        not given.
    """
    given = {kind: path for kind, path in datasets.items() if path}
    if not any(kind in given for kind in PHANTOMS):
        given = {**PHANTOMS, **given}
    declared = {name: declared_parameters(name) for name in names or notebooks()}
    if not names:
        declared = {
            name: values
            for name, values in declared.items()
            if all(kind in given for kind in PHANTOMS if kind in values)
        }
    for name, values in declared.items():
        for kind in PHANTOMS:
            if kind in values and kind not in given:
                raise UsageError(f"{name} needs a {kind} dataset: give --{kind} DIR")
    chosen = {name: {} for name in declared}
    for name, values in (profile or {}).items():
        if name not in notebooks():
            raise UsageError(
                f"the profile names an unknown notebook {name!r}{_near(name, notebooks())}"
            )
        if name in chosen:
            for parameter, value in values.items():
                chosen[name][parameter] = _typed(name, parameter, value, declared[name])
    for text in overrides:
        _apply_override(text, declared, chosen)
    shared = {"run": _relative(run), **{kind: _relative(path) for kind, path in given.items()}}
    code = _package_hash()
    jobs = []
    for name in sorted(declared, key=lambda name: (name == SCOREBOARD, name)):
        values = {
            **declared[name],
            **chosen[name],
            **{key: str(value) for key, value in shared.items() if key in declared[name]},
        }
        jobs.append(Job(name, values, _job_key(name, values, code)))
    return jobs


def _relative(path: str | Path) -> str:
    """Return a path below the project root as relative to it, so that pages do not show where the
    clone lies.
    """
    root = project_root()
    return (
        str(Path(path).relative_to(root))
        if Path(path).is_absolute() and root in Path(path).parents
        else str(path)
    )


def _apply_override(text: str, declared: dict, chosen: dict) -> None:
    left, sign, right = text.partition("=")
    if not sign:
        raise UsageError(f"-p {text}: expected name=value")
    notebook, dot, parameter = left.rpartition(".")
    if dot and notebook not in declared:
        raise UsageError(
            f"-p {text}: {notebook!r} is not among the selected notebooks{_near(notebook, list(declared))}"
        )
    takers = (
        [notebook] if dot else [name for name, values in declared.items() if parameter in values]
    )
    if not takers:
        known = sorted({name for values in declared.values() for name in values})
        raise UsageError(
            f"-p {text}: no selected notebook has a parameter {parameter!r}{_near(parameter, known)}"
        )
    try:
        value = yaml.safe_load(right)
    except yaml.YAMLError:
        raise UsageError(
            f"-p {text}: the value {right!r} does not parse; expected a value such as 3, 0.5, fast or [2, 8]"
        ) from None
    for name in takers:
        chosen[name][parameter] = _typed(name, parameter, value, declared[name])


def _typed(notebook: str, parameter: str, value, declared: dict):
    """Return ``value`` if the notebook declares that parameter with the same type of default."""
    if parameter not in declared:
        raise UsageError(
            f"{notebook} has no parameter {parameter!r}{_near(parameter, list(declared))}"
        )
    default = declared[parameter]
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (
        default is None
        or isinstance(value, wanted)
        and not (wanted is int and isinstance(value, bool))
    ):
        return value
    raise UsageError(
        f"{notebook}.{parameter}: found {value!r} ({type(value).__name__}); expected {wanted.__name__}, such as {default!r}"
    )


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def execute(
    jobs: list[Job],
    run: Path,
    *,
    workers: int = 1,
    verbose: bool = False,
    force: bool = False,
    say=print,
) -> None:
    """Execute jobs whose result is not already there.

    A failure does not stop the others: long runs keep what can be had; the scoreboard comes last.

    Raises
    ------
    NotebookError
        After all jobs, naming every notebook that failed, its cell and its error.
    """
    claim_folder(run)
    os.environ.update(
        ALLOCATOR, BRAINBOOK_HEADLESS="1"
    )  # for the kernels, which start with this environment
    failures: list[str] = []
    first = [job for job in jobs if job.notebook != SCOREBOARD]
    waiting = [job for job in first if force or not _is_done(run, job)]
    for job in first:
        if job not in waiting:
            say(f"{job.notebook}: up to date")
    for job, seconds, error in _run_all(waiting, run, workers, verbose):
        say(f"{job.notebook}: FAILED" if error else f"{job.notebook}: done in {seconds:.0f} s")
        failures += [error] if error else []
    claims.merge(run)
    for job in (job for job in jobs if job.notebook == SCOREBOARD):
        job = Job(job.notebook, job.parameters, _with_claims(job.key, run))
        if not force and _is_done(run, job):
            say(f"{job.notebook}: up to date")
            continue
        for job, seconds, error in _run_all([job], run, 1, verbose):
            say(f"{job.notebook}: FAILED" if error else f"{job.notebook}: done in {seconds:.0f} s")
            failures += [error] if error else []
    if failures:
        raise NotebookError("\n\n".join(failures))


def _run_all(jobs: list[Job], run: Path, workers: int, verbose: bool):
    """Yield (job, seconds, error text or None) as jobs end."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield (job, *_execute_one(job, run, verbose))
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ["OMP_NUM_THREADS"] = str(
        threads
    )  # kernels inherit it; side by side they would fight for cores
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_execute_one, job, run, verbose): job for job in jobs}
        for future in as_completed(futures):
            yield (futures[future], *future.result())


def _execute_one(job: Job, run: Path, verbose: bool) -> tuple[float, str | None]:
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
                    kernel_manager_class=_local_kernel_manager(sockets),
                )
            break
        except PapermillExecutionError as error:
            os.replace(partial, output)
            return (
                time.perf_counter() - start,
                f"{job.notebook} failed in cell {error.cell_index}: {error.ename}: {error.evalue}\n  see {output}",
            )
        except RuntimeError as error:  # the kernel died before it answered
            if attempt == RETRIES:
                return (
                    time.perf_counter() - start,
                    f"{job.notebook} failed: its kernel did not start ({error})",
                )
    os.replace(partial, output)
    seconds = time.perf_counter() - start
    note_execution(
        run,
        job.notebook,
        {"parameters": job.parameters, "key": job.key, "seconds": round(seconds, 1)},
    )
    return seconds, None


def _local_kernel_manager(folder: str):
    """Return a kernel manager that talks over files in ``folder``, which is its own: no ports to
    race for.
    """
    from jupyter_client import AsyncKernelManager

    class LocalKernelManager(AsyncKernelManager):
        transport = "ipc"
        ip = f"{folder}/kernel"

    return LocalKernelManager


def _is_done(run: Path, job: Job) -> bool:
    path = run / "provenance.json"
    if not path.exists() or not (run / "notebooks" / f"{job.notebook}.ipynb").exists():
        return False
    return (
        json.loads(path.read_text()).get("notebooks", {}).get(job.notebook, {}).get("key")
        == job.key
    )


def _job_key(notebook: str, values: dict, code: str) -> str:
    """Return a key over the notebook's text, its parameters, the data it reads and the package's
    code.
    """
    root = project_root()
    digest = hashlib.sha256((root / "notebooks" / f"{notebook}.py").read_bytes() + code.encode())
    digest.update((root / "book" / "claims.yml").read_bytes())
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
    ledgers = b"".join(
        path.read_bytes()
        for path in sorted((run / "claims").glob("*.json"))
        if path.stem != SCOREBOARD
    )
    return hashlib.sha256(key.encode() + ledgers).hexdigest()


def _package_hash() -> str:
    """Return a hash of the package's code; how a run is started or rendered does not count."""
    folder = Path(__file__).parent
    aside = {"cli.py", "book.py", "execution.py"}
    return "".join(
        artifacts.code_hash(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
        if path.name not in aside
    )
