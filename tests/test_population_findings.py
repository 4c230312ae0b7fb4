"""What the claims of paper C compare: each finding must turn over when the data does.

Their verdicts are tested in ``test_verdicts_of_paper_c``.
"""

import numpy as np
import pandas as pd
import pytest

from helpers.brains import findings


def test_a_curve_is_the_mean_over_seeds_that_all_its_values_have():
    rows = [("VAE", 4, 1.0, 0, 0.7), ("VAE", 8, 1.0, 0, 0.8), ("VAE", 8, 1.0, 1, 0.2)]
    rows += [("β-VAE", 8, 3.0, 0, 0.1), ("PCA", 8, np.nan, 0, 0.5)]
    table = pd.DataFrame(rows, columns=["family", "latent_dim", "beta", "seed", "score"])
    sizes, values = findings.curve(table, "score", family="VAE", beta=1.0)
    assert sizes.tolist() == [4, 8] and values == pytest.approx([0.7, 0.8])
    assert findings.curve(table, "score", family="PCA", beta=1.0)[1] == pytest.approx([0.5])


def test_draws_are_the_same_for_all_that_is_compared():
    first, second = (list(findings.Draws(2, 5, 4)) for _ in range(2))
    for (seeds, images), (again, same) in zip(first, second):
        assert (seeds == again).all() and (images == same).all()
        assert len(seeds) == 2 and len(images) == 5


def test_moved_is_above_a_tenth_of_a_nat_and_of_the_regions_largest():
    impact = np.array([[0.2, 0.05, 3.0, 0.4], [0.09, 0.02, 0.05, 0.0]])
    assert findings.moved(impact).tolist() == [[False, False, True, True], [False] * 4]
    share = findings.moved_share(impact, impact, ("HPF", "STR"))
    shares = {"hpf_filled": 0.5, "str_filled": 0, "hpf_gentle": 0.5, "str_gentle": 0}
    assert share == shares | {"margin": -5 / 8, "margin_null": -5 / 8}  # STR falls short by most
    assert findings.moved_share(impact, impact, ("HPF", "TH")) is None


def test_row_shuffles_keep_each_region_and_move_its_latents():
    impact = np.random.default_rng(0).random((6, 8))
    shuffles = findings.row_shuffles(impact, 5)
    for each in shuffles:
        np.testing.assert_array_equal(np.sort(each, 1), np.sort(impact, 1))
    assert len({tuple(each[0]) for each in shuffles}) == 5


def test_latents_are_matched_one_to_one_whatever_their_order_and_sign():
    z = np.random.default_rng(1).standard_normal((100, 4))
    order = np.array([2, 0, 3, 1])
    found = findings.match_latents(z, -z[:, order])
    assert order[found].tolist() == [0, 1, 2, 3]


def test_filling_and_scaling_are_compared_in_words():
    filled = np.array([[0.2, 0.05, 1.0, 0.11], [0.01, 0.02, 0.5, 0.0]])
    words = findings.filled_and_scaled(filled, filled, ("HPF", "STR"))
    assert words[0].startswith("HPF moves 3 of 4 active latents when filled, 3 when scaled")
    assert "STR moves 1 of 4" in words[1] and "1.00" in words[2]
    words = findings.filled_and_scaled(filled, filled / 10, ("HPF", "STR"))
    assert "0 when scaled" in words[1]
    # neither region: only the matrices are compared
    assert len(findings.filled_and_scaled(filled, filled, ("TH", "HY"))) == 1
    none = filled[:, :0]
    assert findings.filled_and_scaled(none, none, ("HPF", "STR")) == ["No latent is active."]


def test_areas_under_the_curve_equal_those_of_a_second_implementation():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(2)
    z = np.round(generator.standard_normal((80, 3)), 1)  # ties
    kinds = np.where(np.arange(80) < 20, "grid", "none")
    expected = [roc_auc_score(kinds == "grid", z[:, k]) for k in (0, 2)]
    found = findings.detection_by_kind(z, kinds, [0, 2])["grid"]
    assert found == pytest.approx(np.maximum(expected, 1 - np.array(expected)))
