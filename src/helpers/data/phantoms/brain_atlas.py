"""A drawn coronal section of a mouse brain: the anatomy behind the population phantom.

One hemisphere is painted, structure by structure, from the curves in ``population_outlines``, then
mirrored. Everything is at the size of the paper's images, 320 × 448 pixels of 25 µm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import splev, splprep

from helpers.data.ccf import REGIONS
from helpers.data.phantoms import brain_outlines as outlines

SHAPE = (320, 448)
MIDLINE = SHAPE[1] // 2
_SUPERSAMPLE = 3


@dataclass(frozen=True)
class Anatomy:
    """An average section and what the generator needs to know about it.

    Attributes
    ----------
    base : (H, W) float32
        Mean autofluorescence, 0 (background) to about 0.75.
    atlas : (H, W) uint8
        0 = none of the regions, 1…6 in the order of ``REGIONS``.
    brain, hippocampus, striatum, cortex, ventricles : (H, W) bool
        Masks that the generative factors act on.
    barrels : (H, W) float32
        Contrast pattern of the barrel field, zero outside layer 4 of SSp.
    name : str
        Where the anatomy comes from; written into the manifest.
    """

    base: np.ndarray
    atlas: np.ndarray
    brain: np.ndarray
    hippocampus: np.ndarray
    striatum: np.ndarray
    cortex: np.ndarray
    ventricles: np.ndarray
    barrels: np.ndarray
    name: str


def curve(points, closed, n=400):
    """Points along a smooth curve (n, 2) through the control points (cubic; chord-length
    parameter).
    """
    points = np.asarray(points, float)
    if closed:
        points = np.vstack([points, points[:1]])
    spline, _ = splprep(points.T, s=0, k=min(3, len(points) - 1), per=closed)
    return np.stack(splev(np.linspace(0, 1, n), spline), axis=1)


def _polyline(points):
    """An outline that touches the midline keeps its straight edge there; others are closed
    smoothly.
    """
    if points[0][0] == 0 and points[-1][0] == 0:
        return curve(points, closed=False)
    return curve(points, closed=True)


def _coverage(outline):
    """Share of each pixel inside the outline: (320, 224) float32 in [0, 1]."""
    from PIL import Image, ImageDraw

    s = _SUPERSAMPLE
    picture = Image.new("L", (MIDLINE * s, SHAPE[0] * s))
    ImageDraw.Draw(picture).polygon([(u * s, v * s) for u, v in outline], fill=255)
    fine = np.asarray(picture, np.float32) / 255
    return fine.reshape(SHAPE[0], s, MIDLINE, s).mean((1, 3))


def _distance_to(line, index=False):
    """Distance of each pixel of the hemisphere to a curve, in px: (320, 224) float32; on request
    the nearest point too.
    """
    from scipy.spatial import cKDTree

    v, u = np.mgrid[: SHAPE[0], :MIDLINE] + 0.5
    distance, nearest = cKDTree(line).query(np.stack([u.ravel(), v.ravel()], 1))
    distance = distance.reshape(u.shape).astype(np.float32)
    return (distance, nearest.reshape(u.shape)) if index else distance


def _bump(distance, width):
    return np.exp(-0.5 * (distance / width) ** 2)


def _paint(picture, intensity, coverage, softness=0.0):
    if softness:
        coverage = ndimage.gaussian_filter(coverage, softness)
    return picture + coverage * (intensity - picture)


def _cortex(depth, place, pia):
    """Autofluorescence of cortex by relative depth and by place along the pia (index of the nearest
    point).
    """
    from scipy.interpolate import RegularGridInterpolator

    stations = [int(np.argmin(np.hypot(*(pia - where).T))) for where, _ in outlines.LAYERS]
    table = RegularGridInterpolator(
        (stations, outlines.DEPTHS), [values for _, values in outlines.LAYERS]
    )
    return table(np.stack([place.clip(stations[0], stations[-1]), depth], axis=-1)).astype(
        np.float32
    )


def _hippocampus(picture, inside):
    """CA1–CA3 and dentate gyrus: bands along drawn curves, clipped to the hippocampal outline."""
    dorsal = curve(outlines.HIPPOCAMPUS[:14], closed=False)
    ca = 0.62 + 0.17 * _bump(_distance_to(dorsal) - 2.5, 2.0)  # stratum oriens
    pyramidal, lacunosum, molecular = (
        curve(points, closed=False)
        for points in (outlines.PYRAMIDAL, outlines.LACUNOSUM, outlines.MOLECULAR)
    )
    granule = curve(outlines.GRANULE, closed=False, n=800)
    ca = ca - 0.17 * _bump(_distance_to(pyramidal), 1.3)
    ca = ca - 0.20 * _bump(_distance_to(lacunosum), 1.3)
    ca = ca + 0.19 * _bump(_distance_to(molecular), 3.0)
    v, u = np.mgrid[: SHAPE[0], :MIDLINE]
    hilus = np.exp(-(((u - 62) / 30) ** 2) - ((v - 99) / 7) ** 2)
    ca = ca - 0.12 * hilus - 0.27 * _bump(_distance_to(granule), 1.8)
    ca = ca + 0.20 * np.exp(-(((u - 124) / 4) ** 2) - ((v - 112) / 12) ** 2)  # bright rim of CA3
    ca = ca + 0.16 * np.exp(-(((u - 97) / 9) ** 2) - ((v - 95) / 4) ** 2)  # mossy fibres enter CA3
    return _paint(picture, ca, inside)


def _subcortical_texture(picture, v):
    """Nuclei and fibres: correlated mottling of thalamus and hypothalamus, radial streaks in the
    striatum.
    """
    rng = np.random.default_rng(286)  # of the virtual species, not of a population
    thalamus, hypothalamus, striatum = (
        _coverage(_polyline(p))
        for p in (outlines.THALAMUS, outlines.HYPOTHALAMUS, outlines.STRIATUM)
    )
    mottle = ndimage.gaussian_filter(rng.standard_normal(picture.shape), (4.5, 3))
    streaks = ndimage.gaussian_filter(rng.standard_normal(picture.shape), (4, 1.2))
    picture = picture * (1 + 0.05 * mottle / mottle.std() * np.maximum(thalamus, hypothalamus))
    return picture * (1 + 0.06 * streaks / streaks.std() * striatum * (v < 225))


def _barrels(ssp, depth, u, v):
    """Bright centres in layer 4 of SSp with darker septa between them, about the cortex's centre of
    curvature.
    """
    along = np.degrees(np.arctan2(130 - v, u - 60))
    layer4 = _bump(depth - 0.45, 0.075) * ssp
    return ndimage.gaussian_filter(layer4 * (0.35 + 0.65 * np.cos(2 * np.pi * along / 9)), 0.8)


def draw():
    """Draw the average section.

    Returns
    -------
    Anatomy
        At 320 × 448, mirrored about the midline; the same on every call.
    """
    v, u = np.mgrid[: SHAPE[0], :MIDLINE].astype(np.float32)
    pia, white = curve(outlines.PIA, False), curve(outlines.WHITE_SURFACE, False)
    brain = _coverage(np.vstack([pia, curve(outlines.VENTRAL, False)]))
    cortex = _coverage(np.vstack([pia, white[::-1]]))
    fissure = np.stack([np.full(60, 0.3), np.linspace(20, 62, 60)], 1)

    # white matter inside, cortex by depth, then the deep structures in order
    picture = _paint(0.5 * brain, 0.13, _coverage(np.vstack([white[:320], [(60, 245), (0, 215)]])))
    to_pia, place = _distance_to(pia, index=True)
    place = np.where(_distance_to(fissure) < to_pia, 0, place)
    to_pia = np.minimum(to_pia, _distance_to(fissure))
    depth = to_pia / (to_pia + _distance_to(white))
    layers = ndimage.gaussian_filter(_cortex(depth, place, pia), 2)
    picture = _paint(picture, layers, cortex, 0.5)
    picture = _paint(picture, 0.20, _coverage(outlines.CALLOSUM), 1.5)
    hippocampus = _coverage(_polyline(outlines.HIPPOCAMPUS))
    picture = _hippocampus(picture, hippocampus)
    for intensity, softness, outline in outlines.PAINT:
        picture = _paint(picture, intensity, _coverage(_polyline(outline)), softness)
    for intensity, width, line in outlines.LINES:
        picture = _paint(picture, intensity, _bump(_distance_to(curve(line, False)), width))
    picture = _subcortical_texture(picture, v)

    ventricles = np.maximum.reduce([_coverage(_polyline(p)) for p in outlines.VENTRICLES])
    picture = _paint(picture, 0.03, ventricles, 0.4)
    picture = picture * (1 - 0.75 * _bump(u, 1.2) * ((v > 18) & (v < 62)))  # the fissure itself
    ssp = _coverage(curve(outlines.SSP, True)) * cortex
    barrels = _barrels(ssp, depth, u, v)
    picture = ndimage.gaussian_filter(picture * brain, 0.8)

    regions = dict(
        SSp=ssp,
        HPF=hippocampus,
        STR=_coverage(_polyline(outlines.STRIATUM)),
        TH=_coverage(_polyline(outlines.THALAMUS)),
        HY=_coverage(_polyline(outlines.HYPOTHALAMUS)),
        RSP=_coverage(_polyline(outlines.RSP)) * cortex,
    )
    atlas = np.zeros(picture.shape, np.uint8)
    for label, name in enumerate(REGIONS, start=1):
        atlas[(regions[name] > 0.5) & (ventricles < 0.5) & (atlas == 0)] = label

    def both(half):
        return np.concatenate([half[:, ::-1], half], axis=1)

    return Anatomy(
        base=both(picture).astype(np.float32),
        atlas=both(atlas),
        brain=both(brain) > 0.5,
        hippocampus=both(hippocampus) > 0.5,
        striatum=both(regions["STR"]) > 0.5,
        cortex=both(cortex) > 0.5,
        ventricles=both(ventricles) > 0.5,
        barrels=both(barrels).astype(np.float32),
        name="drawn",
    )
