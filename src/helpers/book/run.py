"""A run folder as a notebook sees it: its datasets, and places for what it makes."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.book import artifacts, claims, events, provenance
from helpers.book.ledger import Ledger
from helpers.book.markup import file_name, without_formulas
from helpers.book.reached_code import reached_hash
from helpers.book.root import from_root, project_root
from helpers.data.datasets import MicroCT, Population, open_microct, open_population
from helpers.data.files import atomic, lock

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

MARKER = ".brainbook-run"
NO_CLAIMS = "BRAINBOOK_NO_CLAIMS"  # set where the papers' claims are not to be judged
PHANTOMS = {"microct": "data/phantom-microct", "population": "data/phantom-population"}


@dataclass
class Run:
    """One run folder, opened by one notebook.

    Attributes
    ----------
    path : Path
    notebook : str
    sources : dict
        Where the datasets lie, by kind; "" for those that the notebook does not use.
    ledger : Ledger or None
        Where the notebook's claims are written; None for a helper process.
    """

    path: Path
    notebook: str
    sources: dict[str, str]
    ledger: Ledger | None = None
    _held: dict = field(default_factory=dict, repr=False)

    # ------------------------------------------------------------ what comes in

    @functools.cached_property
    def microct(self) -> MicroCT:
        """The dataset of slices."""
        return open_microct(self._dataset("microct"))

    @functools.cached_property
    def population(self) -> Population:
        """The dataset of brains."""
        return open_population(self._dataset("population"))

    @property
    def weights(self) -> Path | None:
        """Folder of pretrained networks, None when none was given."""
        return from_root(self.sources["weights"]) if self.sources.get("weights") else None

    @property
    def is_phantom(self) -> bool:
        """Whether any dataset of this notebook is a phantom, so that its figures must say so."""
        return any(data.is_phantom for data in self.datasets)

    @property
    def datasets(self) -> list[MicroCT | Population]:
        """The datasets that this notebook uses."""
        return [getattr(self, kind) for kind in PHANTOMS if self.sources.get(kind)]

    def key(self, kind: str) -> str:
        """Return the key of a dataset (``microct`` or ``population``): its files, and how they are
        read.
        """
        reader = {"microct": open_microct, "population": open_population}[kind]
        return f"{getattr(self, kind).fingerprint} {reached_hash(reader)}"

    def held(self, name: tuple, make: Callable[[], Any]) -> Any:
        """Return what ``make()`` gave for this name before; held as long as the run is."""
        if name not in self._held:
            self._held[name] = make()
        return self._held[name]

    def _dataset(self, kind: str) -> Path:
        path = from_root(self.sources[kind])
        if not path.exists() and path == project_root() / PHANTOMS[kind]:
            make_phantom(kind, path, progress=True, force=True)
        return path

    # ------------------------------------------------------------ what goes out

    def artifact(
        self,
        name: str,
        parameters: dict,
        make: Callable,
        load: Callable,
        *,
        inputs: Iterable[str] = (),
    ) -> artifacts.Artifact:
        """Return a stored result of this run; see :func:`helpers.book.artifacts.artifact`."""
        return artifacts.artifact(
            self.path / "artifacts", file_name(name), parameters, make, load, inputs=inputs
        )

    def stored(
        self,
        name: str,
        parameters: dict,
        compute: Callable[[], dict],
        *,
        inputs: Iterable[str] = (),
    ) -> artifacts.Artifact:
        """Return a dict of named results of this run; see :func:`helpers.book.artifacts.stored`."""
        return artifacts.stored(
            self.path / "artifacts", file_name(name), parameters, compute, inputs=inputs
        )

    def show(self, figure: "Figure", name: str, *, of_data: bool = True) -> None:
        """Display a figure in the notebook and write it to ``figures/<name>.png`` and ``.svg``.

        A figure of phantom data says so; one that shows no data (``of_data=False``) need not. A
        rendered page numbers it and writes the caption of ``book/captions.yml`` below.
        """
        import matplotlib.pyplot as plt
        from IPython.core.pylabtools import print_figure
        from IPython.display import Image, display

        from helpers.book import captions, figure_files, style

        style.mark_phantom(figure, self.is_phantom and of_data)
        style.write_powers(figure)
        box = figure_files.fit_page(figure)
        for suffix in (".png", ".svg"):
            with self._output("figures", f"{file_name(name)}{suffix}") as temporary:
                figure_files.write(figure, temporary, suffix[1:], dpi=150, box=box)
        about = {"figure": name, "phantom": self.is_phantom and of_data}
        picture = Image(print_figure(figure, bbox_inches=box))
        display(picture, metadata={captions.METADATA: about})
        plt.close(figure)  # or the notebook would show it once more at the end of the cell

    def save_table(self, table: "pd.DataFrame | pd.Series", name: str) -> None:
        """Write a pandas table to ``tables/<name>.csv``; no name in it becomes a formula."""
        content = without_formulas(table.to_csv(index=table.index.name is not None))
        with self._output("tables", f"{file_name(name)}.csv") as temporary:
            temporary.write_bytes(content.encode())

    def save_map(
        self, name: str, labels: "np.ndarray", areas: Sequence[str] | dict, pixel_size_um: float
    ) -> None:
        """Write a label map to ``artifacts/<name>.tif``, with names (by label, if they do not count
        from 1) and size of its pixels in its description, and a palette if it is uint8.
        """
        import json

        import numpy as np
        import tifffile

        from helpers.book import style

        named = areas if isinstance(areas, dict) else dict(enumerate(areas, start=1))
        shown = {}
        if labels.dtype == np.uint8:
            palette = np.zeros((3, 256), np.uint16)
            palette[:, list(named)] = 65535 * np.array(style.area_colours([*named.values()])).T
            shown = {"photometric": "palette", "colormap": palette}
        about = {"pixel_size_um": pixel_size_um, "areas": named}
        with self._output("artifacts", f"{file_name(name)}.tif") as temporary:
            tifffile.imwrite(
                temporary,
                labels,
                compression="zlib",
                **shown,
                resolution=(1e4 / pixel_size_um,) * 2,
                resolutionunit="CENTIMETER",
                description=json.dumps(about),
                metadata=None,
            )

    def page_files(self, name: str, files: dict[str, bytes]) -> str:
        """Write files that a rendered page loads when asked, to ``web/<name>/``.

        Returns
        -------
        str
            Address of their folder, as seen from a page of a notebook.
        """
        folder = self.path / "web" / file_name(name)
        for each, content in files.items():
            with self._output(f"web/{folder.name}", file_name(each)) as temporary:
                temporary.write_bytes(content)
        return f"../_static/run/{folder.name}"

    @contextmanager
    def _output(self, folder: str, name: str) -> Iterator[Path]:
        """Write a file of the run atomically, and note it for who executes this notebook."""
        with atomic(self.path / folder / name) as temporary:
            yield temporary
        events.note("wrote", f"{folder}/{name}")

    # ------------------------------------------------------------ claims

    def record(
        self,
        id: str,
        value: claims.Value,
        seed: int | None = None,
        control: claims.Control | None = None,
        interval: claims.Interval | None = None,
        note: str = "",
    ) -> str:
        """Record what was found for a claim; see :meth:`helpers.book.ledger.Ledger.record`."""
        if not self.compares:
            return ""
        return self.ledger.record(id, value, seed, control, interval, note)

    def record_all(self, found: dict[int | None, dict]) -> None:
        """Record what a page found for several claims.

        Parameters
        ----------
        found : dict
            Seed, or None, to ``{claim: value}``. A value is a number, a dict of numbers, a
            :class:`helpers.book.claims.Finding`, or text: the reason why there is none. A claim
            without a value at any seed was not run.
        """
        for values in found.values():
            for claim, reason in values.items():
                if isinstance(reason, str):
                    self.not_run(claim, reason)
        for seed, values in found.items():
            for claim, value in values.items():
                if isinstance(value, claims.Finding):
                    self.record(claim, value.value, seed, value.control, value.interval, value.note)
                elif not isinstance(value, str):
                    self.record(claim, value, seed)

    @property
    def compares(self) -> bool:
        """Whether the papers' claims are judged: neither ``--no-claims`` nor ``compare: false``."""
        return NO_CLAIMS not in os.environ and all(data.compare for data in self.datasets)

    def not_run(self, id: str, reason: str) -> None:
        """Note that a claim was not run here, and why."""
        if self.compares:
            self.ledger.not_run(id, reason)

    def scoreboard(self) -> None:
        """Display this notebook's claims: published, found, control, verdict."""
        self.board(
            [row for row in claims.scoreboard(self.path) if row["notebook"] == self.notebook]
        )

    def board(self, rows: list[dict], recorded: dict[str, list[dict]] | None = None) -> None:
        """Display some rows of the scoreboard, with small copies of the figures that decide, and
        recorded runs beside them.
        """
        from IPython.display import Markdown, display

        from helpers.book import board
        from helpers.book.figure_files import small_png

        if not self.compares:
            display(Markdown("The papers' claims are not judged in this run."))
            return

        def thumbnail(row: dict) -> str:
            name = f"{row['figure']}.png"
            picture = self.path / "figures" / name
            if not row["figure"] or not picture.exists():
                return ""
            return f"{self.page_files('figures', {name: small_png(picture)})}/{name}"

        display(board.board(rows, recorded, thumbnail))


def open_run(
    path: str | Path, notebook: str, *, microct: str = "", population: str = "", weights: str = ""
) -> Run:
    """Open (or begin) a run folder for one notebook; relative paths count from the project root.

    Figures get the look of the book from here on.

    Raises
    ------
    FileExistsError
        If ``path`` exists, is not empty, and is not a run folder.
    DatasetError
        If a dataset that was named cannot be opened.
    """
    from helpers.book import colours, style

    style.use()
    folder = claim_folder(from_root(path))
    run = Run(folder, notebook, {"microct": microct, "population": population, "weights": weights})
    style.take_as_written(name for data in run.datasets for name in data.names)
    if microct:
        colours.name_areas(run.microct.areas, run.microct.roles, run.microct.colours)
    names = [f"{data.name} (phantom)" if data.is_phantom else data.name for data in run.datasets]
    run.ledger = Ledger(folder / "claims" / f"{notebook}.json", notebook, " + ".join(names))
    facts = {
        data.name: {"path": str(data.path), "fingerprint": data.fingerprint}
        for data in run.datasets
    }
    provenance.note(folder, notebook, {"datasets": facts})
    return run


def claim_folder(folder: Path) -> Path:
    """Return a run folder, made if missing; refuse one that holds somebody else's files.

    Raises
    ------
    FileExistsError
        If ``folder`` is a file, or holds files and is not a run folder.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; expected a run folder. Choose another --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise FileExistsError(
            f"{folder} exists, is not empty and is not a run folder; nothing was written. "
            "Choose another --out."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    return folder


def make_phantom(kind: str, out: Path, *, progress: bool = False, **options: Any) -> Path:
    """Generate a phantom dataset folder; see :mod:`helpers.data.phantoms`."""
    from helpers.data.phantoms import microct, population

    with lock(out.parent / f".{out.name}.lock"):
        generators = {"microct": microct, "population": population}
        return generators[kind].generate(out, progress=progress, **options)
