"""What tissue looks like in the microCT phantom: cells, capillaries, vessels, fibre bundles, fine texture, and the scanner.

Objects live in three dimensions: each has a place and an extent in z, and a slice shows the section through it. Fine texture is noise
drawn in fibre coordinates, so that it runs along fibres; between slices more than a few pixels apart it is independent, as in tissue.
Lengths are in pixels of 1.17 µm, gray in [0, 1], densities per mm² of section.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.phantoms import microct_anatomy as anatomy_of
from helpers.phantoms.microct_anatomy import smooth_noise

PIXEL_UM = 1.17
MM2_PER_PIXEL = (PIXEL_UM / 1000) ** 2
AXON_GAIN = 0.26          # myelin is bright: gray of a pixel full of axons above the matrix
CELL_PITCH = 13.0         # places where cells can be: a jittered cubic lattice with this spacing
TEXTURE_STEP = 4          # slices over which fine texture becomes independent
CAPILLARY_REACH = 34      # half length of a capillary segment


@dataclass(frozen=True)
class Tissue:
    """How one kind of tissue looks.

    Attributes
    ----------
    matrix : float
        Gray between cells and axons.
    axons : float
        Share of section taken by scattered myelinated axons (bundles come on top).
    grain, fibre, coarse : float
        Standard deviation in gray of isotropic texture, of fine texture along fibres, and of broader strands along fibres.
    neurons, radius, contrast, nucleus : float
        Cell bodies per mm² of section, their mean radius, how much darker than the matrix, and how much of that is in the rim and nucleolus.
    glia : float
        Small dark elongated bodies per mm², along the fibres.
    capillaries : float
        Capillary segments per mm² whose centre lies within their reach of the slice.
    """

    matrix: float
    axons: float
    grain: float
    fibre: float
    coarse: float
    neurons: float
    radius: float
    contrast: float
    nucleus: float
    glia: float
    capillaries: float


TISSUES = {
    anatomy_of.CORTEX: Tissue(.456, .03, .038, .016, .000, 840, 4.5, .25, .4, 100, 420),
    anatomy_of.STRIATUM: Tissue(.462, .02, .032, .016, .000, 980, 4.8, .28, .4, 80, 380),
    anatomy_of.VP: Tissue(.540, .06, .046, .034, .012, 850, 6.0, .28, .5, 90, 500),
    anatomy_of.ZI: Tissue(.505, .20, .066, .044, .014, 860, 5.3, .25, .5, 280, 750),
    anatomy_of.CAPSULE: Tissue(.438, .88, .038, .029, .006, 10, 5.0, .20, .4, 620, 300),
    anatomy_of.HYPOTHALAMUS: Tissue(.488, .10, .041, .030, .006, 190, 5.4, .20, .5, 200, 560),
    anatomy_of.CALLOSUM: Tissue(.436, .74, .038, .064, .008, 10, 5.0, .20, .4, 430, 180),
}
LAYER_NEURONS = np.array([0, 0.22, 0.95, 1.85, 1.05, 1.28])     # of the cortex's density, for no layer and L1…L6
LAYER_AXONS = np.array([0, 0.01, 0.02, 0.05, 0.05, 0.12])
BARREL_NEURONS, SEPTUM_NEURONS = 1.3, 0.65                       # of layer 4's density


@dataclass(frozen=True)
class Section:
    """One drawn slice.

    Attributes
    ----------
    image : (H, W) uint8
    cell_density : (H, W) float32
        Cell bodies per mm² of section expected at each pixel.
    axon_density : (H, W) float32
        Share of section taken by myelinated axons, in [0, 1].
    cells : (n, 2) float array
        Row and column of every cell body drawn.
    """

    image: np.ndarray
    cell_density: np.ndarray
    axon_density: np.ndarray
    cells: np.ndarray


def draw_section(anatomy, z, seed):
    """Draw the tissue of one slice and pass it through the scanner.

    Parameters
    ----------
    anatomy : Anatomy
    z : int
    seed : int
        Of the sample.

    Returns
    -------
    Section
    """
    shape = anatomy.areas.shape
    neurons, glia = _cell_densities(anatomy, z, seed)
    axons = _axon_density(anatomy, z, seed)
    gray = _lookup(anatomy, "matrix") + AXON_GAIN * axons
    gray += _texture(anatomy, axons, z, seed)
    cells = []
    for kind, density in ((0, neurons), (1, glia)):
        found = _sections_of_cells(anatomy, density, kind, z, seed)
        _stamp_cells(gray, anatomy, found, kind)
        cells.append(found[:, :2])
    _draw_capillaries(gray, anatomy, z, seed)
    _draw_vessels(gray, anatomy, z, seed)
    gray[anatomy.areas == 0] = 0
    image = _scan(gray, anatomy, z, seed)
    return Section(image, (neurons + glia).astype(np.float32), axons.astype(np.float32), np.concatenate(cells))


def _lookup(anatomy, name):
    """Value of one tissue property at every pixel."""
    table = np.zeros(9, np.float32)
    for label, tissue in TISSUES.items():
        table[label] = getattr(tissue, name)
    return table[anatomy.areas]


def _cell_densities(anatomy, z, seed):
    """Expected neurons and glia per mm² of section at every pixel."""
    shape = anatomy.areas.shape
    clusters = np.exp(0.35 * smooth_noise((seed, 10), shape, 45, z, 45) - 0.06)
    neurons = _lookup(anatomy, "neurons")
    cortex = anatomy.layers > 0
    neurons = np.where(cortex, neurons * LAYER_NEURONS.astype(np.float32)[anatomy.layers], neurons * clusters)
    granular = anatomy.layers == 3
    neurons[granular] *= np.where(anatomy.barrels[granular] > 0, BARREL_NEURONS, SEPTUM_NEURONS)
    return neurons, _lookup(anatomy, "glia")


def _axon_density(anatomy, z, seed):
    """Share of section taken by myelinated axons: scattered ones, strands along fibres, and bundles."""
    shape = anatomy.areas.shape
    axons = _lookup(anatomy, "axons")
    cortex = anatomy.layers > 0
    axons[cortex] = LAYER_AXONS.astype(np.float32)[anatomy.layers[cortex]]
    # gray and white matter interdigitate where they meet, but bundles end sharply in striatum
    axons = np.where(anatomy.areas == anatomy_of.STRIATUM, axons, ndimage.gaussian_filter(axons, 7, truncate=3))
    axons *= 1 + 0.15 * smooth_noise((seed, 11), shape, 70, z, 60)
    strands = _along_fibres(anatomy, (seed, 12), z, across=6.0, along=110.0, steps=(2, 8), z_step=40)
    in_vp = anatomy.areas == anatomy_of.VP
    axons[in_vp] += 0.85 * _soft_step(strands[in_vp] - 0.85, 0.2)
    other = np.isin(anatomy.areas, (anatomy_of.ZI, anatomy_of.HYPOTHALAMUS))
    axons[other] += 0.5 * _soft_step(strands[other] - 1.8, 0.25)
    return np.clip(_add_bundles(axons, anatomy, z, seed), 0, 1)


def _soft_step(x, width):
    return 1 / (1 + np.exp(-x / width))


def _along_fibres(anatomy, key, z, across, along, steps, z_step):
    """Unit-variance noise, correlated over `across` and `along` pixels (standard deviations) across and along the fibres."""
    tile_shape = (1024, 512)
    plane, part = divmod(z / z_step, 1)
    tile = np.zeros(tile_shape, np.float32)
    for offset, weight in ((0, np.cos(part * np.pi / 2)), (1, np.sin(part * np.pi / 2))):   # keeps the variance between planes
        rng = np.random.default_rng([*key, int(plane) + offset + 10_000])
        tile += np.float32(weight) * rng.standard_normal(tile_shape, np.float32)
    tile = ndimage.gaussian_filter(tile, (across / steps[0], along / steps[1]), mode="wrap")
    tile /= tile.std()
    return ndimage.map_coordinates(tile, [anatomy.across / steps[0], anatomy.along / steps[1]], order=1, mode="grid-wrap", prefilter=False)


def _add_bundles(axons, anatomy, z, seed):
    """Myelinated bundles as bent spindles: many in striatum, few in hypothalamus and ZI."""
    height, width = axons.shape
    per_slab = {anatomy_of.STRIATUM: 1.8e-4, anatomy_of.HYPOTHALAMUS: 8e-5, anatomy_of.ZI: 2e-5}   # centres per pixel of section and slab
    slab = 64
    bend = smooth_noise((seed, 13), axons.shape, 30, z, 60) * 3
    to_capsule = 8 * ndimage.distance_transform_edt(anatomy.areas[::8, ::8] != anatomy_of.CAPSULE)
    for number in range((z - 110) // slab, (z + 110) // slab + 1):
        rng = np.random.default_rng([seed, 14, number + 10_000])
        n = rng.poisson(max(per_slab.values()) * height * width)
        y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
        dz = z - (number + rng.uniform(0, 1, n)) * slab
        mark, length, thick, reach, angle, drift, level = rng.uniform(0, 1, (7, n))
        length, thick, reach = 22 + 90 * length**1.5, 5 + 20 * thick**1.5 * (0.3 + 0.7 * length), 40 + 65 * reach
        x, y = x + dz * (drift - .5) * 0.8, y + dz * (angle - .5) * 0.8
        section = 1 - (dz / reach) ** 2
        row, column = np.clip(y, 0, height - 1).astype(int), np.clip(x, 0, width - 1).astype(int)
        wanted = np.zeros(9)
        for label, value in per_slab.items():
            wanted[label] = value
        wanted = wanted[anatomy.areas[row, column]] * (0.35 + 1.3 * np.exp(-to_capsule[row // 8, column // 8] / 150)) / 1.65
        shown = (section > 0.02) & (mark < wanted / max(per_slab.values())) & (y > 0) & (y < height) & (x > 0) & (x < width)
        theta = np.deg2rad(np.where(anatomy.areas[row, column] == anatomy_of.STRIATUM, 18 + 75 * (angle - .5), -50 + 60 * (angle - .5)))
        for i in np.flatnonzero(shown):
            _paint_bundle(axons, anatomy.areas, bend, y[i], x[i], length[i] * np.sqrt(section[i]), thick[i] * np.sqrt(section[i]), theta[i], 0.75 + 0.25 * level[i])
    return axons


def _paint_bundle(axons, areas, bend, y, x, length, thick, theta, level):
    r0, r1 = int(max(y - length - 4, 0)), int(min(y + length + 5, axons.shape[0]))
    c0, c1 = int(max(x - length - 4, 0)), int(min(x + length + 5, axons.shape[1]))
    if r0 >= r1 or c0 >= c1:
        return
    rows, columns = np.ogrid[r0:r1, c0:c1]
    here = bend[r0:r1, c0:c1]
    p = (columns - x) * np.cos(theta) + (rows - y) * np.sin(theta)
    q = -(columns - x) * np.sin(theta) + (rows - y) * np.cos(theta) + here + p**2 / (12 * length)
    edge = thick * np.clip(1 - (p / length) ** 2, 0, 1) ** 0.7 - np.abs(q)
    cover = level * _soft_step(np.clip(edge, -30, 30), 0.9) * (np.abs(p) < length)
    mine = areas[r0:r1, c0:c1] == areas[int(np.clip(y, 0, axons.shape[0] - 1)), int(np.clip(x, 0, axons.shape[1] - 1))]
    axons[r0:r1, c0:c1] = np.maximum(axons[r0:r1, c0:c1], cover * mine)


def _texture(anatomy, axons, z, seed):
    """Fine texture in gray: isotropic grain, fine fibres, broader strands, and slow shading."""
    shape = axons.shape
    plane, part = divmod(z / TEXTURE_STEP, 1)
    grain = np.zeros(shape, np.float32)
    for offset, weight in ((0, np.cos(part * np.pi / 2)), (1, np.sin(part * np.pi / 2))):
        if weight > 1e-6:
            rng = np.random.default_rng([seed, 20, int(plane) + offset + 10_000])
            grain += np.float32(weight) * rng.standard_normal(shape, np.float32)
    grain = ndimage.gaussian_filter(grain, 1.15, truncate=3)
    grain /= grain.std()
    fine = _along_fibres(anatomy, (seed, 21), z, across=1.1, along=6.0, steps=(1, 2), z_step=TEXTURE_STEP)
    coarse = _along_fibres(anatomy, (seed, 22), z, across=3.2, along=18.0, steps=(1, 4), z_step=20)
    shading = 0.018 * smooth_noise((seed, 23), shape, 70, z, 90) + 0.022 * smooth_noise((seed, 25), shape, 220, z, 90)
    contrast = np.exp(0.14 * smooth_noise((seed, 26), shape, 240, z, 90))         # texture is nowhere equally strong
    # in some fascicles the fibres run in the plane and show as lines, in others they cross it
    in_plane = smooth_noise((seed, 24), shape, 28, z, 30)
    fibre = (_lookup(anatomy, "fibre") + 0.015 * axons) * np.exp(0.45 * in_plane - 0.1)
    grain *= _lookup(anatomy, "grain") * np.exp(-0.15 * in_plane)
    return contrast * (grain + fibre * fine + _lookup(anatomy, "coarse") * coarse) + shading


def _sections_of_cells(anatomy, density, kind, z, seed):
    """Cells that the slice cuts: columns row, column, radius of the section, share of the full radius, two marks."""
    height, width = density.shape
    pitch = CELL_PITCH
    found = []
    mean_radius = _mean_radius(anatomy, kind)
    for slab in range(int((z - 12) // pitch), int((z + 12) // pitch) + 1):
        rng = np.random.default_rng([seed, 30 + kind, slab + 10_000])
        lattice = np.stack(np.meshgrid(np.arange(0, height + pitch, pitch), np.arange(0, width + pitch, pitch), indexing="ij"), -1).reshape(-1, 2)
        # cells keep apart: little jitter, and every other layer of the lattice is shifted by half a step
        place = lattice + rng.uniform(0.2 * pitch, 0.8 * pitch, lattice.shape) - pitch / 2 * (slab % 2)
        dz = z - (slab + rng.uniform(0, 1, len(place))) * pitch
        mark, one, two = rng.uniform(0, 1, (3, len(place)))
        size = np.clip(1 + 0.18 * rng.standard_normal(len(place)), 0.6, 1.5)
        inside = (place >= 0).all(1) & (place < [height, width]).all(1)
        row, column = np.clip(place.astype(int), 0, [height - 1, width - 1]).T
        radius = mean_radius[row, column] * size
        seen = 0.9 * radius      # a cap thinner than this is too faint to see
        # cells per volume that show `density` sections per area: each is seen over a length of 2 * seen
        chance = density[row, column] * MM2_PER_PIXEL * pitch**3 / np.maximum(2 * 0.9 * mean_radius[row, column], 1e-6)
        shown = inside & (np.abs(dz) < seen) & (mark < chance)
        share = np.sqrt(1 - (dz[shown] / radius[shown]) ** 2)
        found.append(np.column_stack([place[shown], radius[shown], share, one[shown], two[shown]]))
    return np.concatenate(found)


def _mean_radius(anatomy, kind):
    if kind == 1:
        return np.full(anatomy.areas.shape, 2.4, np.float32)
    radius = _lookup(anatomy, "radius")
    return np.where(anatomy.layers == 3, radius * 0.9, np.where(anatomy.layers == 4, radius * 1.1, radius))


def _stamp_cells(gray, anatomy, cells, kind):
    """Darken the gray by every cell's section, all at once."""
    if not len(cells):
        return
    reach = 12
    y, x, radius, share, one, two = (cells[:, i, None, None] for i in range(6))
    row, column = np.floor(cells[:, :2]).astype(int).T
    rows = (row[:, None] + np.arange(-reach, reach + 1))[:, :, None]             # (n, 25, 1)
    columns = (column[:, None] + np.arange(-reach, reach + 1))[:, None, :]       # (n, 1, 25)
    dy, dx = rows + 0.5 - y, columns + 0.5 - x
    label = anatomy.areas[row, column]
    theta = _fibre_angle(anatomy, row, column) + (0.3 if kind else 1.0) * (two[:, 0, 0] - .5)
    stretch = (1.25 + 0.9 * one if kind else 1 + 0.35 * one)
    c, s = np.cos(theta)[:, None, None], np.sin(theta)[:, None, None]
    p, q = (dx * c + dy * s) / stretch, (-dx * s + dy * c) * np.sqrt(stretch)
    rho = np.hypot(p, q)
    section = radius * share
    body = _soft_step(np.clip(section - rho, -20, 20), 0.5)
    table = {name: np.array([getattr(TISSUES.get(int(i)), name, 0.0) for i in range(9)])[label][:, None, None] for name in ("contrast", "nucleus")}
    if kind:
        dark = (0.14 + 0.14 * one) * body
    else:
        nucleus = _soft_step(np.clip(0.6 * section - np.hypot(p - 0.1 * radius, q), -20, 20), 0.5)
        nucleolus = np.exp(-((p - 0.1 * radius) ** 2 + q**2) / (2 * 1.2**2)) * (share > 0.75)
        dark = table["contrast"] * (body - table["nucleus"] * (0.7 * nucleus - 1.6 * nucleolus))
    dark = dark * share * (0.75 + 0.5 * two)
    height, width = gray.shape
    keep = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = (np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1))
    total = np.bincount(flat[keep], np.broadcast_to(dark, keep.shape)[keep], minlength=gray.size).reshape(gray.shape)
    gray -= np.minimum(total, 0.4).astype(np.float32)


def _fibre_angle(anatomy, row, column):
    """Direction of the fibres at some pixels, as an angle from the columns' axis, in radians."""
    height, width = anatomy.areas.shape
    row, column = np.clip(row, 3, height - 4), np.clip(column, 3, width - 4)
    gy = anatomy.across[row + 3, column] - anatomy.across[row - 3, column]
    gx = anatomy.across[row, column + 3] - anatomy.across[row, column - 3]
    return np.arctan2(-gx, gy)


def _draw_capillaries(gray, anatomy, z, seed):
    """Short bent tubes in every direction: black dots where the slice crosses them, black curves where it follows them."""
    height, width = gray.shape
    slab = 2 * CAPILLARY_REACH
    wanted = _lookup(anatomy, "capillaries") * MM2_PER_PIXEL
    most = max(t.capillaries for t in TISSUES.values()) * MM2_PER_PIXEL
    step = np.linspace(-1, 1, 91)[None]
    for number in range((z - CAPILLARY_REACH) // slab, (z + CAPILLARY_REACH) // slab + 1):
        rng = np.random.default_rng([seed, 40, number + 10_000])
        n = rng.poisson(most * height * width)
        y, x, depth = rng.uniform(0, height, n), rng.uniform(0, width, n), (number + rng.uniform(0, 1, n)) * slab
        mark, size = rng.uniform(0, 1, (2, n))
        direction, bend = rng.standard_normal((2, 3, n))
        direction /= np.linalg.norm(direction, axis=0)
        keep = mark * most < wanted[y.astype(int), x.astype(int)]
        y, x, depth, size, direction, bend = y[keep], x[keep], depth[keep], size[keep], direction[:, keep], bend[:, keep]
        path = CAPILLARY_REACH * direction[:, :, None] * step + 7 * bend[:, :, None] * (step**2 - 0.3)    # (3, n, points)
        radius = np.broadcast_to((1.1 + 0.9 * size**2)[:, None], path.shape[1:])
        off = np.abs(z - depth[:, None] - path[0])
        hit = off < radius
        if not hit.any():
            continue
        py, px = (y[:, None] + path[1])[hit], (x[:, None] + path[2])[hit]
        section = np.sqrt(radius[hit] ** 2 - off[hit] ** 2)
        _stamp_discs(gray, py, px, section)


def _stamp_discs(gray, y, x, radius):
    """Paint small soft black discs."""
    reach = 4
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    rows = (row[:, None] + np.arange(-reach, reach + 1))[:, :, None]
    columns = (column[:, None] + np.arange(-reach, reach + 1))[:, None, :]
    rho = np.hypot(rows + 0.5 - y[:, None, None], columns + 0.5 - x[:, None, None])
    cover = _soft_step(np.clip(radius[:, None, None] - rho, -9, 9), 0.35)
    height, width = gray.shape
    keep = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = np.clip(rows, 0, height - 1) * width + np.clip(columns, 0, width - 1)
    total = np.bincount(flat[keep], cover[keep], minlength=gray.size).reshape(gray.shape)
    gray *= (1 - 0.95 * np.minimum(total, 1)).astype(np.float32)


def _draw_vessels(gray, anatomy, z, seed):
    """A few wide vessels that run through the whole sample, black and empty."""
    height, width = gray.shape
    rng = np.random.default_rng([seed, 50])
    n = rng.poisson(4.0 * height * width * MM2_PER_PIXEL)
    y, x = rng.uniform(0, height, n), rng.uniform(0, width, n)
    slope, phase = rng.uniform(-0.5, 0.5, (2, n)), rng.uniform(0, 2 * np.pi, n)
    radius = 4 + 16 * rng.uniform(0, 1, n) ** 3
    y, x = y + slope[0] * (z - 250) + 8 * np.sin(z / 60 + phase), x + slope[1] * (z - 250)
    for cy, cx, r, sy, sx in zip(y, x, radius, *slope):
        r0, r1, c0, c1 = int(max(cy - 3 * r - 3, 0)), int(min(cy + 3 * r + 4, height)), int(max(cx - 3 * r - 3, 0)), int(min(cx + 3 * r + 4, width))
        if r0 >= r1 or c0 >= c1:
            continue
        rows, columns = np.ogrid[r0:r1, c0:c1]
        stretch, theta = np.sqrt(1 + 4 * (sy**2 + sx**2)), np.arctan2(sy, sx)
        p = ((columns - cx) * np.cos(theta) + (rows - cy) * np.sin(theta)) / stretch
        q = -(columns - cx) * np.sin(theta) + (rows - cy) * np.cos(theta)
        gray[r0:r1, c0:c1] *= 1 - _soft_step(np.clip(r - np.hypot(p, q), -20, 20), 0.5).astype(np.float32)


def _scan(gray, anatomy, z, seed):
    """Blur, bright halos at sharp edges, slow intensity drift, detector noise, 8 bits."""
    shape = gray.shape
    sharp = ndimage.gaussian_filter(gray, 0.95, truncate=3)
    sharp += 1.0 * (sharp - ndimage.gaussian_filter(gray, 2.6, truncate=3))
    rng = np.random.default_rng([seed, 60, z])
    drift = 1 + 0.02 * rng.standard_normal() + 0.012 * smooth_noise((seed, 61), shape, shape[0] / 1.5, z, 80)
    noise = 0.008 * rng.standard_normal(shape, np.float32)
    return np.round(255 * np.clip(sharp * drift + noise * (0.4 + (gray > 0.02)), 0, 1)).astype(np.uint8)
