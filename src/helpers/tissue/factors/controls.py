"""What must fail paper B's statements: bases, area maps and mixtures that lack what they credit.

Arrays have one row per position; areas and layers are 1-based with 0 = none, components 0-based.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from helpers.tissue.factors import hals

#: Shares of the slice's length by which its area map is shifted, from and to: far enough that no
#: area keeps its place.
SHIFTS = (0.3, 0.7)


@dataclass(frozen=True)
class Panel:
    """A number, and what it would be without what it speaks of.

    Attributes
    ----------
    title, axis : str
        What is asked, and the name and unit of the number.
    value : float
    draws : (n,) array
        Of the control, drawn many times; may be empty.
    marks : dict
        Name to value of further controls and bounds.
    """

    title: str
    axis: str
    value: float
    draws: np.ndarray = field(default_factory=lambda: np.zeros(0))
    marks: dict[str, float] = field(default_factory=dict)


def random_basis(k: int, d: int, seed: int = 0) -> np.ndarray:
    """Non-negative components that nothing was fitted to: (k, d) float32, rows of unit norm."""
    rows = np.abs(np.random.default_rng(seed).standard_normal((k, d)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def lowest_error(X: Any, k: int) -> float:
    """Relative error of the best approximation of rank k, which no factorisation beats.

    Parameters
    ----------
    X : (n, d) array
        Anything whose slices are arrays (see `nmf.fit_nmf`).
    k : int

    Returns
    -------
    float
        ‖X − X_k‖_F / ‖X‖_F of the truncated singular value decomposition (Eckart and Young 1936),
        from the eigenvalues of XᵀX.
    """
    gram = np.zeros((X.shape[1], X.shape[1]))
    for part in hals.parts(X):
        rows = np.asarray(X[part], np.float64)
        gram += rows.T @ rows
    power = np.linalg.eigvalsh(gram).clip(0)  # rising
    return float(np.sqrt(power[: len(power) - k].sum() / power.sum()))


def shifted_maps(
    labels: np.ndarray, included: np.ndarray, draws: int = 200
) -> Iterator[np.ndarray]:
    """Area maps whose areas are elsewhere: shifted along the slice, around its end.

    Parameters
    ----------
    labels : (h, w) int array
    included : (h, w) bool array
        Positions with features; the map is shifted within the rectangle that they fill.
    draws : int
        Shifts, evenly from the first to the last of `SHIFTS`.

    Yields
    ------
    (h, w) int array
    """
    (box,) = ndimage.find_objects(included.astype(np.uint8))
    inner = labels[box]
    axis = int(np.argmax(inner.shape))
    for share in np.linspace(*SHIFTS, draws):
        shifted = np.zeros_like(labels)
        shifted[box] = np.roll(inner, round(share * inner.shape[axis]), axis)
        yield shifted


def random_choices(matrix: np.ndarray, size: int, n: int = 1000, seed: int = 0) -> np.ndarray:
    """Mean absolute correlation within random choices of factors: the null of a selection.

    Parameters
    ----------
    matrix : (k, k) array
        Correlations between factors; NaN for a constant one, which is left out.
    size : int
        Factors in a choice.

    Returns
    -------
    (n,) array
    """
    rng = np.random.default_rng(seed)
    pairs = np.triu_indices(size, 1)
    choices = [rng.choice(len(matrix), size, replace=False) for _ in range(n)]
    return np.array([np.nanmean(np.abs(matrix[np.ix_(one, one)][pairs])) for one in choices])


def one_gaussian(rows: np.ndarray, seed: int = 0) -> np.ndarray:
    """As many positions, drawn from one Gaussian of equal mean and covariance: (n, k) -> (n, k)."""
    rng = np.random.default_rng(seed)
    covariance = np.cov(rows, rowvar=False)
    return rng.multivariate_normal(rows.mean(axis=0), covariance, len(rows), method="eigh")


def permuted_pieces(components: np.ndarray, n: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Component maps of the same pieces, whose names are dealt out anew.

    Parameters
    ----------
    components : (h, w) int array
        −1 outside.
    n : int
        Maps to draw.

    Yields
    ------
    (h, w) int array
        Every connected piece keeps its shape and gets the name of a random one; of the pieces, as
        many have each name as before.
    """
    pieces, names = np.zeros(components.shape, int), []
    for component in range(components.max() + 1):
        found, count = ndimage.label(components == component)
        pieces[found > 0] = found[found > 0] + len(names)
        names += [component] * count
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield np.r_[-1, rng.permutation(names)][pieces]
