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
# # Scoreboard
#
# Every checkable statement of the three papers, what was published, what this run found, and the
# verdict of a rule that was written down before the results were known. A red row is a result, not
# a bug: the claim did not hold on *this* data with *this* amount of training. "Not run" means that
# the data for it was not there, and says what was missing.
#
# Numbers are means over *n* repeats, ± their standard deviation. A repeat is a seed, a newly
# trained network, on the pages of paper C and wherever `seeds` lists several; on pages 03 to 05 it
# is also another draw of windows, or another start of k-means, with the same network. Rules apply
# to the mean.

# %% tags=["parameters"]
run = "runs/quick"  # folder of the run whose claims are shown

# %%
from IPython.display import display

from helpers.book import claims, open_run, scoreboard

run = open_run(run, "12_scoreboard")
rows = claims.scoreboard(run.path)
papers = {
    paper: [row for row in rows if row["id"].startswith(f"{paper}.")]
    for paper in "ABC"
}

# %% [markdown]
# ## At a glance

# %%
run.show(scoreboard.summary(rows), "scoreboard")

# %% [markdown]
# ## Paper A: areas from texture

# %%
display(scoreboard.table(papers["A"]))

# %% [markdown]
# ## Paper B: factors of a whole slice

# %%
display(scoreboard.table(papers["B"]))

# %% [markdown]
# ## Paper C: a population of brains

# %%
display(scoreboard.table(papers["C"]))
