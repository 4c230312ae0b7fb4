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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from torch.nn.functional import interpolate
from tqdm.auto import tqdm

from helpers.data.datasets.weights import Record, WeightsError
from helpers.data.files import file_sha256

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def raw_patches(patches: np.ndarray) -> np.ndarray:
    """The patches (N, h, w) themselves; ValueError unless they are raw gray values in [0, 1]."""
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
    session : onnxruntime.InferenceSession
    """

    name: str
    input_shape: tuple[int, int, int]
    batch: int | None
    n_features: int
    tensor: str
    mean: np.ndarray
    std: np.ndarray
    session: onnxruntime.InferenceSession

    def prepare(self, patches: np.ndarray) -> np.ndarray:
        """Gray patches (N, h, w) in [0, 1] to what the graph reads: (N, C, H, W) float32."""
        channels, height, width = self.input_shape
        gray = torch.from_numpy(np.array(patches, dtype=np.float32)[:, None])  # (N, 1, h, w)
        gray = interpolate(
            gray, (height, width), mode="bilinear", align_corners=False, antialias=True
        )
        repeated = np.repeat(gray.numpy(), channels, axis=1)  # (N, C, H, W)
        return (repeated - self.mean[:, None, None]) / self.std[:, None, None]

    def features(
        self, patches: np.ndarray, batch_size: int = 32, progress: bool = False
    ) -> np.ndarray:
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
        patches, size = raw_patches(patches), self.batch or batch_size
        out = np.empty((len(patches), self.n_features), np.float32)
        for start in tqdm(range(0, len(patches), size), desc=self.name, disable=not progress):
            images = self.prepare(patches[start : start + size])
            n = len(images)
            if self.batch:  # a last batch is filled up; what fills it is dropped again
                images = np.resize(images, (self.batch, *images.shape[1:]))
            out[start : start + n] = _run(self.session, self.tensor, images)[:n]
        return out


def load_network(record: Record) -> FrozenNetwork:
    """Load one ONNX file and check that it yields features.

    Raises
    ------
    WeightsError
        The file's hash is not the record's, the file is truncated or no ONNX graph, the record
        disagrees with the graph's input, or no tensor holds one vector of features per image.
    """
    model = _read_model(record)
    image, channels, size, batch = _input(model, record)
    tensor = _feature_tensor(model, record)
    convolutions = (node for node in model.graph.node if node.op_type == "Conv")
    stem = next((node.input[0] for node in convolutions), image)
    exposed = {image, *(output.name for output in model.graph.output)}
    for extra in {tensor, stem} - exposed:
        model.graph.output.append(onnx.ValueInfoProto(name=extra))  # type and shape are inferred
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    black_white = np.stack([np.full((channels, *size), gray, np.float32) for gray in (0, 1)])
    sample = np.resize(black_white, (batch or 2, channels, *size))
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        features = _run(session, tensor, sample)
    except Exception as error:  # ONNX Runtime has a class of its own for every status code
        raise WeightsError(
            f"{record.path}: ONNX Runtime cannot run this graph on {channels} x {size[0]} x "
            f"{size[1]} images: {str(error)[:300]}"
        ) from None
    if features.ndim != 2 or len(features) != len(sample):
        raise WeightsError(
            f"{record.path}: tensor {tensor!r} has shape {features.shape} for {len(sample)} "
            "images; one vector per image is needed. Name a two-dimensional tensor as `features:` "
            "in weights.yml."
        )
    if not np.isfinite(features).all():
        raise WeightsError(
            f"{record.path}: features of black and white images are not finite: the weights hold "
            "NaN or infinity. Export the network again."
        )
    mean, std = record.mean, record.std
    if mean is None:
        inside = stem != image and _spreads_around_zero(session, stem, black_white, batch)
        mean, std = ((0.0,), (1.0,)) if inside else (IMAGENET_MEAN, IMAGENET_STD)
    return FrozenNetwork(
        name=record.network,
        input_shape=(channels, *size),
        batch=batch,
        n_features=features.shape[1],
        tensor=tensor,
        mean=_per_channel(mean, channels),
        std=_per_channel(std, channels),
        session=session,
    )


def _run(session: onnxruntime.InferenceSession, tensor: str, images: np.ndarray) -> np.ndarray:
    return session.run([tensor], {session.get_inputs()[0].name: images})[0]


def _per_channel(values: Sequence[float], channels: int) -> np.ndarray:
    values = np.asarray(values, np.float32)
    return values if len(values) == channels else np.full(channels, values.mean(), np.float32)


def _read_model(record: Record) -> onnx.ModelProto:
    path = record.path
    with open(path, "rb") as file:
        head = file.read(64)
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path}: a Git LFS pointer, not the network itself. Fetch the file it points to."
        )
    if record.sha256 and record.sha256 != file_sha256(path):
        raise WeightsError(
            f"{path}: SHA-256 is {file_sha256(path)}, its record says {record.sha256}. The file is "
            "truncated or not the one that was meant: delete it and fetch it again, or correct "
            "weights.yml."
        )
    try:
        model = onnx.load(path, load_external_data=False)
        elsewhere = next(_external(model.graph), None)
        if elsewhere is None:
            onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise classes of their own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
        raise WeightsError(
            f"{path}: not a complete ONNX file ({reason}). It may be truncated: "
            f"{path.stat().st_size:,} bytes lie on disk."
        ) from None
    if elsewhere is not None:
        raise WeightsError(
            f"{path}: the weights {elsewhere!r} lie in another file, which no hash of this one "
            "covers. Save the network as one file (onnx.save(model, path))."
        )
    return model


def _external(graph: onnx.GraphProto) -> Iterator[str]:
    """Names of the tensors whose numbers are not in the file itself, also in subgraphs."""
    tensors, graphs = list(graph.initializer), []
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        tensors += [attribute.t, *attribute.tensors]
        graphs += [attribute.g] if attribute.HasField("g") else []
        graphs += attribute.graphs
    for sparse in graph.sparse_initializer:
        tensors += [sparse.values, sparse.indices]
    yield from (t.name for t in tensors if t.data_location == onnx.TensorProto.EXTERNAL)
    for inner in graphs:
        yield from _external(inner)


def _input(model: onnx.ModelProto, record: Record) -> tuple[str, int, tuple[int, int], int | None]:
    """Name, channels, (height, width) and fixed batch size (or None) of the image input."""
    weights = {initializer.name for initializer in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise WeightsError(
            f"{record.path}: expected one input, found {[value.name for value in inputs]}."
        )
    kind = inputs[0].type.tensor_type
    dims = [dim.dim_value or None for dim in kind.shape.dim]
    if len(dims) != 4 or dims[1] not in (1, 3) or kind.elem_type != onnx.TensorProto.FLOAT:
        raise WeightsError(
            f"{record.path}: expected a float32 input of shape (N, 3, height, width) or "
            f"(N, 1, height, width), found {inputs[0].name!r} of shape {dims} (None: any)."
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


def _feature_tensor(model: onnx.ModelProto, record: Record) -> str:
    """The record's tensor, else the output ``features``, else the input of the last Gemm."""
    nodes = model.graph.node  # stored in the order in which they run
    if record.features:
        if not any(record.features in node.output for node in nodes):
            raise WeightsError(
                f"{record.path}: no tensor is called {record.features!r} (`features:` in "
                "weights.yml)."
            )
        return record.features
    if any(output.name == "features" for output in model.graph.output):
        return "features"
    inputs = [node.input[0] for node in nodes if node.op_type == "Gemm"]
    if not inputs:
        raise WeightsError(
            f"{record.path}: no usable feature tensor: no output is called `features`, and no Gemm "
            f"node is in the graph (it ends with {', '.join(n.op_type for n in nodes[-3:])}). Name "
            "a two-dimensional tensor as `features:` in weights.yml."
        )
    return inputs[-1]


def _spreads_around_zero(
    session: onnxruntime.InferenceSession, stem: str, black_white: np.ndarray, batch: int | None
) -> bool:
    """True if black falls clearly below zero and white clearly above, in every channel."""
    shown = [np.resize(image, (batch or 1, *image.shape)) for image in black_white]
    # Padding can precede the convolution, so look at the middle of the picture only.
    black, white = (_run(session, stem, image)[0] for image in shown)  # each (C, H, W)
    middle = (..., black.shape[-2] // 2, black.shape[-1] // 2)
    return bool((black[middle] < -0.4).all() and (white[middle] > 0.4).all())
