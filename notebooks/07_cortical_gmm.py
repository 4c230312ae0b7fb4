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
# # Layers, barrels and densities nobody labelled: clusters of cortical factors
#
# **Paper B, §3, Fig. 2A and 2B.** The network was told only "cortex". Paper B takes the 15 factor coefficients of every cortical
# position and fits a Gaussian mixture with four components. A subset of them explains much of cortex; layers 2/3 and 5/6 are split over
# two; places rich in cells and axons, in layers 4 and 6, fall into one; another resembles the barrels of layer 4. The three factors
# chosen for layers roughly map onto them.
#
# How we measure: positions within 64 pixels of the edge of the tissue are left out (their windows see beyond it). Components are
# called by what they hold (density of cells, preferred layers), never by number. Layers, cells and barrels serve only to judge.

# %% tags=["parameters"]
microct = "data/phantom-microct"
run = "runs/quick"
seeds = [0]
patches_per_area = 600
epochs = 8
recipe = "fast"
stride = 4
k = 15
n_components = 4
gmm_seed = 22
margin = 64
p = 3
lam = 0.3
box = []
box_size = 500
try_components = [2, 3, 4, 5, 6, 8]
try_seeds = [22, 23, 24]

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.tissue import stages
from helpers.book import claims
from helpers.tissue.factors import findings
from helpers.book.run import open_run
from helpers.tissue import live
from helpers.tissue import figures
from helpers.book import style

style.use()
run = open_run(run, notebook="07_cortical_gmm", microct=microct)
data, layer_names = run.microct, list(stages.SURFACE_DOWN)
first, second = stages.slice_pair(run)
claimed = ["B.cortex.layers", "B.gmm.subset", "B.gmm.layers", "B.gmm.dense_axons", "B.gmm.barrels"]

# %% [markdown]
# ## Fit
#
# Full covariances, a fixed seed (22, the authors'), coefficients as they are. Positions overlap, so the mixture is fitted on a
# random subset and every position then gets its posterior.

# %%
trained = {seed: stages.trained_classifier(run, seed, patches_per_area=patches_per_area, epochs=epochs, recipe=recipe) for seed in seeds}
fitted = {seed: stages.nmf_factors(run, trained[seed], first, k=k, seed=seed, stride=stride) for seed in seeds}
settings = {"n_components": n_components, "seed": gmm_seed, "margin": margin}
reports = {}
try:
    components = {seed: stages.cortical_components(run, fitted[seed], **settings) for seed in seeds}
    reports = {seed: stages.cortex_report(run, components[seed], lam=lam, p=p) for seed in seeds}
except ValueError as error:
    display(Markdown(f"**This page was not run on this dataset: {error}.**"))
    for claim in claimed:
        claims.not_run(claim, str(error))

# %%
if reports:
    report = reports[seeds[0]]
    found = report.found
    origin = "annotated" if found.layers_annotated else "bands of depth, which stand in for labels (approximate)"
    display(Markdown(f"Slice {stages.slice_name(first)}: {found.inside.sum()} cortical positions, fitted on {found.mixture.rows} of them. "
                     f"Layers are {origin}; densities are {'known' if report.known else 'estimated from gray values'}."))

# %% [markdown]
# ## Areas and layers (A1)

# %%
if reports:
    areas, cortex = found.factors.areas, 1 + [name.casefold() for name in data.areas].index("cortex")
    labels = found.factors.grid.at_grid(areas)
    turns = figures.quarter_turns(labels, cortex)
    note = "layers" + ("" if found.layers_annotated else ": bands of depth")
    figure = figures.areas_and_layers(first.image, figures.view_of(areas > 0, turns, stride, 60), labels, found.layers,
                                             data.areas, layer_names, cortex, note)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_fig2A1_areas_layers")

# %% [markdown]
# ## The components over the cortex (A2)
#
# The box is placed where the components meet most evenly; `box = [row, column]` puts it elsewhere.

# %%
if reports:
    view = figures.view_of(areas == cortex, turns, stride, 30)
    corner, windows = stages.example_box(report, box_size, 128, box)
    figure = figures.component_map(first.image, view, found.components, found.layers, report.names, corner, box_size,
                                          data.pixel_size_um)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_fig2A2_components")

# %% [markdown]
# ## Each component alone (B2)
#
# The posterior of each, dark where it is certain, with the borders of layers.

# %%
if reports:
    posteriors = found.on_grid(found.posteriors)
    figure = figures.single_components(view, posteriors, found.layers, report.names)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_fig2B2_single_components")

# %% [markdown]
# ## What the components hold
#
# Mean density of cells and of axons, and the share of cortex. "High cell density with many axons" is a row that is long in both.

# %%
if reports:
    figure = figures.component_densities(report.cells, report.axons, found.mixture.weights, report.names, report.known)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_component_densities")
    table = pd.DataFrame({"cells": report.cells, "axons": report.axons, "weight": found.mixture.weights}, pd.Index(report.names, name="component"))
    run.save_table(table.join(pd.DataFrame(found.shares(), table.index, layer_names)), "components")
    display(Markdown(findings.densities_in_words(report.claims["B.gmm.layers"]["density_ratio"])))

# %% [markdown]
# ## Layers of each component, on two slices
#
# The second slice keeps the factors of the first and gets a mixture of its own; components are paired one-to-one so that the
# Jensen–Shannon distances of their laminar shares are smallest together. Bars above the dash prefer that layer. The margin runs along
# the surface and takes most of layer 1 with it, so bars of L1 may be empty; layers with under 2 % of the clustered positions are not
# named as preferred.

# %%
if reports:
    matched, names = None, [stages.slice_name(first)]
    try:
        other = stages.nmf_factors(run, trained[seeds[0]], second, stride=stride, basis=fitted[seeds[0]]) if second else None
        other = stages.cortex_report(run, stages.cortical_components(run, other, **settings), lam=lam, p=p) if other else None
        matched, partner, distance = stages.matched_shares(report, other) if other else (None, None, None)
        names += [stages.slice_name(second)] if other else []
    except ValueError as error:
        display(Markdown(f"The second slice is left out: {error}."))
    titles = [name if matched is None else f"{name}\ndistance {distance[c]:.2f}" for c, name in enumerate(report.names)]
    figure = figures.shares_of_two_slices(found.shares(), matched, report.base, layer_names, titles, names)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_layer_shares")
    left_out = pd.Series(report.left_out, layer_names).dropna()
    display(Markdown(f"Left out by the margin of {margin} pixels: " + ", ".join(f"{name} {share:.0%}" for name, share in left_out.items())))

# %% [markdown]
# ## The three factors of the cortex (B1)
#
# Chosen as the six before, with layers in place of areas, only cortical positions counted, and λ = 0.3.

# %%
if reports:
    names = [f"F{i} for {layer_names[a - 1]}" for i, a in zip(report.selection.factors, report.selection.areas)]
    figure = figures.top_factors(view, report.top_maps(), names)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_fig2B1_top_factors")
    display(Markdown(f"Which of the three is largest tells {report.information:.3f} of the layer (normalised mutual information); if columns of "
                     f"cortex are shifted along depth, 99 of 100 times less than {report.claims['B.cortex.layers']['null_99']:.3f}. "
                     f"Components against layers: adjusted Rand index {report.rand:.3f}."))

# %% [markdown]
# ## Closer (B3)
#
# Raw pixels of the box, intensity inverted as in the paper, the components over them, and for each component the 150 µm window of
# the box that holds most of it.

# %%
if reports:
    zoomed = figures.View(*corner, box_size, box_size, turns, stride)
    figure = figures.zoom(first.image, zoomed, found.components, windows, 128, report.names, data.pixel_size_um)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_fig2B3_zoom")

# %% [markdown]
# ## Barrels
#
# The component most typical of layer 4, where it lies in layer 4. On a phantom the barrels are known; precision has to beat what
# a random choice of positions in layer 4 would reach.

# %%
if reports:
    truth = found.factors.grid.at_grid(first.truth["barrels"]) > 0 if "barrels" in first.truth else None
    figure = figures.barrels(view, report.barrels, found.layers, report.barrel_component,
                                    report.names[report.barrel_component], truth)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_barrels")
    display(Markdown(", ".join(f"{name.replace('_', ' ')} {value:.{0 if name == 'blobs' else 2}f}"
                               for name, value in report.claims["B.gmm.barrels"].items())))

# %% [markdown]
# ## Are four components a good number?
#
# The Bayesian information criterion (lower is better) weighs fit against parameters; stability is how well maps from different seeds agree.

# %%
if reports:
    table = stages.choice_of_components(run, fitted[seeds[0]], components[seeds[0]], try_components, try_seeds).value
    figure = figures.choosing(table, "components", n_components, {"bic": "BIC per position", "stability": "adjusted Rand index\nbetween seeds"})
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "B_choice_of_components")
    run.save_table(table, "choice_of_components")
    display(Markdown(findings.stability_in_words(table, "components", n_components) + " "
                     + findings.criterion_in_words(table["components"].tolist(), table["bic"])))

# %% [markdown]
# ## Explore
#
# In a live session, choose a component and how strongly it covers the pixels.

# %%
if reports:
    live.component_explorer(first.image, view, posteriors, report.names)

# %% [markdown]
# ## Compare
#
# A red row says that the rule did not hold here. The network learned areas, so it need not keep what tells layers apart, least of all
# on a phantom or after a short training; components then follow something else, brightness for example. Read the precision of barrels
# against chance, which stands in the same row: where most of layer 4 is barrel, a high precision is easy. How much of cortex two
# components hold depends on where the mixture starts, so try other values of `gmm_seed` before taking that row for a finding.

# %%
for seed, one in reports.items():
    for claim, value in one.claims.items():
        claims.record(claim, value, seed=seed)

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
