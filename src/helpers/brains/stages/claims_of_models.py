"""What pages 08 and 09 record: values of paper C's claims on models, those of their controls by the
same functions, or the reason why there is none.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.book.claims import Finding
from helpers.book.run import Run
from helpers.brains import bends, findings
from helpers.brains.stages.damage import denoising_table
from helpers.brains.stages.floors import mean_image
from helpers.brains.stages.measures import model_samples, real_points
from helpers.brains.stages.trained_models import BETA_VAE, LINEAR, PCA, VAE, Model

NO_LIST = "no list of clean images"
CAPACITY = "at the largest L the VAE is worse than the linear VAE: training, not capacity"


def with_note(found: dict, note: str) -> dict:
    """Say something beside every row that has a value and rests on networks."""
    return {
        claim: replace(value, note="; ".join(filter(None, (value.note, note))))
        if isinstance(value, Finding) and claim != "C.pca.error"
        else value
        for claim, value in found.items()
    }


def elbow_claims(scores: pd.DataFrame, beta: float, chosen: int) -> dict:
    """Values of the claims on bends over L and over β (C §2.1); control: the best power law.

    Parameters
    ----------
    scores : DataFrame
        From `model_scores`.
    beta, chosen : float, int
        β and L of the model that the paper settles on.
    """
    networks = scores[scores["family"].isin([BETA_VAE, VAE])]
    asked = {
        "C.elbow": ("latent_dim", bends.LATENTS, {"beta": beta}),
        "C.elbow.vae": ("latent_dim", bends.LATENTS, {"beta": 1.0}),
        "C.elbow.beta": ("beta", bends.BETAS, {"latent_dim": chosen}),
    }
    found = {}
    for claim, (along, within, fixed) in asked.items():
        try:
            value = findings.elbows(networks, along, within, **fixed)
            law = findings.power_law_elbows(networks, along, within, **fixed)
            found[claim] = Finding(value, law)
        except ValueError as error:
            found[claim] = str(error)
    return found


def elbow_in_words(claim: str, found: Finding | str) -> str:
    """Where quality bends, given what `elbow_claims` found: a sentence."""
    if isinstance(found, str):
        return f"{claim}: {found}"
    value = found.value
    parts = [
        f"{label} bends at {value[name]:g} (from {value[f'{name}_least']:g} to "
        f"{value[f'{name}_most']:g} with an end left out), {value[f'{name}_excess']:+.3f} of its "
        f"range {'beyond' if value[f'{name}_excess'] > 0 else 'short of'} the power law"
        for name, label in (("cwssim", "CW-SSIM"), ("fd", "PCA-FD"))
    ]
    return f"{claim}: {'; '.join(parts)}"


def grid_claims(scores: pd.DataFrame, chosen: int) -> dict:
    """Values of the claims on PCA's error and on large L (C §2.1, §3.2)."""
    step = findings.largest_step(scores, PCA, "error")
    large = findings.large_dimensions(scores, VAE, chosen)
    linear = findings.large_dimensions(scores, LINEAR, chosen)
    finding = "needs a VAE at L ≥ 32, two seeds and a list of clean images"
    if large:
        worse = linear and large["vae_largest"] < linear["vae_largest"]
        finding = Finding(large, linear, note=CAPACITY if worse else "")
    return {
        "C.pca.error": "a single L" if step is None else Finding({"largest_step": step}),
        "C.quality.large_l": finding,
    }


def quality_claims(
    run: Run,
    models: Sequence[Model],
    scores: pd.DataFrame,
    *,
    chosen: tuple[int, float],
    rows: int,
    components: int,
) -> dict:
    """Values of the claims on quality at the chosen L (C Fig. 2C, 2D, §3.2), with lower bounds over
    images and seeds.

    Controls: the mean image in the β-VAE's place; for texture the linear VAE.
    """
    size, beta = chosen
    at = {
        name: [m for m in models if m.family == family and m.latent_dim == size]
        for name, family in (("beta_vae", BETA_VAE), ("vae", VAE), ("pca", PCA))
    }
    at["beta_vae"] = [m for m in at["beta_vae"] if m.beta == beta]
    if not all(at.values()):
        reason = f"the grid has no β-VAE with β = {beta:g}, VAE and PCA at L = {size}"
        return dict.fromkeys(("C.quality.cwssim", "C.quality.fd", "C.pca.texture"), reason)
    at["mean"] = [mean_image(run, rows=rows)]
    settings = {"rows": rows, "components": components}
    samples = {name: model_samples(run, each, **settings) for name, each in at.items()}
    similar = {k: np.stack([s["cwssim"].mean(1) for s in each]) for k, each in samples.items()}
    points = {k: np.stack([s["points"] for s in each]) for k, each in samples.items()}
    real = real_points(run, **settings)
    best = {  # of each rival over all L, shown apart
        column: {
            f"{name}_best": float(pick(findings.curve(scores, column, family=f, beta=1.0)[1]))
            for name, f in (("vae", VAE), ("pca", PCA))
        }
        for column, pick in (("cwssim", np.max), ("fd_clean", np.min))
    }
    shown = {
        column: {
            name: float(np.mean([value(each) for each in samples[name]]))
            for name in ("beta_vae", "vae", "pca")
        }
        for column, value in (("cwssim", lambda s: s["cwssim"].mean()), ("fd_clean", _fd))
    }

    def compared(column: str, ours: str) -> tuple[dict, dict]:
        rivals = ("vae", "pca")
        if column == "cwssim":
            mine = np.broadcast_to(similar[ours], similar["beta_vae"].shape)
            return findings.ahead(mine, {rival: similar[rival] for rival in rivals})
        mine = np.broadcast_to(points[ours], points["beta_vae"].shape)
        nearer = findings.distance_ahead(real, mine, {rival: points[rival] for rival in rivals})
        floor = findings.nearer_than_mean(real, mine, points["mean"])
        return nearer[0] | floor[0], nearer[1] | floor[1]

    found = {}
    for claim, column in (("C.quality.cwssim", "cwssim"), ("C.quality.fd", "fd_clean")):
        values, intervals = compared(column, "beta_vae")
        values = {**shown[column], **best[column], **values}
        found[claim] = Finding(values, compared(column, "mean")[0], intervals)
    return found | texture_claim(run, models, beta, largest=size, **settings)


def _fd(samples: dict) -> float:
    return samples["fd_clean"]


def texture_claim(
    run: Run, models: Sequence[Model], beta: float, *, largest: int, rows: int, components: int
) -> dict:
    """Value of the claim on PCA's texture at L up to ``largest`` (C §3.2); control: the linear VAE
    of equal L in the β-VAE's place.
    """

    def shared(family: str) -> dict[int, list[np.ndarray]]:
        own = [m for m in models if m.family == family and m.latent_dim <= largest]
        own = [m for m in own if family == PCA or m.beta == beta]
        found: dict[int, list[np.ndarray]] = {}
        for model, sample in zip(own, model_samples(run, own, rows=rows, components=components)):
            found.setdefault(model.latent_dim, []).append(sample["coherent"])
        return found

    ours, pca, linear = (shared(family) for family in (BETA_VAE, PCA, LINEAR))
    sizes = sorted(set(ours) & set(pca) & set(linear))
    if not sizes:
        return {"C.pca.texture": f"the grid has no β-VAE, PCA and linear VAE at L ≤ {largest}"}
    # Seeds are few and at one L only: each L counts once, with the mean of its seeds.
    mine, theirs, control = (
        np.mean([np.mean(each[size], axis=0) for size in sizes], axis=0)[None]
        for each in (ours, pca, linear)
    )
    values, intervals = findings.ahead(mine, {"pca": theirs})
    values = {"beta_vae": float(mine.mean()), "pca": float(theirs.mean()), **values}
    return {
        "C.pca.texture": Finding(values, findings.ahead(control, {"pca": theirs})[0], intervals)
    }


def denoising_claim(run: Run, table: pd.DataFrame, *, rows: int, per_type: int) -> dict:
    """Value of the claim on denoising (C Fig. 2B); control: the mean image.

    Parameters
    ----------
    table : DataFrame
        `denoising_table` of every model, with ``family`` and ``seed``.
    """
    model = mean_image(run, rows=rows)
    floor = denoising_table(run, model, rows=rows, per_type=per_type)
    everything = pd.concat([table, floor.assign(family=model.family, seed=0)])
    values, intervals = findings.denoising(everything)
    control = findings.denoising(everything, ours=model.family)[0]
    return {"C.denoise": Finding(values, control, intervals)}
