"""What the pages will say of a dataset, told before any of them runs."""

from collections.abc import Iterator

import numpy as np

from helpers.data.datasets.manifest import Problem
from helpers.data.datasets.microct import MicroCT
from helpers.data.datasets.population import Population
from helpers.data.patches import SIZE

WINDOW_UM = 150.0  # of tissue that a window shows in the papers
ROWS = 80  # pixels; what the quick profile shrinks images to
LEAST_PIXELS = 4  # of a region
LEAST_CLEAN = 6
LEAST_MODELLED = 20  # images; of fewer, some set of the split holds no clean or no damaged one
NAMED = {
    "cortex": "pages 05 and 07, and the layers of page 06",
    "striatum": "which areas factors align with (06) and which are alike (04)",
    "thalamus_vp": "the factor shared with the thalamus (06) and which areas are alike (04)",
    "white_matter": "the factor of axons (06)",
    "zona_incerta": "the shared factor (06) and which areas are alike (04)",
}  # hypothalamus: no claim asks for it
LAYERS = ("L1", "L2/3", "L4", "L5", "L6")
# From one quick book on two cores, with four slices of 3.6 megapixels and 2,400 brains: 770 and 480
# seconds, 4.1 GB in page 06, 2.8 GB of artifacts, nearly all of them features of every position.
SECONDS_A_MEGAPIXEL, SECONDS_A_THOUSAND_IMAGES = 35, 200
BYTES_A_PIXEL, DISK_A_PIXEL = 870, 195  # memory of the largest slice; disk of all slices


def of_microct(data: MicroCT) -> Iterator[Problem]:
    """Yield what keeps pages from running (errors) and what they will leave out (notes)."""
    if not data.slices("train"):
        yield _problem("slices", "no slice of role train", "one", "Give one the role train.", True)
        return
    window = SIZE * data.pixel_size_um
    if not 0.5 < window / WINDOW_UM < 2:
        yield _problem(
            "pixel_size_um",
            f"windows of {SIZE} pixels that show {window:.3g} µm",
            f"about {WINDOW_UM:g} µm, as in the papers",
            "Resample to about 1.2 µm per pixel, or read the pages with that in mind.",
        )
    if not data.slices("validation"):
        remedy = "Part of each training area serves, spatially apart."
        yield _problem("slices", "no slice of role validation", "one", remedy)
    if not any(piece.areas is not None for piece in data.slices("test")):
        remedy = "Rows on the test slice are not run; pages 05 to 07 look at another slice."
        yield _problem("slices", "no annotated slice of role test", "one", remedy)
    looked_at = _first_annotated(data)
    absent = [
        name for number, name in enumerate(data.areas, 1) if not (looked_at.areas == number).any()
    ]
    if absent:
        yield _problem(
            "slices",
            f"no {', '.join(absent)} in z = {looked_at.z} ({looked_at.role}), which page 06 shows",
            "every area",
            "No factor is chosen for it there.",
        )
    missing = [role for role in NAMED if not data.roles.get(role)]
    if missing:
        pages = "; ".join(f"{role}: {NAMED[role]}" for role in missing)
        remedy = f"`roles: {{{missing[0]}: NAME}}` names one. Not run without: {pages}."
        yield _problem("roles", f"no area known as {', '.join(missing)}", "areas for them", remedy)
    annotated = any(piece.layers is not None for piece in data.slices()) and data.layers
    if annotated and not set(LAYERS) <= set(data.layers):
        remedy = "Your layers are used; claims that name the papers' are not run."
        yield _problem("layers", ", ".join(data.layers), ", ".join(LAYERS), remedy)
    elif not annotated and data.roles.get("cortex"):
        remedy = "Bands of depth stand in for layers, and are called approximate."
        yield _problem("layers", "no layers", "label maps of layers", remedy)


def _first_annotated(data: MicroCT) -> object:
    pieces = [piece for role in ("test", "validation", "train") for piece in data.slices(role)]
    return next(piece for piece in pieces if piece.areas is not None)


def of_population(data: Population) -> Iterator[Problem]:
    """Yield what pages 08 to 11 will leave out."""
    n, (height, _) = len(data.images), data.images.shape[1:]
    if n < LEAST_MODELLED:
        remedy = "Expect pages 08 to 11 to fail; a model of so few says nothing."
        yield _problem("images", f"{n} images", f"{LEAST_MODELLED} or more", remedy)
    if not data.regions:
        remedy = "Page 11 is not run, nor are rows on regions (08, 10)."
        yield _problem("atlas", "no atlas", "a label map of regions", remedy)
    factor = max(1, height // ROWS)
    small = data.atlas[factor // 2 :: factor, factor // 2 :: factor]
    sizes = np.bincount(small.ravel(), minlength=len(data.regions) + 1)[1:]
    lost = [name for name, size in zip(data.regions, sizes) if size < LEAST_PIXELS]
    if lost:
        yield _problem(
            "regions",
            f"{', '.join(lost)}: under {LEAST_PIXELS} pixels once shrunk {factor}-fold",
            "regions that can be seen",
            "They are left out; `-p rows=N` shrinks less, or join them.",
        )
    if data.clean is None:
        remedy = "Rows on damaged images are not run."
        yield _problem("clean", "no list of clean images", "indices of them", remedy)
    elif len(np.unique(data.clean)) < LEAST_CLEAN:
        found, remedy = f"{data.clean.size} clean images", "Quality (08) needs two of them to test."
        yield _problem("clean", found, f"{LEAST_CLEAN} or more", remedy)
    elif len(np.unique(data.clean)) == n:
        remedy = "Pictures and rows on damaged ones are not drawn."
        yield _problem("clean", "every image listed as clean", "some damaged ones", remedy)


def needs(data: MicroCT | Population) -> str:
    """Time, memory and disk of all pages in the quick profile, roughly, on two cores."""
    if isinstance(data, Population):
        minutes = max(2, len(data.images) * SECONDS_A_THOUSAND_IMAGES / 1000 / 60)
        memory, disk = 1 + 4 * data.images.nbytes / 1e9, 0.1
    else:
        sizes = [piece.image.size for piece in data.slices()]
        minutes = 5 + sum(sizes) / 1e6 * SECONDS_A_MEGAPIXEL / 60
        memory, disk = 1 + max(sizes) * BYTES_A_PIXEL / 1e9, sum(sizes) * DISK_A_PIXEL / 1e9
    return (
        f"The quick profile takes about {minutes:.0f} minutes on two cores, {memory:.1f} GB of "
        f"memory and {max(disk, 0.1):.1f} GB of disk."
    )


def _problem(field: str, found: str, expected: str, remedy: str, error: bool = False) -> Problem:
    return Problem(field, found, expected, remedy, severity="error" if error else "note")
