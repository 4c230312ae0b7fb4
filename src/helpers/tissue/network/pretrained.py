"""Frozen networks: features of gray patches from ONNX files, run by ONNX Runtime.

A network is used as it lies on disk, never re-exported. Its features are the
graph's own two-dimensional output ``features``, else the input of the last
``Gemm``, the fully connected layer in front of the class scores (paper A,
section III.4: "activations at the last hidden layer").

Gray patches are repeated to the network's channels, resized to its input size
and normalised as its record says (:mod:`helpers.data.datasets.weights`). Where the
record is silent the graph is asked: one that spreads black and white to both
sides of zero before its first convolution normalises inside, and gets plain
[0, 1]; any other gets ImageNet's mean and deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.data.datasets.weights import Record, WeightsError, file_sha256

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class FrozenNetwork:
    """A network that turns gray patches into features; made by :func:`load_network`.

    Attributes
    ----------
    name : str
    input_shape : (channels, height, width) that the graph takes.
    batch : int or None
        The only batch size that the graph takes; None where it takes any.
    n_features : int
    tensor : str
        Name of the tensor that is read.
    mean, std : (channels,) float32
        The graph gets ``(x - mean) / std`` for x in [0, 1].
    normalisation : str
        Where mean and std come from, in words.
    """

    name: str
    input_shape: tuple[int, int, int]
    batch: int | None
    n_features: int
    tensor: str
    mean: np.ndarray
    std: np.ndarray
    normalisation: str
    session: Any

    def prepare(self, patches) -> np.ndarray:
        """Gray patches (N, h, w) in [0, 1] to what the graph reads: (N, C, H, W) float32."""
        import torch
        from torch.nn.functional import interpolate

        channels, height, width = self.input_shape
        gray = torch.from_numpy(np.array(patches, dtype=np.float32)[:, None])  # (N, 1, h, w)
        gray = interpolate(
            gray, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        repeated = np.repeat(gray.numpy(), channels, axis=1)  # (N, C, H, W)
        return (repeated - self.mean[:, None, None]) / self.std[:, None, None]

    def features(self, patches, batch_size=32, progress=False) -> np.ndarray:
        """Features of gray patches.

        Parameters
        ----------
        patches : (N, h, w) array in [0, 1], raw, not standardised
        batch_size : int
            Ignored where the graph takes one batch size only.
        progress : bool
            Show a progress bar.

        Returns
        -------
        (N, n_features) float32

        Raises
        ------
        ValueError
            The patches are not (N, h, w), or leave [0, 1] or are not finite.
        """
        from tqdm.auto import tqdm

        patches = _checked(patches)
        size = self.batch or batch_size
        out = np.empty((len(patches), self.n_features), np.float32)
        for start in tqdm(range(0, len(patches), size), desc=self.name, disable=not progress):
            images = self.prepare(patches[start : start + size])
            n = len(images)
            if self.batch and n < self.batch:  # fill up a last batch; the copies are dropped again
                images = np.concatenate([images, np.repeat(images[-1:], self.batch - n, axis=0)])
            out[start : start + n] = _run(self.session, self.tensor, images)[:n]
        return out


def _checked(patches) -> np.ndarray:
    patches = np.asarray(patches)
    if patches.ndim != 3:
        raise ValueError(
            f"patches must be gray images of shape (N, height, width), found {patches.shape}."
        )
    if patches.size and not (patches.min() >= 0 and patches.max() <= 1):  # false for NaN too
        raise ValueError(
            "frozen networks take raw gray values in [0, 1], found "
            f"[{patches.min():.3g}, {patches.max():.3g}]; do not standardise the patches."
        )
    return patches


def load_network(record: Record, threads=0) -> FrozenNetwork:
    """Load one ONNX file and check that it yields features.

    Parameters
    ----------
    record : helpers.data.datasets.weights.Record
    threads : int
        Threads of one run; 0 takes every core.

    Raises
    ------
    WeightsError
        The file's hash is not the record's, the file is truncated or no ONNX graph, the record
        disagrees with the graph's input, or no tensor holds one vector of features per image.
    """
    import onnx
    import onnxruntime

    model = _read_model(record)
    name, channels, size, batch = _input(model, record)
    tensor = _feature_tensor(model, record)
    stem = _first_convolution_input(model)
    exposed = {output.name for output in model.graph.output}
    for extra in {tensor, stem} - exposed - {name, None}:
        model.graph.output.append(onnx.ValueInfoProto(name=extra))  # type and shape are inferred
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        black_white = np.stack([np.zeros((channels, *size)), np.ones((channels, *size))]).astype(
            np.float32
        )
        sample = np.resize(black_white, (batch, channels, *size)) if batch else black_white
        features = _run(session, tensor, sample)
    except WeightsError:
        raise
    except Exception as error:  # ONNX Runtime has a class of its own for every status code
        raise WeightsError(
            f"{record.path}: ONNX Runtime cannot run this graph on {channels} x {size[0]} x {size[1]} "
            f"images: {str(error)[:300]}"
        ) from None
    if features.ndim != 2 or len(features) != len(sample):
        raise WeightsError(
            f"{record.path}: tensor {tensor!r} has shape {features.shape} for {len(sample)} images; one vector "
            "per image is needed. Name a two-dimensional tensor as `features:` in weights.yml."
        )
    mean, std, said = record.mean, record.std, "from its record"
    if mean is None:
        inside = stem not in (None, name) and _spreads_around_zero(
            session, stem, black_white, batch
        )
        mean, std = ((0.0,), (1.0,)) if inside else (IMAGENET_MEAN, IMAGENET_STD)
        said = "inside the graph" if inside else "assumed: ImageNet"
    return FrozenNetwork(
        record.network,
        (channels, *size),
        batch,
        features.shape[1],
        tensor,
        _per_channel(mean, channels),
        _per_channel(std, channels),
        said,
        session,
    )


def _run(session, tensor: str, images: np.ndarray) -> np.ndarray:
    return session.run([tensor], {session.get_inputs()[0].name: images})[0]


def _per_channel(values, channels: int) -> np.ndarray:
    values = np.asarray(values, np.float32)
    return np.full(channels, values.mean(), np.float32) if len(values) != channels else values


def _read_model(record: Record):
    import onnx

    path = record.path
    with open(path, "rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path}: a Git LFS pointer, not the network itself. Fetch the file it points to."
        )
    if record.sha256 and (found := file_sha256(path)) != record.sha256:
        raise WeightsError(
            f"{path}: SHA-256 is {found}, its record says {record.sha256}. The file is truncated or not the one "
            "that was meant: delete it and fetch it again, or correct weights.yml."
        )
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise classes of their own
        reason = (
            str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        )
        raise WeightsError(
            f"{path}: not a complete ONNX file ({reason}). It may be truncated: {path.stat().st_size:,} bytes lie on disk."
        ) from None
    return model


def _input(model, record: Record):
    """Name, channels, (height, width) and fixed batch size (or None) of the image input."""
    weights = {initializer.name for initializer in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise WeightsError(
            f"{record.path}: expected one input, found {[value.name for value in inputs]}."
        )
    kind = inputs[0].type.tensor_type
    dims = [dim.dim_value or None for dim in kind.shape.dim]
    if len(dims) != 4 or dims[1] not in (1, 3) or kind.elem_type != 1:  # 1 is float32
        raise WeightsError(
            f"{record.path}: expected a float32 input of shape (N, 3, height, width) or (N, 1, height, width), "
            f"found {inputs[0].name!r} of shape {dims} (None: any)."
        )
    batch, channels, height, width = dims
    size = (height or record.size, width or record.size)
    if None in size:
        raise WeightsError(
            f"{record.path}: the graph takes any image size; say which as `size:` in weights.yml."
        )
    if record.size and size != (record.size, record.size):
        raise WeightsError(
            f"{record.path}: the graph takes images of {height} x {width} pixels, its record says "
            f"`size: {record.size}`. Leave `size` out, or correct it."
        )
    return inputs[0].name, channels, size, batch


def _feature_tensor(model, record: Record) -> str:
    """The record's tensor, else the output ``features``, else the input of the last Gemm."""
    produced = {output for node in model.graph.node for output in node.output}
    if record.features:
        if record.features not in produced:
            raise WeightsError(
                f"{record.path}: no tensor is called {record.features!r} (`features:` in weights.yml)."
            )
        return record.features
    if "features" in {output.name for output in model.graph.output}:
        return "features"
    for node in reversed(model.graph.node):  # nodes are stored in the order in which they run
        if node.op_type == "Gemm":
            return node.input[0]
    ends = [node.op_type for node in model.graph.node][-3:]
    raise WeightsError(
        f"{record.path}: no usable feature tensor: no output is called `features`, and no Gemm node is in the graph "
        f"(it ends with {', '.join(ends)}). Name a two-dimensional tensor as `features:` in weights.yml."
    )


def _first_convolution_input(model) -> str | None:
    return next((node.input[0] for node in model.graph.node if node.op_type == "Conv"), None)


def _spreads_around_zero(session, stem: str, black_white, batch) -> bool:
    """True if black falls clearly below zero and white clearly above, in every channel."""
    shown = [np.resize(image, (batch or 1, *image.shape)) for image in black_white]
    # Padding can precede the convolution, so look at the middle of the picture only.
    black, white = (_run(session, stem, image)[0] for image in shown)  # each (C, H, W)
    middle = black.shape[-2] // 2, black.shape[-1] // 2
    return bool((black[(..., *middle)] < -0.4).all() and (white[(..., *middle)] > 0.4).all())
