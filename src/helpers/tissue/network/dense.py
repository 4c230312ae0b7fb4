"""Features at every position of a slice, equal to those of the 128x128 patch cut there.

A sliding window repeats nearly all of its work: neighbouring patches share their convolutions. So
the slice is convolved once. What stands in the way is max-pooling, which keeps one pixel in two: a
window shifted by one pixel needs the other one. Max-pooling fragments (Giusti et al. 2013, "Fast
image scanning with deep max-pooling convolutional neural networks") keep all four phases of each
pooling, and the first fully connected layer becomes a 5x5 convolution over each of the 256
fragments of the fourth pooling.

Here the fragments stay interleaved in one array, as they lie in the slice. Pooling is then a
maximum over two pixels ``dilation`` apart without dropping any, and a convolution of every fragment
is one convolution with that dilation: the same multiplications, no rearranging, and rows of
channels that the machine's convolutions read at full speed. With an even stride the odd phase of a
pooling is never asked for; that pooling is then an ordinary one.

Position (i, j) is the patch with its top-left corner at pixel (i * stride, j * stride) and its
centre pixel 64 further; with ``pad=True`` the slice is surrounded by `pad_value` first and the
centre pixel is (i * stride, j * stride).

A network with zero padding (the released one) shows a patch zeros where the slice has tissue. Its
dense features are those of the *same weights without padding* applied to the patch and the pixels
around it: patches of 134x134 with their corner 3 pixels up and left for padding (1, 1, 0, 0). Where
these leave the slice they see `pad_value`.
"""

from __future__ import annotations

import contextlib
import mmap

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from helpers.tissue.network.classifier import N_FEATURES, PATCH

CENTRE = PATCH // 2
TILE = 256
BLOCK = 4096  # positions at a time through the 1024 hidden units: 16 MB in float32
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dense_features(
    model,
    image,
    stride=1,
    *,
    out=None,
    device="cpu",
    dtype="float32",
    tile=TILE,
    pad=False,
    pad_value=0.0,
    mask=None,
    progress=False,
):
    """Features of the patch at every position of a slice.

    Parameters
    ----------
    model : AreaCNN
        Dropout is off whatever the model's mode; the model itself is left as it is.
    image : array (H, W) or (C, H, W)
        Standardised as the network expects it. One channel serves a network of several as equal
        channels.
    stride : int
        Pixels between positions.
    out : array (rows, columns, 64), optional
        Where to write: numpy array, memory map or zarr array; `output_shape` says which shape.
        The tiles follow the chunks of a zarr array.
    device : str
    dtype : {"float32", "bfloat16"}
        Of weights and activations; sums are float32 in both. The result is float32.
    tile : int
        Side of the tiles in pixels. Memory grows with its square, the overlap between tiles shrinks
        with it.
    pad : bool
        Surround the slice by `pad_value` so that every pixel is a centre.
    pad_value : float
        What lies outside of the slice: raw zero, in the units of the standardised image.
    mask : bool array (H, W), optional
        Pixels of interest. Positions with their centre elsewhere are zero and mostly not computed.
    progress : bool

    Returns
    -------
    float32 array (rows, columns, 64)
        `out` if it was given.

    Raises
    ------
    ValueError
        If an argument is out of range or an array has the wrong shape.

    References
    ----------
    Giusti, Ciresan, Masci, Gambardella, Schmidhuber (2013), ICIP.
    """
    return _scan(
        model,
        image,
        stride,
        lambda features: features,
        N_FEATURES,
        np.float32,
        out=out,
        device=device,
        dtype=dtype,
        tile=tile,
        pad=pad,
        pad_value=pad_value,
        mask=mask,
        progress=progress,
    )


def dense_log_probabilities(
    model,
    image,
    stride=1,
    *,
    out=None,
    device="cpu",
    dtype="float32",
    tile=TILE,
    pad=True,
    pad_value=0.0,
    mask=None,
    progress=False,
):
    """Log-probability of each area at every position, without holding the features.

    Parameters are those of `dense_features`, except that every pixel is a centre by default.

    Returns
    -------
    float32 array (rows, columns, n_areas)
        Zero at positions outside of `mask`.
    """
    output = _output_layer(model, device)
    return _scan(
        model,
        image,
        stride,
        lambda features: F.log_softmax(output(features), -1),
        model.config["n_areas"],
        np.float32,
        out=out,
        device=device,
        dtype=dtype,
        tile=tile,
        pad=pad,
        pad_value=pad_value,
        mask=mask,
        progress=progress,
    )


def dense_labels(
    model,
    image,
    stride=1,
    *,
    out=None,
    device="cpu",
    dtype="float32",
    tile=TILE,
    pad=True,
    pad_value=0.0,
    mask=None,
    progress=False,
):
    """The most likely area at every position, without holding the features.

    Parameters are those of `dense_features`, except that every pixel is a centre by default.

    Returns
    -------
    uint8 array (rows, columns)
        Labels 1 ... n_areas, 0 at positions outside of `mask`.
    """
    output = _output_layer(model, device)
    labels = _scan(
        model,
        image,
        stride,
        lambda features: output(features).argmax(-1, keepdim=True) + 1,
        1,
        np.uint8,
        out=None if out is None else out[..., None],
        device=device,
        dtype=dtype,
        tile=tile,
        pad=pad,
        pad_value=pad_value,
        mask=mask,
        progress=progress,
    )
    return labels[..., 0]


def centres(image_shape, stride=1, pad=False):
    """Pixel coordinates of the positions' centres.

    Parameters
    ----------
    image_shape : (H, W)
    stride : int
    pad : bool

    Returns
    -------
    (rows,) int array, (columns,) int array
        ``labels[np.ix_(*centres(labels.shape))]`` are the labels of all positions.
    """
    if int(stride) != stride or stride < 1:
        raise ValueError(f"stride must be a whole number of at least 1, found {stride!r}")
    if min(image_shape) < (1 if pad else PATCH):
        raise ValueError(
            f"expected a slice of at least {PATCH}x{PATCH} pixels, found {image_shape[0]}x{image_shape[1]}; "
            "pad=True surrounds a smaller one"
        )
    if pad:
        return tuple(np.arange(0, side, stride) for side in image_shape)
    return tuple(np.arange(CENTRE, side - PATCH + CENTRE + 1, stride) for side in image_shape)


def output_shape(image_shape, stride=1, pad=False):
    """Shape (rows, columns, 64) of the dense features of a slice of shape (H, W)."""
    rows, columns = centres(image_shape, stride, pad)
    return len(rows), len(columns), N_FEATURES


def _scan(
    model,
    image,
    stride,
    head,
    width,
    out_dtype,
    *,
    out,
    device,
    dtype,
    tile,
    pad,
    pad_value,
    mask,
    progress,
):
    """Write ``head(features)`` of every position, tile by tile."""
    image = _checked_image(image, model.config["channels"])
    rows, columns = centres(image.shape[1:], stride, pad)
    shape = (len(rows), len(columns), width)
    if out is None:
        out = np.empty(shape, out_dtype)
    elif tuple(out.shape) != shape:
        raise ValueError(
            f"out must have shape {shape} for this slice and stride, found {tuple(out.shape)}"
        )
    if mask is not None:
        if mask.shape != image.shape[1:]:
            raise ValueError(
                f"mask must have the slice's shape {tuple(image.shape[1:])}, found {mask.shape}"
            )
        mask = np.asarray(mask, dtype=bool)[np.ix_(rows, columns)]
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, found {dtype!r}")
    if int(tile) != tile or tile < 1:
        raise ValueError(f"tile must be a whole number of at least 1, found {tile!r}")

    network = _DenseNetwork(model, image.shape[0], stride, torch.device(device), DTYPES[dtype])
    # Top-left corner of what position (0, 0) reads, in pixels of the slice.
    corner = -(CENTRE if pad else 0) - network.margin
    steps = _tile_steps(out, max(1, tile // stride))
    tiles = [(i, j) for i in range(0, shape[0], steps[0]) for j in range(0, shape[1], steps[1])]
    with torch.inference_mode(), network.exact_arithmetic():
        for i, j in tqdm(tiles, disable=not progress, desc="tiles"):
            here = np.s_[i : i + steps[0], j : j + steps[1]]
            height, breadth = min(steps[0], shape[0] - i), min(steps[1], shape[1] - j)
            values = np.zeros((height, breadth, width), out_dtype)
            wanted = np.ones((height, breadth), bool) if mask is None else mask[here]
            if wanted.any():
                (r0, r1), (c0, c1) = (_extent(wanted.any(axis)) for axis in (1, 0))
                piece = _crop(
                    image,
                    corner + (i + r0) * stride,
                    corner + (j + c0) * stride,
                    network.reads(r1 - r0),
                    network.reads(c1 - c0),
                    pad_value,
                )
                network.scan(piece, head, values[r0:r1, c0:c1])
                values[~wanted] = 0
            out[here] = values
            _hand_back_pages(out)
    return out


class _DenseNetwork:
    """The layers of an `AreaCNN` up to its features, as convolutions over interleaved fragments."""

    def __init__(self, model, channels, stride, device, dtype):
        def place(tensor):
            layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
            return tensor.detach().to(device, dtype).contiguous(memory_format=layout)

        self.device, self.dtype, self.stride, self.last_relu = (
            device,
            dtype,
            stride,
            model.last_relu,
        )
        padding = model.config["padding"]
        self.margin = sum(p * 2**level for level, p in enumerate(padding))
        self.side = model.side
        self.convolutions = []
        for level, layer in enumerate(model.convolutions):
            weight = layer.weight.detach()
            if level == 0 and channels == 1:  # equal channels: their weights add up
                weight = weight.double().sum(1, keepdim=True)
            self.convolutions.append((place(weight), place(layer.bias)))
        hidden = model.hidden.weight.detach()  # (1024, 128 * side * side)
        self.hidden = (
            place(hidden.unflatten(1, (-1, self.side, self.side))),
            place(model.hidden.bias),
        )
        self.last_hidden = place(model.last_hidden.weight), place(model.last_hidden.bias)

    def reads(self, positions):
        """Pixels that a row of positions reads: one position has `side` cells of the fourth
        pooling, 16 px apart.
        """
        cell = 54  # pixels behind one cell: (((2 + 2) * 2 + 2) * 2 + 4) * 2 + 6
        return (positions - 1) * self.stride + cell + 16 * (self.side - 1)

    def scan(self, piece, head, out):
        """Pixels (C, h, w) -> head(features), written into out (rows, columns, d)."""
        x = (
            piece[None].to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        )  # (1, C, h, w)
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

        rows, columns = out.shape[:2]
        reach = dilation * (self.side - 1) + 1
        at_once = max(1, BLOCK // columns)
        for top in range(0, rows, at_once):
            bottom = min(top + at_once, rows)
            block = x[:, :, top * step : (bottom - 1) * step + reach]
            y = F.conv2d(
                block, *self.hidden, stride=step, dilation=dilation
            ).relu_()  # (1, 1024, rows, columns)
            y = F.linear(y.permute(0, 2, 3, 1), *self.last_hidden)[0]  # (rows, columns, 64)
            y = y.relu_() if self.last_relu else y
            out[top:bottom] = head(y.float()).cpu().numpy()

    def exact_arithmetic(self):
        """On a GPU, convolve in full float32 instead of TensorFloat-32."""
        if self.device.type == "cuda":
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return contextlib.nullcontext()


def _output_layer(model, device):
    weight, bias = (
        p.detach().to(device, torch.float32) for p in (model.output.weight, model.output.bias)
    )
    return lambda features: F.linear(features, weight, bias)


def _checked_image(image, channels):
    image = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or image.shape[0] not in (1, channels):
        wanted = "(H, W)" if channels == 1 else f"(H, W) or ({channels}, H, W)"
        raise ValueError(f"expected an image of shape {wanted}, found {tuple(image.shape)}")
    if not torch.isfinite(image).all():
        raise ValueError(
            "the image holds values that are not finite; replace them before computing features"
        )
    return image  # (C, H, W)


def _crop(image, top, left, height, width, fill):
    """A rectangle of (C, H, W) that may reach beyond the slice, where it is `fill`."""
    full_height, full_width = image.shape[1:]
    bottom, right = top + height, left + width
    inside = image[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    beyond = (max(-left, 0), max(right - full_width, 0), max(-top, 0), max(bottom - full_height, 0))
    return F.pad(inside, beyond, value=fill) if any(beyond) else inside


def _extent(flags):
    """First and one past the last true element."""
    where = np.flatnonzero(flags)
    return where[0], where[-1] + 1


def _tile_steps(out, step):
    """Positions per tile along rows and columns: whole chunks of a chunked array, so that none is
    written twice.
    """
    chunks = getattr(out, "chunks", None) or (step, step)
    return [max(1, step // chunk) * chunk if chunk <= 2 * step else step for chunk in chunks[:2]]


def _hand_back_pages(out):
    """Let the system write a memory map's pages to disk in its own time; until then they count as
    our memory.
    """
    shared = (
        isinstance(out, np.memmap) and out.mode in ("r+", "w+") and isinstance(out.base, mmap.mmap)
    )
    if shared and hasattr(mmap, "MADV_DONTNEED"):  # the file keeps what was written to a shared map
        out.base.madvise(mmap.MADV_DONTNEED)
