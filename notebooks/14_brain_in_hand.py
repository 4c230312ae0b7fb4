# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A brain that moves under your hand
#
# **Paper C, §2.1 and §3.3.** Eight numbers describe a brain section well enough to redraw it. The
# decoder draws them; the encoder reads them off. Here both run *in the page*, in your browser, with
# nothing to install: move a latent and the brain is redrawn, brighten a region and see which
# latents move. The first is the projective field of {doc}`10_projective_field`, the second the
# receptive field of {doc}`11_receptive_field`, both under your hand. Next to the β-VAE stand the
# VAE and a PCA with as many numbers.

# %% tags=["parameters"]
population = "data/phantom-population"  # folder of the brains
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # the first one's models are shown
rows = 80  # pixels; height, about, that images are shrunk to
# how models are trained: quick or paper, then what differs, as in
# "quick, learning_rate=0.001"
recipe = "quick"
steps = 0  # updates of each model; 0 for the recipe's own number
latent_dim = 8  # L, number of latents
beta = 3.0  # β, weight of the KL term
individuals = 24  # held-out images to choose from, at most

# %%
import numpy as np

from helpers.book import in_page, open_run, slider
from helpers.brains import figures, projective_field, stages

run = open_run(run, "14_brain_in_hand", population=population)
data = stages.prepared_population(run, rows)

# %%
models = stages.three_models(
    run,
    seeds[0],
    latent_dim=latent_dim,
    beta=beta,
    rows=rows,
    recipe=recipe,
    steps=steps,
)

# %% [markdown]
# ## What three models make of the same brains
#
# Held-out individuals above, and what each model rebuilds from its numbers.

# %%
shown = data.images[stages.spread(data.reference, 6)]
rebuilt = [
    model.net.decode(model.net.encode(shown)) for model in models.values()
]
labels = ["individual", *(model.family for model in models.values())]
figure = figures.gallery([shown, *rebuilt], labels)
run.show(figure, "C_brain_in_hand")

# %% [markdown]
# ## Take it in your hand
#
# Press the button: the models (about a megabyte each) and the runtime that multiplies their weights
# are loaded from beside this page and from nowhere else. Then
#
# - choose an individual, or a random one drawn from the prior;
# - move a latent: the picture of the model you chose follows;
# - click a region, or choose one and change its brightness: all encoders look again, and the
#   latents that moved are marked.
#
# What to look for: does one latent do one thing? Does the PCA, which has as many numbers, move what
# the β-VAE moves? And does the latent that a region moves also draw that region?

# %%
weights = np.linspace(-4, 4, 9)
net = models["β-VAE"].net
frames = projective_field.traverse(
    net.decode, net.encode(shown[:1])[0], 0, weights
)
instead = slider.image_slider(
    figures.png_frames(frames, phantom=run.is_phantom),
    [f"c = {c:+.1f}" for c in weights],
    "F1, decoded beforehand",
    width=448,
    start=len(weights) // 2,
)

# %%
folder = stages.brain_files(run, list(models.values()), data, individuals)
in_page.frame("brain-in-hand", "brain.js", folder, "Load the models", instead)

# %% [markdown]
# Weights travel in half precision and are multiplied in single; pictures differ from those of
# PyTorch by less than a hundredth of the gray range. Pages opened as files, without a server,
# cannot load them: `make serve` shows the book over http.
