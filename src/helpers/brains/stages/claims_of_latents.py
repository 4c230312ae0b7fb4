"""What pages 10 and 11 record: values of paper C's claims on latents, those of their controls by
the same functions, or the reason why there is none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.book.claims import DRAWS_THAT_PASS, Finding
from helpers.brains import findings, projective_field, receptive_field
from helpers.brains.preparation import Prepared
from helpers.brains.stages.claims_of_models import NO_LIST

TOO_FEW = "fewer than two latents are active"
TOO_FEW_REGIONS = "the atlas has fewer than six regions: in too few pairs to tell HPF and STR"


def drawn_per_region(variance: np.ndarray, data: Prepared) -> np.ndarray:
    """Variance that each latent draws in each region with small weights: (regions, L).

    Parameters
    ----------
    variance : (L, strata, H, W) array
        From `projective_fields`; the first two strata are the small weights of both signs.
    """
    small = variance[:, [0, 1]].mean(1, keepdims=True)
    return projective_field.region_variance(small, data.atlas, len(data.regions))[:, 0].T


def field_claims(
    field: dict, active: np.ndarray, data: Prepared, latents: np.ndarray, pca: dict
) -> dict:
    """Values of the claims on the projective fields of one model (C §3.3).

    Parameters
    ----------
    field : dict
        From `projective_fields`.
    active : array of int
        Active latents.
    latents : (N, L) array
        Of the whole population.
    pca : dict
        ``field`` and ``latents`` of a PCA of as many latents: a control.
    """
    claims = ("C.artifact_latents", "C.extrema", "C.asymmetry")
    if not len(active):
        return dict.fromkeys((*claims, "C.biology"), "no latent is active")
    found = dict.fromkeys(claims, NO_LIST)
    if data.kinds is not None:
        found = _artifact_claims(field, active, data, latents, pca["latents"])
    images = data.images[data.clean_all].var(0)

    def anatomy(own: dict, chosen: Sequence[int]) -> dict | None:
        small = own["variance"][chosen][:, [0, 1]].mean((0, 1))
        return findings.biology(small, images, data.atlas, data.regions, data.brain)

    value = anatomy(field, active)
    everything = np.arange(len(pca["field"]["variance"]))
    missing = "the atlas has none of SSp, HPF, RSP"
    found["C.biology"] = Finding(value, anatomy(pca["field"], everything)) if value else missing
    return found


def _artifact_claims(
    field: dict, active: np.ndarray, data: Prepared, latents: np.ndarray, pca: np.ndarray
) -> dict:
    """Values of the claims that need damaged images, judged on images that no model saw."""
    kinds = data.kinds[data.held_out]
    latents, pca = latents[data.held_out], pca[data.held_out]
    areas = findings.detection_by_kind(latents, kinds, active)
    if not areas:
        few = "fewer than five damaged images of each kind are held out"
        return dict.fromkeys(("C.artifact_latents", "C.extrema", "C.asymmetry"), few)
    chosen = findings.artifact_latents(areas, active)
    others = np.setdiff1d(active, chosen)
    components = np.arange(pca.shape[1])
    found_by_pca = findings.detection_by_kind(pca, kinds, components)
    best = {f"best_{kind}": float(row.max()) for kind, row in areas.items()}
    controls = {
        "labels permuted": {
            **findings.permuted_counts(latents, kinds, active),
            "latents": len(active),
        },
        "PCA": {**findings.counted(found_by_pca), "latents": len(components)},
    }
    found = {
        "C.artifact_latents": Finding(
            {**findings.counted(areas), "latents": len(active), **best}, controls
        )
    }
    none = "no latent tells damaged from clean images"
    trend, other_trend = (findings.brightness_trend(field, each) for each in (chosen, others))
    if trend is None:
        return found | dict.fromkeys(("C.extrema", "C.asymmetry"), none)
    ways, share = findings.chosen_anew(field, chosen, active)
    # Every choice is there with either sign, so that their means are 0.
    control = {"latents chosen anew": {"rho": 0.0, "rise": 0.0, DRAWS_THAT_PASS: share}}
    if other_trend:
        control["other latents"] = other_trend
    few = (
        f"its artifact latents, {len(chosen)} of {len(active)}, and the order of their tails can "
        f"be chosen in {ways} ways, too few to tell theirs from chance"
    )
    if ways < findings.FEWEST_WAYS:
        return found | dict.fromkeys(("C.extrema", "C.asymmetry"), few)
    found["C.extrema"] = Finding(trend, control)
    if not data.regions:
        return found | {"C.asymmetry": "the population has no atlas"}
    sides, others_sides = (
        findings.tail_asymmetry(field, each, active, data.atlas) for each in (chosen, others)
    )
    found["C.asymmetry"] = Finding(sides, others_sides)
    return found


@dataclass(frozen=True, eq=False)
class Impact:
    """KL of each region on each latent that is scored, (R, K) nats: filled, and by gentle gain."""

    filled: np.ndarray
    gentle: np.ndarray


def impact_of(filled: np.ndarray, gentle: np.ndarray, active: Sequence[int]) -> Impact:
    """Impact from `region_responses` of two kinds, first weight to last."""
    matrices = (
        receptive_field.kl_matrix(*receptive_field.fit_gaussians(each[..., active]))
        for each in (filled, gentle)
    )
    return Impact(*matrices)


def impact_claims(model: Impact, pca: Impact, untrained: Impact, regions: Sequence[str]) -> dict:
    """Values of the claims on which regions move which latents of one model (C Fig. 3B, §3.3).

    Controls: a PCA; the network with random weights; rows of the matrix shuffled.
    """
    if model.filled.shape[1] < 2:
        return dict.fromkeys(("C.kl.hpf", "C.kl.sparse", "C.kl.local"), TOO_FEW)
    shares = [findings.moved_share(m.filled, m.gentle, regions) for m in (model, pca, untrained)]
    found = {"C.kl.hpf": "the atlas has no HPF and STR"}
    if shares[0] and len(regions) < 6:
        found["C.kl.hpf"] = TOO_FEW_REGIONS
    elif shares[0]:
        found["C.kl.hpf"] = Finding(shares[0], {"PCA": shares[1], "untrained": shares[2]})
    return found | {
        "C.kl.sparse": _against_shuffles(
            findings.unmoved_count, "count", model, pca, most=lambda impact: impact.shape[1]
        ),
        "C.kl.local": _against_shuffles(findings.local_share, "share", model, pca),
    }


def _against_shuffles(
    statistic: Callable[[np.ndarray], float],
    name: str,
    model: Impact,
    pca: Impact,
    most: Callable[[np.ndarray], float] = lambda impact: 1.0,
) -> Finding | str:
    """A statistic with the 95 % quantile of its row shuffles; controls: a shuffle, and a PCA.

    ``most`` is what the statistic can be at most. A null that is there already cannot be exceeded:
    then nothing is said of the model, and a PCA whose null is there has not failed.
    """
    median, null = findings.shuffled(statistic, model.filled)
    own, limit = statistic(model.filled), most(model.filled)
    if null >= limit:
        return (
            f"its null leaves no room: {name} {own:g} of at most {limit:g}, and in more than one "
            "row shuffle in twenty just as many"
        )
    control = {"row shuffles": {name: median, "null": null}}
    null_of_pca = findings.shuffled(statistic, pca.filled)[1]
    if null_of_pca < most(pca.filled):
        control["PCA"] = {name: statistic(pca.filled), "null": null_of_pca}
    return Finding({name: own, "null": null}, control)


def field_asymmetry_claim(
    impact: Sequence[np.ndarray], drawn: Sequence[np.ndarray], codes: Sequence[np.ndarray]
) -> dict:
    """Value of the claim that receptive and projective fields need not coincide (C §3.3).

    Parameters
    ----------
    impact, drawn, codes : sequences with one array per seed
        KL (R, K) and variance drawn (R, K) of the active latents, and those latents of the same
        images, (N, K). The first two seeds are compared. Controls: independent matrices (rows of
        what is drawn shuffled) and equal ones.
    """
    if len(impact) < 2:
        return {"C.field_asymmetry": "needs two seeds"}
    first, second = sorted(range(2), key=lambda i: impact[i].shape[1])
    if impact[first].shape[1] < 2:
        return {"C.field_asymmetry": TOO_FEW}
    order = findings.match_latents(codes[first], codes[second])
    received = impact[first], impact[second][:, order]
    projected = drawn[first], drawn[second][:, order]
    value = findings.field_agreement(received, projected)
    controls = {
        "independent matrices": independent(received, projected, value),
        "equal matrices": findings.field_agreement(received, received),
    }
    return {"C.field_asymmetry": Finding(value, controls)}


def independent(
    received: Sequence[np.ndarray], projected: Sequence[np.ndarray], value: dict, draws: int = 25
) -> dict:
    """The same of matrices that have nothing to do with each other: median over some shuffles."""
    shuffles = zip(
        findings.row_shuffles(projected[0], draws, 11),
        findings.row_shuffles(projected[1], draws, 12),
    )
    found = [findings.field_agreement(received, each, draws=20) for each in shuffles]
    return {name: float(np.median([each[name] for each in found])) for name in value}


def decorrelation_claim(scores: dict[str, list[dict]]) -> dict:
    """Value of the claim on decorrelation scores (C Fig. 3E); control: shuffled profiles.

    Parameters
    ----------
    scores : dict
        Family -> what `findings.decorrelation` gave, one per seed; of PCA a single one.
    """
    names = {"β-VAE": "beta_vae", "VAE": "vae", "PCA": "pca"}
    if any(np.isnan(each["score"]) for family in names for each in scores[family]):
        return {"C.decorrelation": TOO_FEW}
    draws = {name: np.stack([s["draws"] for s in scores[f]]) for f, name in names.items()}
    values = {name: float(np.mean([s["score"] for s in scores[f]])) for f, name in names.items()}
    ours = scores["β-VAE"]
    null = float(np.mean([each["null_95"] for each in ours]))
    shuffled = float(np.mean([each["null_median"] for each in ours]))
    generator = np.random.default_rng(0)
    seeds = generator.integers(len(ours), size=(draws["pca"].shape[1], len(ours)))

    def compared(shift: float) -> tuple[dict, dict]:
        found, intervals = {}, {}
        for rival in ("vae", "pca"):
            other = np.broadcast_to(draws[rival], draws["beta_vae"].shape)
            difference = draws["beta_vae"] + shift - other  # (S, draws)
            drawn = [difference[chosen, i].mean() for i, chosen in enumerate(seeds)]
            low, high = (float(q) for q in np.nanpercentile(drawn, [2.5, 97.5]))
            found[f"ahead_of_{rival}_low"] = low
            intervals[f"ahead_of_{rival}"] = (low, high)
        return found, intervals

    found, intervals = compared(0.0)
    control = compared(shuffled - values["beta_vae"])[0]
    return {
        "C.decorrelation": Finding(
            {**values, **found, "null": null},
            {**values, "beta_vae": shuffled, **control, "null": null},
            intervals,
        )
    }
