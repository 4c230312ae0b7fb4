"""Dense features of a slice against cutting patches, and against the machine's own matrix products.

Run with `make bench` or `python benchmarks/bench_dense.py [--quick]`. Everything is timed in one
process in short interleaved rounds, best of all rounds, because other programs slow a machine down
but never speed it up. Whole-slice memory is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from helpers.tissue.network import dense
from helpers.tissue.network.classifier import FILTERS, HIDDEN, KERNELS, N_FEATURES, PATCH, AreaCNN

SLICE = (1420, 5805)
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def multiply_adds():
    """Multiply-adds of one patch up to its features, and of one dense position without overlap
    between tiles.
    """
    patch = position = 0
    side, inputs = PATCH, 1
    for filters, kernel in zip(FILTERS, KERNELS):
        side -= kernel - 1
        patch += inputs * filters * kernel**2 * side**2
        position += inputs * filters * kernel**2  # every fragment pixel is computed once
        side, inputs = side // 2, filters
    connected = inputs * side**2 * HIDDEN + HIDDEN * N_FEATURES
    return patch + connected, position + connected


def candidates(model, quick):
    """What is timed: {name: (callable, amount of work)}; the rate is amount / seconds."""
    tasks = {}
    rng = np.random.default_rng(0)
    for name, dtype in TYPES.items():
        for m, k, n in ((2048, 2048, 2048), (4096, 25 * FILTERS[-1], HIDDEN)):
            a, b = (torch.randn(shape).to(dtype) for shape in ((m, k), (k, n)))
            out = torch.empty(m, n, dtype=dtype)
            tasks["mm", name, f"{m}x{k}x{n}"] = (
                (lambda a=a, b=b, out=out: torch.mm(a, b, out=out)),
                2 * m * k * n,
            )

        for layout in FORMATS if name == "float32" else ("channels_last",):
            network = AreaCNN().to(dtype=dtype, memory_format=FORMATS[layout]).eval()
            network.load_state_dict(model.state_dict())
            for batch in (16, 64) if quick else (4, 8, 16, 32, 64, 128, 256):
                x = (
                    torch.randn(batch, 1, PATCH, PATCH)
                    .to(dtype)
                    .contiguous(memory_format=FORMATS[layout])
                )
                times = max(1, 32 // batch)
                tasks["patches", name, f"batch {batch}, {layout}"] = (
                    repeated(network, x, times),
                    batch * times,
                )

        for tile in (dense.TILE,) if quick else (128, dense.TILE):
            positions = dense.TILE
            image = rng.normal(size=(positions + PATCH - 1,) * 2).astype(np.float32)
            out = np.empty((positions, positions, N_FEATURES), np.float32)
            task = lambda image=image, out=out, name=name, tile=tile: dense.dense_features(  # noqa: E731
                model, image, out=out, dtype=name, tile=tile
            )
            tasks["dense", name, f"tile {tile}"] = task, positions**2
    return tasks


def repeated(network, x, times):
    def task():
        for _ in range(times):
            network.features(x)

    return task


def best_rates(tasks, rounds, clock):
    """Highest rate of each task over interleaved rounds; after the first, only the best two of each
    kind run on.
    """
    best = dict.fromkeys(tasks, 0.0)
    running = list(tasks)
    for number in range(rounds):
        for key in running:
            task, amount = tasks[key]
            if number == 0:
                task()  # warm-up
            start = clock()
            task()
            best[key] = max(best[key], amount / (clock() - start))
        kinds = {key[:2] for key in tasks}
        running = [
            key
            for kind in sorted(kinds)
            for key in sorted((k for k in tasks if k[:2] == kind), key=best.get)[-2:]
        ]
    return best


def largest_difference(model):
    """Between dense features and patches cut one by one, over positions of a random image."""
    image = np.random.default_rng(1).normal(size=(177, 191)).astype(np.float32)
    features = dense.dense_features(model, image)[::7, ::9]
    patches = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))[::7, ::9].reshape(
        -1, 1, PATCH, PATCH
    )
    return np.abs(
        features.reshape(-1, N_FEATURES) - model.features(torch.from_numpy(patches.copy())).numpy()
    ).max()


def whole_slice(rows, dtype):
    """In a process of its own: features of a random slice written to disk. Prints rate and peak
    memory.
    """
    image = np.random.default_rng(0).random((rows, SLICE[1]), dtype=np.float32)
    shape = dense.output_shape(image.shape)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        out = np.lib.format.open_memmap(Path(folder) / "features.npy", "w+", np.float32, shape)
        start = time.perf_counter()
        dense.dense_features(AreaCNN(), image, out=out, dtype=dtype)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kB on Linux
    print(
        f"whole slice {rows}x{SLICE[1]}, stride 1, {dtype}, written to disk ({np.prod(shape) * 4 / 1e9:.2f} GB): "
        f"{shape[0] * shape[1] / seconds:,.0f} positions/s, {seconds:.0f} s, peak memory {peak:.2f} GB (bound: 2)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="two rounds, fewer candidates, part of the slice"
    )
    parser.add_argument(
        "--rounds", type=int, help="rounds to take the best of (default 5, quick 2)"
    )
    parser.add_argument("--rates-only", action="store_true", help="without the whole slice")
    parser.add_argument(
        "--busy",
        action="store_true",
        help="one thread, CPU time instead of wall time: for a machine in use",
    )
    parser.add_argument(
        "--slice-dtype", choices=TYPES, default="float32", help="type of the whole-slice run"
    )
    parser.add_argument(
        "--whole-slice", type=int, metavar="ROWS", help="only that run, in this process"
    )
    options = parser.parse_args()
    if options.whole_slice:
        return whole_slice(options.whole_slice, options.slice_dtype)

    if options.busy:
        torch.set_num_threads(1)
    clock = time.process_time if options.busy else time.perf_counter
    settings = {
        name: os.environ.get(name, "unset")
        for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
    }
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}, {settings}"
    )
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    model = AreaCNN().eval()
    print(f"largest difference to patches cut one by one: {largest_difference(model):.1e}")

    best = best_rates(
        candidates(model, options.quick), options.rounds or (2 if options.quick else 5), clock
    )
    for (kind, dtype, detail), rate in best.items():
        text = f"{rate / 1e9:10,.0f} GFLOP/s" if kind == "mm" else f"{rate:10,.0f} /s"
        print(f"  {kind:8}{dtype:10}{detail:28}{text}")

    per_patch, per_position = multiply_adds()
    print(
        f"\nmultiply-adds: {per_patch / 1e6:.1f} M a patch, {per_position / 1e6:.2f} M a dense position, "
        f"ratio {per_patch / per_position:.1f}: the limit at equal efficiency"
    )
    top = {
        (kind, dtype): max(v for k, v in best.items() if k[:2] == (kind, dtype))
        for kind, dtype, _ in best
    }
    print(
        f"{'best of each':12}{'mm GFLOP/s':>12}{'patches/s':>12}{'positions/s':>13}{'ratio':>8}{'dense / mm':>12}"
    )
    for dtype in TYPES:
        mm, patches, positions = (top[kind, dtype] for kind in ("mm", "patches", "dense"))
        print(
            f"{dtype:12}{mm / 1e9:12,.0f}{patches:12,.0f}{positions:13,.0f}{positions / patches:8.1f}"
            f"{2 * per_position * positions / mm:12.0%}"
        )
    print(
        f"bfloat16 / float32: {top['dense', 'bfloat16'] / top['dense', 'float32']:.2f} (matrix products: "
        f"{top['mm', 'bfloat16'] / top['mm', 'float32']:.2f})\n",
        flush=True,
    )

    if options.rates_only:
        return None
    rows = 460 if options.quick else SLICE[0]
    subprocess.run(
        [
            sys.executable,
            __file__,
            "--whole-slice",
            str(rows),
            "--slice-dtype",
            options.slice_dtype,
        ],
        check=True,
    )


if __name__ == "__main__":
    main()
