"""One training loop, for the area classifier and for the variational autoencoder.

The loop knows nothing of either: it is given a model, a function that yields batches, a loss and an
optimiser. Everything random in epoch *e* follows from ``(seed, e)`` alone, so a run that is killed
and resumed from its last checkpoint ends with the same weights as one that was never interrupted.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm


@dataclass(frozen=True)
class TrainingResult:
    """What :func:`train` returns; the model itself already holds the weights of the best epoch.

    Attributes
    ----------
    history : list of dict
        One row per epoch: ``epoch`` (0-based), ``step`` (updates so far), ``learning_rate``,
        ``loss`` (mean over the epoch), other numbers the loss function reports, and those of the
        validation function.
    best_epoch : int
        Epoch whose weights were kept.
    stopped_early : bool
        Whether patience ended the training.
    """

    history: list
    best_epoch: int
    stopped_early: bool


def choose_device(device="auto"):
    """``"auto"`` becomes ``"cuda"`` where there is one and ``"cpu"`` elsewhere; other names are
    checked and returned.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device {device!r} was asked for, but PyTorch finds no CUDA device here: use 'cpu' or 'auto'"
        )
    return str(device)


def bfloat16_pays(device="cpu"):
    """Whether the device multiplies bfloat16 matrices in hardware (elsewhere autocast only slows
    training down).
    """
    if str(device).startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    capable = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(capable())


def precision(device="cpu", bfloat16=None):
    """Context manager for the arithmetic: bfloat16 autocast if True, float32 if False, whichever is
    faster if None.
    """
    use = bfloat16_pays(device) if bfloat16 is None else bfloat16
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16) if use else nullcontext()


def cosine_schedule(total_steps, warmup=0, floor=0.0):
    """Learning-rate factor that rises over `warmup` updates and falls along half a cosine to
    `floor`.

    Returns a function of the update's number, for ``train(schedule=...)``.
    """

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def train(
    model,
    batches,
    loss,
    optimizer,
    *,
    max_epochs,
    max_steps=None,
    schedule=None,
    validate=None,
    monitor="loss",
    higher_is_better=False,
    patience=None,
    average=0.0,
    seed=0,
    device="cpu",
    channels_last=True,
    bfloat16=None,
    checkpoint=None,
    settings=None,
    progress=False,
):
    """Train a model and leave the weights of its best epoch in it.

    Parameters
    ----------
    model : torch.nn.Module
        Moved to `device`. Its initial weights are the caller's (seed them before building it).
    batches : callable
        ``batches(epoch, generator)`` yields the epoch's batches: tensors or tuples of tensors, on
        any device. `generator` is a :class:`numpy.random.Generator` that depends on seed and epoch
        only; take every random choice from it (or from torch's global generator, seeded likewise),
        or resuming is no longer exact.
    loss : callable
        ``loss(model, batch)`` gives a scalar tensor, or that and a dict of numbers to log (averaged
        over the epoch).
    optimizer : torch.optim.Optimizer
        Built on the model's parameters; its learning rates are the ones the schedule multiplies.
    max_epochs : int
        How often `batches` is called at most.
    max_steps : int, optional
        Ends training after so many updates, within an epoch if need be.
    schedule : callable, optional
        ``schedule(step)`` gives the factor on the learning rate for update `step` (0-based);
        :func:`cosine_schedule`.
    validate : callable, optional
        ``validate(model)`` gives a dict of numbers; the model is in evaluation mode, without
        gradients.
    monitor, higher_is_better : str, bool
        The number in the history that decides which epoch is best (ties go to the earlier one).
    patience : int, optional
        Stop after so many epochs without a new best.
    average : float
        If above 0, validation and the returned weights use an exponential moving average of the
        weights with this decay per update (its start is bias-corrected: decay is ``min(average, (1
        + step) / (10 + step))``).
    seed : int
        Of everything random in the epochs (batches, dropout, sampling in the model).
    device, channels_last, bfloat16
        See :func:`choose_device` and :func:`precision`; `channels_last` lays out images so that
        convolutions run fast.
    checkpoint : path, optional
        Folder for checkpoints, one per epoch, the last one kept. If it holds one, training goes on
        from there.
    settings : dict, optional
        Plain values that describe this training; a checkpoint that was written under others is
        refused.
    progress : bool
        Show a progress bar.

    Returns
    -------
    TrainingResult

    Raises
    ------
    ValueError
        If the monitored number is missing, there are no batches, or the checkpoint belongs to other
        settings.
    FloatingPointError
        If the loss is no longer finite.
    """
    device = choose_device(device)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model.to(device=device, memory_format=layout)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    settings = {"seed": seed, **(settings or {})}
    averaged = {k: v.detach().clone() for k, v in model.state_dict().items()} if average else None
    history, best, step = [], None, 0
    if checkpoint is not None:
        stored = _read_checkpoint(checkpoint, settings, device)
        if stored is not None:
            model.load_state_dict(stored["model"])
            optimizer.load_state_dict(stored["optimizer"])
            history, best, averaged = (
                stored["history"],
                stored["best"],
                stored["average"] or averaged,
            )
            step = history[-1]["step"]

    def is_better(a, b):
        return a > b if higher_is_better else a < b

    best_epoch = _best_epoch(history, monitor, is_better)
    bar = tqdm(
        total=max_epochs, initial=len(history), desc="training", unit="epoch", disable=not progress
    )
    with (
        bar,
        torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []),
    ):
        while len(history) < max_epochs and not (max_steps and step >= max_steps):
            epoch = len(history)
            if patience is not None and epoch - 1 - best_epoch >= patience:
                return _finish(model, best, history, best_epoch, stopped_early=True)
            generator = np.random.default_rng([seed, epoch])
            torch.manual_seed(int(generator.integers(2**63 - 1)))
            model.train()
            sums, count = {}, 0
            for batch in batches(epoch, generator):
                rate = schedule(step) if schedule else 1.0
                for group, base in zip(optimizer.param_groups, base_rates):
                    group["lr"] = base * rate
                with precision(device, bfloat16):
                    value = loss(model, _to_device(batch, device, layout))
                value, extra = value if isinstance(value, tuple) else (value, {})
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                optimizer.step()
                step, count = step + 1, count + 1
                if average:
                    _update_average(averaged, model, min(average, (1 + step) / (10 + step)))
                for key, number in {"loss": value, **extra}.items():
                    sums[key] = sums.get(key, 0.0) + (
                        number.detach() if torch.is_tensor(number) else number
                    )
                if max_steps and step >= max_steps:
                    break
            if not count:
                raise ValueError(
                    f"batches(epoch={epoch}) yielded nothing: give it at least one batch per epoch"
                )
            row = {"epoch": epoch, "step": step, "learning_rate": optimizer.param_groups[0]["lr"]}
            row.update({key: float(total) / count for key, total in sums.items()})
            if not math.isfinite(row["loss"]):
                raise FloatingPointError(
                    f"the loss became {row['loss']} in epoch {epoch}: lower the learning rate, "
                    "or look for non-finite values in the data"
                )
            weights = averaged if average else model.state_dict()
            if validate is not None:
                row.update(
                    _validated(model, weights if average else None, validate, device, bfloat16)
                )
            if monitor not in row:
                raise ValueError(
                    f"monitor {monitor!r} is not in the history: expected one of {sorted(row)}"
                )
            history.append(row)
            if best is None or is_better(row[monitor], history[best_epoch][monitor]):
                best, best_epoch = {k: v.detach().clone() for k, v in weights.items()}, epoch
            if checkpoint is not None:
                _write_checkpoint(checkpoint, settings, model, best, averaged, optimizer, history)
            bar.update()
            bar.set_postfix(
                {
                    k: f"{v:.3g}"
                    for k, v in row.items()
                    if k not in ("epoch", "step", "learning_rate")
                }
            )
    return _finish(model, best, history, best_epoch, stopped_early=False)


def _finish(model, best, history, best_epoch, stopped_early):
    if best is None:
        raise ValueError("nothing was trained: max_epochs (and max_steps) must be at least 1")
    model.load_state_dict(best)
    model.eval()
    return TrainingResult(history, best_epoch, stopped_early)


def _best_epoch(history, monitor, is_better):
    best = 0
    for epoch, row in enumerate(history):
        if is_better(row[monitor], history[best][monitor]):
            best = epoch
    return best


def _to_device(batch, device, layout):
    if torch.is_tensor(batch):
        batch = batch.to(device, non_blocking=True)
        return batch.contiguous(memory_format=layout) if batch.ndim == 4 else batch
    return tuple(_to_device(part, device, layout) for part in batch)


def _update_average(averaged, model, decay):
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            averaged[key].lerp_(value.detach(), 1 - decay)
        else:
            averaged[key].copy_(value)


def _validated(model, weights, validate, device, bfloat16):
    """Numbers of the validation function, with `weights` put into the model meanwhile (None: its
    own).
    """
    own = (
        {k: v.detach().clone() for k, v in model.state_dict().items()}
        if weights is not None
        else None
    )
    if weights is not None:
        model.load_state_dict(weights)
    model.eval()
    with torch.no_grad(), precision(device, bfloat16):
        numbers = {key: float(value) for key, value in validate(model).items()}
    if own is not None:
        model.load_state_dict(own)
    return numbers


# --- checkpoints: a folder per epoch, written beside its final name and renamed, so that none is
# ever half there ---


def _write_checkpoint(folder, settings, model, best, averaged, optimizer, history):
    folder = Path(folder)
    final = folder / f"epoch-{len(history):06d}"
    partial = folder / f".partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, weights in (("model", model.state_dict()), ("best", best), ("average", averaged)):
        if weights is not None:
            save_file(
                {k: v.detach().cpu().contiguous() for k, v in weights.items()},
                partial / f"{name}.safetensors",
            )
    torch.save(optimizer.state_dict(), partial / "optimizer.pt")
    (partial / "state.json").write_text(
        json.dumps({"settings": settings, "history": history}, indent=1)
    )
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)
    for older in folder.glob("epoch-*"):
        if older != final:
            shutil.rmtree(older, ignore_errors=True)


def _read_checkpoint(folder, settings, device):
    """The newest checkpoint of the folder as a dict, or None."""
    found = sorted(Path(folder).glob("epoch-*"))
    if not found:
        return None
    state = json.loads((found[-1] / "state.json").read_text())
    if state["settings"] != json.loads(json.dumps(settings)):
        changed = sorted(
            k
            for k in {*state["settings"], *settings}
            if state["settings"].get(k) != settings.get(k)
        )
        raise ValueError(
            f"{found[-1]} was written by a training with other settings ({', '.join(changed)} differ): "
            "give another checkpoint folder, or delete this one to start again"
        )
    weights = {
        name: load_file(found[-1] / f"{name}.safetensors", device=device)
        for name in ("model", "best", "average")
        if (found[-1] / f"{name}.safetensors").exists()
    }
    optimizer = torch.load(found[-1] / "optimizer.pt", map_location=device, weights_only=True)
    return {"average": None, **weights, "optimizer": optimizer, "history": state["history"]}
