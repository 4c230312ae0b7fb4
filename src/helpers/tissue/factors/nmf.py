"""Non-negative matrix factorisation of features (paper B, §2): fitting it, solving for coefficients
on a given basis, and matching the factors of two fits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from helpers.tissue.factors import dask_rows, hals

#: Fewest and most rows of the random sample on which the solver comes near its optimum first: an
#: eighth of all, between these.
SAMPLE_ROWS = 1 << 14, 1 << 16


class Rows:
    """The chosen rows of a feature map (h, w, d), read where they lie: ``Rows(features,
    mask)[a:b]`` is (b − a, d).

    The features may be a memory-mapped file; nothing but the rows asked for is read.
    """

    def __init__(self, features: np.ndarray, mask: np.ndarray) -> None:
        if features.shape[:-1] != mask.shape:
            raise ValueError(
                f"mask must have the shape {features.shape[:-1]} of the feature map, "
                f"found {mask.shape}"
            )
        self._rows = features.reshape(-1, features.shape[-1])
        self._index = np.flatnonzero(mask)
        self.shape = (len(self._index), features.shape[-1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice | np.ndarray) -> np.ndarray:
        return self._rows[self._index[part]]


@dataclass(frozen=True)
class NMFResult:
    """A factorisation X ≈ coefficients @ components.

    Attributes
    ----------
    coefficients : (n, k) float32 array
        Non-negative, with exact zeros; they carry the scale.
    components : (k, d) float32 array
        Basis, non-negative, rows of unit Euclidean norm.
    error : float
        ‖X − coefficients @ components‖_F / ‖X‖_F.
    iterations : int
        Passes over all rows of X.
    solver : str
        What found the components: "hals" of `fit_nmf`.
    """

    coefficients: np.ndarray
    components: np.ndarray
    error: float
    iterations: int
    solver: str


def fit_nmf(
    X: Any,
    k: int,
    seed: int = 0,
    *,
    tol: float = 1e-4,
    max_iter: int = 200,
    device: str = "cpu",
    progress: bool = False,
) -> NMFResult:
    """Factorise non-negative features: X (n, d) ≈ W (n, k) @ H (k, d), least squared error.

    The solver alternates exact coordinate updates of W and H (hierarchical alternating
    least squares: Cichocki and Phan 2009), several of each at a time (Gillis and Glineur 2012).
    Rows are exchangeable, so it begins on a random sample of them, where it can afford
    extrapolation (Ang and Gillis 2019) and several starts: one from singular vectors (NNDSVD,
    Boutsidis and Gallopoulos 2008, zeros filled), the others from random rows. Then it passes over
    all rows in blocks: a block is read once a pass; while it is in cache its coefficients are
    updated, and it adds to WᵀX (k, d) and WᵀW (k, k), which is all that the update of H needs.
    Updates clamp at zero, so zeros are exact. It stops when a pass over all rows lowers the sum of
    squared errors by less than `tol` of itself; the coefficients are then solved to the end for the
    final components. It is as good as the coordinate descent of scikit-learn, and faster
    (``benchmarks/bench_nmf.py``).

    Parameters
    ----------
    X : (n, d) array
        Non-negative features: anything with a shape whose slices ``X[a:b]`` are arrays
        (memory, memory-mapped file, zarr, torch tensor), of any real type. A Dask array is worked
        on chunk by chunk where its workers are; its coefficients are one too.
    k : int
        Number of factors.
    seed : int
        Seed of the sample and of the random starts.
    tol : float
        Stopping criterion, see above.
    max_iter : int
        Largest number of passes over all rows.
    device : str
        torch device of the solver.
    progress : bool
        Show progress bars.

    Returns
    -------
    NMFResult
        A feature that is zero everywhere (a dead unit) is allowed: its column of the components
        is zero. A row of zeros has zero coefficients.

    Raises
    ------
    ValueError
        If X is not two-dimensional, holds negative or not finite values or only zeros, has fewer
        rows than `k`, or has a rank below `k`.
    """
    if dask_rows.is_dask(X):
        return _fit_dask(X, k, seed, tol, max_iter, progress)
    X = X if hasattr(X, "shape") else np.asarray(X)
    total, sample = _check_features(X, k, np.random.default_rng(seed))
    H = hals.start(sample, k, np.random.default_rng(seed), tol, device, progress)
    W, H, passes = hals.refine(X, H, total, tol, max_iter, progress)
    W, residual, total = hals.solve(X, H, W, progress=progress)
    return NMFResult(W, H.cpu().numpy(), float(np.sqrt(residual / total)), passes, "hals")


def solve_coefficients(
    X: Any, components: np.ndarray, *, device: str = "cpu", progress: bool = False
) -> tuple[np.ndarray, float]:
    """Coefficients of the rows of X on a given basis: non-negative least squares, row by row.

    This is how a second slice is described by the factors of the first.

    Parameters
    ----------
    X : (n, d) array
        As for `fit_nmf`.
    components : (k, d) array
        Non-negative basis, no row of zeros.

    Returns
    -------
    coefficients : (n, k) float32 array
    error : float
        ‖X − coefficients @ components‖_F / ‖X‖_F.

    Raises
    ------
    ValueError
        If X is not a valid matrix of features (see `fit_nmf`), or the components do not fit it.
    """
    H = np.ascontiguousarray(components, np.float32)
    if H.ndim != 2 or H.shape[1] != X.shape[-1]:
        raise ValueError(f"components must be (k, {X.shape[-1]}) to fit X, found {H.shape}")
    if not np.isfinite(H).all() or H.min() < 0 or not H.any(axis=1).all():
        raise ValueError(
            "components must be finite and non-negative, and no row may be zero everywhere"
        )
    _check_features(X, 1, np.random.default_rng(0))
    W, residual, total = hals.solve(X, torch.from_numpy(H).to(device), progress=progress)
    return W, float(np.sqrt(residual / total))


def _fit_dask(X: Any, k: int, seed: int, tol: float, max_iter: int, progress: bool) -> NMFResult:
    """`fit_nmf` of a Dask array: the same steps, each of them over its chunks."""
    chunks = dask_rows.Chunks(X)
    _check_shape(chunks, k)
    chosen = _sample_rows(chunks.shape[0], np.random.default_rng(seed))
    total, sample, bad = dask_rows.examine(chunks, chosen)
    if bad is not None:
        raise _bad_row(bad)
    _check_rank(sample, k)
    H = hals.start(sample, k, np.random.default_rng(seed), tol, "cpu", progress)
    W, H, passes = dask_rows.refine(chunks, H, total, tol, max_iter, progress)
    coefficients, residual, total = dask_rows.solve(chunks, H, W)
    return NMFResult(coefficients, H.numpy(), float(np.sqrt(residual / total)), passes, "hals")


def match_components(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair the factors of two factorisations one-to-one by the cosine of their components.

    Parameters
    ----------
    first, second : (k, d) arrays

    Returns
    -------
    partner : (k,) int array
        Row of `second` that belongs to each row of `first`.
    cosine : (k,) float array
        How alike the pairs are; 1 is equal.
    """
    first, second = (
        c / np.maximum(np.linalg.norm(c, axis=1, keepdims=True), 1e-30) for c in (first, second)
    )
    cosine = first @ second.T  # (k, k)
    rows, partner = linear_sum_assignment(-cosine)
    return partner, cosine[rows, partner]


def _check_features(X: Any, k: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """One pass over X: ‖X‖² and a random sample of rows, or a ValueError that says what is
    wrong.
    """
    _check_shape(X, k)
    chosen = _sample_rows(X.shape[0], rng)
    total, sample = 0.0, np.empty((len(chosen), X.shape[1]), np.float32)
    for part in hals.parts(X):
        rows = hals.block(X, part)
        squares = hals.squared_norm(rows)
        if not np.isfinite(squares) or rows.min() < 0:
            good = ((rows >= 0) & rows.isfinite()).all(dim=1)
            raise _bad_row(part.start + int(torch.nonzero(~good)[0]))
        total += squares
        inside = slice(*np.searchsorted(chosen, (part.start, part.stop)))
        sample[inside] = rows.numpy()[chosen[inside] - part.start]
    _check_rank(sample, k)
    return total, sample


def _check_shape(X: Any, k: int) -> None:
    if len(X.shape) != 2:
        raise ValueError(
            f"X must be (n, d): a row of features per position, found shape {tuple(X.shape)}"
        )
    n, d = X.shape
    if not 1 <= k <= min(n, d):
        raise ValueError(
            f"k = {k} factors need 1 ≤ k ≤ min(rows, features), found X of shape ({n}, {d})"
        )


def _sample_rows(n: int, rng: np.random.Generator) -> np.ndarray:
    size = int(np.clip(n // 8, *SAMPLE_ROWS))
    return np.sort(rng.choice(n, size, replace=False)) if n > size else np.arange(n)


def _bad_row(bad: int) -> ValueError:
    return ValueError(
        f"NMF needs finite, non-negative features; row {bad} holds a negative, NaN or "
        "infinite value. Features after a ReLU are non-negative; signed ones must be "
        "rectified first"
    )


def _check_rank(sample: np.ndarray, k: int) -> None:
    rank = np.linalg.matrix_rank(sample.astype(np.float64), tol=1e-6 * np.linalg.norm(sample))
    if rank < k:
        d, dead = sample.shape[1], int((~sample.any(axis=0)).sum())
        raise ValueError(
            f"k = {k} factors need features of rank ≥ {k}, found rank {rank} in {len(sample)} rows "
            f"({dead} of {d} features are zero there): choose k ≤ {rank}"
        )
