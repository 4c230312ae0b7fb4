"""Densities of cells and fibres that were drawn."""

import itertools

import numpy as np
import pytest

from helpers.tissue.factors import densities


def test_densities_count_what_was_drawn():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.1, (300, 300))
    rows, columns = np.mgrid[:300, :300]
    # dark discs in the upper half
    for i, j in itertools.product(range(20, 150, 26), range(20, 280, 26)):
        image -= 3 * (np.hypot(rows - i, columns - j) < 5)
    image[200:, 100:104] += 4  # one bright fibre
    everywhere = np.ones((300, 300), bool)
    cells = densities.cell_density(image, everywhere, 1.0, window=104)
    assert cells[80, 150] == pytest.approx(1e6 / 26**2, rel=0.15) and cells[235, 248] == 0
    fibres = densities.fibre_density(image, everywhere, window=60)
    # the smoothing widens it from 4 to 6 px
    assert fibres[260, 102] == pytest.approx(6 / 60, rel=0.05)
    assert fibres[260, 250] == 0 and fibres[100, 102] == 0
    half = densities.cell_density(image, columns < 150, 1.0, window=104)
    assert half[80, 149] == pytest.approx(1e6 / 26**2, rel=0.25)
