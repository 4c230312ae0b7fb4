"""The bootstrap draws whole groups, class by class."""

import numpy as np
import pytest

from helpers.tissue.features import resampling


def test_bootstrap_draws_whole_groups_and_keeps_classes_balanced():
    labels, groups = (
        np.random.default_rng(0).permutation(np.repeat([1, 2, 3], 8)),
        np.arange(24) // 4,
    )
    weights = resampling.bootstrap_weights(labels, repeats=50, groups=groups, seed=0)
    for label in (1, 2, 3):
        for group in np.unique(groups):
            together = weights[:, (labels == label) & (groups == group)]
            assert (together == together[:, :1]).all()
    assert not (weights == weights[:1]).all()
    again = resampling.bootstrap_weights(labels, repeats=50, groups=groups, seed=0)
    np.testing.assert_array_equal(weights, again)
    alone = resampling.bootstrap_weights(labels, repeats=50)
    assert all((alone[:, labels == label].sum(axis=1) == 8).all() for label in (1, 2, 3))
    with pytest.raises(ValueError, match="one entry per label"):
        resampling.bootstrap_weights(labels, groups=np.arange(3))


def test_interval_holds_95_of_100_values_and_leaves_nan_out():
    assert resampling.interval(np.append(np.arange(101.0), np.nan)) == (2.5, 97.5)
