"""Dense features of a slice, multiplied directly and by Winograd's minimal filtering, against
cutting patches and against the machine's own matrix products.

Run with `make bench` or `python benchmarks/bench_dense.py [--quick]`. Everything is timed in one
process in short interleaved rounds, best of all rounds, because other programs slow a machine down
but never speed it up. Whole-slice memory is measured in a process of its own.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from helpers.tissue.network import dense, fragments, winograd
from helpers.tissue.network.classifier import FILTERS, HIDDEN, KERNELS, N_FEATURES, PATCH, AreaCNN

SLICE = (1420, 5805)
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


WAYS = {  # of dense features: how they are multiplied, and in which type
    "direct": ("direct", "float32"),
    "winograd": ("winograd", "float32"),
    "winograd10": ("winograd10", "float32"),
    "bfloat16": ("direct", "bfloat16"),
}
GOALS = {"mm": 1.8, "patches": 50, "error": 2e-5}  # of float32: at least, at least, at most


def winograd_work():
    """Multiply-adds and bytes of one dense position by filtering with tiles of 8x8.

    Returns
    -------
    dict of name: (multiply-adds, bytes read and written)
    """
    taps, n, channels = 5, fragments.TILES["winograd"], FILTERS[-1]
    m = n - taps + 1
    products = (n / m) ** 2  # of each input channel with each unit
    cells = ((dense.TILE + 16 * (taps - 1)) / dense.TILE) ** 2  # with the overlap between tiles
    convolutions = list(zip((1, *FILTERS), FILTERS, KERNELS))
    block = (winograd.PHASES * m) ** 2  # positions for which all filters are read once
    return {
        "convolutions": (
            cells * sum(i * o * k**2 for i, o, k in convolutions),
            cells
            * 4
            * sum(i + 6 * o for i, o, _ in convolutions),  # pooled in two steps, rectified
        ),
        "inputs": (
            channels * (n**2 / m + n**3 / m**2),
            4 * channels * (n / m + 2 * n / m + n**2 / m + products),
        ),
        "products": (
            products * channels * HIDDEN,
            4 * (products * (channels * HIDDEN / winograd.WIDTH + HIDDEN))
            + 4 * n**2 * channels * HIDDEN / block,
        ),
        "outputs": (n**2 * HIDDEN, 4 * (products + 1) * HIDDEN),
        "second layer": (HIDDEN * N_FEATURES, 4 * (3 * HIDDEN + 5 * N_FEATURES)),
    }


def candidates(model, quick):
    """What is timed: {name: (callable, amount of work)}; the rate is amount / seconds."""
    tasks = {}
    rng = np.random.default_rng(0)
    a, b = torch.randn(2, 2**21)  # 8 MB each: both in cache, as the products of a block
    tasks["copy", "float32", "8 MB"] = partial(b.copy_, a), 2 * 4 * a.numel()
    for name, dtype in TYPES.items():
        for m, k, n in ((2048, 2048, 2048), (4096, 25 * FILTERS[-1], HIDDEN)):
            a, b = (torch.randn(shape).to(dtype) for shape in ((m, k), (k, n)))
            out = torch.empty(m, n, dtype=dtype)
            tasks["mm", name, f"{m}x{k}x{n}"] = partial(torch.mm, a, b, out=out), 2 * m * k * n

        for layout in FORMATS if name == "float32" else ("channels_last",):
            network = AreaCNN().to(dtype=dtype, memory_format=FORMATS[layout]).eval()
            network.load_state_dict(model.state_dict())
            for batch in (16, 64) if quick else (4, 8, 16, 32, 64, 128, 256):
                x = torch.randn(batch, 1, PATCH, PATCH).to(dtype)
                x = x.contiguous(memory_format=FORMATS[layout])
                times = max(1, 32 // batch)
                tasks["patches", name, f"batch {batch}, {layout}"] = (
                    repeated(network, x, times),
                    batch * times,
                )

    for way, (method, dtype) in WAYS.items():
        for tile in (dense.TILE,) if quick else (256, dense.TILE):
            side = tile // 96 * 96 if method == "winograd10" else tile  # whole blocks
            image = rng.normal(size=(side + PATCH - 1,) * 2).astype(np.float32)
            out = np.empty((side, side, N_FEATURES), np.float32)
            task = partial(
                dense.dense_features, model, image, out=out, dtype=dtype, tile=side, method=method
            )
            tasks["dense", way, f"tile {side}"] = task, side**2
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


def largest_errors(model):
    """Largest difference to patches cut one by one, relative to the largest feature, per way."""
    image = np.random.default_rng(1).normal(size=(177, 291)).astype(np.float32)
    patches = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))[::7, ::9]
    exact = model.features(torch.from_numpy(patches.reshape(-1, 1, PATCH, PATCH).copy())).numpy()
    errors = {}
    for way, (method, dtype) in WAYS.items():
        found = dense.dense_features(model, image, dtype=dtype, method=method)[::7, ::9]
        errors[way] = np.abs(found.reshape(exact.shape) - exact).max() / np.abs(exact).max()
    return errors


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
        f"whole slice {rows}x{SLICE[1]}, stride 1, {dtype}, "
        f"written to disk ({np.prod(shape) * 4 / 1e9:.2f} GB): "
        f"{shape[0] * shape[1] / seconds:,.0f} positions/s, {seconds:.0f} s, "
        f"peak memory {peak:.2f} GB (bound: 2)"
    )


def report(rates, errors):
    """Print all rates, the ways beside products and patches of this run, and what bounds them."""
    for (kind, name, detail), rate in rates.items():
        number = {"mm": f"{rate / 1e9:10,.0f} GFLOP/s", "copy": f"{rate / 1e9:10,.0f} GB/s"}
        print(f"  {kind:8}{name:11}{detail:28}{number.get(kind, f'{rate:10,.0f} /s')}")

    top = {}
    for (kind, name, _), rate in rates.items():
        top[kind, name] = max(rate, top.get((kind, name), 0.0))
    per_patch, per_position, _ = fragments.multiply_adds().values()
    print(
        f"\nmultiply-adds: {per_patch / 1e6:.1f} M a patch, {per_position / 1e6:.2f} M a dense "
        f"position by direct multiplication, ratio {per_patch / per_position:.1f}"
    )
    products = {name: top["mm", name] / 2 / per_position for name in TYPES}
    for name in TYPES:
        print(
            f"  {name}: torch.mm could do the direct products of {products[name]:,.0f} positions/s;"
            f" best patch by patch {top['patches', name]:,.0f}/s"
        )
    print(f"{'dense':12}{'positions/s':>12}{'of its mm':>11}{'x patches':>11}{'error':>9}")
    for way, (_, dtype) in WAYS.items():
        rate = top["dense", way]
        print(
            f"{way:12}{rate:12,.0f}{rate / products[dtype]:11.2f}"
            f"{rate / top['patches', dtype]:11.1f}{errors[way]:9.0e}"
        )
    print(f"goals of winograd: {GOALS['mm']} of mm, {GOALS['patches']} x patches, {GOALS['error']}")

    print("one position by winograd, microseconds at the rate of mm and at that of copying:")
    total = np.zeros(2)
    for name, (operations, size) in winograd_work().items():
        times = np.array([2 * operations / top["mm", "float32"], size / top["copy", "float32"]])
        total += times
        print(
            f"  {name:14}{operations / 1e3:8,.0f} k multiply-adds {size / 1e3:6.1f} kB"
            f"{1e6 * times[0]:8.2f}{1e6 * times[1]:8.2f}"
        )
    print(
        f"  together {1e6 * total[0]:.2f} and {1e6 * total[1]:.2f}, "
        f"measured {1e6 / top['dense', 'winograd']:.2f}\n",
        flush=True,
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
        whole_slice(options.whole_slice, options.slice_dtype)
        return

    if options.busy:
        torch.set_num_threads(1)
    clock = time.process_time if options.busy else time.perf_counter
    settings = {
        name: os.environ.get(name, "unset")
        for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
    }
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, "
        f"PyTorch {torch.__version__}, {settings}"
    )
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    model = AreaCNN().eval()
    tasks = candidates(model, options.quick)
    rates = best_rates(tasks, options.rounds or (2 if options.quick else 5), clock)
    report(rates, largest_errors(model))
    if options.rates_only:
        return
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
