"""Projective fields: which pixels a latent draws when it alone is moved (paper C, §2.2, §3.3, Fig.
3A, S4).
"""

from collections.abc import Callable, Sequence

import numpy as np
from tqdm.auto import tqdm

STRATA = ("small positive", "small negative", "large negative", "large positive")
LARGE = 3.5  # |c| beyond which an interpolation weight is large: half of the paper's ±7
NOTHING = 1e-12  # variance of rounding errors: (a millionth of the intensity range)²


def interpolation_weights(limit: float = 7.0, step: float = 0.005) -> np.ndarray:
    """Weights c from ``-limit`` to ``limit``, both included; the paper's are 2,801."""
    if not 0 < step <= limit:
        raise ValueError(f"expected 0 < step ≤ limit, found step={step}, limit={limit}")
    count = int(round(limit / step))
    return np.arange(-count, count + 1) * (limit / count)


def traverse(
    decode: Callable[[np.ndarray], np.ndarray], z0: np.ndarray, latent: int, weights: np.ndarray
) -> np.ndarray:
    """Images along one latent, ``decode(z0 + c·v_k)``.

    Parameters
    ----------
    decode : callable, (N, L) -> (N, H, W)
    z0 : ndarray, (L,)
    latent : int
        k, 0-based.
    weights : ndarray, (C,)

    Returns
    -------
    ndarray, (C, H, W)
    """
    z = np.tile(np.asarray(z0, np.float32), (len(weights), 1))  # (C, L)
    z[:, latent] += weights
    return decode(z)


def stratum(weights: np.ndarray) -> np.ndarray:
    """Index into `STRATA` of each weight; -1 at zero. The quarter just above zero, just below, and
    both far tails.
    """
    conditions = [weights == 0, weights < -LARGE, weights < 0, weights <= LARGE]
    return np.select(conditions, [-1, 2, 1, 0], 3)


def stratified_variance(
    decode: Callable[[np.ndarray], np.ndarray],
    z0: np.ndarray,
    latents: Sequence[int],
    weights: np.ndarray | None = None,
    *,
    bright: float | np.ndarray | None = None,
    batch: int = 256,
    progress: bool = False,
) -> dict[str, np.ndarray | None]:
    """Variance per pixel of each stratum of interpolation weights, one latent at a time, averaged
    over start images.

    Images are decoded in batches and forgotten.

    Parameters
    ----------
    decode : callable, (N, L) -> (N, H, W)
    z0 : ndarray, (S, L)
        Latents of several clean images.
    latents : sequence of int
        Which to move, 0-based.
    weights : ndarray, (C,), optional
        By default −7 to 7 in steps of 0.005.
    bright : float or (H, W) ndarray, optional
        Also count, for each weight, the pixels above this intensity, or each above its own.

    Returns
    -------
    dict
        ``variance`` (K, 5, H, W): the four `STRATA`, then both tails together (the paper's "large
        weights"); ``bright`` (K, C): mean number of bright pixels per image at each weight, or
        None; ``weights`` (C,).
    """
    z0 = np.atleast_2d(np.asarray(z0, np.float32))
    weights = interpolation_weights() if weights is None else np.sort(np.asarray(weights, float))
    groups = stratum(weights)
    absent = [name for i, name in enumerate(STRATA) if not (groups == i).any()]
    if absent:
        raise ValueError(
            f"interpolation weights from {weights.min():g} to {weights.max():g} leave these strata "
            f"empty: {', '.join(absent)}"
        )
    members = np.stack([*(groups == i for i in range(len(STRATA))), groups >= 2]).astype(float)
    shares = members / members.sum(1, keepdims=True)  # (5, C): rows sum to 1
    variance, counts = [], np.zeros((len(latents), len(weights)))
    for row, latent in enumerate(tqdm(latents, desc="projective fields", disable=not progress)):
        total = 0.0
        for start in z0:
            # Moments of differences from the start image: those of brightness itself would make the
            # variance a small difference of large numbers (Chan, Golub & LeVeque 1983).
            origin, moments = traverse(decode, start, latent, np.zeros(1))[0], 0.0
            for i in range(0, len(weights), batch):
                part = slice(i, i + batch)
                images = traverse(decode, start, latent, weights[part])  # (n, H, W)
                moved = np.subtract(images, origin, dtype=np.float64).reshape(len(images), -1)
                moments = moments + np.stack([shares[:, part] @ x for x in (moved, moved**2)])
                if bright is not None:
                    counts[row, part] += (images > bright).sum((1, 2))
            mean, square = moments.reshape(2, len(shares), *origin.shape)
            total = total + np.maximum(square - mean**2, 0)
        variance.append(total / len(z0))
    return {
        "variance": np.stack(variance),
        "bright": counts / len(z0) if bright is not None else None,
        "weights": weights,
    }


def field_rgb(variance: np.ndarray, percentile: float = 99.0, fade: bool = False) -> np.ndarray:
    """One colour picture per latent: cyan just above zero, magenta just below, yellow for large
    weights, on white.

    ``1 − (v₊, v₋, v_large)``, each divided by its own 99th percentile and clipped.

    Parameters
    ----------
    variance : ndarray, (K, 5, H, W), of `stratified_variance`
    fade : bool
        Pale a latent by the root of how little variance it draws beside the one that draws most:
        or noise would be as colourful as anatomy.

    Returns
    -------
    ndarray, (K, H, W, 3) in [0, 1]
    """
    three = variance[:, [0, 1, 4]]  # (K, 3, H, W)
    top = np.percentile(three, percentile, axis=(2, 3), keepdims=True)
    scaled = np.divide(three, top, out=np.zeros_like(three), where=top > NOTHING)
    colours = np.clip(scaled, 0, 1).transpose(0, 2, 3, 1)
    if fade:
        drawn = np.sqrt(variance[:, [0, 1]].mean((1, 2, 3)))
        colours = colours * (drawn / max(drawn.max(), NOTHING))[:, None, None, None]
    return 1 - colours


def tail_brightness(bright: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean number of bright pixels in the negative and in the positive tail: (K, C), (C,) -> (K,
    2).
    """
    groups = stratum(weights)
    return np.stack([bright[:, groups == g].mean(1) for g in (2, 3)], axis=1)


def asymmetry_index(bright: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How one-sided a latent's bright artifacts are: ``(e₋ − e₊) / (e₋ + e₊)``, e the bright pixels
    of each tail.

    1: all at large negative weights; −1: all at large positive ones; NaN: none at all.

    Parameters
    ----------
    bright : ndarray, (K, C), of `stratified_variance`
    weights : ndarray, (C,)

    Returns
    -------
    ndarray, (K,)
    """
    negative, positive = tail_brightness(bright, weights).T
    total = negative + positive
    return np.divide(negative - positive, total, out=np.full(len(total), np.nan), where=total > 0)


def region_variance(variance: np.ndarray, atlas: np.ndarray, n_regions: int) -> np.ndarray:
    """Mean variance inside each region: (K, S, H, W), (H, W) with labels 1…R -> (K, S, R)."""
    labels = range(1, n_regions + 1)
    return np.stack([variance[..., atlas == label].mean(-1) for label in labels], axis=-1)
