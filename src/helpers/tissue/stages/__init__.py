"""What pages 01 to 07 share: the only place that joins a dataset, a method and an artifact.

Every result is stored in the run folder and made once, so each notebook runs alone and in any
order.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[],
    submod_attrs={
        "slices": [
            "AreaMap",
            "SliceFeatures",
            "area_map",
            "class_balance",
            "evaluation_patches",
            "labelled_test_slice",
            "patches",
            "posteriors",
            "prepared_slice",
            "save_area_maps",
            "slice_features",
        ],
        "probes": [
            "evaluation_role",
            "learning_curves",
            "noise_predictions",
            "own_accuracy",
            "patch_features",
            "probe_predictions",
            "repeats",
        ],
        "networks": ["area_networks", "pretrained_networks"],
        "ablations": ["ablation_scores", "prediction_steps"],
        "classifier": [
            "TrainedClassifier",
            "UntrainedClassifier",
            "released_accuracy",
            "trained_classifier",
            "trained_classifiers",
            "training_patches",
            "untrained_classifier",
        ],
        "gray_controls": ["gray_controls"],
        "kmeans": [
            "SURFACE_DOWN",
            "cortex_grid",
            "cortex_label",
            "cortical_layers",
            "gray_grid",
            "whole_windows",
        ],
        "gram": [
            "area_pairs",
            "is_network",
            "structure_draws",
            "structure_sets",
            "structure_table",
        ],
        "factorisation": [
            "area_labels",
            "choice_of_k",
            "nmf_factors",
            "slice_pair",
        ],
        "densities": [
            "calibrated_densities",
            "decided_by_densities",
            "density_agreement",
            "estimated_densities",
            "tissue_densities",
        ],
        "texture": [
            "area_texture",
            "area_texture_against_real",
            "depth_texture",
            "depth_texture_against_real",
        ],
        "density_verdicts": ["components_by_both", "factor_by_both"],
        "slice_to_wander": ["slice_files"],
        "volume": ["predict_volume"],
        "whole_volume": ["price", "speeds", "whole_volume"],
        "components": ["choice_of_components", "cortical_components"],
        "report_of_factors": ["factor_report"],
        "claims_of_factors": ["factor_claims", "null_panels_of_factors", "untrained_report"],
        "claims_of_cortex": ["cortex_claims", "null_panels_of_cortex", "untrained_components"],
        "report_of_cortex": ["cortex_report", "example_box", "matched_shares", "slice_name"],
    },
)
