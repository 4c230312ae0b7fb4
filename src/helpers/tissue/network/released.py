"""What the authors' released area classifier says of raw patches.

The weights are ``cnn_weights.pt`` of https://github.com/nerdslab/deepbraindisco, loaded by
:meth:`helpers.tissue.network.classifier.AreaCNN.from_released`. That network reads gray values as
stored, in three equal channels; its features are signed.
"""

from collections.abc import Sequence

import numpy as np

from helpers.tissue.network import classifier
from helpers.tissue.network.pretrained import raw_patches

# The order of its outputs, as the authors' notebook lists it (areas by name, as here).
AREAS = ("cortex", "hypothalamus", "striatum", "vp", "wm", "zi")


def predict(model: classifier.AreaCNN, patches: np.ndarray, areas: Sequence[str]) -> np.ndarray:
    """The area of each raw patch according to the released network, in a dataset's class order.

    Parameters
    ----------
    model : AreaCNN
        From ``AreaCNN.from_released``.
    patches : (N, 128, 128) array in [0, 1], raw, not standardised
    areas : sequence of str
        Names in class order; upper and lower case are one.

    Returns
    -------
    (N,) uint8 array
        Labels 1 ... n in the order of `areas`.

    Raises
    ------
    ValueError
        If the dataset's areas are not the six of the released network, or the patches are not
        (N, 128, 128) in [0, 1].
    """
    names = [name.casefold() for name in areas]
    if sorted(names) != sorted(AREAS):
        raise ValueError(
            f"the released network tells {', '.join(AREAS)} apart; this dataset has "
            f"{', '.join(areas)}. Give its areas these names in dataset.yml, or leave the "
            "released network out"
        )
    found = classifier.predict(model, raw_patches(patches))  # 1 ... 6 in the released order
    labels = np.array([names.index(name) + 1 for name in AREAS], np.uint8)
    return labels[found - 1]
