"""A population of virtual brains: sections that differ by known factors, some with artifacts.

Every individual is one average section (drawn, or a real template), its intensities changed and
its shape bent by eight generative factors, bent once more by a smooth random deformation, with
fine texture and noise. A known minority carries one artifact. The truth is written beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from helpers.data.ccf import REGIONS
from helpers.data.phantoms import brain_atlas, folder
from helpers.data.phantoms.brain_artifacts import ARTIFACTS, inject
from helpers.data.phantoms.brain_atlas import SHAPE, Anatomy

__all__ = [
    "ARTIFACTS",
    "FACTORS",
    "REGIONS",
    "Sample",
    "generate",
    "inject",
    "load_anatomy",
    "simulate",
]

VERSION = 2
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


@dataclass(frozen=True)
class Sample:
    """Some individuals of a population.

    Attributes
    ----------
    images, clean : (n, H, W) float32
        In [0, 1]; the same individuals with and without their artifacts.
    artifacts : (n,) array of str
        ``"none"`` or one of ``ARTIFACTS``.
    factors : (n, 8) float64
        Standard normal scores, columns in the order of ``FACTORS``.
    """

    images: np.ndarray
    clean: np.ndarray
    artifacts: np.ndarray
    factors: np.ndarray


def simulate(n, seed=0, shape=(80, 112), anatomy=None):
    """Draw individuals in memory.

    Parameters
    ----------
    n : int
    seed : int
    shape : (int, int)
        320×448 or the same picture smaller, such as 160×224 or 80×112.
    anatomy : Anatomy, optional
        The drawn section by default; see :func:`load_anatomy` for a real one.

    Returns
    -------
    Sample

    Raises
    ------
    ValueError
        For another aspect ratio or fewer than one individual.
    """
    make = _Generator(anatomy or brain_atlas.draw(), shape)
    factors, artifacts = _plan(n, seed)
    pairs = [make(factors[i], artifacts[i], (seed, i)) for i in range(n)]
    images, clean = (np.stack(stack) for stack in zip(*pairs))
    return Sample(images, clean, artifacts, factors)


def generate(
    out,
    *,
    n=1200,
    seed=0,
    shape=(80, 112),
    template=None,
    annotation=None,
    structures=None,
    ap=None,
    progress=False,
    force=False,
):
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
    template, annotation, structures : path, optional
        A real average template (section or volume), the matching annotation volume and the
        structure graph: all three or none.
    ap : int, optional
        Section of the volumes; by default read from a template file name such as
        ``average_template_25_ap293.tif``, else 286.
    progress : bool
    force : bool
        Replace another phantom in ``out``.

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
    given = [template, annotation, structures]
    if any(given) and not all(given):
        raise ValueError(
            "template, annotation and structures belong together: give all three, or none for the drawn section"
        )
    anatomy = load_anatomy(*given, ap=ap) if template else None
    request = dict(
        generator="population",
        version=VERSION,
        n=int(n),
        seed=int(seed),
        shape=list(shape),
        anatomy=anatomy.name if anatomy else "drawn",
    )
    if folder.is_done(out, request, force):
        return out
    make = _Generator(anatomy or brain_atlas.draw(), shape)
    factors, artifacts = _plan(n, seed)
    with folder.new_folder(out) as partial:
        stacks = [
            np.lib.format.open_memmap(partial / name, "w+", np.uint8, (n, *shape))
            for name in ("images.npy", "clean.npy")
        ]
        for i in _counted(range(n), progress):
            for stack, image in zip(stacks, make(factors[i], artifacts[i], (seed, i))):
                stack[i] = np.rint(image * 255)
        for stack in stacks:
            stack.flush()
        _write_beside(partial, make.atlas, factors, artifacts, request)
    return out


def load_anatomy(template, annotation, structures, ap=None):
    """A real average template and annotation as an :class:`Anatomy`; see ``population_template``."""
    from helpers.data.phantoms.brain_template import load

    return load(template, annotation, structures, ap)


def _plan(n, seed):
    """Factor scores (n, 8) and artifact types (n,) of a whole population."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((n, len(FACTORS))).clip(-2.5, 2.5)
    artifacts = np.full(n, "none", dtype="<U7")
    chosen = rng.permutation(n)[: round(ARTIFACT_SHARE * n)]
    artifacts[chosen] = np.resize(ARTIFACTS, len(chosen))
    return factors, artifacts


def _write_beside(path, atlas, factors, artifacts, request):
    import pandas as pd
    import tifffile

    tifffile.imwrite(path / "atlas.tif", atlas)
    (path / "clean.txt").write_text("".join(f"{i}\n" for i in np.flatnonzero(artifacts == "none")))
    table = pd.DataFrame(factors, columns=list(FACTORS))
    table.insert(0, "index", np.arange(len(table)))
    table.insert(1, "artifact", artifacts)
    table.to_csv(path / "truth.csv", index=False, float_format="%.6f", lineterminator="\n")
    manifest = dict(
        schema=1,
        kind="population",
        name="phantom-population"
        if request["anatomy"] == "drawn"
        else "phantom-population-template",
        pixel_size_um=PIXEL_UM * SHAPE[0] / request["shape"][0],
        images="images.npy",
        atlas="atlas.tif",
        regions=dict(enumerate(REGIONS, start=1)),
        clean="clean.txt",
        truth="truth.csv",
        clean_images="clean.npy",
        phantom=request,
    )
    (path / "dataset.yml").write_text(yaml.safe_dump(manifest, sort_keys=False))


def _check_shape(shape):
    if (
        len(shape) != 2
        or shape[0] * SHAPE[1] != shape[1] * SHAPE[0]
        or not 40 <= shape[0] <= SHAPE[0]
    ):
        raise ValueError(
            f"shape is {'×'.join(map(str, shape))}; expected {SHAPE[0]}×{SHAPE[1]} or the same picture smaller "
            "(height : width = 5 : 7, at least 40 rows), such as 160×224, 80×112 or 40×56"
        )


def _counted(items, progress):
    from tqdm import tqdm

    return tqdm(items, desc="phantom population", unit="brain", disable=not progress)


class _Generator:
    """One average anatomy at one image size; a call makes one individual."""

    def __init__(self, anatomy: Anatomy, shape):
        _check_shape(shape)
        self.shape, self.step = shape, SHAPE[0] / shape[0]
        self.positions = [(np.arange(side) + 0.5) * self.step - 0.5 for side in shape]
        self.grid = np.stack(np.meshgrid(*self.positions, indexing="ij"))  # (2, h, w), px of 25 µm
        blur = 0.4 * np.sqrt(max(self.step**2 - 1, 0))  # against aliasing in the smaller picture
        smooth = lambda field: ndimage.gaussian_filter(field.astype(np.float32), blur)
        self.base = smooth(anatomy.base + 0.12 * anatomy.barrels)
        self.intensity = {name: smooth(field) for name, field in _intensity_fields(anatomy).items()}
        self.shift = {name: self._at_grid(field) for name, field in _shift_fields(anatomy).items()}
        self.modes = [_smooth_modes(p, side) for p, side in zip(self.positions, SHAPE)]
        nearest = [
            np.rint(p).astype(int).clip(0, side - 1) for p, side in zip(self.positions, SHAPE)
        ]
        self.atlas = anatomy.atlas[np.ix_(*nearest)]
        self.brain = anatomy.brain[np.ix_(*nearest)]

    def __call__(self, scores, artifact, seed):
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

    def _at_grid(self, field):
        return np.stack([ndimage.map_coordinates(part, self.grid, order=1) for part in field])

    def _smooth(self, rng, sd):
        """A smooth random field on the image's grid, (h, w), of standard deviation ``sd``."""
        rows, columns = self.modes
        return sd * (rows @ rng.standard_normal((rows.shape[1], columns.shape[1])) @ columns.T)

    def _texture(self, image, rng):
        """Cells, fibres and vessels below the drawing's detail, and camera noise."""
        grain = ndimage.gaussian_filter(
            rng.standard_normal(image.shape, dtype=np.float32), max(0.5, 1.1 / self.step)
        )
        grain /= grain.std()
        specks = np.sign(grain) * np.maximum(np.abs(grain) - 2.3, 0)  # the few large ones: vessels
        return image * (1 + 0.035 * grain + 0.10 * specks) + 0.008 * rng.standard_normal(
            image.shape, dtype=np.float32
        )


def _smooth_modes(positions, side, length=CORRELATION_LENGTH):
    """Matrix (positions, modes) that turns white noise into noise of covariance exp(-r²/2·length²)."""
    knots = np.arange(-length, side + length, length / 2)
    covariance = np.exp(-0.5 * ((knots[:, None] - knots) / length) ** 2)
    root = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(knots)))
    return make_interp_spline(knots, root, k=3)(positions)


def _soft(mask, sigma):
    """A mask with soft edges, 1 inside at its fullest, float32."""
    soft = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return soft / max(float(soft.max()), 1e-6)


def _intensity_fields(anatomy: Anatomy):
    """Gray values added per standard deviation of a factor: {factor: (H, W)}."""
    columns = np.linspace(-1, 1, SHAPE[1])
    return {
        "hippocampus_intensity": 0.13 * anatomy.base * _soft(anatomy.hippocampus, 2),
        "striatum_intensity": 0.15 * anatomy.base * _soft(anatomy.striatum, 2),
        "barrel_contrast": 0.05 * anatomy.barrels,
        "asymmetry": 0.05 * anatomy.base * np.tanh(3 * columns),
    }


def _shift_fields(anatomy: Anatomy):
    """Where a pixel is fetched from, per standard deviation of a factor: {factor: (2, H, W)} in px."""
    rows, columns = np.indices(SHAPE, dtype=np.float32)
    across = np.pi * (columns - SHAPE[1] / 2 + 0.5) / SHAPE[1]
    sideways = np.array([0, 1], np.float32)[:, None, None]
    asymmetry = -2.5 * np.cos(across) * _soft(anatomy.brain, 12)  # the midline moves sideways
    return {
        "hippocampus_size": _grow(anatomy.hippocampus, rate=0.042, reach=18),
        "ventricle_width": _grow(anatomy.ventricles, rate=0.2, reach=10, smallest=40) * sideways,
        "cortex_thickness": _thicken(anatomy.cortex, anatomy.brain, rate=0.08),
        "asymmetry": sideways * asymmetry,
    }


def _grow(mask, rate, reach, smallest=200):
    """Each connected part of a mask grows about its own centre by ``rate``; fades out over
    ``reach`` px.
    """
    parts, count = ndimage.label(ndimage.binary_dilation(mask, iterations=1))
    shift = np.zeros((2, *SHAPE), np.float32)
    place = np.indices(SHAPE, dtype=np.float32)
    for part in range(1, count + 1):
        inside = parts == part
        if inside.sum() < smallest:
            continue
        weight = _soft(ndimage.binary_dilation(inside, iterations=max(1, reach // 2)), reach / 2)
        centre = np.array(ndimage.center_of_mass(inside), np.float32)
        shift -= rate * weight * (place - centre[:, None, None])
    return shift


def _thicken(cortex, brain, rate):
    """The cortical sheet thickens inwards: a point at depth r is fetched from r / (1 + rate)."""
    outside = ~ndimage.binary_closing(brain, iterations=2)
    depth = ndimage.distance_transform_edt(~outside).astype(np.float32)
    smooth = ndimage.gaussian_filter(depth, 4)
    inwards = np.stack(np.gradient(smooth))
    inwards /= np.maximum(np.linalg.norm(inwards, axis=0), 0.3)
    reach = np.where(cortex, depth, 0).max()
    fade = np.clip(2 - depth / max(reach, 1), 0, 1)  # back to zero at twice the depth
    return ndimage.gaussian_filter(-rate * depth * fade * inwards * _soft(cortex, 9), (0, 4, 4))
