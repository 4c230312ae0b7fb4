"""Texture of the real tissue, measured with :func:`helpers.tissue.features.texture.measure`, for
the phantom to be held against.

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


def real_texture() -> pd.DataFrame:
    """Return the real tissue's table: one row per area, columns as in
    :func:`helpers.tissue.features.texture.measure`.
    """
    return pd.read_csv(io.StringIO(TEXTURE), index_col="area")
