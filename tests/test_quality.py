"""Transmission, what is kept and fine texture on images whose answer is known."""

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


def test_coherent_power_counts_what_is_shared_and_not_what_is_made_up():
    generator = np.random.default_rng(0)
    template = generator.random((32, 48)).astype(np.float32)
    images = template + 0.1 * generator.standard_normal((60, 32, 48)).astype(np.float32)
    own = quality.coherent_power(images, images, template)
    half = quality.coherent_power(images, template + 0.5 * (images - template), template)
    made_up = template + 0.1 * generator.standard_normal(images.shape).astype(np.float32)
    assert half == pytest.approx(own / 2, rel=1e-3) and own.min() > 0
    assert abs(quality.coherent_power(images, made_up, template).mean()) < 0.02 * own.mean()
    assert quality.high_frequency_power(made_up).mean() > 0.9 * own.mean()  # power alone is fooled
    same = np.broadcast_to(template, images.shape)
    assert quality.coherent_power(images, same, template) == pytest.approx(0)


def test_kept_deviation_is_one_for_the_image_and_none_for_the_mean():
    generator = np.random.default_rng(1)
    template, clean = generator.random((8, 8)), generator.random((3, 8, 8))
    assert quality.kept_deviation(clean, clean, template) == pytest.approx(1)
    same = np.broadcast_to(template, clean.shape)
    assert quality.kept_deviation(clean, same, template) == pytest.approx(0)
    half = template + 0.5 * (clean - template)
    assert quality.kept_deviation(clean, half, template) == pytest.approx(0.5)
