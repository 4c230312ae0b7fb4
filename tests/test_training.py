import json

import numpy as np
import pytest
import torch
from torch import nn

from helpers import training


def make_model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(4 * 36, 2)
    )


def make_data(n=64):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, n)
    images = rng.normal(size=(n, 1, 8, 8)) + labels[:, None, None, None]
    return torch.tensor(images, dtype=torch.float32), torch.tensor(labels)


IMAGES, LABELS = make_data()


def batches(epoch, generator):
    order = torch.from_numpy(generator.permutation(len(IMAGES)))
    for part in order.split(16):
        yield IMAGES[part], LABELS[part]


def loss(model, batch):
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def accuracy(model):
    return {"accuracy": (model(IMAGES).argmax(1) == LABELS).float().mean()}


def run(max_epochs=4, model=None, **kw):
    model = make_model() if model is None else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    kw = {"bfloat16": False, "validate": accuracy, **kw}
    return model, training.train(model, batches, loss, optimizer, max_epochs=max_epochs, **kw)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def test_learns_and_reports_each_epoch():
    model, result = run(8)
    assert [row["epoch"] for row in result.history] == list(range(8))
    assert [row["step"] for row in result.history] == list(range(4, 36, 4))
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    assert result.history[-1]["accuracy"] > 0.9
    assert not model.training


def test_same_seed_same_weights_other_seed_other_weights():
    a, b, c = run()[0], run()[0], run(seed=1)[0]
    assert same(a, b) and not same(a, c)


def test_does_not_disturb_the_global_random_state():
    model = make_model()
    before = torch.get_rng_state()
    run(1, model)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_killed_training_resumes_to_the_same_weights(tmp_path, average):
    options = dict(average=average, schedule=training.cosine_schedule(20, warmup=3))
    whole, result = run(5, **options)

    def killed_in_third_epoch(epoch, generator):
        for i, batch in enumerate(batches(epoch, generator)):
            if epoch == 2 and i == 1:
                raise KeyboardInterrupt
            yield batch

    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with pytest.raises(KeyboardInterrupt):
        training.train(
            model,
            killed_in_third_epoch,
            loss,
            optimizer,
            max_epochs=5,
            validate=accuracy,
            bfloat16=False,
            checkpoint=tmp_path,
            **options,
        )
    resumed, again = run(
        5, make_model(seed=99), checkpoint=tmp_path, **options
    )  # other initial weights: overwritten
    assert same(whole, resumed)
    assert again == result
    assert [p.name for p in tmp_path.iterdir()] == ["epoch-000005"]


def test_a_finished_checkpoint_is_loaded_without_training(tmp_path):
    first, result = run(2, checkpoint=tmp_path)
    second = make_model(seed=5)
    optimizer = torch.optim.Adam(second.parameters())
    again = training.train(
        second,
        lambda *_: pytest.fail("trained"),
        loss,
        optimizer,
        max_epochs=2,
        checkpoint=tmp_path,
    )
    assert same(first, second) and again == result


def test_checkpoint_of_other_settings_is_refused(tmp_path):
    run(1, checkpoint=tmp_path, settings={"patches": 600})
    with pytest.raises(ValueError, match=r"other settings \(patches, seed differ\)"):
        run(1, checkpoint=tmp_path, settings={"patches": 500}, seed=3)


def test_checkpoints_hold_no_pickled_objects(tmp_path):
    run(1, checkpoint=tmp_path)
    names = {p.name for p in (tmp_path / "epoch-000001").iterdir()}
    assert names == {"model.safetensors", "best.safetensors", "optimizer.pt", "state.json"}
    torch.load(tmp_path / "epoch-000001" / "optimizer.pt", weights_only=True)
    assert json.loads((tmp_path / "epoch-000001" / "state.json").read_text())["settings"] == {
        "seed": 0
    }


@pytest.mark.parametrize("higher, best", [(True, 2), (False, 4)])
def test_keeps_the_weights_of_the_best_epoch(higher, best):
    scores = [1.0, 2.0, 3.0, 3.0, 0.5, 2.0]
    seen = []

    def validate(model):
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"score": scores[len(seen) - 1]}

    model, result = run(6, validate=validate, monitor="score", higher_is_better=higher)
    assert result.best_epoch == best
    assert all(torch.equal(v, seen[best][k]) for k, v in model.state_dict().items())


def test_patience_ends_the_training():
    scores = iter([1.0, 2.0, 1.5, 1.5, 9.0])
    _, result = run(
        5,
        validate=lambda m: {"score": next(scores)},
        monitor="score",
        higher_is_better=True,
        patience=2,
    )
    assert result.stopped_early and len(result.history) == 4 and result.best_epoch == 1


def test_max_steps_ends_within_an_epoch():
    _, result = run(9, max_steps=6)
    assert [row["step"] for row in result.history] == [4, 6]


def test_schedule_multiplies_the_learning_rate():
    _, result = run(2, schedule=lambda step: 1 / (1 + step))
    assert [row["learning_rate"] for row in result.history] == pytest.approx([1e-2 / 4, 1e-2 / 8])


def test_cosine_schedule():
    factor = training.cosine_schedule(110, warmup=10, floor=0.1)
    assert factor(0) == pytest.approx(0.1) and factor(9) == 1.0 and factor(10) == 1.0
    assert (
        factor(60) == pytest.approx(0.55)
        and factor(110) == pytest.approx(0.1)
        and factor(500) == pytest.approx(0.1)
    )


def test_weight_average_is_a_moving_average():
    weights = []

    def watched(model, batch):
        weights.append(model[0].weight.detach().clone())
        return loss(model, batch)

    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training.train(model, batches, watched, optimizer, max_epochs=1, average=0.9, bfloat16=False)
    last = make_model()  # the same run without averaging ends here
    training.train(
        last,
        batches,
        loss,
        torch.optim.SGD(last.parameters(), lr=0.1),
        max_epochs=1,
        bfloat16=False,
    )
    expected = weights[0]
    for step, value in enumerate([*weights[1:], last[0].weight.detach()], start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(model[0].weight.detach(), expected)


def test_loss_may_report_more_numbers():
    def detailed(model, batch):
        return loss(model, batch), {"size": torch.tensor(float(len(batch[0]))), "two": 2.0}

    model = make_model()
    optimizer = torch.optim.Adam(model.parameters())
    result = training.train(model, batches, detailed, optimizer, max_epochs=1)
    assert result.history[0]["size"] == 16 and result.history[0]["two"] == 2


def test_error_messages():
    with pytest.raises(
        ValueError, match="monitor 'recall' is not in the history: expected one of .*'accuracy'"
    ):
        run(1, monitor="recall")
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="yielded nothing"):
        training.train(model, lambda *_: iter(()), loss, optimizer, max_epochs=1)
    with pytest.raises(FloatingPointError, match="became nan in epoch 0: lower the learning rate"):
        training.train(
            model, batches, lambda m, b: loss(m, b) * float("nan"), optimizer, max_epochs=1
        )
    with pytest.raises(ValueError, match="at least 1"):
        run(0)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            training.choose_device("cuda")
        assert training.choose_device("auto") == "cpu"
