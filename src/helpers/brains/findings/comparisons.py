"""Models against models: bends, and differences with their lower bounds over images and seeds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.brains import bends, frechet

MEASURES = {"cwssim": "cwssim", "fd": "fd_clean"}  # of C Fig. 2C and 2D, and their columns


def curve(
    scores: pd.DataFrame, column: str, along: str = "latent_dim", **fixed: float | str
) -> tuple[np.ndarray, np.ndarray]:
    """A measure against L, or along another column, mean over the seeds that all its values have.

    Parameters
    ----------
    scores : DataFrame
        One row per model.
    fixed
        Columns and the value that a row must have; ``beta`` is ignored where a model has none.

    Returns
    -------
    (values along the axis, mean measure)
    """
    part = scores
    for name, value in fixed.items():
        same = part[name] == value
        part = part[same | part[name].isna() if name == "beta" else same]
    everywhere = part.groupby("seed")[along].transform("nunique")
    part = part[everywhere == part[along].nunique()]
    mean = part.groupby(along)[column].mean()
    return mean.index.to_numpy(), mean.to_numpy()


def elbows(
    scores: pd.DataFrame,
    along: str,
    within: tuple[float, float],
    treat: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    **fixed: float | str,
) -> dict[str, float]:
    """Where CW-SSIM and PCA-FD bend; see `helpers.brains.bends.find`.

    Parameters
    ----------
    treat : callable, optional
        What a curve is replaced by first, (x, y) -> y: the control's power law.
    fixed
        As of `curve`.

    Raises
    ------
    ValueError
        As `helpers.brains.bends.find`.
    """
    found = {}
    for name, column in MEASURES.items():
        x, y = curve(scores, column, along, **fixed)
        inside = (x >= within[0]) & (x <= within[1])
        x, y = x[inside], y[inside]
        better = name == "cwssim"  # with more latents similarity rises, distance falls
        rises = better if along == "latent_dim" else not better  # a larger β costs quality
        bend = bends.find(x, treat(x, y) if treat and len(x) else y, within, rises)
        found |= {
            name: bend.place,
            f"{name}_least": bend.least,
            f"{name}_most": bend.most,
            f"{name}_excess": bend.excess,
        }
    return found


def power_law_elbows(scores: pd.DataFrame, *args: object, **fixed: float | str) -> dict[str, float]:
    """The same of the best power law through each curve: a curve without any place of its own."""
    return elbows(scores, *args, treat=bends.power_law, **fixed)


def largest_step(scores: pd.DataFrame, family: str, column: str) -> float | None:
    """The largest change of a measure from one L to the next; below 0 if it only falls. None with a
    single L.
    """
    steps = np.diff(curve(scores, column, family=family)[1])
    return float(steps.max()) if len(steps) else None


def large_dimensions(
    scores: pd.DataFrame, family: str = "VAE", chosen: int = 8, large: int = 32
) -> dict[str, float] | None:
    """What happens at large L: CW-SSIM of a family of β = 1, and the PCA's transmission; None if
    the grid does not reach ``large``.

    The spread over seeds is the VAE's, whatever the family.
    """
    sizes, found = curve(scores, "cwssim", family=family, beta=1.0)
    repeats = scores[(scores["family"] == "VAE") & (scores["beta"] == 1.0)]
    repeats = repeats[repeats["latent_dim"] == chosen]["cwssim"]
    kinds = [column for column in scores if column.startswith("transmission_")]
    if not len(sizes) or sizes.max() < large or len(repeats) < 2 or not kinds:
        return None
    pca = scores[scores["family"] == "PCA"].set_index("latent_dim")[kinds].mean(axis=1)
    return {
        "vae_largest": float(found[-1]),
        "vae_best": float(found.max()),
        "vae_sd": float(repeats.std(ddof=1)),
        "pca_transmission_large": float(pca[pca.index >= large].iloc[0]),
        "pca_transmission_8": float(pca[chosen]),
    }


@dataclass(frozen=True)
class Draws:
    """Bootstrap over images and seeds: one draw serves all that is compared.

    Attributes
    ----------
    seeds, images : int
        How many of each there are.
    count : int
    seed : int
        Of the draws.
    """

    seeds: int
    images: int
    count: int = 200
    seed: int = 0

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Indices of seeds and of images, each drawn with replacement."""
        generator = np.random.default_rng(self.seed)
        for _ in range(self.count):
            yield (
                generator.integers(self.seeds, size=self.seeds),
                generator.integers(self.images, size=self.images),
            )


def ahead(
    ours: np.ndarray, rivals: dict[str, np.ndarray], count: int = 200, name: str = "ahead_of"
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """How far one model's scores lie above those of its rivals, image by image.

    Parameters
    ----------
    ours : (S, N) array
        Scores of S seeds on N images.
    rivals : dict of str to (S, N) or (1, N) array
        One row where a model has no seeds.
    name : str
        What the values are called: followed by ``_`` and the rival.

    Returns
    -------
    values : dict
        ``ahead_of_<rival>``, mean difference, and ``ahead_of_<rival>_low``, the 2.5 % quantile over
        draws of seeds and images.
    intervals : dict
        ``ahead_of_<rival>``: (2.5 %, 97.5 %).
    """
    ours = np.atleast_2d(ours)
    draws = Draws(*ours.shape, count)
    differences = {rival: ours - np.atleast_2d(scores) for rival, scores in rivals.items()}
    drawn = {
        rival: [float(each[seeds][:, images].mean()) for seeds, images in draws]
        for rival, each in differences.items()
    }
    return _with_bounds(name, {r: float(d.mean()) for r, d in differences.items()}, drawn)


def distance_ahead(
    reference: np.ndarray,
    ours: np.ndarray,
    rivals: dict[str, np.ndarray],
    count: int = 200,
    name: str = "ahead_of",
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """How much nearer one model's pictures lie to real ones than its rivals' do, in PCA-FD.

    Parameters
    ----------
    reference : (N, d) array
        Scores of real images in the metric's own PCA.
    ours, rivals : (S, N, d) arrays
        Those of what each seed made of the same images; one row where a model has no seeds.

    Returns
    -------
    As `ahead`; positive is better.
    """

    def distances(stack: np.ndarray, images: np.ndarray) -> np.ndarray:
        real = reference[images]
        return np.array([frechet.score_distance(real, each[images]) for each in stack])

    everything = {"": ours, **rivals}
    whole = {key: distances(stack, np.arange(len(reference))) for key, stack in everything.items()}
    drawn = {rival: [] for rival in rivals}
    for seeds, images in Draws(len(ours), len(reference), count):
        at = {key: distances(stack, images) for key, stack in everything.items()}
        for rival in rivals:
            drawn[rival].append(float((at[rival] - at[""])[seeds].mean()))
    differences = {rival: float((whole[rival] - whole[""]).mean()) for rival in rivals}
    return _with_bounds(name, differences, drawn)


def nearer_than_mean(
    reference: np.ndarray, ours: np.ndarray, mean: np.ndarray, count: int = 200
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """How much nearer a model's picture of each brain lies to it than the mean image does.

    A Fréchet distance compares populations: pictures of the right brains in the wrong order have
    one of 0. Image by image they are further off than the mean image is.

    Parameters
    ----------
    reference : (N, d) array
        Scores of real images in the metric's own PCA.
    ours : (S, N, d) array
        Those of what each seed made of the same images.
    mean : (1, N, d) array
        Those of the mean image.

    Returns
    -------
    As `ahead`, of the rival ``mean``: differences of Euclidean distances; positive is better.
    """
    ours, mean = (-np.linalg.norm(stack - reference, axis=-1) for stack in (ours, mean))
    return ahead(ours, {"mean": mean}, count)


def _with_bounds(
    name: str, differences: dict[str, float], drawn: dict[str, Sequence[float]]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    values, intervals = {}, {}
    for rival, difference in differences.items():
        low, high = np.percentile(drawn[rival], [2.5, 97.5])
        values |= {f"{name}_{rival}": difference, f"{name}_{rival}_low": float(low)}
        intervals[f"{name}_{rival}"] = (float(low), float(high))
    return values, intervals
