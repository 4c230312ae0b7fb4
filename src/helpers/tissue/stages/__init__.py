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
            "TrainedClassifier",
            "area_map",
            "class_balance",
            "classified",
            "evaluation_patches",
            "labelled_test_slice",
            "patches",
            "posteriors",
            "save_area_maps",
            "slice_features",
            "standardised",
            "trained_classifier",
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
        "kmeans": ["SURFACE_DOWN", "cortex_grid"],
        "gram": ["area_pairs", "is_network", "pair_intervals", "structure_sets", "structure_table"],
        "factorisation": [
            "area_labels",
            "choice_of_components",
            "choice_of_k",
            "cortical_components",
            "cortical_layers",
            "nmf_factors",
            "slice_pair",
            "tissue_densities",
        ],
        "reports": [
            "cortex_report",
            "example_box",
            "factor_report",
            "matched_shares",
            "slice_name",
        ],
    },
)
