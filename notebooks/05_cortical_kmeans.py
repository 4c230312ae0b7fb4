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
# # Finer than the labels: clusters across the depth of cortex
#
# **Paper A, §III.6 and Fig. 6.** To the network all of cortex is one class; nobody told it of layers. Still, windows at different
# depths give different features. The paper samples cortex densely, orders the features along depth, reduces them by principal
# components, and clusters them by k-means with k = 4: two clusters come out near layer 1 and layer 2/3, the others are
# transition zones, and dense and sparse regions part.
#
# How we measure: windows every few pixels over a strip that runs from the white matter (left) to the surface (right); components
# that hold 95 % of the variance, at most 10; k-means, several starts. A layer counts as found if a cluster of its own marks it
# with F1 ≥ 0.5; a transition zone is another cluster with at least half of its windows within 64 pixels of a border between layers.

# %% tags=["parameters"]
microct = "data/phantom-microct"
run = "runs/quick"
seeds = [0]
patches_per_area = 600
epochs = 8
recipe = "fast"
stride = 8
strip_um = 500.0
k = 4
variance = 0.95
max_components = 10
kmeans_seeds = [0, 1, 2]

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers.tissue import stages
from helpers.book import claims
from helpers.tissue.cortex import depth, kmeans, layer_scores
from helpers.book.run import open_run
from helpers.tissue import live
from helpers.tissue import figures
from helpers.book import style

style.use()
run = open_run(run, notebook="05_cortical_kmeans", microct=microct)
data, names = run.microct, stages.SURFACE_DOWN
trained = {seed: stages.trained_classifier(run, seed, patches_per_area=patches_per_area, epochs=epochs, recipe=recipe) for seed in seeds}

# %%
try:
    grids = {seed: stages.cortex_grid(run, trained[seed], stride=stride) for seed in seeds}
    grid = grids[seeds[0]]
    origin = "layers as annotated" if grid.annotated else "bands of depth that stand in for layers (approximate)"
    words = f"{grid.inside.sum()} windows lie in the cortex, one every {stride} pixels; {origin}."
    display(Markdown(f"Slice z = {grid.piece.z} ({grid.piece.role}); {words}"))
except ValueError as error:
    grids, grid = {}, None
    claims.not_run("A.kmeans.layers", str(error))
    display(Markdown(f"**This page was not run on this dataset: {error}.**"))

# %% [markdown]
# ## Principal components
#
# How many directions do the features of cortex vary in? Fitted on the windows of the strip.

# %%
if grid:
    strip = depth.cortical_strip(grid.depth, max(2, round(strip_um / data.pixel_size_um / stride)))
    inside = strip.take(grid.inside)
    fits = {(seed, start): kmeans.fit_kmeans(strip.take(other.features)[inside], k, variance, max_components, start)
            for seed, other in grids.items() for start in kmeans_seeds}
    fitted = fits[seeds[0], kmeans_seeds[0]]
    figure = figures.explained_variance(fitted.explained, len(fitted.components))
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig6_explained_variance")

# %% [markdown]
# ## The strip (A Fig. 6)
#
# Clusters are numbered by their mean depth, from the surface down; the numbers of k-means itself mean nothing. Windows within 64
# pixels of the surface also see the dark outside, and those near the white matter see some of it: part of what the outermost
# clusters mark is that.

# %%
if grid:
    clusters = {}
    for (seed, start), fit in fits.items():
        raw = fit.predict(grids[seed].features)
        clusters[seed, start] = layer_scores.by_depth(strip.take(raw), strip.take(grid.depth), k)[raw]
    shown = clusters[seeds[0], kmeans_seeds[0]]
    image = grid.pixels(strip, grid.piece.image)
    figure = figures.strip(image, strip.take(shown), strip.take(grid.layers), inside, names, k, data.pixel_size_um, origin)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig6_strip")

# %%
if grid:
    title = f"cortex of slice z = {grid.piece.z}"
    figure = figures.cortex_map(grid.piece.image, shown, grid.inside, grid.rows, grid.columns, k, title, data.pixel_size_um)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig6_cortex_map")

# %% [markdown]
# ## Along depth
#
# Which cluster holds the windows of each depth, and, where the truth is known, how many cells lie there. Windows are 150 µm wide:
# they blur borders by as much.

# %%
if grid:
    depth = strip.take(grid.depth)
    centres, shares = layer_scores.along_depth(np.eye(k)[strip.take(shown)], depth)
    truth = grid.piece.truth.get("cell_density")
    density = None if truth is None else layer_scores.along_depth(strip.take(grid.at(truth)), depth)[1]
    edges = layer_scores.layer_edges(strip.take(grid.layers), depth, len(names))
    figure = figures.depth_profile(centres, shares, edges, names, density, "cells per mm² (truth)")
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig6_depth_profile")

# %% [markdown]
# ## Clusters against layers
#
# The transition clusters need care: layers are thin, so that much of cortex lies within 64 pixels of some border.
# `near_borders` is that share, which a cluster drawn at random reaches too. `rand` is the adjusted Rand index, 0 for clusters that
# know nothing of layers.

# %%
if grid:
    near = layer_scores.near_borders(grid.layers, 64 / stride)
    rows = []
    for (seed, start), labels in clusters.items():
        for region, mask in (("strip", (depth >= 0)), ("whole cortex", grid.inside)):
            cut = strip.take if region == "strip" else (lambda array: array)
            found = layer_scores.agreement(cut(labels), cut(grid.layers), mask, cut(near), k, len(names))
            rows.append({"seed": seed, "start": start, "region": region, **found})
            if region == "strip":
                claims.record("A.kmeans.layers", found, seed=10 * seed + start)
    table = pd.DataFrame(rows)
    run.save_table(table, "A_fig6_scores")
    display(table.groupby("region", sort=False)[["f1_l1", "f1_l23", "transition", "near_borders", "rand"]].agg(["mean", "std"]).round(3).T)

# %%
if grid:
    f1 = layer_scores.layer_f1(strip.take(shown)[inside], strip.take(grid.layers)[inside], k, len(names))
    figure = figures.layer_table(f1, names)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig6_layer_f1")

# %% [markdown]
# ## Explore
#
# In a live session, sliders appear here for the number of clusters and of principal components.

# %%
if grid:
    live.cluster_choice(strip.take(grid.features), depth, inside)

# %% [markdown]
# ## Compare
#
# How to read a red row here: the network was trained to call all of cortex by one name, so it has every reason to *ignore* what tells
# layers apart; what is left of them is a by-product, and it differs between trainings. And the second half of the rule is easy: where
# most of a thin cortex lies near some border, most windows of any cluster do (`near_borders` is that share by chance).

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
