"""What a predicted volume says in numbers: how large every area is, and how neighbours agree."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def area_volumes(
    counts: np.ndarray, areas: Sequence[str], z: Sequence[int], position_mm3: float
) -> pd.DataFrame:
    """Return the volume of every area.

    Parameters
    ----------
    counts : (n, 1 + areas) int array
        Positions of every slice without an area, and of each area.
    areas : sequence of str
    z : sequence of int
        Numbers of the slices.
    position_mm3 : float
        Volume that one position stands for, mm³.

    Returns
    -------
    DataFrame
        A row per area and a last one for all of them: ``volume_mm3``, ``share`` of the classified
        volume, and the first and last slice that holds it (-1 for none).
    """
    counts = np.asarray(counts)[:, 1:]
    counts = np.column_stack([counts, counts.sum(axis=1)])
    total = max(1, counts[:, -1].sum())
    rows = []
    for name, column in zip([*areas, "all"], counts.T):
        found = np.flatnonzero(column)
        ends = (z[found[0]], z[found[-1]]) if found.size else (-1, -1)
        rows.append((name, column.sum() * position_mm3, column.sum() / total, *ends))
    columns = ["area", "volume_mm3", "share", "first_z", "last_z"]
    return pd.DataFrame(rows, columns=columns).set_index("area")


def neighbour_agreement(
    dice: Sequence[Sequence[float]], areas: Sequence[str], z: Sequence[int]
) -> pd.DataFrame:
    """Return the Dice overlap of every area between neighbouring slices.

    Parameters
    ----------
    dice : (n - 1, areas) numbers
        NaN where neither slice holds the area.
    areas : sequence of str
    z : sequence of int
        Of all n slices.

    Returns
    -------
    DataFrame
        A row per pair (``z``, ``next_z``), a column per area.
    """
    index = pd.MultiIndex.from_arrays([list(z[:-1]), list(z[1:])], names=["z", "next_z"])
    return pd.DataFrame(np.reshape(dice, (len(z) - 1, len(areas))), index, list(areas))
