"""The three kinds of work on a volume: a slice's scale, a block of it, the slice as a whole.

Each is a function of a result's path and of numbers, so that any process anywhere can do it; each
looks first whether it was done, writes whole chunks, and notes their checksums last. All compute on
one thread: sums of floating-point numbers then do not depend on how many workers there are.

A slice done in blocks equals the slice done in one piece (`helpers.tissue.stages.slices`): blocks
overlap by half a window and are whole tiles of the scan, and smoothing reads as far as its Gaussian
reaches.
"""

import numpy as np
import torch

from helpers.data.ome_zarr import ChunkedArray
from helpers.tissue.factors import hals
from helpers.tissue.network import area_map, dense
from helpers.tissue.network.classifier import PATCH
from helpers.tissue.volumes.request import MEMORY, OWN
from helpers.tissue.volumes.scale import SliceScale, slice_scale
from helpers.tissue.volumes.workplace import (
    Outcome,
    Workplace,
    block_note,
    on_one_thread,
    scale_file,
    scale_note,
    slice_note,
    workplace,
)

HALF = PATCH // 2
SWEEPS = 400  # of coordinate updates at most, for the coefficients of a block
TOLERANCE = 1e-5  # coefficients are done when none moves by more than this share of the largest


# ---------------------------------------------------------------- a slice's scale


def prepare_slice(out: str, digest: str, k: int) -> Outcome:
    """Find the scale of slice k and where it holds tissue, and write its gray values."""
    place, start = workplace(out, digest), on_one_thread()
    if place.is_done(scale_note(k)):
        return Outcome(False, 0.0)
    step = place.request.stride
    raw = np.asarray(place.volume[k])
    sums = _write_levels(place.request.images(place.files), (k,), raw[::step, ::step])
    name = scale_file(k)
    sums[name] = place.files.write(name, slice_scale(raw).packed())
    return place.write_note(scale_note(k), sums, start)


# ---------------------------------------------------------------- a block


def compute_block(out: str, digest: str, k: int, start: tuple[int, int]) -> Outcome:
    """Compute log-probabilities, and coefficients if they are asked for, of a block of slice k."""
    place, began = workplace(out, digest), on_one_thread()
    note, request = block_note(k, start), place.request
    if place.is_done(note):
        return Outcome(False, 0.0)
    rows, columns = request.extent(start)
    scale, n = _scale(place, k), len(request.areas)
    values = np.zeros((rows[1] - rows[0], columns[1] - columns[0], n + request.n_factors), "f4")
    if scale.scale is not None:
        piece, mask = _window(place, k, rows, columns, scale)
        if mask.any():
            head = _head(place)
            dense.dense_outputs(
                place.network, piece, head, values.shape[-1], request.stride, out=values, mask=mask
            )
    probabilities = request.log_probabilities(place.files)
    sums = probabilities.write((k, *start, 0), values[None, ..., :n])
    if request.n_factors:
        level = request.factors(place.files)[0]
        for factor, plane in enumerate(np.moveaxis(values[..., n:], -1, 0)):
            sums |= level.write((factor, k, *start), plane[None, None])
    return place.write_note(note, sums, began)


def _window(
    place: Workplace,
    k: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
    scale: SliceScale,
) -> tuple[np.ndarray, np.ndarray]:
    """All pixels that a block's positions see, standardised, raw zeros outside of the slice; and
    which of them are to be classified.
    """
    request = place.request
    spans = [
        (low * request.stride - HALF, (high - 1) * request.stride + HALF)
        for low, high in (rows, columns)
    ]
    inner = [slice(max(a, 0), min(b, side)) for (a, b), side in zip(spans, request.shape[1:])]
    raw = np.asarray(place.volume[(k, *inner)])
    border = [(part.start - a, b - part.stop) for part, (a, b) in zip(inner, spans)]
    zero = np.float32(scale.scale.raw_zero)
    piece = np.pad(scale.applied(raw, inner[0]), border, constant_values=zero)
    return piece, np.pad(scale.classified[tuple(inner)], border)


def _head(place: Workplace) -> dense.Head:
    """Features to log-probabilities, followed by the coefficients on the basis."""
    classify = dense.log_probability_head(place.network)
    if not place.request.n_factors:
        return classify
    H = place.basis
    G = H @ H.T

    def head(features: torch.Tensor) -> torch.Tensor:
        X = features.flatten(0, -2)
        w, A = torch.zeros(len(H), len(X)), H @ X.T
        for _ in range(0, SWEEPS, hals.SWEEPS):
            before = w.clone()
            hals.sweep_coefficients(w, A, G, hals.SWEEPS)
            if (w - before).abs().max() <= TOLERANCE * w.max():
                break
        return torch.cat([classify(features), w.T.view(*features.shape[:-1], -1)], -1)

    return head


# ---------------------------------------------------------------- a slice


def finish_slice(out: str, digest: str, k: int, memory: int = MEMORY) -> Outcome:
    """Smooth and label slice k, make it smaller for viewers, and drop what is needed no more."""
    place, start = workplace(out, digest), on_one_thread()
    if place.is_done(slice_note(k)):
        return Outcome(False, 0.0)
    request, files = place.request, place.files
    labels = _labels(place, k, memory)
    sums = _write_levels(request.labels(files), (k,), labels)
    largest = []
    for factor in range(request.n_factors):
        first, *others = request.factors(files)
        plane = first.read(
            [(factor, factor + 1), (k, k + 1), *((0, side) for side in request.grid)]
        )
        largest.append(float(plane.max()))
        sums |= _write_levels(others, (factor, k), plane[0, 0, ::2, ::2])
    of_scraps = [scale_note(k), *(block_note(k, at) for at in request.blocks)]
    scraps = [files.read_json(note) or {"sha256": {}, "seconds": 0.0} for note in of_scraps]
    for scrap in scraps:
        kept = {name: value for name, value in scrap["sha256"].items() if not name.startswith(OWN)}
        sums |= kept
    before = sum(scrap["seconds"] for scrap in scraps)
    counts = np.bincount(labels.ravel(), minlength=len(request.areas) + 1).tolist()
    outcome = place.write_note(
        slice_note(k), sums, start, counts=counts, largest=largest, before=before
    )
    files.remove(f"{OWN}/scraps/{k}")
    files.remove(f"{request.log_probabilities(files).name}/{k}")
    return outcome


def _labels(place: Workplace, k: int, memory: int) -> np.ndarray:
    """Smoothed areas of slice k, (h, w) uint8, in bands that fit into memory."""
    request, scale = place.request, _scale(place, k)
    step, (height, width) = request.stride, request.grid
    tissue, classified = (mask[::step, ::step] for mask in (scale.tissue, scale.classified))
    labels = np.zeros(request.grid, np.uint8)
    probabilities, rows = request.log_probabilities(place.files), request.band_rows(memory)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        low, high = max(0, top - request.band), min(height, bottom + request.band)
        region = [(k, k + 1), (low, high), (0, width), (0, len(request.areas))]
        band = probabilities.read(region)[0]
        band = area_map.smooth_log_posteriors(band, tissue[low:high], request.sigma)
        labels[top:bottom] = np.argmax(band[top - low : bottom - low], -1) + 1
    return np.where(classified, labels, 0).astype(np.uint8)


def _scale(place: Workplace, k: int) -> SliceScale:
    return SliceScale.unpacked(place.files.read(scale_file(k)), place.request.shape[1:])


def _write_levels(
    levels: list[ChunkedArray], front: tuple[int, ...], plane: np.ndarray
) -> dict[str, str]:
    """Write a plane (h, w) and every second row and column of it to each level in turn."""
    sums = {}
    for level in levels:
        sums |= level.write((*front, 0, 0), plane[(None,) * len(front)])
        plane = plane[::2, ::2]
    return sums


# ---------------------------------------------------------------- done before?


def is_finished(out: str, digest: str, k: int) -> bool:
    """Whether slice k is done and all of its chunks are whole."""
    return workplace(out, digest).is_done(slice_note(k))


def agreement(out: str, digest: str, k: int) -> list[float]:
    """Dice overlap of every area between slice k and the next; NaN where neither has it."""
    place = workplace(out, digest)
    level, n = place.request.labels(place.files)[0], len(place.request.areas)
    plane = [(0, side) for side in place.request.grid]
    first, second = (level.read([(z, z + 1), *plane]).ravel() for z in (k, k + 1))
    both = np.bincount(first[first == second], minlength=n + 1)[1:]
    sizes = (np.bincount(each, minlength=n + 1)[1:] for each in (first, second))
    total = np.add(*sizes)
    return (2 * both / np.where(total, total, np.nan)).tolist()
