"""Paper C: a β-VAE over a population of brains, read in both directions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "figures",
        "findings",
        "generative_factors",
        "live",
        "outliers",
        "projective_field",
        "quality",
        "recipes",
        "stages",
    ],
    submod_attrs={
        "cwssim": ["cw_ssim"],
        "frechet": ["pca_frechet_distance"],
        "receptive_field": ["gaussian_kl"],
        "vae": ["BetaVAE"],
    },
)
