"""What pages 03 to 05 share: the same patches for every network, fair repeats, and networks that
cannot be used.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score
from test_pretrained import write

from helpers.book import interactive
from helpers.book.artifacts import Artifact
from helpers.book.run import Run, open_run
from helpers.tissue import stages
from helpers.tissue.features import gram
from helpers.tissue.network import classifier
from helpers.tissue.stages import probes


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_microct):
    return open_run(
        tmp_path_factory.mktemp("run") / "run", "03_transfer_and_noise", microct=str(tiny_microct)
    )


@pytest.fixture(scope="module")
def trained(run):
    """A network of random weights that stands in for a trained one."""
    torch.manual_seed(1)
    return Artifact(
        "stand-in",
        run.path,
        SimpleNamespace(model=classifier.AreaCNN(6).eval(), patches_per_area=8, purity=0.0),
    )


def feature_set(n=30, d=8, areas=3, seed=0):
    labels = np.repeat(np.arange(1, areas + 1), n)
    rng = np.random.default_rng(seed)
    features = np.abs(rng.normal(size=(len(labels), d)) + 2 * np.eye(d)[labels]).astype(np.float32)
    return probes.FeatureSet(features, labels, np.arange(len(labels)) // 3)


def test_features_are_those_of_the_same_patches_standardised_as_for_training(run, trained):
    cnn, control = stages.area_networks(run, trained, seed=3)
    found = stages.patch_features(run, cnn, "test", 4, seed=2).value
    patches = stages.patches(run, "test", 4, seed=2)
    np.testing.assert_allclose(
        found.features,
        classifier.patch_features(trained.value.model, patches.cut()),
        rtol=1e-3,
        atol=1e-4,
    )
    np.testing.assert_array_equal(found.labels, patches.labels)
    other = stages.patch_features(run, control, "test", 4, seed=2).value
    np.testing.assert_array_equal(other.groups, found.groups)
    assert not np.allclose(other.features, found.features)


def test_noise_reaches_the_features_and_the_key(run, trained):
    cnn = stages.area_networks(run, trained)[0]
    clean, noisy = (stages.patch_features(run, cnn, "test", 3, variance=v) for v in (0.0, 0.05))
    assert clean.key != noisy.key and not np.allclose(clean.value.features, noisy.value.features)
    np.testing.assert_array_equal(clean.value.labels, noisy.value.labels)


def test_own_predictions_are_the_networks_own(run, trained):
    patches = stages.patches(run, "test", 4, seed=0).cut()
    features = classifier.patch_features(trained.value.model, patches)
    np.testing.assert_array_equal(
        probes.own_predictions(trained, features), classifier.predict(trained.value.model, patches)
    )
    accuracy = stages.own_accuracy(run, trained, 4)
    labels = stages.patches(run, "test", 4, seed=0).labels
    assert accuracy == pytest.approx(
        np.mean(classifier.predict(trained.value.model, patches) == labels)
    )


def test_repeats_are_balanced_and_their_tests_do_not_overlap():
    train, test = feature_set(30), feature_set(31)
    pairs = stages.repeats(train, test, 3, seed=0)
    for fitted, scored in pairs:
        assert (
            np.bincount(train.labels[fitted])[1:].tolist() == [20, 20, 20]
            and len(set(fitted)) == 60
        )
        assert set(np.bincount(test.labels[scored])[1:]) <= {10, 11}
    scored = np.concatenate([rows for _, rows in pairs])
    assert sorted(scored) == list(range(93))
    assert not np.array_equal(pairs[0][0], pairs[1][0])


def test_unusable_networks_are_reported_and_the_others_serve(run, tmp_path):
    write(tmp_path / "good.onnx")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "good.onnx").read_bytes()[:50])
    (tmp_path / "weights.yml").write_text(
        "schema: 1\nkind: weights\nnetworks:\n  - {network: Gone, file: gone.onnx}\n"
    )
    with_weights = Run(run.path, run.notebook, {**run.sources, "weights": str(tmp_path)})
    networks, problems = stages.pretrained_networks(with_weights)
    assert [network.name for network in networks] == ["good"]
    assert "truncated" in problems["cut"] and "missing" in problems["Gone"]
    found = stages.patch_features(with_weights, networks[0], "test", 2).value
    assert found.features.shape == (12, 5) and np.isfinite(found.features).all()
    assert stages.pretrained_networks(run) == ([], {})
    empty = Run(run.path, run.notebook, {**run.sources, "weights": str(tmp_path / "nowhere")})
    assert "no such folder" in stages.pretrained_networks(empty)[1].popitem()[1]


AREAS = ("VP", "Cortex", "ZI", "Striatum")


def test_area_pairs_are_found_by_name():
    assert stages.area_pairs(AREAS) == {
        "cortex_striatum": (1, 3),
        "vp_zi": (0, 2),
        "cortex_vp": (1, 0),
    }
    assert stages.area_pairs(("Cortex", "VP")) == {}


def test_structure_draws_against_direct_numbers():
    part = feature_set(20, areas=4)
    draws = stages.structure_draws({"a": part, "b": part}, AREAS, draws=30)
    now = draws["a"].iloc[0]
    scores, _ = gram.principal_components(part.features)
    assert now["error"] == pytest.approx(gram.block_diagonal_error(part.features, part.labels))
    assert now["silhouette"] == pytest.approx(silhouette_score(scores, part.labels))
    alike = gram.area_similarity(part.features, part.labels)
    assert now["similarity vp_zi"] == pytest.approx(alike[0, 2] - alike[1, 0])
    apart = gram.centroid_distances(scores, part.labels)
    mean = apart[np.triu_indices(4, 1)].mean()
    assert now["distance cortex_striatum"] == pytest.approx((apart[1, 0] - apart[1, 3]) / mean)
    assert len(draws) == 31 and (draws["a"] == draws["b"]).all(axis=None)  # one draw for both
    table = stages.structure_table(draws, seed=4)
    row = table.iloc[0]
    assert (row["network"], row["measure"], row["seed"]) == ("a", "error", 4)
    assert row["low"] < row["high"] and row["value"] == now["error"]


def test_probes_learn_from_windows_that_the_network_learned_from(run, trained):
    cnn = stages.area_networks(run, trained)[0]
    found = stages.patch_features(run, cnn, "train", 3, trained=trained, seed=1).value
    patches = stages.training_patches(run, trained.value, 3, seed=1)
    expected = classifier.patch_features(trained.value.model, patches.cut())
    np.testing.assert_allclose(found.features, expected, rtol=1e-3, atol=1e-4)


def test_probe_predictions_on_validation_windows_stand_apart(run, trained):
    networks = stages.area_networks(run, trained)
    sizes = {"train_per_area": 5, "test_per_area": 4, "validation_per_area": 2}
    table = stages.probe_predictions(run, networks, trained, **sizes, n_repeats=2).value
    per_probe = table.groupby(["network", "role", "probe"]).size()
    assert (per_probe["trained CNN"]["test"] == 24).all()  # each test window once
    assert (per_probe["trained CNN"]["validation"] == 2 * 12).all()  # all of them per repeat
    assert set(table[table["probe"] == "end to end"]["network"]) == {"trained CNN"}
    validation = stages.patch_features(run, networks[0], "validation", 2).value
    own = probes.own_predictions(trained, validation.features)
    rows = (table["role"] == "validation") & (table["probe"] == "end to end")
    np.testing.assert_array_equal(table[rows]["predicted"], [*own, *own])


@pytest.mark.parametrize(
    ("name", "wanted", "same"),
    [
        ("ResNet18", "resnet18", True),
        ("resnet18", "resnet18", True),
        ("Inception v3", "inception", True),
        ("inception_v3", "inception", True),
        ("GoogLeNet", "inception", False),
        ("ResNet18 tuned", "resnet18", False),
        ("Inception v1", "inception", False),
    ],
)
def test_networks_the_paper_names(name, wanted, same):
    assert stages.is_network(name, wanted) == same


def test_interactive_plot_holds_its_data_and_asks_the_bundled_script_first():
    labels = np.repeat([1, 2], 5)
    from helpers.tissue import figures

    figure = figures.scatter_3d(
        {"a": np.random.default_rng(0).normal(size=(10, 3)), "b": np.ones((10, 3))},
        labels,
        ["x</script>", "y"],
        True,
    )
    html = interactive.plotly_html(figure).data
    assert html.index("../_static/vendor/plotly.min.js") < html.index("cdn.plot.ly")
    assert html.count("</script>") == 2 and "(phantom)" in html  # a name cannot end the script


def test_a_window_sees_what_its_image_file_has_around_it(run):
    whole = stages.labelled_test_slice(run)
    top, left = 40, 56
    height, width = (4 * (side // 4) - 100 for side in whole.image.shape)
    cut = np.s_[top : top + height, left : left + width]
    window = replace(
        whole,
        image=whole.image[cut],
        areas=whole.areas[cut],
        layers=None,
        truth={},
        window=(top, left, height, width),
    )
    assert window.whole is whole.whole
    network = stages.untrained_classifier(run, seed=0)
    # positions of the window are among those of the whole slice
    all_of_it, part = (
        stages.slice_features(run, network, piece, stride=4, progress=False).value
        for piece in (whole, window)
    )
    expected = all_of_it.features[top // 4 : (top + height) // 4, left // 4 : (left + width) // 4]
    both = part.computed & np.any(expected != 0, axis=-1)
    assert both[0].any() and both[:, 0].any()  # at its edges too
    np.testing.assert_allclose(part.features[both], expected[both], atol=1e-4)
    prepared = stages.prepared_slice(run, window)
    np.testing.assert_array_equal(prepared.image, stages.prepared_slice(run, whole).image[cut])
    np.testing.assert_array_equal(prepared.tissue, stages.prepared_slice(run, whole).tissue[cut])
    drawn = stages.patches(run, "test", 3, only=window)
    corners = drawn.centres - 64
    source = np.pad(stages.prepared_slice(run, whole).image, 64, constant_values=drawn.padding[0])
    for patch, (row, column) in zip(drawn.cut()[:, 0], corners + 64):
        np.testing.assert_array_equal(patch, source[row : row + 128, column : column + 128])


def test_the_untrained_network_stands_in_for_a_trained_one(run):
    one = stages.untrained_classifier(run, seed=3)
    again, other = stages.untrained_classifier(run, seed=3), stages.untrained_classifier(run, 4)
    weights, same, different = (a.value.model.output.weight for a in (one, again, other))
    assert torch.equal(weights, same) and not torch.equal(weights, different)
    torch.manual_seed(3)
    assert torch.equal(weights, classifier.AreaCNN(6).output.weight)  # what training begins with
    assert not one.value.model.training
    piece = stages.labelled_test_slice(run)
    dense = stages.slice_features(run, one, piece, stride=64, progress=False).value
    image = stages.prepared_slice(run, piece).image
    places = np.argwhere(dense.included)
    middle = np.abs(places - np.array(dense.included.shape) / 2).sum(axis=1).argmin()
    row, column = places[middle]
    top, left = dense.rows[row] - 64, dense.columns[column] - 64
    window = image[top : top + 128, left : left + 128]
    expected = classifier.patch_features(one.value.model, window[None])[0]
    np.testing.assert_allclose(dense.features[row, column], expected, atol=1e-4)
    control = stages.area_networks(run, one, seed=3)[1]
    features = stages.patch_features(run, control, "test", 2).value.features
    patches = stages.patches(run, "test", 2).cut()
    expected = classifier.patch_features(one.value.model, patches)
    np.testing.assert_allclose(features, expected, atol=1e-4)
