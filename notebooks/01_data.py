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
# # The data, and the method in one picture
#
# **Papers A (Fig. 1, Fig. 2, §III.1) and B (Fig. 1, §2).** A piece of mouse brain, from the
# hypothalamus up to the surface of the cortex, was scanned with X-rays at 1.17 µm per pixel. On a
# few slices of it an anatomist drew six areas. The papers ask what a network learns when it sees no
# more than a 128 × 128 pixel window of this tissue (150 µm) and has to say which area it comes
# from.
#
# The rules of the game: training windows lie wholly inside one area; validation and test windows
# only have their *centre* in it, so they may straddle a border; and the three roles are played by
# slices at least 50 µm apart, so that no cell is seen twice.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # the first one draws windows and trains the network
# how the network is trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"

# %%
from IPython.display import Markdown, display

from helpers.book import markup, open_run
from helpers.data.phantoms.real_tissue import real_depth_texture
from helpers.tissue import figures, stages
from helpers.tissue.network import classifier, evaluation

run = open_run(run, "01_data", microct=microct)
data = run.microct

# %%
kind = "scanned tissue"
if run.is_phantom:
    kind = "a *phantom*: drawn tissue with known truth"
window = 128 * data.pixel_size_um
words = (
    f"This page shows **{markup.plain(data.name)}**, {kind}: "
    f"{len(data.areas)} areas; a window spans {window:.0f} µm."
)
display(Markdown(words))

# %% [markdown]
# ## The slices
#
# Each slice plays one role. Colours are the annotated areas; a slice without colours has no
# annotation.

# %%
pieces = data.slices()
figure = figures.slices(
    [piece.image for piece in pieces],
    [piece.areas for piece in pieces],
    [f"z = {piece.z}: {piece.role}" for piece in pieces],
    data.areas,
    data.pixel_size_um,
)
run.show(figure, "A_slices")

# %% [markdown]
# ## An annotated slice and what the network gets to see (A Fig. 2)
#
# Five windows of every area, cut by the training rule. Look for what tells them apart: the density
# and size of the dark cell bodies, bright bundles of myelinated fibres and their direction, and the
# fine grain of the white matter.

# %%
train = stages.patches(run, "train", 40, seed=seeds[0], raw=True)
piece = data.slices("train")[0]
figure = figures.annotated_slice_with_patches(
    piece.image,
    piece.areas,
    train.cut()[:, 0],
    train.labels,
    data.areas,
    data.pixel_size_um,
)
run.show(figure, "A_fig2_annotated_slice")

# %% [markdown]
# ## How much of each area is there?
#
# Areas differ widely in size. Training draws the same number of windows from each, so that the
# network cannot win by naming the largest; the whole-slice scores of the next page do feel the
# sizes.

# %%
balance = stages.class_balance(run)
run.save_table(balance, "class_balance")
run.show(figures.class_balance(balance, data.areas), "A_class_balance")

# %% [markdown]
# ## What the tissue is made of
#
# Numbers per area: how bright it is and how much that varies, how many dark blobs of a cell's size
# and smaller it holds, how much of it is bright fibre, how well its structures agree on a
# direction, and how steeply its power spectrum falls. White matter is measured where its largest
# piece lies, in the internal capsule. For a phantom, the same numbers of the real tissue stand
# beside: they say how fair a cartoon it is.

# %%
measured = stages.area_texture(run, piece)
run.save_table(measured, "texture")
words = measured.rename(columns=lambda name: name.replace("_", " "))
display(words.round(3).T)

# %%
if run.is_phantom:
    compared = stages.area_texture_against_real(measured)
    run.save_table(compared.reset_index(), "phantom_against_real_areas")
    figure = figures.texture_ratios(compared, "areas")
    run.show(figure, "phantom_against_real_texture")

# %% [markdown]
# ## What the cortex is made of, by depth
#
# The cortex in ten slabs of equal thickness, 1 at the white matter and 10 at the surface. Real
# layers differ in more than the number of their cells: small dark puncta and processes thin out
# towards the surface, cells grow and stand out more up to layer 2/3, layer 4 (slab 7) is crowded,
# layer 1 (slab 10) nearly empty, and bright fibre lies deep and in layer 4. Pages 05 and 07 look
# for layers in what a network sees; these are the differences that it can see.

# %%
by_depth = None
try:
    by_depth = stages.depth_texture(run, piece)
    run.save_table(by_depth, "texture_by_depth")
    figure = figures.depth_texture(by_depth, real_depth_texture())
    run.show(figure, "texture_by_depth")
except ValueError as error:
    display(Markdown(f"**Not measured here:** {markup.plain(error)}."))

# %%
if run.is_phantom and by_depth is not None:
    compared = stages.depth_texture_against_real(by_depth)
    run.save_table(compared.reset_index(), "phantom_against_real_depth")
    figure = figures.texture_ratios(compared, "cortical depth")
    run.show(figure, "phantom_against_real_depth")

# %% [markdown]
# ## The method in one picture (A Fig. 1, B Fig. 1)
#
# (1) Windows of known area are cut from a slice; (2) a convolutional network learns to name their
# area; (3) the activations of its last hidden layer, 64 numbers per window, are collected over many
# windows; (4) a simple low-dimensional model is fitted to those. Everything drawn below comes from
# this run: its slice, its windows, its trained network. The percentages are recalls on held-out
# windows.

# %%
model = stages.trained_classifier(run, seeds[0], recipe=recipe).value.model
shown = stages.patches(run, "validation", 100, seed=seeds[0])
activations = classifier.patch_features(model, shown.cut())
predicted = classifier.predict(model, shown.cut())
confusion = evaluation.confusion_matrix(shown.labels, predicted, data.areas)
recall = evaluation.scores(confusion)["recall"]

# %%
figure = figures.overview(
    piece.image,
    train.centres - piece.offset,
    train.labels,
    train.cut()[:, 0],
    activations,
    shown.labels,
    dict(zip(data.areas, recall)),
    figures.quarter_turns(piece.areas, max(data.role("cortex"), default=0)),
)
run.show(figure, "A_fig1_overview")

# %% [markdown]
# The next page, {doc}`02_area_classifier`, trains this network and measures it.
