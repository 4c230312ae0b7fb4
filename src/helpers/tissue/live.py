"""Views with sliders for papers A and B; outside a live session they do nothing.

The notebook shows its static picture first and adds the view below it.
"""

from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np

from helpers.book.live import controls, live_only, menu, slider
from helpers.book.style import bare
from helpers.tissue import figures
from helpers.tissue.cortex.kmeans import fit_kmeans
from helpers.tissue.cortex.layer_scores import by_depth
from helpers.tissue.factors.greedy_selection import select_factors
from helpers.tissue.figures.cortical_gmm import NAVY
from helpers.tissue.stages.factorisation import SliceFactors

SCREEN = 800  # positions along the longer side of a picture that follows a control


@live_only
def cluster_choice(features: np.ndarray, depth: np.ndarray, inside: np.ndarray) -> None:
    """Show sliders for the number of clusters and of principal components; the strip is clustered
    anew (A Fig. 6, live).

    Parameters
    ----------
    features : (h, w, d) array
        Of a strip of cortex.
    depth : (h, w) array
    inside : (h, w) bool array
        Positions in the cortex.
    """

    def draw(k: int, components: int) -> None:
        raw = fit_kmeans(features[inside], k, 1.0, components).predict(features)
        _, axis = plt.subplots(figsize=(9, 3))
        figures.show_clusters(axis, by_depth(raw, depth, k)[raw], inside, k)
        bare(axis)

    controls(draw, k=slider("clusters", 4, 2, 10), components=slider("components", 5, 1, 30))


@live_only
def factor_explorer(
    image: np.ndarray,
    view: figures.View,
    found: SliceFactors,
    labels: np.ndarray,
    areas: list[str],
    max_positions: int = 200_000,
) -> None:
    """Show λ and p of the factor selection and a slider over factors; the choice and the heatmap
    follow (B Fig. 2C, live).

    Parameters
    ----------
    image : (H, W) array
    view : View
    found : SliceFactors
    labels : (h, w) int array
        Areas on the grid.
    areas : sequence of str
    max_positions : int
        The selection counts on every n-th position, so that it answers at once.
    """
    step = max(1, len(found.coefficients) // max_positions)
    image, view, labels, n = _thinned(image, view, labels)
    coefficients, positions = np.asarray(found.coefficients[::step]), found.labels[::step]
    k, largest_p = coefficients.shape[1], min(coefficients.shape[1], int(positions.max()))

    chosen_by = lru_cache(lambda lam, p: select_factors(coefficients, positions, p, lam))

    def draw(lam: float, p: int, factor: int) -> None:
        chosen = chosen_by(lam, p)
        pairs = zip(chosen.factors, chosen.areas)
        print(", ".join(f"F{i} for {areas[area - 1]}" for i, area in pairs))
        sample = coefficients[:, factor]
        top = np.percentile(sample[sample > 0], 99) if (sample > 0).any() else 1.0
        values = found.on_grid(found.coefficients[:, factor])[::n, ::n]
        figures.one_factor(image, view, values, top, labels, f"F{factor}")

    controls(
        draw,
        lam=slider("λ", 0.5, 0, 2, 0.05),
        p=slider("p", min(6, largest_p), 1, largest_p),
        factor=slider("factor", 0, 0, k - 1),
    )


@live_only
def component_explorer(
    image: np.ndarray, view: figures.View, posteriors: np.ndarray, names: list[str]
) -> None:
    """Show a menu of mixture components and an opacity slider; the posterior over the pixels
    follows (B Fig. 2B2, live).

    Parameters
    ----------
    image : (H, W) array
    view : View
    posteriors : (h, w, c) array
        On the grid; NaN outside.
    names : sequence of str
    """
    image, view, posteriors, _ = _thinned(image, view, posteriors)
    gray = view.pixels(image)
    brightest = np.percentile(gray, 99.7)

    def draw(component: int, opacity: float) -> None:
        _, axis = plt.subplots(figsize=(7, 7 * view.aspect))
        axis.imshow(gray, cmap="gray", vmax=brightest, extent=view.extent)
        shown = np.nan_to_num(view.positions(posteriors[..., component]))
        axis.imshow(shown, cmap=NAVY, vmin=0, vmax=1, alpha=opacity * shown, extent=view.extent)
        bare(axis)

    controls(draw, component=menu("component", names), opacity=slider("opacity", 0.6, 0, 1, 0.05))


def _thinned(
    image: np.ndarray, view: figures.View, values: np.ndarray
) -> tuple[np.ndarray, figures.View, np.ndarray, int]:
    """An image, a view and a map on its grid with as many positions as a screen shows, so that a
    control is answered at once; and which n-th position was kept.
    """
    n = max(1, max(view.height, view.width) // view.stride // SCREEN)
    step = n * view.stride
    return image[::step, ::step], view.thinned(n), values[::n, ::n], n
