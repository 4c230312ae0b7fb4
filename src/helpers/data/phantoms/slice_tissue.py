"""What each area's tissue looks like in the microCT phantom: densities, fine texture, and how the
scanner shows it.

Fine texture is noise drawn in fibre coordinates, so that it runs along fibres; between slices more
than a few pixels apart it is independent, as in tissue. Lengths are in pixels of 1.17 µm, gray in
[0, 1], densities per mm² of section.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from helpers.data.phantoms import slice_anatomy as anatomy_of
from helpers.data.phantoms import slice_objects as objects
from helpers.data.phantoms.noise import fibre_noise, generator, smooth_noise, white_noise
from helpers.data.phantoms.slice_objects import soft_step

AXON_GAIN = 0.26  # myelin is bright: gray of a pixel full of axons above the matrix
TEXTURE_STEP = 4  # slices over which fine texture becomes independent
GLIA_RADIUS = 2.4


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
        Standard deviation in gray of isotropic texture, of fine texture along fibres, and of
        broader strands along fibres.
    neurons, radius, contrast, nucleus : float
        Cell bodies per mm² of section, their mean radius, how much darker than the matrix, and how
        much of that is in the rim and nucleolus.
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
    anatomy_of.CORTEX: Tissue(0.460, 0.03, 0.038, 0.012, 0.000, 840, 4.5, 0.25, 0.4, 100, 420),
    anatomy_of.STRIATUM: Tissue(0.466, 0.02, 0.033, 0.018, 0.000, 1100, 4.8, 0.28, 0.4, 80, 380),
    anatomy_of.VP: Tissue(0.540, 0.06, 0.044, 0.034, 0.012, 1050, 6.2, 0.29, 0.5, 90, 480),
    anatomy_of.ZI: Tissue(0.517, 0.20, 0.071, 0.044, 0.012, 1000, 5.3, 0.26, 0.5, 300, 750),
    anatomy_of.CAPSULE: Tissue(0.452, 0.90, 0.036, 0.031, 0.006, 10, 5.0, 0.20, 0.4, 560, 280),
    anatomy_of.HYPOTHALAMUS: Tissue(
        0.492, 0.10, 0.038, 0.034, 0.006, 150, 5.4, 0.20, 0.5, 180, 540
    ),
    anatomy_of.CALLOSUM: Tissue(0.446, 0.80, 0.036, 0.064, 0.016, 10, 5.0, 0.20, 0.4, 430, 180),
}
LAYER_NEURONS = np.array(
    [0, 0.22, 0.95, 1.85, 1.05, 1.28]
)  # of the cortex's density, for no layer and L1…L6
LAYER_AXONS = np.array([0, 0.01, 0.02, 0.05, 0.05, 0.12])
BARREL_NEURONS, SEPTUM_NEURONS = 1.3, 0.65  # of layer 4's density
# Bundles per area: centres per pixel of section and slab, mean direction and its range in degrees.
BUNDLES = {
    anatomy_of.STRIATUM: (1.8e-4, 18, 75),
    anatomy_of.HYPOTHALAMUS: (1.1e-4, -50, 60),
    anatomy_of.ZI: (3e-5, -50, 60),
}


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
    axons = _axon_density(anatomy, z, seed)
    neurons, glia = _cell_densities(anatomy, axons, z, seed)
    contrast = np.exp(
        0.08 * smooth_noise((seed, 26), axons.shape, 240, z, 90)
    )  # staining is nowhere equally strong
    gray = (
        _lookup(anatomy, "matrix") + AXON_GAIN * axons + _texture(anatomy, axons, contrast, z, seed)
    )
    angle = anatomy_of.fibre_angle(anatomy)
    bodies = objects.cut_cells((seed, 30), neurons, _neuron_radius(anatomy), z)
    objects.stamp_neurons(
        gray, bodies, angle, contrast * _lookup(anatomy, "contrast"), _lookup(anatomy, "nucleus")
    )
    small = objects.cut_cells((seed, 31), glia, np.full(gray.shape, GLIA_RADIUS, np.float32), z)
    objects.stamp_glia(gray, small, angle)
    objects.draw_capillaries(gray, (seed, 40), _lookup(anatomy, "capillaries"), z)
    objects.draw_vessels(gray, (seed, 50), z)
    gray[anatomy.areas == 0] = 0
    cells = np.concatenate([bodies.place, small.place])
    return Section(
        _scan(gray, z, seed), (neurons + glia).astype(np.float32), axons.astype(np.float32), cells
    )


def _lookup(anatomy, name):
    """Value of one tissue property at every pixel."""
    table = np.zeros(9, np.float32)
    for label, tissue in TISSUES.items():
        table[label] = getattr(tissue, name)
    return table[anatomy.areas]


def _cell_densities(anatomy, axons, z, seed):
    """Expected neurons and glia per mm² of section at every pixel."""
    shape = anatomy.areas.shape
    clusters = np.exp(0.28 * smooth_noise((seed, 10), shape, 45, z, 45) - 0.04)
    neurons = _lookup(anatomy, "neurons")
    cortex = anatomy.layers > 0
    neurons = np.where(
        cortex, neurons * LAYER_NEURONS.astype(np.float32)[anatomy.layers], neurons * clusters
    )
    granular = anatomy.layers == 3
    neurons[granular] *= np.where(anatomy.barrels[granular] > 0, BARREL_NEURONS, SEPTUM_NEURONS)
    neurons *= np.clip((0.65 - axons) / 0.3, 0, 1)  # bundles hold no neurons
    return neurons, _lookup(anatomy, "glia")


def _neuron_radius(anatomy):
    """Mean radius of neurons; small in layer 4, large in layer 5."""
    radius = _lookup(anatomy, "radius")
    return np.where(
        anatomy.layers == 3, radius * 0.9, np.where(anatomy.layers == 4, radius * 1.1, radius)
    )


def _axon_density(anatomy, z, seed):
    """Share of section taken by myelinated axons: scattered ones, strands along fibres, and
    bundles.
    """
    shape = anatomy.areas.shape
    axons = _lookup(anatomy, "axons")
    cortex = anatomy.layers > 0
    axons[cortex] = LAYER_AXONS.astype(np.float32)[anatomy.layers[cortex]]
    # gray and white matter interdigitate where they meet, but bundles end sharply in striatum
    axons = np.where(
        anatomy.areas == anatomy_of.STRIATUM, axons, ndimage.gaussian_filter(axons, 7, truncate=3)
    )
    axons *= 1 + 0.15 * smooth_noise((seed, 11), shape, 70, z, 60)
    strands = fibre_noise(
        (seed, 12),
        anatomy.across,
        anatomy.along,
        z,
        width=6.0,
        length=110.0,
        steps=(2, 8),
        z_step=40,
    )
    in_vp = anatomy.areas == anatomy_of.VP
    axons[in_vp] += 0.85 * soft_step(strands[in_vp] - 0.80, 0.2)
    for label, threshold in ((anatomy_of.ZI, 1.75), (anatomy_of.HYPOTHALAMUS, 1.9)):
        here = anatomy.areas == label
        axons[here] += 0.5 * soft_step(strands[here] - threshold, 0.25)
    to_capsule = 8 * ndimage.distance_transform_edt(anatomy.areas[::8, ::8] != anatomy_of.CAPSULE)
    near = (0.35 + 1.3 * np.exp(-to_capsule / 150)) / 1.65  # most bundles leave the capsule nearby
    objects.add_bundles(axons, (seed, 13), anatomy.areas, BUNDLES, near, z)
    return np.clip(axons, 0, 1)


def _texture(anatomy, axons, contrast, z, seed):
    """Fine texture in gray: isotropic grain, fine fibres, broader strands, and slow shading."""
    shape = axons.shape
    grain = ndimage.gaussian_filter(
        white_noise((seed, 20), shape, z, TEXTURE_STEP), 1.15, truncate=3
    )
    grain /= grain.std()
    fine = fibre_noise(
        (seed, 21),
        anatomy.across,
        anatomy.along,
        z,
        width=1.1,
        length=6.0,
        steps=(1, 2),
        z_step=TEXTURE_STEP,
    )
    coarse = fibre_noise(
        (seed, 22),
        anatomy.across,
        anatomy.along,
        z,
        width=3.2,
        length=18.0,
        steps=(1, 4),
        z_step=20,
    )
    shading = 0.024 * smooth_noise((seed, 23), shape, 70, z, 90) + 0.018 * smooth_noise(
        (seed, 25), shape, 220, z, 90
    )
    # in some fascicles the fibres run in the plane and show as lines, in others they cross it
    in_plane = smooth_noise((seed, 24), shape, 28, z, 30)
    fibre = (_lookup(anatomy, "fibre") + 0.015 * axons) * np.exp(0.45 * in_plane - 0.1)
    grain *= _lookup(anatomy, "grain") * np.exp(-0.15 * in_plane)
    return contrast * (grain + fibre * fine + _lookup(anatomy, "coarse") * coarse) + shading


def _scan(gray, z, seed):
    """Blur, bright halos at sharp edges, slow intensity drift, detector noise, 8 bits."""
    shape = gray.shape
    sharp = ndimage.gaussian_filter(gray, 0.95, truncate=3)
    sharp += 1.0 * (sharp - ndimage.gaussian_filter(gray, 2.6, truncate=3))
    rng = generator(seed, 60, z)
    drift = (
        1
        + 0.02 * rng.standard_normal()
        + 0.012 * smooth_noise((seed, 61), shape, shape[0] / 1.5, z, 80)
    )
    noise = 0.008 * rng.standard_normal(shape, np.float32)
    return np.round(255 * np.clip(sharp * drift + noise * (0.4 + (gray > 0.02)), 0, 1)).astype(
        np.uint8
    )
