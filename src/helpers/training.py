"""One training loop, for the area classifier and for the variational autoencoder.

The loop knows nothing of either: it is given a model, a function that yields batches, a loss and an
optimiser. Everything random in epoch *e* follows from ``(seed, e)`` alone, so a run that is killed
and resumed from its last checkpoint ends with the same weights as one that was never interrupted.
"""

import itertools
import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

R = TypeVar("R")
Batch = torch.Tensor | tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Schedule:
    """How long a model is trained, and which epoch is kept.

    Attributes
    ----------
    max_epochs : int
    max_steps : int, optional
        Ends training after so many updates, within an epoch if need be.
    rate : callable, optional
        ``rate(step)`` gives the factor on the learning rate for update `step` (0-based), for
        instance :func:`cosine`; without it the rate is constant.
    monitor, higher_is_better : str, bool
        The number in the history that decides which epoch is best (ties go to the earlier one).
    stop : callable, optional
        ``stop(history)`` is asked after every epoch; True ends training.
    average : float
        Decay per update of an exponential moving average of the weights, which is what is
        validated and kept; 0 for the weights themselves.
    seed : int
        Of everything random in the epochs (batches, dropout, sampling in the model).
    """

    max_epochs: int
    max_steps: int | None = None
    rate: Callable[[int], float] | None = None
    monitor: str = "loss"
    higher_is_better: bool = False
    stop: Callable[[list[dict]], bool] | None = None
    average: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Place:
    """Where a training runs and what it leaves there; no part of what is learned.

    Attributes
    ----------
    device : str
        See :func:`choose_device`.
    bfloat16 : bool, optional
        See :func:`precision`.
    checkpoint : Path, optional
        File that is written after every epoch, plain tensors and numbers. If it is there, training
        goes on from it.
    progress : bool
        Show a progress bar.
    """

    device: str = "auto"
    bfloat16: bool | None = None
    checkpoint: Path | None = None
    progress: bool = False


HERE = Place()


@dataclass(frozen=True)
class TrainingResult:
    """What :func:`train` returns; the model itself already holds the weights of the best epoch.

    Attributes
    ----------
    history : list of dict
        One row per epoch: ``epoch`` (0-based), ``step`` (updates so far), ``learning_rate``, the
        numbers of the loss function (means over the epoch), and those of the validation function.
    best_epoch : int
        Epoch whose weights were kept.
    """

    history: list[dict[str, float]]
    best_epoch: int


def choose_device(device: str = "auto") -> str:
    """``"auto"`` becomes ``"cuda"`` where there is one and ``"cpu"`` elsewhere; other names are
    checked and returned.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device {device!r} was asked for, but PyTorch finds no CUDA device here: "
            "use 'cpu' or 'auto'"
        )
    return str(device)


def choose_recipe(recipes: Mapping[str, R], text: str, **changes: object) -> R:
    """The recipe that a text names, changed as it says: ``"fast"`` or ``"fast, epochs=2"``.

    Parameters
    ----------
    recipes : mapping of str to dataclass
    text : str
        A name, and behind it what differs from the recipe of that name.
    **changes
        Further changes; those that are 0 or None change nothing.

    Raises
    ------
    ValueError
        If there is no recipe of that name, or it has no such number; the message lists those there
        are.
    """
    name, *parts = (part.strip() for part in text.split(","))
    if name not in recipes:
        raise ValueError(f"recipe is {name!r}; expected one of {', '.join(recipes)}")
    kinds = {key: type(value) for key, value in vars(recipes[name]).items()}
    numbers = {key: kind for key, kind in kinds.items() if kind in (int, float)}
    changes = {key: value for key, value in changes.items() if value}
    for part in parts:
        key, _, value = (word.strip() for word in part.partition("="))
        try:
            changes[key] = numbers[key](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"recipe {text!r}: found {part!r}; expected name=number, the name one of "
                f"{', '.join(numbers)}"
            ) from None
    return replace(recipes[name], **changes)


def precision(device: str = "cpu", bfloat16: bool | None = None) -> AbstractContextManager:
    """Context manager for the arithmetic: bfloat16 autocast if True, float32 if False.

    If None, whichever is faster: bfloat16 where the device multiplies its matrices in hardware
    (elsewhere autocast only slows training down).
    """
    if bfloat16 is None and device.startswith("cuda"):
        bfloat16 = torch.cuda.is_bf16_supported()
    elif bfloat16 is None:
        bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16) if bfloat16 else nullcontext()


def cosine(total_steps: int) -> Callable[[int], float]:
    """Learning-rate factor that rises over the first twentieth of all updates and falls to zero
    along half a cosine; for ``Schedule(rate=...)``.
    """
    warmup = total_steps // 20

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return 0.5 * (1 + math.cos(math.pi * done))

    return factor


def train(
    model: torch.nn.Module,
    batches: Callable[[int, np.random.Generator], Iterator[Batch]],
    loss: Callable[[torch.nn.Module, Batch], dict],
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    place: Place = HERE,
    *,
    validate: Callable[[torch.nn.Module], dict] | None = None,
    settings: Mapping[str, object] | None = None,
) -> TrainingResult:
    """Train a model and leave the weights of its best epoch in it.

    Parameters
    ----------
    model : torch.nn.Module
        Moved to the device, in channels-last layout, which convolutions run fast in. Its initial
        weights are the caller's (seed them before building it).
    batches : callable
        ``batches(epoch, generator)`` yields the epoch's batches: tensors or tuples of tensors, on
        any device. `generator` is a :class:`numpy.random.Generator` that depends on seed and epoch
        only; take every random choice from it (or from torch's global generator, seeded likewise),
        or resuming is no longer exact.
    loss : callable
        ``loss(model, batch)`` gives a dict of numbers to log (averaged over the epoch); ``"loss"``,
        a scalar tensor, is the one that is minimised.
    optimizer : torch.optim.Optimizer
        Built on the model's parameters; its learning rates are the ones the schedule multiplies.
    schedule : Schedule
    place : Place
    validate : callable, optional
        ``validate(model)`` gives a dict of numbers; the model is in evaluation mode, without
        gradients.
    settings : dict, optional
        Plain values that describe this training; a checkpoint that was written under others is
        refused.

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
    device = choose_device(place.device)
    model.to(device=device, memory_format=torch.channels_last)
    base_rates = [group["lr"] for group in optimizer.param_groups]
    settings = {"seed": schedule.seed, **(settings or {})}
    history, best, averaged = [], None, None
    if schedule.average:
        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(schedule.average))
    kept = averaged.module if averaged else model
    checkpoint = place.checkpoint
    if checkpoint is not None and checkpoint.exists():
        state = _read_checkpoint(checkpoint, settings)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if averaged:
            averaged.load_state_dict(state["averaged"])
        history, best = state["history"], state["best"]
    step = history[-1]["step"] if history else 0
    last_step = schedule.max_steps or sys.maxsize

    def update(batch: Batch) -> dict:
        rate = schedule.rate(step) if schedule.rate else 1.0
        for group, base in zip(optimizer.param_groups, base_rates):
            group["lr"] = base * rate
        with precision(device, place.bfloat16):
            numbers = loss(model, _to_device(batch, device))
        optimizer.zero_grad(set_to_none=True)
        numbers["loss"].backward()
        optimizer.step()
        if averaged:
            averaged.update_parameters(model)
        return numbers

    def done() -> bool:
        reached = len(history) >= schedule.max_epochs or step >= last_step
        return reached or bool(history and schedule.stop and schedule.stop(history))

    shown = {"desc": "training", "unit": "epoch", "disable": not place.progress}
    bar = tqdm(total=schedule.max_epochs, initial=len(history), **shown)
    forked = [torch.device(device)] if device.startswith("cuda") else []
    with bar, torch.random.fork_rng(devices=forked):
        while not done():
            epoch, before = len(history), step
            generator = np.random.default_rng([schedule.seed, epoch])
            torch.manual_seed(int(generator.integers(2**63 - 1)))
            model.train()
            sums = defaultdict(float)
            for batch in itertools.islice(batches(epoch, generator), last_step - step):
                for key, number in update(batch).items():
                    sums[key] += number.detach() if torch.is_tensor(number) else number
                step += 1
            if step == before:
                raise ValueError(
                    f"batches(epoch={epoch}) yielded nothing: give it at least one batch per epoch"
                )
            means = {key: float(total) / (step - before) for key, total in sums.items()}
            if not math.isfinite(means["loss"]):
                raise FloatingPointError(
                    f"the loss became {means['loss']} in epoch {epoch}: lower the learning rate, "
                    "or look for non-finite values in the data"
                )
            if validate is not None:
                kept.eval()
                with torch.no_grad(), precision(device, place.bfloat16):
                    means |= {key: float(value) for key, value in validate(kept).items()}
            rate = optimizer.param_groups[0]["lr"]
            history.append({"epoch": epoch, "step": step, "learning_rate": rate, **means})
            if _best_epoch(history, schedule) == epoch:
                best = {key: value.detach().clone() for key, value in kept.state_dict().items()}
            if checkpoint is not None:
                facts = {"settings": settings, "history": history, "best": best}
                parts = {"model": model, "averaged": averaged, "optimizer": optimizer}
                states = {key: part.state_dict() for key, part in parts.items() if part is not None}
                _write_checkpoint(checkpoint, {**facts, **states})
            bar.update()
            bar.set_postfix({key: f"{value:.3g}" for key, value in means.items()})
    if best is None:
        raise ValueError("nothing was trained: max_epochs (and max_steps) must be at least 1")
    model.load_state_dict(best)
    model.eval()
    return TrainingResult(history, _best_epoch(history, schedule))


def _best_epoch(history: list[dict], schedule: Schedule) -> int:
    if schedule.monitor not in history[-1]:
        raise ValueError(
            f"monitor {schedule.monitor!r} is not in the history: "
            f"expected one of {sorted(history[-1])}"
        )
    first_best = max if schedule.higher_is_better else min
    return first_best(range(len(history)), key=lambda epoch: history[epoch][schedule.monitor])


def _to_device(batch: Batch, device: str) -> Batch:
    if not torch.is_tensor(batch):
        return tuple(_to_device(part, device) for part in batch)
    batch = batch.to(device, non_blocking=True)
    return batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch


def _write_checkpoint(path: Path, state: dict) -> None:
    """Write a checkpoint beside its place and move it there, so that none is ever half there."""
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, partial)
    os.replace(partial, path)


def _read_checkpoint(path: Path, settings: dict) -> dict:
    """A checkpoint; ValueError if other settings wrote it."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    stored = state["settings"]
    changed = sorted(k for k in {*stored, *settings} if stored.get(k) != settings.get(k))
    if changed:
        raise ValueError(
            f"{path} was written by a training with other settings ({', '.join(changed)} differ): "
            "give another checkpoint file, or delete this one to start again"
        )
    return state
