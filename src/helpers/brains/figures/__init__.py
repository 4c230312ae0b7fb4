"""One function per panel: arrays in, a matplotlib figure out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "vae_models": [
            "region_outlines",
            "region_colours",
            "template_and_atlas",
            "overview",
            "history_colours",
            "training_curves",
            "gallery",
            "against_latent_dim",
            "against_beta",
            "bars_per_artifact",
            "receiver_operating_curves",
            "uncertainty",
        ],
        "fields": [
            "stratified_maps",
            "variance_maps",
            "traversal_strips",
            "png_frames",
            "matrix",
            "impact_and_covariance",
            "masked_inputs",
            "activation_grid",
            "activation_panels",
            "decorrelation",
            "bright_pixels",
            "region_against_latent",
        ],
    },
)
