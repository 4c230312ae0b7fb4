"""What a finished run learned, found in its folder: a network, and factors of its features."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from helpers.book.parameters import UsageError


@dataclass(frozen=True)
class Trained:
    """What a run learned.

    Attributes
    ----------
    network : bytes
        A file of `helpers.model_files`.
    areas : tuple of str
    basis : (k, 64) array or None
    name : str
        Where it comes from.
    """

    network: bytes
    areas: tuple[str, ...]
    basis: np.ndarray | None
    name: str


def trained_by(run: str | Path, *, seed: int | None = None, factors: bool = False) -> Trained:
    """Return the network that a run trained, and the basis of factors that it fitted with it.

    Parameters
    ----------
    run : path
        A run folder.
    seed : int, optional
        By default the lowest. Of several networks of one seed the last one made counts.
    factors : bool
        Whether the basis is wanted.

    Raises
    ------
    UsageError
        If the run holds none.
    """
    networks = _descriptions(Path(run), "classifier")
    if seed is not None:
        networks = [one for one in networks if one["parameters"]["seed"] == seed]
    if not networks:
        of_seed = "" if seed is None else f" of seed {seed}"
        raise UsageError(
            f"{run} holds no trained area classifier{of_seed}; "
            f"`brainbook run 02_area_classifier --out {run}` trains one"
        )
    lowest = min(one["parameters"]["seed"] for one in networks)
    chosen = [one for one in networks if one["parameters"]["seed"] == lowest][-1]
    path = chosen["folder"] / "classifier.safetensors"
    with safe_open(path, "pt") as stored:
        areas = tuple(json.loads(stored.metadata()["areas"]))
    basis = _basis(Path(run), chosen["key"]) if factors else None
    return Trained(path.read_bytes(), areas, basis, f"{run}/{chosen['folder'].name}, seed {lowest}")


def _basis(run: Path, network: str) -> np.ndarray:
    """Return the components that were fitted to features of a network."""
    features = {one["key"] for one in _descriptions(run, "features-") if network in one["inputs"]}
    fitted = [
        one
        for one in _descriptions(run, "factors-")
        if "k" in one["parameters"] and set(one["inputs"]) & features
    ]
    if not fitted:
        raise UsageError(
            f"--factors: {run} holds no factors of this network; "
            f"`brainbook run 06_nmf_factors --out {run}` fits them"
        )
    return np.load(fitted[-1]["folder"] / "components.npy", allow_pickle=False)


def _descriptions(run: Path, name: str) -> list[dict]:
    """Return what a run's artifacts of a name say of themselves, oldest first."""
    paths = sorted(
        (run / "artifacts").glob(f"{name}*/artifact.json"), key=lambda path: path.stat().st_mtime_ns
    )
    found = [{**json.loads(path.read_text()), "folder": path.parent} for path in paths]
    return [one for one in found if one["name"] == name or name.endswith("-")]
