"""Minimal filtering against its definition, and the layers against a convolution in float64."""

import itertools

import numpy as np
import pytest
import torch
from scipy import signal
from torch.nn import functional as F

from helpers.tissue.network import winograd

SIZES = [(m, r) for m, r in itertools.product(range(2, 10), repeat=2) if m + r <= 11]


@pytest.mark.parametrize("outputs, taps", SIZES)
def test_identity_in_one_and_two_dimensions(outputs, taps):
    back, spread, forward = winograd.minimal_filter(outputs, taps)
    n = outputs + taps - 1
    assert (back.shape, spread.shape, forward.shape) == ((outputs, n), (n, taps), (n, n))
    rng = np.random.default_rng(n)
    numbers, filters = rng.normal(size=(n, n)), rng.normal(size=(taps, taps))

    found = back @ ((spread @ filters[0]) * (forward @ numbers[0]))  # n multiplications
    np.testing.assert_allclose(found, np.correlate(numbers[0], filters[0], "valid"), atol=1e-12)

    found = back @ ((spread @ filters @ spread.T) * (forward @ numbers @ forward.T)) @ back.T
    expected = signal.correlate2d(numbers, filters, "valid")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(1, abs(found).max()))


def test_the_smallest_one_is_the_published_one():
    # F(2, 3) of Winograd (1980), up to the scale of each of its four products.
    back, spread, forward = winograd.minimal_filter(2, 3)
    products = [(1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)]
    for row, expected in zip(forward, products):
        assert abs(np.corrcoef(row, expected)[0, 1]) == pytest.approx(1)


def test_every_output_counts_the_point_one_fully():
    for sizes in SIZES:
        np.testing.assert_array_equal(winograd.minimal_filter(*sizes)[0][:, 1], 1)


@pytest.mark.parametrize("outputs, taps", [(1, 3), (3, 1), (7, 5)])
def test_sizes_that_do_not_exist_are_an_error(outputs, taps):
    with pytest.raises(ValueError, match=f"11 together at most, found {outputs} and {taps}"):
        winograd.minimal_filter(outputs, taps)


def layers(taps, tile, dilation, channels=3, units=256, features=7):
    torch.manual_seed(0)
    hidden = torch.randn(units, channels, taps, taps), torch.randn(units)
    last = torch.randn(features, units) / units**0.5, torch.randn(features)
    return hidden, last, winograd.WinogradLayers(hidden, last, tile, dilation)


def reference(x, hidden, last, dilation):
    """Both layers in float64: (H, W, channels) -> (rows, columns, features)."""
    weight, bias = (tensor.double() for tensor in hidden)
    y = F.conv2d(x.double().permute(2, 0, 1)[None], weight, bias, dilation=dilation)
    return F.linear(F.relu(y)[0].permute(1, 2, 0), *(tensor.double() for tensor in last))


@pytest.mark.parametrize("dilation", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(
    "taps, tile, limit", [(5, 6, 1e-5), (5, 8, 1e-5), (5, 10, 2e-4), (6, 8, 1e-5)]
)
def test_layers_equal_a_convolution(taps, tile, limit, dilation):
    hidden, last, layer = layers(taps, tile, dilation)
    assert layer.side == 16 * (tile - taps + 1)
    assert layer.reach == layer.side + dilation * (taps - 1)
    top, left = 3, 5
    x = torch.rand(layer.reach + top + 2, layer.reach + left + 4, 3)
    found = layer.block(layer.rows(x, top), left)
    window = x[top : top + layer.reach, left : left + layer.reach]
    expected = reference(window, hidden, last, dilation)
    assert found.shape == expected.shape == (layer.side, layer.side, 7)
    assert (found - expected).abs().max() < limit * expected.abs().max()


def test_error_is_relative_to_the_largest_activation_of_a_tile():
    hidden, last, layer = layers(5, 8, 1)
    x = torch.rand(layer.reach, layer.reach, 3)
    x[10, 10] = 1e6
    found = layer.block(layer.rows(x, 0), 0)
    expected = reference(x, hidden, last, 1)
    difference = (found - expected).abs()
    assert difference.max() < 1e-5 * expected.abs().max()
    far = difference[16:, 16:]  # tiles that do not read it are as exact as ever
    assert far.max() < 1e-5 * expected[16:, 16:].abs().max()


def test_a_block_does_not_depend_on_the_one_before():
    _, _, layer = layers(5, 8, 4)
    x = torch.rand(layer.reach, layer.reach, 3)
    first = layer.block(layer.rows(x, 0), 0)
    layer.block(layer.rows(100 * torch.rand_like(x), 0), 0)
    assert torch.equal(layer.block(layer.rows(x, 0), 0), first)


def test_rounding_error_grows_with_the_tile():
    two, four, six = (winograd.rounding_error(outputs, 5) for outputs in (2, 4, 6))
    assert 0 < two < four < six < 1e-3
    assert four < 2e-5


def test_figure_of_minimal_filtering():
    from helpers.tissue import figures
    from helpers.tissue.network import fragments

    work = fragments.multiply_adds()
    patch, once, filtered = work.values()
    assert patch > 20 * once > 80 * filtered
    figure = figures.minimal_filtering(work, {2: 1e-6, 4: 1e-5}, taps=5, chosen=4)
    labels = {text.get_text() for axis in figure.axes for text in axis.texts}
    assert {"25", "9", "4", "78"} <= labels
