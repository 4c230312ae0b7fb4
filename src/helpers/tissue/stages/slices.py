"""Stages of papers A and B: patches, the trained classifier, posteriors and features of whole
slices.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data import intensity
from helpers.data import patches as patch_rules
from helpers.data.datasets import Slice
from helpers.data.files import write_json
from helpers.tissue.network import area_map as maps
from helpers.tissue.network import classifier, dense, recipes
from helpers.training import choose_device

RIM = 16  # pixels around the tissue mask that are still classified: annotations reach a little further than the mask


@dataclass(frozen=True)
class TrainedClassifier:
    """A trained `AreaCNN`, one row of numbers per epoch, and the epoch that was kept (from 1)."""

    model: classifier.AreaCNN
    history: pd.DataFrame
    best_epoch: int


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
        The pixels that count as classified (see `classified`).
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
        On disk; windows that are not included are 0.
    included : (h, w) bool array
        Windows whose centre is annotated (or on tissue, where nothing is annotated).
    rows, columns : (h,) and (w,) int arrays
        Centre pixels of the grid.
    """

    piece: Slice
    stride: int
    features: np.ndarray
    included: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def at_grid(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels (h, w) of an image or label map (H, W) that the windows are centred on."""
        return image[np.ix_(self.rows, self.columns)]


_scaled: dict = {}


def standardised(piece: Slice) -> tuple[np.ndarray, intensity.Standardisation]:
    """Return a slice's image standardised over its tissue, and the scale that undoes it."""
    key = id(piece.image)
    if key not in _scaled:  # the image is kept beside its result, so that its id stays its own
        _scaled[key] = (piece.image, intensity.standardise(piece.image))
    return _scaled[key][1]


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
    validation_share: float = 0.1,
):
    """Return balanced patches of one role, or None where that role has no labels.

    Training patches lie wholly inside their area; validation and test patches have their centre in
    it (A §III.1). Without a validation slice, part of each training area, spatially apart, serves.

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
    pieces = [only] if only else [labelled_test_slice(run)] if role == "test" else data.slices(role)
    pieces = [piece for piece in pieces if piece is not None and piece.areas is not None]
    labels, forbidden = [piece.areas for piece in pieces], None
    if not data.slices("validation") and role in ("train", "validation"):
        pieces = data.slices("train")
        held_out = [_held_out(data, index, validation_share) for index in range(len(pieces))]
        if role == "validation":
            labels = [area for area, _ in held_out]
        else:
            labels, forbidden = [piece.areas for piece in pieces], [block for _, block in held_out]
    if not pieces:
        return None
    if raw:
        images, padding = [piece.image for piece in pieces], [0.0] * len(pieces)
    else:
        scaled = [standardised(piece) for piece in pieces]
        images, padding = [image for image, _ in scaled], [scale.raw_zero for _, scale in scaled]
    return patch_rules.sample_patches(
        images,
        labels,
        per_area,
        data.areas,
        purity=purity if role == "train" else 0.0,
        seed=[seed, ("train", "validation", "test").index(role)],
        padding=padding,
        forbidden=forbidden,
    )


_held_out_cache: dict = {}


def _held_out(data, index: int, share: float):
    """Return the validation labels and forbidden pixels of one training slice; the same for every
    seed.
    """
    key = (data.fingerprint, index, share)
    if key not in _held_out_cache:
        _held_out_cache[key] = patch_rules.separate_validation(
            data.slices("train")[index].areas, data.areas, share
        )
    return _held_out_cache[key]


def trained_classifier(
    run: Run,
    seed: int = 0,
    *,
    patches_per_area: int = 600,
    epochs: int = 8,
    recipe: str = "fast",
    validation_per_area: int = 150,
    device: str = "auto",
    progress: bool = True,
) -> Artifact:
    """Return the area classifier trained on a dataset's training slices (A §III.2); ``value`` is a
    `TrainedClassifier`.

    Parameters
    ----------
    patches_per_area, validation_per_area : int
        Patches per class (the paper: about 2,000 and 1,000).
    epochs : int
        At most; the one with the best validation accuracy is kept.
    recipe : {"fast", "paper"}
        How it is trained: a name in :data:`helpers.tissue.network.recipes.RECIPES`.
    """
    if recipe not in recipes.RECIPES:
        raise ValueError(f"recipe is {recipe!r}; expected one of {', '.join(recipes.RECIPES)}")
    settings, areas = dict(recipes.RECIPES[recipe]), run.microct.areas
    purity = settings.pop("purity")
    parameters = {
        "seed": seed,
        "patches_per_area": patches_per_area,
        "validation_per_area": validation_per_area,
        "epochs": epochs,
        "recipe": recipe,
    }

    def make(folder: Path) -> None:
        train = patches(run, "train", patches_per_area, seed=seed, purity=purity)
        validation = patches(run, "validation", validation_per_area, seed=seed)
        model, result = recipes.train_area_classifier(
            train,
            validation,
            len(areas),
            epochs=epochs,
            seed=seed,
            device=device,
            checkpoint=folder / "checkpoint",
            progress=progress,
            **settings,
        )
        classifier.save(model.cpu(), folder / "classifier.safetensors", {"areas": list(areas)})
        write_json(
            folder / "history.json", {"history": result.history, "best_epoch": result.best_epoch}
        )

    def load(folder: Path) -> TrainedClassifier:
        content = json.loads((folder / "history.json").read_text())
        return TrainedClassifier(
            classifier.load(folder / "classifier.safetensors"),
            pd.DataFrame(content["history"]),
            content["best_epoch"],
        )

    return run.artifact(
        "classifier",
        parameters,
        make,
        load,
        inputs=[run.microct.fingerprint],
        methods=[recipes, patch_rules, intensity],
    )


def evaluation_patches(run: Run, per_area: int, *, seed: int = 0, raw: bool = False) -> dict:
    """Return validation patches and those of every annotated test slice, by name."""
    found = {"validation": patches(run, "validation", per_area, seed=seed, raw=raw)}
    for piece in run.microct.slices("test"):
        if piece.areas is not None:
            found[f"test z = {piece.z}"] = patches(
                run, "test", per_area, seed=seed, raw=raw, only=piece
            )
    return found


def classified(piece: Slice) -> np.ndarray:
    """Return the pixels (H, W) that a whole-slice map speaks of: tissue, with a margin for its
    uneven rim.
    """
    return ndimage.binary_dilation(intensity.tissue_mask(piece.image), iterations=RIM)


def posteriors(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    stride: int = 1,
    device: str = "auto",
    progress: bool = True,
) -> Artifact:
    """Return log-probabilities of every area on a grid over a whole slice; ``value`` is (h, w, n)
    float32.

    Grid point (i, j) is the pixel (i · stride, j · stride) at the centre of its window; windows
    that leave the slice are padded with the raw zero. Points away from tissue and annotation are 0.
    """

    def make(folder: Path) -> None:
        image, scale = standardised(piece)
        mask = classified(piece) if piece.areas is None else classified(piece) | (piece.areas > 0)
        np.save(
            folder / "log_probabilities.npy",
            dense.dense_log_probabilities(
                trained.value.model,
                image,
                stride,
                pad_value=scale.raw_zero,
                mask=mask,
                device=choose_device(device),
                progress=progress,
            ),
        )

    def load(folder: Path) -> np.ndarray:
        return np.load(folder / "log_probabilities.npy", mmap_mode="r", allow_pickle=False)

    parameters = {"z": piece.z, "window": piece.window, "stride": stride}
    return run.artifact(
        f"posteriors-z{piece.z}",
        parameters,
        make,
        load,
        inputs=[trained.key],
        methods=[dense, intensity],
    )


def slice_features(
    run: Run,
    trained: Artifact,
    piece: Slice,
    *,
    stride: int = 1,
    device: str = "auto",
    progress: bool = True,
) -> Artifact:
    """Return the features of every window of a slice whose centre is annotated (on tissue, where
    nothing is).

    ``value`` is a `SliceFeatures`; its array stays on disk.
    """
    image, scale = standardised(piece)
    included = piece.areas > 0 if piece.areas is not None else intensity.tissue_mask(piece.image)

    def make(folder: Path) -> None:
        shape = dense.output_shape(image.shape, stride, pad=True)
        out = np.lib.format.open_memmap(
            folder / "features.npy", mode="w+", dtype=np.float32, shape=shape
        )
        dense.dense_features(
            trained.value.model,
            image,
            stride,
            out=out,
            pad=True,
            pad_value=scale.raw_zero,
            mask=included,
            device=choose_device(device),
            progress=progress,
        )
        out.flush()

    def load(folder: Path) -> SliceFeatures:
        rows, columns = dense.centres(image.shape, stride, pad=True)
        features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
        return SliceFeatures(
            piece, stride, features, included[np.ix_(rows, columns)], rows, columns
        )

    parameters = {"z": piece.z, "window": piece.window, "stride": stride}
    return run.artifact(
        f"features-z{piece.z}",
        parameters,
        make,
        load,
        inputs=[trained.key],
        methods=[dense, intensity],
    )


def area_map(
    run: Run, trained: list[Artifact], piece: Slice, *, stride: int = 1, smoothing_um: float = 95.0
) -> AreaMap:
    """Return the areas predicted for a slice, from the mean log-probabilities of one or several
    networks.

    Parameters
    ----------
    trained : list of Artifact
        What `trained_classifier` returned, one per seed.
    stride : int
        Distance in pixels between windows; 1 classifies every pixel by its own window.
    smoothing_um : float
        Standard deviation of the neighbourhood that `AreaMap.smooth` averages over.
    """
    grids = [posteriors(run, artifact, piece, stride=stride).value for artifact in trained]
    mean = np.mean(grids, axis=0, dtype=np.float32)  # (h, w, n)
    tissue, shape = intensity.tissue_mask(piece.image), piece.image.shape
    sigma = smoothing_um / run.microct.pixel_size_um / stride
    smooth = maps.smooth_log_posteriors(mean, tissue[::stride, ::stride], sigma)
    everywhere = np.ones(shape, bool)
    return AreaMap(
        piece,
        maps.label_map(mean, shape, stride, everywhere),
        maps.label_map(smooth, shape, stride, everywhere),
        classified(piece),
    )


def save_area_maps(run: Run, results: list[AreaMap]) -> None:
    """Write ``artifacts/area_map_z<z>.tif`` per slice (windows of one slice into one file) and
    ``tables/areas.csv``.
    """
    for z in {result.piece.z for result in results}:
        same = [result for result in results if result.piece.z == z]
        full = np.zeros(same[0].piece.full_shape, np.uint8)
        for result in same:
            top, left = result.piece.offset
            height, width = result.piece.image.shape
            full[top : top + height, left : left + width] = result.labels
        run.save_map(f"area_map_z{z}", full)
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
