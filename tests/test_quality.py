"""Transmission, fine texture and the elbow on images and curves whose answer is known."""

import numpy as np
import pytest

from helpers.brains import quality


def test_transmission_is_one_for_a_copy_and_zero_for_a_model_that_ignores_its_input():
    clean = np.random.default_rng(9).random((3, 8, 8))
    corrupted = clean.copy()
    corrupted[:2, 2:4, 2:4] += 0.5
    assert quality.transmission(clean, corrupted, clean, corrupted)[:2] == pytest.approx([1, 1])
    assert quality.transmission(clean, corrupted, clean, clean)[:2] == pytest.approx([0, 0])
    halved = clean + 0.5 * (corrupted - clean)
    assert quality.transmission(clean, corrupted, clean, halved)[:2] == pytest.approx([0.5, 0.5])
    assert np.isnan(quality.transmission(clean, corrupted, clean, halved)[2])


def test_high_frequency_power_sees_fine_stripes_and_not_coarse_ones():
    x = np.arange(64)
    coarse, fine = (np.tile(np.sin(2 * np.pi * f * x), (64, 1)) for f in (1 / 32, 1 / 4))
    low, high = quality.high_frequency_power(np.stack([coarse, fine]))
    assert low < 1e-3 and high == pytest.approx(0.5, rel=0.05)  # the variance of a sine


def test_elbow_is_found_and_not_invented():
    x = [2, 4, 8, 16, 32]
    assert quality.elbow(x, [0.2, 0.5, 0.9, 0.92, 0.93]) == 8
    assert quality.elbow(x, [10, 5, 1, 0.8, 0.7]) == 8  # falling curves bend as well
    with pytest.raises(ValueError, match="at least 4"):
        quality.elbow([2, 8, 16], [1, 2, 3])
    with pytest.raises(ValueError, match="level"):
        quality.elbow(x, [1, 2, 3, 2, 1])
