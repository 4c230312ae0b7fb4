"""Which piece of work comes when: slices one after the other, their blocks side by side.

The order lies here and not in the workers, so that any executor will do. Few pieces are handed out
at a time, and a slice is finished before the next one is begun, as far as there is work for all:
what lies on disk in between stays small.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from helpers.tissue.volumes import blocks
from helpers.tissue.volumes.request import Request

RETRIES = 2  # of a piece of work that failed; a network or a disk may have had a moment
AHEAD = 2  # pieces handed out for each that is worked on: no worker waits for the next
ORDER = ("slice", "block", "scale")  # of one slice, if there is a choice
PATIENCE = 1.0  # seconds between looks at the workers


class VolumeError(RuntimeError):
    """A volume could not be finished; says which piece of work failed, and why."""


@dataclass
class Work:
    """How far a volume is.

    Attributes
    ----------
    computed, kept : Counter
        Pieces of work by kind, done now and found done.
    seconds : Counter
        Of processors, by kind.
    """

    computed: Counter = field(default_factory=Counter)
    kept: Counter = field(default_factory=Counter)
    seconds: Counter = field(default_factory=Counter)


@dataclass(frozen=True)
class _Piece:
    kind: str
    slice: int
    function: Callable
    arguments: tuple
    tries: int = 0

    def __lt__(self, other: "_Piece") -> bool:
        mine, others = ((one.slice, ORDER.index(one.kind)) for one in (self, other))
        return mine < others


def work_through(
    out: str,
    request: Request,
    executor: Executor,
    count: Callable[[], int],
    *,
    memory: int,
    tell: Callable[[Work, int], None] = lambda work, total: None,
) -> Work:
    """Do what is left of a volume.

    Parameters
    ----------
    out : str
    request : Request
    executor : concurrent.futures.Executor
    count : callable
        How many pieces it works on at a time.
    memory : int
        Bytes that a worker may take.
    tell : callable
        Is told how far it is, with the number of blocks in all.

    Returns
    -------
    Work

    Raises
    ------
    VolumeError
        If a piece of work fails again and again, or the workers are gone; what is done stays.
    """
    work, digest = Work(), request.digest
    todo = _unfinished(out, request, executor, work)
    total = len(todo) * len(request.blocks)
    waiting = [_Piece("scale", k, blocks.prepare_slice, (out, digest, k)) for k in todo]
    heapify(waiting)
    left = {k: len(request.blocks) for k in todo}
    running: dict[Future, _Piece] = {}
    while waiting or running:
        room = max(1, AHEAD * count())
        while waiting and len(running) < room:
            piece = heappop(waiting)
            running[executor.submit(piece.function, *piece.arguments)] = piece
        done, _ = wait(running, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        for future in done:
            piece = running.pop(future)
            again = _outcome(future, piece, work)
            if again:
                heappush(waiting, again)
                continue
            k = piece.slice
            if piece.kind == "scale":
                for start in request.blocks:
                    facts = (out, digest, k, start)
                    heappush(waiting, _Piece("block", k, blocks.compute_block, facts))
            elif piece.kind == "block":
                left[k] -= 1
                if not left[k]:
                    facts = (out, digest, k, memory)
                    heappush(waiting, _Piece("slice", k, blocks.finish_slice, facts))
        tell(work, total)
    return work


def _unfinished(out: str, request: Request, executor: Executor, work: Work) -> list[int]:
    """Slices that are not done, or whose chunks are not as they were written."""
    planes = range(request.shape[0])
    finished = _all(executor, blocks.is_finished, out, request.digest, planes)
    work.kept["slice"] = sum(finished)
    return [k for k, is_finished in zip(planes, finished) if not is_finished]


def agreements(out: str, request: Request, executor: Executor) -> list[list[float]]:
    """Dice of every area between each slice and the next: (n - 1) × areas."""
    pairs = range(request.shape[0] - 1)
    return _all(executor, blocks.agreement, out, request.digest, pairs)


def _all(
    executor: Executor, function: Callable, out: str, digest: str, planes: Iterable[int]
) -> list:
    futures = [executor.submit(function, out, digest, k) for k in planes]
    try:
        return [future.result() for future in futures]
    except CancelledError:
        raise _gone() from None


def _outcome(future: Future, piece: _Piece, work: Work) -> _Piece | None:
    """Count a piece that is done; return it if it is to be tried again."""
    try:
        outcome = future.result()
    except CancelledError:
        raise _gone() from None
    except Exception as error:
        if piece.tries < RETRIES:
            time.sleep(0.1 * piece.tries)
            return _Piece(piece.kind, piece.slice, piece.function, piece.arguments, piece.tries + 1)
        where = f" at {piece.arguments[3]}" if piece.kind == "block" else ""
        raise VolumeError(
            f"slice {piece.slice}, {piece.kind}{where}: {type(error).__name__}: {error} "
            f"({RETRIES + 1} attempts). What is done stays; run the same command again to go on."
        ) from error
    (work.computed if outcome.computed else work.kept)[piece.kind] += 1
    work.seconds[piece.kind] += outcome.seconds
    return None


def _gone() -> VolumeError:
    return VolumeError(
        "the workers are gone: Dask's scheduler does not answer any more. What is done stays; run "
        "the same command again to go on."
    )
