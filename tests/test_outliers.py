"""Outlier scores on pictures with small artifacts where the model is usually good."""

import numpy as np
import pytest

from helpers.brains import outliers


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    rebuilt = np.full((60, 20, 20), 0.5)
    sd = np.where(np.arange(20) < 10, 0.02, 0.1)  # the right half is always rebuilt badly
    images = rebuilt + sd * rng.standard_normal(rebuilt.shape)
    # six artifacts in the quiet half, no larger than the usual error of the other
    images[:6, 5:8, 2:5] += 0.12
    return images, rebuilt


def test_scale_is_the_standard_deviation_and_ignores_a_minority(pictures):
    scale = outliers.residual_scale(*pictures)
    halves = scale[:, :10].mean(), scale[:, 10:].mean()
    assert halves == (pytest.approx(0.02, rel=0.1), pytest.approx(0.1, rel=0.1))
    assert scale[6, 3] == pytest.approx(0.02, rel=0.5)


def test_local_artifacts_are_found_where_the_plain_error_misses_them(pictures):
    images, rebuilt = pictures
    bad = np.arange(60) < 6
    scale = outliers.residual_scale(images, rebuilt)
    area = outliers.detection(outliers.outlier_score(images, rebuilt, scale, share=0.02), bad)[2]
    plain = outliers.detection(((images - rebuilt) ** 2).mean((1, 2)), bad)[2]
    assert area > 0.98 and plain < 0.9


def test_detection_curve_and_its_errors():
    false, true, area = outliers.detection([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert area == 1 and true[-1] == false[-1] == 1
    assert outliers.detection([0.9, 0.8, 0.2, 0.1], [False, False, True, True])[2] == 0
    with pytest.raises(ValueError, match="good and bad"):
        outliers.detection([1, 2], [True, True])
    with pytest.raises(ValueError, match="share"):
        outliers.outlier_score(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), np.ones((2, 2)), share=0)
