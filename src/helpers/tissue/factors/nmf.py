"""Non-negative matrix factorisation of features, and the greedy selection of factors (paper B, §2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Fewest and most rows of the random sample on which the "hals" solver comes near its optimum first: an eighth of all, between these.
SAMPLE_ROWS = 1 << 14, 1 << 16


class Rows:
    """The chosen rows of a feature map (h, w, d), read where they lie: ``Rows(features,
    mask)[a:b]`` is (b − a, d).

    The features may be a memory-mapped file; nothing but the rows asked for is read.
    """

    def __init__(self, features, mask):
        if features.shape[:-1] != mask.shape:
            raise ValueError(
                f"mask must have the shape {features.shape[:-1]} of the feature map, found {mask.shape}"
            )
        self._rows = features.reshape(-1, features.shape[-1])
        self._index = np.flatnonzero(mask)
        self.shape = (len(self._index), features.shape[-1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
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
        Passes over all rows of X (of "sklearn": its iterations).
    solver : str
        "hals" (blocked, in torch) or "sklearn" (coordinate descent).
    """

    coefficients: np.ndarray
    components: np.ndarray
    error: float
    iterations: int
    solver: str


def fit_nmf(
    X,
    k,
    seed=0,
    *,
    solver="auto",
    init="best",
    tol=1e-4,
    max_iter=200,
    device="cpu",
    progress=False,
):
    """Factorise non-negative features: X (n, d) ≈ W (n, k) @ H (k, d), least squared error.

    The "hals" solver alternates exact coordinate updates of W and H (hierarchical alternating
    least squares: Cichocki and Phan 2009), several of each at a time (Gillis and Glineur 2012).
    Rows are exchangeable, so it begins on a random sample of them, where it can afford several
    starts and extrapolation (Ang and Gillis 2019). Then it passes over all rows in blocks: a block
    is read once a pass; while it is in cache its coefficients are updated, and it adds to WᵀX (k,
    d) and WᵀW (k, k), which is all that the update of H needs. Updates clamp at zero, so zeros are
    exact. It stops when a pass over all rows lowers the sum of squared errors by less than `tol` of
    itself; the coefficients are then solved to the end for the final components.

    Parameters
    ----------
    X : (n, d) array
        Non-negative features: anything with a shape whose slices ``X[a:b]`` are arrays
        (memory, memory-mapped file, zarr, torch tensor), of any real type.
    k : int
        Number of factors.
    seed : int
        Seed of the sample and of the random starts.
    solver : {"auto", "hals", "sklearn"}
        "sklearn" is the coordinate descent of scikit-learn, the reference; it holds everything
        in memory. "auto" takes "hals": faster and as good (``benchmarks/bench_nmf.py``).
    init : {"best", "nndsvda", "random"}
        Start of the components: from singular vectors (NNDSVD, Boutsidis and Gallopoulos 2008,
        zeros filled), from random rows of X, or the best of both on the sample.
        scikit-learn starts from NNDSVDa unless told "random".
    tol : float
        Stopping criterion, see above; for "sklearn" its own `tol`.
    max_iter : int
        Largest number of passes over all rows (of "sklearn": iterations).
    device : str
        torch device of the "hals" solver.
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
    if solver not in ("auto", "hals", "sklearn"):
        raise ValueError(f"solver must be 'auto', 'hals' or 'sklearn', found {solver!r}")
    if init not in ("best", "nndsvda", "random"):
        raise ValueError(f"init must be 'best', 'nndsvda' or 'random', found {init!r}")
    X = X if hasattr(X, "shape") else np.asarray(X)
    total, sample = _check_features(X, k, np.random.default_rng(seed))
    if solver == "sklearn":
        return _fit_sklearn(X, k, seed, init, tol, max_iter)

    from helpers.tissue.factors import hals

    H = hals.start(sample, k, init, np.random.default_rng(seed), tol, device, progress)
    W, H, passes = hals.refine(X, H, total, tol, max_iter, progress)
    W, residual, total = hals.solve(X, H, W, progress=progress)
    return NMFResult(W, H.cpu().numpy(), float(np.sqrt(residual / total)), passes, "hals")


def solve_coefficients(X, components, *, device="cpu", progress=False):
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
    import torch

    from helpers.tissue.factors import hals

    components = np.ascontiguousarray(components, np.float32)
    if components.ndim != 2 or components.shape[1] != X.shape[-1]:
        raise ValueError(
            f"components must be (k, {X.shape[-1]}) to fit X, found {components.shape}"
        )
    if (
        not np.isfinite(components).all()
        or components.min() < 0
        or not components.any(axis=1).all()
    ):
        raise ValueError(
            "components must be finite and non-negative, and no row may be zero everywhere"
        )
    _check_features(X, 1, np.random.default_rng(0))
    W, residual, total = hals.solve(X, torch.from_numpy(components).to(device), progress=progress)
    return W, float(np.sqrt(residual / total))


def match_components(first, second):
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
    from scipy.optimize import linear_sum_assignment

    unit = [
        c / np.maximum(np.linalg.norm(c, axis=1, keepdims=True), 1e-30) for c in (first, second)
    ]
    cosine = unit[0] @ unit[1].T  # (k, k)
    rows, partner = linear_sum_assignment(-cosine)
    return partner, cosine[rows, partner]


def _check_features(X, k, rng):
    """One pass over X: ‖X‖² and a random sample of rows, or a ValueError that says what is wrong."""
    import torch

    from helpers.tissue.factors import hals

    if len(X.shape) != 2:
        raise ValueError(
            f"X must be (n, d): a row of features per position, found shape {tuple(X.shape)}"
        )
    n, d = X.shape
    if not 1 <= k <= min(n, d):
        raise ValueError(
            f"k = {k} factors need 1 ≤ k ≤ min(rows, features), found X of shape ({n}, {d})"
        )
    size = int(np.clip(n // 8, *SAMPLE_ROWS))
    chosen = np.sort(rng.choice(n, size, replace=False)) if n > size else np.arange(n)
    total, sample = 0.0, np.empty((len(chosen), d), np.float32)
    for part in hals.parts(X):
        rows = hals.block(X, part)
        squares = float(rows.square().sum(dtype=torch.float64))
        if not np.isfinite(squares) or rows.min() < 0:
            bad = part.start + int(torch.nonzero(~((rows >= 0) & rows.isfinite()).all(dim=1))[0])
            raise ValueError(
                f"NMF needs finite, non-negative features; row {bad} holds a negative, NaN or infinite value. Features after a ReLU are non-negative; signed ones must be rectified first"
            )
        total += squares
        inside = slice(*np.searchsorted(chosen, (part.start, part.stop)))
        sample[inside] = rows.numpy()[chosen[inside] - part.start]
    rank = (
        np.linalg.matrix_rank(sample.astype(np.float64), tol=1e-6 * np.linalg.norm(sample))
        if total
        else 0
    )
    if rank < k:
        raise ValueError(
            f"k = {k} factors need features of rank ≥ {k}, found rank {rank} in {len(sample)} rows ({int((~sample.any(axis=0)).sum())} of {d} features are zero there): choose k ≤ {rank}"
        )
    return total, sample


def _fit_sklearn(X, k, seed, init, tol, max_iter):
    """The reference: scikit-learn's coordinate descent."""
    from sklearn.decomposition import NMF

    X = np.ascontiguousarray(X[:], np.float32)
    model = NMF(
        k,
        init="random" if init == "random" else "nndsvda",
        random_state=seed,
        tol=tol,
        max_iter=max_iter,
    )
    W = model.fit_transform(X)
    norms = np.linalg.norm(model.components_, axis=1)
    H = model.components_ / np.where(norms > 0, norms, 1)[:, None]
    # not the model's own reconstruction_err_: it is summed in single precision, and comes out too
    # small for millions of rows
    return NMFResult(
        (W * norms).astype(np.float32),
        H.astype(np.float32),
        relative_error(X, W, model.components_),
        int(model.n_iter_),
        "sklearn",
    )


def relative_error(X, coefficients, components):
    """‖X − coefficients @ components‖_F / ‖X‖_F of X (n, d), summed in double precision, block by
    block.
    """
    from helpers.tissue.factors import hals

    residual = total = 0.0
    for part in hals.parts(X):
        rows = np.asarray(X[part], np.float32)
        residual += np.square(rows - coefficients[part] @ components, dtype=np.float64).sum()
        total += np.square(rows, dtype=np.float64).sum()
    return float(np.sqrt(residual / total))
