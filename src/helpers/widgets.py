"""Interactive views for live sessions; the rendered page never depends on them.

Every function shows its static picture first in the notebook and adds sliders here. Outside a live session (papermill,
the rendered book) they do nothing, because a callback needs a kernel.
"""

from __future__ import annotations

import os


def is_live() -> bool:
    """Return whether somebody sits at this notebook: a kernel, and not one that papermill drives."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel") and not os.environ.get("BRAINBOOK_HEADLESS")
