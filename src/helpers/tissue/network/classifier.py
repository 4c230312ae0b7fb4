"""`AreaCNN`, the network that tells brain areas apart from texture, and its evaluation.

The network is that of paper A, section II.2: four convolutions, each followed by
ReLU and 2x2 max-pooling, then fully connected layers of 1024, 64 and one unit per
area. "Features" always means the 64 activations of the last hidden layer.

Labels are counted as in the label images: 1 ... n in class order, 0 for "none".
Column ``k`` of the logits therefore belongs to label ``k + 1``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.tissue.network.released import read_layers

PATCH = 128  # side of a patch, pixels
N_FEATURES = 64  # units of the last hidden layer
KERNELS = (7, 5, 3, 3)
FILTERS = (16, 32, 64, 128)
HIDDEN = 1024
DROPOUT = 0.3  # before each fully connected layer

RELEASED = dict(padding=(1, 1, 0, 0), channels=3, last_relu=False)


class AreaCNN(nn.Module):
    """Classify 128x128 patches into areas.

    Parameters
    ----------
    n_areas : int
        Number of classes, at least 2.
    channels : int
        Input channels. The default network reads gray values; the authors'
        released network reads three equal channels.
    padding : 4 ints
        Zero padding of each convolution. Without padding (the default) a dense
        sliding window is exact, see `helpers.tissue.network.dense`.
    last_relu : bool
        Whether the 64 features pass a ReLU (non-negative features, as NMF needs).

    Raises
    ------
    ValueError
        If an argument is out of range.

    References
    ----------
    Paper A, section II.2; dropout, loss and rate as in its section III.
    """

    def __init__(self, n_areas=6, channels=1, padding=(0, 0, 0, 0), last_relu=True):
        super().__init__()
        if int(n_areas) != n_areas or n_areas < 2:
            raise ValueError(f"n_areas must be a whole number of at least 2, found {n_areas!r}")
        if int(channels) != channels or channels < 1:
            raise ValueError(f"channels must be a whole number of at least 1, found {channels!r}")
        padding = tuple(int(p) for p in padding)
        if len(padding) != len(KERNELS) or min(padding) < 0:
            raise ValueError(
                f"padding must be {len(KERNELS)} whole numbers >= 0, one per convolution, found {padding!r}"
            )
        self.config = dict(
            n_areas=int(n_areas), channels=int(channels), padding=padding, last_relu=bool(last_relu)
        )
        self.last_relu = bool(last_relu)

        inputs = (channels,) + FILTERS[:-1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, k, padding=p) for i, o, k, p in zip(inputs, FILTERS, KERNELS, padding)
        )
        self.side = _side_before_hidden(padding)  # 5 without padding, 6 as released
        self.hidden = nn.Linear(FILTERS[-1] * self.side**2, HIDDEN)
        self.last_hidden = nn.Linear(HIDDEN, N_FEATURES)
        self.output = nn.Linear(N_FEATURES, n_areas)
        self.dropout = nn.Dropout(DROPOUT)

    def features(self, x):
        """The 64 activations of the last hidden layer.

        Parameters
        ----------
        x : tensor (N, channels, 128, 128)

        Returns
        -------
        tensor (N, 64)
        """
        expected = (self.config["channels"], PATCH, PATCH)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"AreaCNN reads patches of shape (N, {expected[0]}, {PATCH}, {PATCH}), found {tuple(x.shape)}"
            )
        for convolution in self.convolutions:
            # Pooling before ReLU gives the same numbers (both are monotone) on a quarter of the
            # pixels.
            x = F.relu(F.max_pool2d(convolution(x), 2))  # (N, filters, side, side)
        x = torch.flatten(x, 1)  # (N, 128 * side * side)
        x = F.relu(self.hidden(self.dropout(x)))  # (N, 1024)
        x = self.last_hidden(self.dropout(x))  # (N, 64)
        return F.relu(x) if self.last_relu else x

    def forward(self, x):
        """Logits: (N, channels, 128, 128) -> (N, n_areas)."""
        return self.output(self.dropout(self.features(x)))

    @classmethod
    def from_released(cls, path):
        """Load the authors' released weights, ``cnn_weights.pt``.

        Parameters
        ----------
        path : path
            A PyTorch file holding the state dictionary, plainly or under a key such as
            ``state_dict``. Layers are recognised by their shapes, so their names do not matter.

        Returns
        -------
        AreaCNN
            ``AreaCNN(padding=(1, 1, 0, 0), channels=3, last_relu=False)`` in evaluation mode,
            with as many areas as the file has outputs.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file cannot be opened without running code, or holds another network.
        """
        layers = read_layers(path)
        outputs = [w.shape[0] for w, _ in layers if w.ndim == 2 and w.shape[1] == N_FEATURES]
        if len(outputs) != 1:
            raise ValueError(
                f"{path}: expected one output layer with {N_FEATURES} inputs, found {len(outputs)}; "
                "this is not the released area classifier"
            )
        model = cls(n_areas=outputs[0], **RELEASED)
        named = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        if len(layers) != len(named):
            raise ValueError(f"{path}: expected {len(named)} layers, found {len(layers)}")
        with torch.no_grad():
            for layer in named:
                matching = [(w, b) for w, b in layers if w.shape == layer.weight.shape]
                if len(matching) != 1 or matching[0][1].shape != layer.bias.shape:
                    found = ", ".join(str(tuple(w.shape)) for w, _ in layers)
                    raise ValueError(
                        f"{path}: no layer with weights of shape {tuple(layer.weight.shape)} and a bias of "
                        f"{layer.bias.numel()}; the file has weights {found}. Expected the authors' released "
                        "network (three channels, padding 1 in the first two convolutions)"
                    )
                layer.weight.copy_(matching[0][0])
                layer.bias.copy_(matching[0][1])
        return model.eval()


def _side_before_hidden(padding):
    side = PATCH
    for kernel, pad in zip(KERNELS, padding):
        side = (side + 2 * pad - kernel + 1) // 2
    return side


def save(model, path, metadata=None):
    """Write an `AreaCNN` as safetensors, with the constructor's arguments in the metadata.

    Parameters
    ----------
    model : AreaCNN
    path : path
    metadata : dict, optional
        Anything JSON can hold, for instance the names of the areas; `read_metadata` returns it.
    """
    from safetensors.torch import save_file

    tensors = {
        name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()
    }
    header = {"AreaCNN": json.dumps(model.config), "metadata": json.dumps(metadata or {})}
    save_file(tensors, str(path), metadata=header)


def load(path, device="cpu"):
    """Read what `save` wrote: an `AreaCNN` in evaluation mode.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not an `AreaCNN` that `save` wrote.
    """
    from safetensors.torch import load_file

    header = _header(path)
    model = AreaCNN(**json.loads(header["AreaCNN"]))
    try:
        model.load_state_dict(load_file(str(path)))
    except RuntimeError as error:
        raise ValueError(
            f"{path}: the weights do not fit the network its header describes: {error}"
        ) from error
    return model.to(device).eval()


def read_metadata(path):
    """The ``metadata`` that was given to `save`."""
    return json.loads(_header(path)["metadata"])


def _header(path):
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such weights file: {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a readable safetensors file ({error})") from error
    if "AreaCNN" not in header:
        raise ValueError(
            f"{path}: expected weights written by helpers.tissue.network.classifier.save, found no such header"
        )
    return header


def apply_in_batches(function, model, patches, batch=256, device=None, progress=False):
    """Apply ``function`` (``model.features`` or ``model``) to many patches in evaluation mode.

    Parameters
    ----------
    function : callable
        Takes a tensor (n, channels, 128, 128), returns a tensor (n, d).
    model : AreaCNN
        Whose ``channels`` and device count; its training mode is restored afterwards.
    patches : array (N, 128, 128) or (N, C, 128, 128)
        One channel is repeated if the network reads several.
    batch : int
    device : str, optional
        Where to compute; the model's own device by default.
    progress : bool

    Returns
    -------
    float32 array (N, d)
    """
    from tqdm.auto import tqdm

    device = next(model.parameters()).device if device is None else torch.device(device)
    training = model.training
    model.to(device).eval()
    results = []
    try:
        with torch.inference_mode():
            for start in tqdm(range(0, len(patches), batch), disable=not progress, desc="patches"):
                x = torch.from_numpy(
                    np.array(patches[start : start + batch], dtype=np.float32)
                )  # a copy: views may be read-only
                x = x[:, None] if x.ndim == 3 else x  # (n, 1, 128, 128)
                if x.shape[1] == 1:
                    x = x.expand(-1, model.config["channels"], -1, -1)
                x = x.to(device).contiguous(memory_format=torch.channels_last)
                results.append(function(x).float().cpu())
    finally:
        model.train(training)
    if not results:
        raise ValueError("expected at least one patch, found none")
    return torch.cat(results).numpy()


def predict(model, patches, **options):
    """The most likely area of each patch, labels 1 ... n (uint8). Options as in `apply_in_batches`."""
    logits = apply_in_batches(model, model, patches, **options)
    return (logits.argmax(1) + 1).astype(np.uint8)


def patch_features(model, patches, **options):
    """The 64 features of each patch: (N, 64) float32. Options as in `apply_in_batches`."""
    return apply_in_batches(model.features, model, patches, **options)


def dead_units(features):
    """Which features are zero on all inputs: (N, d) -> (d,) bool. Their sum is the count of dead
    units.
    """
    return ~np.any(np.asarray(features) != 0, axis=0)
