"""What happened to a run: one line each in its ``log.txt``, and what happened in a kernel."""

import os
import time
import warnings
from contextlib import suppress
from pathlib import Path

LOG = "log.txt"
NOTES = "BRAINBOOK_NOTES"  # names the file in which a kernel leaves notes for who started it


def log(run: Path, text: str) -> None:
    """Append a text to the log of a run folder, with the time; lines of several runs do not mix."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    lines = "".join(f"{stamp}  {line}\n" for line in text.splitlines() if line)
    with open(run / LOG, "ab") as stream:
        stream.write(lines.encode())


def report(run: Path, text: str) -> None:
    """Say something that a reader must know: on the page, in the log, and to who runs it."""
    warnings.warn(text, stacklevel=3)
    with suppress(OSError):  # a page that can be made is made, log or no log
        log(run, text)
    note("said", text)


def note(kind: str, text: object) -> None:
    """Leave a note for who started this kernel; nobody else listens."""
    if NOTES in os.environ:
        with open(os.environ[NOTES], "a", encoding="utf-8") as stream:
            stream.write(f"{kind} {text}\n")


def notes(path: Path) -> dict[str, list[str]]:
    """Return what a kernel noted, by kind, each once, in order."""
    found: dict[str, dict[str, None]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, _, text = line.partition(" ")
            found.setdefault(kind, {})[text] = None
    return {kind: list(texts) for kind, texts in found.items()}
