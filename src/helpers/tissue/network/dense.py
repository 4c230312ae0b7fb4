"""Features at every position of a slice, equal to those of the 128x128 patch cut there.

A sliding window repeats nearly all of its work: neighbouring patches share their convolutions. So
the slice is convolved once, with `fragments` of max-pooling. Then the first fully connected layer
is a convolution too, 95 % of what is left of the work, and `winograd` computes it with a sixth of
its multiplications.

Position (i, j) is the patch with its top-left corner at pixel (i * stride, j * stride) and its
centre pixel 64 further; with ``pad=True`` the slice is surrounded by `pad_value` first and the
centre pixel is (i * stride, j * stride).

A network with zero padding (the released one) shows a patch zeros where the slice has tissue. Its
dense features are those of the *same weights without padding* applied to the patch and the pixels
around it: patches of 134x134 with their corner 3 pixels up and left for padding (1, 1, 0, 0). Where
these leave the slice they see `pad_value`.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from tqdm.auto import tqdm

from helpers.tissue.network.classifier import N_FEATURES, PATCH, AreaCNN
from helpers.tissue.network.fragments import TILES, FragmentNetwork, extent

CENTRE = PATCH // 2
TILE = 512
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
METHODS = ("auto", "direct", *TILES)
Head = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class DenseOptions:
    """The keywords of `dense_features` and `dense_log_probabilities`, explained there."""

    device: str = "cpu"
    dtype: str = "float32"
    tile: int = TILE
    pad: bool = False
    pad_value: float = 0.0
    mask: np.ndarray | None = None
    progress: bool = False
    method: str = "auto"

    def __post_init__(self) -> None:
        for name, values in (("dtype", DTYPES), ("method", METHODS)):
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} must be one of {', '.join(values)}, found {getattr(self, name)!r}"
                )
        if int(self.tile) != self.tile or self.tile < 1:
            raise ValueError(f"tile must be a whole number of at least 1, found {self.tile!r}")


def dense_features(
    model: AreaCNN, image: np.ndarray, stride: int = 1, *, out: Any = None, **options: Any
) -> np.ndarray:
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
    device : str, default "cpu"
    dtype : {"float32", "bfloat16"}
        Of weights and activations; sums are float32 in both. The result is float32.
    tile : int, default 512
        Side of the tiles in pixels. Memory grows with its square, the overlap between tiles shrinks
        with it.
    pad : bool, default False
        Surround the slice by `pad_value` so that every pixel is a centre.
    pad_value : float, default 0
        What lies outside of the slice: raw zero, in the units of the standardised image.
    mask : bool array (H, W), optional
        Pixels of interest. Positions with their centre elsewhere are zero and mostly not computed.
    progress : bool, default False
    method : {"auto", "direct", "winograd", "winograd10"}
        How the first fully connected layer is multiplied. "winograd" (tiles of 8x8 cells) needs
        float32 and a stride that divides 16; "winograd10" (tiles of 10x10) is a little faster
        and ten times less exact. "auto" takes "winograd" where it can and where it pays.

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
    Giusti, Ciresan, Masci, Gambardella, Schmidhuber (2013), ICIP; Lavin and Gray (2016), CVPR.
    """
    settings = DenseOptions(**options)
    return _scan(model, image, stride, lambda features: features, N_FEATURES, out, settings)


def dense_log_probabilities(
    model: AreaCNN, image: np.ndarray, stride: int = 1, *, out: Any = None, **options: Any
) -> np.ndarray:
    """Log-probability of each area at every position, without holding the features.

    Parameters are those of `dense_features`, except that every pixel is a centre by default.

    Returns
    -------
    float32 array (rows, columns, n_areas)
        Zero at positions outside of `mask`.
    """
    settings = DenseOptions(**{"pad": True, **options})
    head = log_probability_head(model, settings.device)
    return _scan(model, image, stride, head, model.config["n_areas"], out, settings)


def log_probabilities(
    model: AreaCNN, features: np.ndarray, wanted: np.ndarray, block: int = 64
) -> np.ndarray:
    """Log-probability of each area from features that are there already: the network's last layer.

    Parameters
    ----------
    model : AreaCNN
    features : float32 array (rows, columns, 64)
        As of `dense_features`; may lie on disk.
    wanted : bool array (rows, columns)
        Positions to compute; the others are zero.
    block : int
        Rows of positions held at a time.

    Returns
    -------
    float32 array (rows, columns, n_areas)
    """
    out = np.zeros((*wanted.shape, model.config["n_areas"]), np.float32)
    head = log_probability_head(model, "cpu")
    with torch.inference_mode():
        for start in range(0, len(wanted), block):
            here = wanted[start : start + block]
            rows = torch.from_numpy(np.array(features[start : start + block][here]))  # (n, 64)
            out[start : start + block][here] = head(rows).numpy()
    return out


def log_probability_head(model: AreaCNN, device: str = "cpu") -> Head:
    """The output layer of a network: features (…, 64) -> log-probabilities (…, n_areas)."""
    weight, bias = (p.detach().to(device, torch.float32) for p in model.output.parameters())
    return lambda features: F.log_softmax(F.linear(features, weight, bias), -1)


def dense_outputs(
    model: AreaCNN,
    image: np.ndarray,
    head: Head,
    width: int,
    stride: int = 1,
    *,
    out: Any = None,
    **options: Any,
) -> np.ndarray:
    """What follows from the features of every position, without holding the features.

    Parameters
    ----------
    head : callable
        ``head(features)``: float32 tensor (rows, columns, 64) -> (rows, columns, width), each
        position for itself.
    width : int
    model, image, stride, out, options
        As for `dense_features`.

    Returns
    -------
    float32 array (rows, columns, width)
        Zero at positions outside of `mask`.
    """
    return _scan(model, image, stride, head, width, out, DenseOptions(**options))


def centres(
    image_shape: tuple[int, int], stride: int = 1, pad: bool = False
) -> tuple[np.ndarray, np.ndarray]:
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
    if not isinstance(stride, (int, np.integer)) or isinstance(stride, bool) or stride < 1:
        raise ValueError(f"stride must be a whole number of at least 1, found {stride!r}")
    if min(image_shape) < (1 if pad else PATCH):
        raise ValueError(
            f"expected a slice of at least {PATCH}x{PATCH} pixels, "
            f"found {image_shape[0]}x{image_shape[1]}; pad=True surrounds a smaller one"
        )
    if pad:
        return tuple(np.arange(0, side, stride) for side in image_shape)
    return tuple(np.arange(CENTRE, side - PATCH + CENTRE + 1, stride) for side in image_shape)


def output_shape(
    image_shape: tuple[int, int], stride: int = 1, pad: bool = False
) -> tuple[int, int, int]:
    """Shape (rows, columns, 64) of the dense features of a slice of shape (H, W)."""
    rows, columns = centres(image_shape, stride, pad)
    return len(rows), len(columns), N_FEATURES


def _scan(
    model: AreaCNN,
    image: np.ndarray,
    stride: int,
    head: Head,
    width: int,
    out: Any,
    options: DenseOptions,
) -> np.ndarray:
    """Write ``head(features)``, of `width` numbers, of every position, tile by tile."""
    image = _checked_image(image, model.config["channels"])
    rows, columns = centres(image.shape[1:], stride, options.pad)
    shape = (len(rows), len(columns), width)
    if out is None:
        out = np.empty(shape, np.float32)
    elif tuple(out.shape) != shape:
        raise ValueError(
            f"out must have shape {shape} for this slice and stride, found {tuple(out.shape)}"
        )
    wanted = np.ones(shape[:2], bool)
    if options.mask is not None:
        if options.mask.shape != image.shape[1:]:
            raise ValueError(
                f"mask must have the slice's shape {tuple(image.shape[1:])}, "
                f"found {options.mask.shape}"
            )
        wanted = np.asarray(options.mask, dtype=bool)[np.ix_(rows, columns)]

    network = FragmentNetwork(
        model, image.shape[0], stride, options.device, DTYPES[options.dtype], options.method
    )
    # Top-left corner of what position (0, 0) reads, in pixels of the slice.
    corner = -(CENTRE if options.pad else 0) - network.margin
    steps = _tile_steps(out, max(1, options.tile // stride))
    tiles = [(i, j) for i in range(0, shape[0], steps[0]) for j in range(0, shape[1], steps[1])]
    with torch.inference_mode(), network.exact_arithmetic():
        for i, j in tqdm(tiles, disable=not options.progress, desc="tiles"):
            here = np.s_[i : i + steps[0], j : j + steps[1]]
            inside = wanted[here]
            values = np.zeros((*inside.shape, width), np.float32)
            if inside.any():
                (r0, r1), (c0, c1) = (extent(inside.any(axis)) for axis in (1, 0))
                top, left = corner + (i + r0) * stride, corner + (j + c0) * stride
                size = network.reads(r1 - r0), network.reads(c1 - c0)
                piece = _crop(image, top, left, *size, options.pad_value)
                network.scan(piece, inside[r0:r1, c0:c1], head, values[r0:r1, c0:c1])
                values[~inside] = 0
            out[here] = values
            _hand_back_pages(out)
    return out


def _checked_image(image: np.ndarray, channels: int) -> torch.Tensor:
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


def _crop(
    image: torch.Tensor, top: int, left: int, height: int, width: int, fill: float
) -> torch.Tensor:
    """A rectangle of (C, H, W) that may reach beyond the slice, where it is `fill`."""
    full_height, full_width = image.shape[1:]
    bottom, right = top + height, left + width
    inside = image[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    beyond = (max(-left, 0), max(right - full_width, 0), max(-top, 0), max(bottom - full_height, 0))
    return F.pad(inside, beyond, value=fill) if any(beyond) else inside


def _tile_steps(out: Any, step: int) -> list[int]:
    """Positions per tile along rows and columns: whole chunks of a chunked array, so that none is
    written twice.
    """
    chunks = getattr(out, "chunks", None) or (step, step)
    return [max(1, step // chunk) * chunk if chunk <= 2 * step else step for chunk in chunks[:2]]


def _hand_back_pages(out: Any) -> None:
    """Let the system write a memory map's pages to disk in its own time; until then they count as
    our memory.
    """
    shared = (
        isinstance(out, np.memmap) and out.mode in ("r+", "w+") and isinstance(out.base, mmap.mmap)
    )
    if shared and hasattr(mmap, "MADV_DONTNEED"):  # the file keeps what was written to a shared map
        out.base.madvise(mmap.MADV_DONTNEED)
