"""A population of virtual brains: sections that differ by known factors, some with artifacts.

Every individual is one average section (drawn, or a real template), its intensities changed and
its shape bent by eight generative factors, bent once more by a smooth random deformation, with
fine texture and noise. A known minority carries one artifact. The truth is written beside.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage
from scipy.interpolate import make_interp_spline
from tqdm import tqdm

from helpers.data import folders
from helpers.data.ccf import REGIONS
from helpers.data.files import write_yaml
from helpers.data.phantoms import brain_atlas, brain_template
from helpers.data.phantoms.brain_artifacts import ARTIFACTS, inject, unit_noise
from helpers.data.phantoms.brain_atlas import SHAPE, Anatomy

VERSION = 3
FACTORS = (
    "hippocampus_size",
    "hippocampus_intensity",
    "cortex_thickness",
    "barrel_contrast",
    "striatum_intensity",
    "ventricle_width",
    "brightness",
    "asymmetry",
)
ARTIFACT_SHARE = 0.18  # of all images, the three types equally often
CORRELATION_LENGTH = 90.0  # px of 25 µm, of the individual deformations
PIXEL_UM = 25.0


def generate(
    out: str | Path,
    *,
    n: int = 2400,
    seed: int = 0,
    shape: Sequence[int] = (80, 112),
    progress: bool = False,
    force: bool = False,
    **section: Any,
) -> Path:
    """Write a population dataset folder with known truth.

    Parameters
    ----------
    out : path
        A new or empty folder. The same request again does no work.
    n : int
        Individuals.
    seed : int
        The same seed gives the same bytes.
    shape : (int, int)
        320×448 or the same picture smaller, such as 160×224 or 80×112 (a quarter: the book's size).
    progress : bool
    force : bool
        Replace another phantom in ``out``.
    **section
        A real average template to bend instead of the drawn section: ``template``, ``annotation``,
        ``structures`` and ``ap``, see :func:`helpers.data.phantoms.brain_template.load`.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If ``out`` holds something else, or a parameter or file does not fit.
    """
    out, shape = Path(out), tuple(int(side) for side in shape)
    _check_shape(shape)
    if n < 1:
        raise ValueError(f"n is {n}; expected at least one individual")
    anatomy = brain_template.load(**section) if section else None
    request = {
        "generator": "population",
        "version": VERSION,
        "n": int(n),
        "seed": int(seed),
        "shape": list(shape),
        "anatomy": anatomy.name if anatomy else "drawn",
    }
    if not folders.is_done(out, request, force):
        with folders.new_folder(out) as partial:
            _write(partial, _Generator(anatomy or brain_atlas.draw(), shape), request, progress)
    return out


def _write(path: Path, make: "_Generator", request: dict, progress: bool) -> None:
    """Draw all individuals and write them with their truth; the manifest comes last."""
    n, seed, shape = request["n"], request["seed"], request["shape"]
    factors, artifacts = _plan(n, seed)
    images, clean = (
        np.lib.format.open_memmap(path / name, "w+", np.uint8, (n, *shape))
        for name in ("images.npy", "clean.npy")
    )
    for i in tqdm(range(n), desc="phantom population", unit="brain", disable=not progress):
        images[i], clean[i] = (
            np.rint(image * 255) for image in make(factors[i], artifacts[i], (seed, i))
        )
    images.flush()
    clean.flush()
    tifffile.imwrite(path / "atlas.tif", make.atlas)
    (path / "clean.txt").write_text("".join(f"{i}\n" for i in np.flatnonzero(artifacts == "none")))
    table = pd.DataFrame({"artifact": artifacts, **dict(zip(FACTORS, factors.T))})
    table.to_csv(path / "truth.csv", index_label="index", float_format="%.6f", lineterminator="\n")
    write_yaml(
        path / "dataset.yml",
        {
            "schema": 1,
            "kind": "population",
            "name": "phantom-population"
            if request["anatomy"] == "drawn"
            else "phantom-population-template",
            "pixel_size_um": PIXEL_UM * SHAPE[0] / shape[0],
            "images": "images.npy",
            "atlas": "atlas.tif",
            "regions": dict(enumerate(REGIONS, start=1)),
            "clean": "clean.txt",
            "truth": "truth.csv",
            "clean_images": "clean.npy",
            "phantom": request,
        },
    )


def _plan(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factor scores (n, 8) and artifact types (n,) of a whole population."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, len(FACTORS))).clip(-2.5, 2.5)
    artifacts = np.full(n, "none", dtype="<U7")
    chosen = rng.permutation(n)[: round(ARTIFACT_SHARE * n)]
    artifacts[chosen] = np.resize(ARTIFACTS, len(chosen))
    return factors, artifacts


def _check_shape(shape: tuple[int, ...]) -> None:
    if (
        len(shape) != 2
        or shape[0] * SHAPE[1] != shape[1] * SHAPE[0]
        or not 40 <= shape[0] <= SHAPE[0]
    ):
        raise ValueError(
            f"shape is {'×'.join(map(str, shape))}; expected {SHAPE[0]}×{SHAPE[1]} or the same "
            "picture smaller (height : width = 5 : 7, at least 40 rows), such as 160×224, 80×112 "
            "or 40×56"
        )


class _Generator:
    """One average anatomy at one image size; a call makes one individual."""

    def __init__(self, anatomy: Anatomy, shape: tuple[int, int]) -> None:
        self.step = SHAPE[0] / shape[0]
        positions = [(np.arange(side) + 0.5) * self.step - 0.5 for side in shape]
        self.grid = np.stack(np.meshgrid(*positions, indexing="ij"))  # (2, h, w), px of 25 µm
        blur = 0.4 * np.sqrt(max(self.step**2 - 1, 0))  # against aliasing in the smaller picture
        smooth = lambda field: ndimage.gaussian_filter(field.astype(np.float32), blur)
        self.base = smooth(anatomy.base + 0.12 * anatomy.barrels)
        self.intensity = {name: smooth(field) for name, field in _intensity_fields(anatomy).items()}
        self.shift = {
            name: np.stack([ndimage.map_coordinates(part, self.grid, order=1) for part in field])
            for name, field in _shift_fields(anatomy).items()
        }
        self.modes = [_smooth_modes(p, side) for p, side in zip(positions, SHAPE)]
        nearest = np.ix_(
            *(np.rint(p).astype(int).clip(0, side - 1) for p, side in zip(positions, SHAPE))
        )
        self.atlas, self.brain = anatomy.atlas[nearest], anatomy.brain[nearest]

    def __call__(
        self, scores: np.ndarray, artifact: str, seed: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images (H, W) float32 of one individual: with its artifact, and without."""
        rng = np.random.default_rng([*seed, 1])
        score = dict(zip(FACTORS, scores))
        picture = self.base.copy()
        for name, field in self.intensity.items():
            picture += np.float32(score[name]) * field
        where = self.grid + sum(score[name] * field for name, field in self.shift.items())
        where += np.stack([self._smooth(rng, 1.6), self._smooth(rng, 1.6)])
        clean = ndimage.map_coordinates(picture, where, order=1, mode="nearest")
        clean *= np.exp(0.09 * score["brightness"] + self._smooth(rng, 0.025))
        clean = self._texture(clean, rng).clip(0, 1).astype(np.float32)
        if artifact == "none":
            return clean, clean
        return inject(clean, artifact, [*seed, 2], brain=self.brain)[0], clean

    def _smooth(self, rng: np.random.Generator, sd: float) -> np.ndarray:
        """A smooth random field on the image's grid, (h, w), of standard deviation ``sd``."""
        rows, columns = self.modes
        return sd * (rows @ rng.standard_normal((rows.shape[1], columns.shape[1])) @ columns.T)

    def _texture(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cells, fibres and vessels below the drawing's detail, and camera noise."""
        grain = unit_noise(rng, image.shape, max(0.5, 1.1 / self.step))
        specks = np.sign(grain) * np.maximum(np.abs(grain) - 2.3, 0)  # the few large ones: vessels
        return image * (1 + 0.035 * grain + 0.10 * specks) + 0.008 * rng.standard_normal(
            image.shape, dtype=np.float32
        )


def _smooth_modes(
    positions: np.ndarray, side: int, length: float = CORRELATION_LENGTH
) -> np.ndarray:
    """Matrix (positions, modes) that turns white noise into noise of covariance
    exp(-r²/2·length²).
    """
    knots = np.arange(-length, side + length, length / 2)
    covariance = np.exp(-0.5 * ((knots[:, None] - knots) / length) ** 2)
    root = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(knots)))
    return make_interp_spline(knots, root, k=3)(positions)


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    """A mask with soft edges, 1 inside at its fullest, float32."""
    soft = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return soft / max(float(soft.max()), 1e-6)


def _intensity_fields(anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Gray values added per standard deviation of a factor: {factor: (H, W)}."""
    return {
        "hippocampus_intensity": 0.13 * anatomy.base * _soft(anatomy.hippocampus, 2),
        "striatum_intensity": 0.15 * anatomy.base * _soft(anatomy.striatum, 2),
        "barrel_contrast": 0.05 * anatomy.barrels,
        "asymmetry": 0.05 * anatomy.base * np.tanh(3 * np.linspace(-1, 1, SHAPE[1])),
    }


def _shift_fields(anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Where a pixel is fetched from, per standard deviation of a factor: {factor: (2, H, W)} in
    px.
    """
    across = np.pi * (np.arange(SHAPE[1], dtype=np.float32) - SHAPE[1] / 2 + 0.5) / SHAPE[1]
    sideways = np.array([0, 1], np.float32)[:, None, None]
    return {
        "hippocampus_size": _grow(anatomy.hippocampus, rate=0.042, reach=18),
        "ventricle_width": _grow(anatomy.ventricles, rate=0.2, reach=10, smallest=40) * sideways,
        "cortex_thickness": _thicken(anatomy.cortex, anatomy.brain, rate=0.08),
        # the midline moves sideways
        "asymmetry": sideways * (-2.5 * np.cos(across) * _soft(anatomy.brain, 12)),
    }


def _grow(mask: np.ndarray, rate: float, reach: float, smallest: int = 200) -> np.ndarray:
    """Each connected part of a mask grows about its own centre by ``rate``; fades out over
    ``reach`` px.
    """
    parts, count = ndimage.label(ndimage.binary_dilation(mask, iterations=1))
    shift = np.zeros((2, *SHAPE), np.float32)
    place = np.indices(SHAPE, dtype=np.float32)
    for inside in (parts == part for part in range(1, count + 1)):
        if inside.sum() >= smallest:
            wide = ndimage.binary_dilation(inside, iterations=max(1, reach // 2))
            centre = np.array(ndimage.center_of_mass(inside), np.float32)[:, None, None]
            shift -= rate * _soft(wide, reach / 2) * (place - centre)
    return shift


def _thicken(cortex: np.ndarray, brain: np.ndarray, rate: float) -> np.ndarray:
    """The cortical sheet thickens inwards: a point at depth r is fetched from r / (1 + rate)."""
    depth = ndimage.distance_transform_edt(ndimage.binary_closing(brain, iterations=2))
    depth = depth.astype(np.float32)
    inwards = np.stack(np.gradient(ndimage.gaussian_filter(depth, 4)))
    inwards /= np.maximum(np.linalg.norm(inwards, axis=0), 0.3)
    # back to zero at twice the depth
    fade = np.clip(2 - depth / max(np.where(cortex, depth, 0).max(), 1), 0, 1)
    return ndimage.gaussian_filter(-rate * depth * fade * inwards * _soft(cortex, 9), (0, 4, 4))
