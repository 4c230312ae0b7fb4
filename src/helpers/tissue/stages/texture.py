"""Stages of page 01: what the tissue of a slice is made of, by area and by depth of the cortex."""

import pandas as pd

from helpers.book.run import Run
from helpers.data.datasets import Slice
from helpers.data.phantoms.real_tissue import real_depth_texture, real_texture
from helpers.tissue.cortex.depth import cortical_depth
from helpers.tissue.features import depth_profile, texture
from helpers.tissue.stages.kmeans import cortex_label


def area_texture(run: Run, piece: Slice) -> pd.DataFrame:
    """Return the texture of every area of an annotated slice; of an area in several pieces, that
    of the largest (of white matter, the internal capsule).
    """
    names = dict(enumerate(run.microct.areas, start=1))
    pieces = texture.largest_pieces(piece.areas)
    return texture.measure(piece.image, pieces, run.microct.pixel_size_um, names)


def depth_texture(run: Run, piece: Slice) -> pd.DataFrame:
    """Return the texture of an annotated slice's cortex in ten bins of depth.

    Raises
    ------
    ValueError
        If no area is called cortex, its depth is not defined, or it is not there at every depth.
    """
    cortex = piece.areas == cortex_label(run)
    tissue = piece.areas > 0
    depth = cortical_depth(cortex, tissue & ~cortex)
    return depth_profile.measure_depth(piece.image, depth, tissue, run.microct.pixel_size_um)


def area_texture_against_real(measured: pd.DataFrame) -> pd.DataFrame:
    """Hold a phantom's table of areas against real tissue, white matter being the internal
    capsule (see `texture.compare`).
    """
    real = real_texture().rename(index={"Internal capsule": "WM"})
    return texture.compare(measured.drop(columns="mm2"), real)


def depth_texture_against_real(measured: pd.DataFrame) -> pd.DataFrame:
    """Hold a phantom's table of cortical depth against real tissue (see `texture.compare`)."""
    return texture.compare(measured, real_depth_texture())
