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
# # Receptive fields: which latents does each region move?
#
# **Paper C, §2.2, §3.3, Fig. 3B–3E, S2, S3.** The other direction: fill one region of the input
# with a flat gray, dark or bright, encode, and see which latents move. Over many clean images each
# latent then has a distribution per region and brightness; the KL divergence between the darkest
# and the brightest is the region's *impact* on that latent. The paper finds that **the hippocampus
# moves almost all latents and the striatum many**, that several latents ignore some regions, that
# receptive and projective fields need not coincide, and that the β-VAE's latents respond to regions
# more differently from one another than the VAE's or PCA's do.

# %% tags=["parameters"]
population = "data/phantom-population"  # folder of the brains
run = "runs/quick"  # folder that everything made here is written to
seeds = [0, 1]  # one β-VAE and one VAE are trained for each
rows = 80  # pixels; height, about, that images are shrunk to
# how models are trained: quick or paper, then what differs, as in
# "quick, learning_rate=0.001"
recipe = "quick"
steps = 0  # updates of each model; 0 for the recipe's own number
latent_dim = 8  # L, number of latents
beta = 3.0  # β of the β-VAE, weight of the KL term
images = 200  # clean images, at most, whose regions are changed
# brightness that a region is filled with, in units of its usual one
brightness_weights = [0.0, 0.5, 1.0, 1.5, 2.0]
# factors that a region's own pixels are multiplied by
gains = [0.7, 0.85, 1.0, 1.15, 1.3]
weight_step = 0.1  # step of the projective field's weight c, from −7 to 7
starts = 4  # clean images that projective fields start from
panel_region = "HPF"  # region whose histograms are drawn large

# %%
import numpy as np
import pandas as pd
from IPython.display import display

from helpers.book import open_run
from helpers.brains import (
    figures,
    findings,
    live,
    receptive_field,
    stages,
    vae,
)
from helpers.brains.stages import claims_of_latents, claims_of_models

# %%
run = open_run(run, "11_receptive_field", population=population)
data = stages.prepared_population(run, rows)
size = {"latent_dim": latent_dim, "beta": beta}
training = {"rows": rows, "recipe": recipe, "steps": steps}
models = {
    seed: stages.three_models(run, seed, **size, **training) for seed in seeds
}

# %%
networks = [three[f] for three in models.values() for f in ("β-VAE", "VAE")]
note = stages.training_note(run, networks, rows=rows)
model = models[seeds[0]]["β-VAE"]
reference = data.images[data.reference]
active = vae.active_latents(model.net, reference)
names = [f"F{k + 1}" for k in range(latent_dim)]
kind = "images" if data.clean is None else "clean images"
listed = ", ".join(names[k] for k in active)
print(f"{min(images, len(data.clean_all))} {kind}; active: {listed}")

# %% [markdown]
# ## Masked images (C S2)
#
# x̃ = x₀(1 − m) + w·b·m: the region m is filled with w times its usual brightness b. At w = 1 only
# the texture is gone; at 0 the region is a hole, at 2 it glows. Both ends are far from anything the
# network has seen.

# %%
masks = receptive_field.region_masks(data.atlas, len(data.regions))
brightness = receptive_field.region_brightness(
    data.images[data.clean_all], masks
)
example = data.images[data.reference[:1]]
masked = [
    [
        receptive_field.fill_region(example, mask, usual, weight)[0]
        for weight in brightness_weights
    ]
    for mask, usual in zip(masks, brightness)
]
weights = brightness_weights
figure = figures.masked_inputs(np.array(masked), data.regions, weights)
run.show(figure, "C_S2_masked_inputs")

# %% [markdown]
# ## How every latent answers to every region (C S3, Fig. 3C)
#
# Histograms over images with the fitted Gaussians; dark to bright is purple to yellow. Where the
# colours lie apart, the region moves the latent.

# %%
settings = {"rows": rows, "images": images}
responses = stages.region_responses(run, model, weights=weights, **settings)
mean, variance = receptive_field.fit_gaussians(responses)
figure = figures.activation_grid(
    responses, weights, mean, variance, data.regions, names
)
run.show(figure, "C_S3_activations")

# %%
impact = receptive_field.kl_matrix(mean, variance)
region, most, least = 0, 0, 0
if panel_region in data.regions:
    region = data.regions.index(panel_region)
if len(active) > 1:
    order = active[np.argsort(impact[region, active])]
    most, least = int(order[-1]), int(order[0])

# %%
two = [most, least]
figure = figures.activation_panels(
    responses[region][:, :, two],
    weights,
    mean[region][:, two],
    variance[region][:, two],
    data.regions[region],
    [f"{names[most]} (most moved)", f"{names[least]} (least moved)"],
)
run.show(figure, "C_fig3C_activations")

# %% [markdown]
# ## Region × latent impact, and covariance (C Fig. 3B, 3D)
#
# Above, each row is one region's KL from dark to bright, divided by the row's sum: which latents
# take the blow. Below, how alike two latents' columns are.
#
# The paper's "almost all latents" needs a definition of *moved*, one for all rows here: a latent is
# moved by a region if its KL is above 0.1 nat, before that division, and above a tenth of that
# region's largest. So in the row of a region that moves nothing, a bright latent is not moved.

# %%
shares = receptive_field.normalise_rows(impact)
covariance = receptive_field.impact_covariance(shares)
figure = figures.impact_and_covariance(shares, covariance, data.regions, names)
run.show(figure, "C_fig3BD_impact")
table = pd.DataFrame(impact, pd.Index(data.regions, name="region"), names)
run.save_table(table, "impact_kl")

# %% [markdown]
# A hole in the brain is a crude question. Scaling a region by gentle gains keeps its texture and
# stays near the data. Does it give another answer? The lines below say. The KL is also not
# symmetric; the third matrix averages both directions. Numbers in brackets are below 0.1 nat.

# %%
ends = [brightness_weights[0], brightness_weights[-1]]
soft = [gains[0], gains[-1]]
gentle = stages.region_responses(
    run, model, weights=soft, keep_texture=True, **settings
)
scaled = receptive_field.kl_matrix(*receptive_field.fit_gaussians(gentle))
words = findings.filled_and_scaled(
    impact[:, active], scaled[:, active], data.regions
)
print("\n".join(words))

# %%
both = receptive_field.kl_matrix(mean, variance, symmetric=True)
kept = f"KL, region × {gains[0]:g} to × {gains[-1]:g}, texture kept"
matrices = {
    "gains": (scaled, kept),
    "filled": (impact, "KL, region filled dark to bright"),
    "symmetric": (both, "KL, filled, both directions averaged"),
}
for name, (values, title) in matrices.items():
    axes = (data.regions, names, title, "nats")
    figure = figures.matrix(values, *axes, brackets_below=findings.MOVED_NATS)
    run.show(figure, f"C_impact_{name}")

# %% [markdown]
# ## Both directions side by side
#
# What a latent draws need not be what moves it: the paper finds that the two fields may not be
# aligned in space, and points to its factor 8 and the hippocampus.

# %%
walk = {"rows": rows, "step": weight_step, "starts": starts}
field = stages.projective_fields(run, model, **walk)
drawn = claims_of_latents.drawn_per_region(field["variance"], data)
figure = figures.region_against_latent(
    drawn / drawn.sum(0),
    impact / np.maximum(impact.sum(0), 1e-12),
    data.regions,
    names,
)
run.show(figure, "C_both_directions")

# %% [markdown]
# ## Decorrelation score of the three models (C Fig. 3E)
#
# Mean over pairs of active latents of 1 − |correlation of their impact profiles|. Six regions are
# few: profiles shuffled at random already score high. That is the **control**, in gray, and a score
# means something only above it. Bars are 95 % of bootstrap draws over images, the same images for
# all models.

# %%
found = []
for seed, three in models.items():
    for family, each in three.items():
        if family == "PCA" and seed != seeds[0]:
            continue  # PCA has no seed
        there = vae.active_latents(each.net, reference)
        answers = stages.region_responses(run, each, weights=ends, **settings)
        row = {"family": family, "seed": seed, "latents": len(there)}
        found.append({**row, **findings.decorrelation(answers, there)})

# %%
table = pd.DataFrame(found).drop(columns="draws")
run.save_table(table, "decorrelation")
run.show(figures.decorrelation(table), "C_fig3E_decorrelation")
display(table.round(3))

# %% [markdown]
# ## Change a region's brightness yourself
#
# Live sessions only: choose a region and its brightness, see the image, its latents, and what the
# decoder makes of them.

# %%
live.region_brightness(model.net, example[0], masks, brightness, data.regions)

# %% [markdown]
# ## Compare
#
# The **controls**: a PCA of as many components and the same network with *random weights* answer to
# regions too, for a hole in an image changes any projection of it; and matrices whose *rows are
# shuffled*, so that each region keeps its strength and latents lose what makes them one latent.
# What these show as well is true, and says nothing about the β-VAE. For the two fields: independent
# matrices must fail, and so must equal ones. Where shuffled rows reach all latents already, nothing
# could exceed them, and the row is not run. Where every region moves every latent, the hippocampus
# does nothing of its own: it and the striatum have to do more than other pairs of regions.
#
# How to read the rows. Impact counts both from filling, which takes images far from the data, and
# from gentle gains. An order of decorrelation scores counts only if its lower bounds, over images
# and seeds, are above zero and the score itself is above the null.

# %%
pca = models[seeds[0]]["PCA"]
untrained = stages.untrained_network(run, **size, rows=rows)

# %%
impacts = {}
everyone = {seed: three["β-VAE"] for seed, three in models.items()}
everyone |= {"PCA": pca, "untrained": untrained}
for name, each in everyone.items():
    there = np.arange(latent_dim)  # random weights have no latent to leave out
    if name != "untrained":
        there = vae.active_latents(each.net, reference)
    pair = (
        stages.region_responses(
            run, each, weights=w, keep_texture=k, **settings
        )
        for w, k in ((ends, False), (soft, True))
    )
    impacts[name] = claims_of_latents.impact_of(*pair, there)

# %%
values = {}
for seed in seeds:
    found_here = claims_of_latents.impact_claims(
        impacts[seed], impacts["PCA"], impacts["untrained"], data.regions
    )
    values[seed] = claims_of_models.with_note(found_here, note)
run.record_all(values)

# %%
drawn, codes = [], []
for three in models.values():
    each = three["β-VAE"]
    there = vae.active_latents(each.net, reference)
    field = stages.projective_fields(run, each, **walk)
    per_region = claims_of_latents.drawn_per_region(field["variance"], data)
    drawn.append(per_region[:, there])
    codes.append(each.net.encode(reference)[:, there])
filled = [impacts[seed].filled for seed in seeds]
both = claims_of_latents.field_asymmetry_claim(filled, drawn, codes)

# %%
by_family = {
    family: [row for row in found if row["family"] == family]
    for family in ("β-VAE", "VAE", "PCA")
}
both |= claims_of_latents.decorrelation_claim(by_family)
run.record_all({None: claims_of_models.with_note(both, note)})

# %%
run.scoreboard()
