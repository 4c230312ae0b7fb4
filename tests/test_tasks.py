"""Trainings as tasks of Dask's workers, one of which is killed in the middle of them."""

import os
import signal
import subprocess
import sys

import pytest
from dask_cluster import ENVIRONMENT, Cluster, when

from helpers.book import executors

pytest.importorskip("distributed")
# Every worker notes each epoch that it finished: its process, the model, the epoch. Dask executes
# this more than once.
NOTE_EPOCHS = """
import os
from helpers import training

write, log = getattr(training, "unnoted", training._write_checkpoint), {log!r}
training.unnoted = write

def written(path, state):
    write(path, state)
    with open(log, "a") as file:
        file.write(f"{{os.getpid()}} {{path.parent.name}} {{len(state['history'])}}\\n")

training._write_checkpoint = written
"""


def epochs(log):
    """What was noted: (process, model, epoch) in the order of time."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(int(pid), model, int(epoch)) for pid, model, epoch in map(str.split, lines)]


def kill_in_the_middle(cluster, log):
    """Kill the first worker that is in the middle of training a model."""
    killed = []

    def middle():
        worker = cluster.workers[0].pid
        return any(pid == worker and epoch >= 2 for pid, _, epoch in epochs(log))

    def kill():
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        killed.append(epochs(log)[-1])

    return when(middle, kill)


def expect_resumed(cluster, log):
    """The killed worker's model was ended by the other, from the epoch behind its last one on."""
    dead = cluster.workers[0].pid
    assert cluster.workers[0].poll() == -signal.SIGKILL
    noted = epochs(log)
    each = [(model, epoch) for _, model, epoch in noted]
    assert len(set(each)) == len(each)  # no epoch twice, whoever did it
    model, last = next((model, epoch) for pid, model, epoch in reversed(noted) if pid == dead)
    after = [epoch for pid, name, epoch in noted if name == model and pid != dead]
    # an epoch can be finished by a worker that dies before it notes it
    assert after and after[0] in (last + 1, last + 2)
    assert after == list(range(after[0], after[-1] + 1))


@pytest.mark.slow
def test_networks_of_several_seeds_are_those_of_one_process(tiny_microct, tmp_path, monkeypatch):
    import torch

    from helpers.book import open_run
    from helpers.tissue import stages

    monkeypatch.delenv(executors.DASK, raising=False)
    recipe, seeds = "fast, epochs=5, patches_per_area=24, validation_per_area=8", [0, 1, 2]
    microct, log = str(tiny_microct), tmp_path / "epochs"
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as workers compute
    here = open_run(tmp_path / "here", "02_area_classifier", microct=microct)
    expected = stages.trained_classifiers(here, seeds, recipe=recipe)
    torch.set_num_threads(before)
    there = open_run(tmp_path / "there", "02_area_classifier", microct=microct)
    with Cluster(tmp_path, preload=NOTE_EPOCHS.format(log=str(log))) as cluster:
        monkeypatch.setenv(executors.DASK, cluster.address)
        thread = kill_in_the_middle(cluster, log)
        found = stages.trained_classifiers(there, seeds, recipe=recipe)
        thread.join()
        expect_resumed(cluster, log)
    assert {pid for pid, _, _ in epochs(log)} == {worker.pid for worker in cluster.workers}
    for seed in seeds:
        assert found[seed].key == expected[seed].key
        one, other = (each[seed].value for each in (found, expected))
        assert one.history.equals(other.history)
        weights = [each.model.state_dict() for each in (one, other)]
        assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.slow
def test_a_run_ends_though_a_worker_is_killed_while_it_trains(tiny_population, tmp_path):
    log, out = tmp_path / "epochs", tmp_path / "run"
    values = {
        # no rule ends a training before a worker can be killed in the middle of it
        "recipe": "quick, encoder_updates=4, decoder_updates=4, nested_updates=4, flat=0",
        "seeds": [0],
        "rows": 40,
        "steps": 400,
        "latent_dims": [4],
        "betas": [1.0, 3.0, 10.0],
        "compare_recipes": [],
        "pca_dims": [8],
        "latent_dim": 4,
    }
    chosen = [part for name, value in values.items() for part in ("-p", f"{name}={value}")]
    with Cluster(tmp_path, preload=NOTE_EPOCHS.format(log=str(log))) as cluster:
        thread = kill_in_the_middle(cluster, log)
        command = [sys.executable, "-m", "helpers.cli", "run", "08_vae_models"]
        datasets = ["--population", str(tiny_population), "--out", str(out)]
        done = subprocess.run(
            [*command, *datasets, "--dask", cluster.address, *chosen],
            env=ENVIRONMENT,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        thread.join()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Dask workers at" in done.stdout  # one or two, as many as had come by then
        expect_resumed(cluster, log)
    models = {model for _, model, _ in epochs(log)}
    assert len([path for path in (out / "artifacts").glob("vae-*/artifact.json")]) >= 3
    assert len(models) >= 3 and not list((out / "artifacts").glob(".vae-*.partial"))


@pytest.mark.slow
def test_models_of_a_grid_are_trained_by_workers_one_of_which_dies(
    tiny_population, tmp_path, monkeypatch
):
    from helpers.book import open_run
    from helpers.brains import stages

    settings = {"rows": 40, "steps": 24}
    settings["recipe"] = "quick, encoder_updates=4, decoder_updates=4, nested_updates=4"
    points = [(2, 3.0, 0), (2, 1.0, 0), (3, 3.0, 0), (3, 1.0, 1)]
    population = str(tiny_population)
    here = open_run(tmp_path / "here", "08_vae_models", population=population)
    expected = stages.trained_vaes(here, points, workers=1, **settings)
    there = open_run(tmp_path / "there", "08_vae_models", population=population)
    models = lambda: list((tmp_path / "there" / "artifacts").glob("vae-*/artifact.json"))
    with Cluster(tmp_path) as cluster:
        monkeypatch.setenv(executors.DASK, cluster.address)
        kill = lambda: os.kill(cluster.workers[0].pid, signal.SIGKILL)
        thread = when(lambda: len(models()) >= 1, kill)
        found = stages.trained_vaes(there, points, **settings)
        thread.join()
    assert cluster.workers[0].poll() == -signal.SIGKILL
    assert [model.key for model in found] == [model.key for model in expected]
    images = stages.prepared_population(here, 40).images[:4]
    for one, other in zip(expected, found):
        assert abs(one.net.encode(images) - other.net.encode(images)).max() < 1e-4
