"""How a page, a run and a book are made."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "artifacts",
        "claims",
        "execution",
        "in_page",
        "interactive",
        "live",
        "render",
        "scoreboard",
        "slider",
        "style",
    ],
    submod_attrs={
        "root": ["from_root", "project_root"],
        "run": ["Run", "open_run"],
    },
)
