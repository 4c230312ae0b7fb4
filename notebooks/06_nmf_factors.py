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
# # Factors behind the features, and what each aligns with
#
# **Paper B, §2, §3 and Fig. 2C.** The network describes every window by 64 numbers. Paper B
# collects them at about 5.5 million positions of a slice and factorises: each position becomes a
# non-negative mixture of k = 15 patterns (NMF). A greedy rule then picks six factors, one per area.
# Three align with cortex, striatum and zona incerta; one marks white matter, myelinated and almost
# free of cells; one spreads over the thalamus (VP, ZI) and, to the authors' surprise, shows up in
# layers 4 and 6 of cortex.
#
# How we measure: all annotated positions of the slice go into the factorisation. Alignment is the
# area under the ROC curve (AUROC): the chance that a position inside an area has a larger
# coefficient than one outside; 0.5 says nothing. Factors are numbered as they come; numbers mean
# nothing from one run to the next.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # one network is trained and factorised for each
# how networks are trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
stride = 1  # pixels from one position to the next; 1 is every position
further_stride = 2  # pixels; the same on the second slice
k = 15  # factors
p = 6  # factors to choose, at most one per area
lam = 0.5  # λ, by which leakage is weighed against coverage
try_k = [5, 10, 15, 20]  # numbers of factors to compare
try_seeds = [0, 1]  # draws of positions and starts for the comparison
try_rows = 8000  # positions, at most, for each factorisation compared

# %%
import pandas as pd
from IPython.display import Markdown, display

from helpers.book import markup, open_run, slider, style
from helpers.tissue import figures, live, stages
from helpers.tissue.factors import findings, tables
from helpers.tissue.network import fragments, winograd

run = open_run(run, "06_nmf_factors", microct=microct)
data = run.microct
first, second = stages.slice_pair(run)

# %%
words = f"The factors are those of slice {stages.slice_name(first)}"
if second:
    words += f"; the second slice is {stages.slice_name(second)}"
display(Markdown(f"{words}."))

# %% [markdown]
# ## Factorise
#
# Features are the activations after the rectifier, so none is negative. The solver reads them in
# blocks, starts from the best of several starts on a sample of positions, and stops when a pass
# over all positions lowers the squared error by less than a ten-thousandth. Components have unit
# norm; the coefficients carry the scale, and a coefficient that is not needed is exactly 0.

# %%
trained, fitted, reports = {}, {}, {}
for seed in seeds:
    trained[seed] = stages.trained_classifier(run, seed, recipe=recipe)
    fitted[seed] = stages.nmf_factors(
        run, trained[seed], first, k=k, seed=seed, stride=stride
    )
    reports[seed] = stages.factor_report(run, fitted[seed], p=p, lam=lam)
report = reports[seeds[0]]
found, selection, tops = report.found, report.selection, report.tops

# %%
facts = pd.DataFrame(
    {
        "seed": seed,
        "positions": len(one.found.coefficients),
        "stride": stride,
        "k": k,
        "relative error": one.found.error,
        "passes": one.found.iterations,
        "solver": one.found.solver,
        "exact zeros": float((one.found.coefficients[::97] == 0).mean()),
    }
    for seed, one in reports.items()
)
run.save_table(facts, "nmf")
display(facts.round(4))

# %% [markdown]
# Features of every position are affordable because neighbouring windows share nearly all of their
# work: the slice is convolved once, and where windows overlap, products of whole tiles stand for
# those of single windows ({doc}`/book/paper_b` tells how). Left, a tile and two of its windows;
# middle, multiplications per output for several sizes of tiles, with their rounding error;
# right, what is left of a window's cost.

# %%
errors = {size: winograd.rounding_error(size, 5) for size in (2, 3, 4, 6)}
costs = fragments.multiply_adds()
figure = figures.minimal_filtering(costs, errors, taps=5, chosen=4)
run.show(figure, "B_minimal_filtering", of_data=False)

# %% [markdown]
# ## Choose one factor per area
#
# For every factor and area the rule counts positive coefficients: *coverage* are those inside the
# area, *leakage* is λ times those outside, the *score* is the difference. The largest score wins;
# its factor and its area are out; and so on. The whole table is shown, the winners framed in the
# order in which they were taken.

# %%
figure = figures.score_table(selection, data.areas)
run.show(figure, "B_selection_scores")

# %%
measured = {
    "coverage": selection.coverage,
    "leakage": selection.leakage,
    "score": selection.scores,
}
run.save_table(tables.by_factor(measured, data.areas), "factor_selection")
chosen = {
    area: (factor, data.areas[area - 1])
    for factor, area in zip(selection.factors, selection.areas)
}
rows = [(f"F{factor}", area) for factor, area in chosen.values()]
display(pd.DataFrame(rows, columns=["factor", "chosen for"]))

# %% [markdown]
# ## Heatmaps of the chosen factors
#
# In the published order, cortex on top where there is one, gray values inverted as in the paper,
# areas outlined. Dark is a large coefficient; where the slice shows through, the coefficient is
# zero or nearly so. The darkest colour stands at the 99th percentile of each factor's positive
# coefficients.

# %%
labels = found.grid.at_grid(found.areas)
cortex = max(data.role("cortex"), default=0)
turns = figures.quarter_turns(labels, cortex)
view = figures.view_of(found.areas > 0, turns, stride, margin=60)
order = [i + 1 for i in figures.in_paper_order(data.areas)]
taken = [chosen[area] for area in order if area in chosen]
shown = [(factor, f"F{factor} ({area})") for factor, area in taken]

# %%
figure = figures.selected_factors(
    first.image,
    view,
    [found.on_grid(found.coefficients[:, i]) for i, _ in shown],
    [tops[i] for i, _ in shown],
    [title for _, title in shown],
    labels,
    data.pixel_size_um,
)
run.show(figure, "B_fig2C_factors")

# %% [markdown]
# All factors, chosen or not. Move the slider; it needs no kernel. (On {doc}`07_cortical_gmm` they
# are a slice to wander in, with the values at each place.) A slice that stands tall lies on its
# side here to fit the page: what is on top of the heatmaps is on the right.

# %%
names = [f"F{i}" for i in range(len(tops))]
pictures, captions, areas = [], [], dict(chosen.values())
for i, name in enumerate(names):
    values = found.on_grid(found.coefficients[:, i])
    one = figures.one_factor(first.image, view, values, tops[i], labels, name)
    style.mark_phantom(one, run.is_phantom)
    pictures.append(one)
    captions.append(name + (f", chosen for {areas[i]}" if i in areas else ""))
display(slider.image_slider(pictures, captions, "factor"))

# %% [markdown]
# ## What each factor aligns with
#
# A factor *belongs* to an area if its mean is largest there and its AUROC is high. A factor that is
# dark in several rows of the left table is shared between areas.

# %%
measured = {
    "mean": report.means,
    "coverage": report.coverage,
    "auroc": report.auroc,
}
run.save_table(tables.by_factor(measured, data.areas), "factor_alignment")
figure = figures.factor_tables(
    report.means,
    report.coverage,
    report.auroc,
    data.areas,
    list(zip(selection.factors, selection.areas)),
)
run.show(figure, "B_factor_alignment")

# %% [markdown]
# ## Cells and axons
#
# Does a factor follow what tissue is made of? On a phantom the densities of cells and of axons are
# known at every pixel. On real tissue they are estimated from the gray values: filters of the width
# of cells and fibres, in µm, whose responses a ridge regression turns into densities. It learned
# that on phantoms drawn for the purpose, at the pixel size of these slices.

# %%
figure = figures.density_correlations(
    report.cells, report.axons, names, report.known
)
run.show(figure, "B_factor_densities")
densities = {"cells": report.cells, "axons": report.axons}
index = pd.Index(names, name="factor")
run.save_table(pd.DataFrame(densities, index), "factor_densities")

# %% [markdown]
# How far to trust the estimate: its rank correlation with the truth (`rho`, and `low`, the lower
# end of a 95 % interval over neighbourhoods), over the slice and within each area, where telling
# areas apart is of no help. On a phantom the table is of this slice, which the regression never
# saw; elsewhere it is of a drawn section that was kept aside, and its areas are those of the
# drawing, whatever yours are called. An estimate decides a claim only if both correlations over
# the slice are 0.7 or more and it answers that claim there as truth does.

# %%
agreement = stages.density_agreement(run, first)
run.save_table(agreement, "density_agreement")
whose = "this slice" if report.known else "a drawn section, not of this slice"
display(Markdown(f"*Areas of {whose}:*"))
display(agreement.set_index("area").astype(float).round(2).T)

# %%
if report.known and "WM" in data.areas:
    display(stages.factor_by_both(run, report))
elif not report.known:
    doubt = stages.calibrated_densities(run).value["doubt"]
    rows = [
        {"claim": c, "doubt": words or "none"} for c, words in doubt.items()
    ]
    display(pd.DataFrame(rows))

# %% [markdown]
# ## Which layers of cortex
#
# "F11 in L4 and L6" becomes a measurement: the mean coefficient of each selected factor in each
# layer, relative to its mean over layers. Left out are factors that are *silent* in cortex: their
# mean there is below 1 % of that in the area they were chosen for, and a peak of next to nothing
# means nothing. Whether a difference would come back on other tissue is asked by a bootstrap of
# whole blocks, because neighbouring windows share their pixels.

# %%
if report.layer_means is not None:
    note = "bands of depth stand in for layers"
    if report.cortex["annotated"]:
        note = "layers as annotated"
    layers = report.cortex["layer_names"]
    silent = findings.silent_factors(selection, report.means, cortex)
    figure = figures.layer_means(
        report.layer_means, layers, dict(shown), note, silent
    )
    run.show(figure, "B_factor_layers")
    table = pd.DataFrame(report.layer_means, index, layers)
    run.save_table(table, "factor_layers")

# %%
if report.layer_means is not None:
    listed = ", ".join(markup.plain(n) for i, n in shown if i in silent)
    words = (
        f"Silent in cortex: {listed or 'none of the selected factors'}. "
        "A factor that is silent in cortex cannot be shared with its layers"
    )
    if data.role("thalamus_vp"):
        words += "; claim B.nmf.shared asks it of the factor chosen for VP"
    display(Markdown(f"{words}."))

# %% [markdown]
# ## The same basis on a second slice
#
# Components are kept, coefficients are solved for, position by position. If the factors describe
# tissue and not one slice, they light up in the same places; the error says how much worse the
# borrowed basis fits.

# %%
if second:
    coarser = max(stride, further_stride)
    other = stages.nmf_factors(
        run,
        trained[seeds[0]],
        second,
        stride=coarser,
        basis=fitted[seeds[0]],
    ).value
    origin = "annotated" if other.annotated else "predicted by the network"
    words = (
        f"Slice {stages.slice_name(second)}, areas {origin}: relative error "
        f"{other.error:.3f} against {found.error:.3f} on the first."
    )

# %%
if second:
    figure = figures.selected_factors(
        second.image,
        figures.view_of(other.areas > 0, turns, coarser, margin=60),
        [other.on_grid(other.coefficients[:, i]) for i, _ in shown],
        [tops[i] for i, _ in shown],
        [title for _, title in shown],
        other.grid.at_grid(other.areas),
        data.pixel_size_um,
    )
    run.show(figure, "B_factors_second_slice")
    display(Markdown(words))

# %% [markdown]
# ## Is this a good number of factors?
#
# The error falls with every factor added, so it alone cannot choose. Stability can help: factorise
# again from other positions and other starts, pair the factors, and see how alike they are (cosine,
# 1 is equal). Any number whose factors come back is defensible; among those, the error says how
# much of the features more factors would add.

# %%
table = stages.choice_of_k(
    run, fitted[seeds[0]], try_k, try_seeds, max_rows=try_rows
).value
run.save_table(table, "choice_of_k")
measures = {
    "error": "relative error",
    "stability": "likeness of matched factors",
}
run.show(figures.choosing(table, "k", k, measures), "B_choice_of_k")
display(Markdown(findings.stability_in_words(table, "k", k)))

# %% [markdown]
# ## What must fail
#
# A rule says something only if factors fail it that lack what it credits. So the same steps are
# taken with a network of random weights, at every fourth position; with area maps that are shifted
# along the slice, so that no area is where it was; with columns of cortex turned along depth, which
# keeps patches and loses layers; and with random choices of as many factors. As many random
# components with fitted coefficients say how easy a small error is.

# %%
judged = {}
for seed in seeds:
    random = stages.untrained_classifier(run, seed)
    without = stages.untrained_report(run, random, reports[seed], seed)
    judged[seed] = stages.factor_claims(run, reports[seed], without)
own = judged[seeds[0]].own_auroc
figure = figures.by_area(own, data.areas, "AUROC in its own area")
run.show(figure, "B_factors_and_controls")

# %%
panels = stages.null_panels_of_factors(judged[seeds[0]])
if panels:
    run.show(figures.null_panels(panels), "B_factor_nulls")

# %% [markdown]
# In {numref}`B_factors_and_controls`, dots are factors of the trained network; hollow marks show
# how far factors of random weights get, and what a shifted map leaves. Where a mark comes close to
# its dot, the slice and not the training makes the match. In {numref}`B_factor_nulls`, the mean
# correlation between the selected factors stands against random choices of as many, and the
# contrast between layers 4 and 6 and the others, in the factor chosen for VP, against columns
# turned along depth. The area map is shifted by 200 distances: if more than one shifted map in
# twenty meets the rule on areas, large areas do, and the factors need not know any.

# %% [markdown]
# ## Explore
#
# In a live session, change λ and p of the selection and look at any factor.

# %%
live.factor_explorer(first.image, view, found, labels, data.areas)

# %% [markdown]
# ## Compare
#
# A red row says that the rule did not hold for this network on these slices, not that the paper is
# wrong. A row that the control meets too says something about slices, and nothing about training:
# any factors of windows that differ from area to area would do. The network learns to tell areas
# apart; nothing asks it to keep what tells layers apart, least of all after a short training. Where
# the factor chosen for VP is silent in cortex, the row on shared factors says little, whatever its
# verdict. Another network has other factors, so look at several seeds before reading much into one
# row.

# %%
decided = stages.decided_by_densities
run.record_all(
    {seed: decided(run, first, one.found) for seed, one in judged.items()}
)

# %%
run.scoreboard()
