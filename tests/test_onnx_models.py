"""Graphs for the browser: the same numbers as PyTorch and numpy, in under a megabyte."""

import numpy as np
import onnxruntime
import pytest
import torch

from helpers.brains import onnx_models
from helpers.brains.pca_baseline import PCABaseline
from helpers.brains.vae import BetaVAE

SHAPE = (80, 112)


def run(graph, values):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(["output"], {"input": values.astype(np.float32)})[0]


@pytest.fixture(scope="module")
def images():
    y, x = np.mgrid[-1:1:80j, -1:1:112j]
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.2, (24, 2, 1, 1))
    clean = np.exp(-3 * ((y - shifts[:, 0]) ** 2 + (x - shifts[:, 1]) ** 2))
    return np.clip(clean + rng.normal(0, 0.02, clean.shape), 0, 1).astype(np.float32)


@pytest.fixture(scope="module", params=["VAE", "PCA"])
def model(request, images):
    if request.param == "PCA":
        return PCABaseline.fit(images, 8)
    torch.manual_seed(0)
    net = BetaVAE(SHAPE, 8).standardise(images)
    with torch.no_grad():  # weights large enough that what they do can be seen
        for weight in net.parameters():
            if weight.ndim > 1:
                torch.nn.init.kaiming_normal_(weight)
    return net


def test_graphs_equal_the_model_to_a_hundredth_of_the_gray_range(model, images):
    latents = model.encode(images)
    there = run(onnx_models.encoder(model), images)
    assert np.abs(there - latents).max() < 1e-2 * np.abs(latents).max()
    pictures = model.decode(latents)
    assert np.abs(run(onnx_models.decoder(model), latents) - pictures).max() < 1e-2
    assert pictures.std(0).max() > 0.05  # there is something to get wrong


def test_graphs_are_small(model):
    assert max(len(onnx_models.encoder(model)), len(onnx_models.decoder(model))) < 1_000_000


def test_an_unknown_layer_is_named():
    net = BetaVAE(SHAPE, 4)
    net.decoder.append(torch.nn.Softplus())
    with pytest.raises(TypeError, match="no ONNX node is known for a layer of type Softplus"):
        onnx_models.decoder(net)
