"""Stages of paper A, Fig. 4 and 5: features of the same patches from trained, untrained and
pretrained networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.book.artifacts import Artifact
from helpers.book.run import Run
from helpers.data import intensity
from helpers.data import patches as patch_rules
from helpers.data.datasets.weights import Record, WeightsError, file_sha256, open_weights
from helpers.tissue.features import probes
from helpers.tissue.network import classifier, pretrained
from helpers.tissue.stages import slices
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

    def part(self, chosen) -> FeatureSet:
        """The rows at the given indices."""
        return FeatureSet(self.features[chosen], self.labels[chosen], self.groups[chosen])


def area_networks(run: Run, trained: Artifact, seed: int = 0) -> list[Network]:
    """The trained area classifier, and one of the same shape that learned nothing (the control)."""
    n_areas = len(run.microct.areas)

    def reads_standardised(model):
        model.to(choose_device("auto"))
        return lambda raw, standardised: classifier.patch_features(model, standardised)

    def untrained():
        import torch

        torch.manual_seed(seed)
        return reads_standardised(classifier.AreaCNN(n_areas).eval())

    return [
        Network(TRAINED, "trained", trained.key, lambda: reads_standardised(trained.value.model)),
        Network(UNTRAINED, "untrained", f"untrained, {n_areas} areas, seed {seed}", untrained),
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
        networks.append(
            Network(record.network, "pretrained", _record_key(record), _reads_raw(loaded))
        )
    return networks, problems


def _reads_raw(loaded: pretrained.FrozenNetwork) -> Callable:
    return lambda: lambda raw, standardised: loaded.features(raw, progress=True)


def _record_key(record: Record) -> str:
    return repr((file_sha256(record.path), record.mean, record.std, record.size, record.features))


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

    def make(folder: Path) -> None:
        drawn = slices.patches(run, role, per_area, seed=seed, raw=True)
        raw = probes.add_noise(drawn.cut()[:, 0], variance, seed)  # (N, 128, 128)
        np.save(folder / "features.npy", network.open()(raw, _standardise(run, drawn, raw)))
        np.save(folder / "labels.npy", drawn.labels)
        tile = drawn.centres // (2 * drawn.size)
        np.save(folder / "groups.npy", (drawn.slice_index * 1000 + tile[:, 0]) * 1000 + tile[:, 1])

    def load(folder: Path) -> FeatureSet:
        return FeatureSet(
            *(
                np.load(folder / f"{name}.npy", allow_pickle=False)
                for name in ("features", "labels", "groups")
            )
        )

    parameters = {"role": role, "per_area": per_area, "seed": seed, "variance": variance}
    return run.artifact(
        f"features-{network.kind}",
        parameters,
        make,
        load,
        inputs=[run.microct.fingerprint, network.key],
        methods=[classifier, pretrained, patch_rules, intensity, probes],
    )


def _standardise(run: Run, drawn: patch_rules.Patches, raw: np.ndarray) -> np.ndarray:
    """Raw patches as `AreaCNN` reads them: by the scale of the slice, and the rows, that each was
    cut from.
    """
    pieces = {id(piece.image): piece for piece in run.microct.slices()}
    scales = [slices.standardised(pieces[id(image)])[1] for image in drawn.images]
    out = np.empty(raw.shape, np.float32)
    for i, (index, centre) in enumerate(zip(drawn.slice_index, drawn.centres)):
        scale, height = scales[index], len(drawn.images[index])
        rows = np.clip(centre[0] - drawn.size // 2 + np.arange(drawn.size), 0, height - 1)
        out[i] = replace(scale, gain=scale.gain[rows] if np.ndim(scale.gain) else scale.gain).apply(
            raw[i]
        )
    return out


def evaluation_role(run: Run) -> str:
    """``test``, or ``validation`` where no test slice is annotated."""
    return "test" if slices.labelled_test_slice(run) else "validation"


def repeats(
    train: FeatureSet, test: FeatureSet, n: int = 3, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of training and of test patches to repeat a measurement on.

    Each repeat trains on its own random two thirds of the training patches and is scored on its own
    part of the test patches; parts do not overlap. Both stay balanced over areas.
    """
    rng = np.random.default_rng(seed)

    def by_area(labels):
        return [rng.permutation(np.flatnonzero(labels == area)) for area in np.unique(labels)]

    parts = [np.array_split(rows, n) for rows in by_area(test.labels)]
    two_thirds = [
        [rows[: max(2, round(2 * len(rows) / 3))] for rows in by_area(train.labels)]
        for _ in range(n)
    ]
    return [
        (
            np.sort(np.concatenate(two_thirds[i])),
            np.sort(np.concatenate([part[i] for part in parts])),
        )
        for i in range(n)
    ]


def own_predictions(trained: Artifact, features: np.ndarray) -> np.ndarray:
    """The trained CNN's own answer (areas 1…n) from its last hidden layer: "end to end"."""
    import torch

    with torch.inference_mode():
        return trained.value.model.cpu().output(torch.from_numpy(features)).argmax(1).numpy() + 1


def own_accuracy(run: Run, trained: Artifact, per_area: int, *, seed: int = 0) -> float:
    """End-to-end patch accuracy of a trained CNN on the evaluation patches of `probe_predictions`."""
    drawn = patch_features(
        run, area_networks(run, trained)[0], evaluation_role(run), per_area, seed=seed
    ).value
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
    sets = {
        network: [
            patch_features(run, network, role, per_area, seed=seed)
            for role, per_area in (("train", train_per_area), (evaluation_role(run), test_per_area))
        ]
        for network in networks
    }

    def rows(network, train, test):
        for repeat, (fitted, scored) in enumerate(repeats(train, test, n_repeats, seed)):
            part = test.part(scored)
            found = probes.predictions(
                train.features[fitted], train.labels[fitted], part.features, seed=seed + repeat
            )
            if network.kind == "trained":
                found = {END_TO_END: own_predictions(trained, part.features), **found}
            for probe, predicted in found.items():
                yield pd.DataFrame(
                    {
                        "network": network.name,
                        "kind": network.kind,
                        "probe": probe,
                        "seed": seed,
                        "repeat": repeat,
                        "group": part.groups,
                        "truth": part.labels,
                        "predicted": predicted,
                    }
                )

    def make(folder: Path) -> None:
        parts = [
            part
            for network, (train, test) in sets.items()
            for part in rows(network, train.value, test.value)
        ]
        pd.concat(parts).to_csv(folder / "predictions.csv", index=False)

    parameters = {
        "n_repeats": n_repeats,
        "seed": seed,
        "names": [network.name for network in networks],
    }
    keys = [artifact.key for pair in sets.values() for artifact in pair]
    return run.artifact(
        "probes",
        parameters,
        make,
        lambda folder: pd.read_csv(folder / "predictions.csv"),
        inputs=[trained.key, *keys],
        methods=[probes],
    )


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
    """
    role = evaluation_role(run)
    sets = {
        network: (
            patch_features(run, network, "train", train_per_area, seed=seed),
            {
                v: patch_features(run, network, role, test_per_area, seed=seed, variance=v)
                for v in variances
            },
        )
        for network in networks
    }

    def rows(network, train, noisy):
        for repeat, (fitted, scored) in enumerate(repeats(train, noisy[0.0], n_repeats, seed)):
            probe = probes.make_probe("LR", train.features.shape[1], seed).fit(
                train.features[fitted], train.labels[fitted]
            )
            for variance, test in noisy.items():
                part = test.part(scored)
                yield pd.DataFrame(
                    {
                        "network": network.name,
                        "kind": network.kind,
                        "seed": seed,
                        "repeat": repeat,
                        "variance": variance,
                        "group": part.groups,
                        "truth": part.labels,
                        "predicted": probe.predict(part.features),
                    }
                )

    def make(folder: Path) -> None:
        parts = [
            part
            for network, (train, noisy) in sets.items()
            for part in rows(network, train.value, {v: test.value for v, test in noisy.items()})
        ]
        pd.concat(parts).to_csv(folder / "predictions.csv", index=False)

    parameters = {
        "n_repeats": n_repeats,
        "seed": seed,
        "names": [network.name for network in networks],
    }
    keys = [artifact.key for train, noisy in sets.values() for artifact in (train, *noisy.values())]
    return run.artifact(
        "noise",
        parameters,
        make,
        lambda folder: pd.read_csv(folder / "predictions.csv"),
        inputs=keys,
        methods=[probes],
    )


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
    """Accuracy of a logistic regression against training patches per area: network, per_area, seed,
    repeat, accuracy.
    """
    rows = []
    for network in networks:
        train, test = (
            patch_features(run, network, role, per_area, seed=seed).value
            for role, per_area in (("train", train_per_area), (evaluation_role(run), test_per_area))
        )
        for repeat in range(n_repeats):
            curve = probes.learning_curve(
                train.features, train.labels, test.features, test.labels, sizes, seed=seed + repeat
            )
            rows += [
                (network.name, size, seed, repeat, accuracy) for size, accuracy in curve.items()
            ]
    return pd.DataFrame(rows, columns=["network", "per_area", "seed", "repeat", "accuracy"])
