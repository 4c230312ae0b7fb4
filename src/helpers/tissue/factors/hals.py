"""Hierarchical alternating least squares in row blocks: the solver behind `factors.fit_nmf`.

X (n, d) ≈ W (n, k) @ H (k, d). Inside a block W is kept transposed, (k, b), so that the coordinate
updates run along memory. H is always a (k, d) float32 tensor.

On a processor every worker thread takes whole blocks and computes alone: the updates are too short
to be shared between threads, which would spend their time waiting for each other, most of all on a
busy machine.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from tqdm.auto import tqdm

#: Rows of one block. On a processor a block, its coefficients and their products stay in cache.
BLOCK_ROWS = {"cpu": 1 << 13, "cuda": 1 << 19}
#: Random starts tried on the sample of rows; then rounds of (alternations for each, how many of them go on).
STARTS, ROUNDS = 8, ((20, 3), (40, 1))
#: Coordinate sweeps over W or H before the other takes its turn.
SWEEPS = 4


@contextmanager
def workers(device="cpu"):
    """A pool of as many threads as torch may use, each computing on its own."""
    before = torch.get_num_threads()
    count = before if torch.device(device).type == "cpu" else 1
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def parts(X, device="cpu"):
    """Slices of the rows of X, one per block."""
    step = BLOCK_ROWS[torch.device(device).type]
    return [slice(start, min(start + step, X.shape[0])) for start in range(0, X.shape[0], step)]


def block(X, part, device="cpu"):
    """Rows of X as a (b, d) float32 tensor on the device."""
    rows = X[part]
    if not torch.is_tensor(rows):
        rows = np.ascontiguousarray(rows)
        rows = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
    return rows.to(device, torch.float32)


def sweep_coefficients(W, A, G, sweeps):
    """Update W (k, b) in place, one factor at a time: A = H Xᵀ (k, b), G = H Hᵀ (k, k)."""
    others = G / G.diagonal()[:, None].clamp_min(1e-30)
    others.fill_diagonal_(0)
    targets = A / G.diagonal()[:, None].clamp_min(1e-30)
    row = torch.empty_like(W[0])
    for _ in range(sweeps):
        for j in range(len(W)):
            # the best row j given the others, before and after clamping at zero
            torch.addmv(targets[j], W.T, others[j], alpha=-1, out=row)
            torch.clamp_min(row, 0, out=W[j])


def sweep_components(H, C, D, sweeps):
    """Update H (k, d) in place, one factor at a time: C = WᵀX (k, d), D = WᵀW (k, k)."""
    for _ in range(sweeps):
        for j in range(len(H)):
            if D[j, j] > 0:
                row = (H[j] + (C[j] - D[j] @ H) / D[j, j]).clamp_min(0)
                if row.any():  # a factor that no row uses keeps its direction
                    H[j] = row


def squared_error(total, H, C, D):
    """‖X − WH‖² from ‖X‖², WᵀX and WᵀW."""
    H, C, D = H.double(), C.double(), D.double()
    return max(0.0, total - 2 * float((C * H).sum()) + float((D * (H @ H.T)).sum()))


def nndsvda(X, k):
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


def start(sample, k, init, rng, tol, device="cpu", progress=False):
    """Components near an optimum for a sample (m, d) of rows: the best of several starts.

    Returns
    -------
    (k, d) float32 tensor
    """
    candidates = [nndsvda(sample, k)] if init != "random" else []
    if init != "nndsvda":
        usable = np.flatnonzero(sample.any(axis=1))
        for _ in range(STARTS if init == "best" else 1):
            candidates.append(
                sample[rng.choice(usable, k, replace=len(usable) < k)] + 1e-3 * sample.mean()
            )
    X = torch.from_numpy(sample).to(device, torch.float32)
    candidates = [torch.from_numpy(H).to(device, torch.float32) for H in candidates]
    with workers(device) as pool:
        for iterations, kept in ROUNDS if len(candidates) > 1 else ():
            trials = pool.map(lambda H: alternate(X, H, iterations, 0), candidates)
            trials = list(tqdm(trials, "NMF: starts", len(candidates), disable=not progress))
            candidates = [H for H, _ in sorted(trials, key=lambda trial: trial[1])[:kept]]
        return pool.submit(alternate, X, candidates[0], 1000, tol).result()[0]


def alternate(X, H, iterations, tol):
    """Extrapolated alternation (Ang and Gillis 2019) on rows X (m, d) that fit into cache.

    Stops when 20 alternations together lower the squared error by less than `tol` of itself.

    Returns
    -------
    H : (k, d) tensor, rows of unit norm
    error : float
        Squared error.
    """
    total = float(X.square().sum(dtype=torch.float64))
    H = H / H.norm(dim=1, keepdim=True)
    W = torch.zeros(len(H), len(X), device=X.device)
    sweep_coefficients(W, H @ X.T, H @ H.T, 5 * SWEEPS)
    ahead_W, ahead_H = W, H  # the points ahead of W and H from which each step is taken
    beta, beta_max, best, errors = 0.5, 1.0, np.inf, []
    for _ in range(iterations):
        new_W, new_H = ahead_W.clone(), ahead_H.clone()
        sweep_coefficients(new_W, ahead_H @ X.T, ahead_H @ ahead_H.T, SWEEPS)
        ahead_W = (new_W + beta * (new_W - W)).clamp_min(0)
        C, D = ahead_W @ X, ahead_W @ ahead_W.T
        sweep_components(new_H, C, D, SWEEPS)
        error = squared_error(total, new_H, C, D)
        if error > best:  # went too far: step back, and be more careful from here on
            beta_max, beta = beta, beta / 1.5
            ahead_W, ahead_H = W, H
        else:
            ahead_H = (new_H + beta * (new_H - H)).clamp_min(0)
            W, H, best = new_W, new_H, error
            beta_max = min(1.0, 1.01 * beta_max)
            beta = min(beta_max, 1.05 * beta)
        errors.append(best)
        if len(errors) > 20 and errors[-21] - best < tol * best:
            break
    return H / H.norm(dim=1, keepdim=True).clamp_min(1e-30), best


def refine(X, H, total, tol, max_iter, progress=False):
    """Alternate over all rows of X in blocks, from components that are near an optimum.

    Returns
    -------
    W : (n, k) float32 array, good enough to start `solve` from
    H : (k, d) tensor, rows of unit norm
    passes : int
    """
    W = np.zeros((X.shape[0], len(H)), np.float32)
    scale, last = torch.ones(len(H), device=H.device), np.inf

    def update(part):
        """Update the coefficients of a block; return its share of WᵀX and WᵀW."""
        rows = block(X, part, H.device)
        w = (torch.from_numpy(W[part]).to(H.device) * scale).T.contiguous()  # (k, b)
        sweep_coefficients(w, H @ rows.T, G, SWEEPS if passes > 1 else 3 * SWEEPS)
        W[part] = w.T.cpu().numpy()
        return (w @ rows).double(), (w @ w.T).double()

    with (
        workers(H.device) as pool,
        tqdm(range(1, max_iter + 1), "NMF: passes over all rows", disable=not progress) as bar,
    ):
        for passes in bar:
            G = H @ H.T
            C, D = (
                torch.zeros_like(H, dtype=torch.float64),
                torch.zeros_like(G, dtype=torch.float64),
            )
            for c, d in pool.map(update, parts(X, H.device)):
                C += c
                D += d
            H = H.double()
            sweep_components(H, C, D, 5 * SWEEPS)
            error = squared_error(total, H, C, D)
            scale = H.norm(dim=1).float()
            H = H.float() / scale[:, None]
            bar.set_postfix(error=f"{np.sqrt(error / total):.5f}")
            if last - error <= tol * error:
                break
            last = error
    W *= scale.cpu().numpy()
    return W, H, passes


def solve(X, H, W=None, tol=1e-4, max_sweeps=200, progress=False):
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

    def update(part):
        rows = block(X, part, H.device)
        w = torch.from_numpy(W[part]).to(H.device).T.contiguous()  # (k, b)
        A = H @ rows.T
        for _ in range(0, max_sweeps, SWEEPS):
            before = w.clone()
            sweep_coefficients(w, A, G, SWEEPS)
            if (w - before).abs().max() <= tol * w.max():
                break
        W[part] = w.T.cpu().numpy()
        residual = (rows - w.T @ H).square().sum(dtype=torch.float64)
        return float(residual), float(rows.square().sum(dtype=torch.float64))

    with workers(H.device) as pool:
        todo = parts(X, H.device)
        sums = list(
            tqdm(pool.map(update, todo), "NMF: coefficients", len(todo), disable=not progress)
        )
    residual, total = map(sum, zip(*sums))
    return W, residual, total
