"""The network's architecture, its files, and the scores of its predictions."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from helpers import model_files
from helpers.tissue.network import classifier, evaluation, released
from helpers.tissue.network.classifier import AreaCNN

AREAS = ("Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI")


def published_network(side=5, channels=1, padding=(0, 0, 0, 0), last_relu=True):
    """The architecture written out a second time, layer by layer as the paper lists it."""
    p = padding
    return nn.Sequential(
        nn.Conv2d(channels, 16, 7, padding=p[0]), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=p[1]), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=p[2]), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=p[3]), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128 * side * side, 1024), nn.ReLU(), nn.Linear(1024, 64),
        nn.ReLU() if last_relu else nn.Identity(), nn.Linear(64, 6),
    )  # fmt: skip


def copy_in_order(source, target):
    with torch.no_grad():
        for a, b in zip(target.parameters(), source.parameters()):
            a.copy_(b)


@pytest.mark.parametrize("side, arguments", [(5, {}), (6, classifier.RELEASED)])
def test_architecture_equals_a_second_implementation(side, arguments):
    torch.manual_seed(0)
    reference = published_network(side, **arguments)
    model = AreaCNN(**arguments).eval()
    copy_in_order(reference, model)
    x = torch.randn(3, arguments.get("channels", 1), 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(model(x), reference(x), rtol=0, atol=1e-6)
        torch.testing.assert_close(model.features(x), reference[:-1](x), rtol=0, atol=1e-6)
    assert model.features(x).shape == (3, 64)
    assert (model.features(x).min() >= 0) == model.last_relu


def test_dropout_before_each_fully_connected_layer():
    model = AreaCNN().train()
    dropped = []
    model.dropout.register_forward_hook(
        lambda module, inputs, output: dropped.append(inputs[0].shape[1])
    )
    model(torch.randn(2, 1, 128, 128))
    assert model.dropout.p == 0.3 and dropped == [3200, 1024, 64]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(n_areas=1), "n_areas must be a whole number of at least 2, found 1"),
        (dict(channels=0), "channels must be a whole number of at least 1, found 0"),
        (
            dict(padding=(1, 1)),
            r"padding must be 4 whole numbers >= 0, one per convolution, found \(1, 1\)",
        ),
        (dict(padding=(0, 0, 0, -1)), "padding must be 4 whole numbers"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        AreaCNN(**arguments)


@pytest.mark.parametrize("shape", [(2, 3, 128, 128), (2, 1, 127, 128), (128, 128)])
def test_patches_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"shape \(N, 1, 128, 128\), found"):
        AreaCNN()(torch.zeros(shape))


NAMES = ("conv1", "conv2", "conv3", "conv4", "fc1", "fc2", "fc3")


def released_state(network=None):
    """A state dictionary with the layers' names in the authors' file, and the network it is of."""
    torch.manual_seed(1)
    network = network or published_network(6, **classifier.RELEASED)
    layers = [layer for layer in network if isinstance(layer, (nn.Conv2d, nn.Linear))]
    named = zip(NAMES, layers)
    return network, {
        f"{name}.{kind}": getattr(layer, kind).detach()
        for name, layer in named
        for kind in ("weight", "bias")
    }


def test_released_weights_are_loaded(tmp_path):
    network, state = released_state()
    torch.save(state, tmp_path / "cnn_weights.pt")
    model = AreaCNN.from_released(tmp_path / "cnn_weights.pt")
    assert model.config == {"n_areas": 6, **classifier.RELEASED}
    assert not model.training
    x = torch.rand(2, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(model(x), network(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "content, reason",
    [
        (released_state(published_network())[1], "size mismatch for convolutions.0.weight"),
        ({**released_state()[1], "extra.weight": torch.zeros(2)}, 'Unexpected key.*"extra.weight"'),
        ({"conv1.weight": torch.zeros(16, 3, 7, 7)}, "Missing key"),
        ([1, 2], "has no attribute"),
        (AreaCNN(), "Weights only load failed|WeightsUnpickler"),
    ],
    ids=["unpadded", "extra layer", "few layers", "list", "whole model"],
)
def test_files_that_are_not_the_released_network(tmp_path, content, reason):
    path = tmp_path / "cnn_weights.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=f"{path}: expected the authors'.*{reason}"):
        AreaCNN.from_released(path)


def test_damaged_or_missing_released_weights(tmp_path):
    path = tmp_path / "cnn_weights.pt"
    with pytest.raises(FileNotFoundError, match="cnn_weights.pt"):
        AreaCNN.from_released(path)
    for content in (b"", b"not weights"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="or a damaged one"):
            AreaCNN.from_released(path)


def test_released_network_answers_in_the_datasets_class_order(monkeypatch):
    model, patches = AreaCNN(**classifier.RELEASED), np.full((6, 128, 128), 0.5)
    own = classifier.predict(model, patches)
    np.testing.assert_array_equal(released.predict(model, patches, AREAS), own)
    monkeypatch.setattr(classifier, "predict", lambda model, patches: np.arange(1, 7, dtype="u1"))
    other = ("ZI", "wm", "VP", "cortex", "striatum", "Hypothalamus")
    found = released.predict(model, patches, other)
    assert found.dtype == np.uint8
    assert [other[label - 1].casefold() for label in found] == list(released.AREAS)


@pytest.mark.parametrize("areas", [AREAS[:5], (*AREAS[:5], "Thalamus"), (*AREAS, "TRN")])
def test_released_network_knows_its_own_areas_only(areas):
    with pytest.raises(
        ValueError, match="vp, wm, zi apart; this dataset has Cortex, .*dataset.yml"
    ):
        released.predict(AreaCNN(**classifier.RELEASED), np.zeros((1, 128, 128)), areas)


def test_released_network_takes_raw_patches():
    model = AreaCNN(**classifier.RELEASED)
    for patches in (np.full((1, 128, 128), -0.1), np.full((1, 128, 128), np.nan)):
        with pytest.raises(ValueError, match="do not standardise"):
            released.predict(model, patches, AREAS)
    with pytest.raises(ValueError, match=r"shape \(N, height, width\)"):
        released.predict(model, np.zeros((1, 1, 128, 128)), AREAS)


def test_a_stored_network_is_the_same(tmp_path):
    model = AreaCNN(n_areas=4, padding=(1, 0, 0, 0), last_relu=False)
    model_files.save(model, tmp_path / "weights.safetensors")
    loaded = model_files.load(AreaCNN, tmp_path / "weights.safetensors")
    assert loaded.config == model.config
    for a, b in zip(loaded.state_dict().values(), model.state_dict().values()):
        assert torch.equal(a, b)


def test_prediction_in_batches_is_deterministic_and_restores_the_mode():
    torch.manual_seed(0)
    model = AreaCNN(channels=3).train()
    patches = np.random.default_rng(0).normal(size=(7, 128, 128)).astype(np.float32)
    features = classifier.patch_features(model, patches, batch=3)
    assert features.shape == (7, 64) and features.dtype == np.float32 and model.training
    three = np.repeat(patches[:, None], 3, axis=1)
    np.testing.assert_allclose(
        classifier.patch_features(model, three, batch=7), features, atol=1e-6
    )
    labels = classifier.predict(model, patches)
    logits = classifier.apply_in_batches(model, model, patches)
    np.testing.assert_array_equal(labels, logits.argmax(1) + 1)
    assert labels.dtype == np.uint8
    with pytest.raises(ValueError, match="at least one patch"):
        classifier.predict(model, patches[:0])


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 3000)
    predicted = np.where(rng.random(3000) < 0.6, np.maximum(truth, 1), rng.integers(1, 7, 3000))
    confusion = evaluation.confusion_matrix(truth.reshape(50, 60), predicted.reshape(50, 60), AREAS)
    kept = truth > 0  # 0 is not annotated
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth[kept], predicted[kept]
    )
    table = evaluation.scores(confusion)
    np.testing.assert_allclose(table[["precision", "recall", "f1"]], np.c_[precision, recall, f1])
    assert table["support"].tolist() == support.tolist() and tuple(table.index) == AREAS
    assert evaluation.accuracy(confusion) == pytest.approx(
        metrics.accuracy_score(truth[kept], predicted[kept])
    )
    assert confusion.loc["VP", "ZI"] == np.sum((truth == 4) & (predicted == 6))


def test_an_area_never_predicted_scores_zero():
    table = evaluation.scores(evaluation.confusion_matrix([1, 1, 2], [1, 1, 1], ["a", "b", "c"]))
    assert table.loc["b"].tolist() == [0, 0, 0, 1] and table.loc["c"].tolist() == [0, 0, 0, 0]
    assert table.loc["a", "precision"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "truth, predicted, message",
    [
        ([1, 2], [1], "differ in number: 2 and 1"),
        ([0, 0], [1, 1], "no annotated sample"),
        ([1, 3], [1, 1], r"labels of the truth must lie in 1 ... 2, found 1 ... 3"),
        ([1, 2], [1, 0], r"labels of the prediction must lie in 1 ... 2, found 0 ... 1"),
    ],
)
def test_labels_that_do_not_fit(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        evaluation.confusion_matrix(truth, predicted, ["a", "b"])
