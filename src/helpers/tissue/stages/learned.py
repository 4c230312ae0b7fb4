"""What a finished run learned, found in its folder: a network, and factors of its features."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

from helpers import training
from helpers.book import provenance
from helpers.book.parameters import UsageError
from helpers.tissue.network import recipes

PAGE = "02_area_classifier"  # whose network a run is known by


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
    recipe : str
        How it was trained, in words.
    """

    network: bytes
    areas: tuple[str, ...]
    basis: np.ndarray | None
    name: str
    recipe: str = ""


def trained_by(run: str | Path, *, seed: int | None = None, factors: bool = False) -> Trained:
    """Return the network that a run trained, and the basis of factors that it fitted with it.

    Of several networks the one of page 02 counts: the recipe that this page was given, and the
    first of its seeds. Others are trained on fewer windows to see what those are worth, or without
    a step of the recipe. Where the run does not know of that page, the one of most windows counts,
    of the lowest seed; of several alike the last one made.

    Parameters
    ----------
    run : path
        A run folder.
    seed : int, optional
        By default the first of page 02, or else the lowest.
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
    chosen, why = _choose(Path(run), networks, seed)
    path = chosen["folder"] / "classifier.safetensors"
    with safe_open(path, "pt") as stored:
        areas = tuple(json.loads(stored.metadata()["areas"]))
    basis = _basis(Path(run), chosen["key"]) if factors else None
    name = f"{run}/{chosen['folder'].name}, seed {chosen['parameters']['seed']}"
    return Trained(path.read_bytes(), areas, basis, name, why)


def _choose(run: Path, networks: list[dict], seed: int | None) -> tuple[dict, str]:
    """Return the network of page 02, else the one of most windows; and how it was trained."""
    page = provenance.read(run).get("notebooks", {}).get(PAGE, {})
    settings = page.get("parameters", {})
    if "recipe" in settings and (seeds := [seed] if seed is not None else settings.get("seeds")):
        wanted = training.choose_recipe(recipes.RECIPES, settings["recipe"])
        facts = {"seed": seeds[0], "recipe": json.loads(json.dumps(asdict(wanted)))}
        data = {about["fingerprint"] for about in page.get("datasets", {}).values()}
        alike = [one for one in networks if one["parameters"] == facts]
        own = [one for one in alike if data & set(" ".join(one["inputs"]).split())]
        if own or alike:
            chosen = (own or alike)[-1]
            return chosen, f'recipe "{settings["recipe"]}" of page 02: {_in_words(chosen)}'
    most = max(map(_windows, networks))
    largest = [one for one in networks if _windows(one) == most]
    lowest = min(one["parameters"]["seed"] for one in largest)
    chosen = [one for one in largest if one["parameters"]["seed"] == lowest][-1]
    return chosen, f"most windows, for page 02 left none here: {_in_words(chosen)}"


def _windows(network: dict) -> int:
    return network["parameters"].get("recipe", {}).get("patches_per_area", 0)


def _in_words(network: dict) -> str:
    epochs = network["parameters"].get("recipe", {}).get("epochs", "?")
    return f"{_windows(network) or '?'} windows per area, {epochs} epochs at most"


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
