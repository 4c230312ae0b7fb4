"""Is this a live session?"""

from __future__ import annotations

import os


def is_live() -> bool:
    """Return whether somebody sits at this notebook: a kernel, and not one that papermill drives."""
    from IPython import get_ipython

    shell = get_ipython()
    return (
        shell is not None and hasattr(shell, "kernel") and not os.environ.get("BRAINBOOK_HEADLESS")
    )
