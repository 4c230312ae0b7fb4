"""Stages of papers A and B: patches, and posteriors, features and area maps of whole slices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data import patches as patch_rules
from helpers.data.datasets import Slice
from helpers.tissue.network import area_map as maps
from helpers.tissue.network import dense
from helpers.tissue.prepared_slice import PreparedSlice
from helpers.training import choose_device

ROLES = ("train", "validation", "test")
VALIDATION_SHARE = 0.1  # of each training area, where no slice serves for validation


@dataclass(frozen=True)
class AreaMap:
    """The areas predicted for a whole slice.

    Attributes
    ----------
    piece : Slice
        The slice, or window of one, that was classified.
    raw : (H, W) uint8 array
        Most likely area of each pixel's own patch, 1…n.
    smooth : (H, W) uint8 array
        The same after averaging log-posteriors over the neighbourhood.
    tissue : (H, W) bool array
        The pixels that count as classified (see `PreparedSlice.classified`).
    """

    piece: Slice
    raw: np.ndarray
    smooth: np.ndarray
    tissue: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The smooth map, 0 (not classified) away from tissue."""
        return np.where(self.tissue, self.smooth, 0).astype(np.uint8)


@dataclass(frozen=True)
class SliceFeatures:
    """Features of a whole slice on a grid of windows.

    Attributes
    ----------
    piece : Slice
    stride : int
        Distance in pixels between windows.
    features : (h, w, 64) float32 array
        On disk; windows that were not computed are 0.
    included : (h, w) bool array
        Windows whose centre is annotated (or on tissue, where nothing is annotated).
    computed : (h, w) bool array
        These and all windows whose centre lies on tissue.
    rows, columns : (h,) and (w,) int arrays
        Centre pixels of the grid.
    """

    piece: Slice
    stride: int
    features: np.ndarray
    included: np.ndarray
    computed: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def at_grid(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels (h, w) of an image or label map (H, W) that windows are centred on."""
        return image[np.ix_(self.rows, self.columns)]


def prepared_slice(run: Run, piece: Slice) -> PreparedSlice:
    """Return a slice as the networks see it; it is held as long as the run is."""
    return run.held(("slice", piece.z, piece.role, piece.window), lambda: PreparedSlice(piece))


def labelled_test_slice(run: Run) -> Slice | None:
    """Return the first annotated test slice: the one the papers' test numbers are compared with."""
    return next((piece for piece in run.microct.slices("test") if piece.areas is not None), None)


def patches(
    run: Run,
    role: str,
    per_area: int,
    *,
    seed: int = 0,
    raw: bool = False,
    only: Slice | None = None,
    purity: float = 1.0,
) -> patch_rules.Patches | None:
    """Return balanced patches of one role, or None where that role has no labels.

    Training patches lie wholly inside their area; validation and test patches have their centre in
    it (A §III.1). Those at the edge of a window see what the image file has beyond it. Without a
    validation slice, part of each training area, spatially apart, serves.

    Parameters
    ----------
    role : {"train", "validation", "test"}
    per_area : int
    seed : int
        The same seed draws the same places, raw or standardised.
    raw : bool
        Gray values as stored, in [0, 1] (pretrained networks), instead of standardised over tissue
        (`AreaCNN`).
    only : Slice, optional
        Draw from this slice alone; by default from all slices of the role, for test from the first
        annotated one.
    purity : float
        Share of a training window that its area must fill.

    Returns
    -------
    helpers.data.patches.Patches or None
    """
    data = run.microct
    if only:
        pieces = [only]
    else:
        pieces = [labelled_test_slice(run)] if role == "test" else data.slices(role)
    pieces = [piece for piece in pieces if piece is not None and piece.areas is not None]
    labels, forbidden = [piece.areas for piece in pieces], None
    if role != "test" and not data.slices("validation"):
        pieces = data.slices("train")
        held_out = [_held_out(run, piece) for piece in pieces]
        if role == "validation":
            labels = [areas for areas, _ in held_out]
        else:
            labels, forbidden = [piece.areas for piece in pieces], [block for _, block in held_out]
    if not pieces:
        return None
    prepared = [prepared_slice(run, piece) for piece in pieces]
    drawn = patch_rules.sample_patches(
        [piece.image for piece in pieces],
        labels,
        per_area,
        data.areas,
        purity=purity if role == "train" else 0.0,
        seed=[seed, ROLES.index(role)],
        forbidden=forbidden,
    )
    around = [piece.whole for piece in (pieces if raw else prepared)]
    return drawn.inside(around, [piece.offset for piece in pieces]).padded(
        [0.0 if raw else one.scale.raw_zero for one in prepared]
    )


def _held_out(run: Run, piece: Slice) -> tuple[np.ndarray, np.ndarray]:
    """Return validation labels and forbidden pixels of a training slice, for any seed."""
    return run.held(
        ("held out", piece.z, piece.window),
        lambda: patch_rules.separate_validation(piece.areas, run.microct.areas, VALIDATION_SHARE),
    )


def evaluation_patches(
    run: Run, per_area: int, *, seed: int = 0, raw: bool = False
) -> dict[str, patch_rules.Patches]:
    """Return validation patches and those of every annotated test slice, by name."""
    found = {"validation": patches(run, "validation", per_area, seed=seed, raw=raw)}
    for piece in run.microct.slices("test"):
        if piece.areas is not None:
            found[f"test z = {piece.z}"] = patches(
                run, "test", per_area, seed=seed, raw=raw, only=piece
            )
    return found


def posteriors(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    stride: int = 1,
    device: str = "auto",
    progress: bool = True,
) -> np.ndarray:
    """Return log-probabilities of every area on a grid over a slice: (h, w, n) float32.

    They are the network's last layer on the features of `slice_features`, so a slice is passed over
    once. Grid point (i, j) is the pixel (i · stride, j · stride) at the centre of its window;
    windows that leave the slice are padded with the raw zero. Points away from tissue and
    annotation are 0.
    """
    grid = slice_features(
        run, trained, piece, stride=stride, device=device, progress=progress
    ).value
    return dense.log_probabilities(trained.value.model, grid.features, grid.computed)


def slice_features(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    stride: int = 1,
    device: str = "auto",
    progress: bool = True,
) -> Artifact:
    """Return the features of every window of a slice whose centre is annotated or on tissue.

    ``value`` is a `SliceFeatures`; its array stays on disk.
    """
    prepared = prepared_slice(run, piece)
    shape = piece.image.shape
    wanted = prepared.classified | prepared.featured
    around = dense.CENTRE, patch_rules.SIZE - dense.CENTRE - 1  # what the outermost windows see

    def make(folder: Path) -> None:
        out = np.lib.format.open_memmap(
            folder / "features.npy",
            mode="w+",
            dtype=np.float32,
            shape=dense.output_shape(shape, stride, pad=True),
        )
        dense.dense_features(
            trained.value.model,
            prepared.surrounded(*around),
            stride,
            out=out,
            pad_value=prepared.scale.raw_zero,
            mask=np.pad(wanted, around),
            device=choose_device(device),
            progress=progress,
        )
        out.flush()

    def load(folder: Path) -> SliceFeatures:
        rows, columns = dense.centres(shape, stride, pad=True)
        features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        included, computed = (one[np.ix_(rows, columns)] for one in (prepared.featured, wanted))
        return SliceFeatures(piece, stride, features, included, computed, rows, columns)

    parameters = {"z": piece.z, "window": piece.window, "stride": stride}
    inputs = [trained.key, run.key("microct")]
    return run.artifact(f"features-z{piece.z}", parameters, make, load, inputs=inputs)


def area_map(
    run: Run,
    trained: list[Artifact],
    piece: Slice,
    *,
    stride: int = 1,
    smoothing_um: float = 95.0,
) -> AreaMap:
    """Return the areas predicted for a slice, from the mean log-probabilities of some networks;
    held as long as the run is, for several figures of a page ask for it.

    Parameters
    ----------
    trained : list of Artifact
        What `trained_classifier` returned, one per seed.
    stride : int
        Distance in pixels between windows; 1 classifies every pixel by its own window.
    smoothing_um : float
        Standard deviation of the neighbourhood that `AreaMap.smooth` averages over.
    """

    def compute() -> AreaMap:
        grids = [posteriors(run, artifact, piece, stride=stride) for artifact in trained]
        mean = np.mean(grids, axis=0, dtype=np.float32)  # (h, w, n)
        prepared, shape = prepared_slice(run, piece), piece.image.shape
        sigma = smoothing_um / run.microct.pixel_size_um / stride
        smooth = maps.smooth_log_posteriors(mean, prepared.tissue[::stride, ::stride], sigma)
        everywhere = np.ones(shape, bool)
        raw, smooth = (maps.label_map(grid, shape, stride, everywhere) for grid in (mean, smooth))
        return AreaMap(piece, raw, smooth, prepared.classified)

    keys = tuple(artifact.key for artifact in trained)
    name = ("area map", piece.z, piece.role, piece.window, stride, smoothing_um, keys)
    return run.held(name, compute)


def save_area_maps(run: Run, results: list[AreaMap], own_labels: bool = False) -> None:
    """Write ``artifacts/area_map_z<z>.tif`` per slice (windows of one slice into one file) and
    ``tables/areas.csv``.

    Parameters
    ----------
    run : Run
    results : list of AreaMap
    own_labels : bool
        Write ``artifacts/own_labels_z<z>.tif`` as well: the same map with the label values of the
        dataset's manifest, to be laid over the user's own label maps.
    """
    own = [run.microct.labels[area] for area in run.microct.areas]
    for z in {result.piece.z for result in results}:
        same = [result for result in results if result.piece.z == z]
        full = np.zeros(same[0].piece.full_shape, np.uint8)
        for result in same:
            top, left = result.piece.offset
            height, width = result.piece.image.shape
            full[top : top + height, left : left + width] = result.labels
        run.save_map(f"area_map_z{z}", full, run.microct.areas, run.microct.pixel_size_um)
        if own_labels:
            kind = np.min_scalar_type(max(own)) if max(own) < 2**16 else np.int32
            values = np.array([0, *own], kind)[full]
            named = dict(zip(own, run.microct.areas))
            run.save_map(f"own_labels_z{z}", values, named, run.microct.pixel_size_um)
    names = run.microct.areas
    run.save_table(
        pd.Series(
            names, index=pd.RangeIndex(1, len(names) + 1, name="label"), name="area"
        ).to_frame(),
        "areas",
    )


def class_balance(run: Run) -> pd.DataFrame:
    """Return the annotated area in mm² per slice (rows) and class (columns)."""
    data = run.microct
    rows = {
        f"z = {piece.z} ({piece.role})": np.bincount(
            piece.areas.ravel(), minlength=len(data.areas) + 1
        )[1:]
        * (data.pixel_size_um / 1000) ** 2
        for piece in data.slices()
        if piece.areas is not None
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(data.areas)).rename_axis(
        "slice"
    )
