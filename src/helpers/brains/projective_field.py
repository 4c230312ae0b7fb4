"""Projective fields: which pixels a latent draws when it alone is moved (paper C, §2.2, §3.3, Fig.
3A, S4).
"""

import numpy as np

STRATA = ("small positive", "small negative", "large negative", "large positive")
LARGE = 3.5  # |c| beyond which an interpolation weight is large: half of the paper's ±7

NOTHING = 1e-12  # variance of rounding errors: (a millionth of the intensity range)²


def interpolation_weights(limit=7.0, step=0.005):
    """Weights c from ``-limit`` to ``limit``, both included; the paper's are 2,801."""
    if not 0 < step <= limit:
        raise ValueError(f"expected 0 < step ≤ limit, found step={step}, limit={limit}")
    count = int(round(limit / step))
    return np.arange(-count, count + 1) * (limit / count)


def traverse(decode, z0, latent, weights):
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
    z = np.repeat(np.asarray(z0, np.float32)[None], len(weights), axis=0)  # (C, L)
    z[:, latent] += weights
    return decode(z)


class StreamingVariance:
    """Mean and variance per pixel of images that arrive in batches; none is kept (Chan, Golub &
    LeVeque 1979).
    """

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, images):
        """Take in images (n, H, W)."""
        images = np.asarray(images, np.float64)
        if len(images):
            mean = images.mean(0)
            self._merge(len(images), mean, ((images - mean) ** 2).sum(0))
        return self

    def _merge(self, count, mean, squares):
        total = self.count + count
        shift = mean - self.mean
        self.squares = self.squares + squares + shift**2 * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total

    def merged(self, other):
        """What one stream of both would give."""
        both = StreamingVariance()
        for part in (self, other):
            if part.count:
                both._merge(part.count, part.mean, part.squares)
        return both

    @property
    def variance(self):
        """(H, W), population variance."""
        if not self.count:
            raise ValueError("no images yet: there is no variance")
        return self.squares / self.count


def stratum(weights):
    """Index into `STRATA` of each weight; -1 at zero. The quarter just above zero, just below, and
    both far tails.
    """
    weights = np.asarray(weights)
    return np.select(
        [weights == 0, weights < -LARGE, weights < 0, weights <= LARGE], [-1, 2, 1, 0], 3
    )


def stratified_variance(
    decode, z0, latents, weights=None, *, bright=None, batch=256, progress=False
):
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
    bright : float, optional
        Also count, for each weight, the pixels above this intensity.

    Returns
    -------
    dict
        ``variance`` (K, 5, H, W): the four `STRATA`, then both tails together (the paper's "large
        weights"); ``bright`` (K, C): mean number of bright pixels per image at each weight, or
        None; ``weights`` (C,).
    """
    from tqdm.auto import tqdm

    z0 = np.atleast_2d(np.asarray(z0, np.float32))
    weights = interpolation_weights() if weights is None else np.sort(np.asarray(weights, float))
    groups = stratum(weights)
    absent = [name for i, name in enumerate(STRATA) if not (groups == i).any()]
    if absent:
        raise ValueError(
            f"interpolation weights from {weights.min():g} to {weights.max():g} leave these strata empty: {', '.join(absent)}"
        )
    variance, counts = [], np.zeros((len(latents), len(weights)))
    for row, latent in enumerate(tqdm(latents, desc="projective fields", disable=not progress)):
        mean_variance = 0.0
        for start in z0:
            streams = [StreamingVariance() for _ in STRATA]
            for i in range(0, len(weights), batch):
                images = traverse(decode, start, latent, weights[i : i + batch])  # (n, H, W)
                for group, stream in enumerate(streams):
                    stream.add(images[groups[i : i + batch] == group])
                if bright is not None:
                    counts[row, i : i + batch] += (images > bright).sum((1, 2))
            tails = streams[2].merged(streams[3])
            mean_variance = mean_variance + np.stack([s.variance for s in (*streams, tails)]) / len(
                z0
            )
        variance.append(mean_variance)
    return {
        "variance": np.stack(variance),
        "bright": counts / len(z0) if bright is not None else None,
        "weights": weights,
    }


def field_rgb(variance, percentile=99.0):
    """One colour picture per latent: cyan just above zero, magenta just below, yellow for large
    weights, on white.

    ``1 − (v₊, v₋, v_large)``, each divided by its own 99th percentile and clipped.

    Parameters
    ----------
    variance : ndarray, (K, 5, H, W), of `stratified_variance`

    Returns
    -------
    ndarray, (K, H, W, 3) in [0, 1]
    """
    three = np.asarray(variance)[:, [0, 1, 4]]  # (K, 3, H, W)
    top = np.percentile(three, percentile, axis=(2, 3), keepdims=True)
    scaled = np.divide(three, top, out=np.zeros_like(three), where=top > NOTHING)
    return 1 - np.clip(scaled, 0, 1).transpose(0, 2, 3, 1)


def tail_brightness(bright, weights):
    """Mean number of bright pixels in the negative and in the positive tail: (K, C), (C,) -> (K,
    2).
    """
    groups = stratum(weights)
    return np.stack([np.asarray(bright)[:, groups == g].mean(1) for g in (2, 3)], axis=1)


def asymmetry_index(bright, weights):
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


def region_variance(variance, atlas, n_regions):
    """Mean variance inside each region: (K, S, H, W), (H, W) with labels 1…R -> (K, S, R)."""
    variance = np.asarray(variance)
    return np.stack(
        [variance[..., atlas == label].mean(-1) for label in range(1, n_regions + 1)], axis=-1
    )
