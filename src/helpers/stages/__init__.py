"""What notebooks share: the only place that joins a dataset, a method and an artifact.

Every result here is stored in the run folder and made once, so each notebook runs alone and in any order.
"""

import importlib

_HOMES = {
    "microct": ("AreaMap", "SliceFeatures", "TrainedClassifier", "area_map", "class_balance", "classified", "evaluation_patches", "labelled_test_slice",
                "patches", "posteriors", "save_area_maps", "slice_features", "standardised", "trained_classifier"),
    "paper_a": ("area_networks", "evaluation_role", "learning_curves", "noise_predictions", "own_accuracy", "patch_features",
                "pretrained_networks", "probe_predictions", "repeats"),
    "paper_a_cortex": ("SURFACE_DOWN", "cortex_grid"),
    "paper_a_structure": ("area_pairs", "is_network", "pair_intervals", "structure_sets", "structure_table"),
    "paper_b": ("area_labels", "choice_of_components", "choice_of_k", "cortical_components", "cortical_layers", "nmf_factors", "slice_pair", "tissue_densities"),
    "paper_b_reports": ("cortex_report", "example_box", "factor_report", "matched_shares", "slice_name"),
    "population": ("Model", "Prepared", "model_grid", "pca_baselines", "prepared_population", "three_models", "trained_vae", "trained_vaes"),
    "paper_c": ("denoising_table", "injected_artifacts", "model_scores", "overview", "population_latents", "projective_fields", "region_responses", "spread"),
}


def __getattr__(name: str):
    """Return a stage by name, importing only the module that holds it (torch loads where it is used)."""
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"helpers.stages.{module}"), name)
    raise AttributeError(f"helpers.stages has no {name!r}")
