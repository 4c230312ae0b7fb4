"""What models and their latents do with damaged images (C §3.2, §3.3)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from helpers.brains import projective_field
from helpers.brains.findings.comparisons import ahead

SHORT = {"β-VAE": "beta_vae", "VAE": "vae", "PCA": "pca", "mean image": "mean"}
KINDS = ("leakage", "missing")  # of which the paper says that the β-VAE removes them best
AUC = 0.75  # from which a latent tells damaged from clean images
FEWEST = 5  # damaged images of one kind, or nothing is said of it


def denoising(
    table: pd.DataFrame, ours: str = "β-VAE", rivals: Sequence[str] = ("VAE", "PCA")
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Transmission of leakage and missing tissue, and what is kept of each individual.

    Parameters
    ----------
    table : DataFrame
        One row per family, seed, kind and image, with ``transmission`` and ``kept``; the same
        images in the same order for all.
    ours : str
        The family that is praised, or the control in its place.

    Returns
    -------
    values : dict
        ``<kind>_ours``, ``<kind>_below_<rival>`` and ``…_low`` (lower bounds over images and
        seeds), ``kept_ours``, ``kept_vae``.
    intervals : dict
    """
    values, intervals = {}, {}
    for kind in KINDS:
        at = table[table["kind"] == kind]
        stacks = {
            family: np.stack([rows["transmission"].to_numpy() for _, rows in part.groupby("seed")])
            for family, part in at.groupby("family")
        }
        values[f"{kind}_ours"] = float(stacks[ours].mean())
        # Less is better: the minus turns "above" into "below".
        rivals_of = {SHORT[family]: -stacks[family] for family in rivals}
        mine = np.broadcast_to(-stacks[ours], next(iter(rivals_of.values())).shape)
        found = ahead(mine, rivals_of, name=f"{kind}_below")
        values, intervals = values | found[0], intervals | found[1]
    kept = table[table["kind"].isin(KINDS)].groupby("family")["kept"].mean()
    return values | {"kept_ours": float(kept[ours]), "kept_vae": float(kept["VAE"])}, intervals


def detection_by_kind(
    latents: np.ndarray, kinds: np.ndarray, active: Sequence[int], clean: str = "none"
) -> dict[str, np.ndarray]:
    """How well each latent tells each kind of damage from clean images: max(AUC, 1 − AUC).

    Parameters
    ----------
    latents : (N, L) array
    kinds : (N,) array of str
        Kind of damage of each image, ``clean`` for none. One with fewer than five is left out.
    active : sequence of int

    Returns
    -------
    dict of kind to (number of active latents,) array
    """
    found = {}
    for kind in np.unique(kinds[kinds != clean]):
        bad = kinds == kind
        chosen = bad | (kinds == clean)
        if bad.sum() >= FEWEST and chosen.sum() > bad.sum():
            # Area under the curve from ranks (Mann & Whitney 1947), all latents at once.
            ranks = rankdata(latents[chosen][:, active], axis=0)[bad[chosen]].mean(0)
            areas = (ranks - (bad.sum() + 1) / 2) / (chosen.sum() - bad.sum())
            found[str(kind)] = np.maximum(areas, 1 - areas)
    return found


def artifact_latents(areas: dict[str, np.ndarray], active: Sequence[int]) -> np.ndarray:
    """Latents that tell at least one kind of damage from clean images, of `detection_by_kind`."""
    best = np.max([*areas.values()], axis=0)
    return np.asarray(active)[best >= AUC]


def counted(areas: dict[str, np.ndarray]) -> dict[str, float]:
    """How many latents tell damaged from clean images, given `detection_by_kind`: ``count`` of all,
    ``least`` of the kind that fewest tell.
    """
    told = np.stack([*areas.values()]) >= AUC
    return {"count": int(told.any(0).sum()), "least": int(told.sum(1).min())}


def permuted_counts(
    latents: np.ndarray, kinds: np.ndarray, active: Sequence[int], draws: int = 200, seed: int = 0
) -> dict[str, float]:
    """The 95 % quantiles of `counted` when the kinds are permuted."""
    generator = np.random.default_rng(seed)
    draw = lambda: detection_by_kind(latents, generator.permutation(kinds), active)
    counts = [counted(draw()) for _ in range(draws)]
    return {name: float(np.quantile([one[name] for one in counts], 0.95)) for name in counts[0]}


def bright_in_words(
    names: Sequence[str], active: Sequence[int], areas: dict[str, np.ndarray]
) -> str:
    """What bright pixels are, given what `detection_by_kind` found: a sentence."""
    chosen = artifact_latents(areas, active) if areas and len(active) else []
    if len(chosen):
        each = [
            f"{names[k]} ({', '.join(kind for kind, row in areas.items() if row[i] >= AUC)})"
            for i, k in enumerate(active)
            if k in chosen
        ]
        return (
            f"Artifact latents: {', '.join(each)}, {len(chosen)} of {len(active)} active. Bright "
            "pixels along them may be artifacts; read those of the others as bright anatomy."
        )
    largest = max((row.max() for row in areas.values() if len(row)), default=0.5)
    return (
        f"None of {len(active)} active latents is an artifact latent (largest AUC {largest:.2f}): "
        "nothing says that bright pixels here are artifacts; read them as bright anatomy."
    )


def tail_asymmetry(
    fields: dict[str, np.ndarray], chosen: Sequence[int], atlas: np.ndarray
) -> dict[str, float] | None:
    """Bright pixels on one side, anatomy on the other? Over the chosen latents; None if there are
    none.

    ``roi_share_opposite`` and ``roi_share_same``: share of a tail's variance that falls into
    regions, for the tail opposite the bright one and for the bright one.
    """
    if not len(chosen):
        return None
    bright = fields["bright"][chosen], fields["weights"]
    asymmetry = np.abs(np.nan_to_num(projective_field.asymmetry_index(*bright)))
    brighter = projective_field.tail_brightness(*bright).argmax(1)  # 0 negative, 1 positive
    tails = fields["variance"][chosen][:, [2, 3]]  # (K, 2, H, W) negative, positive
    share = tails[..., atlas > 0].sum(-1) / np.maximum(tails.sum((2, 3)), 1e-30)  # (K, 2)
    each = np.arange(len(chosen))
    return {
        "median_asymmetry": float(np.median(asymmetry)),
        "roi_share_opposite": float(share[each, 1 - brighter].mean()),
        "roi_share_same": float(share[each, brighter].mean()),
    }


def brightness_trend(fields: dict[str, np.ndarray], chosen: Sequence[int]) -> float | None:
    """Rank correlation of the size of c with the bright pixels of the chosen latents, mean; None if
    there are none.
    """
    if not len(chosen):
        return None
    bright = fields["bright"][chosen]
    size = np.abs(fields["weights"])
    return float(spearmanr(size, bright.mean(0))[0]) if np.ptp(bright.mean(0)) else 0.0
