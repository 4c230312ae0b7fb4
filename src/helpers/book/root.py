"""Where the project lies."""

from __future__ import annotations

from pathlib import Path


def project_root() -> Path:
    """Return the nearest folder, from here upwards, that holds ``_toc.yml``.

    Raises
    ------
    FileNotFoundError
        Outside a clone; an installed package alone lacks the notebooks and the book.
    """
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "_toc.yml").is_file():
                return folder
    raise FileNotFoundError(f"no _toc.yml in {Path.cwd()} or above; run from a clone of the book")


def from_root(path: str | Path) -> Path:
    """Return ``path`` itself if absolute, else counted from the project root."""
    path = Path(path).expanduser()
    return path if path.is_absolute() else project_root() / path
