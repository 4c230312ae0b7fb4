"""Hierarchical alternating least squares in row blocks: the solver behind `nmf.fit_nmf`.

X (n, d) ≈ W (n, k) @ H (k, d). Inside a block W is kept transposed, (k, b), so that the coordinate
updates run along memory. H is always a (k, d) float32 tensor.

On a processor every worker thread takes whole blocks and computes alone: the updates are too short
to be shared between threads, which would spend their time waiting for each other, most of all on a
busy machine.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

#: Rows of one block. On a processor a block, its coefficients and their products stay in cache.
BLOCK_ROWS = {"cpu": 1 << 13, "cuda": 1 << 19}
#: Random starts on the sample of rows; then rounds of (alternations for each, how many go on).
STARTS, ROUNDS = 8, ((20, 3), (40, 1))
#: Coordinate sweeps over W or H before the other takes its turn.
SWEEPS = 4


@contextmanager
def workers(device: torch.device | str = "cpu") -> Iterator[ThreadPoolExecutor]:
    """A pool of as many threads as torch may use, each computing on its own."""
    before = torch.get_num_threads()
    count = before if torch.device(device).type == "cpu" else 1
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def parts(X: Any, device: torch.device | str = "cpu") -> list[slice]:
    """Slices of the rows of X, one per block."""
    step = BLOCK_ROWS[torch.device(device).type]
    return [slice(start, min(start + step, X.shape[0])) for start in range(0, X.shape[0], step)]


def block(X: Any, part: slice, device: torch.device | str = "cpu") -> torch.Tensor:
    """Rows of X as a (b, d) float32 tensor on the device."""
    rows = X[part]
    if not torch.is_tensor(rows):
        rows = np.ascontiguousarray(rows)
        rows = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
    return rows.to(device, torch.float32)


def coefficients(W: np.ndarray, part: slice, device: torch.device) -> torch.Tensor:
    """Rows of W (n, k) on the device, transposed so that updates run along memory: (k, b)."""
    return torch.from_numpy(W[part]).to(device).T.contiguous()


def squared_norm(X: torch.Tensor) -> float:
    """‖X‖², summed in double precision."""
    return float(X.square().sum(dtype=torch.float64))


def sweep_coefficients(W: torch.Tensor, A: torch.Tensor, G: torch.Tensor, sweeps: int) -> None:
    """Update W (k, b) in place, one factor at a time: A = H Xᵀ (k, b), G = H Hᵀ (k, k)."""
    own = G.diagonal()[:, None].clamp_min(1e-30)
    others, targets = (G / own).fill_diagonal_(0), A / own
    row = torch.empty_like(W[0])
    for _ in range(sweeps):
        for j in range(len(W)):
            # the best row j given the others, before and after clamping at zero
            torch.addmv(targets[j], W.T, others[j], alpha=-1, out=row)
            torch.clamp_min(row, 0, out=W[j])


def sweep_components(H: torch.Tensor, C: torch.Tensor, D: torch.Tensor, sweeps: int) -> None:
    """Update H (k, d) in place, one factor at a time: C = WᵀX (k, d), D = WᵀW (k, k)."""
    for _ in range(sweeps):
        for j in range(len(H)):
            if D[j, j] > 0:
                row = (H[j] + (C[j] - D[j] @ H) / D[j, j]).clamp_min(0)
                if row.any():  # a factor that no row uses keeps its direction
                    H[j] = row


def products(w: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of a block in WᵀX (k, d) and WᵀW (k, k), from W (k, b) and X (b, d), in double
    precision: `squared_error` is a small difference of large sums.
    """
    w, rows = w.double(), rows.double()
    return w @ rows, w @ w.T


def squared_error(total: float, H: torch.Tensor, C: torch.Tensor, D: torch.Tensor) -> float:
    """‖X − WH‖² from ‖X‖², WᵀX and WᵀW."""
    H, C, D = H.double(), C.double(), D.double()
    return max(0.0, total - 2 * float((C * H).sum()) + float((D * (H @ H.T)).sum()))


def nndsvda(X: np.ndarray, k: int) -> np.ndarray:
    """Components from the singular vectors of X (n, d), zeros filled (Boutsidis and Gallopoulos
    2008).
    """
    U, _, V = np.linalg.svd(X.astype(np.float64), full_matrices=False)
    H = np.empty((k, X.shape[1]))
    for j in range(k):
        # of the positive and the negative half of the pair, the one that holds more
        halves = [(np.maximum(s * U[:, j], 0), np.maximum(s * V[j], 0)) for s in (1, -1)]
        H[j] = max(halves, key=lambda half: np.linalg.norm(half[0]) * np.linalg.norm(half[1]))[1]
    H[H == 0] = 0.01 * H.mean()
    return H


def start(
    sample: np.ndarray,
    k: int,
    rng: np.random.Generator,
    tol: float,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> torch.Tensor:
    """Components near an optimum for a sample (m, d) of rows: the best of several starts, one from
    singular vectors and the others from random rows.

    Returns
    -------
    (k, d) float32 tensor
    """
    usable = np.flatnonzero(sample.any(axis=1))
    drawn = [rng.choice(usable, k, replace=len(usable) < k) for _ in range(STARTS)]
    starts = [nndsvda(sample, k), *(sample[rows] + 1e-3 * sample.mean() for rows in drawn)]
    X, *starts = (torch.from_numpy(array).to(device, torch.float32) for array in (sample, *starts))
    with workers(device) as pool:
        for iterations, kept in ROUNDS:
            trials = pool.map(partial(alternate, X, iterations=iterations, tol=0), starts)
            trials = tqdm(trials, "NMF: starts", len(starts), disable=not progress)
            starts = [H for H, _ in sorted(trials, key=lambda trial: trial[1])[:kept]]
        return pool.submit(alternate, X, starts[0], 1000, tol).result()[0]


def alternate(
    X: torch.Tensor, H: torch.Tensor, iterations: int, tol: float
) -> tuple[torch.Tensor, float]:
    """Extrapolated alternation (Ang and Gillis 2019) on rows X (m, d) that fit into cache.

    Stops when 20 alternations together lower the squared error by less than `tol` of itself. A step
    that raises the error is taken back, and the one after it, a plain one, is kept whatever it
    gives: measured against the best so far, which was that of a point ahead, it could fail for
    ever, and where it then stops hangs on the last bits of the rows.

    Returns
    -------
    H : (k, d) tensor, rows of unit norm
    error : float
        Squared error.
    """
    H = H / H.norm(dim=1, keepdim=True)
    W = torch.zeros(len(H), len(X), device=X.device)
    sweep_coefficients(W, H @ X.T, H @ H.T, 5 * SWEEPS)
    ahead_W, ahead_H = W, H  # the points ahead of W and H from which each step is taken
    beta, beta_max, last, best, best_H, errors = 0.5, 1.0, np.inf, np.inf, H, []
    for _ in range(iterations):
        new_W, new_H = ahead_W.clone(), ahead_H.clone()
        sweep_coefficients(new_W, ahead_H @ X.T, ahead_H @ ahead_H.T, SWEEPS)
        ahead_W = (new_W + beta * (new_W - W)).clamp_min(0)
        C, D = ahead_W @ X, ahead_W @ ahead_W.T
        sweep_components(new_H, C, D, SWEEPS)
        # from the differences themselves: where the fit is good, rounding of the three sums would
        # decide which steps are taken back, and rows that are nearly equal would go other ways
        error = squared_norm(torch.addmm(X, ahead_W.T, new_H, alpha=-1))
        if error > last:  # went too far: step back, and be more careful from here on
            beta_max, beta = beta, beta / 1.5
            ahead_W, ahead_H, last = W, H, np.inf
        else:
            ahead_H = (new_H + beta * (new_H - H)).clamp_min(0)
            W, H, last = new_W, new_H, error
            beta_max = min(1.0, 1.01 * beta_max)
            beta = min(beta_max, 1.05 * beta)
        if error < best:
            best, best_H = error, new_H
        errors.append(best)
        if len(errors) > 20 and errors[-21] - best < tol * best:
            break
    return best_H / best_H.norm(dim=1, keepdim=True).clamp_min(1e-30), best


def refine(
    X: Any, H: torch.Tensor, total: float, tol: float, max_iter: int, progress: bool = False
) -> tuple[np.ndarray, torch.Tensor, int]:
    """Alternate over all rows of X in blocks, from components that are near an optimum.

    Returns
    -------
    W : (n, k) float32 array, good enough to start `solve` from
    H : (k, d) tensor, rows of unit norm
    passes : int
    """
    W, last = np.zeros((X.shape[0], len(H)), np.float32), np.inf

    def update(part: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Update the coefficients of a block; return its share of WᵀX and WᵀW."""
        rows, w = block(X, part, H.device), coefficients(W, part, H.device)
        sweep_coefficients(w, H @ rows.T, G, sweeps)
        W[part] = w.T.cpu().numpy()
        return products(w, rows)

    passes = tqdm(range(1, max_iter + 1), "NMF: passes over all rows", disable=not progress)
    with workers(H.device) as pool, passes:
        for number in passes:
            G, sweeps = H @ H.T, SWEEPS if number > 1 else 3 * SWEEPS
            C, D = map(sum, zip(*pool.map(update, parts(X, H.device))))
            H = H.double()
            sweep_components(H, C, D, 5 * SWEEPS)
            error = squared_error(total, H, C, D)
            scale = H.norm(dim=1).float()
            H = H.float() / scale[:, None]
            W *= scale.cpu().numpy()
            passes.set_postfix(error=f"{np.sqrt(error / total):.5f}")
            if last - error <= tol * error:
                break
            last = error
    return W, H, number


def solve(
    X: Any,
    H: torch.Tensor,
    W: np.ndarray | None = None,
    tol: float = 1e-4,
    max_sweeps: int = 200,
    progress: bool = False,
) -> tuple[np.ndarray, float, float]:
    """Non-negative least squares of each row of X (n, d) on fixed components H (k, d).

    A block is done when a round of sweeps moves no coefficient by more than `tol` of the block's
    largest.

    Returns
    -------
    W : (n, k) float32 array
    residual, total : float
        ‖X − WH‖² and ‖X‖², the first taken from the differences themselves.
    """
    W = np.zeros((X.shape[0], len(H)), np.float32) if W is None else W
    G = H @ H.T

    def update(part: slice) -> tuple[float, float]:
        rows, w = block(X, part, H.device), coefficients(W, part, H.device)
        A = H @ rows.T
        for _ in range(0, max_sweeps, SWEEPS):
            before = w.clone()
            sweep_coefficients(w, A, G, SWEEPS)
            if (w - before).abs().max() <= tol * w.max():
                break
        W[part] = w.T.cpu().numpy()
        return squared_norm(rows - w.T @ H), squared_norm(rows)

    with workers(H.device) as pool:
        todo = parts(X, H.device)
        sums = tqdm(pool.map(update, todo), "NMF: coefficients", len(todo), disable=not progress)
        return W, *map(sum, zip(*sums))
