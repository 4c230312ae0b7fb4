"""What the microCT phantom's cortex is made of, by depth.

One table holds what is drawn at ten depths from the pia to the white matter, set so that the drawn
cortex, measured by depth, lies near the real one
(:func:`helpers.data.phantoms.real_tissue.real_depth_texture`): puncta and processes thin out
towards the pia, cells grow and stand out more in layer 2/3, layer 4 is crowded with small ones,
layer 5 has large pyramidal cells, layer 1 hardly any, and bright fibre lies deep in layer 6 and in
layer 4. Lengths are in pixels of 1.17 µm, gray in [0, 1], densities per mm² of section.
"""

import numpy as np

#: Depths of the table's columns; 0 = pia, 1 = white matter.
DEPTHS = tuple(np.linspace(0.05, 0.95, 10))
# What is drawn at each depth:
# matrix      gray between cells and axons
# grain       standard deviation in gray of isotropic texture
# fibre       standard deviation in gray of fine texture along fibres
# puncta      small dark puncta and pieces of processes per mm²
# neurons, radius, contrast
#             cell bodies per mm², their mean radius, how much darker than the matrix
# pyramids    large pyramidal cells per mm²
# axons       share of section taken by scattered myelinated axons
# threads     share of section taken by bright threads of axons along the fibres
# capillaries segments per mm² whose centre lies within their reach of the slice
# fmt: off
PROFILE = {
    #            pia                                                           white matter
    "matrix":   (0.460, 0.470, 0.488, 0.496, 0.482, 0.472, 0.466, 0.465, 0.478, 0.498),
    "grain":    (0.018, 0.023, 0.025, 0.034, 0.037, 0.038, 0.040, 0.041, 0.043, 0.052),
    "fibre":    (0.018, 0.012, 0.010, 0.014, 0.014, 0.014, 0.018, 0.018, 0.020, 0.027),
    "puncta":   (  680,   830,   880,  1350,  1300,  1400,  1450,  1450,  1600,  4300),
    "neurons":  (  220,   580,   820,  1490,   920,   700,   680,   750,   710,   610),
    "radius":   (  4.6,   5.4,   5.3,   4.0,   4.6,   4.7,   4.4,   4.5,   5.0,   4.9),
    "contrast": ( 0.20,  0.24,  0.26,  0.24,  0.23,  0.23,  0.24,  0.22,  0.23,  0.19),
    "pyramids": (    0,     0,     8,     0,    35,    40,    10,     0,     0,     0),
    "axons":    (0.000, 0.000, 0.010, 0.030, 0.020, 0.020, 0.030, 0.030, 0.040, 0.080),
    "threads":  (0.000, 0.005, 0.012, 0.020, 0.014, 0.010, 0.028, 0.021, 0.013, 0.078),
    "capillaries": (450, 540,  580,   800,   580,   560,   560,   540,   560,   600),
}
# fmt: on
BARREL_NEURONS, SEPTUM_NEURONS = 1.2, 0.77  # of layer 4's density
PYRAMID_RADIUS = 7.5


def by_depth(name: str, depth: np.ndarray) -> np.ndarray:
    """Return one row of the table at every depth, in between by straight lines.

    Parameters
    ----------
    name : str
        Of the table `PROFILE`.
    depth : array
        0 at the pia to 1 at the white matter.

    Returns
    -------
    float32 array of the shape of `depth`
    """
    return np.interp(depth, DEPTHS, PROFILE[name]).astype(np.float32)
