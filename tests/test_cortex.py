"""Depth, mixtures, shares, matching and boxes of the cortex, on shapes whose answer is known."""

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.mixture import GaussianMixture

from helpers.tissue.cortex import depth as depths
from helpers.tissue.cortex import mixtures, zoom
from helpers.tissue.factors import alignment, densities


def slab(height=80, width=200, start=120):
    """A slice whose cortex is the right-hand part, cut straight above and below; the rest is
    another area.
    """
    mask = np.zeros((height + 20, width + 20), bool)
    mask[10 : 10 + height, 10 + start : 10 + width] = True
    other = np.zeros_like(mask)
    other[10 : 10 + height, 10 : 10 + start] = True
    return mask, other


# ---------------------------------------------------------------- depth


@pytest.mark.parametrize("turns", range(4))
def test_depth_runs_from_the_free_surface_to_the_other_areas(turns):
    mask, other = slab()
    depth = depths.cortical_depth(np.rot90(mask, turns), np.rot90(other, turns))
    depth = np.rot90(depth, -turns)
    assert np.isnan(depth[~mask]).all() and not np.isnan(depth[mask]).any()
    expected = np.linspace(1, 0, 80)[None].repeat(
        60, 0
    )  # linear from the inner side (left) to the pia (right)
    np.testing.assert_allclose(depth[20:80, 130:210], expected, atol=0.03)


def test_a_gap_and_a_vessel_do_not_disturb_depth():
    mask, other = slab()
    whole = depths.cortical_depth(mask, other)
    other[:, 110:130] = False  # an unlabelled corpus callosum
    mask[45:52, 160:168] = False
    depth = depths.cortical_depth(mask, other)
    np.testing.assert_allclose(depth[mask], whole[mask], atol=1e-6)


def test_depth_of_an_arched_cortex_follows_the_arch():
    rows, columns = np.mgrid[:150, :300]
    radius = np.hypot(rows - 149, columns - 150)
    depth = depths.cortical_depth((radius > 70) & (radius < 140), radius <= 70)
    inside = (radius > 75) & (radius < 135) & (rows < 120)
    np.testing.assert_allclose(depth[inside], (140 - radius[inside]) / 70, atol=0.06)


def test_depth_needs_both_sides():
    mask, other = slab()
    with pytest.raises(ValueError, match="a mask is empty"):
        depths.cortical_depth(mask, ~other & False)
    with pytest.raises(ValueError, match="one shape"):
        depths.cortical_depth(mask, other[1:])


def test_bands_are_named_from_the_surface_down():
    depth = np.array([0.0, 0.05, 0.2, 0.4, 0.6, 0.9, 1.0, np.nan])
    np.testing.assert_array_equal(depths.depth_bands(depth), [1, 1, 2, 3, 4, 5, 5, 0])
    np.testing.assert_array_equal(
        depths.depth_bands(depth, {"upper": 0.5, "lower": 1.0}), [1, 1, 1, 1, 2, 2, 2, 0]
    )


@pytest.mark.parametrize("turns", range(4))
def test_strip_has_white_matter_on_the_left(turns):
    mask, other = slab()
    depth = np.rot90(depths.cortical_depth(mask, other), turns)
    strip = depths.cortical_strip(depth, 20)
    cut = strip.take(depth)
    assert cut.shape == (20, 80) and not np.isnan(cut).any()
    assert (np.diff(cut, axis=1) < 0).all()
    assert strip.take(np.dstack([depth] * 3)).shape == (20, 80, 3)
    with pytest.raises(ValueError, match="does not fit"):
        depths.cortical_strip(depth, 1000)


# ---------------------------------------------------------------- mixtures


def clusters(n=3000, seed=0):
    """Positions of three well separated clusters, the first the largest."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    return (np.array([[0, 0], [5, 0], [0, 7]])[truth] + rng.normal(0, 0.5, (n, 2))).astype(
        np.float32
    ), truth


def test_mixture_finds_separated_clusters_largest_first():
    rows, truth = clusters()
    mixture = mixtures.fit_mixture(rows, 3)
    assert (np.diff(mixture.weights) <= 0).all()
    assert np.mean(mixture.posteriors(rows).argmax(1) == truth) > 0.999


def test_posteriors_and_bic_equal_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    rows, _ = clusters()
    rows = 10 * np.concatenate(
        [rows, rng.normal([2, 2], [0.2, 3], (1500, 2))]
    )  # overlapping, of unlike shapes
    reference = GaussianMixture(3, random_state=22, max_iter=300, tol=1e-6).fit(rows)
    mixture = mixtures.fit_mixture(rows, 3)
    order = np.argsort(-reference.weights_)
    np.testing.assert_allclose(
        mixture.posteriors(rows, block=100), reference.predict_proba(rows)[:, order], atol=0.01
    )
    assert mixture.bic == pytest.approx(reference.bic(rows), rel=1e-4)


def test_a_subset_is_enough_to_fit_and_is_stated():
    rows, truth = clusters()
    mixture = mixtures.fit_mixture(rows, 3, max_rows=500)
    assert mixture.rows == 500
    assert np.mean(mixture.posteriors(rows).argmax(1) == truth) > 0.999


def test_unusable_coefficients_are_refused():
    rows, _ = clusters(20)
    with pytest.raises(ValueError, match="at least as many positions"):
        mixtures.fit_mixture(rows[:3], 4)
    with pytest.raises(ValueError, match="not finite"):
        mixtures.fit_mixture(rows * np.nan, 2)


def test_interior_is_a_distance_from_the_edge_and_overlooks_vessels():
    mask = np.zeros((60, 70), bool)
    mask[5:55, :] = True
    mask[30, 30] = False
    expected = np.zeros_like(mask)
    expected[15:45, 10:60] = True  # the border of the image is an edge too
    expected[30, 30] = False
    np.testing.assert_array_equal(mixtures.interior(mask, 10), expected)


def test_shares_count_by_hand():
    components = np.array([0, 0, 0, 1, 1, -1, 2])
    layers = np.array([1, 1, 2, 2, 0, 1, 0])
    np.testing.assert_allclose(
        mixtures.layer_shares(components, layers, 3, 2), [[2 / 3, 1 / 3], [0, 1], [0, 0]]
    )


@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_pairings(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.dirichlet(np.ones(5), 4), rng.dirichlet(np.ones(5), 4)
    partner, distance = mixtures.match_shares(first, second)
    best = min(
        itertools.permutations(range(4)),
        key=lambda p: sum(jensenshannon(first[i], second[j], base=2) for i, j in enumerate(p)),
    )
    assert tuple(partner) == best
    np.testing.assert_allclose(
        distance, [jensenshannon(first[i], second[j], base=2) for i, j in enumerate(best)]
    )


def test_nearest_components_collide_where_matching_does_not():
    first = np.array([[0.9, 0.1], [0.8, 0.2]])
    second = np.array([[0.85, 0.15], [0.1, 0.9]])
    partner, _ = mixtures.match_shares(first, second)
    assert sorted(partner) == [0, 1]


def test_blobs_are_large_separate_pieces():
    mask = np.zeros((40, 80), bool)
    mask[10:30, 5:25] = mask[10:30, 50:75] = True
    mask[19:21, 25:50] = True  # a thin bridge
    mask[2:4, 2:4] = True  # a speck
    found = mixtures.blobs(mask, 100)
    assert (
        found.max() == 2
        and found[20, 15] != found[20, 60]
        and not found[20, 37]
        and not found[3, 3]
    )


# ---------------------------------------------------------------- zoom


def test_zoom_box_is_the_best_of_all_boxes():
    components = np.random.default_rng(0).integers(-1, 3, (14, 17)).repeat(2, 0).repeat(2, 1)
    top, left = zoom.zoom_box(components, 3, 6)

    def rarest(i, j):
        box = components[i : i + 6, j : j + 6]
        return min((box == c).sum() for c in range(3)), (box >= 0).sum()

    assert rarest(top, left) == max(rarest(i, j) for i in range(23) for j in range(29))


def test_example_windows_hold_their_component():
    components = np.full((30, 30), 2)
    components[4:14, 6:16], components[18:28, 15:25] = 0, 1
    found = zoom.example_windows(components, 2, (2, 3), 27, 10)
    assert found == [(4, 6), (18, 15)]
    with pytest.raises(ValueError, match="does not fit"):
        zoom.zoom_box(components, 3, 31)


# ---------------------------------------------------------------- alignment


def test_area_under_the_curve_counts_pairs():
    rng = np.random.default_rng(0)
    coefficients = rng.integers(0, 5, (80, 3)) / 4.0  # many ties, many zeros
    labels = rng.integers(0, 4, 80)
    found = alignment.auroc(coefficients, labels, 3)
    for i in range(3):
        for a in range(1, 4):
            inside, outside = (
                coefficients[labels == a, i],
                coefficients[(labels > 0) & (labels != a), i],
            )
            wins = (inside[:, None] > outside).mean() + 0.5 * (inside[:, None] == outside).mean()
            assert found[i, a - 1] == pytest.approx(wins)
    assert np.isnan(alignment.auroc(coefficients, np.ones(80, int), 2)).all()


def test_means_coverage_and_correlation_by_loops():
    rng = np.random.default_rng(0)
    coefficients = (rng.random((50, 4)) * (rng.random((50, 4)) < 0.5)).astype(np.float32)
    labels = rng.integers(0, 3, 50)
    for a in (1, 2):
        np.testing.assert_allclose(
            alignment.area_means(coefficients, labels, 2)[:, a - 1],
            coefficients[labels == a].mean(0),
            rtol=1e-6,
        )
        np.testing.assert_allclose(
            alignment.area_coverage(coefficients, labels, 2)[:, a - 1],
            (coefficients[labels == a] > 0).mean(0),
        )
    matrix = alignment.correlation(coefficients, block=7)
    np.testing.assert_allclose(matrix, np.corrcoef(coefficients.T), atol=1e-6)
    assert alignment.mean_absolute_correlation(matrix, [0, 2]) == pytest.approx(abs(matrix[0, 2]))


def test_block_bootstrap_is_wider_than_one_of_single_positions():
    rng = np.random.default_rng(0)
    places = np.stack(np.mgrid[:60, :60], -1).reshape(-1, 2)
    values = rng.normal(0, 1, (6, 6)).repeat(10, 0).repeat(10, 1).ravel()  # neighbours are equal
    first = places[:, 0] < 30
    wide, narrow = (
        alignment.bootstrap_difference(values, first, ~first, places, block) for block in (10, 1)
    )
    assert wide[0] == pytest.approx(values[first].mean() - values[~first].mean()) == narrow[0]
    assert wide[2] - wide[1] > 4 * (narrow[2] - narrow[1])
    # against the textbook: standard error of a difference of means of 18 + 18 independent blocks
    expected = 2 * 1.96 * np.sqrt(sum(values[g].reshape(-1).var() / 18 for g in (first, ~first)))
    assert wide[2] - wide[1] == pytest.approx(expected, rel=0.3)
    with pytest.raises(ValueError, match="both groups need positions"):
        alignment.bootstrap_difference(values, first, first & False, places, 10)


def test_layered_labels_beat_their_null_and_patchy_ones_do_not():
    rng = np.random.default_rng(0)
    depth, across = (
        a.ravel() for a in np.meshgrid((np.arange(60) + 0.5) / 60, np.repeat(np.arange(12), 5))
    )
    layers = np.digitize(depth, [0.25, 0.5, 0.75]) + 1
    layered = layers // 2
    patchy = rng.integers(0, 3, (12, 12)).repeat(5, 0).repeat(5, 1).ravel()
    found, null = alignment.laminar_information(layered, layers, depth, across)
    assert found > 2 * np.percentile(null, 99)
    found, null = alignment.laminar_information(patchy, layers, depth, across)
    assert found < np.percentile(null, 99)


def test_densities_count_what_was_drawn():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.1, (300, 300))
    rows, columns = np.mgrid[:300, :300]
    for i, j in itertools.product(
        range(20, 150, 26), range(20, 280, 26)
    ):  # dark discs in the upper half
        image -= 3 * (np.hypot(rows - i, columns - j) < 5)
    image[200:, 100:104] += 4  # one bright fibre
    everywhere = np.ones((300, 300), bool)
    cells = densities.cell_density(image, everywhere, 1.0, window=104)
    assert cells[80, 150] == pytest.approx(1e6 / 26**2, rel=0.15) and cells[235, 248] == 0
    fibres = densities.fibre_density(image, everywhere, window=60)
    assert fibres[260, 102] == pytest.approx(
        6 / 60, rel=0.05
    )  # the smoothing widens it from 4 to 6 px
    assert fibres[260, 250] == 0 and fibres[100, 102] == 0
    half = everywhere.copy()
    half[:, 150:] = False
    assert densities.cell_density(image, half, 1.0, window=104)[80, 149] == pytest.approx(
        1e6 / 26**2, rel=0.25
    )
