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
# # Are the features any good? Transfer and noise
#
# **Paper A, §III.4 and Fig. 4.** Cut the last layer off the trained network, and every window of
# tissue becomes 64 numbers. If those numbers describe tissue well, a *simple* classifier on top of
# them should do as well as the whole network did. The paper puts three such probes on them (a
# linear SVM, an SVM with radial kernel, logistic regression) and does the same with networks that
# were trained on photographs (ImageNet) and never saw a brain. It finds that
#
# - with supervision all do about as well as the network itself, some even slightly better,
#   photographs or not;
# - without it they part: clusters of a Gaussian mixture agree with the areas far better for the
#   trained network (V-measure);
# - under noise the features of the pretrained networks fail first.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
weights = ""  # folder of pretrained networks; "" for none
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # one network is trained for each, on its own draw of windows
# how networks are trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
train_per_area = 150  # windows per area that probes learn from
test_per_area = 150  # windows per area that probes are scored on
validation_per_area = 60  # windows per area that the best probe is chosen by
noise_per_area = 60  # test windows per area that noise is added to
# variances of the noise, rising from 0; gray values lie in [0, 1]
noise_variances = [0.0, 0.0005, 0.001, 0.002, 0.003, 0.005]
curve_sizes = [5, 20, 75, 150]  # windows per area: dashed learning curves
retrain_per_area = [75, 150]  # windows per area: CNNs trained from nothing
repeats = 3  # times that probes are fitted, each on other windows

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import open_run
from helpers.book.markup import plain
from helpers.tissue import figures, stages
from helpers.tissue.features import intervals, probes
from helpers.tissue.stages import claims_of_features

run = open_run(run, "03_transfer_and_noise", microct=microct, weights=weights)
pretrained, problems = stages.pretrained_networks(run)

# %%
trained, networks = {}, {}
for seed in seeds:
    trained[seed] = stages.trained_classifier(run, seed, recipe=recipe)
    own = stages.area_networks(run, trained[seed], seed)
    networks[seed] = [*own, *pretrained]

# %%
listed = [f"- **{plain(n.name)}**" for n in networks[seeds[0]]]
listed += [
    f"- *{plain(name)}* cannot be used: {plain(why)}"
    for name, why in problems.items()
]
words = ["Networks on this page:", "\n".join(listed)]
if not pretrained:
    reason = claims_of_features.NO_NETWORK
    words += [f"**The rows of pretrained networks were not run: {reason}.**"]
if stages.evaluation_role(run) != "test":
    words += [
        "No test slice is annotated: "
        "*test windows* below are validation windows."
    ]
display(Markdown("\n\n".join(words)))

# %% [markdown]
# ## Simple classifiers on frozen features (A Fig. 4, top)
#
# Every network sees the same windows: probes learn from some of the windows that the CNN itself
# learned from, and are asked about windows of the test slice, which may straddle a border. The
# mixture gets no labels; its score is the V-measure, 0 for clusters that ignore the areas and 1 for
# clusters that are the areas. Hatched: the control, a CNN with random weights.

# %%
sizes = {"train_per_area": train_per_area, "test_per_area": test_per_area}
predictions = {
    seed: stages.probe_predictions(
        run,
        networks[seed],
        trained[seed],
        **sizes,
        validation_per_area=validation_per_area,
        n_repeats=repeats,
        seed=seed,
    ).value
    for seed in seeds
}

# %%
role = stages.evaluation_role(run)
said = pd.concat(predictions.values())
tested = said[said["role"] == role]
chance = probes.guessing(tested["truth"])
scores = probes.score_table(tested)
run.save_table(scores, "A_fig4_probes")

# %%
whole = scores["probe"] == "end to end"
own = scores[whole]["score"].mean()
figure = figures.probe_scores(scores[~whole], own, chance)
run.show(figure, "A_fig4_probes")

# %% [markdown]
# Our networks: the trained CNN; the same CNN *untrained*, with the random weights that its training
# began with; and whatever pretrained networks lie in the weights folder (`brainbook fetch weights
# DIR`, then `--weights DIR`).
#
# The untrained CNN is the **control** of every row on this page. It is put in the place of the
# trained one (or of the pretrained ones, where a row speaks of those), sees the same windows and
# goes through the same steps. What it reaches too, the architecture or the probe has reached, and
# training has not.
#
# Features are standardised before the three supervised probes. The mixture gets one component per
# area, on at most 64 principal components. Bars are means over repeats, each fitted on a random two
# thirds of the training windows and scored on its own part of the test windows; whiskers are
# standard deviations over these repeats.

# %%
table = scores.pivot_table(
    index="network",
    columns="probe",
    values="score",
    aggfunc=["mean", "std"],
    sort=False,
)
display(table.round(3))

# %% [markdown]
# How sure is an ordering? The intervals below (95 %) are of the trained CNN minus each other
# network, from 200 bootstrap draws. Windows near each other overlap, so whole neighbourhoods are
# drawn, not windows; and one draw serves all networks, probes and repeats, so that all are compared
# on the same tissue. A row of this page that orders networks holds only if the *lower end* is
# above 0. A row that speaks of the best probe takes the one that was best on validation windows:
# the best of several on the test windows themselves is too good by luck.

# %%
pooled = intervals.resampled_scores(tested)
gaps = claims_of_features.gap_table(pooled)
run.save_table(gaps, "A_fig4_intervals")
display(gaps.round(3))

# %%
found = {}
for seed, every in predictions.items():
    mine = every[every["role"] == role]
    chosen = claims_of_features.chosen_probes(every)
    found[seed] = claims_of_features.probe_claims(mine, chosen, seed)
run.record_all(found)

# %% [markdown]
# ## Noise (A Fig. 4, bottom)
#
# Gaussian noise of growing variance is added to the raw gray values of test windows (and clipped to
# the range of gray values), the same noise for every network. Features are computed anew; the
# logistic regression was fitted on clean ones and stays as it is. No network here was trained with
# noise. The largest variance, 0.005, is a standard deviation of 0.07: more than half of what real
# tissue itself varies by within an area. Bands are standard deviations over repeats.

# %%
noisy = {
    seed: stages.noise_predictions(
        run,
        networks[seed],
        trained[seed],
        train_per_area=train_per_area,
        test_per_area=noise_per_area,
        variances=noise_variances,
        n_repeats=repeats,
        seed=seed,
    ).value
    for seed in seeds
}

# %%
said = pd.concat(noisy.values())
noise_scores = probes.score_table(said)
run.save_table(noise_scores, "A_fig4_noise")

# %%
drawn = stages.patches(run, role, noise_per_area, seed=seeds[0], raw=True)
shown = drawn.cut([noise_per_area // 2, -noise_per_area // 2])[:, 0]
examples = {
    variance: probes.add_noise(shown, variance, seed=seeds[0])
    for variance in noise_variances
}
guess = probes.guessing(said["truth"])
figure = figures.noise_curves(noise_scores, examples, guess)
run.show(figure, "A_fig4_noise")

# %% [markdown]
# "Falls less" is measured as the area under *(accuracy − chance) / (clean accuracy − chance)*, over
# the range of variances: 1 if noise costs nothing. Chance has to go first, or a network that knows
# nothing wins: it guesses as well with noise as without. Curves start higher or lower than the bars
# above because they are measured on fewer test windows. Intervals: 95 %, of each network and of the
# trained CNN minus the other network, as above.

# %%
robust = {
    seed: intervals.resampled_robustness(each, seed=seed)
    for seed, each in noisy.items()
}
left = sum(robust.values()) / len(seeds)
table = left.iloc[1:].quantile([0.025, 0.975]).T
table.insert(0, "left under noise", left.iloc[0])
display(table.round(3))
display(claims_of_features.gap_table(left).round(3))

# %%
found = {seed: claims_of_features.noise_claims(robust[seed]) for seed in seeds}
run.record_all(found)

# %% [markdown]
# ## How many windows does it take?
#
# Not in the paper. Dashed: logistic regression on fixed features, against the number of labelled
# windows per area that it learns from. (The trained CNN has seen hundreds of windows before, so its
# dashed curve starts high by right.) Solid: the whole CNN trained from nothing on so many windows,
# for as many epochs as above.

# %%
curves = pd.concat(
    stages.learning_curves(
        run,
        networks[seed],
        trained[seed],
        curve_sizes,
        **sizes,
        n_repeats=repeats,
        seed=seed,
    )
    for seed in seeds
)

# %%
rows = []
fewer = [f", patches_per_area={number}" for number in retrain_per_area]
for change in ["", *fewer]:
    for seed in seeds:
        one = stages.trained_classifier(run, seed, recipe=recipe + change)
        own = stages.own_accuracy(run, one, test_per_area, seed=seed)
        rows.append((one.value.patches_per_area, seed, own))
retrained = pd.DataFrame(rows, columns=["per_area", "seed", "accuracy"])
retrained = retrained.sort_values("per_area")
named = retrained.assign(network="CNN trained on so many")
run.save_table(pd.concat([curves, named]), "A_learning_curve")
figure = figures.learning_curves(curves, retrained, chance)
run.show(figure, "A_learning_curve")

# %% [markdown]
# ## Compare
#
# How to read these rows. With no pretrained network at hand most are not run, and the control
# cannot stand in for them. *Holds, but so does the control* says something about the paper: probes
# that do as well as the network, or networks trained on photographs that serve a classifier well,
# prove little about the features if random weights serve it as well; a classifier finds a direction
# that separates areas in almost any rich description. On small quick training the trained CNN is
# itself the weak part: its features are as good as its training. A lower bound below 0 says that
# the order of two networks is not settled by this many windows.

# %%
run.scoreboard()
