"""`AreaCNN` up to its features, as convolutions over the interleaved fragments of a piece of slice.

Max-pooling keeps one pixel in two: a window shifted by one pixel needs the other one. Max-pooling
fragments keep all four phases of each pooling, and the first fully connected layer becomes a 5x5
convolution over each of the 256 fragments of the fourth pooling.

Here the fragments stay interleaved in one array, as they lie in the slice. Pooling is then a
maximum over two pixels ``dilation`` apart without dropping any, and a convolution of every fragment
is one convolution with that dilation: the same multiplications, no rearranging, and rows of
channels that the machine's convolutions read at full speed. With an even stride the odd phase of a
pooling is never asked for; that pooling is then an ordinary one.

Source: Giusti, Ciresan, Masci, Gambardella, Schmidhuber (2013), "Fast image scanning with deep
max-pooling convolutional neural networks", ICIP.
"""

import contextlib
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional as F

from helpers.tissue.network.classifier import FILTERS, HIDDEN, KERNELS, N_FEATURES, PATCH, AreaCNN
from helpers.tissue.network.winograd import PHASES, WinogradLayers

CELL = 54  # pixels behind one cell of the fourth pooling: (((2 + 2) * 2 + 2) * 2 + 4) * 2 + 6
BLOCK = 4096  # positions through the 1024 hidden units at once: 16 MB in float32
TILES = {"winograd": 8, "winograd10": 10}  # cells along the side of a tile
WORTH = 0.3  # of a block's positions: with fewer of interest, direct multiplication is faster


def multiply_adds() -> dict[str, float]:
    """Multiply-adds of the features at one position, by three ways, of the default network.

    Of a large slice: without what tiles compute twice.
    """
    side, inputs, patch, once = PATCH, 1, 0, 0
    for filters, kernel in zip(FILTERS, KERNELS):
        side -= kernel - 1
        once += inputs * filters * kernel**2  # every pixel of every fragment is computed once
        patch += inputs * filters * kernel**2 * side**2
        side, inputs = side // 2, filters
    hidden, last = inputs * side**2 * HIDDEN, HIDDEN * N_FEATURES
    n = TILES["winograd"]
    m = n - side + 1
    products = (n / m) ** 2 * inputs * HIDDEN
    transforms = n**2 * HIDDEN + (n**2 / m + n**3 / m**2) * inputs
    return {
        "every patch on its own": patch + hidden + last,
        "the slice once": once + hidden + last,
        "and by minimal filtering": once + products + transforms + last,
    }


class FragmentNetwork:
    """The layers of an `AreaCNN`, placed on a device.

    Parameters
    ----------
    model : AreaCNN
    channels : int
        Of the image: those of the model, or 1 for equal channels.
    stride : int
        Pixels between positions.
    device : str
    dtype : torch dtype
        Of weights and activations.
    method : {"auto", "direct", "winograd", "winograd10"}
        See `helpers.tissue.network.dense.dense_features`.

    Raises
    ------
    ValueError
        If `method` cannot serve this stride, type or network.
    """

    def __init__(
        self,
        model: AreaCNN,
        channels: int,
        stride: int,
        device: str,
        dtype: torch.dtype,
        method: str,
    ) -> None:
        self.device, self.dtype, self.stride = torch.device(device), dtype, stride
        self.side, self.last_relu = model.side, model.last_relu
        self.margin = sum(p * 2**level for level, p in enumerate(model.config["padding"]))
        self.convolutions = []
        for level, layer in enumerate(model.convolutions):
            weight = layer.weight.detach()
            if level == 0 and channels == 1:  # equal channels: their weights add up
                weight = weight.double().sum(1, keepdim=True)
            self.convolutions.append((self.placed(weight), self.placed(layer.bias)))
        self.exact_hidden = (
            model.hidden.weight.detach().unflatten(1, (-1, self.side, self.side)),
            model.hidden.bias.detach(),
        )
        self.hidden = tuple(map(self.placed, self.exact_hidden))
        self.last_hidden = tuple(map(self.placed, model.last_hidden.parameters()))
        self.tile, self.worth = self._tile(method)

    def _tile(self, method: str) -> tuple[int, float]:
        """Side of the tiles for Winograd's filtering, 0 without, and when a block is worth it."""
        if method == "direct":
            return 0, 0.0
        tile = TILES["winograd" if method == "auto" else method]
        obstacles = {
            f"a stride that divides 16, found {self.stride}": 16 % self.stride != 0,
            f"float32, found {self.dtype}": self.dtype != torch.float32,
            f"filters smaller than its tiles of {tile}, found {self.side}": self.side >= tile,
        }
        found = [what for what, present in obstacles.items() if present]
        if method == "auto":
            return (0 if found else tile), WORTH
        if found:
            raise ValueError(f"method {method!r} needs {found[0]}; 'auto' takes what fits")
        return tile, 0.0

    @property
    def winograd_side(self) -> int:
        """Positions along a block of Winograd's filtering, 0 without: known before it is made."""
        return PHASES * (self.tile - self.side + 1) if self.tile else 0

    def placed(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy to the device and type, convolution weights with their channels last."""
        layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
        empty = torch.empty(
            tensor.shape, dtype=self.dtype, device=self.device, memory_format=layout
        )
        return empty.copy_(tensor.detach())  # `contiguous` would leave a single channel as it is

    @cached_property
    def winograd(self) -> WinogradLayers:
        """Both fully connected layers by minimal filtering; made when a block first needs them."""
        hidden = tuple(tensor.to(self.device) for tensor in self.exact_hidden)
        return WinogradLayers(hidden, self.last_hidden, self.tile, 16 // self.stride)

    def reads(self, positions: int) -> int:
        """Pixels that a row of positions reads: the cells of one lie 16 px apart."""
        return (positions - 1) * self.stride + CELL + 16 * (self.side - 1)

    def scan(
        self, piece: torch.Tensor, wanted: np.ndarray, head: Callable, out: np.ndarray
    ) -> None:
        """Write ``head(features)`` of the wanted positions of a piece of slice.

        Parameters
        ----------
        piece : tensor (C, h, w)
            All pixels that the positions read.
        wanted : bool array (rows, columns)
        head : callable
            Tensor (rows, columns, 64) -> tensor (rows, columns, d).
        out : array (rows, columns, d)
            Positions that are not wanted keep their value or get their own.
        """
        x, step, dilation = self.cells(piece)
        if self.tile:  # whole blocks; what they read beyond the piece reaches no wanted position
            height = width = self.winograd_side
            below, beyond = (-positions % height for positions in wanted.shape)
            x = F.pad(x, (0, beyond, 0, below)).contiguous(memory_format=torch.channels_last)
        else:  # whole rows, as they lie in memory
            width = wanted.shape[1]
            height = max(1, BLOCK // width)

        for top in range(0, wanted.shape[0], height):
            strip = None
            for left in range(0, wanted.shape[1], width):
                inside = wanted[top : top + height, left : left + width]
                if not inside.any():
                    continue
                (r0, r1), (c0, c1) = (extent(inside.any(axis)) for axis in (1, 0))
                rows, columns = slice(top + r0, top + r1), slice(left + c0, left + c1)
                if self.tile and (r1 - r0) * (c1 - c0) >= self.worth * height * width:
                    if strip is None:
                        strip = self.winograd.rows(x[0].permute(1, 2, 0), top)
                    y = self.winograd.block(strip, left)[r0:r1, c0:c1]
                else:
                    y = self.direct(x, rows, columns, step, dilation)
                y = y.relu_() if self.last_relu else y
                out[rows, columns] = head(y.float()).cpu().numpy()

    def cells(self, piece: torch.Tensor) -> tuple[torch.Tensor, int, int]:
        """Cells of the fourth pooling behind a piece of slice (C, h, w).

        Returns
        -------
        tensor (1, 128, h', w')
        step : int
            Cells from one position to the next.
        dilation : int
            Cells from one of a fragment to the next.
        """
        x = self.placed(piece[None])
        step, dilation = self.stride, 1
        for weight, bias in self.convolutions:
            x = F.conv2d(x, weight, bias, dilation=dilation)
            if step % 2 == 0:  # only even phases are asked for
                x, step = F.max_pool2d(x, 2), step // 2
            else:  # both phases stay, interleaved
                x = torch.maximum(x[:, :, :-dilation], x[:, :, dilation:])
                x = torch.maximum(x[..., :-dilation], x[..., dilation:])
                dilation *= 2
            x = x.relu_()  # after pooling: the same numbers, fewer of them
        return x, step, dilation

    def direct(
        self, x: torch.Tensor, rows: slice, columns: slice, step: int, dilation: int
    ) -> torch.Tensor:
        """Features, before their ReLU, of a block of positions by plain convolution.

        Returns
        -------
        tensor (rows, columns, 64)
        """
        reach = dilation * (self.side - 1) + 1
        down, across = (
            slice(part.start * step, (part.stop - 1) * step + reach) for part in (rows, columns)
        )
        y = F.conv2d(x[:, :, down, across], *self.hidden, stride=step, dilation=dilation)
        return F.linear(y.relu_().permute(0, 2, 3, 1), *self.last_hidden)[0]

    def exact_arithmetic(self) -> contextlib.AbstractContextManager:
        """On a GPU, convolve in full float32 instead of TensorFloat-32."""
        if self.device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return contextlib.nullcontext()


def extent(flags: np.ndarray) -> tuple[int, int]:
    """First and one past the last true element."""
    where = np.flatnonzero(flags)
    return where[0], where[-1] + 1
