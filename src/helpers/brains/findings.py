"""What the claims of paper C compare, from measured arrays and tables: numbers in, numbers out,
None where undefined.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from helpers.brains import projective_field, quality
from helpers.brains import receptive_field as rf

BIOLOGY = ("SSp", "HPF", "RSP")  # the regions in which the paper saw anatomy vary (C §3.3)
MOVED_NATS = 0.1  # KL from which a latent counts as moved by a region


def _curve(
    scores: pd.DataFrame, family: str, beta: float | None, column: str
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds against L: (latent dims, values), of the seeds that all L have.

    ``beta`` is ignored for PCA.
    """
    part = scores[(scores["family"] == family) & ((scores["beta"] == beta) | scores["beta"].isna())]
    everywhere = part.groupby("seed")["latent_dim"].transform("nunique")
    part = part[everywhere == part["latent_dim"].nunique()]
    mean = part.groupby("latent_dim")[column].mean()
    return mean.index.to_numpy(), mean.to_numpy()


def elbows(scores: pd.DataFrame, family: str, beta: float) -> dict[str, float] | None:
    """L at which CW-SSIM and PCA-FD bend; None where the grid is too coarse to tell."""
    try:
        return {
            name: quality.elbow(*_curve(scores, family, beta, column))
            for name, column in (("cwssim", "cwssim"), ("fd", "fd_clean"))
        }
    except ValueError:
        return None


def largest_step(scores: pd.DataFrame, family: str, column: str) -> float | None:
    """The largest change of a measure from one L to the next; below 0 if it only falls. None with a
    single L.
    """
    steps = np.diff(_curve(scores, family, None, column)[1])
    return float(steps.max()) if len(steps) else None


def quality_at(
    scores: pd.DataFrame,
    column: str,
    seed: int,
    beta: float,
    chosen: int,
    best: Callable[[np.ndarray], float],
) -> dict[str, float]:
    """One measure of the three models at the chosen L, and each rival's best over all L.

    Parameters
    ----------
    best : callable
        ``max`` for a similarity, ``min`` for a distance.
    """
    at = scores[scores["latent_dim"] == chosen].set_index(["family", "seed"])
    at = at[(at["beta"] == beta) | (at["beta"] == 1) | at["beta"].isna()][column]
    rivals = {
        f"{name}_best": best(_curve(scores, family, 1.0, column)[1])
        for name, family in (("vae", "VAE"), ("pca", "PCA"))
    }
    return {"beta_vae": at["β-VAE", seed], "vae": at["VAE", seed], "pca": at["PCA", 0], **rivals}


def fine_texture(scores: pd.DataFrame, beta: float, largest: int = 8) -> dict[str, float]:
    """Fine-texture power of reconstructions, mean over L up to ``largest``."""
    small = scores[scores["latent_dim"] <= largest]
    return {
        name: float(_curve(small, family, beta, "fine_power")[1].mean())
        for name, family in (("pca", "PCA"), ("beta_vae", "β-VAE"))
    }


def large_dimensions(
    scores: pd.DataFrame, chosen: int = 8, large: int = 32
) -> dict[str, float] | None:
    """What happens at large L: the VAE's CW-SSIM and the PCA's transmission; None if the grid does
    not reach ``large``.
    """
    sizes, vae = _curve(scores, "VAE", 1.0, "cwssim")
    repeats = scores[(scores["family"] == "VAE") & (scores["latent_dim"] == chosen)]["cwssim"]
    kinds = [column for column in scores if column.startswith("transmission_")]
    if sizes.max() < large or len(repeats) < 2 or not kinds:
        return None
    pca = scores[scores["family"] == "PCA"].set_index("latent_dim")[kinds].mean(axis=1)
    return {
        "vae_largest": vae[-1],
        "vae_best": vae.max(),
        "vae_sd": repeats.std(ddof=1),
        "pca_transmission_large": pca[pca.index >= large].iloc[0],
        "pca_transmission_8": pca[chosen],
    }


def denoising(table: pd.DataFrame) -> dict[str, float]:
    """Mean transmission of leakage and missing tissue per model, and CW-SSIM to the clean image.

    ``table`` has one row per image: family, kind, transmission, cwssim.
    """
    short = {"β-VAE": "beta_vae", "VAE": "vae", "PCA": "pca"}
    two = table[table["kind"].isin(["leakage", "missing"])]
    passed = two.groupby(["kind", "family"])["transmission"].mean()
    kept = two.groupby("family")["cwssim"].mean()
    return {
        **{
            f"{kind}_{name}": passed[kind, family]
            for kind in ("leakage", "missing")
            for family, name in short.items()
        },
        **{f"cwssim_{name}": kept[family] for family, name in short.items()},
    }


def artifact_latents(
    latents: np.ndarray, clean: np.ndarray, active: Sequence[int], threshold: float = 0.75
) -> tuple[np.ndarray, np.ndarray]:
    """Latents that tell artifact images from clean ones: max(AUC, 1 − AUC) per active latent, and
    which reach the threshold.

    Returns
    -------
    areas : ndarray, (number of active latents,)
    chosen : ndarray of latent indices
    """
    areas = np.array([roc_auc_score(~clean, latents[:, k]) for k in active])
    areas = np.maximum(areas, 1 - areas)
    return areas, np.asarray(active)[areas >= threshold]


def bright_in_words(
    names: Sequence[str], active: Sequence[int], areas: np.ndarray, chosen: np.ndarray
) -> str:
    """What bright pixels are, given what `artifact_latents` found: a sentence."""
    if len(chosen):
        return (
            f"Artifact latents: {', '.join(names[k] for k in chosen)}, {len(chosen)} of "
            f"{len(active)} active. Bright pixels along them may be artifacts; read those of the "
            "others as bright anatomy."
        )
    return (
        f"None of {len(active)} active latents is an artifact latent "
        f"(largest AUC {np.max(areas, initial=0.5):.2f}): nothing says that bright pixels here are "
        "artifacts; read them as bright anatomy."
    )


def tail_asymmetry(
    fields: dict[str, np.ndarray], chosen: np.ndarray, atlas: np.ndarray
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
    share = tails[..., atlas > 0].sum(-1) / tails.sum((2, 3))  # (K, 2)
    each = np.arange(len(chosen))
    return {
        "median_asymmetry": float(np.median(asymmetry)),
        "roi_share_opposite": float(share[each, 1 - brighter].mean()),
        "roi_share_same": float(share[each, brighter].mean()),
    }


def brightness_trend(fields: dict[str, np.ndarray], active: Sequence[int]) -> float:
    """Rank correlation of the size of c with the bright pixels, mean over active latents."""
    bright = fields["bright"][active]
    size = np.abs(fields["weights"])
    return float(spearmanr(size, bright.mean(0))[0]) if np.ptp(bright) else 0.0


def biology(
    fields: dict[str, np.ndarray],
    active: Sequence[int],
    atlas: np.ndarray,
    regions: Sequence[str],
    brain: np.ndarray,
) -> dict[str, float] | None:
    """Mean small-weight variance in the paper's regions and over the brain; None if the atlas lacks
    them.
    """
    labels = [regions.index(name) + 1 for name in BIOLOGY if name in regions]
    if not labels:
        return None
    small = fields["variance"][active][:, [0, 1]].mean((0, 1))  # (H, W)
    return {
        "rois": float(small[np.isin(atlas, labels)].mean()),
        "brain": float(small[brain].mean()),
    }


def moved_share(
    impact: np.ndarray, regions: Sequence[str], threshold: float = MOVED_NATS
) -> dict[str, float] | None:
    """Share of latents that the hippocampus, and the striatum, move by more than ``threshold``
    nats; None without them.

    ``impact`` is (R, active latents).
    """
    if "HPF" not in regions or "STR" not in regions:
        return None
    return {
        f"{name}_share": float((impact[regions.index(region)] > threshold).mean())
        for name, region in (("hpf", "HPF"), ("str", "STR"))
    }


def filled_and_scaled(
    filled: np.ndarray, scaled: np.ndarray, regions: Sequence[str], threshold: float = MOVED_NATS
) -> list[str]:
    """In words: how many latents HPF and STR move when filled and when gently scaled, and how alike
    the two matrices are.

    Parameters
    ----------
    filled, scaled : ndarray, (R, active latents)
        KL from dark to bright.

    Returns
    -------
    list of str
    """
    if not filled.shape[1]:
        return ["No latent is active."]
    words = []
    for name in ("HPF", "STR"):
        if name in regions:
            hard, gentle = filled[regions.index(name)], scaled[regions.index(name)]
            held = [row.max() / max(row.sum(), 1e-12) for row in (hard, gentle)]
            words.append(
                f"{name} moves {(hard > threshold).sum()} of {len(hard)} active latents by more "
                f"than {threshold:g} nat when filled, {(gentle > threshold).sum()} when scaled; "
                f"its most moved latent holds {held[0]:.0%} of the row when filled, "
                f"{held[1]:.0%} when scaled."
            )
    if np.ptp(filled) and np.ptp(scaled):
        rho = spearmanr(filled, scaled, axis=None)[0]
        words.append(f"Rank correlation of the two matrices: {rho:.2f}.")
    return words


def field_mismatch(impact: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """How far receptive and projective fields disagree, over all (region, latent) pairs.

    Parameters
    ----------
    impact, drawn : ndarray, (R, L)
        KL of each region on each latent, and variance that the latent draws in the region.

    Returns
    -------
    dict
        ``pairs``: in the top quarter of one and the bottom half of the other; ``rho``: rank
        correlation.
    """
    top = [x >= np.quantile(x, 0.75) for x in (impact, drawn)]
    bottom = [x <= np.median(x) for x in (impact, drawn)]
    pairs = (top[0] & bottom[1]) | (top[1] & bottom[0])
    return {"pairs": float(pairs.sum()), "rho": float(spearmanr(impact, drawn, axis=None)[0])}


def decorrelation(
    responses: np.ndarray, active: Sequence[int], draws: int = 200, seed: int = 0
) -> dict[str, float]:
    """Decorrelation score of one model with its bootstrap interval (95 %) and its null (median and
    95 %).
    """
    impact = rf.normalise_rows(rf.kl_matrix(*rf.fit_gaussians(responses)))
    low, high = np.nanpercentile(rf.bootstrap_scores(responses, active, draws, seed), [2.5, 97.5])
    null = np.nanpercentile(rf.decorrelation_null(impact, active, draws, seed), [2.5, 50, 97.5])
    return {
        "score": rf.decorrelation_score(impact, active),
        "low": low,
        "high": high,
        "null_low": null[0],
        "null_median": null[1],
        "null_high": null[2],
    }
