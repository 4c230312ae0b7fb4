"""What the claims of paper C compare, from measured arrays and tables: numbers in, numbers out.

Each finding is computed by one function, for the model that a claim praises and, by the same
function, for the control that must fail it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparisons": [
            "Draws",
            "ahead",
            "curve",
            "distance_ahead",
            "elbows",
            "large_dimensions",
            "largest_step",
            "nearer_than_mean",
            "power_law_elbows",
        ],
        "damage": [
            "FEWEST_WAYS",
            "artifact_latents",
            "bright_in_words",
            "brightness_trend",
            "chosen_anew",
            "counted",
            "denoising",
            "detection_by_kind",
            "permuted_counts",
            "tail_asymmetry",
        ],
        "impact": [
            "MOVED_NATS",
            "biology",
            "decorrelation",
            "field_agreement",
            "filled_and_scaled",
            "local_share",
            "match_latents",
            "moved",
            "moved_share",
            "row_shuffles",
            "shuffled",
            "unmoved_count",
        ],
    },
)
