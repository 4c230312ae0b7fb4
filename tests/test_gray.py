"""Gray statistics, and that the baselines learn from the windows that the network learned from."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers.book.run import open_run
from helpers.data.patches import cut_patches
from helpers.tissue import stages
from helpers.tissue.features import baselines


def test_gray_statistics_are_mean_deviation_and_percentiles():
    patches = np.random.default_rng(0).normal(size=(5, 1, 128, 128)).astype(np.float32)
    found = baselines.gray_statistics(patches)
    flat = patches.reshape(5, -1)
    expected = [flat.mean(1), flat.std(1), *np.percentile(flat, baselines.PERCENTILES, axis=1)]
    np.testing.assert_allclose(found, np.column_stack(expected), atol=1e-5)
    turned = baselines.gray_statistics(patches[:, :, ::-1].swapaxes(2, 3))
    np.testing.assert_allclose(turned, found, atol=1e-5)  # blind to where a gray value lies


def test_each_baseline_sees_what_it_may():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 2], 100)
    rows = rng.normal(size=(200, 9))
    rows[:, 1] *= 1 + 9 * (labels == 2)  # only the second statistic differs
    found = {
        name: np.mean(predict(rows) == labels)
        for name, predict in baselines.fit_gray_baselines(rows, labels).items()
    }
    assert found["mean gray"] < 0.65 < 0.8 < found["mean and sd"]
    rows[:, 1], rows[:, 8] = rng.normal(size=200), labels
    found = baselines.fit_gray_baselines(rows, labels)
    assert np.mean(found["mean and sd"](rows) == labels) < 0.65
    assert np.mean(found[baselines.HISTOGRAM](rows) == labels) == 1


def test_window_statistics_are_those_of_the_patches():
    image = np.random.default_rng(0).normal(3, 1, (90, 70)).astype(np.float32)
    mean, deviation = baselines.window_statistics(image, size=16, pad_value=-2.0)
    centres = np.array([[0, 0], [8, 8], [45, 30], [89, 69], [85, 2]])
    patches = cut_patches(image, centres, 16, -2.0)[:, 0]
    places = tuple(centres.T)
    np.testing.assert_allclose(mean[places], patches.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(deviation[places], patches.std(axis=(1, 2)), rtol=1e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_microct):
    path = tmp_path_factory.mktemp("run") / "run"
    return open_run(path, "02_area_classifier", microct=str(tiny_microct))


def learned(purity):
    return SimpleNamespace(patches_per_area=12, purity=purity)


@pytest.mark.parametrize("purity", [0.0, 1.0])
def test_training_windows_are_those_of_the_recipe(run, purity):
    whole = stages.training_patches(run, learned(purity), seed=3)
    expected = stages.patches(run, "train", 12, seed=3, purity=purity)
    np.testing.assert_array_equal(whole.centres, expected.centres)
    part = stages.training_patches(run, learned(purity), 5, seed=3, raw=True)
    assert np.bincount(part.labels)[1:].tolist() == [5] * 6
    places = {tuple(centre) for centre in whole.centres}
    assert {tuple(centre) for centre in part.centres} <= places
    assert len({tuple(centre) for centre in part.centres}) == 30
    other = stages.patches(run, "train", 12, seed=3, purity=1 - purity)
    assert len(places & {tuple(centre) for centre in other.centres}) < len(places) / 4


def test_gray_controls_learn_from_the_networks_windows(run, monkeypatch):
    seen = []

    def fit(statistics, labels, seed):
        seen.append((statistics, labels))
        return {name: lambda rows: np.ones(len(rows)) for name in ("a", baselines.HISTOGRAM)}

    monkeypatch.setattr(baselines, "fit_gray_baselines", fit)
    found = stages.gray_controls(run, learned(0.0), 4, positions=50, seed=2).value
    windows = stages.patches(run, "train", 12, seed=2, purity=0.0)
    expected = baselines.gray_statistics(windows.cut())
    np.testing.assert_array_equal(seen[0][0], expected)
    np.testing.assert_array_equal(seen[0][1], windows.labels)
    table = found["windows"]
    assert table["windows"].unique()[0] == "validation"
    np.testing.assert_allclose(table["accuracy"], 1 / 6)
    assert found["slice_positions"] == 50 and 0 < found["slice_accuracy"] < 0.7
