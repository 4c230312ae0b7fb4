"""A whole volume: two Dask workers against one, seconds against slices, memory against slices.

    python benchmarks/bench_volume.py [--quick] [--slices 2 4 8 16] [--stride 8] [--workers 1 2]

Phantom slices of 900 × 1856 px and an untrained network: the work is the same. Workers are processes
of Dask on this machine with one thread each. `--quick`: slices of 450 × 1856 px at stride 16.

Shares of the ideal time come three ways. *Clock*: as a user sees it; true on an idle machine only.
*Busy*: processor seconds of all workers over (workers × those of the one that had most), how evenly
the work was shared, whatever else ran. *Waste*: processor seconds of the whole of all workers
(libraries, communication, writing) for the same slices, one worker over several: what sharing out
costs. On a machine that does other things too, busy × waste stands in for clock.
"""

import argparse
import contextlib
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


def watch_children(stop, most, spent):
    """Until told to stop: largest resident size of a worker, and processor seconds of each.

    Workers are looked for once: going through all processes again and again would take a share of
    the processors that are measured.
    """
    import psutil

    children = psutil.Process().children(recursive=True)
    children = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    while True:
        for child in children:
            with contextlib.suppress(psutil.Error):
                most[0] = max(most[0], child.memory_info().rss)
                spent[child.pid] = sum(child.cpu_times()[:2])
        if stop.is_set():
            return
        stop.wait(0.25)


def measure(folder, n, found, stride):
    """Predict n slices: clock, processor seconds of each worker and of this process, which schedules
    them, bytes of the largest worker.
    """
    learned = Trained((folder / "net.safetensors").read_bytes(), AREAS, None, "benchmark")
    out = folder / f"out-{n}"
    shutil.rmtree(out, ignore_errors=True)
    stop, most, before, after = threading.Event(), [0], {}, {}
    stop.set()
    watch_children(stop, [0], before)  # what was spent until here
    stop.clear()
    watch = threading.Thread(target=watch_children, args=(stop, most, after))
    watch.start()
    start, own = time.perf_counter(), time.process_time()
    options = Options(stride=stride)
    file = folder / f"{n}.npy"
    predict_volume(file, out, learned, found, options, progress=False, say=lambda line: None)
    clock, own = time.perf_counter() - start, time.process_time() - own
    stop.set()
    watch.join()
    spent = [after[pid] - before.get(pid, 0.0) for pid in after]
    return clock, [seconds for seconds in spent if seconds > 0.1], own, most[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--slices", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--stride", type=int, default=8)
    arguments = parser.parse_args()
    stride, rows = (16, SHAPE[0] // 2) if arguments.quick else (arguments.stride, SHAPE[0])
    with tempfile.TemporaryDirectory(prefix="bench-volume-") as name:
        folder = Path(name)
        torch.manual_seed(0)
        model_files.save(AreaCNN().eval(), folder / "net.safetensors", areas=list(AREAS))
        drawn = [draw_slice(z, SHAPE, 0)[1].image[:rows, :PART] for z in (256, 257)]
        for n in arguments.slices:
            np.save(folder / f"{n}.npy", np.stack([drawn[i % len(drawn)] for i in range(n)]))
        one = {}
        print(
            "workers slices  clock s  of ideal  processor s  a slice   busy  waste  client s  MB a worker  load"
        )
        for count in arguments.workers:
            with workers(f"local:{count}", memory=1_500_000_000) as found:
                # every worker imports and loads first; that is paid once, not per slice
                measure(folder, arguments.slices[min(1, len(arguments.slices) - 1)], found, stride)
                for n in arguments.slices:
                    clock, spent, own, memory = measure(folder, n, found, stride)
                    total = sum(spent)
                    one.setdefault(n, (clock, total))
                    ideal = one[n][0] * arguments.workers[0] / count / clock
                    busy, waste = total / count / max(spent), one[n][1] / total
                    print(
                        f"{count:7} {n:6} {clock:8.1f} {ideal:9.2f} {total:12.2f} {total / n:8.3f} "
                        f"{busy:6.2f} {waste:6.2f} {own:9.2f} {memory / 1e6:12.0f} {os.getloadavg()[0]:5.1f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
