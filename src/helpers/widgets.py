"""Interactive views for live sessions; the rendered page never depends on them.

Every function shows its static picture first in the notebook and adds sliders here. Outside a live session (papermill,
the rendered book) they do nothing, because a callback needs a kernel.
"""

from __future__ import annotations

import os


def is_live() -> bool:
    """Return whether somebody sits at this notebook: a kernel, and not one that papermill drives."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel") and not os.environ.get("BRAINBOOK_HEADLESS")


def latent_sliders(net, z0, limit: float = 4.0):
    """Show one slider per latent and the image they decode to, from a start in latent space (C Fig. 3A, live).

    Parameters
    ----------
    net : object with ``decode``
        For example `helpers.vae.BetaVAE`.
    z0 : (L,) array
        Where the sliders stand first.
    limit : float
        How far each slider goes to either side of its start.
    """
    if not is_live():
        return
    import ipywidgets
    import matplotlib.pyplot as plt
    import numpy as np
    from IPython.display import display

    def draw(**values):
        z = np.array([[values[f"z{k}"] for k in range(len(z0))]], np.float32)
        plt.figure(figsize=(5, 3.6))
        plt.imshow(net.decode(z)[0], cmap="gray", vmin=0, vmax=1)
        plt.axis("off")
        plt.show()

    sliders = {f"z{k}": ipywidgets.FloatSlider(value=float(start), min=float(start) - limit, max=float(start) + limit, step=0.1,
                                               description=f"F{k + 1}", continuous_update=False) for k, start in enumerate(z0)}
    display(ipywidgets.HBox([ipywidgets.VBox(list(sliders.values())), ipywidgets.interactive_output(draw, sliders)]))


def region_brightness(net, image, masks, brightness, regions):
    """Show a region menu and a brightness slider; the input, its latents and its reconstruction follow (C Fig. 3C, live).

    Parameters
    ----------
    net : object with ``encode`` and ``decode``
    image : (H, W) array
    masks : (R, H, W) bool array
    brightness : (R,) array
        Usual brightness of each region.
    regions : sequence of str
    """
    if not is_live():
        return
    import ipywidgets
    import matplotlib.pyplot as plt
    import numpy as np
    from IPython.display import display

    from helpers.receptive_field import fill_region

    usual = net.encode(image[None])[0]

    def draw(region, weight):
        filled = fill_region(image[None], masks[region], brightness[region], weight)
        z = net.encode(filled)
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 2.8))
        for axis, picture, title in ((left, filled[0], "input"), (right, net.decode(z)[0], "decoded")):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set(title=title, xticks=[], yticks=[])
        place = np.arange(len(usual))
        middle.bar(place - 0.2, usual, width=0.4, color="#bbbbbb", label="untouched")
        middle.bar(place + 0.2, z[0], width=0.4, color="#d1495b", label="perturbed")
        middle.set_xticks(place, [f"F{k + 1}" for k in place])
        middle.legend(fontsize=7)
        plt.show()

    controls = {"region": ipywidgets.Dropdown(options=[(name, i) for i, name in enumerate(regions)], description="region"),
                "weight": ipywidgets.FloatSlider(value=1.0, min=0.0, max=2.0, step=0.05, description="brightness", continuous_update=False)}
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))


def cluster_choice(features, depth, inside):
    """Show sliders for the number of clusters and of principal components; the strip is clustered anew (A Fig. 6, live).

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

    from helpers.cortex import fit_kmeans
    from helpers.figures.paper_a_cortex import cluster_colours
    from helpers.layer_scores import by_depth

    def draw(k, components):
        raw = fit_kmeans(features[inside], k, 1.0, components).predict(features)
        plt.figure(figsize=(9, 3))
        plt.imshow(np.where(inside, by_depth(raw, depth, k)[raw], np.nan), cmap=ListedColormap(cluster_colours(k)), vmin=0, vmax=k - 1)
        plt.axis("off")
        plt.show()

    sliders = {"k": ipywidgets.IntSlider(value=4, min=2, max=10, continuous_update=False),
               "components": ipywidgets.IntSlider(value=5, min=1, max=30, continuous_update=False)}
    display(ipywidgets.VBox([*sliders.values(), ipywidgets.interactive_output(draw, sliders)]))


def factor_explorer(image, view, found, labels, areas, max_positions: int = 200_000):
    """Show λ and p of the factor selection and a menu of factors; the choice and the heatmap follow (B Fig. 2C, live).

    Parameters
    ----------
    image : (H, W) array
    view : helpers.figures.paper_b.View
    found : helpers.stages.paper_b.SliceFactors
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

    from helpers import factors
    from helpers.figures import paper_b

    step = max(1, len(found.coefficients) // max_positions)
    coefficients, positions = np.asarray(found.coefficients[::step]), found.labels[::step]
    k, r = coefficients.shape[1], int(positions.max())

    def draw(lam, p, factor):
        selection = factors.select_factors(coefficients, positions, p, lam)
        print(", ".join(f"F{i} for {areas[a - 1]}" for i, a in zip(selection.factors, selection.areas)))
        values = found.coefficients[:, factor]
        top = np.percentile(values[values > 0], 99) if (values > 0).any() else 1.0
        paper_b.one_factor(image, view, found.on_grid(values), top, labels, f"F{factor}")
        plt.show()

    controls = {"lam": ipywidgets.FloatSlider(value=0.5, min=0, max=2, step=0.05, description="λ", continuous_update=False),
                "p": ipywidgets.IntSlider(value=min(6, k, r), min=1, max=min(k, r), description="p", continuous_update=False),
                "factor": ipywidgets.IntSlider(value=0, min=0, max=k - 1, description="factor", continuous_update=False)}
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))


def component_explorer(image, view, posteriors, names):
    """Show a menu of mixture components and an opacity slider; the posterior over the pixels follows (B Fig. 2B2, live).

    Parameters
    ----------
    image : (H, W) array
    view : helpers.figures.paper_b.View
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

    from helpers.figures import paper_b_cortex

    def draw(component, opacity):
        gray = view.pixels(image)
        plt.figure(figsize=(7, 7 * gray.shape[0] / gray.shape[1]))
        plt.imshow(gray, cmap="gray", vmax=np.percentile(gray, 99.7), extent=view.extent)
        shown = np.nan_to_num(view.positions(posteriors[..., component]))
        plt.imshow(shown, cmap=paper_b_cortex.NAVY, vmin=0, vmax=1, alpha=opacity * shown, extent=view.extent)
        plt.axis("off")
        plt.show()

    controls = {"component": ipywidgets.Dropdown(options=[(name, c) for c, name in enumerate(names)], description="component"),
                "opacity": ipywidgets.FloatSlider(value=0.6, min=0, max=1, step=0.05, description="opacity", continuous_update=False)}
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))
