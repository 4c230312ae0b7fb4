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
# **Paper A, §III.6 and Fig. 6.** To the network all of cortex is one class; nobody told it of
# layers. Still, windows at different depths give different features. The paper samples cortex
# densely, orders the features along depth, reduces them by principal components, and clusters them
# by k-means with k = 4: two clusters come out near layer 1 and layer 2/3, the others are transition
# zones, and dense and sparse regions part.
#
# How we measure: windows every few pixels over a strip that runs from the white matter (left) to
# the surface (right); components that hold 95 % of the variance, at most 10; k-means from several
# starts, of which the tightest counts. A layer counts as found if a cluster of its own marks it
# with F1 ≥ 0.5; a transition zone is another cluster that lies near borders between layers more
# than it would by chance.
#
# Smooth maps look like layers. So three **controls** have to fail where the network succeeds:
# k-means on nothing but the *mean and sd of gray* of the same windows; the features of the
# *untrained* CNN; and the network's own clusters with columns of cortex *shifted along depth*, as
# smooth as before but blind to depth.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # one network is trained for each
# how networks are trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
stride = 8  # pixels from one window to the next
strip_um = 500.0  # µm; thickness of the strip
k = 4  # clusters
variance = 0.95  # share of the variance that principal components hold …
max_components = 10  # … but not more of them than this
kmeans_seeds = [0, 1, 2]  # starts of k-means, of which the tightest counts

# %%
import numpy as np
from IPython.display import Markdown, display

from helpers.book import markup, open_run
from helpers.tissue import figures, live, stages
from helpers.tissue.cortex import depth, kmeans, layer_scores
from helpers.tissue.stages import claims_of_clusters

run = open_run(run, "05_cortical_kmeans", microct=microct)
data = run.microct
cnn = claims_of_clusters.TRAINED
control = claims_of_clusters.UNTRAINED

# %%
grids, grid = {}, None
try:
    for seed in seeds:
        one = stages.trained_classifier(run, seed, recipe=recipe)
        other = stages.untrained_classifier(run, seed)
        for name, each in {cnn: one, control: other}.items():
            features = stages.cortex_grid(run, each, stride=stride)
            grids[name, seed] = features
    grid = grids[cnn, seeds[0]]
except ValueError as error:
    run.not_run("A.kmeans.layers", str(error))
    reason = markup.plain(error)
    words = f"This page was not run on this dataset: {reason}."
    display(Markdown(f"**{words}**"))

# %%
if grid:
    names = grid.layer_names
    origin = "bands of depth that stand in for layers (approximate)"
    if grid.annotated:
        origin = "layers as annotated"
    words = (
        f"Slice z = {grid.piece.z} ({grid.piece.role}); "
        f"{grid.inside.sum()} windows lie in the cortex, "
        f"one every {stride} pixels; {origin}."
    )
    display(Markdown(words))

# %% [markdown]
# ## Principal components
#
# How many directions do the features of cortex vary in? Fitted on the windows of the strip.

# %%
if grid:
    thick = max(2, round(strip_um / data.pixel_size_um / stride))
    strip = depth.cortical_strip(grid.depth, thick)
    inside, fits = strip.take(grid.inside), {}
    gray = stages.gray_grid(run, grid)
    for seed in seeds:
        grids[claims_of_clusters.GRAY, seed] = gray
    for (name, seed), other in grids.items():
        rows = strip.take(other.features)[inside]
        for start in kmeans_seeds:
            fits[name, seed, start] = kmeans.fit_kmeans(
                rows, k, variance, max_components, start
            )

# %%
if grid:
    tightest = {
        one: min(kmeans_seeds, key=lambda start: fits[(*one, start)].inertia)
        for one in grids
    }
    fitted = fits[cnn, seeds[0], tightest[cnn, seeds[0]]]
    kept = len(fitted.components)
    figure = figures.explained_variance(fitted.explained, kept)
    run.show(figure, "A_fig6_explained_variance")

# %% [markdown]
# ## The strip (A Fig. 6)
#
# Clusters are numbered by their mean depth, from the surface down; the numbers of k-means itself
# mean nothing. Windows within 64 pixels of the surface also see the dark outside, and a cluster
# that marks no more than that would pass for layer 1 without knowing anything of it. Only windows
# that lie wholly on tissue are judged; the others are scored apart.

# %%
if grid:
    clusters, depths = {}, strip.take(grid.depth)
    for (name, seed, start), fit in fits.items():
        raw = fit.predict(grids[name, seed].features)
        order = layer_scores.by_depth(strip.take(raw), depths, k)
        clusters[name, seed, start] = order[raw]
    shown = clusters[cnn, seeds[0], tightest[cnn, seeds[0]]]
    in_strip, layers = strip.take(shown), strip.take(grid.layers)
    whole = stages.whole_windows(run, grid)

# %%
if grid:
    figure = figures.strip(
        grid.pixels(strip, grid.piece.image),
        in_strip,
        layers,
        inside,
        names,
        k,
        data.pixel_size_um,
        origin,
    )
    run.show(figure, "A_fig6_strip")

# %% [markdown]
# The same strip in the eyes of the controls, borders of layers in black, windows that see the edge
# of the tissue pale. Gray values change with depth too, as cells lie denser in some layers than in
# others: how much of the picture above do they give by themselves?

# %%
if grid:
    chosen = {
        name: strip.take(clusters[name, seeds[0], tightest[name, seeds[0]]])
        for name, seed in grids
        if seed == seeds[0]
    }
    figure = figures.strips(
        chosen, layers, inside, names, k, strip.take(whole)
    )
    run.show(figure, "A_fig6_controls")

# %%
if grid:
    figure = figures.cortex_map(
        grid.piece.image,
        shown,
        grid.inside,
        grid.rows,
        grid.columns,
        k,
        f"cortex of slice z = {grid.piece.z}",
        data.pixel_size_um,
    )
    run.show(figure, "A_fig6_cortex_map")

# %% [markdown]
# ## Along depth
#
# Which cluster holds the windows of each depth, and, where the truth is known, how many cells lie
# there. Windows are 128 pixels wide (150 µm in the paper): they blur borders by as much.

# %%
if grid:
    held = np.eye(k)[in_strip]
    centres, shares = layer_scores.along_depth(held, depths)
    edges = layer_scores.layer_edges(layers, depths, len(names))
    truth, density = grid.piece.truth.get("cell_density"), None
    if truth is not None:
        cells = strip.take(grid.at_grid(truth))
        _, density = layer_scores.along_depth(cells, depths)
    label = "cells per mm² (truth)"
    figure = figures.depth_profile(
        centres, shares, edges, names, density, label
    )
    run.show(figure, "A_fig6_depth_profile")

# %% [markdown]
# ## Clusters against layers
#
# The transition clusters need care: layers are thin, so that much of cortex lies within 64 pixels
# of some border. `near_borders` is that share, which a cluster drawn at random reaches too, and
# smooth clusters often exceed. The null is therefore made of smooth maps: the network's own,
# columns of cortex two windows wide shifted along depth around the end, 200 times. The transition
# cluster has to stand out from its own shifts more than that of 95 % of the shifted maps does.
# `rand` is the adjusted Rand index, 0 for clusters that know nothing of layers. Spreads in the
# table are over networks and starts of k-means; starts share one network and one strip, so they
# say nothing of other networks. The paper's rule asks
# for layers called L1 and L2/3; with layers of other names, the rest of the table stands.

# %%
if grid:
    table = claims_of_clusters.agreement_table(clusters, grid, whole, strip, k)
    run.save_table(table, "A_fig6_scores")
    aside = ["features", "seed", "start", "region", "windows"]
    numbers = [name for name in table if name not in aside]
    rows = table.groupby(["region", "features"], sort=False)
    display(rows["windows"].first().unstack().iloc[:, :1])
    display(rows[numbers].agg(["mean", "std"]).round(3))

# %%
if grid:
    where, found = claims_of_clusters.judged(grid, whole, strip), {}
    for seed in seeds:
        tight = {
            name: strip.take(clusters[name, seed, tightest[name, seed]])
            for name, of in grids
            if of == seed
        }
        found[seed] = claims_of_clusters.cluster_claims(tight, where, k, seed)
    run.record_all(found)

# %%
if grid:
    first = found[seeds[0]]["A.kmeans.layers"]
    if isinstance(first, str):
        display(Markdown(f"*{markup.plain(first)}.*"))
    else:
        controls = {cnn: first.value, **first.control}
        run.show(figures.layer_controls(controls), "A_fig6_layer_controls")

# %%
if grid:
    judged = ~np.isnan(where.depth)
    f1 = layer_scores.layer_f1(in_strip[judged], layers[judged], k, len(names))
    run.show(figures.layer_table(f1, names), "A_fig6_layer_f1")

# %% [markdown]
# ## Explore
#
# In a live session, sliders appear here for the number of clusters and of principal components.

# %%
if grid:
    live.cluster_choice(strip.take(grid.features), depths, inside)

# %% [markdown]
# ## Compare
#
# How to read a red row here: the network was trained to call all of cortex by one name, so it has
# every reason to *ignore* what tells layers apart; what is left of them is a by-product, and it
# differs between trainings. And where layer 1 is hardly thicker than half a window, few of its
# windows lie wholly on tissue, and a cluster has to end close to its border to mark them.
# *Holds, but so does the control* would mean that the layers are there to see in mean and sd of
# gray, or for random weights, and need no learned features.

# %%
run.scoreboard()
