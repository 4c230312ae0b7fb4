"""Papers A and B: a network on X-ray microCT, its features, their factors, and what they say of
cortex.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cortex", "factors", "features", "figures", "live", "network", "stages", "volumes"],
    submod_attrs={
        "network.classifier": ["AreaCNN"],
        "network.dense": ["dense_features"],
        "features.gram": ["block_diagonal_error", "gram_matrix"],
        "factors.nmf": ["NMFResult", "fit_nmf"],
        "factors.greedy_selection": ["Selection", "select_factors"],
    },
)
