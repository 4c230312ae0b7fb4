"""The networks whose features papers A and B compare: trained, untrained and pretrained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from helpers.book.artifacts import Artifact
from helpers.book.reached_code import reached_hash
from helpers.book.run import Run
from helpers.data.datasets.weights import WeightsError, open_weights
from helpers.data.files import file_sha256
from helpers.tissue.network import classifier, pretrained
from helpers.tissue.stages.classifier import untrained_classifier
from helpers.training import choose_device

TRAINED, UNTRAINED = "trained CNN", "untrained CNN"


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
