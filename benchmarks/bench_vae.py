"""Training the β-VAE at 320×448: a plain float32 loop with PyTorch's defaults against this
project's training.

Each variant trains the same network (L = 8, β = 3, Adam) on the same random images in a process of
its own, because the memory allocator reads its settings when a process starts. One thing is added
at a time, so that it shows what each gives.

    python benchmarks/bench_vae.py                   batch 64 at 320×448, every variant three times,
    best kept python benchmarks/bench_vae.py --rows 80         80×112, where the book's quick
    profile trains python benchmarks/bench_vae.py --device cuda     on a GPU; also estimates 10,000
    iterations
"""

import argparse
import json
import os
import subprocess
import sys
import time

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}
# name: (allocator setting, channels-last, bfloat16, through helpers.training)
VARIANTS = {
    "plain float32 loop": (False, False, False, False),
    "+ allocator setting": (True, False, False, False),
    "+ channels-last": (True, True, False, False),
    "+ bfloat16": (True, True, True, False),
    "this project's training": (True, True, None, True),
}


def measure(channels_last, bfloat16, ours, rows, batch, steps, device):
    """Train in this process and return images per second; the first steps are not counted."""
    import numpy as np
    import torch

    from helpers import training
    from helpers.brains.vae import BetaVAE

    shape = (rows, rows * 7 // 5)
    images = torch.from_numpy(np.random.default_rng(0).random((2 * batch, 1, *shape), np.float32))
    torch.manual_seed(0)
    model = BetaVAE(shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    marks = []

    def mark():
        if device != "cpu":
            torch.cuda.synchronize()
        marks.append(time.perf_counter())

    if ours:
        on_device = images.to(device)

        def batches(epoch, generator):
            order = torch.from_numpy(generator.permutation(len(on_device))).to(on_device.device)
            for _ in range(steps):
                yield on_device[order[:batch]]
            mark()

        training.train(
            model,
            batches,
            lambda model, x: {"loss": model.total(*model.terms(x))},
            optimizer,
            training.Schedule(max_epochs=2),
            training.Place(device, bfloat16),
        )
        return steps * batch / (marks[1] - marks[0])

    layout = torch.channels_last if channels_last else torch.contiguous_format
    model.to(device=device, memory_format=layout).train()
    for step in range(2 * steps):
        if step == steps:
            mark()
        x = images[torch.randperm(len(images))[:batch]].to(device).contiguous(memory_format=layout)
        with training.precision(device, bool(bfloat16)):
            loss = model.total(*model.terms(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mark()
    return steps * batch / (marks[1] - marks[0])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=320)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=3, help="measured steps, after as many that are not counted"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = [arguments.rows, arguments.batch, arguments.steps, arguments.device]
    if arguments.child:
        print(json.dumps(measure(*json.loads(arguments.child), *size)))
        return
    rates = dict.fromkeys(VARIANTS, 0.0)
    for _ in range(
        arguments.repeats
    ):  # in turn, so that a busy moment does not hit one variant alone
        for name, (allocator, *flags) in VARIANTS.items():
            environment = {
                key: value for key, value in os.environ.items() if key not in ALLOCATOR
            } | (ALLOCATOR if allocator else {})
            command = [
                sys.executable,
                __file__,
                "--child",
                json.dumps(flags),
                "--rows",
                str(arguments.rows),
                "--batch",
                str(arguments.batch),
                "--steps",
                str(arguments.steps),
                "--device",
                arguments.device,
            ]
            output = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            ).stdout
            rates[name] = max(rates[name], json.loads(output.splitlines()[-1]))
    plain = rates["plain float32 loop"]
    print(
        f"β-VAE, {arguments.rows}×{arguments.rows * 7 // 5}, batch {arguments.batch}, {arguments.device}, best of {arguments.repeats}"
    )
    for name, rate in rates.items():
        print(f"  {name:26s} {rate:9.1f} images/s   {rate / plain:5.2f}×")
    hours = 10_000 * arguments.batch / rates["this project's training"] / 3600
    print(f"  10,000 iterations would take {hours:.2f} hours at that rate")


if __name__ == "__main__":
    main()
