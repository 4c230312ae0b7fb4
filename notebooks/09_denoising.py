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
# # Rebuilding what was never seen: artifacts through three models
#
# **Paper C, §3.2, Fig. 2B, S1.** Some sections are damaged: bright light leaks in from the green
# channel, a piece of tissue is missing, tiles of the microscope leave a grid. A model that has only
# eight numbers for an image may have none to spare for damage, and then it draws the brain as it
# should have been. The paper shows examples of these three kinds and finds that **the β-VAE removes
# artifacts best**, that PCA lets leaked light through, and that the VAE does not restore missing
# tissue.
#
# Examples persuade, numbers decide. Here artifacts are put into clean held-out images, so the truth
# is known for any dataset, and put in *before* preparation, as nature does: a bright spot makes the
# rest of its image darker when brightness is matched. *Transmission* is the share of the artifact's
# energy that a model lets through, ‖x̂(x + a) − x̂(x)‖ / ‖a‖.
#
# A model that draws the same brain for everybody lets nothing through. That is the **control**, the
# *mean image*, and it must fail. So beside transmission stands what is *kept* of each individual:
# the share of its deviation from the mean image that is still there, ⟨x̂(x + a) − m, x − m⟩ / ‖x −
# m‖². The mean image keeps nothing.

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
per_type = 40  # images, at most, that each kind of damage is put into

# %%
import numpy as np
import pandas as pd

from helpers.book import open_run
from helpers.brains import figures, outliers, stages, vae
from helpers.brains.stages import claims_of_models

# %%
run = open_run(run, "09_denoising", population=population)
data = stages.prepared_population(run, rows)
known = data.clean is not None
size = {"latent_dim": latent_dim, "beta": beta}
training = {"rows": rows, "recipe": recipe, "steps": steps}
models = {
    seed: stages.three_models(run, seed, **size, **training) for seed in seeds
}
first = models[seeds[0]]

# %% [markdown]
# ## Three kinds of damage (C Fig. 2B)
#
# Artifacts put into clean held-out images; the clean image is the last row. Outlines show where the
# artifact lies.

# %%
made = stages.injected_artifacts(run, rows=rows, per_type=per_type)
places = [(kind, i) for kind in made for i in (0, len(made[kind][0]) // 2)]
clean, corrupted, masks = (
    np.stack([made[kind][part][i] for kind, i in places]) for part in range(3)
)
rebuilt = {
    family: vae.reconstruct(model.net, corrupted)
    for family, model in first.items()
}

# %%
figure = figures.gallery(
    [corrupted, *rebuilt.values(), clean],
    ["damaged", *rebuilt, "truth"],
    [kind for kind, _ in places],
    outline=masks,
)
run.show(figure, "C_fig2B_denoising")

# %% [markdown]
# ## The dataset's own damaged images (C S1)
#
# These were never clean to begin with. On a phantom the same individual without damage is known and
# stands in the last row; on real data there is no such row.

# %%
if known:
    damaged = stages.spread(data.test[~data.clean[data.test]], 6)
    shown = {"damaged": data.images[damaged]}
    for family, model in first.items():
        shown[family] = vae.reconstruct(model.net, data.images[damaged])
    if data.clean_images is not None:
        shown["truth"] = data.clean_images[damaged]
    kinds = [""] * len(damaged)
    if run.population.truth is not None:
        kinds = list(run.population.truth["artifact"].iloc[damaged])
    figure = figures.gallery(list(shown.values()), list(shown), kinds)
    run.show(figure, "C_S1_own_artifacts")
else:
    print("Which images are damaged is not known for this dataset: not run.")

# %% [markdown]
# ## In numbers
#
# Error over the whole image misleads: an artifact covers little of it, and what a model gains there
# it can lose elsewhere. So the error inside the artifact's outline is shown on its own. Lines span
# the middle half of the images; the gray diamond is the mean image.

# %%
floor = stages.mean_image(run, rows=rows)
parts = []
for seed, three in models.items():
    everyone = {**three, floor.family: floor} if three is first else three
    for family, model in everyone.items():
        part = stages.denoising_table(run, model, rows=rows, per_type=per_type)
        own = seed if family in ("β-VAE", "VAE") else 0  # others have none
        parts.append(part.assign(family=family, seed=own))
table = pd.concat(parts, ignore_index=True)
table = table.drop_duplicates(["family", "seed", "kind", "image"])
means = table.groupby(["family", "seed", "kind"]).mean(numeric_only=True)
run.save_table(means.reset_index(), "denoising")

# %%
measures = {
    "transmission": ("let through (lower is better)", "transmission"),
    "kept": ("kept of each individual", "share of its deviation"),
    "error_inside": ("left inside the artifact", "mean squared error"),
}
figure = figures.bars_per_artifact(table, measures, floor=floor.family)
run.show(figure, "C_transmission")

# %%
found = {"C.denoise": "no list of clean images to put artifacts into"}
if known:
    found = claims_of_models.denoising_claim(
        run,
        table[table["family"] != floor.family],
        rows=rows,
        per_type=per_type,
    )
networks = [three[f] for three in models.values() for f in ("β-VAE", "VAE")]
note = stages.training_note(run, networks, rows=rows)
run.record_all({None: claims_of_models.with_note(found, note)})

# %% [markdown]
# ## Beyond the paper: can the model tell which images are damaged?
#
# What a model cannot rebuild is suspicious. Three scores flag an image: its plain squared error;
# the mean of its worst 1 % of pixels, each in units of the usual residual at that place (artifacts
# are local, and edges are always rebuilt badly); and the length of its latent vector. The usual
# residual is learned from validation images, without knowing which are damaged.

# %%
net = first["β-VAE"].net
validation, test = data.images[data.validation], data.images[data.test]
rebuilt_test, codes = vae.reconstruct(net, test), net.encode(test)
rebuilt_validation = vae.reconstruct(net, validation)
scale = outliers.residual_scale(validation, rebuilt_validation)
worst = outliers.outlier_score(test, rebuilt_test, scale)
flags = {
    "squared error": ((test - rebuilt_test) ** 2).mean((1, 2)),
    "worst 1 % of pixels": worst,
    "length of the latent vector": np.linalg.norm(codes, axis=1),
}

# %%
if known:
    bad = ~data.clean[data.test]
    curves = {
        name: outliers.detection(score, bad) for name, score in flags.items()
    }
    figure = figures.receiver_operating_curves(curves)
    run.show(figure, "C_outlier_roc")

# %% [markdown]
# Without labels the same score still ranks images for a closer look. These six held-out images have
# the most unusual pixels:

# %%
suspects = np.argsort(worst)[::-1][:6]
figure = figures.gallery(
    [test[suspects], rebuilt_test[suspects]],
    ["image", "β-VAE"],
    [f"score {worst[i]:.1f}" for i in suspects],
)
run.show(figure, "C_suspects")

# %% [markdown]
# ## Beyond the paper: does the model know what it does not know?
#
# The encoder gives each latent a mean and a spread. Decoding many draws shows where the picture
# depends on them. If that were all there is to be uncertain of, the spread would match the error;
# where the error is larger, something is missing from the model, not from its latents.

# %%
candidates = data.test
if known:
    candidates = np.concatenate([data.reference[:1], damaged[:2]])
images = data.images[stages.spread(candidates, 3)]
rebuilt = vae.reconstruct(net, images)
spread = vae.reconstruction_uncertainty(net, images)
errors = np.abs(images - rebuilt)
figure = figures.uncertainty(images, rebuilt, spread, errors)
run.show(figure, "C_uncertainty")

# %% [markdown]
# ## Compare
#
# How to read the row. A model lets damage through if its latents can express it. PCA with few
# components can only add and subtract fixed pictures; where none of them looks like the damage,
# little gets through, and no learning to denoise is needed for that. Damage that repeats itself, at
# the same injection sites, with the same tiles, is worth a latent to any model. So read
# transmission with what is kept: low transmission is worth something only where the individual is
# still there, and the row needs lower bounds over images and seeds for both kinds of damage and
# against both rivals.

# %%
run.scoreboard()
