"""`AreaCNN`, the network that tells brain areas apart from texture.

The network is that of paper A, section II.2: four convolutions, each followed by
ReLU and 2x2 max-pooling, then fully connected layers of 1024, 64 and one unit per
area. "Features" always means the 64 activations of the last hidden layer.

Labels are counted as in the label images: 1 ... n in class order, 0 for "none".
Column ``k`` of the logits therefore belongs to label ``k + 1``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

PATCH = 128  # side of a patch, pixels
N_FEATURES = 64  # units of the last hidden layer
KERNELS = (7, 5, 3, 3)
FILTERS = (16, 32, 64, 128)
HIDDEN = 1024
DROPOUT = 0.3  # before each fully connected layer
BATCH = 256  # patches at a time, where no gradient is needed

RELEASED = {"padding": (1, 1, 0, 0), "channels": 3, "last_relu": False}
# The authors' names of the layers (github.com/nerdslab/deepbraindisco, architecture.py) and ours.
RELEASED_LAYERS = {
    **{f"conv{level + 1}": f"convolutions.{level}" for level in range(4)},
    "fc1": "hidden",
    "fc2": "last_hidden",
    "fc3": "output",
}


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

    def __init__(
        self,
        n_areas: int = 6,
        channels: int = 1,
        padding: Sequence[int] = (0, 0, 0, 0),
        last_relu: bool = True,
    ) -> None:
        super().__init__()
        for name, value, least in (("n_areas", n_areas, 2), ("channels", channels, 1)):
            if int(value) != value or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, found {value!r}"
                )
        padding = tuple(int(p) for p in padding)
        if len(padding) != len(KERNELS) or min(padding) < 0:
            raise ValueError(
                f"padding must be {len(KERNELS)} whole numbers >= 0, one per convolution, "
                f"found {padding!r}"
            )
        self.last_relu = bool(last_relu)
        self.config = {
            "n_areas": int(n_areas),
            "channels": int(channels),
            "padding": padding,
            "last_relu": self.last_relu,
        }
        self.convolutions = nn.ModuleList()
        self.side = PATCH
        for inputs, filters, kernel, pad in zip((channels, *FILTERS), FILTERS, KERNELS, padding):
            self.convolutions.append(nn.Conv2d(inputs, filters, kernel, padding=pad))
            self.side = (self.side + 2 * pad - kernel + 1) // 2  # in the end 5; 6 as released
        self.hidden = nn.Linear(FILTERS[-1] * self.side**2, HIDDEN)
        self.last_hidden = nn.Linear(HIDDEN, N_FEATURES)
        self.output = nn.Linear(N_FEATURES, n_areas)
        self.dropout = nn.Dropout(DROPOUT)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """The 64 activations of the last hidden layer: (N, channels, 128, 128) -> (N, 64)."""
        expected = (self.config["channels"], PATCH, PATCH)
        if x.ndim != 4 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"AreaCNN reads patches of shape (N, {expected[0]}, {PATCH}, {PATCH}), "
                f"found {tuple(x.shape)}"
            )
        for convolution in self.convolutions:
            # Pooling before ReLU gives the same numbers (both are monotone) on a quarter of the
            # pixels.
            x = F.relu(F.max_pool2d(convolution(x), 2))  # (N, filters, side, side)
        x = torch.flatten(x, 1)  # (N, 128 * side * side)
        x = F.relu(self.hidden(self.dropout(x)))  # (N, 1024)
        x = self.last_hidden(self.dropout(x))  # (N, 64)
        return F.relu(x) if self.last_relu else x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: (N, channels, 128, 128) -> (N, n_areas)."""
        return self.output(self.dropout(self.features(x)))

    @classmethod
    def from_released(cls, path: str | Path) -> "AreaCNN":
        """Load the authors' released weights, ``cnn_weights.pt``: a PyTorch state dictionary.

        Returns
        -------
        AreaCNN
            ``AreaCNN(padding=(1, 1, 0, 0), channels=3, last_relu=False)`` for six areas, in
            evaluation mode.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file cannot be opened without running code, or holds another network.
        """
        model = cls(**RELEASED)
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            names = [name.split(".") for name in stored]
            own = [f"{RELEASED_LAYERS.get(layer, layer)}.{kind}" for layer, kind in names]
            model.load_state_dict(dict(zip(own, stored.values())))
        except FileNotFoundError:
            raise
        except Exception as error:  # damaged files make the unpickler fail in many ways
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(
                f"{path}: expected the authors' cnn_weights.pt, a state dictionary of the layers "
                f"{', '.join(RELEASED_LAYERS)} for three channels and six areas, found another "
                f"file or a damaged one ({reason})"
            ) from error
        return model.eval()


def apply_in_batches(
    function: Callable[[torch.Tensor], torch.Tensor],
    model: AreaCNN,
    patches: np.ndarray,
    batch: int = BATCH,
) -> np.ndarray:
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

    Returns
    -------
    float32 array (N, d)

    Raises
    ------
    ValueError
        If there are no patches, or they are of another shape.
    """
    if not len(patches):
        raise ValueError("expected at least one patch, found none")
    results, was_training = [], model.training
    device = model.output.weight.device
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(patches), batch):
                # A copy: views may be read-only.
                x = torch.from_numpy(np.array(patches[start : start + batch], np.float32))
                x = x if x.ndim == 4 else x[:, None]
                if x.shape[1] == 1:
                    x = x.expand(-1, model.config["channels"], -1, -1)
                x = x.to(device).contiguous(memory_format=torch.channels_last)
                results.append(function(x).float().cpu())
    finally:
        model.train(was_training)
    return torch.cat(results).numpy()


def predict(model: AreaCNN, patches: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """The most likely area of each patch, labels 1 ... n (uint8); see `apply_in_batches`."""
    return (apply_in_batches(model, model, patches, batch).argmax(1) + 1).astype(np.uint8)


def patch_features(model: AreaCNN, patches: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """The 64 features of each patch: (N, 64) float32; see `apply_in_batches`."""
    return apply_in_batches(model.features, model, patches, batch)
