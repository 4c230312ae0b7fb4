import numpy as np
import pytest
from scipy import special

from helpers.tissue.network import area_map


def logits(shape=(30, 40), n=3, seed=0):
    return np.random.default_rng(seed).normal(size=(*shape, n)).astype(np.float32)


def test_no_smoothing_is_log_softmax():
    x = logits()
    np.testing.assert_allclose(
        area_map.smooth_log_posteriors(x, np.ones((30, 40), bool), 0),
        special.log_softmax(x, axis=-1),
        rtol=1e-5,
    )


def test_smoothing_is_a_weighted_mean_over_the_tissue():
    x, mask, sigma = logits(), np.random.default_rng(1).random((30, 40)) < 0.7, 2.0
    smooth = area_map.smooth_log_posteriors(x, mask, sigma)
    own = special.log_softmax(x.astype(float), axis=-1)
    rows, columns = np.mgrid[:30, :40]
    for i, j in [(15, 20), (0, 0), (29, 5)]:
        weight = mask * np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / (2 * sigma**2))
        weight *= (abs(rows - i) <= 8) & (abs(columns - j) <= 8)  # the filter ends at 4 sigma
        mean = (own * weight[..., None]).sum((0, 1)) / weight.sum()
        np.testing.assert_allclose(smooth[i, j], special.log_softmax(mean), rtol=1e-4)


def test_votes_from_outside_the_tissue_do_not_count():
    x, mask = logits(), np.ones((30, 40), bool)
    mask[:, 20:] = False
    y = x.copy()
    y[:, 20:] = 100 * logits(seed=5)[:, 20:]
    a, b = (area_map.smooth_log_posteriors(v, mask, 3)[mask] for v in (x, y))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_smoothing_recovers_contiguous_areas_from_noisy_votes():
    truth = np.zeros((60, 90), int)
    truth[:, 45:] = 1
    x = np.random.default_rng(0).normal(size=(60, 90, 2)) + 0.7 * np.eye(2)[truth]
    mask = np.ones(truth.shape, bool)
    accuracy = [
        (area_map.smooth_log_posteriors(x, mask, s).argmax(-1) == truth).mean() for s in (0, 3)
    ]
    assert accuracy[0] < 0.8 and accuracy[1] > 0.96


@pytest.mark.parametrize(
    "shape, stride", [((37, 50), 1), ((37, 50), 4), ((64, 64), 8), ((33, 47), 3)]
)
def test_label_map_takes_the_nearest_position(shape, stride):
    grid = tuple(-(-side // stride) for side in shape)
    x = logits(grid, 4)
    mask = np.random.default_rng(0).random(shape) < 0.9
    labels = area_map.label_map(x, shape, stride, mask)
    assert labels.shape == shape and labels.dtype == np.uint8
    assert (labels[~mask] == 0).all()
    for i in range(grid[0]):
        for j in range(grid[1]):
            if mask[i * stride, j * stride]:
                assert labels[i * stride, j * stride] == x[i, j].argmax() + 1
    distance = np.abs(np.arange(shape[0])[:, None] - np.arange(grid[0]) * stride)
    chosen = np.minimum((np.arange(shape[0]) + stride // 2) // stride, grid[0] - 1)
    assert (distance[np.arange(shape[0]), chosen] == distance.min(1)).all()


def test_error_messages():
    with pytest.raises(ValueError, match="one grid"):
        area_map.smooth_log_posteriors(logits(), np.ones((30, 41), bool), 1)
    with pytest.raises(ValueError, match="do not cover a slice"):
        area_map.label_map(logits(), (300, 40), 4, np.ones((300, 40), bool))
