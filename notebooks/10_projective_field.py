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
# # Projective fields: what does each latent draw?
#
# **Paper C, §2.2, §3.3, Fig. 3A, S4.** Take the latents of a clean image, move one of them by a
# weight c and decode: the pixels that change are that latent's *projective field*. The paper moves
# c from −7 to 7 and splits the variance of each pixel into three strata: weights just above zero,
# just below, and large ones. It reports an **asymmetry**: bright artifacts appear far out on one
# side of a latent, biologically meaningful variation (barrel cortex, hippocampus, retrosplenial
# cortex) elsewhere in the same latent. Some latents carry outliers, others anatomy.

# %% tags=["parameters"]
population = "data/phantom-population"  # folder of the brains
run = "runs/quick"  # folder that everything made here is written to
seeds = [0, 1]  # one β-VAE is trained for each
rows = 80  # pixels; height, about, that images are shrunk to
# how models are trained: quick or paper, then what differs, as in
# "quick, learning_rate=0.001"
recipe = "quick"
steps = 0  # updates of each model; 0 for the recipe's own number
latent_dim = 8  # L, number of latents
beta = 3.0  # β, weight of the KL term
weight_step = 0.1  # step of the weight c, which runs from −7 to 7
starts = 4  # clean images that are started from
slider_latents = 8  # latents, at most, that get a slider

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import open_run, slider
from helpers.brains import (
    figures,
    findings,
    live,
    projective_field,
    stages,
    vae,
)
from helpers.brains.stages import claims_of_latents, claims_of_models

# %%
run = open_run(run, "10_projective_field", population=population)
data = stages.prepared_population(run, rows)
known, reference = data.clean is not None, data.images[data.reference]
training = {"rows": rows, "recipe": recipe, "steps": steps}
models = {
    seed: stages.trained_vae(run, latent_dim, beta, seed, **training)
    for seed in seeds
}
note = stages.training_note(run, list(models.values()), rows=rows)
model = models[seeds[0]]
active = vae.active_latents(model.net, reference)
names = [f"F{k + 1}" for k in range(latent_dim)]

# %% [markdown]
# ## Along each latent (C S4)
#
# One clean held-out image, each latent moved alone. Weights as in the paper: ±1.75 is the middle of
# the small strata, ±5.25 the middle of the large one. A weight of 5 lies far outside what the
# encoder ever produces on data like these, so the outer columns show how the decoder extrapolates,
# not brains that exist.

# %%
z0 = model.net.encode(data.images[stages.spread(data.reference, starts)])
shown = np.array([-5.25, -1.75, 0.0, 1.75, 5.25])
strips = [
    projective_field.traverse(model.net.decode, z0[0], k, shown)
    for k in range(latent_dim)
]
figure = figures.traversal_strips(np.stack(strips), shown, names)
run.show(figure, "C_S4_traversals")

# %% [markdown]
# ## Variance in three strata (C Fig. 3A)
#
# Per pixel, variance over the small positive weights takes away red, over the small negative ones
# green, over the large ones blue, each scaled to its own 99th percentile: **cyan** pixels change
# just above zero, **magenta** just below, **yellow** far out, **blue** close by on both sides,
# **green** just above and far out, **red** just below and far out, black everywhere, white nowhere.
# Averaged over several clean images, in one stream. A map is the paler the less its latent draws.
#
# As in the paper a **star** marks latents that carry artifacts. Here that means one whose value
# tells one kind of damage from clean images, on images that the model has not seen: an area under
# the curve of at least 0.75, in either direction.

# %%
walk = {"rows": rows, "step": weight_step, "starts": starts}
fields = {
    seed: stages.projective_fields(run, each, **walk)
    for seed, each in models.items()
}
first = fields[seeds[0]]

# %%
latents = stages.population_latents(run, model, rows=rows)[data.held_out]
areas = {}
if known:
    kinds = data.kinds[data.held_out]
    areas = findings.detection_by_kind(latents, kinds, active)
carriers = findings.artifact_latents(areas, active) if areas else []
labels = [
    name if k in active else f"{name} (inactive)"
    for k, name in enumerate(names)
]
rgb = projective_field.field_rgb(first["variance"], fade=True)
figure = figures.stratified_maps(
    rgb, data.atlas, data.regions, labels, carriers
)
run.show(figure, "C_fig3A_strata")

# %% [markdown]
# Colours tell when a pixel changes, not how much. Below, the variance alone, mean of the two small
# strata. Each map has its own scale: the title gives the variance, in squared units of the
# intensity range, at which the colour bar says 1. A latent with a small number there draws little,
# however bright its map.

# %%
small = first["variance"][:, [0, 1]].mean(1)
figure = figures.variance_maps(small, labels)
run.show(figure, "C_fig3A_variance")

# %% [markdown]
# ## Which region does each latent draw?
#
# Mean variance of the small weights in each region, as a share of the latent's sum over regions.

# %%
if data.regions:
    drawn = claims_of_latents.drawn_per_region(first["variance"], data)
    figure = figures.matrix(
        drawn / np.maximum(drawn.sum(0), 1e-12),
        data.regions,
        names,
        "what each latent draws",
        "share of the latent's variance",
        limits=(0, 1),
    )
    run.show(figure, "C_regions_drawn")
    table = pd.DataFrame(drawn, pd.Index(data.regions, name="region"), names)
    run.save_table(table, "projective_variance")
else:
    display(Markdown("Not run: this population has no atlas."))

# %% [markdown]
# ## Bright pixels along each latent
#
# A pixel is *bright* above the 99.9th percentile of *that pixel* over all clean images: a
# hippocampus is always bright, and only more than usual counts. Are bright pixels artifacts? Only
# along a latent that carries artifacts (in colour). The others, in gray, are the **control**: if
# their bright pixels rise as well, the decoder overshoots far from the data whatever it draws.
#
# *Asymmetry* is 1 if all bright pixels lie at large negative weights, −1 if all lie at large
# positive ones. It stays blank where neither tail has at least one bright pixel per image.

# %%
threshold = stages.bright_threshold(run, rows=rows)
ordinary = float((reference > threshold).sum((1, 2)).mean())
figure = figures.bright_pixels(
    first["bright"][active],
    first["weights"],
    [names[k] for k in active],
    ordinary,
    np.flatnonzero(np.isin(active, carriers)),
)
run.show(figure, "C_bright_pixels")

# %%
bright = first["bright"], first["weights"]
tails = projective_field.tail_brightness(*bright)
sides = projective_field.asymmetry_index(*bright)
columns = {
    "bright_negative": tails[:, 0],
    "bright_positive": tails[:, 1],
    "asymmetry": np.where(tails.max(1) >= 1, sides, np.nan),
}
if data.regions:
    columns["draws most"] = [data.regions[i] for i in drawn.argmax(0)]
table = pd.DataFrame(columns, pd.Index(names, name="latent"))

# %%
words = "Which images are damaged is not known for this dataset: "
words += "bright pixels may be artifacts or anatomy."
if known:
    words = findings.bright_in_words(names, active, areas)
for kind, row in areas.items():
    table.loc[[names[k] for k in active], f"AUC {kind}"] = row
run.save_table(table, "latents")
display(table.round(2).astype(object).where(table.notna(), ""))
display(Markdown(words))

# %% [markdown]
# ## Move a latent yourself
#
# The slider swaps pictures decoded beforehand, so it works on the rendered page; it starts at c =
# 0, the image as the model rebuilds it. In a live session the sliders further down move all latents
# at once.

# %%
weights = np.linspace(-6, 6, 13)
for k in active[:slider_latents]:
    frames = projective_field.traverse(model.net.decode, z0[0], k, weights)
    pictures = slider.image_slider(
        figures.png_frames(frames, phantom=run.is_phantom),
        [f"c = {c:+.1f}" for c in weights],
        names[k],
        width=448,
        start=len(weights) // 2,
    )
    display(pictures)

# %%
live.latent_sliders(model.net, z0[0])

# %% [markdown]
# ## Compare
#
# Each seed is judged on its own latents: they come in another order, and with other signs, every
# time. The **controls**: a PCA of as many components, moved and measured in the same way, for
# whatever a sum of pictures does too is not the network's merit; kinds of damage permuted over the
# images; and, for bright pixels, the latents that carry no artifact. Of latents that know nothing,
# any one rises or falls, and leans to one side or the other: so those that carry artifacts also
# have to stand out among all choices of as many latents, seen from either end.
#
# How to read the rows. Far from the data almost any decoder overshoots somewhere, so bright pixels
# rise along nearly every latent: then the row on extremes "holds, but so does the control". Where
# no latent carries damage, on which side it lies cannot be asked, and that row is not run. Anatomy
# has to vary more in the paper's regions than the images themselves do there.

# %%
pca = stages.pca_baselines(run, [latent_dim], rows=rows)[0]
control = {
    "field": stages.projective_fields(run, pca, **walk),
    "latents": stages.population_latents(run, pca, rows=rows),
}
found = {}
for seed, each in models.items():
    there = vae.active_latents(each.net, reference)
    latents = stages.population_latents(run, each, rows=rows)
    values = claims_of_latents.field_claims(
        fields[seed], there, data, latents, control
    )
    found[seed] = claims_of_models.with_note(values, note)
run.record_all(found)

# %%
run.scoreboard()
