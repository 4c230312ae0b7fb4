"""Tables of factors, one row each, called F0, F1, …"""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def by_factor(measured: dict[str, np.ndarray], columns: Sequence[str]) -> pd.DataFrame:
    """Join measurements of all factors in one table.

    Parameters
    ----------
    measured : dict
        Name to (k, r) array.
    columns : sequence of str
        What the columns of each array are called, areas for example; arrays may have fewer.

    Returns
    -------
    DataFrame
        k rows; columns are pairs of a measurement's name and one of ``columns``.
    """
    tables = {
        name: pd.DataFrame(values, columns=columns[: values.shape[1]])
        for name, values in measured.items()
    }
    return pd.concat(tables, axis=1).rename(lambda i: f"F{i}").rename_axis("factor")
