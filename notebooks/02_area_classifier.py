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
# # Telling six areas apart from 150 µm of tissue
#
# **Paper A, §III.2 and Fig. 3; paper B, §2.** A small convolutional network, four convolutions and three fully connected
# layers, is trained on windows of one slice. On windows of slices it never saw, the papers report **89.77 %** correct
# (validation) and **88.88 %** (test). Moved over a whole slice, more than five million windows of which many straddle a border,
# **80 %** remain, and the errors sit between areas that touch and resemble each other.
#
# How we measure: patch accuracies are on balanced draws of windows; the whole-slice accuracy counts every annotated pixel, at
# the raw prediction of its own window. A map smoothed over the neighbourhood is shown beside it, never instead of it.

# %% tags=["parameters"]
microct = "data/phantom-microct"
run = "runs/quick"
seeds = [0]
patches_per_area = 600
evaluation_per_area = 300
epochs = 8
recipe = "fast"
stride = 4
smoothing_um = 95.0

# %%
import pandas as pd
from IPython.display import display

from helpers.tissue import stages
from helpers.tissue.network import evaluation, classifier
from helpers.tissue.features import baselines
from helpers.book import claims
from helpers.book.run import open_run
from helpers.tissue import figures
from helpers.book import style

style.use()
run = open_run(run, notebook="02_area_classifier", microct=microct)
data = run.microct

# %% [markdown]
# ## Training
#
# Cross-entropy, Adam, dropout of 0.3 before each fully connected layer; the epoch with the best accuracy on the validation
# windows is kept. The quick profile deviates from the paper in three ways, to learn in a fraction of the time and to be
# right at borders too: fewer windows per class (the paper: about 2,000), a higher learning rate with a cosine decay (the
# paper: 1e-4), and training windows that need only their *centre* in the area, as test windows do (the paper: all of the window).
# `--profile paper` goes back to the paper's settings.

# %%
trained = {seed: stages.trained_classifier(run, seed, patches_per_area=patches_per_area, epochs=epochs,
                                           recipe=recipe) for seed in seeds}
figure = figures.training_curves({seed: artifact.value.history for seed, artifact in trained.items()})
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "A_training_curves")

# %% [markdown]
# ## Accuracy on windows
#
# Balanced windows of the validation slice and of each test slice, whose centre lies in the area.

# %%
drawn = stages.evaluation_patches(run, evaluation_per_area, seed=seeds[0])
accuracies = pd.DataFrame({name: {seed: (classifier.predict(artifact.value.model, windows.cut()) == windows.labels).mean()
                                  for seed, artifact in trained.items()} for name, windows in drawn.items()}).rename_axis("seed")
run.save_table(accuracies, "patch_accuracy")
display(accuracies.round(4))

# %%
test = stages.labelled_test_slice(run)
for seed in seeds:
    claims.record("B.acc.validation", accuracies.loc[seed].iloc[0], seed=seed)
    if test:
        claims.record("A.acc.test", accuracies.loc[seed, f"test z = {test.z}"], seed=seed)
if not test:
    claims.not_run("A.acc.test", "no test slice is annotated")

# %% [markdown]
# ## What gray values alone can do
#
# If brightness gave the areas away, none of this would be about texture. Three baselines see the same windows, but only
# their mean gray, their mean and standard deviation, or nine numbers of their gray histogram (a random forest). On the
# real slices they reach 0.31, 0.46 and 0.56, measured from z = 159 to z = 309.

# %%
train = stages.patches(run, "train", patches_per_area, seed=seeds[0])
held_out = "validation" if test is None else f"test z = {test.z}"
scores = baselines.gray_baselines(train.cut(), train.labels, drawn[held_out].cut(), drawn[held_out].labels, seed=seeds[0])
scores["network"] = accuracies[held_out].mean()
run.save_table(pd.Series(scores, name="accuracy").rename_axis("classifier"), "gray_baselines")
figure = figures.baselines(scores, {"published": 0.8888})
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "A_gray_baselines")

# %% [markdown]
# ## The whole slice (A Fig. 3)
#
# The network is moved over every test slice; each pixel gets the area of the window around it. `raw` is that prediction;
# `smooth` averages the log-probabilities over the neighbourhood first, which removes islands and costs thin structures.

# %%
networks = list(trained.values())
maps = [stages.area_map(run, networks, piece, stride=stride, smoothing_um=smoothing_um) for piece in data.slices("test")]
stages.save_area_maps(run, maps)

# %%
for result in maps:
    piece = result.piece
    figure = figures.area_map(piece.image, piece.areas, result.raw * result.tissue, result.labels,
                              data.areas, f"test slice z = {piece.z}", data.pixel_size_um)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, f"A_fig3_area_map_z{piece.z}")

# %%
if test:
    on_test = next(result for result in maps if result.piece is test)
    confusion = {kind: evaluation.confusion_matrix(test.areas, getattr(on_test, kind), data.areas) for kind in ("raw", "smooth")}
    titles = [f"{kind}: accuracy {evaluation.accuracy(matrix):.3f}" for kind, matrix in confusion.items()]
    figure = figures.confusion(list(confusion.values()), titles, data.areas)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig3_confusion")

# %%
if test:
    table = evaluation.scores(confusion["raw"])
    run.save_table(table, "scores_per_area")
    figure = figures.scores_per_area(table)
    style.mark_phantom(figure, data.is_phantom)
    run.save_figure(figure, "A_fig3_scores")

# %% [markdown]
# ## Compare
#
# The whole-slice claim is judged per seed on that seed's own raw map. "Areas that touch" are those that come within 64 pixels
# of each other on the test slice; if errors fell anywhere, touching pairs would not be confused more than the rest. A red row on
# accuracy speaks of the amount of training first: more windows per area and more epochs come before any other explanation.

# %%
if test:
    for seed, artifact in trained.items():
        own = stages.area_map(run, [artifact], test, stride=stride, smoothing_um=smoothing_um)
        matrix = evaluation.confusion_matrix(test.areas, own.raw, data.areas)
        claims.record("A.acc.slice", evaluation.accuracy(matrix), seed=seed)
        claims.record("A.confusion.neighbours", evaluation.neighbour_confusion(matrix, test.areas), seed=seed)
else:
    for claim in ("A.acc.slice", "A.confusion.neighbours"):
        claims.not_run(claim, "no test slice is annotated")

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
