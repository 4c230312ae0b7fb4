"""The objects in the microCT phantom's tissue: cells, capillaries, vessels and fibre bundles.

Every object lives in three dimensions and a slice shows the section through it, so neighbouring
slices show the same objects. Places are drawn slab by slab in z; whether a place is taken, and how
the object looks, is read from the slice's own maps. Lengths are in pixels.
"""

from collections.abc import Sequence

import numpy as np

from helpers.data.phantoms.noise import generator, smooth_noise
from helpers.data.phantoms.slice_anatomy import N_CODES

MM2_PER_PIXEL = (1.17 / 1000) ** 2
CELL_PITCH = 14.0  # places where cell bodies can be: a jittered lattice with this spacing
SPREAD = np.array([0.7548776662, 0.5698402910])  # steps of an even sequence in two dimensions
VISIBLE = 0.9  # a cell shows where the slice passes within this share of its radius
CAPILLARY_REACH = 40  # half length of a capillary segment
HALO = 0.09  # gray by which holes are ringed, a fringe of phase contrast
BUNDLE_SLAB = 64  # slices per slab in which bundles are drawn


def soft_step(x: np.ndarray, width: float) -> np.ndarray:
    """Return a step from 0 to 1 at ``x = 0`` that is about four widths wide."""
    return 1 / (1 + np.exp(-np.clip(x / width, -40, 40)))


def cut_cells(
    key: Sequence[int],
    density: np.ndarray,
    mean_radius: np.ndarray,
    z: int,
    pitch: float = CELL_PITCH,
) -> np.ndarray:
    """Draw the cells that a slice cuts.

    Parameters
    ----------
    key : sequence of int
    density : (H, W) array
        Sections of cells expected per mm².
    mean_radius : (H, W) array
    z : int
    pitch : float
        Spacing of the jittered lattice of places that a cell can take, in all three dimensions.

    Returns
    -------
    (n, 6) array
        Row and column; radius of the cell, and of its section as a share of that; two uniform
        numbers that decide how the cell looks, the same in every slice.
    """
    sides = [np.arange(0, side + pitch, pitch) for side in density.shape]
    lattice = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, 2)
    found = []
    reach = 1.5 * VISIBLE * float(mean_radius.max())  # of the largest cell
    for slab in range(int((z - reach) // pitch), int((z + reach) // pitch) + 1):
        rng = generator(*key, slab)
        # cells keep apart: little jitter, and every other layer of the lattice is shifted by half a
        # step
        jitter = rng.uniform(0.2, 0.8, lattice.shape) * pitch
        place = lattice + jitter - pitch / 2 * (slab % 2)
        dz = z - (slab + rng.uniform(0, 1, len(place))) * pitch
        one, two = rng.uniform(0, 1, (2, len(place)))
        # which places are taken is spread evenly, not by chance: bodies keep their distance
        mark = (rng.uniform() + (lattice / pitch) @ SPREAD + 0.5 * slab * SPREAD[1]) % 1
        size = np.clip(1 + 0.18 * rng.standard_normal(len(place)), 0.6, 1.5)
        inside = (place >= 0).all(1) & (place < density.shape).all(1)
        here = tuple(np.clip(place.astype(int), 0, np.subtract(density.shape, 1)).T)
        radius = mean_radius[here] * size
        # a cell of mean radius shows over 2 * VISIBLE * radius slices: this chance per place makes
        # `density` sections per area
        thickness = np.maximum(2 * VISIBLE * mean_radius[here], 1e-6)
        chance = density[here] * MM2_PER_PIXEL * pitch**3 / thickness
        shown = inside & (np.abs(dz) < VISIBLE * radius) & (mark < chance)
        found.append(np.column_stack([place, radius, dz, one, two])[shown])
    cells = np.concatenate(found)
    cells[:, 3] = np.sqrt(1 - (cells[:, 3] / cells[:, 2]) ** 2)  # from distance to section
    return cells


def stamp_neurons(
    gray: np.ndarray,
    cells: np.ndarray,
    angle: np.ndarray,
    contrast: np.ndarray,
    nucleus: np.ndarray,
) -> None:
    """Darken the gray by round bodies with a lighter nucleus and a dark nucleolus; `contrast`,
    `nucleus` are (H, W) maps.
    """
    here = tuple(cells[:, :2].astype(int).T)
    radius, share, one, two = cells[:, 2:].T[..., None, None]
    turn = angle[here] + cells[:, 5] - 0.5
    p, q, pixels = _stamps(gray.shape, cells[:, :2], turn, 1 + 0.35 * one)
    inner = np.hypot(p - 0.1 * radius, q)
    core = soft_step(0.6 * radius * share - inner, 0.5)
    nucleolus = np.exp(-(inner**2) / (2 * 1.2**2)) * (share > 0.75)
    dark = soft_step(radius * share - np.hypot(p, q), 0.5)
    dark -= nucleus[here][:, None, None] * (0.7 * core - 1.6 * nucleolus)
    dark *= contrast[here][:, None, None] * share * (0.75 + 0.5 * two)
    gray -= np.minimum(_sum_stamps(gray.shape, pixels, dark), 0.4)


def stamp_glia(gray: np.ndarray, cells: np.ndarray, angle: np.ndarray) -> None:
    """Darken the gray by small bodies, elongated along the fibres."""
    radius, share, one, two = cells[:, 2:].T[..., None, None]
    turn = angle[tuple(cells[:, :2].astype(int).T)] + 0.3 * (cells[:, 5] - 0.5)
    p, q, pixels = _stamps(gray.shape, cells[:, :2], turn, 1.25 + 0.9 * one)
    dark = (0.14 + 0.14 * one) * (0.75 + 0.5 * two) * share
    dark = dark * soft_step(radius * share - np.hypot(p, q), 0.5)
    gray -= np.minimum(_sum_stamps(gray.shape, pixels, dark), 0.4)


def stamp_puncta(
    gray: np.ndarray, puncta: np.ndarray, angle: np.ndarray, depth: float, radius: float
) -> None:
    """Darken the gray by puncta and by short pieces of unmyelinated processes, blurred spindles
    along the fibres or across them.
    """
    share, one, two = puncta[:, 3:].T[..., None, None]
    turn = angle[tuple(puncta[:, :2].astype(int).T)] + np.pi * puncta[:, 5] ** 2
    p, q, pixels = _stamps(gray.shape, puncta[:, :2], turn, 1 + 2.5 * one**2, reach=6)
    dark = depth * share * (0.6 + 0.8 * two) * np.exp(-(p**2 + q**2) / (2 * radius**2))
    gray -= np.minimum(_sum_stamps(gray.shape, pixels, dark), 0.3)


def _stamps(
    shape: tuple[int, int],
    place: np.ndarray,
    theta: np.ndarray,
    stretch: np.ndarray | float,
    reach: int = 12,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates around each place, along and across its axis and scaled by its stretch, and the
    pixels they belong to.
    """
    row, column = np.floor(place).astype(int).T
    rows = (row[:, None] + np.arange(-reach, reach + 1))[:, :, None]  # (n, 25, 1)
    columns = (column[:, None] + np.arange(-reach, reach + 1))[:, None, :]  # (n, 1, 25)
    dy, dx = rows + 0.5 - place[:, 0, None, None], columns + 0.5 - place[:, 1, None, None]
    c, s = np.cos(theta)[:, None, None], np.sin(theta)[:, None, None]
    p, q = (dx * c + dy * s) / stretch, (-dx * s + dy * c) * np.sqrt(stretch)  # (n, 25, 25)
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    return p, q, np.where(inside, rows * shape[1] + columns, -1)


def _sum_stamps(shape: tuple[int, int], pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Add up stamps into an image; pixel -1 is outside."""
    total = np.bincount((pixels + 1).ravel(), values.ravel(), minlength=shape[0] * shape[1] + 1)
    return total[1:].reshape(shape).astype(np.float32)


def draw_capillaries(gray: np.ndarray, key: Sequence[int], density: np.ndarray, z: int) -> None:
    """Paint bent tubes in all directions: black dots where the slice crosses them, curves where it
    follows them.

    `density` is an (H, W) map of segments per mm² whose middle lies in a slab as thick as a segment
    is long.
    """
    height, width = gray.shape
    slab, most = 2 * CAPILLARY_REACH, float(density.max()) * MM2_PER_PIXEL
    step = np.linspace(-1, 1, 91)
    for number in range((z - CAPILLARY_REACH) // slab, (z + CAPILLARY_REACH) // slab + 1):
        rng = generator(*key, number)
        n = rng.poisson(most * height * width)
        depth = (number + rng.uniform(0, 1, n)) * slab
        middle = np.stack([depth, rng.uniform(0, height, n), rng.uniform(0, width, n)])
        mark, size, dark = rng.uniform(0, 1, (3, n))
        direction, bend = rng.standard_normal((2, 3, n))
        direction /= np.linalg.norm(direction, axis=0)
        keep = mark * most < density[middle[1].astype(int), middle[2].astype(int)] * MM2_PER_PIXEL
        middle, direction, bend = (part[:, keep, None] for part in (middle, direction, bend))
        path = (
            middle + CAPILLARY_REACH * direction * step + 12 * bend * (step**2 - 0.3)
        )  # (3, n, 91)
        radius = np.broadcast_to((1.1 + 1.9 * size[keep] ** 3)[:, None], path.shape[1:])
        section = radius**2 - (path[0] - z) ** 2
        hit = section > 0
        p, q, pixels = _stamps(gray.shape, path[1:, hit].T, np.zeros(hit.sum()), 1.0, reach=7)
        outer = np.hypot(p, q) - np.sqrt(section[hit])[:, None, None]  # distance from the wall
        cover = soft_step(-outer, 0.35)
        halo = HALO / 4 * np.exp(-(((outer - 1.8) / 1.2) ** 2))  # about four stamps add up
        gray += np.minimum(_sum_stamps(gray.shape, pixels, halo), HALO)
        cover *= (0.5 + 0.45 * np.broadcast_to(dark[keep, None], hit.shape)[hit])[:, None, None]
        gray *= 1 - np.minimum(_sum_stamps(gray.shape, pixels, cover), 0.95)


def draw_vessels(gray: np.ndarray, key: Sequence[int], z: int) -> None:
    """Paint a few wide vessels that run through the whole sample, black and empty."""
    height, width = gray.shape
    rng = generator(*key, 0)
    n = rng.poisson(4.0 * height * width * MM2_PER_PIXEL)
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    slope, phase = rng.uniform(-0.5, 0.5, (2, n)), rng.uniform(0, 2 * np.pi, n)
    radius = 2.5 + 16 * rng.uniform(0, 1, n) ** 5
    y, x = y + slope[0] * (z - 250) + 8 * np.sin(z / 60 + phase), x + slope[1] * (z - 250)
    stretch, theta = np.sqrt(1 + 4 * (slope**2).sum(0)), np.arctan2(*slope)
    for i in range(n):
        box, p, q = _box(gray.shape, y[i], x[i], 3 * radius[i] + 3, theta[i])
        outer = (np.hypot(p / stretch[i], q) - radius[i]).astype(np.float32)
        gray[box] += HALO * np.exp(-(((outer - 2) / 1.5) ** 2))
        gray[box] *= 1 - soft_step(-outer, 0.5)


def add_bundles(
    axons: np.ndarray,
    key: Sequence[int],
    areas: np.ndarray,
    bundles: dict[int, tuple[float, float, float]],
    near: np.ndarray,
    z: int,
) -> None:
    """Raise an axon density by bundles of fibres, bent spindles that end at their area's border.

    Parameters
    ----------
    axons : (H, W) array
        Changed in place.
    key : sequence of int
    areas : (H, W) int array
    bundles : dict
        Per label, centres per pixel of section and slab, their mean direction and its range in
        degrees.
    near : (H / 8, W / 8) array
        Factor on the density.
    z : int
    """
    height, width = axons.shape
    table = np.zeros((N_CODES, 3))
    table[list(bundles)] = list(bundles.values())
    most = table[:, 0].max()
    bend = 3 * smooth_noise((*key, 1), axons.shape, 30, z, 60)
    for number in range((z - 110) // BUNDLE_SLAB, (z + 110) // BUNDLE_SLAB + 1):
        rng = generator(*key, 2, number)
        n = rng.poisson(most * height * width)
        y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
        dz = z - (number + rng.uniform(0, 1, n)) * BUNDLE_SLAB
        mark, length, thick, reach, turn, drift, level = rng.uniform(0, 1, (7, n))
        thick = 5 + 20 * thick**1.5 * (0.3 + 0.7 * length)
        length, reach = 22 + 90 * length**1.5, 40 + 65 * reach
        y, x = y + 0.8 * dz * (turn - 0.5), x + 0.8 * dz * (drift - 0.5)
        shown = (y > 0) & (y < height) & (x > 0) & (x < width) & (np.abs(dz) < reach)
        row, column = np.clip(y, 0, height - 1).astype(int), np.clip(x, 0, width - 1).astype(int)
        label = areas[row, column]
        shown &= mark * most < table[label, 0] * near[row // 8, column // 8]
        theta = np.deg2rad(table[label, 1] + table[label, 2] * (turn - 0.5))
        for i in np.flatnonzero(shown):
            section = np.sqrt(1 - (dz[i] / reach[i]) ** 2)
            half, thickness = length[i] * section, thick[i] * section
            box, p, q = _box(axons.shape, y[i], x[i], half + 4, theta[i])
            q = q + bend[box] + p**2 / (12 * half)
            edge = thickness * np.clip(1 - (p / half) ** 2, 0, 1) ** 0.7 - np.abs(q)
            cover = (0.75 + 0.25 * level[i]) * soft_step(edge, 0.9)
            here = (np.abs(p) < half) & (areas[box] == label[i])
            axons[box] = np.maximum(axons[box], cover * here)


def _box(
    shape: tuple[int, int], y: float, x: float, reach: float, theta: float
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Slices of the box around a place, clipped to the image, and coordinates along and across an
    axis in it.
    """
    box = tuple(
        slice(*np.clip([middle - reach, middle + reach + 1], 0, side).astype(int))
        for middle, side in zip((y, x), shape)
    )
    dy, dx = (index - middle for index, middle in zip(np.ogrid[box], (y, x)))
    along = dx * np.cos(theta) + dy * np.sin(theta)
    return box, along, -dx * np.sin(theta) + dy * np.cos(theta)
