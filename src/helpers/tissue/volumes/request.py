"""What is asked of a volume, and how it is cut into blocks; all that a worker has to know."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from helpers.data import ome_zarr
from helpers.data.ome_zarr import ChunkedArray
from helpers.data.storage import Files
from helpers.tissue.network.dense import TILE

OWN = ".brainbook"  # folder of a result that holds its request, notes of what is done, and scraps
REQUEST, NETWORK, BASIS = f"{OWN}/request.json", f"{OWN}/network.safetensors", f"{OWN}/basis.npy"
MEMORY = 1_500_000_000  # bytes a worker may take if nobody says otherwise
BASE = 450_000_000  # bytes of a worker with its libraries and the network
PER_PIXEL = 60  # bytes of the pass over a whole slice that finds its scale
PER_POSITION = 30  # bytes and area, of a band of a slice that is smoothed


@dataclass(frozen=True)
class Request:
    """One volume to predict.

    Attributes
    ----------
    source : str
        What is read, see `helpers.data.datasets.volumes.open_volume`.
    state : str
        Changes when the source does.
    z : tuple of int
        Numbers of its slices.
    shape : (n, H, W)
    dtype : str
        Of its gray values.
    voxel_um : (z, y, x)
        Size of a voxel, µm.
    stride : int
        Pixels between positions, along rows and columns.
    side : int
        Positions along a block.
    smoothing_um : float
        See `helpers.tissue.network.area_map.smooth_log_posteriors`; 0 for none.
    areas : tuple of str
        In class order.
    colours : tuple of (red, green, blue)
        Of the areas, 0…255.
    n_factors : int
        0 without factors.
    network, basis, code : str
        SHA-256 of the network's file and of the basis, and of the code that computes.
    """

    source: str
    state: str
    z: tuple[int, ...]
    shape: tuple[int, int, int]
    dtype: str
    voxel_um: tuple[float, float, float]
    stride: int
    side: int
    smoothing_um: float
    areas: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    n_factors: int
    network: str
    basis: str
    code: str

    @classmethod
    def read(cls, files: Files) -> "Request | None":
        """Return the request that a result was made for, None where there is none."""
        content = files.read_json(REQUEST)
        if content is None or set(content) != {field.name for field in fields(cls)}:
            return None
        return cls(**{key: _frozen(value) for key, value in content.items()})

    def write(self, files: Files) -> None:
        """Write the request into a result."""
        files.write_json(REQUEST, asdict(self))

    @property
    def digest(self) -> str:
        """SHA-256 of the request."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def grid(self) -> tuple[int, int]:
        """Positions along the rows and columns of a slice; (i, j) is pixel (i, j) · stride."""
        return tuple(math.ceil(side / self.stride) for side in self.shape[1:])

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """First position of every block of a slice."""
        return [(i, j) for i in self._starts(0) for j in self._starts(1)]

    def extent(self, start: tuple[int, int]) -> list[tuple[int, int]]:
        """From and to of a block's positions, rows and columns."""
        return [(at, min(at + self.side, size)) for at, size in zip(start, self.grid)]

    def _starts(self, axis: int) -> range:
        return range(0, self.grid[axis], self.side)

    @property
    def band(self) -> int:
        """Furthest position that the smoothed label of a position depends on."""
        return int(4 * self.sigma + 0.5)  # where the Gaussian of scipy ends

    @property
    def sigma(self) -> float:
        """Standard deviation of the smoothing, in positions."""
        return self.smoothing_um / self.voxel_um[1] / self.stride

    def band_rows(self, memory: int) -> int:
        """Rows of positions that are smoothed at once, in so much memory; at least one."""
        row = self.grid[1] * len(self.areas) * PER_POSITION
        return max(1, min(self.grid[0], int((memory - BASE) / row) - 2 * self.band))

    # ------------------------------------------------------------ the arrays of the result

    def images(self, files: Files) -> list[ChunkedArray]:
        """The gray values at the positions."""
        return ome_zarr.pyramid(files, "", self._volume, self._chunk, self.dtype)

    def labels(self, files: Files) -> list[ChunkedArray]:
        """The areas at the positions, uint8: 0 = not classified, 1…n."""
        return ome_zarr.pyramid(files, "labels/areas", self._volume, self._chunk, "|u1")

    def factors(self, files: Files) -> list[ChunkedArray]:
        """The coefficients at the positions (k, z, y, x) float32, for as many factors."""
        shape, chunk = (self.n_factors, *self._volume), (1, *self._chunk)
        return ome_zarr.pyramid(files, "factors", shape, chunk, "<f4")

    def log_probabilities(self, files: Files) -> ChunkedArray:
        """Log-probabilities (z, y, x, n), kept until their slice is smoothed."""
        n = len(self.areas)
        name = f"{OWN}/log_probabilities"
        return ChunkedArray(files, name, (*self._volume, n), (*self._chunk, n), "<f4")

    @property
    def _volume(self) -> tuple[int, int, int]:
        return (self.shape[0], *self.grid)

    @property
    def _chunk(self) -> tuple[int, int, int]:
        return (1, self.side, self.side)

    def pyramids(self, files: Files) -> Iterator[tuple[str, str, list[ChunkedArray]]]:
        """Yield folder, name and levels of every image of the result."""
        yield "", "gray values", self.images(files)
        yield "labels/areas", "areas", self.labels(files)
        if self.n_factors:
            yield "factors", "factors", self.factors(files)


def block_side(stride: int) -> int:
    """Positions along a block: whole tiles of the scan, so that it is cut as a whole slice is."""
    tile = max(1, TILE // stride)
    return tile * max(1, math.ceil(max(2 * TILE / stride, 128) / tile))


def memory_needed(shape: tuple[int, int, int], stride: int, n_areas: int) -> int:
    """Bytes that a worker needs at the least: for the pass over a slice that finds its scale."""
    return BASE + PER_PIXEL * shape[1] * shape[2]


def _frozen(value: object) -> object:
    return tuple(_frozen(each) for each in value) if isinstance(value, list) else value
