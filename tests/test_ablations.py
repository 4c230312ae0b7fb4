"""What each step brings: the table by hand, and the stage on a tiny phantom."""

import numpy as np
import pandas as pd
import pytest

from helpers.book.run import open_run
from helpers.tissue import figures, stages
from helpers.tissue.network import classifier, evaluation

RECIPE = "fast, epochs=1, patches_per_area=12"
STEP = "brightness and contrast"


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_microct):
    return open_run(
        tmp_path_factory.mktemp("run") / "run", "02_area_classifier", microct=str(tiny_microct)
    )


@pytest.fixture(scope="module")
def scores(run):
    return stages.ablation_scores(run, [0, 1], [STEP], recipe=RECIPE, per_area=4, stride=32)


def table_of(rows):
    index = pd.MultiIndex.from_tuples(rows, names=["left out", "seed"])
    return pd.DataFrame({"validation": list(rows.values()), "minutes": 2.0}, index=index)


def test_table_holds_means_spreads_and_what_is_lost_without_each_step():
    rows = {("", 0): 0.9, ("", 1): 0.8, ("z", 0): 0.7, ("z", 1): 0.6, ("a", 0): 0.9, ("a", 1): 0.9}
    table = evaluation.ablation_table(table_of(rows))
    assert table.index.tolist() == ["nothing", "z", "a"]
    assert [name for name in table if "minutes" in name] == ["minutes"]
    np.testing.assert_allclose(table["validation"], [0.85, 0.65, 0.9])
    np.testing.assert_allclose(table["validation sd"], [0.1 / 2**0.5, 0.1 / 2**0.5, 0])
    np.testing.assert_allclose(table["validation brings"], [0, 0.2, -0.05], atol=1e-12)


def test_a_single_seed_has_no_spread_and_a_table_needs_the_complete_recipe():
    table = evaluation.ablation_table(table_of({("", 0): 0.9, ("a", 0): 0.7}))
    assert table["validation sd"].isna().all()
    with pytest.raises(ValueError, match="complete recipe, with the step '', .* found only 'a'"):
        evaluation.ablation_table(table_of({("a", 0): 0.7}))


def test_every_step_and_seed_is_trained_and_judged_on_the_same_windows(run, scores):
    assert scores.index.tolist() == [("", 0), ("", 1), (STEP, 0), (STEP, 1)]
    test = stages.labelled_test_slice(run)
    names = ["validation", *(f"test z = {piece.z}" for piece in run.microct.slices("test"))]
    assert scores.columns.tolist() == [*names, "whole slice", "minutes"]
    part = stages.evaluation_patches(run, 4, seed=0)["validation"]
    for (step, seed), row in scores.iterrows():
        trained = stages.trained_classifier(run, seed, recipe=RECIPE, without=step)
        said = classifier.predict(trained.value.model, part.cut())
        assert row["validation"] == np.mean(said == part.labels)
        found = stages.area_map(run, [trained], test, stride=32).raw
        annotated = test.areas > 0
        assert row["whole slice"] == np.mean((found == test.areas)[annotated])
        assert 0 < row["minutes"] < 5


def test_networks_with_and_without_a_step_are_different_artifacts(run):
    keys = [stages.trained_classifier(run, 0, recipe=RECIPE, without=s).key for s in ("", STEP)]
    assert keys[0] != keys[1] and stages.trained_classifier(run, 0, recipe=RECIPE).key == keys[0]


def test_steps_of_a_prediction_are_scored_singly_and_together(run, scores):
    networks = [stages.trained_classifier(run, seed, recipe=RECIPE) for seed in (0, 1)]
    table = stages.prediction_steps(run, networks, stride=32)
    assert table.index.tolist() == [
        "one network",
        "one network, sd over seeds",
        "mean of 2 networks",
    ]
    single = scores.loc[""]["whole slice"]
    np.testing.assert_allclose(table["raw"][:2], [single.mean(), single.std()])
    test = stages.labelled_test_slice(run)
    together = stages.area_map(run, networks, test, stride=32)
    right = [
        (labels == test.areas)[test.areas > 0].mean() for labels in (together.raw, together.smooth)
    ]
    np.testing.assert_allclose(table.loc["mean of 2 networks"], right)
    assert stages.prediction_steps(run, networks[:1], stride=32).index.tolist() == ["one network"]


def test_every_network_is_a_dot_of_the_figure(scores):
    figure = figures.ablations(scores)
    assert len(figure.axes) == scores.shape[1] - 1
    assert [len(axis.lines[1].get_xdata()) for axis in figure.axes] == [4] * len(figure.axes)
