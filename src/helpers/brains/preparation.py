"""A population as the models see it (C §3.1): one brightness, clipped, cropped, shrunk, split."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from helpers.brains import vae
from helpers.data import intensity
from helpers.data.datasets import Population
from helpers.data.phantoms.brain_artifacts import tissue

SHARES = {"train": 0.7, "validation": 0.15}  # the rest is the test set
LEAST_PIXELS = 4  # of a region: below, its mean is a matter of single pixels
SPLIT_SEED = 0  # one split for every model, so that all are compared on the same images


CLEAN = "none"  # the kind of damage of an image without any


@dataclass(frozen=True)
class Treatment:
    """What preparation does to an image, with what it learned from the population.

    Attributes
    ----------
    brightness : float
        Mean that every image is scaled to.
    ceiling : float
        Gray value that is clipped at and becomes 1.
    factor : int
        Side of the blocks of pixels that become one.
    shape : (int, int)
        What is left of the middle, in px.
    """

    brightness: float
    ceiling: float
    factor: int
    shape: tuple[int, int]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Raw images (N, H, W) -> (N, h, w) float32 in [0, 1], as the models see them."""
        matched = intensity.match_brightness(images, self.brightness)[0]
        return self.sized(intensity.clip_outliers(matched, self.ceiling)[0])

    def sized(self, images: np.ndarray) -> np.ndarray:
        """Shrink and crop only."""
        return intensity.centre_crop(_shrink(images, self.factor), self.shape)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A population as the models see it.

    Attributes
    ----------
    images : (N, H, W) float32 array in [0, 1]
        At one mean brightness, outlier pixels clipped, cropped, shrunk by a whole factor.
    clean_images : (N, H, W) float32 array or None
        The same individuals without artifacts, prepared alike (phantoms only).
    atlas : (H, W) uint8 array
        0 = outside every region, 1…r.
    regions : tuple of str
        Those with at least `LEAST_PIXELS` pixels at this size; none without an atlas.
    train, validation, test : int arrays
        Indices. Validation images choose the best epoch and carry the metric's own PCA.
    clean : (N,) bool array or None
        Images without artifacts, where the dataset says so.
    pixel_size_um : float
    steps : tuple of str
        What was done, in words.
    kinds : (N,) str array or None
        Kind of damage of each image, `CLEAN` for none; None where nothing is known of artifacts.
    treatment : Treatment
        What was done, to be done to further images.
    """

    images: np.ndarray
    clean_images: np.ndarray | None
    atlas: np.ndarray
    regions: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    clean: np.ndarray | None
    pixel_size_um: float
    steps: tuple[str, ...]
    kinds: np.ndarray | None
    treatment: "Treatment"

    @property
    def held_out(self) -> np.ndarray:
        """Indices of all images that no model was trained on."""
        return np.sort(np.concatenate([self.validation, self.test]))

    @property
    def reference(self) -> np.ndarray:
        """Indices of the clean test images; of all of them where nothing is known of artifacts."""
        return self.test if self.clean is None else self.test[self.clean[self.test]]

    @property
    def clean_all(self) -> np.ndarray:
        """Indices of all clean images; of all images where nothing is known of artifacts."""
        return np.arange(len(self.images)) if self.clean is None else np.flatnonzero(self.clean)

    @cached_property
    def template(self) -> np.ndarray:
        """Mean of the clean images, (H, W)."""
        return self.images[self.clean_all].mean(0)

    @property
    def brain(self) -> np.ndarray:
        """Where the template shows tissue, (H, W) bool."""
        return tissue(self.template)


def prepare(data: Population, rows: int = 80) -> Prepared:
    """Return a population preprocessed as published (C §3.1), shrunk to about ``rows`` rows, split.

    Brightness first, then outliers, then the crop. Every image is kept.
    """
    images, _, target = intensity.match_brightness(data.images)
    images, ceiling = intensity.clip_outliers(images)
    factor = max(1, data.images.shape[1] // rows)
    small = tuple(side // factor for side in data.images.shape[1:])
    shape = vae.fitting_shape(small) or small  # what cannot fit is explained by the network
    treatment = Treatment(target, ceiling, factor, shape)
    inner = data.atlas[: small[0] * factor, : small[1] * factor]
    atlas = intensity.centre_crop(inner[factor // 2 :: factor, factor // 2 :: factor], shape)
    atlas, regions, lost = _enough_pixels(atlas, data.regions)
    clean = None if data.clean is None else np.isin(np.arange(len(images)), data.clean)
    kinds = _kinds(data, clean)
    steps = (
        f"each image scaled to the set's mean brightness ({target:.3f})",
        f"pixels above {ceiling:.3f} clipped and that set to 1",
        *([f"shrunk {factor}-fold"] if factor > 1 else []),
        *([f"cropped to {shape[0]}×{shape[1]}"] if shape != small else []),
        *([f"too small at this size, left out: {', '.join(lost)}"] if lost else []),
    )
    return Prepared(
        treatment.sized(images),
        None if data.clean_images is None else treatment(data.clean_images),
        atlas,
        regions,
        *split(np.zeros(len(images)) if kinds is None else kinds),
        clean,
        data.pixel_size_um * factor,
        steps,
        kinds,
        treatment,
    )


def split(kinds: np.ndarray, seed: int = SPLIT_SEED) -> list[np.ndarray]:
    """Indices to train, to validate and to test on, each kind of image in equal shares: among few
    damaged images, too, some are held out.

    Where kinds are too few to share, the first of a hundred draws serves whose test set holds two
    clean and two damaged images, as far as there are two.

    Parameters
    ----------
    kinds : (N,) array
        What each image is, for example its artifact.

    Returns
    -------
    list of three sorted int arrays
    """
    clean = np.asarray(kinds).astype(str) == CLEAN
    wanted = min(2, clean.sum()), min(2, (~clean).sum())
    draws = (_split(kinds, each) for each in range(seed, seed + 100))
    first = next(draws)
    for parts in chain([first], draws):
        there = clean[parts[2]]
        if there.sum() >= wanted[0] and (~there).sum() >= wanted[1]:
            return parts
    return first


def _split(kinds: np.ndarray, seed: int) -> list[np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(kinds))
    # Within its kind, each image stands at a share of the way; sorting by it mixes all kinds.
    share = np.zeros(len(kinds))
    for kind in np.unique(kinds):
        own = order[kinds[order] == kind]
        share[own] = (np.arange(len(own)) + 0.5) / len(own)
    order = order[np.argsort(share[order], kind="stable")]
    cuts = np.cumsum([round(part * len(kinds)) for part in SHARES.values()])
    return [np.sort(part) for part in np.split(order, cuts)]


def _kinds(data: Population, clean: np.ndarray | None) -> np.ndarray | None:
    """Kind of damage of each image, ``CLEAN`` for none; ``"damaged"`` where only that is known."""
    if clean is None:
        return None
    kinds = np.full(len(clean), "damaged", dtype=object)
    if data.truth is not None and "artifact" in data.truth:
        kinds = data.truth["artifact"].to_numpy(object).copy()
    kinds[clean] = CLEAN
    return kinds.astype(str)


def _enough_pixels(
    atlas: np.ndarray, regions: tuple[str, ...]
) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """Number regions anew without those nearly gone: the atlas, who stays, who does not."""
    sizes = np.bincount(atlas.ravel(), minlength=len(regions) + 1)[1:]
    kept = sizes >= LEAST_PIXELS
    numbers = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.uint8)
    stay = tuple(name for name, keep in zip(regions, kept) if keep)
    return numbers[atlas], stay, [name for name, keep in zip(regions, kept) if not keep]


def _shrink(stack: np.ndarray, factor: int) -> np.ndarray:
    """Mean over blocks of factor × factor pixels: (N, H, W) -> (N, H // factor, W // factor)."""
    if factor == 1:
        return stack
    n, h, w = stack.shape[0], stack.shape[1] // factor, stack.shape[2] // factor
    return (
        stack[:, : h * factor, : w * factor]
        .reshape(n, h, factor, w, factor)
        .mean((2, 4), dtype=np.float32)
    )
