"""A convolution with fewer multiplications than its definition: Winograd's minimal filtering.

Neighbouring outputs of a convolution share their inputs, which multiplying them out one by one does
not use. Read n numbers and r taps as two polynomials: their product, evaluated at n points, costs n
multiplications, and m = n - r + 1 outputs can be had from it instead of m r multiplications for
each on its own. In two dimensions that is n^2 for m^2 outputs instead of m^2 r^2: with tiles of 8x8
and 5x5 taps 64 instead of 400. Evaluation and interpolation are multiplications too, by small fixed
numbers, but every input channel is transformed once for all output channels and every output once
for all input channels, so that they are few where both are many.

Sources: Winograd (1980), *Arithmetic complexity of computations*, SIAM; Lavin and Gray (2016),
"Fast algorithms for convolutional neural networks", CVPR.
"""

import numpy as np
import torch

from helpers.tissue.network.classifier import FILTERS

# In order of use, near 1 with their inverses: large powers and small differences cost accuracy.
POINTS = (0, 1, -1, 2, -2, 1 / 2, -1 / 2, 3 / 4, -4 / 3)
PHASES = 16  # tiles along one side of a block, 256 in all: rows enough for fast matrix products
WIDTH = 256  # units at a time: their products (16 MB) stay in cache until they are transformed


def minimal_filter(outputs: int, taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices of minimal filtering F(outputs, taps), after Toom and Cook.

    ``A @ ((G @ g) * (B @ d))`` equals ``np.correlate(d, g, "valid")`` for n numbers d and `taps`
    numbers g, with n = outputs + taps - 1 multiplications.

    Parameters
    ----------
    outputs, taps : int
        Their sum is at most 11: there are nine points, and infinity.

    Returns
    -------
    A : float64 array (outputs, n)
    G : float64 array (n, taps)
    B : float64 array (n, n)
        Their last column or row belongs to the point at infinity, where the value of a polynomial
        is its highest coefficient.

    Raises
    ------
    ValueError
        If there are too few points.
    """
    n = outputs + taps - 1
    if not (outputs >= 2 and taps >= 2 and n <= len(POINTS) + 1):
        raise ValueError(
            f"outputs and taps must be at least 2 and {len(POINTS) + 2} together at most, "
            f"found {outputs} and {taps}"
        )
    points = np.array(POINTS[: n - 1])
    others = [np.delete(points, k) for k in range(n - 1)]

    def evaluated(terms: int) -> np.ndarray:
        highest = np.eye(terms)[-1:]
        return np.vstack([np.vander(points, terms, increasing=True), highest])

    # Lagrange's polynomials: zero at all points but one. Their value there goes to the taps.
    scales = np.array([np.prod(p - rest) for p, rest in zip(points, others)] + [1.0])
    polynomials = [np.append(np.poly(rest)[::-1], 0) for rest in others] + [np.poly(points)[::-1]]
    return evaluated(outputs).T, evaluated(taps) / scales[:, None], np.array(polynomials)


def rounding_error(outputs: int, taps: int, channels: int = FILTERS[-1], seed: int = 0) -> float:
    """Largest error of filtering in float32, relative to the largest output.

    Of 200 tiles of rectified normal numbers that many channels deep, against float64.
    """
    rng = np.random.default_rng(seed)
    n = outputs + taps - 1
    tiles = np.maximum(rng.normal(size=(200, channels, n, n)), 0).astype(np.float32)
    filters = rng.normal(size=(channels, taps, taps)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(tiles, (taps, taps), axis=(2, 3))
    exact = np.einsum("tcijab,cab->tij", windows.astype(float), filters.astype(float))
    back, spread, forward = (matrix.astype(np.float32) for matrix in minimal_filter(outputs, taps))
    spread = spread.astype(float)  # filters are transformed once, in float64
    products = (spread @ filters @ spread.T).astype(np.float32) * (forward @ tiles @ forward.T)
    found = back @ products.sum(1) @ back.T
    return float(np.abs(found - exact).max() / np.abs(exact).max())


class WinogradLayers:
    """The two fully connected layers over interleaved fragments, the first as a convolution.

    Fragments are interleaved in one array: cells of one fragment lie `dilation` apart. Work is done
    in blocks of `side` x `side` positions, 16 x 16 tiles each, whatever the dilation is.

    Parameters
    ----------
    hidden, last : pairs of tensors
        Weights (units, channels, taps, taps) and (features, units), with their biases. Filters are
        transformed in float64.
    tile : int
        Side of the tiles in cells: 8 gives 4x4 outputs of 5x5 taps for 64 multiplications.
    dilation : {1, 2, 4, 8, 16}
    """

    def __init__(
        self,
        hidden: tuple[torch.Tensor, torch.Tensor],
        last: tuple[torch.Tensor, torch.Tensor],
        tile: int,
        dilation: int,
    ) -> None:
        weight, bias = hidden
        units, channels, taps, _ = weight.shape
        self.tile, self.outputs, self.dilation = tile, tile - taps + 1, dilation
        self.side = PHASES * self.outputs  # positions
        self.reach = self.side + dilation * (taps - 1)  # cells that they read

        def placed(array: torch.Tensor) -> torch.Tensor:
            return array.to(weight.device, torch.float32).contiguous()

        back, spread, forward = (torch.from_numpy(a) for a in minimal_filter(self.outputs, taps))
        transformed = torch.einsum("la,kb,ocba->lkco", spread, spread, weight.double().cpu())
        self.filters = placed(
            transformed.reshape(tile**2, channels, -1, WIDTH).permute(2, 0, 1, 3)
        )  # (units / WIDTH, tile * tile, channels, WIDTH)
        self.bias = bias.float().reshape(-1, WIDTH)
        self.last_weight = placed(last[0].t().reshape(-1, WIDTH, last[0].shape[0]))
        self.last_bias = last[1].float()
        self.forward = placed(forward)
        self.back = placed(torch.kron(back, back))  # (outputs * outputs, tile * tile)

        # One block's intermediates, used again and again: they stay in cache.
        tiles = PHASES**2
        empty = self.filters.new_empty
        self.inputs = empty(tile, tile * PHASES, PHASES, channels)
        self.products = empty(tile**2, tiles, WIDTH)
        self.values = empty(self.outputs**2, tiles * WIDTH)

    def rows(self, x: torch.Tensor, top: int) -> torch.Tensor:
        """Transform rows of cells (H, W, channels) from `top` on along their columns.

        Returns
        -------
        tensor (tile, 16, W, channels)
            Of every point and every row of tiles; the latter are counted by group, then by phase.
        """
        row = x.stride(0)
        groups = PHASES // self.dilation  # whose tiles follow each other
        step = self.dilation * row
        cells = x.as_strided(
            (groups, self.tile, step),
            (self.outputs * step, step, 1),
            x.storage_offset() + top * row,
        )
        strip = x.new_empty(self.tile, PHASES, *x.shape[1:])
        out = strip.view(self.tile, groups, step).transpose(0, 1)
        torch.bmm(self.forward.expand(groups, -1, -1), cells, out=out)
        return strip

    def block(self, strip: torch.Tensor, left: int) -> torch.Tensor:
        """Features, before their ReLU, of the block of a strip that begins at cell `left`.

        Returns
        -------
        tensor (side, side, features)
        """
        batch, channels = self.tile * PHASES, strip.shape[-1]
        step = self.dilation * channels
        matrices = self.forward.expand(batch, -1, -1)
        for group in range(PHASES // self.dilation):
            cells = strip.as_strided(
                (batch, self.tile, step),
                (strip.stride(1), step, 1),
                strip.storage_offset() + left * channels + group * self.outputs * step,
            )
            columns = slice(group * self.dilation, (group + 1) * self.dilation)
            out = self.inputs[:, :, columns].flatten(2).transpose(0, 1)
            torch.bmm(matrices, cells, out=out)

        inputs = self.inputs.view(self.tile**2, PHASES**2, channels)
        features = self.last_bias.repeat(self.outputs**2 * PHASES**2, 1)
        for filters, bias, last in zip(self.filters, self.bias, self.last_weight):
            torch.bmm(inputs, filters, out=self.products)
            # The polynomial 1 has the value 1 at the point 1, and all outputs count that fully.
            self.products[self.tile + 1] += bias
            torch.mm(self.back, self.products.flatten(1), out=self.values)
            features.addmm_(self.values.relu_().view(-1, WIDTH), last)

        groups, m = PHASES // self.dilation, self.outputs
        # (x, y) in a tile, (group, phase) of rows, (group, phase) of columns
        features = features.view(m, m, groups, self.dilation, groups, self.dilation, -1)
        return features.permute(2, 1, 3, 4, 0, 5, 6).reshape(self.side, self.side, -1)
