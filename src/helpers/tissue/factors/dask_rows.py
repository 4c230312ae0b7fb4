"""Non-negative matrix factorisation of rows that lie in a Dask array: the solver of `hals`, where
the rows are.

A chunk of rows keeps its coefficients beside it, with the worker that updates them. What travels is
the basis (k, d) out, and the sums WᵀX (k, d) and WᵀW (k, k) back: all that the update of the basis
needs. No worker holds more than the chunk that it works on, as far as X itself need not be held.
"""

from collections.abc import Callable
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from helpers.tissue.factors import hals

if TYPE_CHECKING:
    import dask.array

BRANCHES = 8  # sums that are added to one before they travel on


def is_dask(X: Any) -> bool:
    """Whether X is a Dask array; does not import Dask."""
    return type(X).__module__.partition(".")[0] == "dask"


class Chunks:
    """The rows of a Dask array, as tasks over its chunks of whole rows.

    Parameters
    ----------
    X : dask array (n, d)
        Of known chunk sizes; chunks along the features are joined.
    """

    def __init__(self, X: "dask.array.Array") -> None:
        if np.isnan(X.shape).any():
            raise ValueError(
                "the Dask array must know the sizes of its chunks; call compute_chunk_sizes() first"
            )
        if X.ndim == 2:
            X = X.rechunk({1: -1})
        self.shape = tuple(map(int, X.shape))
        self.sizes = X.chunks[0]
        self.starts = np.cumsum([0, *self.sizes[:-1]]).tolist()
        self.blocks = X.to_delayed().ravel().tolist()

    def map(self, function: Callable, *others: list) -> list:
        """Tasks ``function(rows, …)`` for every chunk, with the same item of the other lists."""
        from dask import delayed

        task = delayed(function, pure=False)
        return [task(*each) for each in zip(self.blocks, *others)]


def total(tasks: list) -> Any:
    """One task that adds up tuples of numbers or arrays, few at a time."""
    from dask import delayed

    task = delayed(_added, pure=False)
    while len(tasks) > 1:
        tasks = [task(tasks[at : at + BRANCHES]) for at in range(0, len(tasks), BRANCHES)]
    return tasks[0]


def _added(parts: list[tuple]) -> tuple:
    return tuple(reduce(add, same) for same in zip(*parts))


def examine(chunks: Chunks, chosen: np.ndarray) -> tuple[float, np.ndarray, int | None]:
    """Pass over all rows once.

    Parameters
    ----------
    chosen : (m,) int array
        Sorted numbers of the rows that are wanted.

    Returns
    -------
    total : float
        ‖X‖².
    sample : (m, d) float32 array
    bad : int or None
        The first row with a value that is negative or not finite.
    """
    import dask

    bounds = [np.searchsorted(chosen, (a, a + n)) for a, n in zip(chunks.starts, chunks.sizes)]
    wanted = [chosen[a:b] - start for (a, b), start in zip(bounds, chunks.starts)]
    found = dask.compute(*chunks.map(_examined, wanted))
    sample = np.concatenate([rows for _, rows, _ in found])
    bad = next((s + row for s, (_, _, row) in zip(chunks.starts, found) if row is not None), None)
    return sum(squares for squares, _, _ in found), sample, bad


def _examined(rows: np.ndarray, wanted: np.ndarray) -> tuple[float, np.ndarray, int | None]:
    rows, squares = np.asarray(rows), 0.0
    for part in hals.parts(rows):
        X = hals.block(rows, part)
        squares += hals.squared_norm(X)
        good = ((X >= 0) & X.isfinite()).all(dim=1)
        if not good.all():
            nothing = np.zeros((0, rows.shape[1]), np.float32)
            return squares, nothing, part.start + int(good.int().argmin())
    return squares, rows[wanted].astype(np.float32), None


def refine(
    chunks: Chunks,
    H: torch.Tensor,
    norm: float,
    tol: float,
    max_iter: int,
    progress: bool = False,
) -> tuple[list, torch.Tensor, int]:
    """Alternate over all rows, as `hals.refine` does.

    Returns
    -------
    coefficients : list of tasks
        (rows, k) of every chunk, good enough to start from.
    H : (k, d) tensor, rows of unit norm
    passes : int
    """
    import dask

    last, scale = np.inf, torch.ones(len(H))
    W = [None] * len(chunks.blocks)
    passes = tqdm(range(1, max_iter + 1), "NMF: passes over all rows", disable=not progress)
    for number in passes:
        facts = (H.numpy(), scale.numpy(), hals.SWEEPS if number > 1 else 3 * hals.SWEEPS)
        done = chunks.map(_updated, W, [facts] * len(W))
        *W, sums = _persisted(done)
        C, D = (torch.from_numpy(part) for part in sums.compute())
        H = H.double()
        hals.sweep_components(H, C, D, 5 * hals.SWEEPS)
        error = hals.squared_error(norm, H, C, D)
        scale = H.norm(dim=1).float()
        H = H.float() / scale[:, None]
        passes.set_postfix(error=f"{np.sqrt(error / norm):.5f}")
        if last - error <= tol * error:
            break
        last = error
    rescaled = dask.delayed(np.multiply, pure=False)
    return [rescaled(each, scale.numpy()) for each in W], H, number


def _updated(rows: np.ndarray, W: np.ndarray | None, facts: tuple) -> tuple:
    """New coefficients of a chunk, and its share of WᵀX and WᵀW."""
    (basis, scale, sweeps), rows = facts, np.asarray(rows)
    H = torch.from_numpy(basis)
    G, k = H @ H.T, len(H)
    new = np.zeros((len(rows), k), np.float32) if W is None else W * scale
    C, D = torch.zeros(H.shape, dtype=torch.float64), torch.zeros(k, k, dtype=torch.float64)
    for part in hals.parts(rows):
        X, w = hals.block(rows, part), hals.coefficients(new, part, H.device)
        hals.sweep_coefficients(w, H @ X.T, G, sweeps)
        new[part] = w.T.numpy()
        for whole, share in zip((C, D), hals.products(w, X)):
            whole += share
    return new, (C.numpy(), D.numpy())


def _persisted(pairs: list) -> list:
    """Compute pairs of coefficients and sums: the coefficients of every chunk, which stay where
    they are, and the sums over all chunks.
    """
    import dask

    first, second = (dask.delayed(part, pure=False) for part in (_first, _sums))
    return dask.persist(*map(first, pairs), total([second(pair) for pair in pairs]))


def _first(pair: tuple) -> Any:
    return pair[0]


def _sums(pair: tuple) -> Any:
    return pair[1]


def solve(
    chunks: Chunks, H: torch.Tensor, W: list | None = None
) -> tuple["dask.array.Array", float, float]:
    """Coefficients of all rows on a fixed basis, as `hals.solve` finds them.

    Returns
    -------
    coefficients : dask array (n, k)
        They stay where they were computed.
    residual, total : float
        ‖X − WH‖² and ‖X‖².
    """
    import dask.array as da

    W = W or [None] * len(chunks.blocks)
    done = chunks.map(_solved, W, [H.numpy()] * len(W))
    *W, sums = _persisted(done)
    arrays = [
        da.from_delayed(each, (size, len(H)), np.float32) for each, size in zip(W, chunks.sizes)
    ]
    residual, norm = sums.compute()
    return da.concatenate(arrays), residual, norm


def _solved(rows: np.ndarray, W: np.ndarray | None, basis: np.ndarray) -> tuple:
    start = None if W is None else np.array(W, np.float32)
    W, residual, norm = hals.solve(np.asarray(rows), torch.from_numpy(basis), start)
    return W, (residual, norm)
