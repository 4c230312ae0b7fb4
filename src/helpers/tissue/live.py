"""Interactive views for live sessions; the rendered page never depends on them.

Every function shows its static picture first in the notebook and adds sliders here. Outside a live
session (papermill, the rendered book) they do nothing, because a callback needs a kernel.
"""

from __future__ import annotations

from helpers.book.live import is_live


def cluster_choice(features, depth, inside):
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
    if not is_live():
        return
    import ipywidgets
    import matplotlib.pyplot as plt
    import numpy as np
    from IPython.display import display
    from matplotlib.colors import ListedColormap

    from helpers.tissue.cortex.kmeans import fit_kmeans
    from helpers.tissue.cortex.layer_scores import by_depth
    from helpers.tissue.figures.cortical_kmeans import cluster_colours

    def draw(k, components):
        raw = fit_kmeans(features[inside], k, 1.0, components).predict(features)
        plt.figure(figsize=(9, 3))
        plt.imshow(
            np.where(inside, by_depth(raw, depth, k)[raw], np.nan),
            cmap=ListedColormap(cluster_colours(k)),
            vmin=0,
            vmax=k - 1,
        )
        plt.axis("off")
        plt.show()

    sliders = {
        "k": ipywidgets.IntSlider(value=4, min=2, max=10, continuous_update=False),
        "components": ipywidgets.IntSlider(value=5, min=1, max=30, continuous_update=False),
    }
    display(ipywidgets.VBox([*sliders.values(), ipywidgets.interactive_output(draw, sliders)]))


def factor_explorer(image, view, found, labels, areas, max_positions: int = 200_000):
    """Show λ and p of the factor selection and a menu of factors; the choice and the heatmap follow
    (B Fig. 2C, live).

    Parameters
    ----------
    image : (H, W) array
    view : helpers.tissue.figures.nmf_factors.View
    found : helpers.tissue.stages.factorisation.SliceFactors
    labels : (h, w) int array
        Areas on the grid.
    areas : sequence of str
    max_positions : int
        The selection counts on every n-th position, so that it answers at once.
    """
    if not is_live():
        return
    import ipywidgets
    import matplotlib.pyplot as plt
    import numpy as np
    from IPython.display import display

    from helpers.tissue.factors import greedy_selection
    from helpers.tissue.figures import nmf_factors

    step = max(1, len(found.coefficients) // max_positions)
    coefficients, positions = np.asarray(found.coefficients[::step]), found.labels[::step]
    k, r = coefficients.shape[1], int(positions.max())

    def draw(lam, p, factor):
        selection = greedy_selection.select_factors(coefficients, positions, p, lam)
        print(
            ", ".join(
                f"F{i} for {areas[a - 1]}" for i, a in zip(selection.factors, selection.areas)
            )
        )
        values = found.coefficients[:, factor]
        top = np.percentile(values[values > 0], 99) if (values > 0).any() else 1.0
        nmf_factors.one_factor(image, view, found.on_grid(values), top, labels, f"F{factor}")
        plt.show()

    controls = {
        "lam": ipywidgets.FloatSlider(
            value=0.5, min=0, max=2, step=0.05, description="λ", continuous_update=False
        ),
        "p": ipywidgets.IntSlider(
            value=min(6, k, r), min=1, max=min(k, r), description="p", continuous_update=False
        ),
        "factor": ipywidgets.IntSlider(
            value=0, min=0, max=k - 1, description="factor", continuous_update=False
        ),
    }
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))


def component_explorer(image, view, posteriors, names):
    """Show a menu of mixture components and an opacity slider; the posterior over the pixels
    follows (B Fig. 2B2, live).

    Parameters
    ----------
    image : (H, W) array
    view : helpers.tissue.figures.nmf_factors.View
    posteriors : (h, w, c) array
        On the grid; NaN outside.
    names : sequence of str
    """
    if not is_live():
        return
    import ipywidgets
    import matplotlib.pyplot as plt
    import numpy as np
    from IPython.display import display

    from helpers.tissue.figures import cortical_gmm

    def draw(component, opacity):
        gray = view.pixels(image)
        plt.figure(figsize=(7, 7 * gray.shape[0] / gray.shape[1]))
        plt.imshow(gray, cmap="gray", vmax=np.percentile(gray, 99.7), extent=view.extent)
        shown = np.nan_to_num(view.positions(posteriors[..., component]))
        plt.imshow(
            shown, cmap=cortical_gmm.NAVY, vmin=0, vmax=1, alpha=opacity * shown, extent=view.extent
        )
        plt.axis("off")
        plt.show()

    controls = {
        "component": ipywidgets.Dropdown(
            options=[(name, c) for c, name in enumerate(names)], description="component"
        ),
        "opacity": ipywidgets.FloatSlider(
            value=0.6, min=0, max=1, step=0.05, description="opacity", continuous_update=False
        ),
    }
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))
