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
# **Paper A, §III.4 and Fig. 4.** Cut the last layer off the trained network, and every window of tissue becomes 64 numbers. If
# those numbers describe tissue well, a *simple* classifier on top of them should do as well as the whole network did. The paper
# puts three such probes on them (a linear SVM, an SVM with radial kernel, logistic regression) and does the same with networks
# that were trained on photographs (ImageNet) and never saw a brain. It finds that
#
# - with supervision all do about as well as the network itself, some even slightly better, photographs or not;
# - without it they part: clusters of a Gaussian mixture agree with the areas far better for the trained network (V-measure);
# - under noise the features of the pretrained networks fail first.
#
# Our networks: the trained CNN; the same CNN *untrained*, with random weights, as a control that anyone has at hand; and
# whatever pretrained networks lie in the weights folder (`brainbook fetch weights DIR`, then `--weights DIR`).

# %% tags=["parameters"]
microct = "data/phantom-microct"
weights = ""
run = "runs/quick"
seeds = [0]
patches_per_area = 600
epochs = 8
recipe = "fast"
train_per_area = 150
test_per_area = 150
noise_per_area = 60
noise_variances = [0.0, 0.0005, 0.001, 0.002, 0.003, 0.005]
curve_sizes = [5, 20, 75, 150]
retrain_per_area = [75, 150]
repeats = 3

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.tissue import stages
from helpers.book import claims
from helpers.tissue.features import probes
from helpers.book.run import open_run
from helpers.tissue import figures
from helpers.book import style

style.use()
run = open_run(run, notebook="03_transfer_and_noise", microct=microct, weights=weights)
data, chance = run.microct, 1 / len(run.microct.areas)
pretrained, problems = stages.pretrained_networks(run)
no_network = "" if pretrained else "no pretrained network is at hand"

# %%
trained = {seed: stages.trained_classifier(run, seed, patches_per_area=patches_per_area, epochs=epochs, recipe=recipe) for seed in seeds}
networks = {seed: [*stages.area_networks(run, trained[seed], seed), *pretrained] for seed in seeds}
listed = "\n".join(f"- **{network.name}**" for network in networks[seeds[0]])
failed = "".join(f"\n- *{name}* cannot be used: {reason}" for name, reason in problems.items())
missing = f"\n\n**The rows of pretrained networks were not run: {no_network}.**" if no_network else ""
where = "" if stages.evaluation_role(run) == "test" else "\n\nNo test slice is annotated: *test windows* below are validation windows."
display(Markdown(f"Networks on this page:\n\n{listed}{failed}{missing}{where}"))

# %% [markdown]
# ## Simple classifiers on frozen features (A Fig. 4, top)
#
# Every network sees the same windows: training windows lie inside one area, test windows come from the test slice and may
# straddle a border. Features are standardised before the three supervised probes. The mixture gets one component per area
# and no labels at all, on at most 64 principal components; its score is the V-measure, 0 for clusters that ignore the areas and
# 1 for clusters that are the areas. Bars are means over repeats, each trained on a random two thirds of the training windows
# and scored on its own part of the test windows; whiskers are standard deviations.

# %%
predictions = pd.concat([stages.probe_predictions(
    run, networks[seed], trained[seed], train_per_area=train_per_area, test_per_area=test_per_area, n_repeats=repeats, seed=seed).value
    for seed in seeds])
scores = probes.score_table(predictions)
own = scores[scores["probe"] == "end to end"]
run.save_table(scores, "A_fig4_probes")
display(scores.pivot_table(index="network", columns="probe", values="score", aggfunc=["mean", "std"], sort=False).round(3))

# %%
figure = figures.probe_scores(scores[scores["probe"] != "end to end"], own["score"].mean(), chance)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "A_fig4_probes")

# %% [markdown]
# How sure is an ordering? The interval below (95 %) is of the trained CNN minus each other network, from 200 bootstrap repeats
# over the same test windows. Windows near each other overlap, so whole neighbourhoods are drawn, not windows.

# %%
rows = []
for network in networks[seeds[0]][1:]:
    for probe in ("LR", "GMM"):
        first, second = {"network": "trained CNN", "probe": probe}, {"network": network.name, "probe": probe}
        low, high = probes.difference_interval(predictions, first, second)
        rows.append({"network": network.name, "kind": network.kind, "probe": probe, "gap_from": low, "gap_to": high})
intervals = pd.DataFrame(rows)
run.save_table(intervals, "A_fig4_intervals")
display(intervals.drop(columns="kind").round(3))
# towards the network that comes closest
gap = intervals[intervals["kind"] == "pretrained"].groupby("probe")[["gap_from", "gap_to"]].min()

# %%
for (seed, repeat), part in scores.groupby(["seed", "repeat"]):
    cnn = part[part["kind"] == "trained"].set_index("probe")["score"]
    other = part[part["kind"] == "pretrained"]
    best, mixture = other[other["probe"].isin(probes.PROBES)].groupby("network")["score"].max(), other[other["probe"] == "GMM"]["score"]
    supervised, end_to_end, name = cnn[list(probes.PROBES)], cnn["end to end"], int(10 * seed + repeat)
    claims.record("A.probes.supervised", {"worst_probe": supervised.min(), "end_to_end": end_to_end}, seed=name)
    if len(best):
        claims.record("A.probes.best", {"best_probe": supervised.max(), "end_to_end": end_to_end, "best_pretrained": best.max(),
                                        **gap.loc["LR"]}, seed=name)
        claims.record("A.probes.pretrained", {"worst_pretrained_best": best.min(), "end_to_end": end_to_end}, seed=name)
        claims.record("A.probes.vmeasure", {"cnn": cnn["GMM"], "best_pretrained": mixture.max(), **gap.loc["GMM"]}, seed=name)
if no_network:
    for claim in ("A.probes.best", "A.probes.pretrained", "A.probes.vmeasure"):
        claims.not_run(claim, no_network)

# %% [markdown]
# ## Noise (A Fig. 4, bottom)
#
# Gaussian noise of growing variance is added to the raw gray values of test windows (and clipped to the range of gray values),
# the same noise for every network. Features are computed anew; the logistic regression was fitted on clean ones and stays as it
# is. No network here was trained with noise. The largest variance, 0.005, is a standard deviation of 0.07: more than half of
# what real tissue itself varies by within an area. Bands are standard deviations over repeats.

# %%
noisy = pd.concat([stages.noise_predictions(
    run, networks[seed], train_per_area=train_per_area, test_per_area=noise_per_area, variances=noise_variances, n_repeats=repeats,
    seed=seed).value for seed in seeds])
noise_scores = probes.score_table(noisy)
areas = probes.noise_areas(noise_scores)
run.save_table(noise_scores, "A_fig4_noise")

# %%
shown = stages.patches(run, stages.evaluation_role(run), noise_per_area, seed=seeds[0], raw=True).cut([noise_per_area // 2, -noise_per_area // 2])[:, 0]
examples = {variance: probes.add_noise(shown, variance, seed=seeds[0]) for variance in noise_variances}
figure = figures.noise_curves(noise_scores, examples, chance)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "A_fig4_noise")

# %% [markdown]
# "Falls less" is measured as the area under *accuracy divided by clean accuracy*, over the range of variances: 1 if noise costs
# nothing. A network that knows nothing to begin with has little to lose (its relative curve can be as flat as that of a good one),
# so read it beside the curves. Curves start higher or lower than the bars above because they are measured on fewer test windows. Gaps: 95 % intervals of
# the trained CNN minus the other network, as above.

# %%
display(areas.groupby("network", sort=False)["area"].agg(["mean", "std"]).round(3))
rows = [{"network": network.name, "kind": network.kind, **dict(zip(("gap_from", "gap_to"), probes.difference_interval(
    noisy, {"network": "trained CNN"}, {"network": network.name})))} for network in networks[seeds[0]][1:]]
display(pd.DataFrame(rows).drop(columns="kind").round(3))
gap = pd.DataFrame(rows).groupby("kind")[["gap_from", "gap_to"]].min()
for (seed, repeat), part in areas.groupby(["seed", "repeat"]):
    by_kind = part.groupby("kind")["area"].max()
    if "pretrained" in by_kind:
        found = {"cnn": by_kind["trained"], "best_pretrained": by_kind["pretrained"], **gap.loc["pretrained"]}
        claims.record("A.noise", found, seed=int(10 * seed + repeat))
if no_network:
    claims.not_run("A.noise", no_network)

# %% [markdown]
# ## How many windows does it take?
#
# Not in the paper. Dashed: logistic regression on fixed features, against the number of labelled windows per area that it
# learns from. (The trained CNN has seen hundreds of windows before, so its dashed curve starts high by right.) Solid: the whole
# CNN trained from nothing on so many windows, for as many epochs as above.

# %%
curves = pd.concat([stages.learning_curves(run, networks[seed], curve_sizes, train_per_area=train_per_area, test_per_area=test_per_area,
                                           n_repeats=repeats, seed=seed) for seed in seeds])
rows = [(patches_per_area, seed, stages.own_accuracy(run, trained[seed], test_per_area, seed=seed)) for seed in seeds]
for number in retrain_per_area:
    for seed in seeds:
        smaller = stages.trained_classifier(run, seed, patches_per_area=number, epochs=epochs, recipe=recipe)
        rows.append((number, seed, stages.own_accuracy(run, smaller, test_per_area, seed=seed)))
retrained = pd.DataFrame(rows, columns=["per_area", "seed", "accuracy"]).sort_values("per_area")
run.save_table(pd.concat([curves, retrained.assign(network="CNN trained on so many")]), "A_learning_curve")

# %%
figure = figures.learning_curves(curves, retrained, chance)
style.mark_phantom(figure, data.is_phantom)
run.save_figure(figure, "A_learning_curve")

# %% [markdown]
# ## Compare
#
# How to read a red row here: with no pretrained network at hand most rows are not run, and the untrained control cannot stand in for them.
# On small quick training the trained CNN is itself the weak part: its features are as good as its training. An interval that
# includes 0 says that the order of two networks is not settled by this many windows.

# %%
from helpers.book import scoreboard

display(scoreboard.table([row for row in claims.scoreboard(run.path) if row["notebook"] == run.notebook]))
