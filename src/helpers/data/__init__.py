"""What comes in: dataset folders and their checks, phantoms, downloads, intensity, patches, atlas."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["ccf", "files", "intensity", "patches", "phantoms", "sources"],
    submod_attrs={
        "datasets": [
            "DatasetError",
            "MicroCT",
            "Population",
            "Slice",
            "check",
            "open_microct",
            "open_population",
        ],
    },
)
