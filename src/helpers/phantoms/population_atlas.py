"""A drawn coronal section of a mouse brain: the anatomy behind the population phantom.

One hemisphere is drawn as smooth curves in pixels of 25 µm, then mirrored. Coordinates are
(u, v): u counts from the midline outwards, v from the top. Everything is at the size of the
paper's images, 320 × 448.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import splev, splprep

SHAPE = (320, 448)
MIDLINE = SHAPE[1] // 2
REGIONS = ("SSp", "HPF", "STR", "TH", "HY", "RSP")
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


# ---------------------------------------------------------------- outlines, (u, v) of one hemisphere
_PIA = [(0, 27), (4, 20), (12, 12), (25, 8), (45, 9), (70, 13), (95, 20), (120, 30), (145, 45), (165, 62),
        (180, 78), (192, 97), (200, 118), (204, 140), (204, 163), (201, 180), (198.5, 185), (199.5, 192),
        (193, 212), (183, 236), (172, 260), (160, 281), (150, 291), (138, 297), (126, 299), (112, 294)]
_VENTRAL = [(98, 285), (84, 275), (72, 266), (63, 259.5), (56, 262), (48, 270), (42, 279), (35, 285), (20, 287.5),
            (10, 289), (8, 294), (0, 297)]
_WHITE_SURFACE = [(0, 63), (8, 62), (18, 57), (26, 49), (32, 44.5), (40, 46), (55, 48.5), (72, 51), (88, 57),
                  (103, 66), (117, 78), (129, 92), (139, 107), (147, 122), (153, 137), (157, 152), (158.5, 168),
                  (159, 185), (157, 200), (153, 215), (151, 230), (152, 245), (155, 258), (150, 272), (140, 281),
                  (126, 285), (112, 282)]
_HIPPOCAMPUS = [(8, 86), (14, 81), (24, 75), (33, 65), (42, 58), (52, 55.5), (66, 57), (80, 62), (94, 69), (106, 78),
                (116, 90), (124, 103), (128, 114), (126, 123), (120, 126.5), (112, 124), (104, 119), (95, 113),
                (84, 110), (75, 110.5), (60, 110), (45, 110.5), (30, 112), (22, 110), (18, 103), (13, 97), (9, 92)]
_THALAMUS = [(0, 134), (4, 124), (6, 113), (11, 107), (18, 112), (30, 113.5), (50, 112.5), (70, 112.5), (82, 112),
             (94, 116), (102, 124), (106, 132), (104.5, 140), (107, 152), (111, 163), (113, 173), (100, 178), (88, 187),
             (66, 199), (43, 210), (20, 213), (0, 213)]
_HYPOTHALAMUS = [(0, 213), (20, 213), (43, 210), (66, 199), (88, 187), (98, 182), (92, 190), (80, 203), (66, 222),
                 (56, 238), (62, 246), (60, 256), (50, 268), (42, 279), (35, 285), (20, 287.5), (10, 289), (8, 294),
                 (0, 297)]
_STRIATUM = [(129, 119), (135, 121), (143, 132), (151, 147), (155, 164), (155.5, 181), (147, 193), (133, 207),
             (121, 221), (109, 234), (102, 247), (101, 271), (95, 280), (82, 272), (69, 258), (68, 247), (80, 241),
             (95, 236), (106, 226), (112, 216), (121, 198), (129, 182), (134, 166), (138, 150), (136, 136), (130, 128)]
_AMYGDALA = [(155.5, 181), (157, 195), (152, 215), (150, 230), (152, 245), (156, 258), (150, 273), (140, 282),
             (126, 287), (112, 284), (98, 280), (84, 271), (70, 260), (64, 251), (70, 243), (84, 236), (102, 222),
             (112, 212), (124, 196), (140, 186)]
_SSP = [(110, 22), (140, 38), (170, 62), (135, 104), (128, 92), (116, 78), (102, 66), (86, 57), (98, 48)]
_RSP = [(0, 27), (4, 20), (12, 12), (25, 8), (54, 10), (51, 30), (49, 47), (42, 46.5), (33, 45), (26, 49), (18, 57),
        (8, 62), (0, 63)]
_THIRD_VENTRICLE_DORSAL = [(0, 83), (3, 86), (9, 97), (10, 103), (7, 109), (3, 120), (1.5, 130), (0, 134)]
_THIRD_VENTRICLE_VENTRAL = [(0, 214), (1.4, 222), (2.2, 250), (2.0, 280), (1.2, 288), (0, 290)]
_LATERAL_VENTRICLE = [(127, 127), (131, 119), (134, 124), (138, 136), (139, 146), (135, 152), (133, 142), (130, 133)]
_PEDUNCLE = [(103, 183), (108, 189), (109, 199), (104, 210), (90, 222), (76, 233), (63, 242), (56, 240), (55, 234),
             (62, 225), (72, 215), (79, 205), (85, 196), (94, 188)]

# structures painted in order: (intensity, soft edge in px, outline)
_PAINT = [
    (0.50, 1.0, _AMYGDALA),
    (0.57, 4.0, [(110, 232), (120, 219), (136, 222), (144, 238), (138, 250), (122, 244)]),       # LA, BLA
    (0.43, 3.0, [(136, 250), (150, 246), (152, 260), (140, 272), (130, 266)]),
    (0.62, 1.2, _STRIATUM),
    (0.49, 3.0, [(68, 247), (80, 241), (95, 236), (103, 246), (101, 271), (95, 280), (82, 272), (69, 258)]),  # MEA
    (0.76, 5.0, [(143, 140), (150, 149), (153, 164), (147, 168), (142, 156)]),                   # dorsal CP
    (0.24, 3.0, [(122, 130), (128, 134), (130, 160), (124, 182), (117, 200), (114, 190), (120, 165)]),  # GP, capsule
    (0.09, 2.0, [(109, 128), (119, 130), (122, 150), (118, 178), (113, 186), (113, 165)]),       # fimbria
    (0.46, 0.8, _THALAMUS),
    (0.39, 3.0, [(100, 136), (106, 142), (110, 164), (109, 176), (103, 174), (101, 155)]),       # reticular nucleus
    (0.62, 1.5, [(106, 137), (108.5, 141), (112, 156), (111.5, 168), (109.5, 158)]),
    (0.57, 3.0, [(72, 142), (84, 142), (93, 153), (94, 162), (86, 171), (66, 180), (58, 176), (66, 158)]),    # VPM, VPL
    (0.52, 2.0, [(80, 114), (93, 117), (102, 125), (103, 133), (94, 138), (84, 128)]),           # LGd
    (0.30, 1.6, [(76, 114), (79, 122), (87, 133), (97, 146), (99.5, 160), (97, 168), (95, 158), (90, 145), (80, 133),
                 (75, 122)]),                                                                    # medullary lamina
    (0.40, 2.5, [(24, 116), (44, 116), (62, 121), (52, 128), (32, 126)]),
    (0.50, 4.0, [(44, 130), (60, 128), (64, 146), (54, 166), (44, 160)]),                        # LP, PO
    (0.41, 4.0, [(18, 150), (32, 148), (36, 166), (26, 180), (17, 172)]),                        # MD
    (0.52, 3.5, [(0, 178), (22, 184), (46, 186), (60, 182), (40, 194), (12, 200), (0, 200)]),
    (0.29, 2.0, [(64, 184), (82, 174), (93, 168), (97, 172), (84, 181), (66, 191), (54, 193)]),  # below VPM
    (0.47, 0.9, _HYPOTHALAMUS),
    (0.60, 2.2, [(32, 211), (58, 201), (84, 187), (96, 181), (90, 190), (64, 206), (44, 213)]),  # ZI
    (0.27, 2.0, [(24, 201), (32, 193), (46, 193), (52, 197), (44, 203), (32, 205)]),             # H fields
    (0.35, 3.0, [(28, 222), (34, 220), (42, 234), (54, 244), (50, 254), (38, 250), (31, 238)]),  # LHA bundles
    (0.53, 5.0, [(8, 235), (24, 232), (29, 246), (24, 264), (10, 262)]),                         # VMH
    (0.05, 1.0, _PEDUNCLE),
    (0.80, 1.2, [(56, 230), (58, 219), (66, 208), (74, 204), (79, 205), (75, 213), (67, 221), (59, 229)]),    # STN
    (0.15, 1.5, [(10, 141), (14, 137), (20, 140), (22.5, 145), (19, 151), (14, 151.5)]),         # fr
    (0.12, 1.0, [(18, 215), (21, 211.5), (25, 212), (26, 217), (23, 222), (19, 221)]),           # mt
    (0.16, 1.0, [(32, 254), (34, 251), (38, 251), (39.5, 254), (37, 257.5), (33, 257)]),         # fx
    (0.50, 1.2, [(1, 131), (4, 120), (6, 113), (10, 109), (13, 113), (12, 122), (8, 130)]),      # medial habenula
    (0.27, 1.0, [(12, 108), (16, 112), (19, 119), (17, 123), (14, 116)]),                        # stria medullaris
]
# lines painted after the areas: (intensity, half width in px, curve)
_LINES = [
    (0.12, 0.9, [(22, 112.5), (45, 112), (62, 111.5), (76, 110.5), (88, 111.5), (100, 117), (108, 124), (118, 128.5)]),
    (0.12, 1.1, [(152, 136), (156, 152), (157.5, 168), (158, 186), (155.5, 200), (151.5, 215), (149.5, 230),
                 (147, 244)]),                                                                   # external capsule
    (0.10, 0.8, [(112, 168), (114, 184), (113, 200), (106, 212), (92, 224), (78, 235), (66, 244)]),
    (0.20, 0.7, [(84, 214), (94, 203), (104, 190)]),
    (0.72, 0.6, [(127, 212), (138, 199), (146, 190), (153, 182)]),
    (0.72, 0.7, [(118, 206), (123, 194), (127, 183)]),
    (0.62, 0.8, [(70, 179), (84, 171), (94, 162)]),
    (0.36, 0.8, [(128, 226), (131, 240), (138, 250)]),
    (0.33, 0.8, [(40, 184), (60, 180), (82, 168)]),
]


def curve(points, closed, n=400):
    """Points along a smooth curve (n, 2) through the control points (cubic; chord-length parameter)."""
    points = np.asarray(points, float)
    if closed:
        points = np.vstack([points, points[:1]])
    spline, _ = splprep(points.T, s=0, k=min(3, len(points) - 1), per=closed)
    return np.stack(splev(np.linspace(0, 1, n), spline), axis=1)


def _polyline(points):
    """An outline that touches the midline keeps its straight edge there; others are closed smoothly."""
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


def _distance_to(line):
    """Distance of each pixel of the hemisphere to a curve, in px: (320, 224) float32."""
    from scipy.spatial import cKDTree

    v, u = np.mgrid[: SHAPE[0], :MIDLINE] + 0.5
    distance, _ = cKDTree(line).query(np.stack([u.ravel(), v.ravel()], 1))
    return distance.reshape(u.shape).astype(np.float32)


def _bump(distance, width):
    return np.exp(-0.5 * (distance / width) ** 2)


def _paint(picture, intensity, coverage, softness=0.0):
    if softness:
        coverage = ndimage.gaussian_filter(coverage, softness)
    return picture + coverage * (intensity - picture)


def _cortex(depth, v):
    """Autofluorescence of cortex by relative depth (0 pia … 1 white matter), dorsal to ventral."""
    knots = [0.0, 0.06, 0.16, 0.26, 0.45, 0.62, 0.80, 0.93, 1.0]
    dorsal = np.interp(depth, knots, [0.50, 0.47, 0.42, 0.52, 0.70, 0.68, 0.62, 0.48, 0.30])
    lateral = np.interp(depth, knots, [0.46, 0.44, 0.41, 0.52, 0.70, 0.72, 0.62, 0.54, 0.42])
    piriform = np.interp(depth, knots, [0.58, 0.58, 0.50, 0.37, 0.42, 0.46, 0.47, 0.48, 0.48])
    to_lateral = np.clip((v - 90) / 60, 0, 1)
    to_piriform = np.clip((v - 178) / 30, 0, 1)
    return (1 - to_piriform) * ((1 - to_lateral) * dorsal + to_lateral * lateral) + to_piriform * piriform


def _hippocampus(picture, inside):
    """CA1–CA3 and dentate gyrus: bands along drawn curves, clipped to the hippocampal outline."""
    depth = ndimage.distance_transform_edt(inside > 0.5)
    ca = 0.70 + 0.20 * _bump(depth - 3, 2.5)                                # stratum oriens, alveus inside
    pyramidal = curve([(12, 88), (25, 82), (35, 73), (45, 64.5), (57, 61.5), (70, 64), (85, 71), (98, 80), (108, 88),
                       (115, 98), (119, 106), (119, 113), (113, 116), (104, 112), (92, 106)], closed=False)
    lacunosum = curve([(14, 97), (25, 94), (36, 88), (46, 79), (57, 73.5), (68, 75.5), (82, 82), (93, 89), (101, 95)],
                      closed=False)
    molecular = curve([(17, 100), (28, 96), (40, 87), (50, 81), (58, 78.5), (70, 81.5), (82, 88), (92, 93), (99, 97)],
                      closed=False)
    granule = curve([(86, 99.5), (78, 96.5), (68, 92), (58, 90.5), (47, 95), (35, 101.5), (26, 105), (25, 107),
                     (36, 105), (50, 100.5), (62, 101.5), (70, 105), (75, 108.5)], closed=False, n=800)
    ca = ca - 0.22 * _bump(_distance_to(pyramidal), 1.3)
    ca = ca - 0.24 * _bump(_distance_to(lacunosum), 1.3)
    ca = ca + 0.20 * _bump(_distance_to(molecular), 3.2)
    v, u = np.mgrid[: SHAPE[0], :MIDLINE]
    hilus = np.exp(-((u - 62) / 30) ** 2 - ((v - 99) / 7) ** 2)
    ca = ca - 0.16 * hilus - 0.30 * _bump(_distance_to(granule), 1.8)
    ca = ca + 0.22 * np.exp(-((u - 124) / 4) ** 2 - ((v - 110) / 14) ** 2)  # bright rim of CA3
    return _paint(picture, ca, inside)


def draw():
    """Draw the average section.

    Returns
    -------
    Anatomy
        At 320 × 448, mirrored about the midline; the same on every call.
    """
    rng = np.random.default_rng(286)                      # of the virtual species, not of a population
    v, u = np.mgrid[: SHAPE[0], :MIDLINE].astype(np.float32)
    pia, white = curve(_PIA, False), curve(_WHITE_SURFACE, False)
    brain = _coverage(np.vstack([pia, curve(_VENTRAL, False)]))
    cortex = _coverage(np.vstack([pia, white[::-1]]))
    fissure = np.stack([np.full(60, 0.3), np.linspace(20, 62, 60)], 1)

    picture = 0.5 * brain
    picture = _paint(picture, 0.13, _coverage(np.vstack([white[:320], [(60, 245), (0, 215)]])))
    to_pia = np.minimum(_distance_to(pia), _distance_to(fissure))
    depth = to_pia / (to_pia + _distance_to(white))
    layers = _cortex(depth, v) * (1 + 0.16 * _bump(u - 11, 6) * (v < 70))   # RSP's bright medial stripe
    picture = _paint(picture, layers, cortex, 0.5)
    picture = _paint(picture, 0.20, _coverage([(0, 63), (22, 60), (40, 50), (30, 66), (18, 75), (0, 76)]), 1.5)
    hippocampus = _coverage(_polyline(_HIPPOCAMPUS))
    picture = _hippocampus(picture, hippocampus)
    for intensity, softness, outline in _PAINT:
        picture = _paint(picture, intensity, _coverage(_polyline(outline)), softness)
    for intensity, width, line in _LINES:
        picture = _paint(picture, intensity, _bump(_distance_to(curve(line, False)), width))

    # nuclei and fibres: correlated mottling of the subcortical grey, radial streaks in the striatum
    thalamus, striatum = (_coverage(_polyline(p)) for p in (_THALAMUS, _STRIATUM))
    hypothalamus = _coverage(_polyline(_HYPOTHALAMUS))
    mottle = ndimage.gaussian_filter(rng.standard_normal(picture.shape), 3.5)
    picture = picture * (1 + 0.09 * mottle / mottle.std() * np.maximum(thalamus, hypothalamus))
    streaks = ndimage.gaussian_filter(rng.standard_normal(picture.shape), (4, 1.2))
    picture = picture * (1 + 0.08 * streaks / streaks.std() * striatum)

    ventricles = np.maximum.reduce([_coverage(_polyline(p)) for p in
                                    (_THIRD_VENTRICLE_DORSAL, _THIRD_VENTRICLE_VENTRAL, _LATERAL_VENTRICLE)])
    picture = _paint(picture, 0.03, ventricles, 0.4)
    picture = picture * (1 - 0.75 * _bump(u, 1.2) * ((v > 18) & (v < 62)))  # the fissure itself
    picture = ndimage.gaussian_filter(picture * brain, 0.8)

    # barrels: bright centres in layer 4 of SSp, with darker septa between them
    ssp = _coverage(curve(_SSP, True)) * cortex
    layer4 = _bump(depth - 0.45, 0.075) * ssp
    along = np.hypot(u - 70, v - 130) * 0 + np.degrees(np.arctan2(130 - v, u - 60))
    barrels = layer4 * (0.5 + 0.5 * np.cos(2 * np.pi * along / 5.2))
    barrels = ndimage.gaussian_filter(barrels, 0.8)

    regions = dict(SSp=ssp, HPF=hippocampus, STR=striatum, TH=thalamus, HY=hypothalamus,
                   RSP=_coverage(_polyline(_RSP)) * cortex)
    atlas = np.zeros(picture.shape, np.uint8)
    for label, name in enumerate(REGIONS, start=1):
        atlas[(regions[name] > 0.5) & (ventricles < 0.5) & (atlas == 0)] = label

    def both(half):
        return np.concatenate([half[:, ::-1], half], axis=1)

    picture = picture + 0.05 * barrels
    return Anatomy(base=both(picture).astype(np.float32), atlas=both(atlas), brain=both(brain) > 0.5,
                   hippocampus=both(hippocampus) > 0.5, striatum=both(striatum) > 0.5, cortex=both(cortex) > 0.5,
                   ventricles=both(ventricles) > 0.5, barrels=both(barrels).astype(np.float32), name="drawn")
