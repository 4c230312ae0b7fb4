"""A drawn coronal section of a mouse brain: the anatomy behind the population phantom.

One hemisphere is painted, structure by structure, from the curves in :mod:`brain_outlines`, then
mirrored. Everything is at the size of the paper's images, 320 × 448 pixels of 25 µm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import RegularGridInterpolator, splev, splprep
from scipy.spatial import cKDTree

from helpers.data.ccf import REGIONS
from helpers.data.phantoms import brain_outlines as outlines
from helpers.data.phantoms.brain_outlines import OUTLINES

SHAPE = (320, 448)
MIDLINE = SHAPE[1] // 2
_SUPERSAMPLE = 3

Points = np.ndarray | Sequence[tuple[float, float]]


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


def curve(points: Points, closed: bool = False, n: int = 400) -> np.ndarray:
    """Points along a smooth curve (n, 2) through the control points (cubic; chord-length
    parameter).
    """
    points = np.asarray([*points, points[0]] if closed else points, float)
    spline, _ = splprep(points.T, s=0, k=min(3, len(points) - 1), per=closed)
    return np.stack(splev(np.linspace(0, 1, n), spline), axis=1)


def _inside(points: Points) -> np.ndarray:
    """Coverage of a smooth outline; one that touches the midline keeps its straight edge there."""
    return _coverage(curve(points, closed=not points[0][0] == points[-1][0] == 0))


def _coverage(outline: Points) -> np.ndarray:
    """Share of each pixel inside the outline: (320, 224) float32 in [0, 1]."""
    s = _SUPERSAMPLE
    picture = Image.new("L", (MIDLINE * s, SHAPE[0] * s))
    ImageDraw.Draw(picture).polygon([(u * s, v * s) for u, v in outline], fill=255)
    return (np.asarray(picture, np.float32) / 255).reshape(SHAPE[0], s, MIDLINE, s).mean((1, 3))


def _nearest(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each pixel of the hemisphere to a curve, in px, (320, 224) float32; and which of
    the curve's points is nearest.
    """
    v, u = np.mgrid[: SHAPE[0], :MIDLINE] + 0.5
    distance, nearest = cKDTree(line).query(np.stack([u, v], axis=-1))
    return distance.astype(np.float32), nearest


def _band(points: Points, width: float, n: int = 400, away: float = 0.0) -> np.ndarray:
    """1 along a curve through the points (or so many px away from it), falling off to both sides
    as a Gaussian.
    """
    return _bump(_nearest(curve(points, n=n))[0] - away, width)


def _bump(distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-0.5 * (distance / width) ** 2)


def _spot(u: float, v: float, reach_u: float, reach_v: float) -> np.ndarray:
    """1 at a place, falling off as a Gaussian: (320, 224)."""
    rows, columns = np.mgrid[: SHAPE[0], :MIDLINE]
    return np.exp(-(((columns - u) / reach_u) ** 2) - ((rows - v) / reach_v) ** 2)


def _paint(
    picture: np.ndarray, intensity: np.ndarray | float, coverage: np.ndarray, softness: float = 0.0
) -> np.ndarray:
    if softness:
        coverage = ndimage.gaussian_filter(coverage, softness)
    return picture + coverage * (intensity - picture)


def _cortex(depth: np.ndarray, place: np.ndarray, pia: np.ndarray) -> np.ndarray:
    """Autofluorescence of cortex by relative depth and by place along the pia (index of the nearest
    point).
    """
    stations = [int(np.argmin(np.hypot(*(pia - where).T))) for where, _ in outlines.LAYERS]
    table = RegularGridInterpolator(
        (stations, outlines.DEPTHS), [values for _, values in outlines.LAYERS]
    )
    where = np.stack([place.clip(stations[0], stations[-1]), depth], axis=-1)
    return table(where).astype(np.float32)


def _hippocampus() -> np.ndarray:
    """Autofluorescence of CA1–CA3 and dentate gyrus: bands along drawn curves."""
    return (
        0.62
        + 0.17 * _band(OUTLINES["hippocampus"][:14], 2.0, away=2.5)  # stratum oriens
        - 0.17 * _band(OUTLINES["pyramidal"], 1.3)
        - 0.20 * _band(OUTLINES["lacunosum"], 1.3)
        + 0.19 * _band(OUTLINES["molecular"], 3.0)
        - 0.12 * _spot(62, 99, 30, 7)  # hilus
        - 0.27 * _band(OUTLINES["granule"], 1.8, n=800)
        + 0.20 * _spot(124, 112, 4, 12)  # bright rim of CA3
        + 0.16 * _spot(97, 95, 9, 4)  # mossy fibres enter CA3
    )


def _with_texture(picture: np.ndarray, nuclei: np.ndarray, striatum: np.ndarray) -> np.ndarray:
    """Add nuclei and fibres: correlated mottling of thalamus and hypothalamus, radial streaks in
    the striatum.
    """
    rng = np.random.default_rng(286)  # of the virtual species, not of a population
    mottle = ndimage.gaussian_filter(rng.standard_normal(picture.shape), (4.5, 3))
    streaks = ndimage.gaussian_filter(rng.standard_normal(picture.shape), (4, 1.2))
    dorsal = np.arange(SHAPE[0])[:, None] < 225
    picture = picture * (1 + 0.05 * mottle / mottle.std() * nuclei)
    return picture * (1 + 0.06 * streaks / streaks.std() * striatum * dorsal)


def _barrels(ssp: np.ndarray, depth: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bright centres in layer 4 of SSp with darker septa between them, about the cortex's centre of
    curvature.
    """
    along = np.degrees(np.arctan2(130 - v, u - 60))
    layer4 = _bump(depth - 0.45, 0.075) * ssp
    return ndimage.gaussian_filter(layer4 * (0.35 + 0.65 * np.cos(2 * np.pi * along / 9)), 0.8)


def draw() -> Anatomy:
    """Draw the average section.

    Returns
    -------
    Anatomy
        At 320 × 448, mirrored about the midline; the same on every call.
    """
    v, u = np.mgrid[: SHAPE[0], :MIDLINE].astype(np.float32)
    pia, ventral, white = (curve(OUTLINES[name]) for name in ("pia", "ventral", "white_surface"))
    brain = _coverage(np.vstack([pia, ventral]))
    cortex = _coverage(np.vstack([pia, white[::-1]]))
    regions = {
        "SSp": _coverage(curve(OUTLINES["ssp"], closed=True)) * cortex,
        "HPF": _inside(OUTLINES["hippocampus"]),
        "STR": _inside(OUTLINES["striatum"]),
        "TH": _inside(OUTLINES["thalamus"]),
        "HY": _inside(OUTLINES["hypothalamus"]),
        "RSP": _inside(OUTLINES["rsp"]) * cortex,
    }

    # white matter inside, cortex by depth, then the deep structures in order
    picture = _paint(0.5 * brain, 0.13, _coverage([*white[:320], (60, 245), (0, 215)]))
    to_pia, place = _nearest(pia)
    to_fissure, _ = _nearest(np.stack([np.full(60, 0.3), np.linspace(20, 62, 60)], axis=1))
    place = np.where(to_fissure < to_pia, 0, place)
    to_pia = np.minimum(to_pia, to_fissure)
    depth = to_pia / (to_pia + _nearest(white)[0])
    layers = ndimage.gaussian_filter(_cortex(depth, place, pia), 2)
    picture = _paint(picture, layers, cortex, 0.5)
    picture = _paint(picture, 0.20, _coverage(OUTLINES["callosum"]), 1.5)
    picture = _paint(picture, _hippocampus(), regions["HPF"])
    for intensity, softness, outline in outlines.PAINT:
        picture = _paint(picture, intensity, _inside(outline), softness)
    for intensity, width, line in outlines.LINES:
        picture = _paint(picture, intensity, _band(line, width))
    picture = _with_texture(picture, np.maximum(regions["TH"], regions["HY"]), regions["STR"])

    ventricles = np.maximum.reduce([_inside(OUTLINES[name]) for name in outlines.VENTRICLES])
    picture = _paint(picture, 0.03, ventricles, 0.4)
    picture = picture * (1 - 0.75 * _bump(u, 1.2) * ((v > 18) & (v < 62)))  # the fissure itself
    picture = ndimage.gaussian_filter(picture * brain, 0.8)

    atlas = np.zeros(picture.shape, np.uint8)
    for label, name in enumerate(REGIONS, start=1):
        atlas[(regions[name] > 0.5) & (ventricles < 0.5) & (atlas == 0)] = label

    def both(half: np.ndarray) -> np.ndarray:
        return np.concatenate([half[:, ::-1], half], axis=1)

    return Anatomy(
        base=both(picture).astype(np.float32),
        atlas=both(atlas),
        brain=both(brain) > 0.5,
        hippocampus=both(regions["HPF"]) > 0.5,
        striatum=both(regions["STR"]) > 0.5,
        cortex=both(cortex) > 0.5,
        ventricles=both(ventricles) > 0.5,
        barrels=both(_barrels(regions["SSp"], depth, u, v)).astype(np.float32),
        name="drawn",
    )
