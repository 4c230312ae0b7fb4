"""What the verdicts of paper A mean: for each claim a made-up case where it is true, one where what
it credits is gone, and its control; all through the functions that the pages use.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from helpers.book import claims
from helpers.book.claims import Finding
from helpers.book.ledger import Ledger
from helpers.tissue.cortex import kmeans
from helpers.tissue.cortex.depth import Strip
from helpers.tissue.features import baselines, intervals, probes
from helpers.tissue.network import evaluation
from helpers.tissue.stages import claims_of_accuracy, claims_of_clusters, gram
from helpers.tissue.stages import claims_of_features as of_features
from helpers.tissue.stages import claims_of_structure as of_structure
from helpers.tissue.stages.kmeans import CortexGrid
from helpers.tissue.stages.probes import END_TO_END, FeatureSet

CNN, UNTRAINED, INCEPTION, RESNET = "trained CNN", "untrained CNN", "Inception v3", "ResNet18"
AREAS = ("Cortex", "Striatum", "VP", "ZI", "WM", "Hypothalamus")
REPRODUCED, SO_DOES_CONTROL, NOT = (
    claims.REPRODUCED,
    claims.CONTROL_HOLDS,
    claims.NOT_REPRODUCED,
)


def verdict(claim, finding):
    """The verdict of one finding; the control in place of the value is never reproduced."""
    assert isinstance(finding, Finding), finding
    about = claims.load()[claim]

    def decided(value):
        with TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder) / "ledger.json", about.notebook, "made up")
            return ledger.record(claim, value, 0, finding.control, finding.interval)

    if finding.control is not None:
        for _, control in claims.single_controls(about, finding.control):
            assert decided(control) != REPRODUCED
    return decided(finding.value)


# ---------------------------------------------------------------- page 02


def textures(n=60, bright=False, seed=0):
    """Windows of two areas, stripes along rows and along columns: same gray values, or not."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 2], n)
    stripes = np.sin(np.arange(128) / 3)[:, None] * np.ones(128)
    patches = np.array([stripes if label == 1 else stripes.T for label in labels])
    patches = patches + rng.normal(scale=0.3, size=patches.shape)
    return (patches + (labels[:, None, None] if bright else 0)).astype(np.float32)[:, None], labels


def gray_table(bright):
    train, labels = textures(bright=bright)
    test, truth = textures(bright=bright, seed=1)
    fitted = baselines.fit_gray_baselines(baselines.gray_statistics(train), labels)
    seen = baselines.gray_statistics(test)
    rows = [(name, np.mean(predict(seen) == truth)) for name, predict in fitted.items()]
    table = pd.DataFrame(rows, columns=["baseline", "accuracy"])
    return pd.concat([table.assign(windows=name) for name in ("validation", "test z = 1")])


@pytest.mark.parametrize("claim", ["A.acc.test", "B.acc.validation"])
@pytest.mark.parametrize(
    ("right", "bright", "expected"),
    [(0.9, False, REPRODUCED), (0.5, False, NOT), (0.9, True, SO_DOES_CONTROL)],
)
def test_accuracy_on_windows_is_worth_what_gray_values_do_not_reach(claim, right, bright, expected):
    accuracies = pd.Series({"validation": right, "test z = 1": right})
    found = claims_of_accuracy.window_claims(accuracies, gray_table(bright), "test z = 1")
    assert verdict(claim, found[claim]) == expected


def test_without_a_test_slice_there_is_no_test_accuracy():
    accuracies = pd.Series({"validation": 0.9})
    found = claims_of_accuracy.window_claims(accuracies, gray_table(False), None)
    assert found["A.acc.test"] == claims_of_accuracy.NO_TEST
    assert verdict("B.acc.validation", found["B.acc.validation"]) == REPRODUCED


def row_of_areas(n=6, width=150):
    """Areas side by side, each touching its neighbours."""
    return np.repeat(np.arange(1, n + 1), width)[None].repeat(120, axis=0)


def slice_found(predicted, areas, forest=0.5):
    confusion = evaluation.confusion_matrix(areas, predicted, AREAS[: predicted.max()])
    touching = evaluation.touching_areas(areas, predicted.max())
    gray = {"slice_accuracy": forest, "slice_positions": 20_000}
    return claims_of_accuracy.slice_claims(confusion, touching, gray)


def test_accuracy_of_a_slice_and_where_its_errors_lie():
    areas, rng = row_of_areas(), np.random.default_rng(0)
    moved = np.roll(areas, 12, axis=1)  # borders in the wrong place
    moved[:, :12] = 1
    found = slice_found(moved, areas)
    assert found["A.acc.slice"].value["positions"] == areas.size
    assert verdict("A.acc.slice", found["A.acc.slice"]) == REPRODUCED
    assert verdict("A.confusion.neighbours", found["A.confusion.neighbours"]) == REPRODUCED
    assert verdict("A.acc.slice", slice_found(moved, areas, 0.9)["A.acc.slice"]) == SO_DOES_CONTROL

    anywhere = np.where(rng.random(areas.shape) < 0.1, rng.integers(1, 7, areas.shape), areas)
    found = slice_found(anywhere, areas)
    assert verdict("A.acc.slice", found["A.acc.slice"]) == REPRODUCED
    assert verdict("A.confusion.neighbours", found["A.confusion.neighbours"]) == NOT
    shuffled = rng.permutation(areas.ravel()).reshape(areas.shape)
    assert verdict("A.acc.slice", slice_found(shuffled, areas)["A.acc.slice"]) == NOT


def test_two_areas_that_are_mixed_up_and_happen_to_touch_are_no_pattern():
    areas, rng = row_of_areas(), np.random.default_rng(0)
    mixed = np.where((areas == 3) & (rng.random(areas.shape) < 0.3), 4, areas)
    found = slice_found(mixed, areas)["A.confusion.neighbours"]
    assert found.value["touching"] > 2 * found.value["apart"]
    assert verdict("A.confusion.neighbours", found) == NOT  # a third of all pairs touch


def test_neighbours_need_pairs_of_both_kinds_and_errors():
    areas = row_of_areas()
    right = slice_found(areas, areas)["A.confusion.neighbours"]
    assert right == "0 errors are too few to say where they lie; expected 100"
    two = row_of_areas(2)
    all_touch = slice_found(np.roll(two, 5, axis=1), two)["A.confusion.neighbours"]
    assert "1 pairs touch and 0 lie apart" in all_touch
    gaps = np.where(areas % 2, areas, 0)  # every second area is not annotated: none touches
    none_touch = slice_found(np.roll(areas, 150, axis=1), gaps)
    assert "0 pairs touch and 3 lie apart" in none_touch["A.confusion.neighbours"]


# ---------------------------------------------------------------- page 03


def labelled(n=90, areas=4):
    labels = np.repeat(np.arange(1, areas + 1), n)
    return labels, np.tile(np.arange(n) // 6, areas)


def features_of(labels, clarity, seed):
    """One direction for each area, `clarity` standard deviations long."""
    rng = np.random.default_rng(seed)
    return clarity * np.eye(8)[labels] + rng.normal(size=(len(labels), 8))


def answers(network, said, labels, groups, **facts):
    about = {"network": network, "seed": 0, "repeat": 0, **facts}
    return pd.DataFrame({**about, "group": groups, "truth": labels, "predicted": said})


def probed(clarity, end_to_end=0.8):
    """Predictions of the real probes on made-up features of each network."""
    labels, groups = labelled()
    tables, rng = [], np.random.default_rng(0)
    for number, (network, strength) in enumerate(clarity.items()):
        train = features_of(labels, strength, 10 * number)
        for role, extra in (("test", 1), ("validation", 2)):
            test = features_of(labels, strength, 10 * number + extra)
            found = probes.predictions(train, labels, test)
            if network == CNN:
                wrong = rng.random(len(labels)) > end_to_end
                found[END_TO_END] = np.where(wrong, labels % 4 + 1, labels)
            for probe, said in found.items():
                tables.append(answers(network, said, labels, groups, probe=probe, role=role))
    return pd.concat(tables)


def probe_findings(clarity, **options):
    table = probed(clarity, **options)
    tested = table[table["role"] == "test"]
    return of_features.probe_claims(tested, of_features.chosen_probes(table))


TRUE_PROBES = {CNN: 6.0, UNTRAINED: 0.5, RESNET: 2.6, INCEPTION: 2.4}
PROBE_CLAIMS = ("supervised", "best", "pretrained", "vmeasure")


def test_probes_where_all_that_the_paper_says_is_true():
    found = probe_findings(TRUE_PROBES)
    for claim in PROBE_CLAIMS:
        claim = f"A.probes.{claim}"
        assert verdict(claim, found[claim]) == REPRODUCED, claim


def test_probes_on_features_of_shuffled_training():
    found = probe_findings({**TRUE_PROBES, CNN: 0.0})
    for claim in ("supervised", "best", "vmeasure"):
        assert verdict(f"A.probes.{claim}", found[f"A.probes.{claim}"]) == NOT
    found = probe_findings({**TRUE_PROBES, INCEPTION: 0.0})
    assert verdict("A.probes.pretrained", found["A.probes.pretrained"]) == NOT


def test_probes_where_random_weights_do_as_well():
    found = probe_findings({**TRUE_PROBES, UNTRAINED: 6.0})
    for claim in PROBE_CLAIMS:
        assert verdict(f"A.probes.{claim}", found[f"A.probes.{claim}"]) == SO_DOES_CONTROL


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("present", [4, 2])
def test_probes_that_guess_beside_a_network_that_guesses(seed, present):
    """They agree to within 0.03, and the control may fail by luck; there is nothing to support. The
    fewer areas the test slice shows, the more often a guess is right.
    """
    labels, groups = labelled(areas=present)
    rng, tables = np.random.default_rng(seed), []
    right = {CNN: 1.04 / present, UNTRAINED: 0.8 / present}
    for network, probe in [(CNN, END_TO_END), *((n, p) for n in right for p in probes.PROBES)]:
        wrong = rng.permutation(len(labels)) >= right[network] * len(labels)
        said = np.where(wrong, labels % present + 1, labels)
        tables.append(answers(network, said, labels, groups, probe=probe, role="test"))
    finding = of_features.probe_claims(pd.concat(tables), {})["A.probes.supervised"]
    assert finding.value["worst_probe"] >= finding.value["end_to_end"] - 0.03
    assert finding.control["worst_probe"] < finding.control["end_to_end"] - 0.03
    assert verdict("A.probes.supervised", finding) == NOT


def test_a_lead_within_the_noise_is_none():
    found = probe_findings({**TRUE_PROBES, RESNET: 6.0}, end_to_end=0.99)
    assert verdict("A.probes.best", found["A.probes.best"]) == NOT
    assert verdict("A.probes.vmeasure", found["A.probes.vmeasure"]) == NOT


def test_the_probe_is_chosen_on_validation_windows_alone():
    labels, groups = labelled()
    tables = []
    for probe, on_test, on_validation in (("LR", 0.99, 0.5), ("SVM-linear", 0.6, 0.9)):
        for role, right in (("test", on_test), ("validation", on_validation)):
            wrong = np.arange(len(labels)) >= right * len(labels)
            said = np.where(wrong, labels % 4 + 1, labels)
            tables.append(answers(CNN, said, labels, groups, probe=probe, role=role))
    table = pd.concat(tables)
    assert of_features.chosen_probes(table) == {CNN: "SVM-linear"}
    for role in ("test", "validation"):  # one role alone leaves nothing to choose by
        assert of_features.chosen_probes(table[table["role"] == role]) == {}


def test_probe_claims_without_networks_or_without_a_choice_say_why():
    alone = probe_findings({CNN: 6.0, UNTRAINED: 0.5})
    assert verdict("A.probes.supervised", alone["A.probes.supervised"]) == REPRODUCED
    for claim in ("best", "pretrained", "vmeasure"):
        assert alone[f"A.probes.{claim}"] == of_features.NO_NETWORK
    table = probed(TRUE_PROBES)
    found = of_features.probe_claims(table[table["role"] == "test"], {})
    assert found["A.probes.best"] == found["A.probes.pretrained"] == of_features.NO_CHOICE
    assert verdict("A.probes.vmeasure", found["A.probes.vmeasure"]) == REPRODUCED


def noise_finding(accuracies):
    """Each network's accuracies at three variances."""
    labels, groups = labelled(n=240)
    tables, order = [], np.random.default_rng(0).permutation(len(labels))
    for network, curve in accuracies.items():
        for variance, accuracy in zip((0.0, 1.0, 2.0), curve):
            wrong = order >= accuracy * len(labels)
            said = np.where(wrong, labels % 4 + 1, labels)
            tables.append(answers(network, said, labels, groups, variance=variance))
    robust = intervals.resampled_robustness(pd.concat(tables))
    return of_features.noise_claims(robust)["A.noise"]


FALLS, STAYS, KNOWS_LITTLE = (0.9, 0.6, 0.3), (0.9, 0.85, 0.8), (0.4, 0.28, 0.26)


@pytest.mark.parametrize(
    ("trained", "untrained", "expected"),
    [
        (STAYS, KNOWS_LITTLE, REPRODUCED),
        (FALLS, KNOWS_LITTLE, NOT),
        (STAYS, STAYS, SO_DOES_CONTROL),
        # its curve relative to the clean accuracy is as flat as the best; it only guesses
        (STAYS, (0.28, 0.27, 0.26), REPRODUCED),
    ],
)
def test_noise(trained, untrained, expected):
    networks = {CNN: trained, UNTRAINED: untrained, RESNET: FALLS, INCEPTION: FALLS}
    assert verdict("A.noise", noise_finding(networks)) == expected


def test_noise_says_why_it_was_not_run():
    assert noise_finding({CNN: STAYS, UNTRAINED: FALLS}) == of_features.NO_NETWORK
    guessing = {CNN: (0.2, 0.2, 0.2), UNTRAINED: FALLS, RESNET: FALLS}
    assert noise_finding(guessing) == "at no noise it is no better than guessing: trained CNN"


def test_a_guesser_that_noise_cannot_touch_is_not_robust():
    """By chance a little better than guessing on the windows as they are, not on many a draw."""
    curve = (0.26, 0.26, 0.26)
    found = noise_finding({CNN: curve, UNTRAINED: KNOWS_LITTLE, RESNET: FALLS})
    assert found == "at no noise it is no better than guessing: trained CNN"


# ---------------------------------------------------------------- page 04


def directions(shared):
    """A direction per area; `shared` of it is common to all, and pairs of areas lean together."""
    own = np.eye(12)[: len(AREAS)]
    lean = own.copy()
    for a, b in ((0, 1), (2, 3)):  # cortex and striatum, VP and ZI
        lean[a], lean[b] = own[a] + 0.35 * own[b], own[b] + 0.35 * own[a]
    return (1 - shared) * lean + shared * np.eye(12)[11]


def area_features(shared, noise=0.05, shuffled=False, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(1, len(AREAS) + 1), 40)
    rows = directions(shared)[labels - 1] + noise * np.abs(rng.normal(size=(len(labels), 12)))
    if shuffled:
        rows = rng.permutation(rows)
    return FeatureSet(rows.astype(np.float32), labels, np.arange(len(labels)) % 40 // 4)


def structure(**networks):
    names = {"cnn": CNN, "untrained": UNTRAINED, "inception": INCEPTION, "resnet": RESNET}
    tested = {names[name]: part for name, part in networks.items()}
    draws = gram.structure_draws(tested, AREAS)
    return of_structure.structure_claims(draws, networks["cnn"].labels)


TRAINED = area_features(0.0)
ALL_ALIKE = area_features(0.97, noise=0.3, shuffled=True)
SOME, MORE = area_features(0.55, seed=1), area_features(0.68, seed=2)
STRUCTURE = (
    "A.gram.cnn",
    "A.gram.inception",
    "A.gram.resnet18",
    "A.gram.order",
    "A.gram.similar",
    "A.pca.separable",
    "A.pca.neighbours",
)
CONTROLLED = tuple(claim for claim in STRUCTURE if claims.load()[claim].controls)


def test_structure_where_all_that_the_paper_says_is_true():
    found = structure(cnn=TRAINED, untrained=ALL_ALIKE, inception=SOME, resnet=MORE)
    for claim in STRUCTURE[:5]:
        assert verdict(claim, found[claim]) == REPRODUCED, claim
    vague = {"inception": ALL_ALIKE, "resnet": ALL_ALIKE}
    found = structure(cnn=TRAINED, untrained=ALL_ALIKE, **vague)
    for claim in STRUCTURE[5:]:
        assert verdict(claim, found[claim]) == REPRODUCED, claim


def test_structure_of_shuffled_areas():
    broken = area_features(0.0, shuffled=True)
    found = structure(cnn=broken, untrained=ALL_ALIKE, inception=SOME, resnet=MORE)
    for claim in CONTROLLED:
        assert verdict(claim, found[claim]) == NOT, claim
    found = structure(cnn=SOME, untrained=ALL_ALIKE, inception=SOME, resnet=MORE)
    assert verdict("A.gram.order", found["A.gram.order"]) == NOT
    found = structure(cnn=TRAINED, untrained=ALL_ALIKE, inception=MORE, resnet=SOME)
    assert verdict("A.gram.order", found["A.gram.order"]) == NOT


def test_an_order_without_blocks_is_none():
    """Where no two windows are alike, the error is below that of both published networks."""
    labels = TRAINED.labels
    alone = FeatureSet(np.eye(len(labels), dtype=np.float32), labels, TRAINED.groups)
    found = structure(cnn=alone, untrained=ALL_ALIKE, inception=SOME, resnet=MORE)["A.gram.order"]
    assert found.value["lower_cnn_to_inception"] > 0
    assert found.value["lower_inception_to_resnet18"] > 0
    assert verdict("A.gram.order", found) == NOT


@pytest.mark.parametrize("seed", range(3))
def test_an_order_of_what_knows_its_tile_alone_is_none(seed):
    """A random direction for each tile, all a little alike: no area has anything of its own."""
    rng = np.random.default_rng(seed)
    tiles = np.abs(rng.normal(size=(len(AREAS) * 10, 400))) * (rng.random((60, 400)) < 0.3)
    rows = tiles[(TRAINED.labels - 1) * 10 + TRAINED.groups]
    rows = rows + 0.01 * np.abs(rng.normal(size=rows.shape))
    of_tiles = FeatureSet(rows, TRAINED.labels, TRAINED.groups)
    found = structure(cnn=of_tiles, untrained=ALL_ALIKE, inception=SOME, resnet=MORE)
    finding = found["A.gram.order"]
    assert finding.value["cnn"] < 0.41 and finding.value["lower_cnn_to_inception"] > 0
    assert verdict("A.gram.order", finding) == NOT


def test_an_arrangement_that_only_lost_what_all_windows_share_was_not_learned():
    untrained = area_features(0.9, noise=0.01)
    common = untrained.features.min(axis=0) * 0.95  # no window is left without length
    apart = FeatureSet(untrained.features - common, untrained.labels, untrained.groups)
    found = structure(cnn=apart, untrained=untrained)["A.gram.similar"]
    for pair in gram.ALIKE:
        assert found.value[f"lower_{pair}"] > 5 * found.value[f"untrained_{pair}"] > 0
    assert verdict("A.gram.similar", found) == NOT


def test_windows_that_are_all_the_same_have_no_gaps():
    same = FeatureSet(np.ones((240, 12), np.float32), TRAINED.labels, TRAINED.groups)
    found = structure(cnn=same, untrained=same)["A.gram.similar"]
    assert {found.value[f"share_{pair}"] for pair in gram.ALIKE} == {0.0}
    assert verdict("A.gram.similar", found) == NOT


def test_windows_that_are_all_the_same_are_not_separable():
    """Their silhouette is 0, and that of white noise below it."""
    rng, same = np.random.default_rng(0), np.ones((240, 12), np.float32)
    noise = [rng.normal(size=(240, 12)).astype(np.float32) for _ in range(3)]
    of = lambda features: FeatureSet(features, TRAINED.labels, TRAINED.groups)
    found = structure(cnn=of(same), untrained=of(noise[0]), inception=of(noise[1]))
    assert verdict("A.pca.separable", found["A.pca.separable"]) == NOT


def test_structure_that_random_weights_have_too():
    found = structure(cnn=TRAINED, untrained=TRAINED, inception=SOME, resnet=MORE)
    for claim in ("A.gram.cnn", "A.gram.order"):
        assert verdict(claim, found[claim]) == SO_DOES_CONTROL
    for claim in ("A.gram.similar", "A.pca.neighbours"):  # the control is in the rule
        assert verdict(claim, found[claim]) == NOT
    found = structure(cnn=TRAINED, untrained=TRAINED, inception=ALL_ALIKE, resnet=ALL_ALIKE)
    assert verdict("A.pca.separable", found["A.pca.separable"]) == SO_DOES_CONTROL


def test_areas_that_are_arranged_at_random_are_not_arranged_as_the_paper_says():
    """Both gaps are above 0 in every third arrangement, whatever the untrained network does."""
    claimed = ("A.gram.similar", "A.pca.neighbours")
    green, gaps = dict.fromkeys(claimed, 0), dict.fromkeys(claimed, 0)
    labels = np.repeat(np.arange(1, len(AREAS) + 1), 8)
    groups = np.arange(len(labels)) % 8 // 2
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows = np.abs(rng.normal(size=(len(AREAS), 12)))[labels - 1]
        rows = rows + 0.05 * np.abs(rng.normal(size=rows.shape))
        alike = 1 + 0.3 * np.abs(rng.normal(size=rows.shape))
        of = lambda features: FeatureSet(features, labels, groups)  # noqa: B023
        tested = {CNN: of(rows), UNTRAINED: of(alike)}
        found = of_structure.structure_claims(gram.structure_draws(tested, AREAS, 20), labels)
        for claim in claimed:
            gaps[claim] += min(found[claim].value[name] for name in gram.ALIKE) > 0
            green[claim] += verdict(claim, found[claim]) == REPRODUCED
    assert min(gaps.values()) >= 15 and max(green.values()) <= 3, (gaps, green)


def test_four_areas_have_too_few_names():
    few = FeatureSet(*(each[TRAINED.labels <= 4] for each in vars(TRAINED).values()))
    draws = gram.structure_draws({CNN: few, UNTRAINED: few}, AREAS[:4], 20)
    found = of_structure.structure_claims(draws, few.labels)
    assert found["A.gram.similar"] == found["A.pca.neighbours"] == of_structure.TOO_FEW_AREAS


def test_longer_features_are_not_further_apart():
    """Centroid distances are in units of their mean: the spread of a network is no arrangement."""
    near = area_features(0.6)
    found = structure(cnn=near, untrained=TRAINED)["A.pca.neighbours"]
    for pair in gram.ALIKE:
        assert found.value[pair] == pytest.approx(found.value[f"untrained_{pair}"], rel=0.15)


def test_an_order_needs_both_networks():
    found = structure(cnn=TRAINED, untrained=ALL_ALIKE, resnet=MORE)
    assert "needs both" in found["A.gram.order"]
    assert found["A.gram.inception"] == "this network is not among those at hand"
    assert verdict("A.gram.resnet18", found["A.gram.resnet18"]) == REPRODUCED
    found = structure(cnn=TRAINED, untrained=ALL_ALIKE)
    for claim in ("A.gram.order", "A.gram.resnet18", "A.pca.separable"):
        assert found[claim] == of_features.NO_NETWORK
    equal = structure(cnn=TRAINED, untrained=ALL_ALIKE, inception=MORE, resnet=MORE)
    assert verdict("A.gram.order", equal["A.gram.order"]) == NOT


def test_areas_that_are_not_there_are_said():
    draws = gram.structure_draws({CNN: TRAINED, UNTRAINED: ALL_ALIKE}, ["a"] * 6, 20)
    found = of_structure.structure_claims(draws, TRAINED.labels)
    assert found["A.gram.similar"] == found["A.pca.neighbours"] == of_structure.NO_PAIRS


# ---------------------------------------------------------------- page 05

STRIDE, K = 8, 4
WHOLE_STRIP = Strip(0, 0, 64, 100, 0)


def slab():
    """Layers of a slab of cortex, surface at the right, and which windows see no edge."""
    depth = np.tile(np.linspace(1, 0, 100), (64, 1))
    layers = (np.digitize(depth, [0.15, 0.4, 0.55, 0.75]) + 1).astype(np.uint8)
    return depth, layers, np.arange(100)[None] < np.full((64, 1), 92)


def grid_of(features):
    depth, layers, _ = slab()
    included = np.ones(depth.shape, bool)
    rows, columns = (np.arange(side) * STRIDE for side in depth.shape)
    place = (SimpleNamespace(), STRIDE, features, included, included, rows, columns)
    return CortexGrid(*place, depth, layers, True, ("L1", "L2/3", "L4", "L5", "L6"))


def layer_features(seed=0):
    """What the paper describes: L1, L2/3, the borders further down, and the rest."""
    _, layers, _ = slab()
    near = np.abs(ndimage.uniform_filter(layers.astype(float), (1, 9)) - layers) > 0.1
    kind = np.where(layers > 2, np.where(near, 2, 3), layers - 1)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=(*kind.shape, K))
    return (np.eye(K)[kind] + noise).astype(np.float32)


def waves(seed=0):
    """Smooth features that know nothing of depth."""
    noise = np.random.default_rng(seed).normal(size=(64, 100, K))
    smooth = ndimage.gaussian_filter(noise, (8, 8, 0))
    return (smooth / smooth.std()).astype(np.float32)


def clusters_of(features):
    fit = kmeans.fit_kmeans(features.reshape(-1, K), K)
    return fit.predict(features)


def layers_finding(trained, untrained=None, gray=None):
    _, _, whole = slab()
    where = claims_of_clusters.judged(grid_of(trained), whole, WHOLE_STRIP)
    clusters = {
        claims_of_clusters.TRAINED: clusters_of(trained),
        claims_of_clusters.UNTRAINED: clusters_of(waves(1) if untrained is None else untrained),
        claims_of_clusters.GRAY: clusters_of(waves(2) if gray is None else gray),
    }
    return claims_of_clusters.cluster_claims(clusters, where, K)["A.kmeans.layers"]


def test_layers_where_clusters_know_them_and_where_they_do_not():
    assert verdict("A.kmeans.layers", layers_finding(layer_features())) == REPRODUCED
    assert verdict("A.kmeans.layers", layers_finding(waves())) == NOT
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(layer_features().reshape(-1, K)).reshape(64, 100, K)
    assert verdict("A.kmeans.layers", layers_finding(shuffled)) == NOT


@pytest.mark.parametrize("who", ["untrained", "gray"])
def test_layers_that_a_control_finds_too(who):
    finding = layers_finding(layer_features(), **{who: layer_features(3)})
    assert verdict("A.kmeans.layers", finding) == SO_DOES_CONTROL


def test_smooth_clusters_do_not_pass_for_transitions():
    """They lie near borders for more than half of their windows, and the null does too."""
    lacking = 0
    for seed in range(12):
        value = layers_finding(waves(seed)).value
        lacking += value["transition"] <= value["null_transition"]
    assert lacking >= 10


def test_a_cluster_of_windows_that_see_the_edge_is_not_layer_1():
    depth, layers, whole = slab()
    edge = layer_features()
    edge[..., 0] = ~whole  # marks what sees the outside, and nothing of L1 beyond
    edge[..., 1] = (layers <= 2) & whole
    finding = layers_finding(edge)
    assert finding.value["f1_l1"] < 0.5 and verdict("A.kmeans.layers", finding) == NOT
    names = {("trained CNN", 0, 0): clusters_of(edge)}
    table = claims_of_clusters.agreement_table(names, grid_of(edge), whole, WHOLE_STRIP, K)
    by_region = table.set_index("region")
    assert by_region["windows"]["strip, windows at the edge"] == 8 * 64
    assert by_region["windows"]["strip, whole windows"] == 92 * 64
    assert by_region["f1_l1"]["strip, windows at the edge"] == 1  # scored apart


def test_without_whole_windows_in_layer_1_the_row_says_so():
    _, _, whole = slab()
    where = claims_of_clusters.judged(grid_of(waves()), whole & (slab()[1] > 1), WHOLE_STRIP)
    found = claims_of_clusters.cluster_claims({}, where, K)["A.kmeans.layers"]
    assert found == "no window of L1 lies wholly on tissue"
