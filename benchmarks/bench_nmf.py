"""NMF of many rows: the blocked solver against scikit-learn's coordinate descent (CD) and
multiplicative updates (MU).

Each solver runs in a process of its own on the same file of features, so that peak memory is its
own. CD stops by its own rule; the others are judged at its error: a solver that ends more than 0.5
% above it has not solved the same problem.

    python benchmarks/bench_nmf.py                          0.3, 1 and 3 million rows, about 10
    minutes on two cores python benchmarks/bench_nmf.py --rows 300000            one size python
    benchmarks/bench_nmf.py --features f.npy         rows drawn from a file (n, d) of real features
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "4294967296")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "17179869184")

import numpy as np  # noqa: E402

SOLVERS = ("scikit-learn CD", "scikit-learn MU", "blocked HALS")


def write_features(path, n, source=None, d=64, seed=0):
    """Write n rows like a network's features: rectified mixtures of 24 sparse patterns, a quarter
    of the units dead.
    """
    rng = np.random.default_rng(seed)
    X = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, d))
    patterns = rng.gamma(0.5, 1, (24, d)) * (rng.random((24, d)) < 0.4) * (rng.random(d) > 0.25)
    stored = np.load(source, mmap_mode="r") if source else None
    for start in range(0, n, 1 << 16):
        rows = min(1 << 16, n - start)
        if source:
            X[start : start + rows] = stored[np.sort(rng.choice(len(stored), rows))]
        else:
            weights = rng.gamma(0.3, 1, (rows, 24)) * (rng.random((rows, 24)) < 0.3)
            noise = rng.normal(0, 0.05, (rows, d)) * patterns.any(axis=0)
            X[start : start + rows] = np.maximum(weights @ patterns + noise, 0)
    X.flush()


def relative_error(X, W, H):
    """‖X − WH‖_F / ‖X‖_F summed in double precision, block by block; scikit-learn sums its own in
    single precision, and comes out too small for millions of rows.
    """
    residual = total = 0.0
    for start in range(0, len(X), 1 << 13):
        rows = X[start : start + (1 << 13)]
        residual += np.square(rows - W[start : start + (1 << 13)] @ H, dtype=np.float64).sum()
        total += np.square(rows, dtype=np.float64).sum()
    return np.sqrt(residual / total)


def solve(solver, path, k):
    """Run one solver in this process and print what it took."""
    X = np.load(path, mmap_mode="r")
    from sklearn.decomposition import NMF

    from helpers.tissue.factors import nmf

    start = time.perf_counter()
    if solver == "blocked HALS":
        result = nmf.fit_nmf(X, k)
        error, iterations = result.error, result.iterations
    else:
        X = np.array(X)
        method = solver.split()[-1].lower()
        model = NMF(k, solver=method, init="nndsvda", random_state=0, max_iter=500)
        W = model.fit_transform(X)
        error, iterations = relative_error(X, W, model.components_), model.n_iter_
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        json.dumps(
            {
                "seconds": seconds,
                "error": float(error),
                "iterations": int(iterations),
                "peak GiB": peak,
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 1_000_000, 3_000_000])
    parser.add_argument("--factors", type=int, default=15)
    parser.add_argument("--features", help="a .npy file (n, d) to draw rows from")
    parser.add_argument(
        "--without", nargs="*", default=[], choices=["CD", "MU"], help="solvers to leave out"
    )
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return solve(options.worker[0], options.worker[1], options.factors)

    print(
        f"{'rows':>9}  {'solver':<16} {'seconds':>8} {'iterations':>10} {'error':>8} {'peak GiB':>8}   against CD"
    )
    growth = {}
    with tempfile.TemporaryDirectory() as folder:
        for n in options.rows:
            path, reference = Path(folder) / "features.npy", None
            write_features(path, n, options.features)
            for solver in [s for s in SOLVERS if s.split()[-1] not in options.without]:
                command = [
                    sys.executable,
                    __file__,
                    "--worker",
                    solver,
                    str(path),
                    "--factors",
                    str(options.factors),
                ]
                found = json.loads(
                    subprocess.run(command, check=True, capture_output=True, text=True).stdout
                )
                growth.setdefault(solver, []).append((n, found["seconds"]))
                reference = found if solver.endswith("CD") else reference
                verdict = (
                    ""
                    if reference is None or found is reference
                    else (
                        f"{reference['seconds'] / found['seconds']:.1f} × faster, error {100 * (found['error'] / reference['error'] - 1):+.2f} %"
                        + (
                            ""
                            if found["error"] <= 1.005 * reference["error"]
                            else " (its error was not reached)"
                        )
                    )
                )
                print(
                    f"{n:>9}  {solver:<16} {found['seconds']:8.1f} {found['iterations']:10d} {found['error']:8.5f} {found['peak GiB']:8.2f}   {verdict}",
                    flush=True,
                )
    for solver, times in growth.items():
        if len(times) > 1:
            (n0, t0), (n1, t1) = times[0], times[-1]
            print(
                f"{solver}: time grows as rows^{np.log(t1 / t0) / np.log(n1 / n0):.2f} from {n0} to {n1} rows"
            )


if __name__ == "__main__":
    main()
