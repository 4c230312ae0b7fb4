"""Where to look closer: the box in which all components of a map meet, and the clearest example of
each in it.
"""

import numpy as np

from helpers.data.patches import window_sums


def zoom_box(components: np.ndarray, n_components: int, size: int) -> tuple[int, int]:
    """The square in which all components meet most evenly (paper B, Fig. 2A2 and B3).

    Parameters
    ----------
    components : (H, W) int array
        Component 0 … of each position; negative where there is none.
    n_components : int
    size : int
        Side of the box in positions.

    Returns
    -------
    (top, left) : ints
        Of all boxes inside the map, the one whose rarest component has the most positions; ties go
        to the one with the fewest positions without a component, then to the first.

    Raises
    ------
    ValueError
        If the map is smaller than the box.
    """
    rarest = np.min([_counts(components == c, size) for c in range(n_components)], axis=0)
    return _argmax(rarest * (size**2 + 1.0) + _counts(components >= 0, size))


def example_windows(
    components: np.ndarray, n_components: int, box: tuple[int, int], box_size: int, size: int
) -> list[tuple[int, int]]:
    """For each component, the window inside a box that holds most of it.

    Parameters
    ----------
    components : (H, W) int array
    n_components : int
    box : (top, left)
    box_size, size : int
        Sides of the box and of the windows, in positions.

    Returns
    -------
    list of (top, left)
        One window per component.
    """
    top, left = box
    inside = components[top : top + box_size, left : left + box_size]
    found = [_argmax(_counts(inside == c, size)) for c in range(n_components)]
    return [(top + i, left + j) for i, j in found]


def _counts(mask: np.ndarray, size: int) -> np.ndarray:
    """Positions of the mask in every box of a side: (H, W) -> (H − size + 1, W − size + 1)."""
    if min(mask.shape) < size:
        raise ValueError(f"a box of side {size} does not fit into a map of shape {mask.shape}")
    rows, columns = (slice(size // 2, size // 2 + n - size + 1) for n in mask.shape)
    return window_sums(mask, size)[rows, columns]


def _argmax(values: np.ndarray) -> tuple[int, int]:
    return tuple(int(i) for i in np.unravel_index(np.argmax(values), values.shape))
