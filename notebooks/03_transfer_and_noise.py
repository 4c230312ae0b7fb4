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
#
# Our networks: the trained CNN; the same CNN *untrained*, with random weights, as a control that
# anyone has at hand; and whatever pretrained networks lie in the weights folder
# (`brainbook fetch weights DIR`, then `--weights DIR`).

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
noise_per_area = 60  # test windows per area that noise is added to
# variances of the noise, rising from 0; gray values lie in [0, 1]
noise_variances = [0.0, 0.0005, 0.001, 0.002, 0.003, 0.005]
curve_sizes = [5, 20, 75, 150]  # windows per area: dashed learning curves
retrain_per_area = [75, 150]  # windows per area: CNNs trained from nothing
repeats = 3  # times that each measurement is made, on other windows

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import open_run
from helpers.book.markup import plain
from helpers.tissue import figures, stages
from helpers.tissue.features import probes
from helpers.tissue.stages import claims_of_features

run = open_run(run, "03_transfer_and_noise", microct=microct, weights=weights)
chance = 1 / len(run.microct.areas)
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
# Every network sees the same windows: training windows lie inside one area, test windows come from
# the test slice and may straddle a border. Features are standardised before the three supervised
# probes. The mixture gets one component per area and no labels at all, on at most 64 principal
# components; its score is the V-measure, 0 for clusters that ignore the areas and 1 for clusters
# that are the areas. Bars are means over repeats, each trained on a random two thirds of the
# training windows and scored on its own part of the test windows; whiskers are standard deviations.

# %%
sizes = {"train_per_area": train_per_area, "test_per_area": test_per_area}
predictions = pd.concat(
    stages.probe_predictions(
        run,
        networks[seed],
        trained[seed],
        **sizes,
        n_repeats=repeats,
        seed=seed,
    ).value
    for seed in seeds
)
scores = probes.score_table(predictions)
run.save_table(scores, "A_fig4_probes")

# %%
table = scores.pivot_table(
    index="network",
    columns="probe",
    values="score",
    aggfunc=["mean", "std"],
    sort=False,
)
display(table.round(3))

# %%
whole = scores["probe"] == "end to end"
own = scores[whole]["score"].mean()
figure = figures.probe_scores(scores[~whole], own, chance)
run.show(figure, "A_fig4_probes")

# %% [markdown]
# How sure is an ordering? The interval below (95 %) is of the trained CNN minus each other network,
# from 200 bootstrap repeats over the same test windows. Windows near each other overlap, so whole
# neighbourhoods are drawn, not windows.

# %%
gaps = claims_of_features.network_gaps(predictions)
run.save_table(gaps, "A_fig4_intervals")
display(gaps.drop(columns="kind").round(3))

# %%
run.record_all(claims_of_features.probe_claims(scores, gaps))

# %% [markdown]
# ## Noise (A Fig. 4, bottom)
#
# Gaussian noise of growing variance is added to the raw gray values of test windows (and clipped to
# the range of gray values), the same noise for every network. Features are computed anew; the
# logistic regression was fitted on clean ones and stays as it is. No network here was trained with
# noise. The largest variance, 0.005, is a standard deviation of 0.07: more than half of what real
# tissue itself varies by within an area. Bands are standard deviations over repeats.

# %%
noisy = pd.concat(
    stages.noise_predictions(
        run,
        networks[seed],
        train_per_area=train_per_area,
        test_per_area=noise_per_area,
        variances=noise_variances,
        n_repeats=repeats,
        seed=seed,
    ).value
    for seed in seeds
)
noise_scores = probes.score_table(noisy)
run.save_table(noise_scores, "A_fig4_noise")

# %%
role = stages.evaluation_role(run)
drawn = stages.patches(run, role, noise_per_area, seed=seeds[0], raw=True)
shown = drawn.cut([noise_per_area // 2, -noise_per_area // 2])[:, 0]
examples = {
    variance: probes.add_noise(shown, variance, seed=seeds[0])
    for variance in noise_variances
}
figure = figures.noise_curves(noise_scores, examples, chance)
run.show(figure, "A_fig4_noise")

# %% [markdown]
# "Falls less" is measured as the area under *accuracy divided by clean accuracy*, over the range of
# variances: 1 if noise costs nothing. A network that knows nothing to begin with has little to lose
# (its relative curve can be as flat as that of a good one), so read it beside the curves. Curves
# start higher or lower than the bars above because they are measured on fewer test windows. Gaps:
# 95 % intervals of the trained CNN minus the other network, as above.

# %%
areas = probes.noise_areas(noise_scores)
table = areas.groupby("network", sort=False)["area"].agg(["mean", "std"])
display(table.round(3))
noise_gaps = claims_of_features.network_gaps(noisy)
display(noise_gaps.drop(columns="kind").round(3))
run.record_all(claims_of_features.noise_claims(areas, noise_gaps))

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
# How to read a red row here: with no pretrained network at hand most rows are not run, and the
# untrained control cannot stand in for them. On small quick training the trained CNN is itself the
# weak part: its features are as good as its training. An interval that includes 0 says that the
# order of two networks is not settled by this many windows.

# %%
run.scoreboard()
