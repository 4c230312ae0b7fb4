"""Stages of page 13: a volume predicted within a run, against its truth, and what it costs."""

import json
import os
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from helpers.book.artifacts import Artifact
from helpers.book.executors import DASK, workers
from helpers.book.root import from_root
from helpers.book.run import Run
from helpers.data.datasets.images import recode
from helpers.data.datasets.manifest import MANIFEST, load_yaml
from helpers.data.files import write_json
from helpers.data.phantoms import volume as phantom
from helpers.data.phantoms.microct import AREA_NAMES
from helpers.tissue.network import classifier, dense
from helpers.tissue.stages.learned import Trained
from helpers.tissue.stages.slices import labelled_test_slice
from helpers.tissue.stages.volume import Options, Predicted, finished_volume, predict_volume
from helpers.tissue.volumes.request import OWN
from helpers.tissue.volumes.source import open_source
from helpers.tissue.volumes.tables import neighbour_agreement

PAPERS = (720, 1420, 5805)  # voxels of the papers' volume (paper A, §II.1)
WINDOW = 192  # positions along the side of the square whose dense features are timed
PATCHES = 64  # that are timed one batch after the other
RESULT, FACTS = "volume.zarr", "facts.json"


@dataclass(frozen=True)
class WholeVolume:
    """A predicted volume and what is known of it.

    Attributes
    ----------
    images, labels : (n, h, w) uint8 arrays
        Gray values, and areas predicted (0 = not classified, 1…n), at the positions.
    truth : (n, h, w) uint8 array or None
        Areas as annotated, 0 = not.
    z : tuple of int
    voxel_um : (z, y, x)
        Distance between positions.
    volumes, agreement : DataFrame
        See `helpers.tissue.volumes.tables`.
    costs : DataFrame
        ``workers``, ``slices``, ``clock_s`` on the clock and ``processor_s``, of several runs.
    slice_seconds : list of float
        Of a processor, for every slice.
    blocks : int
        Of a slice.
    bytes_per_position : float
        Of the result on disk.
    origin : str
        What volume it is, for people.
    """

    images: np.ndarray
    labels: np.ndarray
    truth: np.ndarray | None
    z: tuple[int, ...]
    voxel_um: tuple[float, float, float]
    volumes: pd.DataFrame
    agreement: pd.DataFrame
    costs: pd.DataFrame
    slice_seconds: list[float]
    blocks: int
    bytes_per_position: float
    origin: str

    def against_truth(self, areas: tuple[str, ...]) -> pd.DataFrame:
        """Return volumes (mm³) per area, true and predicted, and their Dice overlap, over the
        positions that are annotated.
        """
        each = np.prod(self.voxel_um) / 1e9
        inside, rows = self.truth > 0, []
        for label, name in enumerate(areas, start=1):
            true, found = self.truth == label, (self.labels == label) & inside
            total = true.sum() + found.sum()
            dice = 2 * (true & found).sum() / total if total else np.nan
            rows.append((name, true.sum() * each, found.sum() * each, dice))
        columns = ["area", "true mm³", "predicted mm³", "Dice"]
        return pd.DataFrame(rows, columns=columns).set_index("area")

    def true_agreement(self, areas: tuple[str, ...]) -> pd.DataFrame:
        """Return the Dice overlap between neighbouring slices of the truth."""
        dice, labels = [], range(1, len(areas) + 1)
        for a, b in pairwise(self.truth):
            sizes = [(each == label).sum() for label in labels for each in (a, b)]
            both = [((a == label) & (b == label)).sum() for label in labels]
            total = np.reshape(sizes, (-1, 2)).sum(axis=1)
            dice.append(2 * np.array(both) / np.where(total, total, np.nan))
        return neighbour_agreement(dice, areas, self.z)


def whole_volume(
    run: Run,
    trained: Artifact,
    *,
    volume: str = "",
    n_slices: int = 8,
    shape: tuple[int, int] = (512, 1536),
    stride: int = 16,
    worker_counts: tuple[int, ...] = (1, 2),
    timed_slices: int = 4,
) -> WholeVolume:
    """Return a volume predicted by a trained classifier.

    Parameters
    ----------
    run : Run
    trained : Artifact
        Of `helpers.tissue.stages.classifier.trained_classifier`.
    volume : str
        What to predict, see `helpers.tissue.volumes.source.open_source`; "" for consecutive slices
        of the phantom's own sample, or the slices of a dataset that is no phantom.
    n_slices, shape
        Of the phantom volume.
    stride : int
        Pixels between positions.
    worker_counts : tuple of int
        So many threads are timed. The most of them predict the volume.
    timed_slices : int
        Of the volume, the first ones, that every other number of threads is timed with.
    """
    names = run.microct.areas
    drawn = None
    if not volume and run.microct.is_phantom:
        drawn = _phantom_volume(run, n_slices, shape)
    source = from_root(volume) if volume else drawn.path / phantom.IMAGES if drawn else None
    source = source or run.microct.path
    network = (trained.path / "classifier.safetensors").read_bytes()
    learned = Trained(network, names, None, trained.path.name)
    options = Options(stride=stride, pixel_size_um=0 if volume else run.microct.pixel_size_um)

    def timed(what: str | Path, out: Path, count: int, dask: str = "") -> dict:
        with workers(dask, threads=count) as found:
            start = time.perf_counter()
            done = predict_volume(what, out, learned, found, options)
            clock = time.perf_counter() - start
        processor = sum(done.work.seconds.values())
        facts = {"workers": found.count(), "slices": len(done.request.z)}
        return {**facts, "clock_s": clock, "processor_s": processor}

    def make(folder: Path) -> None:
        *others, most = sorted(worker_counts)
        costs = [timed(source, folder / RESULT, most, os.environ.get(DASK, ""))]
        with TemporaryDirectory(prefix="brainbook-") as name:
            part = Path(name) / "part.npy"
            if others:
                np.save(part, open_source(source).volume[:timed_slices])
            costs += [timed(part, Path(name) / f"{count}.zarr", count) for count in others]
        write_json(folder / FACTS, {"costs": sorted(costs, key=lambda cost: cost["workers"])})

    def load(folder: Path) -> tuple:
        facts = json.loads((folder / FACTS).read_text())
        result = finished_volume(folder / RESULT)
        return result, pd.DataFrame(facts["costs"])

    facts = {
        "volume": str(volume),
        "stride": stride,
        "workers": list(worker_counts),
        "timed": timed_slices,
        "slices": n_slices,
        "shape": list(shape),
    }
    inputs = [trained.key, drawn.key if drawn else run.key("microct")]
    predicted, costs = run.artifact("volume", facts, make, load, inputs=inputs).value
    truth = _truth(run, predicted, drawn, volume)
    z_numbers = drawn.value if drawn else predicted.request.z
    agreement = neighbour_agreement(predicted.agreement.to_numpy(), names, z_numbers)
    origin = volume or ("consecutive slices of the phantom" if drawn else "the dataset's slices")
    z, y, x = predicted.request.voxel_um
    return WholeVolume(
        predicted.images(),
        predicted.labels(),
        truth,
        z_numbers,
        (z, y * stride, x * stride),
        predicted.volumes,
        agreement,
        costs,
        predicted.slice_seconds(),
        len(predicted.request.blocks),
        _bytes(Path(predicted.out)) / predicted.labels().size,
        origin,
    )


def _phantom_volume(run: Run, n: int, shape: tuple[int, int]) -> Artifact:
    """Return slices of the dataset's own virtual sample around its test slice; ``value`` is z."""
    middle = labelled_test_slice(run).z
    z = list(range(middle - n // 2, middle - n // 2 + n))
    seed = load_yaml(run.microct.path / MANIFEST)["phantom"]["seed"]

    def make(folder: Path) -> None:
        phantom.draw_volume(folder, z, shape, seed, progress=True)

    facts = {"z": z, "shape": list(shape), "seed": seed}
    return run.artifact("phantom-volume", facts, make, lambda folder: tuple(z))


def _truth(run: Run, found: Predicted, drawn: Artifact | None, volume: str) -> np.ndarray | None:
    """Return the annotated areas at the positions, None where nothing is annotated."""
    step, names = found.request.stride, run.microct.areas
    if drawn:
        codes = np.load(drawn.path / phantom.AREAS, mmap_mode="r")[:, ::step, ::step]
        return recode(codes, {code: 1 + names.index(name) for code, name in AREA_NAMES.items()})
    if volume:
        return None
    truth = np.zeros(found.labels().shape, np.uint8)
    for piece in run.microct.slices():
        if piece.areas is not None:
            top, left = piece.offset
            whole = np.zeros(piece.full_shape, np.uint8)
            height, width = piece.areas.shape
            whole[top : top + height, left : left + width] = piece.areas
            here = truth[found.request.z.index(piece.z)]
            np.maximum(here, whole[::step, ::step], out=here)
    return truth


def _bytes(out: Path) -> int:
    """Return the bytes of a result without its request and notes."""
    files = (path for path in out.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if OWN not in path.parts)


def speeds(run: Run, trained: Artifact) -> dict[str, float]:
    """Return positions per second of one thread: dense at stride 1, and patch by patch.

    Measured here, once in a run, on pixels of the test slice.
    """
    image = labelled_test_slice(run).image

    def compute() -> dict:
        before, model = torch.get_num_threads(), trained.value.model
        torch.set_num_threads(1)
        try:
            side = WINDOW + classifier.PATCH - 1
            top, left = ((size - side) // 2 for size in image.shape)
            window = np.ascontiguousarray(image[top : top + side, left : left + side])
            start = time.process_time()
            dense.dense_features(model, window)
            scanned = time.process_time() - start
            patches = [window[i : i + 128, i : i + 128] for i in range(PATCHES)]
            start = time.process_time()
            classifier.patch_features(model, np.stack(patches), batch=32)
            cut = time.process_time() - start
        finally:
            torch.set_num_threads(before)
        return {"every slice once": WINDOW**2 / scanned, "patch by patch": PATCHES / cut}

    return run.stored("speeds", {}, compute, inputs=[trained.key]).value


def price(
    speed: dict[str, float], share: float, bytes_per_position: float, shape: tuple = PAPERS
) -> pd.DataFrame:
    """Return what a volume costs at every position, from speeds measured on one thread.

    Parameters
    ----------
    speed : dict
        Positions per second by way, see `speeds`.
    share : float
        Of the positions that lie on tissue; the others are not computed.
    bytes_per_position : float
        Of the result, gray values and labels with their smaller copies.
    shape : (n, H, W)
    """
    positions = float(np.prod(shape)) * share
    rows = {way: (positions / each / 3600, each) for way, each in speed.items()}
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["processor hours", "positions per second"]
    )
    table["gigabytes written"] = float(np.prod(shape)) * bytes_per_position / 1e9
    return table.rename_axis("way")
