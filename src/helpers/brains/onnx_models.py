"""Trained models as ONNX graphs that a browser can run: weights in half precision, sums in single.

The graphs are written node by node from the layers themselves, so no exporter has to guess; a test
holds them to PyTorch.
"""

from collections.abc import Callable

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from helpers.brains.pca_baseline import PCABaseline
from helpers.brains.vae import BetaVAE, Transposed

OPSET = 17


class _Graph:
    """Collects the nodes and weights of a graph that grows from its input."""

    def __init__(self) -> None:
        self.nodes, self.weights, self.last = [], [], "input"

    def weight(self, values: np.ndarray | torch.Tensor) -> str:
        """Keep an array as float16 and return the name of its float32 copy in the graph."""
        values = values.detach().cpu().numpy() if torch.is_tensor(values) else np.asarray(values)
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        self.nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return name

    def shape(self, *sizes: int) -> str:
        name = f"s{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(sizes, np.int64), name))
        return name

    def node(self, kind: str, *others: str, first: bool = True, **attributes: object) -> None:
        inputs = (self.last, *others) if first else (*others, self.last)
        self.last = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [self.last], **attributes))

    def bytes(self, inside: tuple, outside: tuple) -> bytes:
        """Return the graph, its input and output of these shapes after the number of images."""
        self.nodes.append(helper.make_node("Identity", [self.last], ["output"]))
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])
            for name, shape in (("input", inside), ("output", outside))
        ]
        graph = helper.make_graph(self.nodes, "model", values[:1], values[1:], self.weights)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def _add_layers(graph: _Graph, layers: nn.Sequential) -> None:
    for layer in layers:
        if type(layer) not in _LAYERS:
            raise TypeError(f"no ONNX node is known for a layer of type {type(layer).__name__}")
        _LAYERS[type(layer)](graph, layer)


def _convolution(kind: str) -> Callable:
    def add(graph: _Graph, layer: nn.Conv2d) -> None:
        names = graph.weight(layer.weight), graph.weight(layer.bias)
        graph.node(kind, *names, strides=layer.stride, pads=[*layer.padding, *layer.padding])

    return add


def _linear(graph: _Graph, layer: nn.Linear) -> None:
    graph.node("Gemm", graph.weight(layer.weight), graph.weight(layer.bias), transB=1)


_LAYERS = {
    nn.Conv2d: _convolution("Conv"),
    Transposed: _convolution("ConvTranspose"),
    nn.Linear: _linear,
    nn.ReLU: lambda graph, layer: graph.node("Relu"),
    nn.Flatten: lambda graph, layer: graph.node("Flatten", axis=1),
    nn.Unflatten: lambda graph, layer: graph.node(
        "Reshape", graph.shape(-1, *layer.unflattened_size)
    ),
}


def decoder(model: BetaVAE | PCABaseline) -> bytes:
    """Return the decoder as an ONNX file: ``input`` (n, L) latents, ``output`` (n, H, W) images.

    Raises
    ------
    TypeError
        If the network holds a layer without a known ONNX node.
    """
    graph, shape = _Graph(), model.image_shape
    if isinstance(model, PCABaseline):
        spread = model.components * model.scale[:, None, None]
        graph.node("MatMul", graph.weight(spread.reshape(model.latent_dim, -1)))
        graph.node("Add", graph.weight(model.mean.ravel()))
    else:
        _add_layers(graph, model.decoder)
        graph.node("Add", graph.weight(model.output_logit))
        graph.node("Sigmoid")
    graph.node("Reshape", graph.shape(-1, *shape))
    return graph.bytes((model.latent_dim,), shape)


def encoder(model: BetaVAE | PCABaseline) -> bytes:
    """Return the encoder as an ONNX file: ``input`` (n, H, W) images, ``output`` (n, L) means."""
    graph, (height, width) = _Graph(), model.image_shape
    graph.node("Reshape", graph.shape(-1, 1, height, width))
    if isinstance(model, PCABaseline):
        graph.node("Sub", graph.weight(model.mean[None]))
        graph.node("Flatten", axis=1)
        project = model.components.reshape(model.latent_dim, -1) / model.scale[:, None]
        graph.node("MatMul", graph.weight(project.T))
    else:
        graph.node("Sub", graph.weight(model.input_mean))
        graph.node("Mul", graph.weight(model.input_scale.reshape(1)))
        _add_layers(graph, model.encoder)
        graph.node("Slice", graph.shape(0), graph.shape(model.latent_dim), graph.shape(1))
    return graph.bytes((height, width), (model.latent_dim,))
