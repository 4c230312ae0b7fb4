"""The training loop, its checkpoints and recipes; the files that trained models are kept in."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from helpers import model_files, training


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
    return {"loss": nn.functional.cross_entropy(model(batch[0]), batch[1])}


def accuracy(model):
    return {"accuracy": (model(IMAGES).argmax(1) == LABELS).float().mean()}


def run(
    max_epochs=4,
    model=None,
    batches=batches,
    loss=loss,
    checkpoint=None,
    validate=accuracy,
    settings=None,
    **schedule,
):
    model = make_model() if model is None else model
    result = training.train(
        model,
        batches,
        loss,
        torch.optim.Adam(model.parameters(), lr=1e-2),
        training.Schedule(max_epochs, **schedule),
        training.Place("cpu", bfloat16=False, checkpoint=checkpoint),
        validate=validate,
        settings=settings,
    )
    return model, result


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


def test_a_killed_training_resumes_to_the_same_weights(tmp_path):
    options = {"rate": training.cosine(20), "checkpoint": tmp_path / "new" / "checkpoint"}
    whole, result = run(5, rate=options["rate"])

    def killed_in_third_epoch(epoch, generator):
        for i, batch in enumerate(batches(epoch, generator)):
            if epoch == 2 and i == 1:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        run(5, batches=killed_in_third_epoch, **options)
    resumed, again = run(5, make_model(seed=99), **options)  # other initial weights: overwritten
    assert same(whole, resumed)
    assert again == result
    assert list((tmp_path / "new").iterdir()) == [options["checkpoint"]]


def test_a_finished_checkpoint_is_loaded_without_training(tmp_path):
    first, result = run(2, checkpoint=tmp_path / "c")
    second, again = run(
        2, make_model(seed=5), lambda *_: pytest.fail("trained"), checkpoint=tmp_path / "c"
    )
    assert same(first, second) and again == result


def test_checkpoint_of_other_settings_is_refused(tmp_path):
    run(1, checkpoint=tmp_path / "c", settings={"patches": 600})
    with pytest.raises(ValueError, match=r"other settings \(patches, seed differ\)"):
        run(1, checkpoint=tmp_path / "c", settings={"patches": 500}, seed=3)
    with pytest.raises(ValueError, match=r"other settings \(patches differ\)"):
        run(1, checkpoint=tmp_path / "c")


def test_checkpoints_hold_tensors_and_numbers_only(tmp_path):
    run(1, checkpoint=tmp_path / "c")
    stored = torch.load(tmp_path / "c", weights_only=True)  # opens no other objects
    assert set(stored) == {"settings", "history", "model", "best", "optimizer"}
    assert stored["settings"] == {"seed": 0}


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


def test_max_steps_ends_within_an_epoch():
    _, result = run(9, max_steps=6)
    assert [row["step"] for row in result.history] == [4, 6]


def test_a_rule_ends_training_and_holds_when_resumed(tmp_path):
    rule = {"stop": lambda history: len(history) == 2, "checkpoint": tmp_path / "c"}
    assert len(run(5, **rule)[1].history) == 2
    assert len(run(5, batches=lambda *_: pytest.fail("trained"), **rule)[1].history) == 2


def test_the_average_of_the_weights_is_validated_and_kept():
    seen, after = [], []

    def watched(epoch, generator):
        for i, batch in enumerate(batches(epoch, generator)):
            if i:
                after.append(model[-1].bias.detach().clone())
            yield batch

    model = make_model()
    _, result = run(
        1,
        model,
        watched,
        validate=lambda kept: seen.append(kept[-1].bias.clone()) or {"score": 0.0},
        average=0.5,
        max_steps=3,
        monitor="score",
    )
    first, second = after[:2]
    assert torch.equal(model[-1].bias, seen[0])
    # The third update's weights are not seen by the batches, but the average is half of them.
    third = 2 * seen[0] - (first + second) / 2
    rate = (third - second).abs().max()
    assert 0 < rate < 0.02 and not torch.equal(seen[0], third)


def test_an_averaged_training_resumes_to_the_same_weights(tmp_path):
    whole, result = run(4, average=0.9)
    run(2, average=0.9, checkpoint=tmp_path / "c")
    resumed, again = run(4, make_model(seed=9), average=0.9, checkpoint=tmp_path / "c")
    assert same(whole, resumed) and again == result


def test_schedule_multiplies_the_learning_rate():
    _, result = run(2, rate=lambda step: 1 / (1 + step))
    assert [row["learning_rate"] for row in result.history] == pytest.approx([1e-2 / 4, 1e-2 / 8])


def test_cosine_rises_over_a_twentieth_and_falls_to_zero():
    factor = training.cosine(200)
    assert factor(0) == pytest.approx(0.1) and factor(9) == 1.0 and factor(10) == 1.0
    assert factor(105) == pytest.approx(0.5)
    assert factor(200) == pytest.approx(0) == factor(500)


def test_loss_may_report_more_numbers():
    def detailed(model, batch):
        return {**loss(model, batch), "size": torch.tensor(float(len(batch[0]))), "two": 2.0}

    row = run(1, loss=detailed)[1].history[0]
    assert row["size"] == 16 and row["two"] == 2


def test_error_messages():
    with pytest.raises(
        ValueError, match="monitor 'recall' is not in the history: expected one of .*'accuracy'"
    ):
        run(1, monitor="recall")
    with pytest.raises(ValueError, match="yielded nothing"):
        run(1, batches=lambda *_: iter(()))
    with pytest.raises(FloatingPointError, match="became nan in epoch 0: lower the learning rate"):
        run(1, loss=lambda m, b: {"loss": loss(m, b)["loss"] * float("nan")})
    with pytest.raises(ValueError, match="at least 1"):
        run(0)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device"):
            training.choose_device("cuda")
        assert training.choose_device("auto") == "cpu"


@dataclass(frozen=True)
class Recipe:
    epochs: int = 8
    rate: float = 0.5
    fall: bool = True


RECIPES = {"fast": Recipe(), "slow": Recipe(epochs=60)}


def test_a_text_names_a_recipe_and_what_differs():
    assert training.choose_recipe(RECIPES, "slow") == Recipe(epochs=60)
    assert training.choose_recipe(RECIPES, " fast, epochs = 2,rate=1e-3") == Recipe(2, 1e-3)
    assert training.choose_recipe(RECIPES, "fast", epochs=3, rate=0) == Recipe(3)


@pytest.mark.parametrize(
    "text, message",
    [
        ("slwo", "recipe is 'slwo'; expected one of fast, slow"),
        ("fast, epoch=2", "found 'epoch=2'; expected name=number, the name one of epochs, rate"),
        ("fast, epochs=2.5", "found 'epochs=2.5'"),
        ("fast, epochs", "found 'epochs'"),
        ("fast, fall=0", "found 'fall=0'"),
    ],
)
def test_recipes_that_are_not_there(text, message):
    with pytest.raises(ValueError, match=message):
        training.choose_recipe(RECIPES, text)


class Layer(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.config = {"inputs": inputs, "outputs": outputs}


def test_models_are_stored_and_built_again(tmp_path):
    from safetensors import safe_open

    model = Layer(3, 2).train()
    model_files.save(model, tmp_path / "layer.safetensors", areas=["a", "b"])
    loaded = model_files.load(Layer, tmp_path / "layer.safetensors")
    assert same(model, loaded) and loaded.config == model.config and not loaded.training
    with safe_open(tmp_path / "layer.safetensors", "pt") as file:
        assert file.metadata()["areas"] == '["a", "b"]'


def test_files_that_hold_another_model(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "layer.safetensors"
    with pytest.raises(FileNotFoundError, match="layer.safetensors"):
        model_files.load(Layer, path)
    header = {"Layer": '{"inputs": 3, "outputs": 2}'}
    for metadata in (None, header, {"Other": "{}"}):
        save_file({"weight": torch.zeros(2)}, path, metadata=metadata)
        with pytest.raises(ValueError, match="is not a Layer that helpers.model_files.save wrote"):
            model_files.load(Layer, path)
    path.write_bytes(b"truncated")
    with pytest.raises(ValueError, match="is not a Layer"):
        model_files.load(Layer, path)
