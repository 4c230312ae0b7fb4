"""The network's architecture, its files, and the scores of its predictions."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from helpers.tissue.network import classifier, evaluation
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


@pytest.fixture
def released():
    torch.manual_seed(1)
    return published_network(6, **classifier.RELEASED)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model": {"module." + name: value for name, value in state.items()}},
        lambda state: dict(reversed(state.items())),  # any order: layers differ in shape
    ],
    ids=["plain", "state_dict", "parallel", "reversed"],
)
def test_released_weights_whatever_their_names(tmp_path, released, wrap):
    torch.save(wrap(released.state_dict()), tmp_path / "cnn_weights.pt")
    model = AreaCNN.from_released(tmp_path / "cnn_weights.pt")
    assert model.config == dict(n_areas=6, channels=3, padding=(1, 1, 0, 0), last_relu=False)
    assert not model.training
    x = torch.rand(2, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(model(x), released(x), rtol=0, atol=1e-6)


def save_unpadded(path):
    torch.save(published_network().state_dict(), path)


def save_whole_model(path):
    torch.save(AreaCNN(), path)


def save_without_bias(path):
    state = published_network(6, **classifier.RELEASED).state_dict()
    del state["3.bias"]
    torch.save(state, path)


def save_other_network(path):
    torch.save(nn.Linear(3, 4).state_dict(), path)


def save_extra_layer(path):
    state = published_network(6, **classifier.RELEASED).state_dict()
    torch.save({**state, "extra.weight": torch.zeros(2, 2), "extra.bias": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    "write, message",
    [
        (
            save_unpadded,
            r"no layer with weights of shape \(16, 3, 7, 7\).* the file has weights \(16, 1, 7, 7\)",
        ),
        (save_whole_model, "not a PyTorch file of plain tensors"),
        (save_without_bias, "layer '3.weight' has no bias"),
        (save_other_network, "expected one output layer with 64 inputs, found 0"),
        (save_extra_layer, "expected 7 layers, found 8"),
        (
            lambda path: torch.save([1, 2], path),
            "expected a state dictionary of tensors, found list",
        ),
        (
            lambda path: torch.save({"a": {}}, path),
            "expected a state dictionary of tensors, found dict",
        ),
        (lambda path: path.write_bytes(b"not weights"), "not a PyTorch file of plain tensors"),
        (lambda path: path.write_bytes(b""), "not a PyTorch file of plain tensors"),
    ],
)
def test_files_that_are_not_the_released_network(tmp_path, write, message):
    path = tmp_path / "cnn_weights.pt"
    write(path)
    with pytest.raises(ValueError, match=message) as error:
        AreaCNN.from_released(path)
    assert str(path) in str(error.value)


def test_missing_files_are_named(tmp_path):
    for read in (AreaCNN.from_released, classifier.load):
        with pytest.raises(FileNotFoundError, match="no such weights file: .*absent"):
            read(tmp_path / "absent")


def test_save_and_load(tmp_path):
    model = AreaCNN(n_areas=4, padding=(1, 0, 0, 0), last_relu=False)
    classifier.save(model, tmp_path / "weights.safetensors", {"areas": ["a", "b", "c", "d"]})
    loaded = classifier.load(tmp_path / "weights.safetensors")
    assert loaded.config == model.config and not loaded.training
    assert all(
        torch.equal(a, b) for a, b in zip(loaded.state_dict().values(), model.state_dict().values())
    )
    assert classifier.read_metadata(tmp_path / "weights.safetensors") == {
        "areas": ["a", "b", "c", "d"]
    }


def test_files_that_save_did_not_write(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(2)}, str(path))
    with pytest.raises(
        ValueError, match="expected weights written by helpers.tissue.network.classifier.save"
    ):
        classifier.load(path)
    save_file({"a": torch.zeros(2)}, str(path), metadata={"AreaCNN": "{}", "metadata": "{}"})
    with pytest.raises(ValueError, match="do not fit the network"):
        classifier.load(path)
    path.write_bytes(b"truncated")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        classifier.load(path)


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


def test_dead_units_are_zero_on_all_inputs():
    features = np.array([[0, 1, 0, -1], [0, 0, 0, 1]], np.float32)
    assert classifier.dead_units(features).tolist() == [True, False, True, False]


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
