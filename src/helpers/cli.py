"""The ``brainbook`` command."""

import argparse
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from helpers import __version__

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    int
        The exit code: 0 done, 1 the work failed, 2 usage, 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    if arguments.command is None:
        _parser().print_help()
        return USAGE
    from helpers.book.endings import interruptible
    from helpers.book.parameters import UsageError
    from helpers.data.datasets import DatasetError, Problem

    try:
        with interruptible():
            code = arguments.function(arguments) or DONE
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `brainbook scores … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (UsageError, DatasetError, Problem, FileExistsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"brainbook {arguments.command} failed: {error}", file=sys.stderr)
        return FAILED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="brainbook",
        description="Reproduce three papers on modelling brain structure, on phantoms or your "
        "own data.",
    )
    parser.add_argument("--version", action="version", version=f"brainbook {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, function: Callable, text: str) -> ArgumentParser:
        description = text[0].upper() + text[1:] + "."
        sub = commands.add_parser(name, help=text, description=description)
        sub.set_defaults(function=function)
        return sub

    phantom = command(
        "phantom", _phantom, "generate a phantom dataset folder with known ground truth"
    )
    _phantom_options(phantom)
    fetch = command("fetch", _fetch, "download public data into a folder")
    _fetch_options(fetch)
    init = command("init", _init, "write a first dataset.yml for a folder of images")
    init.add_argument("folder", metavar="DIR", type=Path)
    check = command("check", _check, "say what is wrong with a dataset folder; writes nothing")
    check.add_argument("folder", metavar="DIR", type=Path)
    run = command("run", _run, "execute notebooks into a run folder")
    _run_options(run)
    build = command("build", _build, "render a run folder to html")
    build.add_argument("run", metavar="RUN", type=Path)
    scores = command("scores", _scores, "print the scoreboard of runs, recorded ones by name")
    scores.add_argument("runs", nargs="+", metavar="RUN", type=Path)
    scores.add_argument("--format", choices=("table", "csv", "json"), default="table")
    scores.add_argument(
        "--strict", action="store_true", help="exit 1 if a claim was not reproduced"
    )
    text = "keep a run's claims, tables and provenance under book/recorded/NAME, no pictures"
    record = command("record", _record, text)
    record.add_argument("run", metavar="RUN", type=Path)
    record.add_argument("name", metavar="NAME", help="letters, digits, - and _")
    text = "what data it was, and how far its labels can be trusted"
    record.add_argument("--note", default="", metavar="TEXT", help=text)
    record.add_argument("--force", action="store_true", help="replace a recorded run")
    from helpers.tissue.stages import volume_command

    volume_text = "predict the areas of a whole volume into OME-Zarr"
    volume_command.add_options(command("volume", volume_command.main, volume_text))
    params = command("params", _params, "print the parameters of a notebook and their defaults")
    params.add_argument("notebook", metavar="NOTEBOOK")
    clean = command("clean", _clean, "delete a run folder that brainbook made")
    clean.add_argument("run", metavar="RUN", type=Path)
    return parser


def _phantom_options(phantom: ArgumentParser) -> None:
    kinds = phantom.add_subparsers(dest="kind", metavar="KIND", required=True)
    microct = kinds.add_parser("microct", help="slices of a virtual thalamocortical sample")
    microct.add_argument("--size", help="tiny, book or real (default: book)")
    population = kinds.add_parser("population", help="coronal sections of virtual individuals")
    population.add_argument("--n", type=int, help="number of individuals")
    population.add_argument(
        "--shape", type=_shape, metavar="HxW", help="image size, for example 320x448"
    )
    files = {
        "template": "average template (TIFF) to deform instead of the drawn one",
        "annotation": "annotation volume (NRRD) that goes with it",
        "structures": "structure graph (JSON)",
    }
    for option, text in files.items():
        population.add_argument(f"--{option}", type=Path, metavar="FILE", help=text)
    population.add_argument(
        "--ap", type=int, help="section index along the annotation's anterior–posterior axis"
    )
    for sub in (microct, population):
        sub.add_argument("out", metavar="OUT", type=Path)
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument(
            "--force", action="store_true", help="replace a phantom that brainbook made"
        )


def _fetch_options(fetch: ArgumentParser) -> None:
    fetch.add_argument("what", choices=("microct", "population", "weights"))
    fetch.add_argument("out", metavar="OUT", type=Path)
    fetch.add_argument("--limit", type=int, help="population: N experiments, spread over all")
    fetch.add_argument("--workers", type=int, default=4, help="population: parallel downloads")
    text = "microct: these slices (default: 159 209 259 359)"
    fetch.add_argument("--slices", type=int, nargs="+", metavar="Z", help=text)
    text = "microct: the whole volume as OME-Zarr, six gigabytes, instead of slices"
    fetch.add_argument("--volume", action="store_true", help=text)
    fetch.add_argument("--force", action="store_true", help="replace what brainbook downloaded")


def _run_options(run: ArgumentParser) -> None:
    text = "for example 06_nmf_factors (default: all whose kind of data was given)"
    run.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help=text)
    folders = {
        "microct": "folder of slices (default: the phantom)",
        "population": "folder of brains (default: the phantom)",
        "weights": "folder of pretrained networks, .onnx (default: none)",
    }
    for kind, text in folders.items():
        run.add_argument(f"--{kind}", metavar="DIR", default="", help=text)
    text = "quick, thorough, paper, or a YAML file {notebook: {parameter: value}}"
    run.add_argument("--profile", default="quick", help=text)
    text = "run folder (default: runs/<profile>)"
    run.add_argument("--out", metavar="RUN", type=Path, help=text)
    text = "set a parameter; 05_cortical_kmeans.k=4 for one notebook"
    run.add_argument(
        "-p", dest="overrides", action="append", default=[], metavar="name=value", help=text
    )
    text = "notebooks at a time (default: 2 where slices and a population share two cores or more)"
    run.add_argument("--jobs", type=_positive, metavar="N", help=text)
    run.add_argument("--force", action="store_true", help="execute even what is up to date")
    text = "networks and models are trained there: local, local:N or a scheduler's address"
    run.add_argument("--dask", metavar="WHERE", default="", help=text)
    text = "the same pages as analysis, without the papers' claims"
    run.add_argument("--no-claims", action="store_true", help=text)
    text = "show the notebooks' own output and progress bars"
    run.add_argument("-v", "--verbose", action="store_true", help=text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


def _shape(text: str) -> tuple[int, int]:
    try:
        height, width = (int(part) for part in text.lower().split("x"))
        return height, width
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"found {text!r}; expected HEIGHTxWIDTH, for example 320x448"
        ) from None


def _phantom(arguments: Namespace) -> None:
    from helpers.book.run import make_phantom

    own = {"command", "function", "kind", "out"}
    options = {k: v for k, v in vars(arguments).items() if k not in own and v is not None}
    make_phantom(arguments.kind, arguments.out, progress=True, **options)
    print(f"{arguments.out}: ready")


def _fetch(arguments: Namespace) -> None:
    from helpers.data.sources import allen, bossdb, bossdb_volume, weights

    options = {"progress": True, "force": arguments.force}
    if arguments.what == "weights":
        weights.fetch(arguments.out, **options)
    elif arguments.what == "microct" and arguments.volume:
        bossdb_volume.fetch_volume(arguments.out, **options)
    elif arguments.what == "microct":
        bossdb.fetch(arguments.out, arguments.slices, **options)
    else:
        allen.fetch(arguments.out, limit=arguments.limit, workers=arguments.workers, **options)
    print(f"{arguments.out}: ready")


def _init(arguments: Namespace) -> None:
    from helpers.data.datasets.begin import understood

    path, words = understood(arguments.folder)
    print("\n".join(f"found {line}" for line in words))
    print(
        f"{path}: written. Correct the lines marked `# check`, "
        f"then run `brainbook check {quote(str(arguments.folder))}`."
    )


def _check(arguments: Namespace) -> int:
    from helpers.data.datasets import look_at

    kind, problems, needs = look_at(arguments.folder)
    for problem in problems:
        print(problem)
    errors = sum(problem.severity == "error" for problem in problems)
    print(needs, end="\n" if needs else "")
    noun = f"{kind} dataset" if kind else "no dataset"
    warnings = sum(problem.severity == "warning" for problem in problems)
    print(f"{arguments.folder}: {noun}; errors: {errors}, warnings: {warnings}")
    return FAILED if errors else DONE


def _run(arguments: Namespace) -> int:
    from helpers.book import execution, executors, parameters
    from helpers.book.root import from_root
    from helpers.book.run import NO_CLAIMS, PHANTOMS, make_phantom
    from helpers.data import open_microct, open_population
    from helpers.data.datasets import expect_to_run

    # Paths on the command line count from where the user stands.
    given = {kind: getattr(arguments, kind) for kind in ("microct", "population", "weights")}
    datasets = {k: str(Path(path).expanduser().resolve()) for k, path in given.items() if path}
    if "weights" in datasets and not Path(datasets["weights"]).is_dir():
        raise parameters.UsageError(
            f"--weights {arguments.weights}: no such folder; "
            f"`brainbook fetch weights {quote(arguments.weights)}` makes one"
        )
    profile = parameters.read_profile(arguments.profile)
    default = from_root("runs") / Path(arguments.profile).stem
    out = arguments.out.resolve() if arguments.out else default
    for kind, opener in {"microct": open_microct, "population": open_population}.items():
        if kind in datasets:
            expect_to_run(opener(datasets[kind]))
    if arguments.no_claims:
        os.environ[NO_CLAIMS] = "1"
    request = (arguments.notebooks, out, datasets, profile, arguments.overrides)
    jobs = execution.plan(*request)  # refuse a wrong request before long work
    if not datasets.keys() & PHANTOMS.keys():
        for kind, folder in PHANTOMS.items():
            if any(kind in job.parameters for job in jobs):
                # an older generator's phantom gives way
                make_phantom(kind, from_root(folder), progress=True, force=True)
        jobs = execution.plan(*request)
    try:
        with executors.serving(arguments.dask) as served:
            if served:
                print(f"models are trained by {served}")
            workers = arguments.jobs or execution.branches(jobs)
            options = {"verbose": arguments.verbose, "force": arguments.force}
            execution.execute(jobs, out, workers=workers, **options)
    except execution.NotebookError as error:
        print(f"\n{error}", file=sys.stderr)
        return FAILED
    print(f"run folder: {out}")
    return DONE


def _build(arguments: Namespace) -> int:
    from helpers.book import endings, render

    run = _existing_run(arguments.run)
    print(f"open {render.build(run)}")
    failures = endings.failures(run)
    for notebook, failure in failures.items():
        print(f"{notebook} {failure}", file=sys.stderr)
    return FAILED if failures else DONE


def _scores(arguments: Namespace) -> int:
    from helpers.book import claims, recorded, scoreboard

    asked, damaged = recorded.sound(arguments.runs)
    sys.stderr.writelines(f"{fault}\n" for fault in damaged)
    runs = {
        str(run): recorded.rows_of(str(run))
        if recorded.holds(run)
        else claims.merge(_existing_run(run))
        for run in asked
    }
    rows = [{**row, "run": run} for run, found in runs.items() for row in found]
    print(scoreboard.text(rows, arguments.format, several=len(runs) > 1))
    red = any(row["verdict"] == claims.NOT_REPRODUCED for row in rows)
    return FAILED if damaged or (arguments.strict and red) else DONE


def _record(arguments: Namespace) -> None:
    from helpers.book import parameters, recorded

    run = _existing_run(arguments.run)
    try:
        print(recorded.record(run, arguments.name, arguments.note, arguments.force))
        sys.stderr.write(recorded.lacking(run))
    except ValueError as error:
        raise parameters.UsageError(str(error)) from None


def _params(arguments: Namespace) -> None:
    from helpers.book import ranges
    from helpers.book.parameters import declared

    for name, parameter in declared(arguments.notebook).items():
        allowed = ranges.meaning(arguments.notebook, name)
        said = f"{parameter.meaning} ({allowed})" if allowed else parameter.meaning
        print(f"{f'{name} = {parameter.default!r}':<44}  # {said}")


def _clean(arguments: Namespace) -> None:
    shutil.rmtree(_existing_run(arguments.run))
    print(f"{arguments.run}: deleted")


def _existing_run(path: Path) -> Path:
    from helpers.book.parameters import UsageError
    from helpers.book.run import MARKER

    if not (path / MARKER).is_file():
        raise UsageError(
            f"{path} is not a run folder: expected one that `brainbook run --out …` made"
        )
    return path.resolve()


if __name__ == "__main__":
    sys.exit(main())
