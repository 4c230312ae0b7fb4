"""Which values the parameters of notebooks may take, so that a slip is told before work begins."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Range:
    """Least and most of a number, or of every number of a list.

    Attributes
    ----------
    low, high : float
        Both belong to the range, unless ``above``: then ``low`` does not.
    above : bool
    least : int
        How many numbers a list must hold.
    lengths : tuple of int
        How many it may hold, if not any number.
    apart : bool
        Whether the numbers of a list must differ.
    but : float, optional
        A number that is not meant, for the reason ``why``.
    """

    low: float = -inf
    high: float = inf
    above: bool = False
    least: int = 1
    lengths: tuple[int, ...] = ()
    apart: bool = False
    but: float | None = None
    why: str = ""

    def __str__(self) -> str:
        words = f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        if self.high < inf:
            words = (
                f"{words}, up to {self.high:g}" if self.above else f"{self.low:g} to {self.high:g}"
            )
        return f"{words}, not {self.but:g}: {self.why}" if self.but is not None else words

    def fault(self, value: Any, default: Any) -> str:
        """What is wrong with a value; empty if nothing is."""
        if not isinstance(default, list):
            return "" if self._holds(value) else f"expected {self}"
        if self.lengths and len(value) not in self.lengths:
            return f"expected {' or '.join(map(str, self.lengths))} numbers"
        if not self.lengths and len(value) < self.least:
            return f"expected {self.least} or more numbers in the list, each {self}"
        kinds = (int, float) if any(type(each) is float for each in default) else (int,)
        if not all(type(each) in kinds and self._holds(each) for each in value):
            return f"expected {'' if float in kinds else 'whole '}numbers, each {self}"
        if self.apart and len(set(value)) < len(value):
            return "expected no number twice"
        return ""

    def _holds(self, number: float) -> bool:
        low = number > self.low if self.above else number >= self.low
        return low and number <= self.high and isfinite(number) and number != self.but


COUNT, POSITIVE = Range(1), Range(0, above=True)
SEEDS = Range(0, 2**31 - 1, apart=True)
FEATURES = 64  # numbers per window: more factors or components there cannot be

#: By parameter, or by notebook and parameter where the two differ.
RANGES = {
    "seeds": SEEDS, "kmeans_seeds": SEEDS, "try_seeds": SEEDS, "gmm_seed": SEEDS,
    "stride": Range(1, 128), "further_stride": Range(1, 128), "smoothing_um": Range(0),
    "strip_um": POSITIVE, "margin": Range(0),
    "evaluation_per_area": COUNT, "train_per_area": Range(2), "test_per_area": Range(2),
    "noise_per_area": COUNT, "noise_variances": Range(0, 1, apart=True), "repeats": COUNT,
    "curve_sizes": Range(1, apart=True), "retrain_per_area": Range(1, apart=True),
    "bootstrap": Range(2),
    "k": Range(1, FEATURES), "05_cortical_kmeans.k": Range(2, 10), "variance": Range(0, 1, True),
    "max_components": Range(1, FEATURES), "p": COUNT, "lam": Range(0), "try_rows": Range(100),
    "07_cortical_gmm.p": Range(1, 3), "try_k": Range(1, FEATURES, apart=True),
    "n_components": Range(2, 8), "try_components": Range(1, FEATURES, apart=True),
    "box": Range(0, lengths=(0, 2)), "box_size": Range(128), "rows": Range(16, 2000),
    "steps": Range(0), "compare_steps": Range(0), "latent_dims": Range(1, 512, apart=True),
    "betas": Range(0, above=True, apart=True), "pca_dims": Range(1, 512, least=0, apart=True),
    "latent_dim": Range(1, 512),
    "beta": Range(0, above=True, but=1, why="that is the VAE, which every page trains beside it"),
    "individuals": COUNT, "per_type": COUNT,
    "weight_step": Range(0, 3.5, above=True), "starts": COUNT,
    "slider_latents": Range(0), "images": Range(2),
    "brightness_weights": Range(0, least=2, apart=True),
    "gains": Range(0, above=True, least=2, apart=True), "control_positions": COUNT,
    "validation_per_area": COUNT, "slices": Range(2), "volume_shape": Range(128, lengths=(2,)),
    "worker_counts": Range(1, apart=True), "timed_slices": COUNT,
}  # fmt: skip

#: Numbers of a recipe; the others are 0 or more.
RECIPE_RANGES = {
    "epochs": COUNT, "patches_per_area": COUNT, "batch_size": COUNT, "learning_rate": POSITIVE,
    "validation_per_area": COUNT, "purity": Range(0, 1), "average": Range(0, 0.9999),
    "flat": Range(0, 1),
}  # fmt: skip
RECIPE_FILES = ("tissue/network/recipes.py", "brains/recipes.py")


def meaning(notebook: str, name: str) -> str:
    """The range of a parameter in words; empty where any value will do."""
    found = RANGES.get(f"{notebook}.{name}") or RANGES.get(name)
    return str(found) if found and found.low > -inf else ""


def fault(notebook: str, name: str, value: Any, default: Any) -> str:
    """What is wrong with the value of a parameter, of the right type; empty if nothing is."""
    if name == "recipe":
        return _recipe_fault(value, default)
    if name == "compare_recipes":
        return next(filter(None, (_recipe_fault(each, "quick") for each in value)), "")
    found = RANGES.get(f"{notebook}.{name}") or RANGES.get(name)
    return found.fault(value, default) if found else ""


def _recipe_fault(text: Any, default: str) -> str:
    """What is wrong with a text such as ``"fast, epochs=2"``."""
    name, *parts = (part.strip() for part in str(text).split(","))
    names, numbers = next(each for each in _recipes() if default.split(",")[0] in each[0])
    if name not in names:
        return f"expected one of {', '.join(names)}"
    for part in parts:
        key, _, number = (word.strip() for word in part.partition("="))
        if key not in numbers:
            return f"found {part!r}; expected name=number, the name one of {', '.join(numbers)}"
        try:
            value = numbers[key](number)
        except ValueError:
            return f"found {part!r}; expected a{'n int' if numbers[key] is int else ' number'}"
        wrong = RECIPE_RANGES.get(key, Range(0)).fault(value, 0)
        if wrong:
            return f"found {part!r}; {wrong}"
    return ""


@lru_cache
def _recipes() -> Sequence[tuple[list[str], dict[str, type]]]:
    """Names of recipes and their numbers, read from the source: importing it takes seconds."""
    found = []
    for file in RECIPE_FILES:
        source = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
        names, numbers = [], {}
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "RECIPES":
                names = [key.value for key in node.value.keys]
            if isinstance(node, ast.ClassDef) and node.name == "Recipe":
                numbers = {
                    field.target.id: {"int": int, "float": float}[field.annotation.id]
                    for field in node.body
                    if isinstance(field, ast.AnnAssign)
                    and getattr(field.annotation, "id", "") in ("int", "float")
                }
        found.append((names, numbers))
    return found
