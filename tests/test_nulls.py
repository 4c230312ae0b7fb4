"""Shifts along depth: they move what a map says of depth and leave all else as it was."""

import numpy as np
import pytest

from helpers.tissue.cortex.nulls import depth_shifts


def slab(height=40, width=60):
    """Depth of a slab, surface at the right, with a hole and a ragged end."""
    depth = np.tile(np.linspace(1, 0, width), (height, 1))
    depth[10:13, 20:25] = np.nan
    depth[30:, 55:] = np.nan
    return depth


def test_each_shift_is_a_permutation_within_a_line():
    depth = slab()
    inside = ~np.isnan(depth)
    rows = np.nonzero(inside)[0]
    for shifted in depth_shifts(depth, 10, draws=5):
        assert sorted(shifted) == list(range(inside.sum()))
        np.testing.assert_array_equal(rows[shifted], rows)


@pytest.mark.parametrize("turns", range(4))
def test_columns_turn_as_one_and_against_each_other(turns):
    depth = np.rot90(np.tile(np.linspace(1, 0, 50), (40, 1)), turns)
    values = np.rot90(np.tile(np.arange(50), (40, 1)), turns)
    for shifted in depth_shifts(depth, 20, draws=5, seed=1):
        moved = np.rot90(values[~np.isnan(depth)][shifted].reshape(depth.shape), -turns)
        for column in (moved[:20], moved[20:]):  # whole columns turn by one step count
            assert (column == column[0]).all()
            assert (np.diff(column[0]) % 50 == 1).all()  # around the end, order kept
        assert not np.array_equal(moved[0], moved[-1])


def test_shifts_are_spread_evenly_and_follow_the_seed():
    depth = np.tile(np.linspace(0, 1, 40), (4, 1))
    steps = [shifted[0] for shifted in depth_shifts(depth, 4, draws=4000, seed=0)]
    counts = np.bincount(steps, minlength=40)
    assert counts.min() > 50 and counts.max() < 160  # 100 each
    first, again = (next(depth_shifts(depth, 2, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_line_without_neighbours_and_impossible_requests():
    depth = np.full((5, 5), np.nan)
    depth[2, 3] = 0.5
    np.testing.assert_array_equal(next(depth_shifts(depth, 3)), [0])
    with pytest.raises(ValueError, match="found 0 positions"):
        next(depth_shifts(np.full((3, 3), np.nan), 2))
    with pytest.raises(ValueError, match="a width of 0"):
        next(depth_shifts(depth, 0))
