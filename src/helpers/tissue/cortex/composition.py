"""What the parts of a map of cortex consist of: the layers they lie in, their means, their pieces.

Parts (k-means clusters, mixture components) are counted from 0, layers from 1; negative parts and
layer 0 mean "none".
"""

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial.distance import jensenshannon


def layer_counts(
    components: np.ndarray, layers: np.ndarray, n_components: int, n_layers: int
) -> np.ndarray:
    """Positions of each component in each layer: two int arrays of one shape ->
    (n_components, n_layers) int.
    """
    components, layers = np.ravel(components), np.ravel(layers)
    used = (components >= 0) & (layers > 0)
    pair = components[used].astype(int) * n_layers + layers[used].astype(int) - 1
    return np.bincount(pair, minlength=n_components * n_layers).reshape(n_components, n_layers)


def layer_shares(
    components: np.ndarray, layers: np.ndarray, n_components: int, n_layers: int
) -> np.ndarray:
    """Of the positions of each component that have a layer, the share that lies in each.

    Returns
    -------
    (n_components, n_layers) array
        Rows sum to 1; a component without positions has a row of zeros.
    """
    counts = layer_counts(components, layers, n_components, n_layers)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def layer_enrichment(
    components: np.ndarray, layers: np.ndarray, n_components: int, n_layers: int = 5
) -> np.ndarray:
    """Share of each layer in each component over its share of all positions: (n_components,
    n_layers); NaN for an absent layer.
    """
    base = np.bincount(layers[layers > 0], minlength=n_layers + 1)[1:] / max((layers > 0).sum(), 1)
    shares = layer_shares(components, layers, n_components, n_layers)
    return shares / np.where(base > 0, base, np.nan)


def component_means(components: np.ndarray, values: np.ndarray, n_components: int) -> np.ndarray:
    """Mean of some values over the positions of each component: (m,) int, (m,) -> (c,); NaN for an
    empty one.
    """
    count = np.bincount(components, minlength=n_components).astype(float)
    sums = np.bincount(components, np.asarray(values, float), minlength=n_components)
    return np.divide(sums, count, out=np.full(n_components, np.nan), where=count > 0)


def match_shares(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair components of two slices one-to-one so that the summed Jensen–Shannon distance of their
    shares is least.

    Parameters
    ----------
    first, second : (c, m) arrays
        Rows as given by `layer_shares`.

    Returns
    -------
    partner : (c,) int array
        Row of `second` that belongs to each row of `first`.
    distance : (c,) array
        Jensen–Shannon distance (base 2, in [0, 1]) of each pair; a row of zeros is 1 from
        everything.
    """
    apart = np.array(
        [
            [jensenshannon(a, b, base=2) if a.any() and b.any() else 1.0 for b in second]
            for a in first
        ]
    )
    rows, partner = optimize.linear_sum_assignment(np.nan_to_num(apart))
    return partner, apart[rows, partner]


def blobs(mask: np.ndarray, smallest: float) -> np.ndarray:
    """Separate pieces of a mask with at least `smallest` positions, after an opening that cuts thin
    bridges.

    Returns
    -------
    (H, W) int array
        0 outside, 1 … n in the pieces.
    """
    opened = ndimage.binary_opening(mask, iterations=max(1, int(np.sqrt(smallest) / 4)))
    pieces, _ = ndimage.label(opened)
    large = np.bincount(pieces.ravel()) >= smallest
    return ndimage.label(opened & large[pieces])[0]
