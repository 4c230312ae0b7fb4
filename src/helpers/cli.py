"""The ``brainbook`` command."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

from helpers import __version__

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 the work failed, 2 usage, 130 interrupted)."""
    arguments = _parser().parse_args(argv)
    if getattr(arguments, "command", None) is None:
        _parser().print_help()
        return USAGE
    from helpers.book.execution import UsageError
    from helpers.data.datasets import DatasetError

    try:
        return arguments.function(arguments) or DONE
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    except (UsageError, DatasetError, FileExistsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        print(f"brainbook {arguments.command} failed: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="brainbook",
        description="Reproduce three papers on modelling brain structure, on phantoms or your own data.",
    )
    parser.add_argument("--version", action="version", version=f"brainbook {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, function, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(function=function)
        return sub

    phantom = command(
        "phantom", _phantom, "generate a phantom dataset folder with known ground truth"
    )
    kinds = phantom.add_subparsers(dest="kind", metavar="KIND", required=True)
    microct = kinds.add_parser("microct", help="slices of a virtual thalamocortical sample")
    microct.add_argument("--size", default=None, help="tiny, book or real (default: book)")
    population = kinds.add_parser("population", help="coronal sections of virtual individuals")
    population.add_argument("--n", type=int, default=None, help="number of individuals")
    population.add_argument(
        "--shape", type=_shape, default=None, metavar="HxW", help="image size, for example 320x448"
    )
    for option, text in (
        ("template", "average template (TIFF) to deform instead of the drawn one"),
        ("annotation", "annotation volume (NRRD) that goes with it"),
        ("structures", "structure graph (JSON)"),
    ):
        population.add_argument(f"--{option}", type=Path, default=None, metavar="FILE", help=text)
    population.add_argument(
        "--ap",
        type=int,
        default=None,
        help="section index along the annotation's anterior–posterior axis",
    )
    for sub in (microct, population):
        sub.add_argument("out", metavar="OUT", type=Path)
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument(
            "--force", action="store_true", help="replace a phantom that brainbook made"
        )

    fetch = command("fetch", _fetch, "download public data into a folder")
    fetch.add_argument("what", choices=("microct", "population", "weights"))
    fetch.add_argument("out", metavar="OUT", type=Path)
    fetch.add_argument(
        "--limit", type=int, default=None, help="population: only the first N experiments"
    )
    fetch.add_argument("--workers", type=int, default=4, help="population: parallel downloads")
    fetch.add_argument(
        "--slices",
        type=int,
        nargs="+",
        default=None,
        metavar="Z",
        help="microct: these slices (default: 159 209 259 359)",
    )
    fetch.add_argument("--force", action="store_true", help="replace what brainbook downloaded")

    init = command("init", _init, "write a first dataset.yml for a folder of images")
    init.add_argument("folder", metavar="DIR", type=Path)
    check = command("check", _check, "say what is wrong with a dataset folder; writes nothing")
    check.add_argument("folder", metavar="DIR", type=Path)

    run = command("run", _run, "execute notebooks into a run folder")
    run.add_argument(
        "notebooks",
        nargs="*",
        metavar="NOTEBOOK",
        help="for example 06_nmf_factors (default: all whose kind of data was given)",
    )
    for kind, text in (
        ("microct", "folder of slices (default: the phantom)"),
        ("population", "folder of brains (default: the phantom)"),
        ("weights", "folder of pretrained networks, .onnx (default: none)"),
    ):
        run.add_argument(f"--{kind}", metavar="DIR", default="", help=text)
    run.add_argument(
        "--profile",
        default="quick",
        help="quick, paper, or a YAML file {notebook: {parameter: value}}",
    )
    run.add_argument(
        "--out", metavar="RUN", type=Path, default=None, help="run folder (default: runs/<profile>)"
    )
    run.add_argument(
        "-p",
        dest="overrides",
        action="append",
        default=[],
        metavar="name=value",
        help="set a parameter; 05_cortical_kmeans.k=4 for one notebook",
    )
    run.add_argument("--jobs", type=_positive, default=1, metavar="N", help="notebooks at a time")
    run.add_argument("--force", action="store_true", help="execute even what is up to date")
    run.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the notebooks' own output and progress bars",
    )

    build = command("build", _build, "render a run folder to html")
    build.add_argument("run", metavar="RUN", type=Path)
    scores = command("scores", _scores, "print the scoreboard of run folders")
    scores.add_argument("runs", nargs="+", metavar="RUN", type=Path)
    scores.add_argument("--format", choices=("table", "csv", "json"), default="table")
    scores.add_argument(
        "--strict", action="store_true", help="exit 1 if a claim was not reproduced"
    )
    params = command("params", _params, "print the parameters of a notebook and their defaults")
    params.add_argument("notebook", metavar="NOTEBOOK")
    clean = command("clean", _clean, "delete a run folder that brainbook made")
    clean.add_argument("run", metavar="RUN", type=Path)
    return parser


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


def _phantom(arguments) -> None:
    from helpers.book.run import make_phantom

    names = (
        ("size",)
        if arguments.kind == "microct"
        else ("n", "shape", "template", "annotation", "structures", "ap")
    )
    options = {
        name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None
    }
    make_phantom(
        arguments.kind,
        arguments.out,
        seed=arguments.seed,
        progress=True,
        force=arguments.force,
        **options,
    )
    print(f"{arguments.out}: ready")


def _fetch(arguments) -> None:
    if arguments.what == "weights":
        from helpers.data.sources import weights

        weights.fetch(arguments.out, progress=True, force=arguments.force)
    elif arguments.what == "microct":
        from helpers.data.sources import bossdb

        bossdb.fetch(arguments.out, arguments.slices, progress=True, force=arguments.force)
    else:
        from helpers.data.sources import allen

        allen.fetch(
            arguments.out,
            limit=arguments.limit,
            workers=arguments.workers,
            progress=True,
            force=arguments.force,
        )
    print(f"{arguments.out}: ready")


def _init(arguments) -> None:
    from helpers.data.datasets.begin import begin

    path = begin(arguments.folder)
    print(
        f"{path}: written. Correct the lines marked `# check`, then run `brainbook check {arguments.folder}`."
    )


def _check(arguments) -> int:
    from helpers.data.datasets import check

    kind, problems = check(arguments.folder)
    for problem in problems:
        print(problem)
    errors = sum(problem.severity == "error" for problem in problems)
    noun = f"{kind} dataset" if kind else "no dataset"
    print(f"{arguments.folder}: {noun}; errors: {errors}, warnings: {len(problems) - errors}")
    return FAILED if errors else DONE


def _run(arguments) -> int:
    from helpers.book import execution
    from helpers.book.root import from_root
    from helpers.book.run import PHANTOMS, make_phantom
    from helpers.data.datasets import open_microct, open_population

    datasets = {
        kind: _absolute(getattr(arguments, kind)) for kind in ("microct", "population", "weights")
    }
    if datasets["weights"] and not Path(datasets["weights"]).is_dir():
        raise execution.UsageError(
            f"--weights {arguments.weights}: no such folder; `brainbook fetch weights {arguments.weights}` makes one"
        )
    profile = _profile(arguments.profile)
    out = (
        arguments.out.resolve()
        if arguments.out
        else from_root("runs") / Path(arguments.profile).stem
    )
    if datasets["microct"]:
        open_microct(datasets["microct"])
    if datasets["population"]:
        open_population(datasets["population"])
    execution.plan(
        arguments.notebooks, out, datasets, profile, arguments.overrides
    )  # refuse a wrong request before long work
    wanted = [
        execution.declared_parameters(name) for name in arguments.notebooks or execution.notebooks()
    ]
    if not (datasets["microct"] or datasets["population"]):
        for kind, folder in PHANTOMS.items():
            if any(kind in declared for declared in wanted):
                make_phantom(
                    kind, from_root(folder), progress=True, force=True
                )  # an older generator's phantom gives way
    jobs = execution.plan(arguments.notebooks, out, datasets, profile, arguments.overrides)
    try:
        execution.execute(
            jobs, out, workers=arguments.jobs, verbose=arguments.verbose, force=arguments.force
        )
    except execution.NotebookError as error:
        print(f"\n{error}", file=sys.stderr)
        return FAILED
    print(f"run folder: {out}")
    return DONE


def _absolute(path: str) -> str:
    """Return a path given on the command line as absolute: it counts from where the user stands."""
    return str(Path(path).expanduser().resolve()) if path else ""


def _profile(name: str) -> dict:
    import yaml

    from helpers.book.execution import UsageError
    from helpers.book.root import project_root

    named = project_root() / "notebooks" / "profiles" / f"{name}.yml"
    path = named if named.is_file() else Path(name)
    if not path.is_file():
        raise UsageError(f"--profile {name}: expected quick, paper, or a YAML file that exists")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"--profile {name}: not YAML ({error})") from None
    if not isinstance(content, dict) or not all(
        isinstance(values, dict) for values in content.values()
    ):
        raise UsageError(f"--profile {name}: expected {{notebook: {{parameter: value}}}}")
    return content


def _build(arguments) -> None:
    from helpers.book import render

    index = render.build(_existing_run(arguments.run))
    print(f"open {index}")


def _scores(arguments) -> int:
    from helpers.book import claims

    rows = [
        {**row, "run": str(run)}
        for run in arguments.runs
        for row in claims.merge(_existing_run(run))
    ]
    if arguments.format == "json":
        keys = (
            "id",
            "published",
            "values",
            "mean",
            "sd",
            "verdict",
            "dataset",
            "notebook",
            *(("run",) if len(arguments.runs) > 1 else ()),
        )
        print(json.dumps({"claims": [{key: row[key] for key in keys} for row in rows]}, indent=1))
    elif arguments.format == "csv":
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("run", "id", "published", "mean", "sd", "verdict", "dataset", "notebook"))
        for row in rows:
            writer.writerow(
                (
                    row["run"],
                    row["id"],
                    row["published"],
                    claims.number_text(row["mean"]) if row["values"] else "",
                    claims.number_text(row["sd"]) if row["sd"] is not None else "",
                    row["verdict"],
                    row["dataset"],
                    row["notebook"],
                )
            )
        print(stream.getvalue(), end="")
    else:
        _print_table(rows, several=len(arguments.runs) > 1)
    return (
        FAILED
        if arguments.strict and any(row["verdict"] == claims.NOT_REPRODUCED for row in rows)
        else DONE
    )


def _print_table(rows: list[dict], several: bool) -> None:
    from helpers.book import claims

    cells = [
        ("claim", "published", "found (mean ± sd)", "verdict", "data" if not several else "run")
    ]
    for row in rows:
        found = claims.number_text(row["mean"])
        if isinstance(row["sd"], float):
            found += f" ± {row['sd']:.2g}"
        cells.append(
            (
                row["id"],
                str(row["published"]),
                found,
                row["verdict"],
                row["run"] if several else row["dataset"] or row["reason"],
            )
        )
    widths = [min(58, max(len(row[column]) for row in cells)) for column in range(5)]
    for row in cells:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    verdicts = [row["verdict"] for row in rows]
    print(
        "; ".join(
            f"{verdicts.count(v)} {v}"
            for v in (claims.REPRODUCED, claims.NOT_REPRODUCED, claims.NOT_RUN)
        )
    )


def _params(arguments) -> None:
    from helpers.book.execution import declared_parameters

    for name, value in declared_parameters(arguments.notebook).items():
        print(f"{name} = {value!r}")


def _clean(arguments) -> None:
    shutil.rmtree(_existing_run(arguments.run))
    print(f"{arguments.run}: deleted")


def _existing_run(path: Path) -> Path:
    from helpers.book.execution import UsageError
    from helpers.book.run import MARKER

    if not (path / MARKER).is_file():
        raise UsageError(f"{path} is not a run folder; `brainbook run --out {path}` makes one")
    return path.resolve()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
