"""A whole volume: two Dask workers against one, seconds against slices, memory against slices.

    python benchmarks/bench_volume.py [--slices 2 4 8 16] [--stride 8] [--workers 1 2]

Phantom slices of 900 × 1856 px and an untrained network: the work is the same. Workers are processes
of Dask on this machine with one thread each. On a machine that does other things too, the processor
time is what to look at: how long workers computed, whatever else ran.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch

from helpers import model_files
from helpers.book.executors import workers
from helpers.data.phantoms.microct import draw_slice
from helpers.tissue.network.classifier import AreaCNN
from helpers.tissue.stages.learned import Trained
from helpers.tissue.stages.volume import Options, predict_volume

AREAS = ("Cortex", "Hypothalamus", "Striatum", "VP", "WM", "ZI")
SHAPE = (900, 3600)
PART = 1856  # columns that are kept


def children_memory(stop, most):
    """Largest resident size of a child process of this one, bytes, until told to stop."""
    import psutil

    here = psutil.Process()
    while not stop.wait(0.1):
        for child in here.children(recursive=True):
            try:
                if "spawn_main" in " ".join(child.cmdline()):
                    most.append(child.memory_info().rss)
            except psutil.Error:
                pass


def measure(folder, n, count, stride):
    """Predict n slices with so many workers: clock, processor seconds, bytes of a worker."""
    learned = Trained((folder / "net.safetensors").read_bytes(), AREAS, None, "benchmark")
    out = folder / f"out-{n}-{count}"
    shutil.rmtree(out, ignore_errors=True)
    with workers(f"local:{count}", memory=1_500_000_000) as found:
        # every worker imports and loads first; that is paid once, not per slice
        warm = folder / f"warm-{count}"
        shutil.rmtree(warm, ignore_errors=True)
        options = Options(stride=stride)
        silent = {"progress": False, "say": lambda line: None}
        predict_volume(folder / "warm.npy", warm, learned, found, options, **silent)
        stop, most = threading.Event(), [0]
        watch = threading.Thread(target=children_memory, args=(stop, most))
        watch.start()
        start = time.perf_counter()
        result = predict_volume(folder / f"{n}.npy", out, learned, found, options, **silent)
        clock = time.perf_counter() - start
        stop.set()
        watch.join()
    return clock, sum(result.work.seconds.values()), max(most)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stride", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-volume-") as name:
        folder = Path(name)
        torch.manual_seed(0)
        model_files.save(AreaCNN().eval(), folder / "net.safetensors", areas=list(AREAS))
        drawn = [draw_slice(z, SHAPE, 0)[1].image[:, :PART] for z in range(256, 260)]
        for n in arguments.slices:
            np.save(folder / f"{n}.npy", np.stack([drawn[i % len(drawn)] for i in range(n)]))
        np.save(folder / "warm.npy", np.stack(drawn[:2]))
        first = None
        print("workers slices   clock s  processor s  s/slice  of ideal  MB a worker  load")
        for count in arguments.workers:
            for n in arguments.slices if count == arguments.workers[0] else arguments.slices[-2:-1]:
                clock, seconds, memory = measure(folder, n, count, arguments.stride)
                first = {**(first or {}), **({n: clock} if count == arguments.workers[0] else {})}
                ideal = first[n] * arguments.workers[0] / count / clock
                load = os.getloadavg()[0]
                print(
                    f"{count:7} {n:6} {clock:9.1f} {seconds:12.2f} {seconds / n:8.3f} {ideal:9.2f} "
                    f"{memory / 1e6:12.0f} {load:5.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
