"""Stage of a whole volume: a run's network, and its factors, at every position of it."""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.book.executors import Workers
from helpers.book.parameters import UsageError
from helpers.book.reached_code import digest, reached_hash
from helpers.book.style import area_colours
from helpers.data import ome_zarr
from helpers.data.files import lock
from helpers.data.storage import Files
from helpers.tissue.stages.learned import Trained
from helpers.tissue.volumes import blocks, schedule, tables
from helpers.tissue.volumes.request import (
    BASIS,
    MEMORY,
    NETWORK,
    OWN,
    Request,
    block_side,
    memory_needed,
)
from helpers.tissue.volumes.source import Source, open_source

PIXEL_UM = 1.17  # of the papers' volume, where neither the file nor the user says another
TABLES = ("tables/areas.csv", "tables/neighbours.csv")
SMOOTHING_UM = 95.0  # as in the maps of single slices
CODE = (blocks.prepare_slice, blocks.compute_block, blocks.finish_slice)


@dataclass(frozen=True)
class Options:
    """How a volume is predicted.

    Attributes
    ----------
    stride : int
        Pixels between positions along rows and columns; every slice is done.
    smoothing_um : float
        Standard deviation of the smoothing within a slice, µm; 0 for none.
    pixel_size_um : float
        Of a volume whose file does not say it; 0 for the papers'.
    memory : int
        Bytes that a worker may take.
    force : bool
        Replace what an earlier request made.
    """

    stride: int = 1
    smoothing_um: float = SMOOTHING_UM
    pixel_size_um: float = 0.0
    memory: int = MEMORY
    force: bool = False


@dataclass(frozen=True)
class Predicted:
    """A finished volume.

    Attributes
    ----------
    out : str
    request : Request
    work : schedule.Work
        What was done for it this time.
    volumes : DataFrame
        See `tables.area_volumes`.
    agreement : DataFrame
        See `tables.neighbour_agreement`.
    """

    out: str
    request: Request
    work: schedule.Work
    volumes: pd.DataFrame
    agreement: pd.DataFrame

    def slice_seconds(self) -> list[float]:
        """Seconds of a processor that every slice took."""
        notes = [
            Files(self.out).read_json(blocks.slice_note(k)) for k in range(len(self.request.z))
        ]
        return [note["before"] + note["seconds"] for note in notes]

    def images(self) -> np.ndarray:
        """Gray values at the positions, (z, y, x); all of them at once."""
        return self._all(self.request.images(Files(self.out))[0])

    def labels(self) -> np.ndarray:
        """Areas at the positions, (z, y, x) uint8; all of them at once."""
        return self._all(self.request.labels(Files(self.out))[0])

    @staticmethod
    def _all(array: ome_zarr.ChunkedArray) -> np.ndarray:
        return array.read([(0, side) for side in array.shape])


def predict_volume(
    source: str | Path,
    out: str | Path,
    trained: Trained,
    workers: Workers,
    options: Options | None = None,
    *,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Predicted:
    """Predict the areas of a whole volume into OME-Zarr; go on where an earlier call stopped.

    Parameters
    ----------
    source : path
        See `helpers.tissue.volumes.source.open_source`.
    out : path or address
        A new or empty folder, or what an earlier call of the same request made.
    trained : Trained
    workers : Workers
        They must reach `source` and `out`, and import this package.
    options : Options, optional
    progress : bool
    say : callable
        Takes a line for the user.

    Raises
    ------
    DatasetError
        If `source` cannot be opened.
    FileExistsError
        If something else lies at `out`, or the result of another request and not ``force``.
    UsageError
        If a worker may take too little memory for a slice.
    helpers.tissue.volumes.schedule.VolumeError
        If a piece of work fails again and again, or the workers are gone.
    """
    options, files = options or Options(), Files(_absolute(out))
    opened = open_source(_absolute(source))
    request = _request(_absolute(source), opened, trained, options)
    needed = memory_needed(request.shape, request.stride, len(request.areas))
    if needed > options.memory:
        raise UsageError(
            f"slices of {request.shape[1]} × {request.shape[2]} px need {needed / 1e9:.1f} GB a "
            f"worker, found --memory {options.memory / 1e9:.1f} GB"
        )
    _open_result(files, request, trained, options.force)
    n = request.shape[0] * len(request.blocks)
    say(
        f"{request.shape[0]} slices in {n} blocks of {request.side} × {request.side} positions, "
        f"by {workers.name}, at most {options.memory / 1e9:.1f} GB each; network: {trained.name}"
    )
    bar = tqdm(total=n, unit="block", desc="volume", disable=not progress)
    with _alone(files), bar:

        def tell(work: schedule.Work, total: int) -> None:
            bar.total = total
            bar.n = work.computed["block"] + work.kept["block"]
            bar.refresh()

        work = schedule.work_through(
            files.path,
            request,
            workers.executor,
            workers.count,
            memory=options.memory,
            tell=tell,
        )
        volumes, agreement = _tables(files, request, workers, anew=bool(work.computed))
        files.remove(f"{OWN}/scraps")
        files.remove(request.log_probabilities(files).name)
    return Predicted(files.path, request, work, volumes, agreement)


def _alone(files: Files) -> AbstractContextManager:
    """Wait until no other command works on a result, as far as it lies on this machine."""
    return lock(Path(files.path) / OWN / "lock") if files.local else nullcontext()


def finished_volume(out: str | Path) -> Predicted:
    """Return a result that is finished, as `predict_volume` did.

    Raises
    ------
    FileNotFoundError
        If there is none, or it is not finished.
    """
    files = Files(_absolute(out))
    request, stored = Request.read(files), _stored_tables(files)
    if request is None or stored is None:
        raise FileNotFoundError(f"{out} holds no finished volume of `brainbook volume`")
    return Predicted(files.path, request, schedule.Work(), *stored)


def _absolute(path: str | Path) -> str:
    """Return where a path leads for workers that stand elsewhere; addresses stay as they are."""
    return str(path) if "://" in str(path) else str(Path(path).expanduser().resolve())


def _request(path: str, source: Source, trained: Trained, options: Options) -> Request:
    pixel = options.pixel_size_um or PIXEL_UM
    voxel = [float(side if np.isfinite(side) else pixel) for side in source.voxel_um]
    colours = [tuple(round(255 * part) for part in rgb) for rgb in area_colours(trained.areas)]
    basis = b"" if trained.basis is None else trained.basis.tobytes()
    return Request(
        source=path,
        state=source.state,
        z=source.z,
        shape=tuple(map(int, source.volume.shape)),
        dtype=source.volume.dtype.newbyteorder("<").str,
        voxel_um=tuple(voxel),
        stride=options.stride,
        side=block_side(options.stride),
        smoothing_um=options.smoothing_um,
        areas=trained.areas,
        colours=tuple(colours),
        n_factors=0 if trained.basis is None else len(trained.basis),
        network=sha256(trained.network).hexdigest(),
        basis=sha256(basis).hexdigest() if basis else "",
        code=digest("".join(map(reached_hash, CODE))),
    )


def _open_result(files: Files, request: Request, trained: Trained, force: bool) -> None:
    """Begin a result, or go on with one of the same request."""
    found = Request.read(files)
    if found is None and not files.is_free():
        raise FileExistsError(
            f"{files.path} exists and was not made by `brainbook volume`; nothing was written. "
            "Name another OUT."
        )
    if found not in (None, request):
        there, wanted = asdict(found), asdict(request)
        other = ", ".join(key for key in wanted if wanted[key] != there[key])
        if not force:
            raise FileExistsError(
                f"{files.path} holds the result of another request (other {other}). "
                "Name another OUT, or replace it with --force."
            )
        levels = [level.name for level in found.images(files)]
        for name in (*levels, "labels", "factors", "tables", ".zattrs", ".zgroup", OWN):
            files.remove(name)
    request.write(files)
    if not files.holds({NETWORK: request.network}):
        files.write(NETWORK, trained.network)
    if trained.basis is not None:
        stream = io.BytesIO()
        np.save(stream, trained.basis)
        files.write(BASIS, stream.getvalue())
    _write_metadata(files, request)


def _write_metadata(files: Files, request: Request, largest: Sequence[float] = ()) -> None:
    """Write what viewers read: names, sizes and colours. `largest` coefficient of each factor."""
    step, (z, y, x) = request.stride, request.voxel_um
    apart = set(np.diff(request.z))  # slices that are not equally far apart have no common origin
    first = request.z[0] * z / next(iter(apart)) if len(apart) == 1 else 0.0
    origin = (float(first), 0.0, 0.0)
    for folder, name, levels in request.pyramids(files):
        attributes = ome_zarr.multiscales(name, levels, (z, y * step, x * step), origin)
        if folder == "labels/areas":
            attributes |= ome_zarr.image_label(request.areas, request.colours)
        if folder == "factors" and len(largest):
            attributes |= ome_zarr.channels("factor", largest)
        if not folder:
            attributes["brainbook"] = {"z": list(request.z), "source": request.source}
        ome_zarr.write_group(files, folder, attributes)
        for level in levels:
            level.create()
    ome_zarr.write_group(files, "labels", {"labels": ["areas"]})


def _tables(
    files: Files, request: Request, workers: Workers, *, anew: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables; write them if there is anything new."""
    stored = _stored_tables(files)
    if not anew and stored:
        return stored
    notes = [files.read_json(blocks.slice_note(k)) for k in range(request.shape[0])]
    z, y, x = request.voxel_um
    position = z * y * x * request.stride**2 / 1e9
    counts = np.array([note["counts"] for note in notes])
    volumes = tables.area_volumes(counts, request.areas, request.z, position)
    dice = schedule.agreements(files.path, request, workers.executor)
    agreement = tables.neighbour_agreement(dice, request.areas, request.z)
    for name, table in zip(TABLES, (volumes, agreement)):
        files.write(name, table.to_csv().encode())
    if request.n_factors:
        _write_metadata(files, request, np.max([note["largest"] for note in notes], axis=0))
    return volumes, agreement


def _stored_tables(files: Files) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    stored = [files.read(name) for name in TABLES]
    if None in stored:
        return None
    first, second = (io.BytesIO(content) for content in stored)
    return pd.read_csv(first, index_col=0), pd.read_csv(second, index_col=[0, 1])
