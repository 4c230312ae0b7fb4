"""A result as a worker sees it: its request, its files, the network, and notes of what is done."""

import io
import os
import socket
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch

from helpers import model_files
from helpers.data.datasets.manifest import DatasetError
from helpers.data.storage import Files
from helpers.tissue.network.classifier import AreaCNN
from helpers.tissue.volumes.request import BASIS, NETWORK, OWN, Request
from helpers.tissue.volumes.source import open_source


@dataclass(frozen=True)
class Outcome:
    """What came of one piece of work.

    Attributes
    ----------
    computed : bool
        False if it had been done before.
    seconds : float
        Of a processor, spent on it.
    """

    computed: bool
    seconds: float


class Workplace:
    """A result as a worker sees it: the request, and what the work needs, opened once."""

    def __init__(self, out: str) -> None:
        self.files = Files(out)
        self.request = Request.read(self.files)
        if self.request is None:
            raise ValueError(f"{out} holds no request of `brainbook volume`: start it again")
        try:
            self.volume = open_source(self.request.source).volume
        except DatasetError as error:  # which would not come through to the one who asked
            raise OSError(f"a worker cannot open what the command could: {error}") from None

    @cached_property
    def network(self) -> AreaCNN:
        """The trained network."""
        with tempfile.TemporaryDirectory(prefix="brainbook-") as folder:
            path = Path(folder) / "network.safetensors"
            path.write_bytes(self.files.read(NETWORK))
            return model_files.load(AreaCNN, path)

    @cached_property
    def basis(self) -> torch.Tensor:
        """The factors' components (k, 64)."""
        stored = np.load(io.BytesIO(self.files.read(BASIS)), allow_pickle=False)
        return torch.from_numpy(np.ascontiguousarray(stored, np.float32))

    def is_done(self, note: str) -> bool:
        """Whether a note is there and every chunk that it names is whole."""
        found = self.files.read_json(note)
        return found is not None and self.files.holds(found["sha256"])

    def write_note(self, note: str, sums: dict[str, str], start: float, **facts: object) -> Outcome:
        """Note that something is done, the last thing to happen."""
        seconds = time.thread_time() - start
        where = f"{socket.gethostname()}:{os.getpid()}"
        content = {"sha256": sums, "seconds": round(seconds, 3), "by": where, **facts}
        self.files.write_json(note, content)
        return Outcome(True, seconds)


@lru_cache(maxsize=2)
def workplace(out: str, digest: str) -> Workplace:
    """Return a result opened for work; `digest` of its request, so that another is opened anew."""
    place = Workplace(out)
    if place.request.digest != digest:
        raise ValueError(f"{out} holds another request than the one worked on: start it again")
    return place


def slice_note(k: int) -> str:
    """File that says that slice k is done."""
    return f"{OWN}/done/{k}.json"


def scale_note(k: int) -> str:
    """File that says that the scale of slice k is found."""
    return f"{OWN}/scraps/{k}/scale.json"


def scale_file(k: int) -> str:
    """File of the scale of slice k, for its blocks."""
    return f"{OWN}/scraps/{k}/scale.npz"


def block_note(k: int, start: tuple[int, int]) -> str:
    """File that says that a block of slice k is done."""
    return f"{OWN}/scraps/{k}/{start[0]}-{start[1]}.json"


def on_one_thread() -> float:
    """Compute on one thread from here on; returns the processor's time."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    return time.thread_time()
