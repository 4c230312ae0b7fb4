"""Which latents a region moves, and what they draw: over matrices of regions × latents (C §3.3)."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata, spearmanr

from helpers.brains import receptive_field as rf

BIOLOGY = ("SSp", "HPF", "RSP")  # the regions in which the paper saw anatomy vary (C §3.3)
MOVED_NATS = 0.1  # KL from which a latent can count as moved by a region
MOVED_SHARE = 0.1  # of the region's largest KL, which it has to exceed as well
ALMOST_ALL, MANY = 7 / 8, 5 / 8  # of the active latents, which the paper's regions move
LOCAL = 0.4  # of a latent's impact that one region holds if its field is local
SHUFFLES = 200


def moved(impact: np.ndarray) -> np.ndarray:
    """Whether a region moves a latent: KL above 0.1 nat and a tenth of that region's largest.

    (R, L) nats -> (R, L) bool; the one definition for all claims.
    """
    return (impact > MOVED_NATS) & (impact > MOVED_SHARE * impact.max(1, keepdims=True))


def moved_share(
    filled: np.ndarray, gentle: np.ndarray, regions: Sequence[str]
) -> dict[str, float] | None:
    """Share of latents that the hippocampus, and the striatum, move: when filled and when gently
    scaled; None without them.

    Parameters
    ----------
    filled, gentle : (R, active latents) arrays

    Returns
    -------
    dict
        ``hpf_filled``, ``hpf_gentle``, ``str_filled``, ``str_gentle``; ``margin``: by how much all
        of them exceed `ALMOST_ALL`, and `MANY`; ``margin_null``: the 95 % quantile of the same over
        all pairs of regions given these names. Where every region moves every latent, the
        hippocampus does nothing that others do not.
    """
    if "HPF" not in regions or "STR" not in regions:
        return None
    shares = np.stack([moved(impact).mean(1) for impact in (filled, gentle)])  # (2, R)
    hpf, striatum = regions.index("HPF"), regions.index("STR")
    as_hpf, as_str = (shares - least for least in (ALMOST_ALL, MANY))
    margins = np.minimum(as_hpf.min(0)[:, None], as_str.min(0))  # (R, R): named HPF, named STR
    pairs = margins[~np.eye(len(margins), dtype=bool)]
    return {
        f"{name}_{how}": float(share[region])
        for how, share in zip(("filled", "gentle"), shares)
        for name, region in (("hpf", hpf), ("str", striatum))
    } | {
        "margin": float(margins[hpf, striatum]),
        # "higher": no more than one pair in twenty lies above
        "margin_null": float(np.quantile(pairs, 0.95, method="higher")),
    }


def unmoved_count(impact: np.ndarray) -> float:
    """Number of latents that at least one region does not move: (R, L) nats."""
    return float((~moved(impact)).any(0).sum())


def local_share(impact: np.ndarray) -> float:
    """Share of latents of which one region holds at least 40 %: (R, L) nats.

    Rows are divided by their sums first, so that a region that moves everything does not decide
    alone.
    """
    return len(rf.localised_latents(rf.normalise_rows(impact), LOCAL)) / impact.shape[1]


def row_shuffles(matrix: np.ndarray, draws: int = SHUFFLES, seed: int = 0) -> list[np.ndarray]:
    """The matrix (R, L) with each region's latents shuffled: regions keep their strengths, latents
    lose what makes them one latent.
    """
    generator = np.random.default_rng(seed)
    return [generator.permuted(matrix, axis=1) for _ in range(draws)]


def shuffled(
    statistic: Callable[[np.ndarray], float], impact: np.ndarray, draws: int = SHUFFLES
) -> tuple[float, float]:
    """Median and 95 % quantile of a statistic over row shuffles."""
    values = [statistic(each) for each in row_shuffles(impact, draws)]
    return float(np.median(values)), float(np.quantile(values, 0.95))


def filled_and_scaled(filled: np.ndarray, scaled: np.ndarray, regions: Sequence[str]) -> list[str]:
    """In words: how many latents HPF and STR move when filled and when gently scaled, and how alike
    the two matrices are.

    Parameters
    ----------
    filled, scaled : ndarray, (R, active latents)
        KL from dark to bright.
    """
    if not filled.shape[1]:
        return ["No latent is active."]
    words = []
    for name in ("HPF", "STR"):
        if name in regions:
            row = regions.index(name)
            counts = [moved(impact)[row].sum() for impact in (filled, scaled)]
            held = [m[row].max() / max(m[row].sum(), 1e-12) for m in (filled, scaled)]
            words.append(
                f"{name} moves {counts[0]} of {filled.shape[1]} active latents when filled, "
                f"{counts[1]} when scaled; its most moved latent holds {held[0]:.0%} of the row "
                f"when filled, {held[1]:.0%} when scaled."
            )
    if np.ptp(filled) and np.ptp(scaled):
        rho = spearmanr(filled, scaled, axis=None)[0]
        words.append(f"Rank correlation of the two matrices: {rho:.2f}.")
    return words


def biology(
    small: np.ndarray,
    data: np.ndarray,
    atlas: np.ndarray,
    regions: Sequence[str],
    brain: np.ndarray,
) -> dict[str, float] | None:
    """Variance that small weights draw in the paper's regions; None if the atlas lacks them.

    Parameters
    ----------
    small, data : (H, W) arrays
        Variance drawn by small weights, over all latents, and variance over the images themselves.
    brain : (H, W) bool array

    Returns
    -------
    dict
        ``rois`` and ``brain``, means of the first; ``share`` and ``data_share``, what part of the
        brain's sum lies in the regions, drawn and in the data.
    """
    labels = [regions.index(name) + 1 for name in BIOLOGY if name in regions]
    if not labels:
        return None
    inside = np.isin(atlas, labels) & brain
    share, data_share = (float(m[inside].sum() / max(m[brain].sum(), 1e-30)) for m in (small, data))
    return {
        "rois": float(small[inside].mean()),
        "brain": float(small[brain].mean()),
        "share": share,
        "data_share": data_share,
    }


def match_latents(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """For each latent of one model the one of another that says the same of the same images.

    Parameters
    ----------
    first, second : (N, K) and (N, L) arrays
        Latents of the same images, K ≤ L.

    Returns
    -------
    (K,) int array
        One-to-one, of the largest sum of absolute correlations.
    """
    k = first.shape[1]
    correlation = np.abs(np.corrcoef(first, second, rowvar=False)[:k, k:])
    return linear_sum_assignment(-np.nan_to_num(correlation))[1]


def _deviating(impact: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Pairs in the top quarter of one matrix and the bottom half of the other, (R, L) bool."""
    top = [x >= np.quantile(x, 0.75) for x in (impact, drawn)]
    bottom = [x <= np.median(x) for x in (impact, drawn)]
    return (top[0] & bottom[1]) | (top[1] & bottom[0])


def field_agreement(
    impact: Sequence[np.ndarray], drawn: Sequence[np.ndarray], draws: int = SHUFFLES
) -> dict[str, float]:
    """How receptive and projective fields relate over all (region, latent) pairs of two seeds.

    Parameters
    ----------
    impact, drawn : sequences of two (R, L) arrays
        KL of each region on each latent, and variance that the latent draws in the region; the
        second seed's latents in the order of the first's.

    Returns
    -------
    dict
        ``rho``: rank correlation of the two matrices, mean over seeds; ``rho_null``: the 95 %
        quantile of the same with one matrix's rows shuffled; ``pairs``: deviating pairs (top
        quarter of one, bottom half of the other) that both seeds share; ``pairs_null``: the 95 %
        quantile of the same with the second seed's latents in random order.
    """

    # Shuffling moves ranks about and changes none: they are taken once.
    ranks = [[rankdata(m).reshape(m.shape) for m in each] for each in (impact, drawn)]

    def rho(matrices: Sequence[np.ndarray]) -> float:
        pairs = zip(ranks[0], matrices)
        return float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))

    shuffles = zip(*(row_shuffles(m, draws, seed) for seed, m in enumerate(ranks[1])))
    first, second = (_deviating(*pair) for pair in zip(impact, drawn))
    generator = np.random.default_rng(0)
    orders = [generator.permutation(first.shape[1]) for _ in range(draws)]
    return {
        "rho": rho(ranks[1]),
        "rho_null": float(np.quantile([rho(each) for each in shuffles], 0.95)),
        "pairs": float((first & second).sum()),
        "pairs_null": float(np.quantile([(first & second[:, o]).sum() for o in orders], 0.95)),
    }


def decorrelation(
    responses: np.ndarray, active: Sequence[int], draws: int = SHUFFLES, seed: int = 0
) -> dict[str, object]:
    """Decorrelation score of one model, its bootstrap over images, and its null.

    Returns
    -------
    dict
        ``score``; ``low`` and ``high`` (95 % over images); ``null_low``, ``null_median``,
        ``null_high`` (95 % over shuffled profiles), ``null_95`` (their 95 % quantile); ``draws``,
        (draws,) array, the bootstrap itself, the same images in the same order for all models.
    """
    impact = rf.normalise_rows(rf.kl_matrix(*rf.fit_gaussians(responses)))
    drawn = rf.bootstrap_scores(responses, active, draws, seed)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    null = np.nanpercentile(rf.decorrelation_null(impact, active, draws, seed), [2.5, 50, 97.5, 95])
    return {
        "score": rf.decorrelation_score(impact, active),
        "low": low,
        "high": high,
        **dict(zip(("null_low", "null_median", "null_high", "null_95"), map(float, null))),
        "draws": drawn,
    }
