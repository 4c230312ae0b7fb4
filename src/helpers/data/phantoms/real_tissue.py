"""Texture of the real tissue, measured with :func:`helpers.tissue.features.texture.measure` and
:func:`helpers.tissue.features.depth_profile.measure_depth`, for the phantom to be held against.

Slice z = 159 of the thalamocortical X-ray volume (Prasad et al. 2020; 1.17 µm a pixel, 8 bit),
areas annotated by hand.
"""

import io

import pandas as pd

TEXTURE = """\
area,mm2,mean_gray,sd_gray,p5,p95,sd_of_local_mean,dark_blobs_per_mm2,small_dark_blobs_per_mm2,bright_fibre_fraction,orientation_coherence,power_slope
Hypothalamus,0.81,0.515,0.112,0.349,0.702,0.040,1140,3440,0.052,0.363,-3.68
ZI,0.57,0.533,0.142,0.263,0.737,0.043,1994,6743,0.077,0.303,-3.99
VP,1.05,0.574,0.146,0.302,0.784,0.057,1600,4218,0.216,0.359,-3.98
Internal capsule,0.39,0.636,0.109,0.455,0.792,0.046,1105,2928,0.410,0.296,-3.66
Striatum,1.05,0.494,0.132,0.290,0.729,0.052,1418,3080,0.096,0.370,-3.31
Corpus callosum,0.09,0.605,0.132,0.404,0.831,0.057,1247,4760,0.261,0.594,nan
Cortex,2.10,0.453,0.093,0.290,0.584,0.026,1090,2408,0.001,0.211,-3.74
"""
# By depth of the cortex: bin 1 lies at the white matter, bin 10 at the pia.
DEPTH_COLUMNS = (
    "mean_gray",
    "sd_gray",
    "sd_of_local_mean_20px",
    "p1",
    "p99",
    "dark_blobs_sigma1.6_per_mm2",
    "dark_blobs_sigma2.5_per_mm2",
    "dark_blobs_sigma3.5_per_mm2",
    "dark_blobs_sigma5.0_per_mm2",
    "dark_blobs_sigma7.0_per_mm2",
    "median_blob_contrast_sigma3.5",
    "bright_fraction_above_0.5",
    "bright_fraction_above_1",
    "orientation_coherence_10px",
    "power_1_3_cycles",
    "power_3_6_cycles",
    "power_6_12_cycles",
    "power_12_24_cycles",
    "power_24_48_cycles",
)
DEPTH_TEXTURE = """\
1,0.487,0.106,0.027,0.173,0.745,5895,2885,1308,619,240,0.832,0.053,0.006,0.269,0.050,0.125,0.337,0.420,0.069
2,0.457,0.098,0.024,0.125,0.675,3697,2025,1138,646,280,1.046,0.009,0.000,0.221,0.039,0.144,0.362,0.396,0.060
3,0.450,0.095,0.024,0.125,0.655,3180,1857,1191,666,281,0.956,0.006,0.000,0.197,0.034,0.132,0.405,0.375,0.054
4,0.455,0.096,0.025,0.114,0.659,3014,1754,1034,619,249,1.146,0.006,0.000,0.234,0.035,0.123,0.386,0.396,0.061
5,0.452,0.090,0.023,0.125,0.635,2684,1666,1022,495,234,0.967,0.003,0.000,0.202,0.039,0.142,0.360,0.399,0.060
6,0.455,0.093,0.022,0.098,0.647,2501,1646,1093,598,261,1.046,0.005,0.000,0.213,0.039,0.130,0.370,0.405,0.056
7,0.465,0.100,0.021,0.090,0.659,2963,2183,1542,793,256,1.055,0.008,0.000,0.196,0.033,0.121,0.407,0.394,0.045
8,0.459,0.091,0.019,0.122,0.631,2300,1542,1178,745,364,1.241,0.007,0.001,0.174,0.037,0.152,0.447,0.319,0.045
9,0.436,0.081,0.020,0.125,0.580,1723,1046,818,552,320,1.217,0.001,0.000,0.188,0.052,0.187,0.433,0.281,0.046
10,0.423,0.065,0.025,0.165,0.541,1172,761,537,331,149,1.101,0.000,0.000,0.283,0.058,0.153,0.422,0.303,0.064
"""


def real_texture() -> pd.DataFrame:
    """Return the real tissue's table: one row per area, columns as in
    :func:`helpers.tissue.features.texture.measure`.
    """
    return pd.read_csv(io.StringIO(TEXTURE), index_col="area")


def real_depth_texture() -> pd.DataFrame:
    """Return the real cortex's table: one row per depth bin, columns as in
    :func:`helpers.tissue.features.depth_profile.measure_depth`.
    """
    names = ["depth_bin", *DEPTH_COLUMNS]
    return pd.read_csv(io.StringIO(DEPTH_TEXTURE), names=names, index_col="depth_bin")
