"""Where a measure bends over the number of latents, or over β, and whether it does at all (C §2.1).

Every smooth curve that flattens lies somewhere farthest from its chord: a + b·x^−c, which has no
place of its own, has its "bend" at 8 on many a grid from 4 to 20. So a bend only counts if it is
sharper than that of the best power law, and stays where it is when either end of the grid is left
out. And only a curve that goes one way and flattens has one: not a level one with a dip, and not
one that gets steeper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LATENTS = (4, 20)  # the paper's grid of L
BETAS = (1, 20)  # and of β
LEAST = 5  # values that a bend is looked for among
SHARE = 0.5  # of the range of a curve that lies between its two ends, or it goes nowhere
EXPONENTS = np.concatenate([np.arange(-3, 0, 0.05), np.arange(0.05, 6, 0.05)])  # c of the power law


@dataclass(frozen=True)
class Bend:
    """Where a curve that flattens lies farthest from its chord.

    Attributes
    ----------
    place : float
        The x of all values.
    least, most : float
        The smallest and the largest x that come out of all values, without the first, and without
        the last.
    excess : float
        How much farther from the chord the curve lies than the best power law of the same values,
        in units of the curve's range: the smallest of the same three. 0 at most for a curve that
        does not go the way it should.
    """

    place: float
    least: float
    most: float
    excess: float


def find(
    x: Sequence[float],
    y: Sequence[float],
    within: tuple[float, float],
    rises: bool | None = None,
) -> Bend:
    """Where a curve bends.

    Parameters
    ----------
    x, y : sequences of float
    within : (float, float)
        Only values of x from here to there count, both included.
    rises : bool, optional
        Whether the curve has to rise, or to fall; either if not given.

    Raises
    ------
    ValueError
        If fewer than five different values of x lie within, or a curve's ends are level.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    inside = (x >= within[0]) & (x <= within[1])
    order = np.argsort(x[inside])
    x, y = x[inside][order], y[inside][order]
    if len(np.unique(x)) < LEAST or len(np.unique(x)) < len(x):
        raise ValueError(
            f"a bend is looked for among at least {LEAST} different values from {within[0]:g} to "
            f"{within[1]:g}, found {', '.join(f'{value:g}' for value in x) or 'none'}"
        )
    law = power_law(x, y)
    found = []
    for part in (slice(None), slice(1, None), slice(None, -1)):
        place, far = _farthest(x[part], y[part])
        found.append((place, far - _farthest(x[part], law[part])[1]))
    places, excess = zip(*found)
    way = y[-1] - y[0]
    goes = abs(way) >= SHARE * np.ptp(y) and rises in (None, bool(way > 0))
    return Bend(places[0], min(places), max(places), min(*excess, *(() if goes else (0.0,))))


def power_law(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The best a + b·x^−c through a curve in least squares, at the same x: (n,) twice -> (n,)."""
    shapes = (x / x[0])[None] ** -EXPONENTS[:, None]  # (exponents, n)
    centred, rest = shapes - shapes.mean(1, keepdims=True), y - y.mean()
    slopes = (centred @ rest) / (centred**2).sum(1)
    fitted = y.mean() + slopes[:, None] * centred
    return fitted[((fitted - y) ** 2).sum(1).argmin()]


def _farthest(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The x farthest from the chord between the two ends, on the side of a curve that flattens, and
    how far, both axes from 0 to 1.
    """
    if y[0] == y[-1]:
        raise ValueError("a curve whose ends are level has no chord to bend from")
    across, up = (x - x[0]) / (x[-1] - x[0]), (y - y[0]) / (y[-1] - y[0])
    distance = (up - across)[1:-1]
    return float(x[1:-1][distance.argmax()]), float(distance.max())
