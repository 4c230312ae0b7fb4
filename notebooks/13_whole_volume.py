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
# # From one slice to a whole volume
#
# **Beyond papers A and B.** Both papers speak of single slices, of a volume of 720 × 1420 × 5805
# voxels. What somebody wants after reading them is the other 719: to run the trained network over
# *their* volume and look at the areas in their viewer. That is six billion positions. Patch by
# patch, as the released code goes, it is out of reach; convolving every slice once, it is a matter
# of processor hours that can be shared out.
#
# Slices are cut into blocks that overlap by half a window. Each block is a task of its own: its
# gray values in, log-probabilities out, whole chunks of OME-Zarr on disk with their checksums. Any
# number of workers may do them, and one that dies takes nothing with it. The result is the same
# to the last bit, whoever computed it. On the command line: `brainbook volume IN OUT --run RUN`.
#
# Slices are classified one by one: nothing tells the network what lies above or below. How well
# neighbours agree is therefore a measurement, and not an assumption.

# %% tags=["parameters"]
microct = "data/phantom-microct"  # folder of the slices
run = "runs/quick"  # folder that everything made here is written to
seeds = [0]  # the network of the first of them is used
# how networks are trained: fast or paper, then what differs, as in
# "fast, epochs=20, patches_per_area=1500"
recipe = "fast"
# volume to predict (zarr, OME-Zarr, TIFF stack, NIfTI, NRRD, folder); "" for
# slices of the phantom's own sample, or of the dataset where it is none
volume = ""
slices = 8  # of the phantom volume, one pixel apart
volume_shape = [512, 1536]  # pixels of each of them
stride = 16  # pixels between positions; 1 classifies every voxel
worker_counts = [1, 2]  # threads that are timed; the most predict the volume
timed_slices = 4  # of the volume, that fewer threads are timed with

# %%
from IPython.display import Markdown, display

from helpers.book import open_run
from helpers.book.slider import image_slider
from helpers.tissue import figures, stages

run = open_run(run, "13_whole_volume", microct=microct)
names = run.microct.areas

# %%
trained = stages.trained_classifier(run, seeds[0], recipe=recipe)
found = stages.whole_volume(
    run,
    trained,
    volume=volume,
    n_slices=slices,
    shape=tuple(volume_shape),
    stride=stride,
    worker_counts=tuple(worker_counts),
    timed_slices=timed_slices,
)

# %%
n, height, width = found.labels.shape
words = (
    f"{found.origin.capitalize()}, z = {found.z[0]} to {found.z[-1]}: "
    f"{n} slices of {height} × {width} positions, one every {stride} pixels."
)
display(Markdown(words))

# %% [markdown]
# ## Three sides
#
# The areas that the network sees, over the gray values; white marks the other cuts. A volume of a
# few slices is a thin plate: z is stretched to be seen at all. Areas of true tissue go on from
# slice to slice. So where the two cuts below and beside show stripes, the network changed its mind.

# %%
middle = n // 2
shown = (found.images, found.labels)
facts = (names, found.z, found.voxel_um)
figure = figures.orthogonal_views(*shown, middle, *facts)
run.show(figure, "volume_three_sides")

# %%
pictures = [figures.orthogonal_views(*shown, i, *facts) for i in range(n)]
labels = [f"z = {z}" for z in found.z]
image_slider(pictures, labels, title="slice", width=900, start=middle)

# %% [markdown]
# ## How large is every area?
#
# Where the truth is known, both volumes count the same positions: those that are annotated.

# %%
known = found.truth is not None and found.truth.any()
if known:
    table = found.against_truth(names)
    run.show(figures.areas_of_volume(table), "volume_areas")
    run.save_table(table, "volume_against_truth")
    display(table.round(4))
run.save_table(found.volumes, "volume_areas")
display(found.volumes[["volume_mm3", "share"]].round(4))

# %% [markdown]
# ## Do neighbours agree?
#
# The Dice overlap of each area with itself in the next slice. The truth does not reach 1 either,
# since tissue changes with depth; what lies below it is doubt of the network.

# %%
true = found.true_agreement(names) if known else None
figure = figures.neighbours(found.agreement, true)
run.show(figure, "volume_neighbours")
run.save_table(found.agreement.reset_index(), "volume_neighbours")

# %% [markdown]
# ## What does it cost?
#
# Measured here, on this machine, with whatever else it had to do: seconds grow with the number of
# blocks, and seconds a slice shrink with the number of workers as far as there are processors for
# them. So these numbers are shown, not saved: `tables/` holds what every run of the same settings
# repeats byte for byte.

# %%
figure = figures.seconds_and_blocks(
    found.slice_seconds, found.blocks, found.costs
)
run.show(figure, "volume_costs", of_data=False)
display(found.costs.round(2))

# %% [markdown]
# And the papers' volume, at every position on tissue? From the speed of one thread, measured on the
# test slice: the dense way of this book, and one patch after the other as released. Divide the
# hours by the number of processors that you have.

# %%
share = float((found.labels > 0).mean())
table = stages.price(
    stages.speeds(run, trained), share, found.bytes_per_position
)
display(table.round(1))
