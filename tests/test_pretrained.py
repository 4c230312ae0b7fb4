"""Frozen networks against the same network in PyTorch; the ways in which a file can be unusable."""

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from helpers.data.datasets.weights import Record, WeightsError, open_weights
from helpers.data.files import file_sha256
from helpers.tissue.network.pretrained import IMAGENET_MEAN, IMAGENET_STD, load_network

SIDE, UNITS = 24, 5
PATCHES = np.random.default_rng(0).random((7, 16, 16)).astype(np.float32)


class Tiny(torch.nn.Module):
    """Convolution, ReLU, mean over positions, fully connected: the reference."""

    def __init__(self, channels=3):
        super().__init__()
        torch.manual_seed(0)
        self.convolution = torch.nn.Conv2d(channels, UNITS, 3, stride=2, padding=1)
        self.classes = torch.nn.Linear(UNITS, 4)

    def features(self, x):
        return torch.relu(self.convolution(x)).mean((2, 3))


def write(path, channels=3, batch="n", side=SIDE, before=(), end="gemm", elem=TensorProto.FLOAT):
    """The network `Tiny` as an ONNX file, written node by node; returns the path."""
    net = Tiny(channels)
    values = {
        "w": net.convolution.weight,
        "b": net.convolution.bias,
        "W": net.classes.weight,
        "B": net.classes.bias,
    }
    weights = [
        numpy_helper.from_array(value.detach().numpy(), name) for name, value in values.items()
    ]
    nodes, stem = [], "image"
    for i, (op, constant) in enumerate(before):
        weights.append(numpy_helper.from_array(np.float32(constant), f"c{i}"))
        nodes.append(helper.make_node(op, [stem, f"c{i}"], [f"s{i}"]))
        stem = f"s{i}"
    pooled = "features" if end == "features" else "pooled"
    nodes += [
        helper.make_node("Conv", [stem, "w", "b"], ["conv"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["average"]),
        helper.make_node("Flatten", ["average"], [pooled], axis=1),
    ]
    output, shape = pooled, ["n", UNITS]
    if end == "gemm":
        nodes.append(helper.make_node("Gemm", [pooled, "W", "B"], ["scores"], transB=1))
        output, shape = "scores", ["n", 4]
    if end == "map":
        nodes, output, shape = nodes[:-2], "relu", ["n", UNITS, None, None]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", elem, [batch, channels, side, side])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def reference(patches, channels=3, mean=IMAGENET_MEAN, std=IMAGENET_STD, side=SIDE):
    """Features of `Tiny` in PyTorch, prepared by Pillow instead of torch."""
    from PIL import Image

    resized = [np.asarray(Image.fromarray(p).resize((side, side), Image.BILINEAR)) for p in patches]
    x = np.repeat(np.stack(resized)[:, None], channels, axis=1)
    x = (x - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
    with torch.no_grad():
        return Tiny(channels).features(torch.from_numpy(x.astype(np.float32))).numpy()


def test_features_are_the_input_of_the_last_gemm(tmp_path):
    network = load_network(Record("tiny", write(tmp_path / "t.onnx")))
    assert (network.n_features, network.tensor, network.input_shape) == (
        UNITS,
        "pooled",
        (3, SIDE, SIDE),
    )
    np.testing.assert_allclose(network.mean, IMAGENET_MEAN)
    np.testing.assert_allclose(network.features(PATCHES), reference(PATCHES), rtol=1e-4, atol=1e-5)


def test_an_output_called_features_comes_first(tmp_path):
    network = load_network(Record("tiny", write(tmp_path / "t.onnx", end="features")))
    assert network.tensor == "features"
    np.testing.assert_allclose(network.features(PATCHES), reference(PATCHES), rtol=1e-4, atol=1e-5)


def test_the_record_names_tensor_and_normalisation(tmp_path):
    path = write(tmp_path / "t.onnx")
    record = Record(
        "tiny", path, file_sha256(path), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), SIDE, "scores"
    )
    network = load_network(record)
    assert network.n_features == 4
    expected = reference(PATCHES, mean=record.mean, std=record.std)
    weights = Tiny().classes
    expected = expected @ weights.weight.detach().numpy().T + weights.bias.detach().numpy()
    np.testing.assert_allclose(network.features(PATCHES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("before", "inside"),
    [
        ([("Mul", 255.0), ("Sub", 120.0)], True),
        ([("Sub", 0.5), ("Div", 0.25)], True),
        (
            [("Mul", 0.458), ("Add", -0.03)],
            False,
        ),  # turns ImageNet's normalisation into another: expects it outside
        ([], False),
    ],
)
def test_a_graph_that_normalises_inside_is_recognised(tmp_path, before, inside):
    network = load_network(Record("tiny", write(tmp_path / "t.onnx", before=before)))
    prepared = network.prepare(np.full((1, 16, 16), 0.5))
    expected = np.full(3, 0.5) if inside else (0.5 - np.array(IMAGENET_MEAN)) / IMAGENET_STD
    np.testing.assert_allclose(prepared[0, :, 3, 3], expected, rtol=1e-5)


@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_batches_do_not_change_features(tmp_path, batch):
    network = load_network(Record("tiny", write(tmp_path / "t.onnx", batch=batch)))
    assert network.batch == (None if batch == "n" else batch)
    for size in (1, 2, 100):
        np.testing.assert_allclose(
            network.features(PATCHES, size), reference(PATCHES), rtol=1e-4, atol=1e-5
        )
    assert network.features(PATCHES[:0]).shape == (0, UNITS)


def test_gray_networks_and_free_sizes(tmp_path):
    path = write(tmp_path / "t.onnx", channels=1, side="s")
    with pytest.raises(WeightsError, match="takes any image size; say which as `size:`"):
        load_network(Record("tiny", path))
    network = load_network(Record("tiny", path, mean=(0.5,), std=(0.5,), size=20))
    expected = reference(PATCHES, 1, (0.5,), (0.5,), 20)
    np.testing.assert_allclose(network.features(PATCHES), expected, rtol=1e-4, atol=1e-5)


def test_files_that_cannot_be_used(tmp_path):
    path = write(tmp_path / "t.onnx")
    with pytest.raises(WeightsError, match="SHA-256 is .*, its record says 00"):
        load_network(Record("tiny", path, sha256="0" * 64))
    with pytest.raises(
        WeightsError, match="takes images of 24 x 24 pixels, its record says `size: 224`"
    ):
        load_network(Record("tiny", path, size=224))
    with pytest.raises(WeightsError, match="no tensor is called 'pool5'"):
        load_network(Record("tiny", path, features="pool5"))
    with pytest.raises(WeightsError, match=r"shape \(2, 5, 12, 12\).*one vector per image"):
        load_network(Record("tiny", path, features="relu"))
    with pytest.raises(WeightsError, match="no usable feature tensor.*ends with Conv, Relu"):
        load_network(Record("tiny", write(tmp_path / "map.onnx", end="map")))
    with pytest.raises(
        WeightsError, match=r"expected a float32 input of shape .* found 'image' of shape \[None, 2"
    ):
        load_network(Record("tiny", write(tmp_path / "two.onnx", channels=2)))
    content = path.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 3):
        (tmp_path / "cut.onnx").write_bytes(content[:size])
        with pytest.raises(WeightsError, match="may be truncated"):
            load_network(Record("tiny", tmp_path / "cut.onnx"))
    (tmp_path / "lfs.onnx").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    )
    with pytest.raises(WeightsError, match="Git LFS pointer"):
        load_network(Record("tiny", tmp_path / "lfs.onnx"))


def test_patches_must_be_raw_gray_images(tmp_path):
    network = load_network(Record("tiny", write(tmp_path / "t.onnx")))
    with pytest.raises(ValueError, match=r"shape \(N, height, width\), found \(7, 3, 16, 16\)"):
        network.features(np.repeat(PATCHES[:, None], 3, axis=1))
    with pytest.raises(ValueError, match="do not standardise"):
        network.features(PATCHES - 0.5)
    with pytest.raises(ValueError, match="nan"):
        network.features(np.full((1, 16, 16), np.nan))


REAL = os.environ.get("BRAINBOOK_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="BRAINBOOK_REAL_DATA names no folder")
def test_real_networks_load_and_tell_patches_apart():
    networks = {r.network: load_network(r) for r in open_weights(Path(REAL) / "weights").records}
    assert networks["googlenet"].n_features == 1024 and networks["squeezenet1_1"].n_features == 512
    for network in networks.values():
        assert network.mean.tolist() == [0, 0, 0] and network.input_shape == (3, 224, 224)
        features = network.features(PATCHES[:3], 2)
        assert np.isfinite(features).all() and np.ptp(features, axis=0).max() > 0
        np.testing.assert_allclose(
            features[2:], network.features(PATCHES[2:3]), rtol=1e-3, atol=1e-4
        )


@pytest.mark.slow
@pytest.mark.skipif(not REAL, reason="BRAINBOOK_REAL_DATA names no folder")
def test_a_real_network_agrees_with_the_reference_evaluator():
    from onnx.reference import ReferenceEvaluator

    (record,) = (
        r
        for r in open_weights(Path(REAL) / "weights").records
        if r.network.startswith("squeezenet")
    )
    network = load_network(record)
    (expected,) = ReferenceEvaluator(str(record.path)).run(
        ["features"], {"image": network.prepare(PATCHES[:1])}
    )
    np.testing.assert_allclose(network.features(PATCHES[:1]), expected, rtol=1e-3, atol=1e-4)
