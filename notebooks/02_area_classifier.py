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
# # Telling areas apart from 128 × 128 pixels of tissue
#
# **Paper A, §III.2 and Fig. 3; paper B, §2.** A small convolutional network, four convolutions and
# three fully connected layers, is trained on windows of one slice. On windows of slices it never
# saw, the papers report **89.77 %** correct (validation) and **88.88 %** (test). Moved over a whole
# slice, more than five million windows of which many straddle a border, **80 %** remain, and the
# errors sit between areas that touch and resemble each other.
#
# How we measure: patch accuracies are on balanced draws of windows; the whole-slice accuracy counts
# every position of a grid over the annotated tissue, at the raw prediction of its own window, and
# the row says how many positions these were. A map smoothed over the neighbourhood is shown beside
# it, never instead of it. What has to fail where the network succeeds: classifiers that see how
# bright a window is, but not how it looks.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # one network is trained for each
# how networks are trained: fast, thorough or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
# steps of the recipe to leave out one at a time, as in ["gray levels"]; each
# costs as much training as the rest of the page
ablations = []
evaluation_per_area = 300  # windows per area to measure accuracies on
stride = 1  # pixels from one window of a whole slice to the next
further_stride = 2  # pixels; the same on test slices that decide no claim
smoothing_um = 95.0  # µm; standard deviation of the smoothing of a map
own_labels = False  # write the maps with your own label values as well
control_positions = 20000  # of the slice, at random: what gray is judged on
released = ""  # file of the authors' network, cnn_weights.pt; "" for none

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import open_run
from helpers.tissue import figures, stages
from helpers.tissue.network import classifier, evaluation
from helpers.tissue.stages import claims_of_accuracy

run = open_run(run, "02_area_classifier", microct=microct)
data = run.microct

# %% [markdown]
# ## Training
#
# Cross-entropy, Adam, dropout of 0.3 before each fully connected layer; the epoch with the best
# accuracy on the validation windows is kept. The quick profile deviates from the paper in three
# ways, to learn in a fraction of the time and to be right at borders too: fewer windows per class
# (the paper: about 2,000), a higher learning rate with a cosine decay (the paper: 1e-4), and
# training windows that need only their *centre* in the area, as test windows do (the paper: all of
# the window). `--profile paper` goes back to the paper's settings; `--profile thorough` is for real
# tissue and spends minutes on each network, see the end of this page.

# %%
trained = stages.trained_classifiers(run, seeds, recipe=recipe)
histories = {seed: one.value.history for seed, one in trained.items()}
run.show(figures.training_curves(histories), "A_training_curves")

# %% [markdown]
# ## Accuracy on windows
#
# Balanced windows of the validation slice and of each test slice, whose centre lies in the area.
# The authors' released network joins the table where its file is given
# (`-p released=…/cnn_weights.pt`).

# %%
drawn = stages.evaluation_patches(run, evaluation_per_area, seed=seeds[0])
rows = {}
for seed, one in trained.items():
    model = one.value.model
    rows[seed] = {
        name: np.mean(classifier.predict(model, part.cut()) == part.labels)
        for name, part in drawn.items()
    }
accuracies = pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")

# %%
table = accuracies
if released:
    theirs = stages.released_accuracy(
        run, released, evaluation_per_area, seed=seeds[0]
    )
    theirs = theirs.to_frame("released weights").T
    table = pd.concat([accuracies, theirs]).rename_axis("seed")
run.save_table(table, "patch_accuracy")
display(table.round(4))

# %% [markdown]
# ## What gray values alone can do
#
# If brightness gave the areas away, none of this would be about texture. Three baselines, the
# **control** of every accuracy on this page, learn from the very windows that the network learned
# from and are asked about the same test windows. But all they see of a window is its mean gray, its
# mean and standard deviation, or nine numbers of its gray histogram (a random forest). An accuracy
# that one of them reaches too says nothing about texture. On the real slices they reach 0.31, 0.46
# and 0.56, measured from z = 159 to z = 309.

# %%
gray = {
    seed: stages.gray_controls(
        run,
        one.value,
        evaluation_per_area,
        positions=control_positions,
        seed=seed,
        drawn=seeds[0],
    ).value
    for seed, one in trained.items()
}

# %%
test = stages.labelled_test_slice(run)
held_out = f"test z = {test.z}" if test else "validation"
of_gray = pd.concat({seed: each["windows"] for seed, each in gray.items()})
of_gray = of_gray.groupby(["windows", "baseline"], sort=False)[
    "accuracy"
].mean()
scores = {**of_gray[held_out], "network": accuracies[held_out].mean()}
table = pd.Series(scores, name="accuracy").rename_axis("classifier")
run.save_table(table, "gray_baselines")
figure = figures.baselines(scores, {"published": 0.8888})
run.show(figure, "A_gray_baselines")

# %%
run.record_all(
    {
        seed: claims_of_accuracy.window_claims(
            accuracies.loc[seed],
            gray[seed]["windows"],
            held_out if test else None,
        )
        for seed in seeds
    }
)

# %% [markdown]
# ## The whole slice (A Fig. 3)
#
# The network is moved over every test slice; each pixel gets the area of the window around it.
# `raw` is that prediction; `smooth` averages the log-probabilities over the neighbourhood first,
# which removes islands and costs thin structures. Maps and tables here show the mean of all seeds.
# The slice that decides claims is read in steps of `stride`, further ones of `further_stride`.

# %%
networks = list(trained.values())
settings = {"stride": stride, "smoothing_um": smoothing_um}
further = {**settings, "stride": max(stride, further_stride)}
maps = []
for piece in data.slices("test"):
    chosen = settings if test is None or piece is test else further
    maps.append(stages.area_map(run, networks, piece, **chosen))
stages.save_area_maps(run, maps, own_labels)

# %%
for result in maps:
    piece = result.piece
    figure = figures.area_map(
        piece.image,
        piece.areas,
        result.raw * result.tissue,
        result.labels,
        data.areas,
        f"test slice z = {piece.z}",
        data.pixel_size_um,
    )
    run.show(figure, f"A_fig3_area_map_z{piece.z}")

# %%
if test:
    on_test = next(result for result in maps if result.piece is test)
    confusion = {
        kind: evaluation.confusion_matrix(test.areas, labels, data.areas)
        for kind, labels in (("raw", on_test.raw), ("smooth", on_test.smooth))
    }
    titles = [
        f"{kind}: accuracy {evaluation.accuracy(matrix):.3f}"
        for kind, matrix in confusion.items()
    ]
    matrices = list(confusion.values())
    figure = figures.confusion(matrices, titles, data.areas)
    run.show(figure, "A_fig3_confusion")

# %%
if test:
    table = evaluation.scores(confusion["raw"])
    run.save_table(table, "scores_per_area")
    run.show(figures.scores_per_area(table), "A_fig3_scores")

# %% [markdown]
# ## Where the errors lie
#
# The whole-slice claims are judged per seed on that seed's own raw map. "Areas that touch" are
# those that come within 64 pixels of each other on the test slice. Their confusion is compared with
# that of the other pairs, but a ratio alone proves little: with six areas, two that any classifier
# mixes up may touch by luck. The **control** is the same table of confusions with the names of the
# areas permuted (gray). The claim holds if touching pairs are confused more than twice as often as
# the others, and more than in 95 % of the permutations.

# %%
judged, counts = np.s_[::stride, ::stride], {}
for seed, one in trained.items() if test else ():
    own = stages.area_map(run, [one], test, **settings)
    counts[seed] = evaluation.confusion_matrix(
        test.areas[judged], own.raw[judged], data.areas
    )

# %%
if test:
    touching = evaluation.touching_areas(test.areas, len(data.areas))
    found = {
        seed: claims_of_accuracy.slice_claims(
            counts[seed], touching, gray[seed], seed
        )
        for seed in seeds
    }
    run.record_all(found)
else:
    for claim in ("A.acc.slice", "A.confusion.neighbours"):
        run.not_run(claim, claims_of_accuracy.NO_TEST)

# %%
if test:
    first = found[seeds[0]]["A.confusion.neighbours"]
    if isinstance(first, str):
        display(Markdown(f"*{first}.*"))
    else:
        permuted = evaluation.neighbour_confusion(
            counts[seeds[0]], touching, seed=seeds[0]
        )
        figure = figures.permuted_names(permuted["share"].to_numpy())
        run.show(figure, "A_fig3_neighbours")

# %% [markdown]
# ## What each step brings
#
# Before a pixel gets its area, two things can be done to what the networks say: average it over
# networks that differ only in their seed, and average it over the neighbourhood. Neither enters a
# claim. The spread over seeds says how far a single number above can be trusted.

# %%
steps = stages.prediction_steps(run, networks, **settings)
if steps is not None:
    run.save_table(steps, "prediction_steps")
    display(steps.round(4))

# %% [markdown]
# A recipe is made of steps too. Here each of `ablations` is left out in turn, the network trained
# anew with as many updates, and scored on the same windows and on every fourth pixel of the slice.
# A step that brings less than the spread over seeds has not shown that it is needed *on these
# slices*. Ask for it with, for example, `-p ablations='["gray levels", "weight averaging"]'`; the
# names are those of `helpers.tissue.network.recipes.STEPS`.

# %%
if ablations:
    scores = stages.ablation_scores(
        run,
        seeds,
        ablations,
        recipe=recipe,
        per_area=evaluation_per_area,
        stride=max(4, stride),
    )
    table = evaluation.ablation_table(scores)
    # minutes differ from run to run: shown, not saved
    run.save_table(table.drop(columns="minutes"), "ablations")
    display(table.round(4).T)
    run.show(figures.ablations(scores), "A_ablations")

# %% [markdown]
# ## Compare
#
# How to read these rows. The control of *whole slice* is the histogram forest at random annotated
# positions. Where a row says *holds, but so does the control*, gray values suffice for that number
# on these data, and the row is no evidence of learned texture. A red row on accuracy speaks of the
# amount of training first: more windows per area and more epochs
# (`-p recipe="fast, epochs=20, patches_per_area=1500"`) come before any other explanation.

# %%
run.scoreboard()
