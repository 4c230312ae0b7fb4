"""One function per panel: arrays in, a matplotlib figure out.

A panel lies in the module named after its page; what several pages draw on lies in ``views``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "views": [
            "bar_below",
            "View",
            "annotated_slice",
            "outlines",
            "quarter_turns",
            "scale_below",
            "show_map",
            "view_of",
        ],
        "data": [
            "annotated_slice_with_patches",
            "class_balance",
            "depth_texture",
            "overview",
            "slices",
            "texture_ratios",
        ],
        "area_classifier": [
            "ablations",
            "area_map",
            "baselines",
            "confusion",
            "permuted_names",
            "scores_per_area",
            "training_curves",
        ],
        "probes": ["learning_curves", "noise_curves", "probe_scores"],
        "gram": [
            "area_similarity",
            "error_intervals",
            "gram_matrices",
            "pair_gaps",
            "pca_3d",
            "scatter_3d",
        ],
        "cortical_kmeans": [
            "cluster_colours",
            "cortex_map",
            "depth_profile",
            "explained_variance",
            "layer_controls",
            "layer_table",
            "show_clusters",
            "strip",
            "strips",
        ],
        "nmf_factors": [
            "choosing",
            "density_correlations",
            "factor_tables",
            "heatmap",
            "in_paper_order",
            "layer_means",
            "one_factor",
            "score_table",
            "selected_factors",
        ],
        "filtering": ["minimal_filtering"],
        "controls": ["by_area", "null_panels"],
        "volume": ["areas_of_volume", "neighbours", "orthogonal_views", "seconds_and_blocks"],
        "cortical_gmm": [
            "areas_and_layers",
            "barrels",
            "component_colours",
            "component_densities",
            "component_map",
            "shares_of_two_slices",
            "single_components",
            "top_factors",
            "zoom",
        ],
    },
)
