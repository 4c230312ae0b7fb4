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
# Every checkable statement of the three papers, what was published, what this run found, what a
# *control* found that must fail, and the verdict of a rule. Rules were written down before the
# results were known; where one was made stricter since, because something without structure had met
# it, `book/claims.yml` says why. A red row is a result, not a bug: the claim did not hold on *this*
# data with *this* amount of training. *Holds, but so does the control* is one, too: true here, and
# no merit of the method. "Not run" says what was missing.
#
# Numbers are means over *n* repeats, ± their standard deviation; rules apply to the mean. A repeat
# is a newly trained network wherever `seeds` lists several. Pages 03 to 05 also repeat with another
# draw of windows, or another start of k-means, and the same network. A row shows the numbers that
# its rule compares. Open it for the rule, what of it did not hold, the interval, the figure that
# decides and the page that computes it.

# %% tags=["parameters"]
run = "runs/quick"  # folder of the run whose claims are shown

# %%
from IPython.display import Markdown, display

from helpers.book import claims, open_run, recorded, scoreboard

run = open_run(run, "12_scoreboard")
rows = claims.scoreboard(run.path)

# %% [markdown]
# ## At a glance

# %%
run.show(scoreboard.summary(rows), "scoreboard")

# %% [markdown]
# ## Every claim

# %%
run.board(rows, recorded.all_rows())

# %% [markdown]
# ## Recorded runs
#
# Data that cannot be given away leave their numbers here, beside the verdict of this run in every
# row. What was recorded are values and controls; today's rules are applied to them.

# %%
display(Markdown(recorded.notes() or "No run is recorded in this book."))
