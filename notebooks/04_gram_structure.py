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
# # How the features of areas lie to each other
#
# **Paper A, §III.5 and Fig. 5.** Compare every window with every other: the cosine of the angle
# between their features, written into one large table, the *Gram matrix* $G = X X^\top$ of
# normalised features. If features describe areas and nothing else, and the rows are sorted by area,
# bright squares stand on the diagonal and the rest is black. How far a network is from that is
# $\lVert G - D \rVert_F / N$, where $D$ is 1 within an area and 0 across. The paper reports
# **0.28** for the trained CNN, **0.56** for Inception and **0.72** for ResNet18, and sees anatomy
# in what is left: cortex and striatum, and VP and ZI, resemble each other more than cortex and VP
# do.
#
# How we measure: as many windows from each area; rows scaled to length 1, neither centred nor
# standardised; windows of the test slice first, those that the CNN learned from beside. Three
# **controls** put the error into place. Features in which *no two windows are alike* ($G$ is the
# identity) score $\sqrt{1/6} = 0.41$ for six areas, features in which *all windows are alike* 0.91.
# So an error of 0.56 is further from the ideal than no likeness at all. And the *untrained* CNN,
# with the random weights that training began with, shows what the architecture does to these
# windows by itself. A row that it meets too says nothing about what was learned.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
weights = ""  # folder of pretrained networks; "" for none
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # one network is trained for each, on its own draw of windows
# how networks are trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
train_per_area = 150  # training windows per area
test_per_area = 150  # test windows per area
bootstrap = 200  # draws of neighbourhoods behind each interval

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import interactive, markup, open_run
from helpers.tissue import figures, stages
from helpers.tissue.features import gram
from helpers.tissue.stages import claims_of_features, claims_of_structure

run = open_run(run, "04_gram_structure", microct=microct, weights=weights)
data = run.microct
pretrained, problems = stages.pretrained_networks(run)
for name, reason in problems.items():
    words = f"*{markup.plain(name)}* cannot be used: {markup.plain(reason)}"
    display(Markdown(words))

# %%
if not pretrained:
    reason = claims_of_features.NO_NETWORK
    words = f"**The rows of pretrained networks were not run: {reason}.**"
    display(Markdown(f"{words} The untrained CNN is the control."))
if stages.evaluation_role(run) != "test":
    words = "*test windows* below are validation windows."
    display(Markdown(f"No test slice is annotated: {words}"))

# %%
sizes = {"train_per_area": train_per_area, "test_per_area": test_per_area}
networks, sets = {}, {}
for seed in seeds:
    trained = stages.trained_classifier(run, seed, recipe=recipe)
    own = stages.area_networks(run, trained, seed)
    networks[seed] = [*own, *pretrained]
    sets[seed] = stages.structure_sets(
        run, networks[seed], trained, **sizes, seed=seed
    )
tested = {name: test for name, (_, test) in sets[seeds[0]].items()}
labels = tested["trained CNN"].labels

# %% [markdown]
# ## The Gram matrices (A Fig. 5, left)
#
# One row and one column per test window, sorted by area; white lines are the borders between areas.
# All on one scale.

# %%
matrices, errors = {}, {}
for name, part in tested.items():
    matrices[name] = gram.gram_matrix(part.features)
    errors[name] = gram.block_diagonal_error(part.features, labels)
figure = figures.gram_matrices(matrices, errors, labels, data.areas)
run.show(figure, "A_fig5_gram")

# %% [markdown]
# ## The error, and how sure it is
#
# Bars in the figure are 95 % of bootstrap draws, in which whole neighbourhoods of windows are drawn
# (windows that overlap are not independent), the same ones for every network. Dotted lines and the
# gray bar are the controls. The table has every number of this page with its interval; *on the
# windows that the CNN learned from* is for comparison only.

# %%
draws = {
    seed: stages.structure_draws(
        {name: test for name, (_, test) in sets[seed].items()},
        data.areas,
        bootstrap,
        seed,
    )
    for seed in seeds
}
table = pd.concat(
    [stages.structure_table(each, seed) for seed, each in draws.items()]
)
run.save_table(table, "A_fig5_structure")

# %%
learned = {
    name: gram.block_diagonal_error(train.features, train.labels)
    for name, (train, _) in sets[seeds[0]].items()
}
errors_now = table[table["measure"] == "error"].groupby("network", sort=False)
shown = errors_now[["value", "low", "high"]].mean()
column = "on the windows that the CNN learned from"
display(shown.assign(**{column: pd.Series(learned)}).round(3))

# %%
first = draws[seeds[0]]
resampled = first.xs("error", axis=1, level="measure").iloc[1:]
published = {"CNN": 0.28, "Inception": 0.56, "ResNet18": 0.72}
nulls = gram.null_errors(labels)
resampled = {name: resampled[name].to_numpy() for name in resampled}
figure = figures.error_intervals(resampled, nulls, published)
run.show(figure, "A_fig5_errors")

# %%
run.record_all(
    {
        seed: claims_of_structure.structure_claims(draws[seed], labels)
        for seed in seeds
    }
)

# %% [markdown]
# ## Which areas resemble each other
#
# The mean cosine between windows of two areas; a window is not compared with itself.

# %%
similarity = {}
for name, part in tested.items():
    matrix = gram.area_similarity(part.features, labels)
    similarity[name] = matrix
    frame = pd.DataFrame(matrix, data.areas, data.areas).rename_axis("area")
    run.save_table(frame, f"area_similarity_{name.replace(' ', '_')}")
figure = figures.area_similarity(similarity, data.areas)
run.show(figure, "A_fig5_area_similarity")

# %% [markdown]
# ## Three dimensions (A Fig. 5, right)
#
# Principal components of the same normalised rows, from two viewpoints. The silhouette is a number
# for what the eye sees: near 1 where windows lie close to their own area and far from the next, 0
# where areas lie on top of each other.

# %%
scores, explained = {}, {}
for name, part in tested.items():
    components = gram.principal_components(part.features)
    scores[name], explained[name] = components
silhouettes = first.xs("silhouette", axis=1, level="measure").iloc[0]
figure = figures.pca_3d(scores, explained, silhouettes, labels, data.areas)
run.show(figure, "A_fig5_pca")

# %% [markdown]
# The same to turn by hand: drag to rotate, scroll to zoom, click an area in the legend to hide it,
# choose the network in the menu.

# %%
turned = figures.scatter_3d(scores, labels, data.areas, run.is_phantom)
display(interactive.plotly_html(turned))

# %% [markdown]
# ## Anatomy in the arrangement
#
# Are cortex–striatum and VP–ZI more alike than cortex–VP, in the Gram matrix and in three
# dimensions? *similarity* is the pair's mean cosine minus that of cortex–VP; *distance* is the
# distance of the centroids of cortex and VP minus that of the pair, in units of the mean distance
# between any two areas (features of one network are longer than those of another, and angles wider;
# only shares compare). Every gap should lie above 0. But random weights already put areas of
# similar gray near each other, so each has to lie above the untrained CNN's gap too (hollow): with
# the lower end of its interval. To random weights all windows look nearly alike, so their gaps in
# cosine are narrow whatever the arrangement; the first claim therefore asks for the same once more
# as a share of how far areas are from alike (1 minus the mean cosine over all pairs of areas). And
# one random arrangement of six areas in three has both gaps: so the smaller of the two has to lie
# above 95 % of what it would be with the four names given to areas in any other way.

# %%
if stages.area_pairs(data.areas):
    figure = figures.pair_gaps(table[table["seed"] == seeds[0]])
    run.show(figure, "A_fig5_pairs")

# %% [markdown]
# ## Compare
#
# How to read these rows. An error near the dotted line *nothing alike* can still come with clear
# squares, because what counts against the ideal is mostly likeness *between* areas that do resemble
# each other, which the ideal forbids and anatomy does not. The published 0.28 needs features that
# set neighbouring areas at right angles; longer training moves them that way. On the arrangement of
# areas a red row can mean that the gaps are there, but no wider than before training: then what the
# paper reads as learned anatomy is in the gray values already.

# %%
run.scoreboard()
