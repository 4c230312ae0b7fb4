"""Stages of paper A, Fig. 4 and 5: features of the same patches from trained, untrained and
pretrained networks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.reached_code import reached_hash
from helpers.book.run import Run
from helpers.data import patches as patch_rules
from helpers.data.datasets.weights import WeightsError, open_weights
from helpers.data.files import file_sha256
from helpers.tissue.features import probes
from helpers.tissue.network import classifier, pretrained
from helpers.tissue.stages import slices
from helpers.tissue.stages.classifier import untrained_classifier
from helpers.training import choose_device

TRAINED, UNTRAINED = "trained CNN", "untrained CNN"
END_TO_END = "end to end"


@dataclass(frozen=True, eq=False)
class Network:
    """A network that gives features of patches.

    Attributes
    ----------
    name : str
        As on figures and in tables.
    kind : {"trained", "untrained", "pretrained"}
    key : str
        Changes whenever its features could.
    open : callable
        Loads the network: returns ``features(raw, standardised) -> (N, d)``, of which each kind
        reads what it needs.
    """

    name: str
    kind: str
    key: str
    open: Callable[[], Callable] = field(repr=False)


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


def area_networks(run: Run, trained: Artifact, seed: int = 0) -> list[Network]:
    """The trained area classifier, and one of the same shape that learned nothing (the control)."""
    code, untrained = reached_hash(area_networks), untrained_classifier(run, seed)

    def reads_standardised(model: classifier.AreaCNN) -> Callable:
        model.to(choose_device("auto"))
        return lambda raw, standardised: classifier.patch_features(model, standardised)

    return [
        Network(name, kind, f"{one.key} {code}", partial(reads_standardised, one.value.model))
        for name, kind, one in (
            (TRAINED, "trained", trained),
            (UNTRAINED, "untrained", untrained),
        )
    ]


def pretrained_networks(run: Run) -> tuple[list[Network], dict[str, str]]:
    """The frozen networks of the run's weights folder, and what is wrong with those that cannot be
    used.

    Each file is loaded once here, so that an unusable one is known before any figure is drawn.
    """
    try:
        weights = open_weights(run.weights)
    except WeightsError as error:
        return [], {str(run.weights): str(error)}
    networks, problems = [], dict(weights.problems)
    for record in weights.records:
        try:
            loaded = pretrained.load_network(record)
        except (WeightsError, OSError) as error:
            problems[record.network] = str(error)
            continue
        facts = (file_sha256(record.path), record.mean, record.std, record.size, record.features)
        key = f"{facts} {reached_hash(pretrained_networks)}"
        networks.append(Network(record.network, "pretrained", key, _reads_raw(loaded)))
    return networks, problems


def _reads_raw(loaded: pretrained.FrozenNetwork) -> Callable:
    return lambda: lambda raw, standardised: loaded.features(raw, progress=True)


def patch_features(
    run: Run, network: Network, role: str, per_area: int, *, seed: int = 0, variance: float = 0.0
) -> Artifact:
    """Features of balanced patches of one role (A §III.3); ``value`` is a `FeatureSet`, sorted by
    area.

    Every network sees the same patches. Noise is added to raw gray values, before any network's own
    preprocessing.

    Parameters
    ----------
    role : {"train", "validation", "test"}
    per_area : int
    seed : int
        Draws the patches and their noise.
    variance : float
        Of the added Gaussian noise, see :func:`helpers.tissue.features.probes.add_noise`.
    """

    def compute() -> dict:
        drawn = slices.patches(run, role, per_area, seed=seed, raw=True)
        raw = probes.add_noise(drawn.cut()[:, 0], variance, seed)  # (N, 128, 128)
        tile = drawn.centres // (2 * drawn.size)
        return {
            "features": network.open()(raw, _standardise(run, drawn, raw)),
            "labels": drawn.labels,
            "groups": (drawn.slice_index * 1000 + tile[:, 0]) * 1000 + tile[:, 1],
        }

    parameters = {"role": role, "per_area": per_area, "seed": seed, "variance": variance}
    inputs = [run.key("microct"), network.key]
    found = run.stored(f"features-{network.kind}", parameters, compute, inputs=inputs)
    return replace(found, value=FeatureSet(**found.value))


def _standardise(run: Run, drawn: patch_rules.Patches, raw: np.ndarray) -> np.ndarray:
    """Raw patches as `AreaCNN` reads them: by the scale of the slice, and the rows, that each was
    cut from.
    """
    pieces = {id(piece.image): piece for piece in run.microct.slices()}
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
    run: Run, network: Network, train_per_area: int, test_per_area: int, seed: int = 0
) -> tuple[Artifact, Artifact]:
    """Features of training and of evaluation patches; ``value`` of each is a `FeatureSet`."""
    return (
        patch_features(run, network, "train", train_per_area, seed=seed),
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
    n_repeats: int = 3,
    seed: int = 0,
) -> Artifact:
    """What every probe on every network says of the test patches (A Fig. 4, top).

    Returns
    -------
    Artifact
        ``value`` is a table: network, kind, probe, seed, repeat, group, truth, predicted. The
        trained CNN's own answer stands there as probe ``end to end``.
    """
    sets = [train_and_test(run, each, train_per_area, test_per_area, seed) for each in networks]

    def tables() -> Iterator[pd.DataFrame]:
        for network, (train, test) in zip(networks, sets):
            train, test = train.value, test.value
            for repeat, (fitted, scored) in enumerate(repeats(train, test, n_repeats, seed)):
                part = test.part(scored)
                found = probes.predictions(
                    train.features[fitted], train.labels[fitted], part.features, seed=seed + repeat
                )
                if network.kind == "trained":
                    found = {END_TO_END: own_predictions(trained, part.features), **found}
                for probe, predicted in found.items():
                    facts = {"probe": probe, "seed": seed, "repeat": repeat}
                    yield _answers(network, part, predicted, facts)

    inputs = [trained.key, *(artifact.key for pair in sets for artifact in pair)]
    parameters = _settings(networks, n_repeats, seed)
    found = run.stored("probes", parameters, lambda: {"all": pd.concat(tables())}, inputs=inputs)
    return replace(found, value=found.value["all"])


def noise_predictions(
    run: Run,
    networks: list[Network],
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
    role = evaluation_role(run)
    train = [patch_features(run, each, "train", train_per_area, seed=seed) for each in networks]
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
                    facts = {"seed": seed, "repeat": repeat, "variance": variance}
                    yield _answers(network, part, probe.predict(part.features), facts)

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
        sets = train_and_test(run, network, train_per_area, test_per_area, seed)
        train, test = (artifact.value for artifact in sets)
        for repeat in range(n_repeats):
            curve = probes.learning_curve(
                train.features, train.labels, test.features, test.labels, sizes, seed=seed + repeat
            )
            rows += [(network.name, size, seed, repeat, score) for size, score in curve.items()]
    return pd.DataFrame(rows, columns=["network", "per_area", "seed", "repeat", "accuracy"])
