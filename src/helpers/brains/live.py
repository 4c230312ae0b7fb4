"""Interactive views of paper C for live sessions; the rendered page never depends on them."""

from __future__ import annotations

from helpers.book.live import is_live


def latent_sliders(net, z0, limit: float = 4.0):
    """Show one slider per latent and the image they decode to, from a start in latent space (C Fig.
    3A, live).

    Parameters
    ----------
    net : object with ``decode``
        For example `helpers.brains.vae.BetaVAE`.
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

    sliders = {
        f"z{k}": ipywidgets.FloatSlider(
            value=float(start),
            min=float(start) - limit,
            max=float(start) + limit,
            step=0.1,
            description=f"F{k + 1}",
            continuous_update=False,
        )
        for k, start in enumerate(z0)
    }
    display(
        ipywidgets.HBox(
            [ipywidgets.VBox(list(sliders.values())), ipywidgets.interactive_output(draw, sliders)]
        )
    )


def region_brightness(net, image, masks, brightness, regions):
    """Show a region menu and a brightness slider; the input, its latents and its reconstruction
    follow (C Fig. 3C, live).

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

    from helpers.brains.receptive_field import fill_region

    usual = net.encode(image[None])[0]

    def draw(region, weight):
        filled = fill_region(image[None], masks[region], brightness[region], weight)
        z = net.encode(filled)
        figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 2.8))
        for axis, picture, title in (
            (left, filled[0], "input"),
            (right, net.decode(z)[0], "decoded"),
        ):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axis.set(title=title, xticks=[], yticks=[])
        place = np.arange(len(usual))
        middle.bar(place - 0.2, usual, width=0.4, color="#bbbbbb", label="untouched")
        middle.bar(place + 0.2, z[0], width=0.4, color="#d1495b", label="perturbed")
        middle.set_xticks(place, [f"F{k + 1}" for k in place])
        middle.legend(fontsize=7)
        plt.show()

    controls = {
        "region": ipywidgets.Dropdown(
            options=[(name, i) for i, name in enumerate(regions)], description="region"
        ),
        "weight": ipywidgets.FloatSlider(
            value=1.0,
            min=0.0,
            max=2.0,
            step=0.05,
            description="brightness",
            continuous_update=False,
        ),
    }
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(draw, controls)]))
