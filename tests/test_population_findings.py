"""What the claims of paper C compare: each finding must turn over when the data does."""

import numpy as np
import pandas as pd
import pytest

from helpers.brains import findings


def grid(**columns):
    """Scores of three families over L = 2, 4, 8, 16, 32 with two seeds of the networks at L = 8."""
    rows = []
    for family, beta in (("β-VAE", 3.0), ("VAE", 1.0), ("PCA", float("nan"))):
        for size in (2, 4, 8, 16, 32):
            for seed in (0, 1) if size == 8 and family != "PCA" else (0,):
                row = {"family": family, "latent_dim": size, "beta": beta, "seed": seed}
                rows.append(
                    {**row, **{name: rule(family, size, seed) for name, rule in columns.items()}}
                )
    return pd.DataFrame(rows)


def test_elbows_follow_the_curve_of_the_family_asked_for():
    bend = {"β-VAE": 8, "VAE": 16, "PCA": 4}
    scores = grid(
        cwssim=lambda family, size, seed: min(size, bend[family]),
        fd_clean=lambda family, size, seed: -min(size, bend[family]),
    )
    assert findings.elbows(scores, "β-VAE", 3.0) == {"cwssim": 8, "fd": 8}
    assert findings.elbows(scores, "VAE", 1.0) == {"cwssim": 16, "fd": 16}
    # three points cannot bend
    assert findings.elbows(scores[scores["latent_dim"] < 16], "VAE", 1.0) is None


def test_largest_step_is_negative_only_for_a_falling_curve():
    falling = grid(error=lambda family, size, seed: 100 / size)
    assert findings.largest_step(falling, "PCA", "error") < 0
    rising = grid(error=lambda family, size, seed: 100 / size + (size == 16) * 50)
    assert findings.largest_step(rising, "PCA", "error") > 0
    alone = rising[rising["latent_dim"] == 2]
    assert findings.largest_step(alone, "PCA", "error") is None


def test_quality_takes_the_right_seed_size_and_beta():
    scores = grid(
        cwssim=lambda family, size, seed: (
            {"β-VAE": 0.8, "VAE": 0.7, "PCA": 0.6}[family] + size / 1000 + seed / 100
        )
    )
    scores = pd.concat([scores, scores[scores["family"] == "β-VAE"].assign(beta=10.0, cwssim=0.0)])
    found = findings.quality_at(scores, "cwssim", 1, 3.0, 8, max)
    at = {"beta_vae": 0.818, "vae": 0.718, "pca": 0.608}
    assert found == pytest.approx({**at, "pca_best": 0.632, "vae_best": 0.732})
    assert findings.quality_at(scores, "cwssim", 0, 3.0, 8, min)["pca_best"] == pytest.approx(0.602)


def test_texture_and_large_dimensions():
    scores = grid(
        fine_power=lambda family, size, seed: size * (2 if family == "PCA" else 3),
        cwssim=lambda family, size, seed: 0.9 - 0.3 * (size == 32) + 0.01 * seed,
        transmission_leakage=lambda family, size, seed: size / 100,
        transmission_missing=lambda family, size, seed: size / 50,
    )
    assert findings.fine_texture(scores, 3.0) == pytest.approx({"pca": 28 / 3, "beta_vae": 14})
    expected = {
        "vae_largest": 0.6,
        "vae_best": 0.9,  # of the seed that every L has
        "vae_sd": np.std([0.9, 0.91], ddof=1),
        "pca_transmission_large": 0.48,
        "pca_transmission_8": 0.12,
    }
    assert findings.large_dimensions(scores) == pytest.approx(expected)
    small, once = scores[scores["latent_dim"] < 32], scores[scores["seed"] == 0]
    for less in (small, once, scores.filter(regex="^(?!transmission)")):
        assert findings.large_dimensions(less) is None


def test_denoising_averages_images_and_leaves_grids_out():
    rows = [
        {"family": family, "kind": kind, "transmission": t, "cwssim": c}
        for family, t, c in (("β-VAE", 0.1, 0.9), ("VAE", 0.2, 0.8), ("PCA", 0.3, 0.7))
        for kind in ("leakage", "missing", "leakage", "missing")
    ]
    rows += [{**row, "kind": "grid", "transmission": 9, "cwssim": 9} for row in rows[:12:4]]
    found = findings.denoising(pd.DataFrame(rows))
    assert found["leakage_vae"] == pytest.approx(0.2) and found["missing_pca"] == pytest.approx(0.3)
    assert found["cwssim_beta_vae"] == pytest.approx(0.9)


def test_artifact_latents_are_found_in_either_direction():
    rng = np.random.default_rng(0)
    clean = np.arange(200) >= 40
    latents = rng.standard_normal((200, 4))
    latents[~clean, 1] += 3
    latents[~clean, 3] -= 3
    areas, chosen = findings.artifact_latents(latents, clean, [0, 1, 3])
    assert chosen.tolist() == [1, 3] and areas.shape == (3,) and areas[0] < 0.7


@pytest.fixture
def fields():
    """Two latents; the first draws brightness far on the negative side and anatomy on the positive
    one.
    """
    atlas = np.zeros((6, 6), np.uint8)
    atlas[1:3, 1:3] = 1
    weights = np.linspace(-7, 7, 141)
    variance = np.full((2, 5, 6, 6), 1e-9)
    variance[0, 3, 1:3, 1:3] = 1.0  # large positive: the region
    variance[0, 2, 4:, 4:] = 1.0  # large negative: elsewhere
    variance[:, :2, 1:3, 1:3] = 0.5
    bright = np.stack([np.where(weights < -3.5, 10.0, 0), np.zeros(141)])
    return atlas, {"variance": variance, "bright": bright, "weights": weights, "threshold": 0.9}


def test_tails_know_the_bright_side_from_the_other(fields):
    atlas, field = fields
    found = findings.tail_asymmetry(field, np.array([0]), atlas)
    assert found["median_asymmetry"] == 1
    assert found["roi_share_opposite"] > 0.99 and found["roi_share_same"] < 0.01
    mirrored = {**field, "bright": field["bright"][:, ::-1]}
    assert findings.tail_asymmetry(mirrored, np.array([0]), atlas)["roi_share_opposite"] < 0.01
    assert findings.tail_asymmetry(field, np.array([], int), atlas) is None


def test_brightness_that_rises_with_the_weight(fields):
    _, field = fields
    assert findings.brightness_trend(field, [0]) > 0.3
    inside = {**field, "bright": np.where(np.abs(field["weights"]) < 1, 5.0, 0)[None]}
    assert findings.brightness_trend(inside, [0]) < 0
    assert findings.brightness_trend(field, [1]) == 0


def test_biology_compares_regions_with_the_brain(fields):
    atlas, field = fields
    brain = np.ones((6, 6), bool)
    found = findings.biology(field, [0, 1], atlas, ("SSp",), brain)
    assert found == pytest.approx({"rois": 0.5, "brain": 0.5 * 4 / 36}, rel=1e-3)
    assert findings.biology(field, [0, 1], atlas, ("Cerebellum",), brain) is None


def test_moved_share_counts_latents_over_a_tenth_of_a_nat():
    impact = np.array([[0.2, 0.05, 3.0, 0.11], [0.01, 0.02, 0.5, 0.0]])
    assert findings.moved_share(impact, ("HPF", "STR")) == {"hpf_share": 0.75, "str_share": 0.25}
    assert findings.moved_share(impact, ("HPF", "TH")) is None


def test_filling_and_scaling_are_compared_in_words():
    filled = np.array([[0.2, 0.05, 3.0, 0.11], [0.01, 0.02, 0.5, 0.0]])
    words = findings.filled_and_scaled(filled, filled, ("HPF", "STR"))
    assert words[0].startswith(
        "HPF moves 3 of 4 active latents by more than 0.1 nat when filled, 3 when scaled"
    )
    assert "STR moves 1 of 4" in words[1] and "1.00" in words[2]
    words = findings.filled_and_scaled(filled, filled / 10, ("HPF", "STR"))
    assert "1 when scaled" in words[0] and "0 when scaled" in words[1]
    # neither region: only the matrices are compared
    assert len(findings.filled_and_scaled(filled, filled, ("TH", "HY"))) == 1
    none = filled[:, :0]
    assert findings.filled_and_scaled(none, none, ("HPF", "STR")) == ["No latent is active."]


def test_bright_pixels_are_called_artifacts_only_along_an_artifact_latent():
    names = ["F1", "F2", "F3"]
    found = np.array([0.6, 0.9]), np.array([2])
    assert "F3, 1 of 2 active" in findings.bright_in_words(names, [0, 2], *found)
    nothing = np.array([0.6, 0.55]), np.array([], int)
    assert "largest AUC 0.60" in findings.bright_in_words(names, [0, 2], *nothing)
    assert "None of 0" in findings.bright_in_words(names, [], np.array([]), np.array([], int))


def test_field_mismatch_is_none_for_equal_fields_and_many_for_opposite_ones():
    field = np.arange(24.0).reshape(6, 4)
    same, opposite = findings.field_mismatch(field, field), findings.field_mismatch(field, -field)
    assert same == {"pairs": 0, "rho": pytest.approx(1)}
    assert opposite["pairs"] == 12 and opposite["rho"] == pytest.approx(-1)
