"""Each statement of paper B: green where it is true, red where the method is broken or the tissue
has no such structure, and never green for its control.
"""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from helpers.book import claims
from helpers.tissue.cortex.mixtures import fit_mixture
from helpers.tissue.stages import claims_of_cortex, claims_of_factors
from helpers.tissue.stages.components import CorticalComponents
from helpers.tissue.stages.factorisation import SliceFactors
from helpers.tissue.stages.kmeans import SURFACE_DOWN, cortical_layers
from helpers.tissue.stages.report_of_cortex import cortex_report, matched_shares
from helpers.tissue.stages.report_of_factors import factor_report
from helpers.tissue.stages.slices import SliceFeatures

STRIDE, HEIGHT, WIDTH = 16, 72, 160  # positions of the grid, 16 pixels apart
AREAS = ("Cortex", "Striatum", "VP", "WM", "ZI")
CORTEX, STRIATUM, VP, WM, ZI = range(1, 6)
DEEPEST = 36  # rows of cortex; its surface is on top


def artifact(value):
    return SimpleNamespace(value=value, key="key")


def anatomy():
    """A slab of cortex on top of the other areas, with five layers and barrels in L4."""
    areas = np.zeros((HEIGHT, WIDTH), np.uint8)
    areas[:DEEPEST] = CORTEX
    areas[DEEPEST : DEEPEST + 16] = WM
    # of different sizes: turned along the slice, no area comes to lie where another was
    for area, start, end in ((STRIATUM, 0, 110), (VP, 110, 135), (ZI, 135, WIDTH)):
        areas[DEEPEST + 16 :, start:end] = area
    depth = (np.arange(HEIGHT) + 0.5) / DEEPEST
    layers = 1 + np.digitize(depth, [0.1, 0.35, 0.5, 0.7])
    layers = np.where(areas == CORTEX, layers[:, None], 0).astype(np.uint8)
    barrels = (layers == 3) & (np.arange(WIDTH) % 40 < 20)
    return areas, layers, barrels


def pixels(grid_image):
    return np.asarray(grid_image).repeat(STRIDE, 0).repeat(STRIDE, 1)


def smooth_noise(rng, sigma=4.0):
    field = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), sigma)
    return (field - field.mean()) / field.std()


@pytest.fixture(scope="module")
def case():
    areas, layers, barrels = anatomy()
    cells = np.select([areas == WM, layers == 3, layers == 5, layers == 1], [100, 2000, 1500, 300])
    cells = np.where(cells == 0, 900, cells)
    axons = np.select([areas == WM, layers == 3, layers == 5], [250, 120, 110], 40)
    piece = SimpleNamespace(
        z=1,
        role="test",
        window=None,
        areas=pixels(areas),
        layers=pixels(layers),
        truth={
            "cell_density": pixels(cells).astype(np.float32),
            "axon_density": pixels(axons).astype(np.float32),
            "barrels": pixels(barrels),
        },
    )
    names = ("cortex", "striatum", "thalamus_vp", "white_matter", "zona_incerta")
    played = {name: (label,) for label, name in enumerate(names, start=1)}
    data = SimpleNamespace(
        areas=AREAS,
        layers=SURFACE_DOWN,
        pixel_size_um=1.17,
        role=lambda name: played.get(name, ()),
    )
    run = SimpleNamespace(
        microct=data,
        stored=lambda name, parameters, compute, inputs=(): artifact(compute()),
        held=lambda name, make: make(),
    )
    rows, columns = (np.arange(0, side * STRIDE, STRIDE) for side in (HEIGHT, WIDTH))
    included = areas > 0
    features = np.zeros((HEIGHT, WIDTH, 64), np.float32)
    grid = SliceFeatures(piece, STRIDE, features, included, included, rows, columns)
    return SimpleNamespace(
        run=run, piece=piece, grid=grid, areas=areas, layers=layers, barrels=barrels
    )


def fitted(case, maps):
    """Factors (k, h, w) of the slice, as `nmf_factors` returns them."""
    rows = np.clip(np.stack(maps, axis=-1), 0, None)[case.grid.included].astype(np.float32)
    components = np.eye(len(maps), 64, dtype=np.float32)
    found = SliceFactors(case.grid, case.piece.areas, True, rows, components, 0.1, 1, "hals")
    return artifact(found)


def true_factors(case):
    """One factor per area; that of VP is shared with ZI and, less, with L4 and L6."""
    rng = np.random.default_rng(0)
    deep = np.isin(case.layers, (3, 5))
    own = {area: (case.areas == area).astype(float) for area in range(1, 6)}
    own[VP] = own[VP] + 0.7 * own[ZI] + 0.3 * deep
    return [value + 0.2 * np.clip(smooth_noise(rng) - 1, 0, None) for value in own.values()]


def noise_factors(seed, k=5):
    rng = np.random.default_rng(seed)
    return [0.5 + smooth_noise(rng) for _ in range(k)]


def verdicts(found):
    rows = {}
    for id, one in found.items():
        one = one if isinstance(one, claims.Finding) else claims.Finding(one)
        record = {"value": one.value, "control": one.control, "interval": None}
        if not isinstance(one.value, str):
            rows[id] = claims.decide(claims.load()[id], [record])
    return rows


def factor_verdicts(case, maps, without):
    report = factor_report(case.run, fitted(case, maps), p=5)
    untrained = factor_report(case.run, fitted(case, without), p=5)
    return verdicts(claims_of_factors.factor_claims(case.run, report, untrained).found)


FACTOR_CLAIMS = ("B.nmf.areas", "B.nmf.axons", "B.nmf.shared")


def test_factors_that_follow_areas_are_green_and_their_controls_fail(case):
    rows = factor_verdicts(case, true_factors(case), noise_factors(1))
    for id in FACTOR_CLAIMS:
        assert rows[id]["verdict"] == "reproduced", (id, rows[id])
        assert rows[id]["control_passes"] is False


def test_factors_that_follow_nothing_are_red(case):
    rows = factor_verdicts(case, noise_factors(2), noise_factors(1))
    assert {rows[id]["verdict"] for id in FACTOR_CLAIMS if id in rows} == {"not reproduced"}
    assert "B.nmf.areas" in rows and "B.nmf.axons" in rows


def test_an_untrained_network_as_good_voids_the_claim(case):
    rows = factor_verdicts(case, true_factors(case), true_factors(case))
    for id in FACTOR_CLAIMS:
        assert rows[id]["verdict"] == "holds, but so does the control"


def test_a_factor_shared_with_other_layers_or_silent_in_cortex_is_not_shared(case):
    maps = true_factors(case)
    shallow = np.isin(case.layers, (1, 2, 4))
    for cortical in (0.3 * shallow, 0.001 * np.isin(case.layers, (3, 5))):
        maps[VP - 1] = (case.areas == VP) + 0.7 * (case.areas == ZI) + cortical
        row = factor_verdicts(case, maps, noise_factors(1))["B.nmf.shared"]
        assert row["verdict"] == "not reproduced", row


@pytest.mark.parametrize(
    ("apart", "verdict"), [(0.02, "reproduced"), (0.53, "not reproduced"), (0.8, "not reproduced")]
)
def test_little_shared_is_less_than_random_choices_share(case, apart, verdict):
    report = factor_report(case.run, fitted(case, true_factors(case) + noise_factors(4, 7)), p=5)
    matrix = np.full((12, 12), 0.5) + 0.05 * np.random.default_rng(0).random((12, 12))
    matrix[np.ix_(report.selection.factors, report.selection.factors)] = apart
    report = dataclasses.replace(report, correlation=matrix)
    found = claims_of_factors.factor_claims(case.run, report, "no network").found
    assert verdicts(found)["B.nmf.uncorrelated"]["verdict"] == verdict


@pytest.mark.parametrize(
    ("spoil", "verdict"), [(0.0, "reproduced"), (2.0, "not reproduced")], ids=["fits", "does not"]
)
def test_rank_fifteen_is_held_against_the_lowest_error(spoil, verdict):
    rng = np.random.default_rng(0)
    truth = rng.gamma(0.3, size=(900, 15)), rng.gamma(0.3, size=(15, 64))
    features = (truth[0] @ truth[1] + 0.2 * rng.random((900, 64))).astype(np.float32)
    included = np.ones((30, 30), bool)
    grid = SimpleNamespace(
        stride=1,
        features=features.reshape(30, 30, 64),
        included=included,
        piece=SimpleNamespace(z=1),
    )
    from helpers.tissue.factors.nmf import fit_nmf

    result = fit_nmf(features + spoil * rng.random(features.shape).astype(np.float32), 15)
    missing = features - result.coefficients @ result.components
    error = np.linalg.norm(missing) / np.linalg.norm(features)
    found = SimpleNamespace(grid=grid, coefficients=result.coefficients, error=error)
    run = SimpleNamespace(stored=lambda *args, **kw: artifact(args[2]()))
    one = claims_of_factors._rank(run, SimpleNamespace(found=found, key="k"))
    row = verdicts({"B.nmf.rank": one})["B.nmf.rank"]
    assert row["verdict"] == verdict, row
    assert row["control_passes"] is False
    grid.stride = 4
    assert "at every position" in claims_of_factors._rank(run, SimpleNamespace(found=found))


def components(case, labels, maps):
    """Cortical components by hand: labels (h, w) as certain posteriors, maps as coefficients."""
    factors = fitted(case, maps).value
    cortex = cortical_layers(case.run, case.grid, case.piece.areas)
    inside = ~np.isnan(cortex["depth"]) & (np.arange(HEIGHT) >= 4)[:, None]
    rows = factors.coefficients[inside[case.grid.included]]
    mixture = fit_mixture(rows, 4, 0, 100_000)
    posteriors = np.eye(4, dtype=np.float32)[labels[inside]]
    annotated = cortex.pop("annotated")
    return CorticalComponents(
        factors,
        inside,
        **cortex,
        layers_annotated=annotated,
        mixture=mixture,
        posteriors=posteriors,
        margin=64.0,
        seed=0,
    )


def layered(case):
    """Components: barrels, L4 and L6 beside them, deep L2/3 with L5, the rest."""
    return np.select(
        [case.barrels, np.isin(case.layers, (3, 5)), np.isin(case.layers, (2,))], [0, 1, 2], 3
    )


def layer_factors(case, seed=0):
    rng = np.random.default_rng(seed)
    wanted = [np.isin(case.layers, one) for one in ((2,), (3,), (5,))]
    return [one + 0.1 * np.abs(smooth_noise(rng)) for one in wanted] + noise_factors(seed + 9, 2)


def patches(seed):
    """Four components that know nothing of layers."""
    rng = np.random.default_rng(seed)
    return np.stack([smooth_noise(rng, 6.0) for _ in range(4)]).argmax(axis=0)


def cortex_verdicts(case, labels, maps, without):
    report = cortex_report(case.run, artifact(components(case, labels, maps)))
    untrained = artifact(components(case, patches(5), without))
    return verdicts(claims_of_cortex.cortex_claims(case.run, report, untrained).found)


CORTEX_CLAIMS = ("B.cortex.layers", "B.gmm.layers", "B.gmm.dense_axons", "B.gmm.barrels")


def test_components_that_follow_layers_are_green_and_their_controls_fail(case):
    rows = cortex_verdicts(case, layered(case), layer_factors(case), noise_factors(6))
    dense = np.isin(case.layers, (3, 5)) & (np.arange(WIDTH) % 20 < 16)  # in many pieces
    dense = np.select([dense, case.layers == 2, case.layers == 4], [0, 1, 2], 3)
    both = cortex_verdicts(case, dense, layer_factors(case), noise_factors(6))
    rows["B.gmm.dense_axons"] = both["B.gmm.dense_axons"]
    for id in CORTEX_CLAIMS:
        assert rows[id]["verdict"] == "reproduced", (id, rows[id])
        assert rows[id]["control_passes"] is False


def test_components_that_follow_nothing_are_red(case):
    rows = cortex_verdicts(case, patches(7), noise_factors(8), noise_factors(6))
    for id in CORTEX_CLAIMS:
        assert rows[id]["verdict"] == "not reproduced", (id, rows[id])


@pytest.mark.parametrize(
    ("shares", "verdict"), [((0.5, 0.35, 0.1, 0.05), "reproduced"), ((0.25,) * 4, "not reproduced")]
)
def test_a_subset_of_components_explains_cortex(case, shares, verdict):
    rng = np.random.default_rng(0)
    labels = rng.choice(4, size=(HEIGHT, WIDTH), p=shares)
    maps = [5.0 * (labels == c) + rng.random(labels.shape) for c in range(4)]
    row = cortex_verdicts(case, labels, maps, noise_factors(6))["B.gmm.subset"]
    assert row["verdict"] == verdict, row


def test_shares_of_labels_and_of_bands_of_depth_do_not_compare():
    """Labels on one slice only: its three layers stand against five bands of depth."""

    def report(names, annotated):
        shares = np.full((4, len(names)), 1 / len(names)) + 0.1 * np.eye(4, len(names))
        found = SimpleNamespace(
            layer_names=names, layers_annotated=annotated, shares=lambda: shares
        )
        return SimpleNamespace(found=found)

    labels, bands = report(("outer", "middle", "inner"), True), report(SURFACE_DOWN, False)
    named_alike = report(SURFACE_DOWN, True)
    for one, other in ((labels, bands), (bands, labels), (bands, named_alike)):
        with pytest.raises(ValueError, match="bands of depth .* do not compare"):
            matched_shares(one, other)
    assert matched_shares(bands, bands)[1].tolist() == [0, 1, 2, 3]
