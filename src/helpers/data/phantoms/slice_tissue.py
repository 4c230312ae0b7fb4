"""What each area's tissue looks like in the microCT phantom: densities, fine texture, and how the
scanner shows it.

Fine texture is noise drawn in fibre coordinates, so that it runs along fibres; between slices more
than a few pixels apart it is independent, as in tissue. Lengths are in pixels of 1.17 µm, gray in
[0, 1], densities per mm² of section.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.stats import norm

from helpers.data.phantoms import slice_anatomy as anatomy_of
from helpers.data.phantoms import slice_cortex as cortex_of
from helpers.data.phantoms import slice_objects as objects
from helpers.data.phantoms.noise import fibre_noise, generator, smooth_noise, white_noise
from helpers.data.phantoms.slice_anatomy import Anatomy
from helpers.data.phantoms.slice_objects import soft_step
from helpers.data.phantoms.slice_surface import draw_surface

AXON_GAIN = 0.26  # myelin is bright: gray of a pixel full of axons above the matrix
CUPPING = 0.16  # by how much of its gray the middle of the sample is darker than its faces
TEXTURE_STEP = 4  # slices over which fine texture becomes independent
GLIA_RADIUS = 2.4
THREAD = 0.6  # axons' share of the section within a thread
PUNCTA_RADIUS, PUNCTA_PITCH, PUNCTA_DEPTH = 1.3, 6.0, 0.16


# How each kind of tissue looks:
# matrix      gray between cells and axons
# axons       share of section taken by scattered myelinated axons (bundles come on top)
# shading, grain, fibre, coarse
#             standard deviation in gray of slow shading, of isotropic texture, of fine texture
#             along fibres, and of broader strands along fibres
# neurons, radius, contrast, nucleus
#             cell bodies per mm² of section, their mean radius, how much darker than the matrix,
#             and how much of that is in the rim and nucleolus
# glia        small dark elongated bodies per mm², along the fibres
# puncta      small dark puncta and pieces of processes per mm²
# capillaries segments per mm² whose centre lies within their reach of the slice
# Cortex differs by depth: what helpers.data.phantoms.slice_cortex names there replaces its row.
# fmt: off
PROPERTIES = ("matrix", "axons", "shading", "grain", "fibre", "coarse",
              "neurons", "radius", "contrast", "nucleus", "glia", "puncta", "capillaries")
TISSUES = {
    anatomy_of.CORTEX:
        (0.460, 0.03, 0.008, 0.038, 0.012, 0.000,  840, 4.5, 0.25, 0.4, 100,    0, 560),
    anatomy_of.STRIATUM:
        (0.476, 0.02, 0.016, 0.030, 0.015, 0.000, 1150, 4.9, 0.31, 0.4, 100, 1300, 420),
    anatomy_of.VP:
        (0.545, 0.08, 0.022, 0.038, 0.030, 0.010, 1050, 6.0, 0.30, 0.5,  90, 1500, 480),
    anatomy_of.ZI:
        (0.545, 0.23, 0.050, 0.048, 0.048, 0.014, 1050, 5.4, 0.30, 0.5, 250, 2600, 560),
    anatomy_of.CAPSULE:
        (0.452, 0.82, 0.030, 0.040, 0.020, 0.004,   10, 5.0, 0.20, 0.4, 600, 1600, 300),
    anatomy_of.HYPOTHALAMUS:
        (0.512, 0.16, 0.030, 0.031, 0.030, 0.003,  220, 5.4, 0.22, 0.5, 220, 2000, 560),
    anatomy_of.CALLOSUM:
        (0.446, 0.80, 0.020, 0.038, 0.052, 0.010,   10, 5.0, 0.20, 0.4, 430, 1500, 240),
}
# fmt: on
# Bundles per area: centres per pixel of section and slab, mean direction and its range in degrees.
BUNDLES = {
    anatomy_of.STRIATUM: (1.35e-4, 18, 55),
    anatomy_of.HYPOTHALAMUS: (5e-5, -50, 60),
    anatomy_of.ZI: (2e-5, -50, 60),
}
# Axons that gather in strands: area, share of section in them, threshold and width of their edge.
STRANDS = (
    (anatomy_of.VP, 0.80, 0.95, 0.2),
    (anatomy_of.ZI, 0.5, 1.55, 0.25),
    (anatomy_of.HYPOTHALAMUS, 0.4, 1.9, 0.3),
)


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


def draw_section(anatomy: Anatomy, z: int, seed: int) -> Section:
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
    axons = _axon_density(anatomy, z, seed)
    neurons, glia = _neuron_density(anatomy, axons, z, seed), _lookup(anatomy, "glia")
    # staining is nowhere equally strong
    contrast = np.exp(0.03 * smooth_noise((seed, 26), axons.shape, 240, z, 90))
    gray = _lookup(anatomy, "matrix") + AXON_GAIN * axons
    gray = gray + _texture(anatomy, axons, contrast, z, seed)
    angle = anatomy_of.fibre_angle(anatomy)
    fine = np.full(gray.shape, 1.2 * PUNCTA_RADIUS, np.float32)
    # outside cortex they come in patches
    patchy = np.exp(0.7 * smooth_noise((seed, 27), gray.shape, 40, z, 40) - 0.2)
    number = _lookup(anatomy, "puncta") * np.where(anatomy.layers > 0, 1, patchy)
    puncta = objects.cut_cells((seed, 32), number, fine, z, PUNCTA_PITCH)
    objects.stamp_puncta(gray, puncta, angle, PUNCTA_DEPTH, PUNCTA_RADIUS)
    bodies = objects.cut_cells((seed, 30), neurons, _lookup(anatomy, "radius"), z)
    large = np.full(gray.shape, cortex_of.PYRAMID_RADIUS, np.float32)
    pyramids = _cortical(anatomy, "pyramids")
    bodies = np.concatenate([bodies, objects.cut_cells((seed, 33), pyramids, large, z)])
    dark = contrast * _lookup(anatomy, "contrast")
    objects.stamp_neurons(gray, bodies, angle, dark, _lookup(anatomy, "nucleus"))
    small = objects.cut_cells((seed, 31), glia, np.full(gray.shape, GLIA_RADIUS, np.float32), z)
    objects.stamp_glia(gray, small, angle)
    objects.draw_capillaries(gray, (seed, 40), _lookup(anatomy, "capillaries"), z)
    objects.draw_vessels(gray, (seed, 50), z)
    draw_surface(gray, anatomy.areas > 0, z, seed)
    return Section(
        image=_scan(gray, z, seed),
        cell_density=(neurons + pyramids + glia).astype(np.float32),
        axon_density=axons.astype(np.float32),
        cells=np.concatenate([bodies, small])[:, :2],
    )


def _lookup(anatomy: Anatomy, name: str) -> np.ndarray:
    """Value of one tissue property at every pixel, 0 outside the tissue, (H, W) float32."""
    table = np.zeros(anatomy_of.N_CODES, np.float32)
    table[list(TISSUES)] = [values[PROPERTIES.index(name)] for values in TISSUES.values()]
    values = table[anatomy.areas]
    if name in cortex_of.PROFILE:
        cortex = anatomy.layers > 0
        values[cortex] = cortex_of.by_depth(name, anatomy.depth[cortex])
    return values


def _cortical(anatomy: Anatomy, name: str) -> np.ndarray:
    """What only cortex has, at every pixel, 0 elsewhere, (H, W) float32."""
    return np.where(anatomy.layers > 0, cortex_of.by_depth(name, anatomy.depth), np.float32(0))


def _neuron_density(anatomy: Anatomy, axons: np.ndarray, z: int, seed: int) -> np.ndarray:
    """Expected neurons per mm² of section at every pixel."""
    clusters = np.exp(0.28 * smooth_noise((seed, 10), axons.shape, 45, z, 45) - 0.04)
    neurons = _lookup(anatomy, "neurons")
    neurons *= np.where(anatomy.layers > 0, 1, clusters)
    granular = anatomy.layers == 3
    barrel = anatomy.barrels[granular] > 0
    neurons[granular] *= np.where(barrel, cortex_of.BARREL_NEURONS, cortex_of.SEPTUM_NEURONS)
    return neurons * np.clip((0.65 - axons) / 0.3, 0, 1)  # bundles hold no neurons


def _axon_density(anatomy: Anatomy, z: int, seed: int) -> np.ndarray:
    """Share of section taken by myelinated axons: scattered ones, strands along fibres, and
    bundles.
    """
    areas, fibres = anatomy.areas, (anatomy.across, anatomy.along)
    axons = _lookup(anatomy, "axons")
    # gray and white matter interdigitate where they meet, but bundles end sharply in striatum
    mixed = ndimage.gaussian_filter(axons, 7, truncate=3)
    axons = np.where(areas == anatomy_of.STRIATUM, axons, mixed)
    axons *= 1 + 0.15 * smooth_noise((seed, 11), areas.shape, 70, z, 60)
    strands = fibre_noise((seed, 12), *fibres, z, width=6.0, length=110.0, steps=(2, 8), z_step=40)
    for label, share, threshold, width in STRANDS:
        here = areas == label
        axons[here] += share * soft_step(strands[here] - threshold, width)
    threads = fibre_noise((seed, 14), *fibres, z, width=1.5, length=7.0, steps=(1, 2), z_step=12)
    cortex = anatomy.layers > 0
    share = cortex_of.by_depth("threads", anatomy.depth[cortex])
    axons[cortex] += THREAD * soft_step(threads[cortex] - norm.isf(np.maximum(share, 1e-6)), 0.15)
    to_capsule = 8 * ndimage.distance_transform_edt(areas[::8, ::8] != anatomy_of.CAPSULE)
    near = (0.35 + 1.3 * np.exp(-to_capsule / 150)) / 1.65  # most bundles leave the capsule nearby
    objects.add_bundles(axons, (seed, 13), areas, BUNDLES, near, z)
    return np.clip(axons, 0, 1)


def _texture(
    anatomy: Anatomy, axons: np.ndarray, contrast: np.ndarray, z: int, seed: int
) -> np.ndarray:
    """Fine texture in gray: isotropic grain, fine fibres, broader strands, and slow shading."""
    shape, fibres = axons.shape, (anatomy.across, anatomy.along)
    grain = white_noise((seed, 20), shape, z, TEXTURE_STEP)
    grain = ndimage.gaussian_filter(grain, 1.15, truncate=3)
    grain /= grain.std()
    fine = fibre_noise(
        (seed, 21), *fibres, z, width=1.1, length=6.0, steps=(1, 2), z_step=TEXTURE_STEP
    )
    coarse = fibre_noise((seed, 22), *fibres, z, width=3.2, length=18.0, steps=(1, 4), z_step=20)
    shading = 0.002 * smooth_noise((seed, 23), shape, 70, z, 90)
    shading += _lookup(anatomy, "shading") * smooth_noise((seed, 25), shape, 220, z, 90)
    # in some fascicles the fibres run in the plane and show as lines, in others they cross it
    in_plane = smooth_noise((seed, 24), shape, 28, z, 30)
    fibre = (_lookup(anatomy, "fibre") + 0.015 * axons) * np.exp(0.45 * in_plane - 0.1)
    grain *= _lookup(anatomy, "grain") * np.exp(-0.15 * in_plane)
    return contrast * (grain + fibre * fine + _lookup(anatomy, "coarse") * coarse) + shading


def _scan(gray: np.ndarray, z: int, seed: int) -> np.ndarray:
    """Blur, bright halos at sharp edges, slow intensity drift and cupping (the middle of the sample
    comes out darker than its faces), detector noise, 8 bits.
    """
    shape = gray.shape
    sharp = ndimage.gaussian_filter(gray, 0.95, truncate=3)
    sharp += 1.0 * (sharp - ndimage.gaussian_filter(gray, 2.6, truncate=3))
    rng = generator(seed, 60, z)
    slow = smooth_noise((seed, 61), shape, shape[0] / 1.5, z, 80)
    across = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    gain = 1 + 0.02 * rng.standard_normal() + 0.015 * slow + CUPPING * (across**2 - 1 / 3)
    sharp = sharp * gain.astype(np.float32)
    noise = 0.008 * rng.standard_normal(shape, np.float32) * (0.4 + (gray > 0.02))
    return np.round(255 * np.clip(sharp + noise, 0, 1)).astype(np.uint8)
