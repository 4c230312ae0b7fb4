"""Receptive fields: which latents move when one brain region of the input changes (paper C, §2.2,
§3.3, Fig. 3B–E).
"""

from collections.abc import Callable, Sequence

import numpy as np

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0)


def region_masks(atlas: np.ndarray, n_regions: int) -> np.ndarray:
    """Label map (H, W) with labels 1…R -> masks (R, H, W) bool.

    Raises
    ------
    ValueError
        if a region has no pixel: at reduced resolution a small region can vanish.
    """
    if not n_regions:
        raise ValueError("found no region: receptive fields need an atlas with regions of interest")
    labels = range(1, n_regions + 1)
    empty = [str(label) for label in labels if not (atlas == label).any()]
    if empty:
        raise ValueError(
            f"regions without a pixel in the atlas: labels {', '.join(empty)} of 1…{n_regions}"
        )
    return np.stack([atlas == label for label in labels])


def region_brightness(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Mean brightness of each region over images: (N, H, W), (R, H, W) -> (R,)."""
    average = np.asarray(images, np.float32).mean(0)
    return np.array([average[mask].mean() for mask in masks])


def fill_region(
    images: np.ndarray, mask: np.ndarray, brightness: float, weight: float
) -> np.ndarray:
    """Replace a region by a flat patch: ``x̃ = x₀(1 − m) + w·b·m``.

    Parameters
    ----------
    images : ndarray, (N, H, W)
    mask : ndarray, (H, W) bool
    brightness : float
        b, the region's mean over clean images.
    weight : float
        w; 0 leaves a hole, 1 a patch of usual brightness, 2 one twice as bright. Not clipped.

    Returns
    -------
    ndarray, (N, H, W) float32
    """
    filled = np.array(images, np.float32)
    filled[:, mask] = weight * brightness
    return filled


def scale_region(images: np.ndarray, mask: np.ndarray, gain: float) -> np.ndarray:
    """Multiply a region by a gain and keep its texture: a change that stays near the data (ours,
    beside the paper's).
    """
    scaled = np.array(images, np.float32)
    scaled[:, mask] *= gain
    return scaled


def region_responses(
    encode: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    masks: np.ndarray,
    weights: Sequence[float] = WEIGHTS,
    *,
    keep_texture: bool = False,
) -> np.ndarray:
    """Latents of every image with every region perturbed at every weight.

    Parameters
    ----------
    encode : callable, (N, H, W) -> (N, L)
    images : ndarray, (N, H, W)
        Clean ones.
    masks : ndarray, (R, H, W) bool
    weights : sequence of float
    keep_texture : bool
        Multiply a region by the weight (`scale_region`) instead of filling it with the weight times
        its mean brightness over ``images`` (`fill_region`).

    Returns
    -------
    ndarray, (R, W, N, L)
    """
    brightness = region_brightness(images, masks)

    def changed(region: int, weight: float) -> np.ndarray:
        if keep_texture:
            return scale_region(images, masks[region], weight)
        return fill_region(images, masks[region], brightness[region], weight)

    return np.stack([[encode(changed(r, weight)) for weight in weights] for r in range(len(masks))])


def fit_gaussians(responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over images of each (region, weight, latent): (R, W, N, L) -> two (R, W,
    L).
    """
    if responses.shape[2] < 2:
        raise ValueError(f"a Gaussian needs at least 2 images, found {responses.shape[2]}")
    responses = np.asarray(responses, np.float64)
    return responses.mean(2), responses.var(2, ddof=1)


def gaussian_kl(
    mean_p: np.ndarray, var_p: np.ndarray, mean_q: np.ndarray, var_q: np.ndarray
) -> np.ndarray:
    """KL(p ‖ q) of univariate Gaussians in nats, elementwise.

    ``½ (ln(σq²/σp²) + (σp² + (μp − μq)²)/σq² − 1)``

    Raises
    ------
    ValueError
        if a variance is not positive.
    """
    mean_p, var_p, mean_q, var_q = (
        np.asarray(x, np.float64) for x in (mean_p, var_p, mean_q, var_q)
    )
    if not (np.all(var_p > 0) and np.all(var_q > 0)):
        raise ValueError(
            "variances must be positive; found one that is not: "
            "is a latent the same for all images?"
        )
    return 0.5 * (np.log(var_q / var_p) + (var_p + (mean_p - mean_q) ** 2) / var_q - 1)


def kl_matrix(mean: np.ndarray, variance: np.ndarray, symmetric: bool = False) -> np.ndarray:
    """Impact of each region on each latent: KL from the darkest to the brightest perturbation,
    KL(first weight ‖ last).

    Parameters
    ----------
    mean, variance : ndarray, (R, W, L), of `fit_gaussians`
    symmetric : bool
        Mean of both directions instead.

    Returns
    -------
    ndarray, (R, L), nats
    """
    p, q = ((mean[:, end], variance[:, end]) for end in (0, -1))
    forward = gaussian_kl(*p, *q)
    return 0.5 * (forward + gaussian_kl(*q, *p)) if symmetric else forward


def normalise_rows(matrix: np.ndarray) -> np.ndarray:
    """Share of each latent in a region's total impact: rows of (R, L) divided by their sums (a zero
    row stays zero).
    """
    total = matrix.sum(1, keepdims=True)
    return matrix / np.where(total > 0, total, 1)


def localised_latents(impact: np.ndarray, share: float = 0.4) -> np.ndarray:
    """Latents moved mostly by one region, which holds at least ``share`` of the sum over regions.
    (R, L) -> indices.

    Give `normalise_rows` of a `kl_matrix`, so that a region that moves everything does not decide
    alone.
    """
    total = impact.sum(0)
    return np.flatnonzero(impact.max(0) / np.where(total > 0, total, 1) >= share)


def impact_covariance(impact: np.ndarray) -> np.ndarray:
    """Covariance across regions between the latents' impact profiles: (R, L) -> (L, L)."""
    return np.atleast_2d(np.cov(impact, rowvar=False))


def decorrelation_score(impact: np.ndarray, active: Sequence[int] | None = None) -> float:
    """How differently latents respond to regions: mean over pairs of ``1 − |correlation of impact
    profiles|``.

    Parameters
    ----------
    impact : ndarray, (R, L)
        Usually `normalise_rows` of a `kl_matrix`.
    active : sequence of int, optional
        Latents to score; a latent with a flat profile is left out too, for it has no correlation.

    Returns
    -------
    float in [0, 1]; NaN with fewer than two latents left. Not 1 for unrelated profiles: see
    `decorrelation_null`.

    References
    ----------
    Paper C, Fig. 3E, which gives no formula.
    """
    profiles = impact.T if active is None else impact.T[active]  # (latents, R)
    profiles = profiles[np.ptp(profiles, axis=1) > 0]
    if len(profiles) < 2:
        return float("nan")
    pairs = np.triu_indices(len(profiles), 1)
    return float(np.mean(1 - np.abs(np.corrcoef(profiles)[pairs])))


def decorrelation_null(
    impact: np.ndarray, active: Sequence[int] | None = None, draws: int = 500, seed: int = 0
) -> np.ndarray:
    """Scores after shuffling each latent's profile over the regions, on its own: what unrelated
    latents score. (draws,)
    """
    rng = np.random.default_rng(seed)
    return np.array(
        [decorrelation_score(rng.permuted(impact, axis=0), active) for _ in range(draws)]
    )


def bootstrap_scores(
    responses: np.ndarray, active: Sequence[int] | None = None, draws: int = 200, seed: int = 0
) -> np.ndarray:
    """Decorrelation scores with the images resampled: (R, W, N, L) -> (draws,), for an interval."""
    rng, scores = np.random.default_rng(seed), []
    pair = np.asarray(responses, np.float64)[:, [0, -1]]  # (R, 2, N, L): darkest and brightest
    mean, n = pair.mean(2, keepdims=True), pair.shape[2]
    centred = pair - mean  # the variance below is then a difference of small numbers
    for _ in range(draws):
        share = np.bincount(rng.integers(n, size=n), minlength=n) / n  # of the draws, by image
        shift = np.einsum("rwnl,n->rwl", centred, share)
        variance = np.einsum("rwnl,n->rwl", centred**2, share) - shift**2
        impact = kl_matrix(mean[:, :, 0] + shift, variance)
        scores.append(decorrelation_score(normalise_rows(impact), active))
    return np.array(scores)
