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
# **Paper C, §2.2, §3.3, Fig. 3B–3E, S2, S3.** The other direction: fill one region of the input with a flat gray, dark or bright, encode, and
# see which latents move. Over many clean images each latent then has a distribution per region and brightness; the KL
# divergence between the darkest and the brightest is the region's *impact* on that latent. The paper finds that **the hippocampus
# moves almost all latents and the striatum many**, that several latents ignore some regions, that receptive and
# projective fields need not coincide, and that the β-VAE's latents respond to regions more differently from one another than the VAE's or PCA's do.

# %% tags=["parameters"]
population = "data/phantom-population"
run = "runs/quick"
seeds = [0, 1]
rows = 80
recipe = "quick"
steps = 0
latent_dim = 8
beta = 3.0
images = 200
brightness_weights = [0.0, 0.5, 1.0, 1.5, 2.0]
gains = [0.7, 0.85, 1.0, 1.15, 1.3]
weight_step = 0.1
starts = 4
panel_region = "HPF"

# %%
import numpy as np
import pandas as pd
from IPython.display import display

from helpers.brains import stages
from helpers.book import claims
from helpers.brains import findings, projective_field, receptive_field, vae
from helpers.book.run import open_run
from helpers.brains import figures
from helpers.book import style

style.use()
run = open_run(run, notebook="11_receptive_field", population=population)
data = stages.prepared_population(run, rows)
models = {seed: stages.three_models(run, seed, latent_dim=latent_dim, beta=beta, rows=rows, recipe=recipe, steps=steps) for seed in seeds}
model = models[seeds[0]]["β-VAE"]
active = vae.active_latents(model.net, data.images[data.reference])
names = [f"F{k + 1}" for k in range(latent_dim)]
print(f"{min(images, len(data.clean_all))} {'clean ' if data.clean is not None else ''}images; active: {', '.join(names[k] for k in active)}")

# %% [markdown]
# ## Masked images (C S2)
#
# x̃ = x₀(1 − m) + w·b·m: the region m is filled with w times its usual brightness b. At w = 1 only the texture is gone; at 0 the
# region is a hole, at 2 it glows. Both ends are far from anything the network has seen.

# %%
masks = receptive_field.region_masks(data.atlas, len(data.regions))
brightness = receptive_field.region_brightness(data.images[data.clean_all], masks)
example = data.images[data.reference[:1]]
masked = np.stack([[receptive_field.fill_region(example, mask, b, w)[0] for w in brightness_weights] for mask, b in zip(masks, brightness)])
figure = figures.masked_inputs(masked, data.regions, brightness_weights)
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_S2_masked_inputs")

# %% [markdown]
# ## How every latent answers to every region (C S3, Fig. 3C)
#
# Histograms over images with the fitted Gaussians; dark to bright is purple to yellow. Where the colours lie apart, the region
# moves the latent.

# %%
responses = stages.region_responses(run, model, rows=rows, images=images, weights=brightness_weights)
mean, variance = receptive_field.fit_gaussians(responses)
figure = figures.activation_grid(responses, brightness_weights, mean, variance, data.regions, names)
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_S3_activations")

# %%
impact = receptive_field.kl_matrix(mean, variance)
region = data.regions.index(panel_region) if panel_region in data.regions else 0
order = active[np.argsort(impact[region, active])] if len(active) > 1 else [0, 0]
two = [int(order[-1]), int(order[0])]
figure = figures.activation_panels(responses[region][:, :, two], brightness_weights, mean[region][:, two], variance[region][:, two],
                                          data.regions[region], [f"{names[two[0]]} (most moved)", f"{names[two[1]]} (least moved)"])
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_fig3C_activations")

# %% [markdown]
# ## Region × latent impact, and covariance (C Fig. 3B, 3D)
#
# Left, each row is one region's KL from dark to bright, divided by the row's sum: which latents take the blow. Right, how alike
# two latents' columns are.
#
# The paper's "almost all latents" is counted here in nats, before that division: a latent is moved if its KL is above 0.1 nat.
# Picture and count can seem to disagree. Where a region moves every latent, one of them still may hold nearly the whole
# row, and the others look dark; and in the row of a region that moves nothing, some latent is bright all the same.

# %%
shares = receptive_field.normalise_rows(impact)
figure = figures.impact_and_covariance(shares, receptive_field.impact_covariance(shares), data.regions, names)
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_fig3BD_impact")
run.save_table(pd.DataFrame(impact, index=pd.Index(data.regions, name="region"), columns=names), "impact_kl")

# %% [markdown]
# A hole in the brain is a crude question. Scaling a region by gentle gains keeps its texture and stays near the data. Does it
# give another answer? The lines below say. The KL is also not symmetric; the third matrix averages both directions. Numbers in
# brackets are below 0.1 nat.

# %%
gentle = receptive_field.fit_gaussians(stages.region_responses(run, model, rows=rows, images=images, weights=gains, keep_texture=True))
scaled = receptive_field.kl_matrix(*gentle)
print("\n".join(findings.filled_and_scaled(impact[:, active], scaled[:, active], data.regions)))
both = receptive_field.kl_matrix(mean, variance, symmetric=True)
for name, values, title in (("gains", scaled, f"KL, region × {gains[0]:g} to × {gains[-1]:g}, texture kept"),
                            ("filled", impact, "KL, region filled dark to bright"), ("symmetric", both, "KL, filled, both directions averaged")):
    figure = figures.matrix(values, data.regions, names, title, "nats", brackets_below=findings.MOVED_NATS)
    style.mark_phantom(figure, run.population.is_phantom)
    run.save_figure(figure, f"C_impact_{name}")

# %% [markdown]
# ## Both directions side by side
#
# What a latent draws need not be what moves it: the paper finds that the two fields may not be aligned in space, and points to its
# factor 8 and the hippocampus.

# %%
field = stages.projective_fields(run, model, rows=rows, step=weight_step, starts=starts)
drawn = projective_field.region_variance(field["variance"][:, [0, 1]].mean(1)[:, None], data.atlas, len(data.regions))[:, 0].T
figure = figures.region_against_latent(drawn / drawn.sum(0), impact / np.maximum(impact.sum(0), 1e-12), data.regions, names)
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_both_directions")

# %% [markdown]
# ## Decorrelation score of the three models (C Fig. 3E)
#
# Mean over pairs of active latents of 1 − |correlation of their impact profiles|. Six regions are few: profiles shuffled at random
# already score high (gray), and a score means something only against that. Bars are 95 % of bootstrap draws over images.

# %%
found = []
for seed, three in models.items():
    for family, each in three.items():
        if family == "PCA" and seed != seeds[0]:
            continue  # PCA has no seed
        live = vae.active_latents(each.net, data.images[data.reference])
        answers = stages.region_responses(run, each, rows=rows, images=images, weights=brightness_weights)
        found.append({"family": family, "seed": seed, "latents": len(live), **findings.decorrelation(answers, live)})
found = pd.DataFrame(found)
run.save_table(found, "decorrelation")
figure = figures.decorrelation(found)
style.mark_phantom(figure, run.population.is_phantom)
run.save_figure(figure, "C_fig3E_decorrelation")
display(found.round(3))

# %% [markdown]
# ## Change a region's brightness yourself
#
# Live sessions only: choose a region and its brightness, see the image, its latents, and what the decoder makes of them.

# %%
from helpers.brains import live

live.region_brightness(model.net, example[0], masks, brightness, data.regions)

# %% [markdown]
# ## Compare
#
# How to read the rows. Decorrelation must be held against the gray null: over few regions (the paper has six) it is wide,
# and an order of models whose scores all lie inside it, or whose seeds differ as much as the models do, says little, in green as in red.
# The rows on impact come from filling, which takes images far from the data; a green one is worth more if the gentle gains agree.

# %%
for seed, three in models.items():
    each = three["β-VAE"]
    live = vae.active_latents(each.net, data.images[data.reference])
    if len(live) < 2:
        continue
    answers = stages.region_responses(run, each, rows=rows, images=images, weights=brightness_weights)
    kl = receptive_field.kl_matrix(*receptive_field.fit_gaussians(answers))[:, live]
    moved = findings.moved_share(kl, data.regions)
    if moved:
        claims.record("C.kl.hpf", moved, seed=seed)
    claims.record("C.kl.sparse", len(receptive_field.unmoved_latents(kl)), seed=seed)
    claims.record("C.kl.local", len(receptive_field.localised_latents(receptive_field.normalise_rows(kl))) / len(live), seed=seed)
    variances = stages.projective_fields(run, each, rows=rows, step=weight_step, starts=starts)["variance"][live][:, [0, 1]].mean(1)[:, None]
    drawn = projective_field.region_variance(variances, data.atlas, len(data.regions))[:, 0].T
    claims.record("C.field_asymmetry", findings.field_mismatch(kl, drawn), seed=seed)

# %%
for seed in seeds:
    rows_of_seed = found[(found["seed"] == seed) | (found["family"] == "PCA")].set_index("family")["score"]
    if rows_of_seed.notna().all():
        claims.record("C.decorrelation", {"beta_vae": rows_of_seed["β-VAE"], "vae": rows_of_seed["VAE"], "pca": rows_of_seed["PCA"]}, seed=seed)
for row in claims.scoreboard(run.path):
    if row["notebook"] == run.notebook and not row["values"]:
        claims.not_run(row["id"], "the atlas has no HPF and STR" if row["id"] == "C.kl.hpf" else "fewer than two latents are active")

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
