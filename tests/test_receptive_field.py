"""Receptive fields of an encoder whose fields are known; KL divergence against its integral."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from helpers.brains import receptive_field as rf

SHAPE = (12, 16)
ATLAS = np.zeros(SHAPE, np.uint8)
ATLAS[1:5, 1:5], ATLAS[7:11, 1:5], ATLAS[4:9, 9:14] = 1, 2, 3


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0.2, 0.6, (60, *SHAPE)).astype(np.float32)


def known_encoder(images):
    """Latent 0 rises with region 1, latent 1 falls with region 3, latent 2 sees a pixel outside all
    regions.
    """
    region = [images[:, label == ATLAS].mean(1) for label in (1, 2, 3)]
    return np.stack([10 * region[0], -10 * region[2] + 0.1 * region[1], images[:, 0, 0]], axis=1)


@pytest.fixture(scope="module")
def responses(images):
    return rf.region_responses(known_encoder, images, rf.region_masks(ATLAS, 3))


@pytest.mark.parametrize("p, q", [((0, 1), (0, 1)), ((1, 0.5), (-0.3, 2)), ((0.2, 3), (0.1, 0.4))])
def test_gaussian_kl_is_the_integral(p, q):
    def integrand(x):
        log_p, log_q = (norm.logpdf(x, m, np.sqrt(v)) for m, v in (p, q))
        return np.exp(log_p) * (log_p - log_q)

    expected = quad(integrand, -30, 30, points=[p[0]], limit=200)[0]
    assert rf.gaussian_kl(*p, *q) == pytest.approx(expected, abs=1e-6)


def test_gaussian_kl_is_elementwise_directed_and_never_negative():
    rng = np.random.default_rng(1)
    mp, mq = rng.standard_normal((2, 5, 4))
    vp, vq = rng.uniform(0.1, 3, (2, 5, 4))
    kl = rf.gaussian_kl(mp, vp, mq, vq)
    assert kl.shape == (5, 4) and (kl >= 0).all()
    assert kl[2, 3] == pytest.approx(float(rf.gaussian_kl(mp[2, 3], vp[2, 3], mq[2, 3], vq[2, 3])))
    assert not np.allclose(kl, rf.gaussian_kl(mq, vq, mp, vp))
    assert rf.gaussian_kl(0.0, 1.0, 0.0, 4.0) == pytest.approx(0.5 * (np.log(4) + 1 / 4 - 1))
    with pytest.raises(ValueError, match="positive"):
        rf.gaussian_kl(0, 0, 0, 1)


def test_gaussian_kl_agrees_with_torch():
    p, q = Normal(0.3, 1.2), Normal(-0.5, 0.7)
    expected = float(kl_divergence(p, q))
    assert rf.gaussian_kl(0.3, 1.44, -0.5, 0.49) == pytest.approx(expected, rel=1e-5)


def test_a_filled_region_is_flat_and_nothing_else_changes(images):
    mask = ATLAS == 2
    brightness = rf.region_brightness(images, rf.region_masks(ATLAS, 3))
    assert brightness[1] == pytest.approx(images[:, mask].mean(), rel=1e-5)
    for weight in (0.0, 1.0, 2.0):
        filled = rf.fill_region(images, mask, brightness[1], weight)
        np.testing.assert_allclose(filled[:, mask], weight * brightness[1], rtol=1e-6)
        np.testing.assert_array_equal(filled[:, ~mask], images[:, ~mask])
    scaled = rf.scale_region(images, mask, 1.3)
    np.testing.assert_allclose(scaled[:, mask], 1.3 * images[:, mask], rtol=1e-6)
    np.testing.assert_array_equal(scaled[:, ~mask], images[:, ~mask])


def test_an_absent_region_is_an_error():
    with pytest.raises(ValueError, match="labels 4 of"):
        rf.region_masks(ATLAS, 4)


def test_known_fields_are_recovered_with_region_latent_and_sign(responses):
    assert responses.shape == (3, 5, 60, 3)
    mean, variance = rf.fit_gaussians(responses)
    moved = mean[:, -1] - mean[:, 0]  # dark to bright
    # latent 0 rises with region 1, latent 1 falls with region 3
    assert moved[0, 0] > 1 and moved[2, 1] < -1
    assert np.abs(moved[:, 2]).max() < 1e-6
    # Add the encoder's own noise: in a real model no latent is constant when a region is filled.
    noisy = responses + np.random.default_rng(2).normal(0, 0.1, responses.shape)
    impact = rf.kl_matrix(*rf.fit_gaussians(noisy))
    assert impact[:, :2].argmax(axis=0).tolist() == [0, 2]
    assert impact[0, 0] > 100 * impact[1:, 0].max() and impact[:, 2].max() < 0.1
    shares = rf.normalise_rows(impact)
    np.testing.assert_allclose(shares.sum(1), 1)
    assert shares[0].argmax() == 0 and shares[2].argmax() == 1


def test_direction_of_the_kl_is_dark_to_bright():
    mean, variance = np.zeros((1, 5, 1)), np.ones((1, 5, 1))
    variance[0, -1] = 4.0
    there, back = 0.5 * (np.log(4) + 1 / 4 - 1), 0.5 * (np.log(1 / 4) + 4 - 1)
    assert rf.kl_matrix(mean, variance)[0, 0] == pytest.approx(there)
    both = rf.kl_matrix(mean, variance, symmetric=True)
    assert both[0, 0] == pytest.approx((there + back) / 2)


def test_gaussians_are_fitted_over_images():
    responses = np.random.default_rng(3).standard_normal((2, 3, 400, 4)) * 2 + 1
    mean, variance = rf.fit_gaussians(responses)
    np.testing.assert_allclose(mean[1, 2, 3], responses[1, 2, :, 3].mean())
    np.testing.assert_allclose(variance[1, 2, 3], responses[1, 2, :, 3].var(ddof=1))
    with pytest.raises(ValueError, match="at least 2"):
        rf.fit_gaussians(responses[:, :, :1])


def test_decorrelation_score_between_its_extremes():
    profile = np.array([1.0, 2, 0, 5, 3, 1])
    copies = np.stack([profile, 2 * profile, 7 - profile], axis=1)
    assert rf.decorrelation_score(copies) == pytest.approx(0, abs=1e-9)  # sign does not count
    orthogonal = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], float)
    assert rf.decorrelation_score(orthogonal) == pytest.approx(1)
    with_flat = np.column_stack([copies, np.ones(6)])
    # an inactive latent does not count
    assert rf.decorrelation_score(with_flat) == pytest.approx(0, abs=1e-9)
    three = np.column_stack([orthogonal, orthogonal[:, 0]])
    assert rf.decorrelation_score(three, active=[0, 1]) == pytest.approx(1)
    assert np.isnan(rf.decorrelation_score(profile[:, None]))


def test_null_of_six_regions_is_about_the_known_value():
    rng = np.random.default_rng(4)
    null = rf.decorrelation_null(rng.standard_normal((6, 8)), draws=200)
    # E|r| of six independent pairs of normal draws: sqrt of (2/π)/(n − 1), roughly, so 1 − 0.36.
    assert np.mean(null) == pytest.approx(1 - 0.36, abs=0.05)
    correlated = rng.standard_normal((6, 1)) + 0.05 * rng.standard_normal((6, 8))
    null = rf.decorrelation_null(correlated, draws=100)
    assert rf.decorrelation_score(correlated) < np.percentile(null, 1)


def test_bootstrap_surrounds_the_score():
    rng = np.random.default_rng(5)
    responses = rng.standard_normal((6, 2, 300, 4)) + rng.uniform(0, 3, (6, 2, 1, 4))
    score = rf.decorrelation_score(rf.normalise_rows(rf.kl_matrix(*rf.fit_gaussians(responses))))
    low, high = np.percentile(rf.bootstrap_scores(responses, draws=100), [1, 99])
    assert low < score < high and high - low < 0.5


def test_covariance_of_impacts_is_over_regions():
    impact = np.random.default_rng(6).random((6, 4))
    covariance = rf.impact_covariance(impact)
    assert covariance.shape == (4, 4)
    assert covariance[1, 2] == pytest.approx(np.cov(impact[:, 1], impact[:, 2])[0, 1])


def test_localised_latents():
    impact = np.array([[1.0, 0.05, 0.5], [0.2, 1.0, 0.9], [0.3, 0.4, 1.0]])
    assert rf.localised_latents(impact, share=0.6).tolist() == [0, 1]
    assert rf.localised_latents(np.zeros((2, 2))).tolist() == []
