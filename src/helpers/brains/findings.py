"""What the claims of paper C compare, from measured arrays and tables: numbers in, numbers out,
None where undefined.
"""

import numpy as np

from helpers.brains import projective_field, quality, receptive_field

BIOLOGY = ("SSp", "HPF", "RSP")  # the regions in which the paper saw anatomy vary (C §3.3)
MOVED_NATS = 0.1  # KL from which a latent counts as moved by a region


def _curve(scores, family, beta, column):
    """Mean over seeds against L: (latent dims, values). ``beta`` is ignored for PCA."""
    part = scores[(scores["family"] == family) & ((scores["beta"] == beta) | scores["beta"].isna())]
    mean = part.groupby("latent_dim")[column].mean()
    return mean.index.to_numpy(), mean.to_numpy()


def elbows(scores, family, beta):
    """L at which CW-SSIM and PCA-FD bend; None where the grid is too coarse to tell."""
    try:
        return {
            name: quality.elbow(*_curve(scores, family, beta, column))
            for name, column in (("cwssim", "cwssim"), ("fd", "fd_clean"))
        }
    except ValueError:
        return None


def largest_step(scores, family, column):
    """The largest change of a measure from one L to the next; below 0 if it only falls. None with a
    single L.
    """
    steps = np.diff(_curve(scores, family, None, column)[1])
    return float(steps.max()) if len(steps) else None


def quality_at(scores, column, seed, beta, chosen, best):
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


def fine_texture(scores, beta, largest=8):
    """Fine-texture power of reconstructions, mean over L up to ``largest``."""
    small = scores[scores["latent_dim"] <= largest]
    return {
        name: float(_curve(small, family, beta, "fine_power")[1].mean())
        for name, family in (("pca", "PCA"), ("beta_vae", "β-VAE"))
    }


def large_dimensions(scores, chosen=8, large=32):
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


def denoising(table):
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


def artifact_latents(latents, clean, active, threshold=0.75):
    """Latents that tell artifact images from clean ones: max(AUC, 1 − AUC) per active latent, and
    which reach the threshold.

    Returns
    -------
    areas : ndarray, (number of active latents,)
    chosen : ndarray of latent indices
    """
    from sklearn.metrics import roc_auc_score

    areas = np.array([roc_auc_score(~clean, latents[:, k]) for k in active])
    areas = np.maximum(areas, 1 - areas)
    return areas, np.asarray(active)[areas >= threshold]


def bright_in_words(names, active, areas, chosen):
    """What bright pixels are, given what `artifact_latents` found: a sentence."""
    if len(chosen):
        return (
            f"Artifact latents: {', '.join(names[k] for k in chosen)}, {len(chosen)} of {len(active)} active. "
            "Bright pixels along them may be artifacts; read those of the others as bright anatomy."
        )
    return (
        f"None of {len(active)} active latents is an artifact latent (largest AUC {np.max(areas, initial=0.5):.2f}): "
        "nothing says that bright pixels here are artifacts; read them as bright anatomy."
    )


def tail_asymmetry(fields, chosen, atlas):
    """Bright pixels on one side, anatomy on the other? Over the chosen latents; None if there are
    none.

    ``roi_share_opposite`` and ``roi_share_same``: share of a tail's variance that falls into
    regions, for the tail opposite the bright one and for the bright one.
    """
    if not len(chosen):
        return None
    bright = projective_field.tail_brightness(fields["bright"], fields["weights"])[
        chosen
    ]  # (K, 2) negative, positive
    total = bright.sum(1)
    asymmetry = np.divide(
        np.abs(bright[:, 0] - bright[:, 1]), total, out=np.zeros(len(total)), where=total > 0
    )
    tails = fields["variance"][chosen][:, [2, 3]]  # (K, 2, H, W) negative, positive
    share = tails[..., atlas > 0].sum(-1) / tails.sum((2, 3))  # (K, 2)
    brighter = bright.argmax(1)
    each = np.arange(len(chosen))
    return {
        "median_asymmetry": float(np.median(asymmetry)),
        "roi_share_opposite": float(share[each, 1 - brighter].mean()),
        "roi_share_same": float(share[each, brighter].mean()),
    }


def brightness_trend(fields, active):
    """Rank correlation of the size of c with the bright pixels, mean over active latents."""
    from scipy.stats import spearmanr

    return (
        float(spearmanr(np.abs(fields["weights"]), fields["bright"][active].mean(0))[0])
        if np.ptp(fields["bright"][active])
        else 0.0
    )


def biology(fields, active, atlas, regions, brain):
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


def moved_share(impact, regions, threshold=MOVED_NATS):
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


def filled_and_scaled(filled, scaled, regions, threshold=MOVED_NATS):
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
    from scipy.stats import spearmanr

    if not filled.shape[1]:
        return ["No latent is active."]
    words = []
    for name in ("HPF", "STR"):
        if name in regions:
            hard, gentle = filled[regions.index(name)], scaled[regions.index(name)]
            words.append(
                f"{name} moves {(hard > threshold).sum()} of {len(hard)} active latents by more than {threshold:g} nat when filled, "
                f"{(gentle > threshold).sum()} when scaled; its most moved latent holds {hard.max() / max(hard.sum(), 1e-12):.0%} "
                f"of the row when filled, {gentle.max() / max(gentle.sum(), 1e-12):.0%} when scaled."
            )
    if np.ptp(filled) and np.ptp(scaled):
        words.append(
            f"Rank correlation of the two matrices: {spearmanr(filled.ravel(), scaled.ravel())[0]:.2f}."
        )
    return words


def field_mismatch(impact, drawn):
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
    from scipy.stats import spearmanr

    top = [x >= np.quantile(x, 0.75) for x in (impact, drawn)]
    bottom = [x <= np.median(x) for x in (impact, drawn)]
    pairs = (top[0] & bottom[1]) | (top[1] & bottom[0])
    return {"pairs": float(pairs.sum()), "rho": float(spearmanr(impact.ravel(), drawn.ravel())[0])}


def decorrelation(responses, active, draws=200, seed=0):
    """Decorrelation score of one model with its bootstrap interval (95 %) and its null (median and
    95 %).
    """
    impact = receptive_field.normalise_rows(
        receptive_field.kl_matrix(*receptive_field.fit_gaussians(responses))
    )
    low, high = np.nanpercentile(
        receptive_field.bootstrap_scores(responses, active, draws, seed), [2.5, 97.5]
    )
    null = np.nanpercentile(
        receptive_field.decorrelation_null(impact, active, draws, seed), [2.5, 50, 97.5]
    )
    return {
        "score": receptive_field.decorrelation_score(impact, active),
        "low": low,
        "high": high,
        "null_low": null[0],
        "null_median": null[1],
        "null_high": null[2],
    }
