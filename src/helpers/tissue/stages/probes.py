"""Stages of paper A, Fig. 4 and 5: features of the same patches from trained, untrained and
pretrained networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data import patches as patch_rules
from helpers.tissue.features import probes
from helpers.tissue.stages import slices
from helpers.tissue.stages.classifier import training_patches
from helpers.tissue.stages.networks import Network, area_networks

END_TO_END = "end to end"


@dataclass(frozen=True)
class FeatureSet:
    """Features of patches, with what is known of each patch.

    Attributes
    ----------
    features : (N, d) float32 array
    labels : (N,) int array
        Area 1…n.
    groups : (N,) int array
        Patches of one group overlap or lie close to each other: tiles of twice the patch's side.
    """

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def part(self, chosen: np.ndarray) -> "FeatureSet":
        """The rows at the given indices."""
        return FeatureSet(self.features[chosen], self.labels[chosen], self.groups[chosen])


def patch_features(
    run: Run,
    network: Network,
    role: str,
    per_area: int,
    *,
    trained: Artifact | None = None,
    seed: int = 0,
    variance: float = 0.0,
) -> Artifact:
    """Features of balanced patches of one role (A §III.3); ``value`` is a `FeatureSet`, sorted by
    area.

    Every network sees the same patches; those of training are some that the trained CNN learned
    from. Noise is added to raw gray values, before any network's own preprocessing.

    Parameters
    ----------
    role : {"train", "validation", "test"}
    per_area : int
    trained : Artifact, optional
        The trained CNN; only training patches ask for it.
    seed : int
        Draws the patches and their noise.
    variance : float
        Of the added Gaussian noise, see :func:`helpers.tissue.features.probes.add_noise`.
    """
    learned = trained.value if role == "train" else None

    def compute() -> dict:
        if learned:
            drawn = training_patches(run, learned, per_area, seed=seed, raw=True)
        else:
            drawn = slices.patches(run, role, per_area, seed=seed, raw=True)
        raw = probes.add_noise(drawn.cut()[:, 0], variance, seed)  # (N, 128, 128)
        tile = drawn.centres // (2 * drawn.size)
        return {
            "features": network.open()(raw, _standardise(run, drawn, raw)),
            "labels": drawn.labels,
            "groups": (drawn.slice_index * 1000 + tile[:, 0]) * 1000 + tile[:, 1],
        }

    parameters = {"role": role, "per_area": per_area, "seed": seed, "variance": variance}
    if learned:
        parameters["out_of"] = [learned.patches_per_area, learned.purity]
    inputs = [run.key("microct"), network.key]
    found = run.stored(f"features-{network.kind}", parameters, compute, inputs=inputs)
    return replace(found, value=FeatureSet(**found.value))


def _standardise(run: Run, drawn: patch_rules.Patches, raw: np.ndarray) -> np.ndarray:
    """Raw patches as `AreaCNN` reads them: by the scale of the slice, and the rows, that each was
    cut from.
    """
    pieces = {id(piece.whole): piece for piece in run.microct.slices()}
    scales = [slices.prepared_slice(run, pieces[id(image)]).scale for image in drawn.images]
    out = np.empty(raw.shape, np.float32)
    for i, (index, centre) in enumerate(zip(drawn.slice_index, drawn.centres)):
        scale, height = scales[index], len(drawn.images[index])
        rows = np.clip(centre[0] - drawn.size // 2 + np.arange(drawn.size), 0, height - 1)
        gain = scale.gain[rows] if np.ndim(scale.gain) else scale.gain
        out[i] = replace(scale, gain=gain).apply(raw[i])
    return out


def evaluation_role(run: Run) -> str:
    """``test``, or ``validation`` where no test slice is annotated."""
    return "test" if slices.labelled_test_slice(run) else "validation"


def train_and_test(
    run: Run,
    network: Network,
    trained: Artifact,
    train_per_area: int,
    test_per_area: int,
    seed: int = 0,
) -> tuple[Artifact, Artifact]:
    """Features of training and of evaluation patches; ``value`` of each is a `FeatureSet`."""
    return (
        patch_features(run, network, "train", train_per_area, trained=trained, seed=seed),
        patch_features(run, network, evaluation_role(run), test_per_area, seed=seed),
    )


def repeats(
    train: FeatureSet, test: FeatureSet, n: int = 3, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of training and of test patches to repeat a measurement on.

    Each repeat trains on its own random two thirds of the training patches and is scored on its own
    part of the test patches; parts do not overlap. Both stay balanced over areas.
    """
    rng = np.random.default_rng(seed)

    def by_area(labels: np.ndarray) -> list[np.ndarray]:
        return [rng.permutation(np.flatnonzero(labels == area)) for area in np.unique(labels)]

    parts = [np.array_split(rows, n) for rows in by_area(test.labels)]
    two_thirds = [
        [rows[: max(2, round(2 * len(rows) / 3))] for rows in by_area(train.labels)]
        for _ in range(n)
    ]
    return [
        (np.sort(np.concatenate(fitted)), np.sort(np.concatenate([part[i] for part in parts])))
        for i, fitted in enumerate(two_thirds)
    ]


def own_predictions(trained: Artifact, features: np.ndarray) -> np.ndarray:
    """The trained CNN's own answer (areas 1…n) from its last hidden layer: "end to end"."""
    import torch

    with torch.inference_mode():
        return trained.value.model.cpu().output(torch.from_numpy(features)).argmax(1).numpy() + 1


def own_accuracy(run: Run, trained: Artifact, per_area: int, *, seed: int = 0) -> float:
    """End-to-end accuracy of a trained CNN on the evaluation patches of `probe_predictions`."""
    network = area_networks(run, trained)[0]
    drawn = patch_features(run, network, evaluation_role(run), per_area, seed=seed).value
    return float(np.mean(own_predictions(trained, drawn.features) == drawn.labels))


def probe_predictions(
    run: Run,
    networks: list[Network],
    trained: Artifact,
    *,
    train_per_area: int,
    test_per_area: int,
    validation_per_area: int,
    n_repeats: int = 3,
    seed: int = 0,
) -> Artifact:
    """What every probe on every network says of the test patches (A Fig. 4, top).

    Returns
    -------
    Artifact
        ``value`` is a table: network, kind, role, probe, seed, repeat, group, truth, predicted. The
        trained CNN's own answer stands there as probe ``end to end``. Answers on validation
        patches, which the best probe is chosen by, are there if test patches are.
    """
    facts = {"trained": trained, "seed": seed}
    role = evaluation_role(run)
    sizes = {"train": train_per_area, role: test_per_area}
    if role == "test":
        sizes["validation"] = validation_per_area
    sets = [
        {part: patch_features(run, each, part, size, **facts) for part, size in sizes.items()}
        for each in networks
    ]

    def tables() -> Iterator[pd.DataFrame]:
        for network, parts in zip(networks, sets):
            train, test = parts["train"].value, parts[role].value
            for repeat, (fitted, scored) in enumerate(repeats(train, test, n_repeats, seed)):
                asked = {role: test.part(scored)}
                if role == "test":
                    asked["validation"] = parts["validation"].value
                features = np.vstack([part.features for part in asked.values()])
                found = probes.predictions(
                    train.features[fitted], train.labels[fitted], features, seed=seed + repeat
                )
                if network.kind == "trained":
                    found = {END_TO_END: own_predictions(trained, features), **found}
                ends = np.cumsum([len(part.labels) for part in asked.values()])[:-1]
                for probe, predicted in found.items():
                    for (name, part), said in zip(asked.items(), np.split(predicted, ends)):
                        about = {"role": name, "probe": probe, "seed": seed, "repeat": repeat}
                        yield _answers(network, part, said, about)

    inputs = [trained.key, *(artifact.key for parts in sets for artifact in parts.values())]
    parameters = _settings(networks, n_repeats, seed)
    found = run.stored("probes", parameters, lambda: {"all": pd.concat(tables())}, inputs=inputs)
    return replace(found, value=found.value["all"])


def noise_predictions(
    run: Run,
    networks: list[Network],
    trained: Artifact,
    *,
    train_per_area: int,
    test_per_area: int,
    variances: list[float],
    n_repeats: int = 3,
    seed: int = 0,
) -> Artifact:
    """What a logistic regression fitted on clean patches says of noisy ones (A Fig. 4, bottom).

    Returns
    -------
    Artifact
        ``value`` is a table: network, kind, seed, repeat, variance, group, truth, predicted.
        Variance 0 is always there, for the others are held against it.
    """
    role, facts = evaluation_role(run), {"trained": trained, "seed": seed}
    train = [patch_features(run, each, "train", train_per_area, **facts) for each in networks]
    noisy = [
        {
            variance: patch_features(run, each, role, test_per_area, seed=seed, variance=variance)
            for variance in sorted({0.0, *variances})
        }
        for each in networks
    ]

    def tables() -> Iterator[pd.DataFrame]:
        for network, clean, tests in zip(networks, train, noisy):
            clean = clean.value
            chosen = repeats(clean, tests[0.0].value, n_repeats, seed)
            for repeat, (fitted, scored) in enumerate(chosen):
                probe = probes.make_probe("LR", clean.features.shape[1], seed)
                probe.fit(clean.features[fitted], clean.labels[fitted])
                for variance, test in tests.items():
                    part = test.value.part(scored)
                    about = {"seed": seed, "repeat": repeat, "variance": variance}
                    yield _answers(network, part, probe.predict(part.features), about)

    keys = [artifact.key for artifact in train]
    keys += [artifact.key for tests in noisy for artifact in tests.values()]
    parameters = _settings(networks, n_repeats, seed)
    found = run.stored("noise", parameters, lambda: {"all": pd.concat(tables())}, inputs=keys)
    return replace(found, value=found.value["all"])


def _answers(
    network: Network, part: FeatureSet, predicted: np.ndarray, facts: dict
) -> pd.DataFrame:
    """One row per patch: whose answer, to what, what is true, what was said."""
    names = {"network": network.name, "kind": network.kind}
    answers = {"group": part.groups, "truth": part.labels, "predicted": predicted}
    return pd.DataFrame({**names, **facts, **answers})


def _settings(networks: list[Network], n_repeats: int, seed: int) -> dict:
    names = [network.name for network in networks]
    return {"n_repeats": n_repeats, "seed": seed, "names": names}


def learning_curves(
    run: Run,
    networks: list[Network],
    trained: Artifact,
    sizes: list[int],
    *,
    train_per_area: int,
    test_per_area: int,
    n_repeats: int = 3,
    seed: int = 0,
) -> pd.DataFrame:
    """Accuracy of a logistic regression against training patches per area.

    Returns
    -------
    DataFrame
        network, per_area, seed, repeat, accuracy.
    """
    rows = []
    for network in networks:
        sets = train_and_test(run, network, trained, train_per_area, test_per_area, seed)
        train, test = (artifact.value for artifact in sets)
        for repeat in range(n_repeats):
            curve = probes.learning_curve(
                train.features, train.labels, test.features, test.labels, sizes, seed=seed + repeat
            )
            rows += [(network.name, size, seed, repeat, score) for size, score in curve.items()]
    return pd.DataFrame(rows, columns=["network", "per_area", "seed", "repeat", "accuracy"])
