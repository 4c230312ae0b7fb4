"""What models and their latents do with damaged images (C §3.2, §3.3)."""

from collections.abc import Sequence
from itertools import combinations, product
from math import comb

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from helpers.brains import projective_field
from helpers.brains.findings.comparisons import ahead

SHORT = {"β-VAE": "beta_vae", "VAE": "vae", "PCA": "pca", "mean image": "mean"}
KINDS = ("leakage", "missing")  # of which the paper says that the β-VAE removes them best
AUC = 0.75  # from which a latent tells damaged from clean images
MOST_CHOICES = 2000  # of latents and of the order of their tails
FEWEST_WAYS = 16  # one artifact latent of the paper's eight: with fewer, chance alone has over 6 %
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
    fields: dict[str, np.ndarray], chosen: Sequence[int], active: Sequence[int], atlas: np.ndarray
) -> dict[str, float] | None:
    """Bright pixels on one side, anatomy on the other? Over the chosen latents; None if there are
    none.

    Any two tails differ, and one of any two has the higher share of regions: of random fields, one
    in four is asymmetric with the regions on the right side. So each latent's asymmetry is
    multiplied by how far the opposite tail is ahead, and the mean of that is held against other
    choices of as many active latents, with the tails of each in either order.

    Returns
    -------
    dict
        ``median_asymmetry``, of the bright pixels; ``roi_share_opposite`` and ``roi_share_same``,
        share of a tail's variance that falls into regions, for the tail opposite the bright one and
        for the bright one; ``opposed``: mean of asymmetry × (opposite − same); ``opposed_null``:
        its 95 % quantile over the choices; ``ways``: how many choices there are.
    """
    if not len(chosen):
        return None
    every = np.union1d(active, chosen)
    asymmetry, opposite, same = _sides(fields, every, atlas)
    mine = np.isin(every, chosen)
    opposed = asymmetry * (opposite - same)
    ways, null = _choices(opposed, int(mine.sum()))
    return {
        "median_asymmetry": float(np.median(asymmetry[mine])),
        "roi_share_opposite": float(opposite[mine].mean()),
        "roi_share_same": float(same[mine].mean()),
        "opposed": float(opposed[mine].mean()),
        "opposed_null": float(np.quantile(null, 0.95)),
        "ways": float(ways),
    }


def _sides(
    fields: dict[str, np.ndarray], latents: Sequence[int], atlas: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Asymmetry of the bright pixels of each latent, and the share of regions in the variance of
    the tail opposite the bright one and of the bright one: three (K,) arrays.
    """
    bright = fields["bright"][latents], fields["weights"]
    asymmetry = np.abs(np.nan_to_num(projective_field.asymmetry_index(*bright)))
    brighter = projective_field.tail_brightness(*bright).argmax(1)  # 0 negative, 1 positive
    tails = fields["variance"][latents][:, [2, 3]]  # (K, 2, H, W) negative, positive
    share = tails[..., atlas > 0].sum(-1) / np.maximum(tails.sum((2, 3)), 1e-30)  # (K, 2)
    each = np.arange(len(latents))
    return asymmetry, share[each, 1 - brighter], share[each, brighter]


def _choices(values: np.ndarray, size: int, seed: int = 0) -> tuple[int, np.ndarray]:
    """How many choices of as many values with either sign there are, and the means of all of them,
    or of `MOST_CHOICES` random ones.
    """
    ways = comb(len(values), size) * 2**size
    if ways <= MOST_CHOICES:
        signs = np.array(list(product((1, -1), repeat=size)))  # (2^K, K)
        chosen = np.array(list(combinations(range(len(values)), size)))
        return ways, (values[chosen][:, None] * signs).mean(-1).ravel()
    generator = np.random.default_rng(seed)
    chosen = generator.random((MOST_CHOICES, len(values))).argsort(1)[:, :size]
    return ways, (values[chosen] * generator.choice((1, -1), chosen.shape)).mean(1)


def brightness_trend(
    fields: dict[str, np.ndarray], chosen: Sequence[int]
) -> dict[str, float] | None:
    """Do the bright pixels of the chosen latents rise with the size of c? None if there are none.

    Returns
    -------
    dict
        ``rho``: rank correlation of the size of c with their mean; ``rise``: how many more there
        are in the tails than between them.
    """
    if not len(chosen):
        return None
    curve, size = fields["bright"][chosen].mean(0), np.abs(fields["weights"])
    return {
        "rho": float(spearmanr(size, curve)[0]) if np.ptp(curve) else 0.0,
        "rise": float(_rises(fields)[chosen].mean()),
    }


def chosen_anew(
    fields: dict[str, np.ndarray], chosen: Sequence[int], active: Sequence[int]
) -> tuple[int, float]:
    """How the rise of bright pixels compares with other choices of as many active latents, tails
    and middle in either order.

    Any smooth curve rises with the size of c or falls with it: of random fields every second has a
    ``rho`` above 0, and the other latents then have one below it every second time.

    Returns
    -------
    ways : int
        How many choices there are.
    share : float
        Of those that rise by more than the chosen latents do, and half of those that rise alike (as
        the chosen do themselves).
    """
    every = np.union1d(active, chosen)
    rises, mine = _rises(fields)[every], np.isin(every, chosen)
    ways, null = _choices(rises, int(mine.sum()))
    own = rises[mine].mean()
    alike = np.isclose(null, own, rtol=1e-9, atol=0)
    return ways, float(((null > own) & ~alike).mean() + alike.mean() / 2)


def _rises(fields: dict[str, np.ndarray]) -> np.ndarray:
    """Bright pixels of each latent in the tails less those between them: (K,)."""
    tails = np.isin(projective_field.stratum(fields["weights"]), (2, 3))
    return fields["bright"][:, tails].mean(1) - fields["bright"][:, ~tails].mean(1)
