"""Projective fields of a decoder whose fields are known."""

import numpy as np
import pytest

from helpers.brains import projective_field as pf

SHAPE = (12, 16)
REGIONS = np.zeros(SHAPE, np.uint8)
REGIONS[1:5, 1:5], REGIONS[7:11, 1:5], REGIONS[4:9, 9:14] = 1, 2, 3


def known_decoder(z):
    """Latent 0 draws region 1 linearly; latent 1 draws region 2 when positive and floods region 3
    when far negative.
    """
    images = np.full((len(z), *SHAPE), 0.3)
    images[:, REGIONS == 1] += 0.02 * z[:, [0]]
    images[:, REGIONS == 2] += 0.05 * np.clip(z[:, [1]], 0, 2)
    images[:, REGIONS == 3] += 0.2 * np.clip(-z[:, [1]] - 3.5, 0, None)
    return images


@pytest.fixture(scope="module")
def fields():
    weights = pf.interpolation_weights(step=0.05)
    return pf.stratified_variance(known_decoder, np.zeros((2, 2)), [0, 1], weights, bright=0.6)


def test_the_papers_weights():
    weights = pf.interpolation_weights()
    assert len(weights) == 2801 and weights[0] == -7 and weights[-1] == 7 and weights[1400] == 0
    counts = np.bincount(pf.stratum(weights) + 1)
    assert counts.tolist() == [1, 700, 700, 700, 700]  # zero, then four quarters
    with pytest.raises(ValueError, match="step"):
        pf.interpolation_weights(step=0)


def test_traversal_moves_one_latent_only():
    z0 = np.array([0.5, -1.0])
    images = pf.traverse(known_decoder, z0, 1, np.array([0.0, 2.0]))
    np.testing.assert_allclose(images[0], known_decoder(z0[None])[0])
    np.testing.assert_allclose(images[1], known_decoder(np.array([[0.5, 1.0]]))[0], atol=1e-6)


def test_stratified_variance_equals_holding_every_image(fields):
    weights = fields["weights"]
    images = pf.traverse(known_decoder, np.zeros(2), 1, weights)
    groups = (
        (weights > 0) & (weights <= 3.5),
        (weights < 0) & (weights >= -3.5),
        weights < -3.5,
        weights > 3.5,
        np.abs(weights) > 3.5,
    )
    for found, chosen in zip(fields["variance"][1], groups):
        np.testing.assert_allclose(found, images[chosen].var(0), rtol=1e-10, atol=1e-14)


def test_known_fields_are_recovered_with_latent_place_and_sign(fields):
    by_region = pf.region_variance(fields["variance"], REGIONS, 3)  # (latents, strata, regions)
    # latent 0 draws region 1 alone
    assert by_region[0, 0].argmax() == 0 and by_region[0, 0, 1:].max() < 1e-12
    assert by_region[0, 0, 0] == pytest.approx(by_region[0, 1, 0], rel=1e-3)  # both ways alike
    assert by_region[1, 0].argmax() == 1  # small positive: region 2
    assert by_region[1, 1].max() < 1e-9  # small negative: nothing
    # large negative: region 3, positive: not
    assert by_region[1, 2].argmax() == 2 and by_region[1, 3, 2] < 1e-12


def test_artifacts_on_the_negative_side_give_asymmetry_plus_one(fields):
    index = pf.asymmetry_index(fields["bright"], fields["weights"])
    assert np.isnan(index[0]) and index[1] == 1
    mirrored = pf.stratified_variance(
        lambda z: known_decoder(-z), np.zeros((1, 2)), [1], fields["weights"], bright=0.6
    )
    assert pf.asymmetry_index(mirrored["bright"], mirrored["weights"])[0] == -1
    near, far = (fields["bright"][1][np.isclose(fields["weights"], c)] for c in (-3.0, -6.0))
    assert near == 0 and far == (REGIONS == 3).sum()


def test_colours_say_which_stratum(fields):
    rgb = pf.field_rgb(fields["variance"])
    cyan, magenta, yellow, white = [0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 1, 1]
    np.testing.assert_allclose(rgb[1][REGIONS == 2][0], cyan, atol=0.06)  # just above zero
    np.testing.assert_allclose(rgb[1][REGIONS == 3][0], yellow, atol=1e-6)  # large weights
    np.testing.assert_allclose(rgb[1][0, 8], white)  # nothing
    mirrored = pf.stratified_variance(
        lambda z: known_decoder(-z), np.zeros((1, 2)), [1], fields["weights"]
    )
    below = pf.field_rgb(mirrored["variance"])[0][REGIONS == 2][0]
    np.testing.assert_allclose(below, magenta, atol=0.06)
    assert mirrored["bright"] is None


def test_start_images_are_averaged():
    starts = np.array([[0.0, 0.0], [0.0, 1.5]])
    weights = pf.interpolation_weights(step=0.1)
    both = pf.stratified_variance(known_decoder, starts, [1], weights)["variance"]
    alone = [
        pf.stratified_variance(known_decoder, start, [1], weights)["variance"] for start in starts
    ]
    np.testing.assert_allclose(both, np.mean(alone, axis=0))


def test_weights_that_leave_a_stratum_empty_are_refused():
    with pytest.raises(ValueError, match="large negative, large positive"):
        pf.stratified_variance(known_decoder, np.zeros(2), [0], np.linspace(-3, 3, 11))


def test_the_quick_steps_change_a_variance_by_less_than_a_tenth():
    smooth = lambda z: np.tanh(z[:, [0]] / 3)[:, :, None] * np.ones((1, 4, 4))
    fine, coarse = (
        pf.stratified_variance(smooth, np.array([0.4]), [0], pf.interpolation_weights(step=step))[
            "variance"
        ]
        for step in (0.005, 0.1)
    )
    np.testing.assert_allclose(coarse, fine, rtol=0.1)
