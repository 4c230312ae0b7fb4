"""What pages 08 to 11 share: the only place that joins a dataset, a method and an artifact.

Every result is stored in the run folder and made once, so each notebook runs alone and in any
order.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "starts": ["common_start", "linear_optimum", "prepared_population"],
        "trained_models": [
            "Model",
            "linear_vaes",
            "model_grid",
            "pca_baselines",
            "three_models",
            "trained_vae",
            "trained_vaes",
        ],
        "losses": ["model_losses"],
        "brain_in_hand": ["brain_files"],
        "floors": ["mean_image", "training_note", "untrained_network"],
        "measures": ["model_samples", "model_scores", "real_points"],
        "damage": ["denoising_table", "injected_artifacts", "spread"],
        "fields": [
            "bright_threshold",
            "overview",
            "population_latents",
            "projective_fields",
            "region_responses",
        ],
    },
)
