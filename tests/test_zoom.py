"""Boxes of a map against a search through all of them."""

import numpy as np
import pytest

from helpers.tissue.cortex import zoom


def test_zoom_box_is_the_best_of_all_boxes():
    components = np.random.default_rng(0).integers(-1, 3, (14, 17)).repeat(2, 0).repeat(2, 1)
    top, left = zoom.zoom_box(components, 3, 6)

    def rarest(i, j):
        box = components[i : i + 6, j : j + 6]
        return min((box == c).sum() for c in range(3)), (box >= 0).sum()

    assert rarest(top, left) == max(rarest(i, j) for i in range(23) for j in range(29))


def test_example_windows_hold_their_component():
    components = np.full((30, 30), 2)
    components[4:14, 6:16], components[18:28, 15:25] = 0, 1
    found = zoom.example_windows(components, 2, (2, 3), 27, 10)
    assert found == [(4, 6), (18, 15)]
    with pytest.raises(ValueError, match="does not fit"):
        zoom.zoom_box(components, 3, 31)
