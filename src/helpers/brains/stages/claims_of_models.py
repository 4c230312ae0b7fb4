"""What pages 08, 10 and 11 record: values of paper C's claims, or the reason why there is none."""

import numpy as np
import pandas as pd

from helpers.brains import findings, projective_field, receptive_field
from helpers.brains.preparation import Prepared

TOO_COARSE = "the grid has fewer than two values of L between its ends"
NO_LIST = "no list of clean images"
TOO_FEW = "fewer than two latents are active"


def elbow_in_words(family: str, bend: dict | None) -> str:
    """Where quality bends, given what `findings.elbows` found: a sentence."""
    if bend:
        return f"{family}: CW-SSIM bends at L = {bend['cwssim']:g}, PCA-FD at L = {bend['fd']:g}"
    return (
        f"{family}: this grid has fewer than two values of L between its ends, "
        "so no bend is looked for; -p latent_dims='[4, 6, 8, 12, 20]' asks"
    )


def grid_claims(scores: pd.DataFrame, beta: float, chosen: int) -> dict:
    """Values of the claims on the whole grid of models (C §2.1, §3.2).

    Parameters
    ----------
    scores : DataFrame
        From `model_scores`.
    beta, chosen : float, int
        β and L of the model that the paper settles on.
    """
    step = findings.largest_step(scores, "PCA", "error")
    return {
        "C.elbow": findings.elbows(scores, "β-VAE", beta) or TOO_COARSE,
        "C.elbow.vae": findings.elbows(scores, "VAE", 1.0) or TOO_COARSE,
        "C.pca.error": "a single L" if step is None else {"largest_step": step},
        "C.pca.texture": findings.fine_texture(scores, beta),
        "C.quality.large_l": findings.large_dimensions(scores, chosen)
        or "needs a VAE at L ≥ 32, two seeds and a list of clean images",
    }


def quality_claims(scores: pd.DataFrame, seed: int, beta: float, chosen: int) -> dict:
    """Values of the claims on the quality of one seed's models (C Fig. 2C, 2D)."""
    at = (seed, beta, chosen)
    return {
        "C.quality.cwssim": findings.quality_at(scores, "cwssim", *at, max),
        "C.quality.fd": findings.quality_at(scores, "fd_clean", *at, min),
    }


def field_claims(
    field: dict, active: np.ndarray, data: Prepared, latents: np.ndarray | None
) -> dict:
    """Values of the claims on the projective fields of one model (C §3.3).

    Parameters
    ----------
    field : dict
        From `projective_fields`.
    active : array of int
        Active latents.
    latents : (N, L) array or None
        Of the whole population; None where nothing is known of artifacts.
    """
    known, live = latents is not None, len(active) > 0
    reason = "no latent is active" if known else NO_LIST
    values = dict.fromkeys(("C.artifact_latents", "C.extrema", "C.asymmetry"), reason)
    if known and live:
        chosen = findings.artifact_latents(latents, data.clean, active)[1]
        values = {
            "C.artifact_latents": {"count": len(chosen), "latents": len(active)},
            "C.extrema": {"rho": findings.brightness_trend(field, active)},
            "C.asymmetry": findings.tail_asymmetry(field, chosen, data.atlas)
            or "no latent tells damaged from clean images",
        }
        if not data.regions:
            values["C.asymmetry"] = "the population has no atlas"
    anatomy = live and findings.biology(field, active, data.atlas, data.regions, data.brain)
    missing = "the atlas has none of SSp, HPF, RSP, or no latent is active"
    return values | {"C.biology": anatomy or missing}


def impact_claims(responses: np.ndarray, field: dict, active: np.ndarray, data: Prepared) -> dict:
    """Values of the claims on which regions move which latents of one model (C Fig. 3B, §3.3).

    Parameters
    ----------
    responses : array
        From `region_responses`.
    field : dict
        From `projective_fields`.
    active : array of int
        Active latents.
    """
    claims = ("C.kl.hpf", "C.kl.sparse", "C.kl.local", "C.field_asymmetry")
    if len(active) < 2:
        return dict.fromkeys(claims, TOO_FEW)
    gaussians = receptive_field.fit_gaussians(responses)
    impact = receptive_field.kl_matrix(*gaussians)[:, active]
    shares = receptive_field.normalise_rows(impact)
    values = (
        findings.moved_share(impact, data.regions) or "the atlas has no HPF and STR",
        len(receptive_field.unmoved_latents(impact)),
        len(receptive_field.localised_latents(shares)) / len(active),
        findings.field_mismatch(impact, drawn_per_region(field["variance"], data)[:, active]),
    )
    return dict(zip(claims, values))


def drawn_per_region(variance: np.ndarray, data: Prepared) -> np.ndarray:
    """Variance that each latent draws in each region with small weights: (regions, L).

    Parameters
    ----------
    variance : (L, strata, H, W) array
        From `projective_fields`; the first two strata are the small weights of both signs.
    """
    small = variance[:, [0, 1]].mean(1, keepdims=True)
    return projective_field.region_variance(small, data.atlas, len(data.regions))[:, 0].T


def decorrelation_claim(found: pd.DataFrame, seed: int) -> dict:
    """Value of the claim on decorrelation scores (C Fig. 3E) of one seed; PCA has none.

    Parameters
    ----------
    found : DataFrame
        family, seed, score.
    """
    of_seed = found[(found["seed"] == seed) | (found["family"] == "PCA")]
    score = of_seed.set_index("family")["score"]
    if score.isna().any():
        return {"C.decorrelation": TOO_FEW}
    names = {"beta_vae": "β-VAE", "vae": "VAE", "pca": "PCA"}
    return {"C.decorrelation": {short: score[family] for short, family in names.items()}}
