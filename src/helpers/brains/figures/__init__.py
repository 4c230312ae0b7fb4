"""One function per panel: arrays in, a matplotlib figure out.

A panel lies in the module named after its page; what several pages show lies in ``shared``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "shared": ["draw_matrix", "gallery", "image_rows", "matrix"],
        "vae_models": [
            "against_beta",
            "against_latent_dim",
            "bends_and_power_laws",
            "history_colours",
            "overview",
            "template_and_atlas",
            "training_curves",
        ],
        "denoising": ["bars_per_artifact", "receiver_operating_curves", "uncertainty"],
        "projective_field": [
            "bright_pixels",
            "png_frames",
            "stratified_maps",
            "traversal_strips",
            "variance_maps",
        ],
        "receptive_field": [
            "activation_grid",
            "activation_panels",
            "decorrelation",
            "impact_and_covariance",
            "masked_inputs",
            "region_against_latent",
        ],
    },
)
