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
# # Fifteen factors behind the features, and what each aligns with
#
# **Paper B, §2, §3 and Fig. 2C.** The network describes every window by 64 numbers. Paper B collects them at about 5.5 million
# positions of a slice and factorises: each position becomes a non-negative mixture of k = 15 patterns (NMF). A greedy rule then
# picks six factors, one per area. Three align with cortex, striatum and zona incerta; one marks white matter, myelinated and
# almost free of cells; one spreads over the thalamus (VP, ZI) and, to the authors' surprise, shows up in layers 4 and 6 of cortex.
#
# How we measure: all annotated positions of the slice go into the factorisation. Alignment is the area under the ROC curve
# (AUROC): the chance that a position inside an area has a larger coefficient than one outside; 0.5 says nothing.
# Factors are numbered as they come; numbers mean nothing from one run to the next.

# %% tags=["parameters"]
microct = "data/phantom-microct"
run = "runs/quick"
seeds = [0]
patches_per_area = 600
epochs = 8
recipe = "fast"
stride = 4
k = 15
p = 6
lam = 0.5
try_k = [5, 10, 15, 20]
try_seeds = [0, 1]
try_rows = 8000

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.tissue import stages
from helpers.book import claims
from helpers.tissue.factors import findings
from helpers.book.run import open_run
from helpers.tissue import live
from helpers.tissue import figures
from helpers.book import slider, style

style.use()
run = open_run(run, notebook="06_nmf_factors", microct=microct)
data = run.microct
first, second = stages.slice_pair(run)
others = f"; the second slice is {stages.slice_name(second)}" if second else ""
display(Markdown(f"The factors are those of slice {stages.slice_name(first)}{others}."))

# %% [markdown]
# ## Factorise
#
# Features are the activations after the rectifier, so none is negative. The solver reads them in blocks, starts from the best of
# several starts on a sample of positions, and stops when a pass over all positions lowers the squared error by less than a
# ten-thousandth. Components have unit norm; the coefficients carry the scale, and a coefficient that is not needed is exactly 0.

# %%
trained = {seed: stages.trained_classifier(run, seed, patches_per_area=patches_per_area, epochs=epochs, recipe=recipe) for seed in seeds}
fitted = {seed: stages.nmf_factors(run, trained[seed], first, k=k, seed=seed, stride=stride) for seed in seeds}
reports = {seed: stages.factor_report(run, fitted[seed], p=p, lam=lam) for seed in seeds}
report = reports[seeds[0]]
found, selection = report.found, report.selection

# %%
facts = pd.DataFrame([{"seed": seed, "positions": len(r.found.coefficients), "stride": stride, "k": k, "relative error": r.found.error,
                       "passes": r.found.iterations, "solver": r.found.solver,
                       "exact zeros": float((r.found.coefficients[::97] == 0).mean())} for seed, r in reports.items()])
run.save_table(facts, "nmf")
display(facts.round(4))

# %% [markdown]
# ## Choose one factor per area
#
# For every factor and area the rule counts positive coefficients: *coverage* are those inside the area, *leakage* is λ times those
# outside, the *score* is the difference. The largest score wins; its factor and its area are out; and so on. The whole table is
# shown, the winners framed in the order in which they were taken.

# %%
figure = figures.score_table(selection, data.areas)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "B_selection_scores")

# %%
names = [f"F{i}" for i in range(len(report.means))]
chosen = {area: (factor, data.areas[area - 1]) for factor, area in zip(selection.factors, selection.areas)}
tables = {"coverage": selection.coverage, "leakage": selection.leakage, "score": selection.scores}
scores = pd.concat({name: pd.DataFrame(table, names, data.areas[:table.shape[1]]) for name, table in tables.items()}, axis=1)
run.save_table(scores.rename_axis("factor"), "factor_selection")
display(pd.DataFrame([{"factor": f"F{factor}", "chosen for": area} for factor, area in chosen.values()]))

# %% [markdown]
# ## Six heatmaps
#
# In the published order, cortex on top, gray values inverted as in the paper, areas outlined. Dark is a large coefficient; where
# the slice shows through, the coefficient is zero or nearly so. The darkest colour stands at the 99th percentile of each factor's
# positive coefficients.

# %%
labels = found.grid.at_grid(found.areas)
cortex = 1 + next((i for i, name in enumerate(data.areas) if name.casefold() == "cortex"), -1)
view = figures.view_of(found.areas > 0, figures.quarter_turns(labels, cortex), stride, margin=60)
order = [i + 1 for i in figures.in_paper_order(data.areas) if i + 1 in chosen]
shown = [(chosen[area][0], f"F{chosen[area][0]} ({chosen[area][1]})") for area in order]
figure = figures.selected_factors(first.image, view, [found.on_grid(found.coefficients[:, i]) for i, _ in shown],
                                  [report.tops[i] for i, _ in shown], [title for _, title in shown], labels, data.pixel_size_um)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "B_fig2C_factors")

# %% [markdown]
# All factors, chosen or not. Move the slider; it needs no kernel. To fit the page, the slice lies on its side here:
# what is on top of the six heatmaps is on the right.

# %%
pictures = [figures.one_factor(first.image, view, found.on_grid(found.coefficients[:, i]), report.tops[i], labels, f"F{i}")
            for i in range(len(names))]
for picture in pictures:
    style.mark_phantom(picture, data.is_phantom)
taken = dict(chosen.values())
display(slider.image_slider(pictures, [f"F{i}" + (f", chosen for {taken[i]}" if i in taken else "") for i in range(len(names))], "factor"))

# %% [markdown]
# ## What each factor aligns with
#
# A factor *belongs* to an area if its mean is largest there and its AUROC is high. A factor that is dark in several rows of the
# left table is shared between areas.

# %%
figure = figures.factor_tables(report.means, report.coverage, report.auroc, data.areas, list(zip(selection.factors, selection.areas)))
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "B_factor_alignment")
tables = {"mean": report.means, "coverage": report.coverage, "auroc": report.auroc}
alignment = pd.concat({name: pd.DataFrame(table, names, data.areas) for name, table in tables.items()}, axis=1)
run.save_table(alignment.rename_axis("factor"), "factor_alignment")

# %% [markdown]
# ## Cells and axons
#
# Does a factor follow what tissue is made of? On a phantom the densities of cells and of axons are known at every pixel; on real
# tissue they are estimated: dark blobs of the size of cell bodies, bright fibre-like pixels, both in the window around a position.

# %%
figure = figures.density_correlations(report.cells, report.axons, names, report.known)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "B_factor_densities")
densities = pd.DataFrame({"cells": report.cells, "axons": report.axons}, index=pd.Index(names, name="factor"))
run.save_table(densities, "factor_densities")

# %% [markdown]
# ## Which layers of cortex
#
# "F11 in L4 and L6" becomes a measurement: the mean coefficient of each selected factor in each layer, relative to its mean over
# layers. Left out are factors that are *silent* in cortex: their mean there is below 1 % of that in the area they were chosen for,
# and a peak of next to nothing means nothing. Whether a difference is more than chance is asked by a block bootstrap, because
# neighbouring windows share their pixels.

# %%
if report.layer_means is not None:
    note = "layers as annotated" if report.layers_annotated else "bands of depth stand in for layers"
    silent = findings.silent_factors(selection, report.means, cortex)
    figure = figures.layer_means(report.layer_means, stages.SURFACE_DOWN, dict(shown), note, silent)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_factor_layers")
    layers = pd.DataFrame(report.layer_means, pd.Index(names, name="factor"), stages.SURFACE_DOWN)
    run.save_table(layers, "factor_layers")
    listed = ", ".join(name for i, name in shown if i in silent) or "none of the selected factors"
    display(Markdown(f"Silent in cortex: {listed}. A factor that is silent in cortex cannot be shared with its layers, and that is what "
                     "claim B.nmf.shared asks of the factor chosen for VP."))

# %% [markdown]
# ## The same basis on a second slice
#
# Components are kept, coefficients are solved for, position by position. If the factors describe tissue and not one slice, they
# light up in the same places; the error says how much worse the borrowed basis fits.

# %%
if second:
    other = stages.nmf_factors(run, trained[seeds[0]], second, stride=stride, basis=fitted[seeds[0]]).value
    view_2 = figures.view_of(other.areas > 0, view.turns, stride, margin=60)
    figure = figures.selected_factors(second.image, view_2, [other.on_grid(other.coefficients[:, i]) for i, _ in shown],
                                      [report.tops[i] for i, _ in shown], [title for _, title in shown], other.grid.at_grid(other.areas),
                                      data.pixel_size_um)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_factors_second_slice")
    origin = "annotated" if other.annotated else "predicted by the network"
    display(Markdown(f"Slice {stages.slice_name(second)}, areas {origin}: relative error {other.error:.3f} against {found.error:.3f} on the first."))

# %% [markdown]
# ## Is 15 a good number?
#
# The error falls with every factor added, so it alone cannot choose. Stability can help: factorise again from other positions and
# other starts, pair the factors, and see how alike they are (cosine, 1 is equal). Any number whose factors come back is defensible;
# among those, the error says how much of the features more factors would add.

# %%
table = stages.choice_of_k(run, fitted[seeds[0]], try_k, try_seeds, max_rows=try_rows).value
figure = figures.choosing(table, "k", k, {"error": "relative error", "stability": "likeness of matched factors"})
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "B_choice_of_k")
run.save_table(table, "choice_of_k")
display(Markdown(findings.stability_in_words(table, "k", k)))

# %% [markdown]
# ## Explore
#
# In a live session, change λ and p of the selection and look at any factor.

# %%
live.factor_explorer(first.image, view, found, labels, data.areas)

# %% [markdown]
# ## Compare
#
# A red row says that the rule did not hold for this network on these slices, not that the paper is wrong. The network learns to tell
# areas apart; nothing asks it to keep what tells layers apart, least of all on a phantom or after a short training. Where the factor
# chosen for VP is silent in cortex, the row on shared factors says little, whatever its verdict. Another network has other factors,
# so look at several seeds before reading much into one row.

# %%
for seed, one in reports.items():
    for claim, value in one.claims.items():
        if isinstance(value, str):
            claims.not_run(claim, value)
        else:
            claims.record(claim, value, seed=seed)

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
