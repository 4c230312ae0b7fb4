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
# # One network for a thousand brains
#
# **Paper C, §2.1, §3.1, §3.2, Fig. 1, 2A, 2C, 2D.** Take one coronal section from each of 1,723
# mouse brains, all aligned to one atlas, and ask a network to describe each with a handful of
# numbers. A variational autoencoder does that: an encoder turns an image into a few *latent*
# numbers, a decoder draws the image back from them. A weight β says how dearly each bit of latent
# information is paid for; β = 1 is the plain VAE. The paper settles on **eight latents and β = 3**,
# because quality bends there, and reports that this model beats both the VAE and PCA in two
# measures: CW-SSIM (structure, higher is better) and a Fréchet distance between PCA scores
# (distribution, lower is better).
#
# The grid of models below is trained once and shared with the next three pages.

# %% tags=["parameters"]
population = "data/phantom-population"  # folder of the brains
run = "runs/quick"  # folder that everything made here is written to
seeds = [0, 1]  # one β-VAE and one VAE of the chosen size for each
rows = 80  # pixels; height, about, that images are shrunk to
# how models are trained: quick or paper, then what differs, as in
# "quick, learning_rate=0.001"
recipe = "quick"
steps = 0  # updates of each model; 0 for the recipe's own number
latent_dims = [4, 6, 8, 10, 12, 16, 20]  # L, all with β and with the VAE
betas = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0]  # β, all at one L; 1 is the VAE
pca_dims = [32]  # further numbers of components, for PCA alone
latent_dim = 8  # L of the model that is looked at closely
beta = 3.0  # β of the model that is looked at closely
# whose curves are drawn too; "linear start" is the quick one without its
# nested part
compare_recipes = ["paper"]
compare_steps = 100  # updates of each; 0 for the recipe's own number

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import markup, open_run
from helpers.brains import figures, generative_factors, stages, vae
from helpers.brains.stages import claims_of_models

run = open_run(run, "08_vae_models", population=population)
data = stages.prepared_population(run, rows)
known = data.clean is not None
training = {"rows": rows, "recipe": recipe, "steps": steps}

# %% [markdown]
# ## The images
#
# The paper scales every image to the set's mean brightness, because fluorescence leaks in from the
# green channel, clips the outlier pixels that remain, and crops. All images are kept, the damaged
# ones too: a model of a real collection has to live with them. Brightness is scaled first, then
# clipped; both can be undone for display.

# %%
count, height, width = data.images.shape
told = [
    *data.steps,
    f"{count} images of {height}×{width} px: {len(data.train)} to train, "
    f"{len(data.validation)} to validate, {len(data.test)} to test",
    "no list of clean images: rows that need one are not run",
]
if known:
    told[-1] = f"{data.clean.sum()} images carry no artifact"
display(Markdown("\n".join(f"- {markup.plain(line)}" for line in told)))

# %%
some = stages.spread(data.clean_all, 10)
shown = [data.images[some[:5]], data.images[some[5:]]]
labels = ["", ""]
if known:
    labels = ["clean", "clean"]
if known and not data.clean.all():
    damaged = stages.spread(np.flatnonzero(~data.clean), 5)
    shown.append(data.images[damaged])
    labels = [*labels, "with artifacts"]
run.show(figures.gallery(shown, labels), "C_images")

# %% [markdown]
# The average (of the clean images, where they are known) is sharp only where brains agree. The
# regions of interest come from the atlas, where there is one, so they sit still while each
# individual bends around them (C Fig. 2A).

# %%
figure = figures.template_and_atlas(
    data.template,
    data.atlas,
    data.regions,
    data.pixel_size_um,
    f"average of the {'clean ' if known else ''}images",
)
run.show(figure, "C_fig2A_template_atlas")

# %% [markdown]
# ## Training the grid
#
# Seven convolutions (fewer on smaller images) and three fully connected layers, mirrored in the
# decoder; squared error summed over pixels plus β times the KL divergence from the prior. β is
# stated for 320×448 pixels. At a quarter of that size an image has 16 times fewer pixels and 16
# times less error to pay, so the KL term is divided by 16 as well: one β, one trade-off.
#
# How good is good enough? Were encoder and decoder linear, the same loss would have a closed form:
# probabilistic PCA. This **linear VAE** is what a trained network has to reach; one above it is not
# trained. It is drawn with every curve from here on.
#
# The quick recipe is ours. The network is the paper's, its start is not: for each seed one network
# first learns what the linear VAE knows (its encoder the posterior, its decoder the pictures), then
# the loss itself with its last latents switched off at random, so that it serves every smaller L.
# Each model of the grid is cut from this common start, trained with batches of 32, Adam at a rate
# that rises to 0.001 and falls to zero over a hundred updates, and a moving average of the weights.
# It stops before by a rule: when about fifty updates gain less than 1 % on the validation images.
# `--profile paper` trains as published, from random weights.
#
# The grid is a cross: all L at the chosen β and at β = 1, all β at the chosen L, a second seed
# where they meet.

# %%
models = stages.model_grid(
    run,
    latent_dims,
    betas,
    seeds,
    pca_dims=pca_dims,
    chosen=(latent_dim, beta),
    **training,
)
chosen = stages.three_models(
    run, seeds[0], latent_dim=latent_dim, beta=beta, **training
)

# %%
ours = chosen["β-VAE"]
active = vae.active_latents(ours.net, data.images[data.reference])
print(
    f"{len(active)} of {latent_dim} latents of the β-VAE are active "
    f"(at least {vae.INACTIVE_NATS} nat on held-out images)"
)

# %% [markdown]
# Loss as everywhere: squared error at the posterior mean plus the KL term, on validation images, in
# single precision. The next table has one row a model; what is wrong with any of them follows.

# %%
losses, wrong = stages.model_losses(run, models, rows=rows)
note = stages.training_note(run, models, rows=rows)
run.save_table(losses, "model_losses")
networks = losses[losses["family"].isin(["β-VAE", "VAE"])].copy()
networks["gap"] = networks["loss"] / networks["linear_loss"] - 1
display(networks.set_index(["family", "beta", "L", "seed"]).round(3))
at_l = losses[losses["L"] == latent_dim].fillna({"beta": 0})
print(f"Clean test error at L = {latent_dim}:")
print(at_l.groupby(["family", "beta"])["clean_test_error"].mean().round(2))
said = wrong or ["Every network of the grid is below its linear optimum."]
display(Markdown("\n".join(f"- {markup.plain(line)}" for line in said)))

# %% [markdown]
# Where does each training go? The curves below are the share by
# which a loss lies above the linear optimum of the same L and β, on validation images and on as
# many training images, both at the posterior mean. The published recipe, from random weights, is
# drawn beside the grid's at the chosen L and β, for as many updates as `compare_steps` says.

# %%
histories = {
    model.label: model.history
    for model in models
    if model.history is not None and model.seed == seeds[0]
}
for name in compare_recipes:
    settings = {"rows": rows, "recipe": name, "steps": compare_steps}
    other = stages.trained_vae(run, latent_dim, beta, seeds[0], **settings)
    histories[f"recipe {name}"] = other.history
figure = figures.training_curves(histories, ours.label)
run.show(figure, "C_training_curves")

# %% [markdown]
# ## What is rebuilt from eight numbers

# %%
examples = data.images[stages.spread(data.reference, 5)]
rebuilt = {
    family: vae.reconstruct(model.net, examples)
    for family, model in chosen.items()
}
figure = figures.gallery(
    [examples, *rebuilt.values()], ["held-out image", *rebuilt]
)
run.show(figure, "C_reconstructions")

# %% [markdown]
# ## The method in one picture (C Fig. 1)
#
# Left, *receptive field*: brighten one region of the input and watch the latents. Right,
# *projective field*: move one latent and watch the pixels. Pages 10 and 11 do both for every region
# and every latent.

# %%
if data.regions:
    region = data.regions.index("HPF") if "HPF" in data.regions else 0
    overview = stages.overview(run, ours, region, rows=rows)
    figure = figures.overview(**overview, region=data.regions[region])
    run.show(figure, "C_fig1_overview")
else:
    display(Markdown("Without an atlas, this picture is not drawn."))

# %% [markdown]
# ## Quality against the number of latents (C Fig. 2C, 2D)
#
# **CW-SSIM** compares oriented wavelets of the image and its reconstruction and forgives small
# shifts. **PCA-FD** fits Gaussians to the PCA scores of real and of generated images and measures
# how far apart they are; the metric's PCA is fitted to images that no model saw, with more
# components than the largest L, or the PCA model would score zero by construction. The reference is
# always the clean held-out images. Vertical lines span the seeds; dashed is the linear optimum,
# which shrinks PCA's scores a little and draws nearly the same.
#
# The dotted gray line is the **control**: the *mean image*, drawn for everybody. It is the floor. A
# measure on which it already scores high says little about any model, and what is put in the
# β-VAE's place must fail its claim. A difference only counts if its lower bound is above zero: the
# 2.5 % quantile of draws of images and of seeds, the same draws for all models. PCA-FD knows
# populations only: right brains of the wrong individuals would have the best of all, so its row
# also asks that each image lies nearer to its own picture than to the mean image.

# %%
components = max([*latent_dims, *pca_dims]) + 16
floor = stages.mean_image(run, rows=rows)
scores = stages.model_scores(
    run, [*models, floor], rows=rows, metric_components=components
)
run.save_table(scores, "vae_scores")
measures = {
    "cwssim": ("structure kept", "CW-SSIM"),
    "fd_clean": ("distribution of reconstructions", "PCA-FD"),
    "error": ("error", "squared error per image"),
}
figure = figures.against_latent_dim(scores, measures, latent_dim, "CD")
run.show(figure, "C_fig2CD_quality")

# %% [markdown]
# CW-SSIM is a mean over scales, and most of its finest scale is grain, which no model of few
# numbers can know. So here are the scales apart, the finest first. Where the floor lies high, there
# is little to win.

# %%
measures = {
    name: (f"scale {name[7:]}", "CW-SSIM")
    for name in scores.filter(regex=r"^cwssim_\d+$")
}
figure = figures.against_latent_dim(scores, measures, latent_dim)
run.show(figure, "C_quality_per_scale")

# %% [markdown]
# Further views: reconstructions of all held-out images, damaged ones included; images drawn from
# the prior, which is what a *generative* model promises; and fine texture, the spectral power above
# an eighth of a cycle per pixel. Power alone can be made up, so the last panel counts only what is
# *coherent with the input*: the part of the cross-spectrum with what makes this image differ from
# the mean image. Solid gray is the real images' own power. Here the control is the linear VAE of
# equal L: if it beats PCA as well, the texture is not the network's merit.

# %%
measures = {
    "fd_all": ("all held-out images rebuilt", "PCA-FD"),
    "fd_prior": ("samples of the prior", "PCA-FD"),
    "fine_power": ("fine texture", "spectral power"),
    "coherent": ("… coherent with the input", "spectral power"),
}
figure = figures.against_latent_dim(scores, measures, latent_dim)
run.show(figure, "C_quality_more")

# %%
measures = {
    "cwssim": ("structure", "CW-SSIM"),
    "fd_clean": ("distribution", "PCA-FD"),
    "error": ("error", "squared error"),
    "active": ("active latents", "latents"),
}
figure = figures.against_beta(scores, measures, latent_dim)
run.show(figure, "C_against_beta")

# %% [markdown]
# ## Which L, which β
#
# "Bends" needs a rule. Scale both axes to [0, 1], draw the chord from the first to the last value,
# take the place farthest from it. But *every* smooth curve that flattens has such a place: for a +
# b·L^−c, which looks the same everywhere, it is 8 or 10 on this grid. That power law is the
# control. A bend counts only if the curve is farther from its chord than the best power law, by a
# twentieth of its range, and if the place stays when either end of the grid is left out; only
# values that the paper looked at count, L from 4 to 20 and β from 1 to 20. Gray: the power law.

# %%
found = {None: claims_of_models.elbow_claims(scores, beta, latent_dim)}
for claim, value in found[None].items():
    print(claims_of_models.elbow_in_words(claim, value))
figure = figures.bends_and_power_laws(scores, beta, latent_dim)
run.show(figure, "C_bends")

# %%
found[None] |= claims_of_models.grid_claims(scores, latent_dim)
found[None] |= claims_of_models.quality_claims(
    run,
    models,
    scores,
    chosen=(latent_dim, beta),
    rows=rows,
    components=components,
)
found[None] = claims_of_models.with_note(found[None], note)
run.record_all(found)

# %% [markdown]
# ## Beyond the paper: do latents mean anything?
#
# A phantom knows what made each individual: how large the hippocampus, how thick the cortex. Each
# cell is the absolute rank correlation of a latent with a factor over the clean images, latents
# sorted to match factors one-to-one. Mean brightness is a factor too, but preprocessing takes it
# away. The *mutual information gap* says, per factor, how far the best latent is ahead of the
# second: 1 if one latent owns the factor, 0 if two share it.

# %%
table = run.population.truth
factors, gaps, matched = [], {}, {}
if table is not None:
    factors = [name for name in table if name not in ("index", "artifact")]
    values = table[factors].to_numpy()[data.clean_all]
for family, model in chosen.items() if factors else ():
    latents = stages.population_latents(run, model, rows=rows)
    latents = latents[data.clean_all]
    shared = generative_factors.mutual_information(latents, values)[0]
    gaps[family] = generative_factors.mutual_information_gap(shared)
    matched[family] = generative_factors.matched_correlation(latents, values)

# %%
files = {"β-VAE": "beta_vae", "VAE": "vae", "PCA": "pca"}
for family, (correlation, order) in matched.items():
    label = chosen[family].label
    figure = figures.matrix(
        correlation,
        [f"F{k + 1}" for k in order],
        [name.replace("_", "\n") for name in factors],
        f"{label}: latents against generative factors",
        "|rank correlation|",
        limits=(0, 1),
        column_width=0.9,
    )
    run.show(figure, f"C_factors_{files[family]}")

# %%
if factors:
    gaps = pd.DataFrame(gaps, index=pd.Index(factors, name="factor"))
    gaps.loc["mean"] = gaps.mean()
    run.save_table(gaps, "mutual_information_gap")
    display(gaps.round(2))
else:
    print("No generative factors are known for this dataset: not run.")

# %% [markdown]
# ## Compare
#
# How to read the rows. First look at the table of losses: a network above the linear optimum is not
# trained, and every row that rests on it says so. Below it, the network draws what a sum of
# components cannot, for brains differ by deformation, and that is not linear in pixels. Then look
# at what a measure rewards: a decoder made of transposed convolutions draws smoother images than a
# sum of components does. A row that "holds, but so does the control" is true here and says nothing
# about the network: the linear VAE needs no network to have texture, a power law needs no
# particular L to look bent.

# %%
run.scoreboard()
