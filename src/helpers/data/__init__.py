"""What comes in: dataset folders, phantoms, downloads, intensity, patches, the atlas."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "ccf",
        "datasets",
        "files",
        "folders",
        "intensity",
        "patches",
        "phantoms",
        "sources",
    ],
    submod_attrs={
        "datasets": [
            "DatasetError",
            "MicroCT",
            "Population",
            "Problem",
            "Slice",
            "check",
            "open_microct",
            "open_population",
        ],
    },
)
