"""Recorded runs: what of a run may be kept in the book, for data that the reader does not have.

``book/recorded/<name>/`` holds the claims of the run with their values and controls, its
provenance without anything of the machine or the person, its small tables, and a page of text. No
picture is kept. Verdicts are not kept either: today's rules are applied to the recorded values each
time they are read, so that no verdict is older than its rule.
"""

import html
import re
import shutil
from pathlib import Path

from helpers.book import claims, provenance
from helpers.book.markup import plain, prose
from helpers.book.recorded_rows import DamagedRecordError, read_rows, read_text
from helpers.book.root import from_root
from helpers.book.rules import names_of
from helpers.data.files import write_json

SHELF = Path("book/recorded")
MARKER = ".brainbook-recorded"
LARGEST_TABLE = 100_000  # bytes; a larger table is left out, and the page says so
LARGEST_TOGETHER = 1_000_000  # bytes of all tables of one run
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
WHERE = ("microct", "population", "weights", "run")  # parameters that say where things lie
# two parts or more behind a slash, a tilde or a drive; fractions such as L2/3 have none in front
PATH = re.compile(r"(?<![\w./\\])(?:file://|~|[A-Za-z]:)?(?:[/\\]+[^/\\\s'\"<>|,;:]+){2,}[/\\]?")


def record(run: Path, name: str, note: str = "", force: bool = False) -> Path:
    """Keep of a run what may be kept, under ``book/recorded/<name>``.

    Parameters
    ----------
    run : Path
        A run folder.
    name : str
        Letters, digits, ``-`` and ``_``.
    note : str
        What data it was, and how far its labels can be trusted; printed on the page of text.
    force : bool
        Replace a recorded run of that name.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If `name` is no plain name, or nothing was run.
    FileExistsError
        If the folder exists and `force` is false, or it was not written by this function.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"found the name {name!r}; expected letters, digits, - and _, at most 60, "
            "a letter or digit first"
        )
    folder = from_root(SHELF) / name
    if folder.exists() and not (folder / MARKER).is_file():
        raise FileExistsError(f"{folder} exists and is no recorded run; choose another NAME")
    if folder.exists() and not force:
        raise FileExistsError(f"{folder} exists; choose another NAME, or replace it with --force")
    rows = claims.scoreboard(run)
    if not any(row["values"] for row in rows):
        raise ValueError(f"{run} holds no recorded value of any claim; run its notebooks first")
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tables = partial / "tables"
    tables.mkdir(parents=True)
    left_out, total = [], 0
    for path in sorted((run / "tables").glob("*.csv")):
        text = without_paths(path.read_text(encoding="utf-8"))
        size = len(text.encode())
        if size > LARGEST_TABLE or total + size > LARGEST_TOGETHER:
            left_out.append(path.stem)
            continue
        total += size
        (tables / path.name).write_text(text, encoding="utf-8")
    facts = without_host(provenance.read(run))
    write_json(partial / "claims.json", {"claims": without_paths(rows)})
    write_json(partial / "provenance.json", facts)
    page = page_of_text(name, rows, facts, without_paths(note), left_out, endings_of(run))
    (partial / "README.md").write_text(page, encoding="utf-8")
    (partial / MARKER).touch()
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def endings_of(run: Path) -> dict[str, list[str]]:
    """Return the pages of a run by how they ended; of the pages that compute claims, also those
    that are not there.
    """
    known = provenance.read(run).get("notebooks", {})
    found: dict[str, list[str]] = {"Pages": [], "Failed": [], "Not finished": []}
    for page, facts in sorted(known.items()):
        ending = "Failed" if "failed" in facts else "Pages" if "key" in facts else "Not finished"
        found[ending].append(page)
    asked = {claim.notebook for claim in claims.load().values()}
    return {**found, "Not run": sorted(asked - set(known))}


def lacking(run: Path) -> str:
    """Return one line per way in which pages of a run did not end well, for who records it."""
    return "".join(
        f"{ending.lower()}: {', '.join(pages)}\n"
        for ending, pages in endings_of(run).items()
        if pages and ending != "Pages"
    )


def page_of_text(
    name: str,
    rows: list[dict],
    facts: dict,
    note: str,
    left_out: list[str],
    endings: dict[str, list[str]],
) -> str:
    """Return what is said of a recorded run: its data and labels, pages by how they ended, claims,
    what is left out.
    """
    datasets = sorted({row["dataset"] for row in rows if row["dataset"]})
    judged = sum(bool(row["values"]) for row in rows)
    lines = [
        f"# Recorded run: {name}",
        f"About the data: {prose(note)}"
        if note.strip()
        else "Nothing was noted about these data or how far their labels can be trusted.",
        f"Data: {prose(', '.join(datasets))}. "
        + "".join(f"{how}: {prose(', '.join(pages))}. " for how, pages in endings.items() if pages)
        + f"Claims with a value: {judged} of {len(rows)}. "
        f"Code: {facts.get('commit', 'not known')}.",
        "The file claims.json holds values and controls; the scoreboard applies today's rules to "
        "them, so a verdict found in that file may be older than its rule. No picture is kept.",
    ]
    if left_out:
        lines.append(
            f"Tables left out because of their size (more than {LARGEST_TABLE // 1000} kB, or "
            f"{LARGEST_TOGETHER // 1000} kB together): {prose(', '.join(left_out))}."
        )
    return "\n\n".join(lines) + "\n"


def without_host(facts: dict) -> dict:
    """Return provenance without what belongs to a machine or a person: versions, commit, and of
    each notebook the fingerprints of its data, its parameters and its time.
    """
    kept = {key: facts[key] for key in ("python", "packages", "commit") if key in facts}
    notebooks = {}
    for notebook, known in facts.get("notebooks", {}).items():
        one = {key: value for key, value in known.items() if isinstance(value, (int, float))}
        one["datasets"] = {
            data: {"fingerprint": about["fingerprint"]}
            for data, about in known.get("datasets", {}).items()
        }
        parameters = known.get("parameters", {})
        one["parameters"] = {key: parameters[key] for key in parameters if key not in WHERE}
        notebooks[notebook] = one
    return without_paths({**kept, "notebooks": notebooks})


def without_paths(content: object) -> object:
    """Return text, or anything made of text, with the last part alone of every absolute path."""
    if isinstance(content, str):
        return PATH.sub(lambda found: re.split(r"[/\\]+", found[0].rstrip("/\\"))[-1], content)
    if isinstance(content, dict):
        return {without_paths(key): without_paths(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_paths(value) for value in content]
    return content


def names() -> list[str]:
    """Return the names of all recorded runs, damaged ones among them."""
    found = (path.parent.name for path in from_root(SHELF).glob(f"*/{MARKER}"))
    return sorted(name for name in found if NAME.fullmatch(name))


def rows_of(name: str) -> list[dict]:
    """Return one row per claim of a recorded run, as `claims.scoreboard` does of a run, with
    today's rules applied to the recorded values and controls.

    Raises
    ------
    DamagedRecordError
        If its claims or its page of text cannot be read; says which and why.
    """
    folder = from_root(SHELF) / name
    old = read_rows(folder / "claims.json")
    read_text(folder / "README.md")  # numbers without a word on their data are not shown
    return [_today(claim, old.get(claim.id)) for claim in claims.load().values()]


def faults(asked: list[str] | None = None) -> dict[str, str]:
    """Return what is wrong with recorded runs that cannot be read, by name; of all, or of some."""
    found = {}
    for name in names() if asked is None else [name for name in names() if name in asked]:
        try:
            rows_of(name)
        except DamagedRecordError as error:
            found[name] = str(error)
    return found


def sound(runs: list[Path]) -> tuple[list[Path], list[str]]:
    """Return the runs that can be read, and what is wrong with the others, which are recorded."""
    wrong = faults([str(run) for run in runs if holds(run)])
    return [run for run in runs if str(run) not in wrong], list(wrong.values())


def holds(run: Path) -> bool:
    """Whether this names a recorded run, not a folder."""
    return str(run) in names() and not run.exists()


def all_rows() -> dict[str, list[dict]]:
    """Return the rows of every recorded run by its name, but of damaged ones, which `notes`
    names; none if there is no such run.
    """
    wrong = faults()
    return {name: rows_of(name) for name in names() if name not in wrong}


def notes() -> str:
    """Return the pages of text of all recorded runs as Markdown, and which of them are damaged.

    Whatever stands in them is shown as text: a note is data.
    """
    wrong, texts = faults(), []
    for name in names():
        text = wrong.get(name) or read_text(from_root(SHELF) / name / "README.md")
        texts.append(f"### {plain(name)}")
        blocks = re.split(r"\n\s*\n", text.removeprefix(f"# Recorded run: {name}\n"))
        # references that were written are undone first, so that they are not shown as such
        texts += [plain(html.unescape(block)) for block in blocks if block.strip()]
    return "\n\n".join(texts)


def _today(claim: claims.Claim, old: dict | None) -> dict:
    """Return a recorded row with what today's claim and rule say."""
    values = old["values"] if old else []
    records = [{"value": value} for value in values]
    why = "" if old else "this claim is newer than the recorded run"
    missing = _missing(claim, values)
    if missing and claims.decide(claim, records)["verdict"] != claims.NOT_REPRODUCED:
        why = f"today's rule needs {', '.join(missing)}, which was not recorded"
        records = []
    elif records:
        if _usable(claim, old["control"]):
            for each in records:  # a mean over the seeds already; so is the interval
                each["control"] = old["control"]
        records[0]["interval"] = old["interval"]
    found = claims.decide(claim, records)
    if not values and old:
        why = old["reason"]
    row = {name: (old or {}).get(name, "") for name in ("dataset", "notebook")}
    return {
        "id": claim.id,
        "published": claim.published,
        **found,
        "reason": why or found["reason"],
        **row,
        "notebook": row["notebook"] or claim.notebook,
        "where": claim.where,
        "statement": claim.statement,
        "rule": claim.in_words,
        "control_in_words": claim.control_in_words,
        "figure": claim.figure,
    }


def _missing(claim: claims.Claim, values: list) -> list[str]:
    """Names that today's rule compares and some value lacks."""
    held = [set(value) if isinstance(value, dict) else {"value"} for value in values]
    return sorted(set().union(*(names_of(claim.rule) - one for one in held)))


def _usable(claim: claims.Claim, control: claims.Control | None) -> bool:
    """Whether today's rule can be applied to a recorded control, and today's claim has one."""
    if control is None or not claim.controls:
        return False
    each = claims.single_controls(claim, control)
    return all(name in claim.controls and not _missing(claim, [one]) for name, one in each)
