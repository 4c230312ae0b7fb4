"""One draw of tiles for all that is compared: scores of resampled rows, and known spreads."""

import numpy as np
import pandas as pd
import pytest

from helpers.tissue.features import intervals, probes
from helpers.tissue.features.resampling import bootstrap_weights, interval


def table(right, network="a", repeat=0, **facts):
    """Predictions of three areas in tiles of five patches; `right` says which are right."""
    n = len(right)
    truth = np.arange(n) % 3 + 1
    said = np.where(right, truth, truth % 3 + 1)
    about = {"network": network, "probe": "LR", "seed": 0, "repeat": repeat, **facts}
    columns = {"group": np.arange(n) // 15, "truth": truth, "predicted": said}
    return pd.DataFrame({**about, **columns})


@pytest.mark.parametrize("name", ["LR", probes.GMM])
def test_weighted_scores_equal_scores_of_resampled_rows(name):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(1, 4, 50), rng.integers(1, 6, 50)
    weights = bootstrap_weights(truth, repeats=6, seed=1)
    for weight, found in zip(weights, intervals.weighted_scores(name, truth, predicted, weights)):
        rows = np.repeat(np.arange(50), weight.astype(int))
        assert found == pytest.approx(probes.score(name, truth[rows], predicted[rows]))
    same = intervals.weighted_scores(name, truth, truth, weights)
    np.testing.assert_allclose(same, 1)
    one = intervals.weighted_scores(probes.GMM, truth, np.ones(50), weights)
    np.testing.assert_allclose(one, 0, atol=1e-12)


def test_row_0_is_the_score_itself_and_draws_surround_it():
    rng = np.random.default_rng(0)
    both = pd.concat([table(rng.random(300) < p, n) for n, p in (("good", 0.9), ("bad", 0.6))])
    scores = intervals.resampled_scores(both)
    for name, part in both.groupby("network"):
        expected = np.mean(part["truth"] == part["predicted"])
        assert scores[name, "LR"].iloc[0] == pytest.approx(expected)
    difference, (low, high) = intervals.lead(scores["good", "LR"], scores[["bad"]])
    assert 0 < low < difference < high < 0.5
    assert intervals.lead(scores["good", "LR"], scores[["good"]]) == (0, (0, 0))


def test_the_closest_rival_counts():
    draws = pd.DataFrame({"own": [5.0] * 9, "far": [1.0] * 9, "near": [4.0] * 9})
    assert intervals.lead(draws["own"], draws[["far", "near"]]) == (1, (1, 1))
    assert intervals.lead(draws["far"], draws[["own", "near"]]) == (-4, (-4, -4))


def test_repeats_on_the_same_tiles_are_not_independent():
    """Each tile is right or wrong as a whole: three repeats on other patches of it add nothing."""
    luck = np.random.default_rng(0).random(60) < 0.7
    rows = [table(np.repeat(luck, 15), repeat=repeat) for repeat in range(3)]
    one = intervals.resampled_scores(rows[0])["a", "LR"][1:]
    three = intervals.resampled_scores(pd.concat(rows))["a", "LR"][1:]
    np.testing.assert_allclose(three, one)
    apart = np.mean(
        [intervals.resampled_scores(r, seed=i)["a", "LR"][1:] for i, r in enumerate(rows)], axis=0
    )
    assert np.ptp(interval(three)) > 1.3 * np.ptp(interval(apart))  # what own draws would give


def test_networks_are_compared_on_the_same_tiles():
    """A network that is always a little worse on the same tiles: the difference is sure."""
    luck = np.repeat(np.random.default_rng(0).random(60) < 0.5, 15)
    worse = luck & (np.arange(900) % 15 < 12)
    scores = intervals.resampled_scores(pd.concat([table(luck, "a"), table(worse, "b")]))
    _, (low, high) = intervals.lead(scores["a", "LR"], scores[["b"]])
    assert low > 0.05 and high - low < np.ptp(interval(scores["a", "LR"][1:])) / 2


def test_whole_tiles_are_drawn():
    luck = np.repeat(np.random.default_rng(0).random(60) < 0.7, 15)
    tiles = table(luck)
    wide, apart = (
        np.ptp(interval(intervals.resampled_scores(each)["a", "LR"][1:]))
        for each in (tiles, tiles.assign(group=np.arange(900)))
    )
    assert wide > 1.8 * apart


def test_robustness_of_every_draw():
    rng = np.random.default_rng(0)
    curve = {0.1: 0.5, 0.0: 0.9}  # in any order
    rows = [table(rng.random(600) < p, variance=v) for v, p in curve.items()]
    both = pd.concat(rows).drop(columns="probe")
    scores = intervals.resampled_scores(both)
    found = intervals.resampled_robustness(both)["a"]
    clean, noisy = scores["a", 0.0], scores["a", 0.1]
    expected = (1 + (noisy - 1 / 3) / (clean - 1 / 3)) / 2
    np.testing.assert_allclose(found, expected)
