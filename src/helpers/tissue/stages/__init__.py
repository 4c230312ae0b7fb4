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
            "area_networks",
            "evaluation_role",
            "learning_curves",
            "noise_predictions",
            "own_accuracy",
            "patch_features",
            "pretrained_networks",
            "probe_predictions",
            "repeats",
        ],
        "classifier": [
            "TrainedClassifier",
            "UntrainedClassifier",
            "released_accuracy",
            "trained_classifier",
            "untrained_classifier",
        ],
        "kmeans": ["SURFACE_DOWN", "cortex_grid", "cortex_label", "cortical_layers"],
        "gram": ["area_pairs", "is_network", "pair_intervals", "structure_sets", "structure_table"],
        "factorisation": [
            "area_labels",
            "choice_of_k",
            "nmf_factors",
            "slice_pair",
            "tissue_densities",
        ],
        "volume": ["predict_volume"],
        "whole_volume": ["price", "speeds", "whole_volume"],
        "components": ["choice_of_components", "cortical_components"],
        "report_of_factors": ["factor_report"],
        "claims_of_factors": ["factor_claims", "null_panels_of_factors", "untrained_report"],
        "claims_of_cortex": ["cortex_claims", "null_panels_of_cortex", "untrained_components"],
        "report_of_cortex": ["cortex_report", "example_box", "matched_shares", "slice_name"],
    },
)
