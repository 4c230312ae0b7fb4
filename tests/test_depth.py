"""Depth, bands, strips and the interior of cortex, on shapes whose answer is known."""

import numpy as np
import pytest

from helpers.tissue.cortex import depth as depths


def slab(height=80, width=200, start=120):
    """A slice whose cortex is the right-hand part, cut straight above and below; the rest is
    another area.
    """
    rows, columns = np.indices((height + 20, width + 20)) - 10
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return inside & (columns >= start), inside & (columns < start)


@pytest.mark.parametrize("turns", range(4))
def test_depth_runs_from_the_free_surface_to_the_other_areas(turns):
    mask, other = slab()
    depth = depths.cortical_depth(np.rot90(mask, turns), np.rot90(other, turns))
    depth = np.rot90(depth, -turns)
    assert np.isnan(depth[~mask]).all() and not np.isnan(depth[mask]).any()
    # linear from the inner side (left) to the pia (right)
    np.testing.assert_allclose(depth[20:80, 130:210] - np.linspace(1, 0, 80), 0, atol=0.03)


def test_a_gap_and_a_vessel_do_not_disturb_depth():
    mask, other = slab()
    whole = depths.cortical_depth(mask, other)
    other[:, 110:130] = False  # an unlabelled corpus callosum
    mask[45:52, 160:168] = False
    depth = depths.cortical_depth(mask, other)
    np.testing.assert_allclose(depth[mask], whole[mask], atol=1e-6)


def test_depth_of_an_arched_cortex_follows_the_arch():
    rows, columns = np.mgrid[:150, :300]
    radius = np.hypot(rows - 149, columns - 150)
    depth = depths.cortical_depth((radius > 70) & (radius < 140), radius <= 70)
    inside = (radius > 75) & (radius < 135) & (rows < 120)
    np.testing.assert_allclose(depth[inside], (140 - radius[inside]) / 70, atol=0.06)


def test_depth_needs_both_sides():
    mask, other = slab()
    with pytest.raises(ValueError, match="a mask is empty"):
        depths.cortical_depth(mask, ~other & False)
    with pytest.raises(ValueError, match="one shape"):
        depths.cortical_depth(mask, other[1:])


def test_bands_are_named_from_the_surface_down():
    depth = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.9, 1.0, np.nan])
    np.testing.assert_array_equal(depths.depth_bands(depth), [1, 1, 2, 3, 4, 5, 5, 0])


@pytest.mark.parametrize("turns", range(4))
def test_strip_has_white_matter_on_the_left(turns):
    mask, other = slab()
    depth = np.rot90(depths.cortical_depth(mask, other), turns)
    strip = depths.cortical_strip(depth, 20)
    cut = strip.take(depth)
    assert cut.shape == (20, 80) and not np.isnan(cut).any()
    assert (np.diff(cut, axis=1) < 0).all()
    assert strip.take(np.dstack([depth] * 3)).shape == (20, 80, 3)
    with pytest.raises(ValueError, match="does not fit"):
        depths.cortical_strip(depth, 1000)


def test_interior_is_a_distance_from_the_edge_and_overlooks_vessels():
    mask, expected = np.zeros((2, 60, 70), bool)
    mask[5:55] = expected[15:45, 10:60] = True  # the border of the image is an edge too
    mask[30, 30] = expected[30, 30] = False
    np.testing.assert_array_equal(depths.interior(mask, 10), expected)


def test_depth_follows_layers_where_the_outline_says_otherwise():
    """Layers that run across: from left (surface) to right."""
    layers = np.repeat(np.repeat([1, 2, 3], 20)[None], 30, axis=0)
    depth = depths.depth_of_layers(np.pad(layers, 2))[2:-2, 2:-2]
    assert (np.diff(depth, axis=1) > 0).all()
    assert depth.min() < 0.05 and depth.max() > 0.95
    assert np.allclose(depth[:, [19, 20, 39, 40]], [[1 / 3, 1 / 3, 2 / 3, 2 / 3]], atol=0.02)
    assert depths.runs_along(depth, layers)
    down = np.repeat(np.linspace(0, 1, 30)[:, None], 60, axis=1)
    assert not depths.runs_along(down, layers)
    assert not depths.runs_along(np.where(layers == 1, down, np.nan), layers)


def test_depth_from_one_layer_is_refused():
    with pytest.raises(ValueError, match="two layers or more, found 1"):
        depths.depth_of_layers(np.ones((4, 4), int))
