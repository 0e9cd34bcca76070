"""The training loop, its optimisers and the warm-up that observes it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, blobs
from warm import Process, Server

from edgesim.errors import TrainingDiverged
from edgesim.models import MODELS
from edgesim.training import optim, tasks
from edgesim.training.classification import ClassificationTask
from edgesim.training.evaluation import EvaluationConfig, evaluate
from edgesim.training.loop import Hooks, Step, Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.sampling import Draw
from edgesim.training.settings import Training, Warmup
from edgesim.training.task import observe
from edgesim.training.warmup import observe_warmup

DATA = blobs()
EVERYTHING = Subset(np.arange(60))


def network(name: str = "mlp", seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MODELS[name]().build(DATA.input_shape, DATA.num_classes)
    return model.to(memory_format=torch.channels_last)


def shard() -> ClassificationTask:
    return tasks.of_shard(DATA, np.arange(60), "cpu")


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("model_name", ["mlp", "small-cnn"])
def test_fused_steps_equal_torch_bit_for_bit(name: str, model_name: str) -> None:
    settings = Training(optimizer=name, weight_decay=1e-2, momentum=0.9, nesterov=name == "sgd")
    task, where = shard(), slice(0, 32)
    ours, theirs = network(model_name), network(model_name)
    own = optim.build(settings, ours.parameters())
    classes = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    extra = {"momentum": 0.9, "nesterov": True} if name == "sgd" else {}
    reference = classes[name](theirs.parameters(), lr=1.0, weight_decay=1e-2, fused=True, **extra)
    for step in range(8):
        rate = 0.01 / (step + 1)
        task.losses(ours(task.inputs(where)), where).mean().backward()
        own.step(rate)
        reference.zero_grad()
        task.losses(theirs(task.inputs(where)), where).mean().backward()
        reference.param_groups[0]["lr"] = rate
        reference.step()
    assert torch.equal(weights(ours), weights(theirs))


def test_neither_counting_nor_training_imports_dynamo(tmp_path: Path, warm: Server) -> None:
    """Its import costs `plan`, `run` and every host seconds and memory; small networks and the loop do without."""
    code = (
        "import sys\nfrom edgesim.models import MODELS, workload\n"
        "from edgesim.tasks import NetworkForm\n"
        "workload.count(lambda: MODELS['resnet8']().build((1, 8, 8), 10), NetworkForm((1, 8, 8), 10))\n"
        "if 'torch._dynamo' in sys.modules: sys.exit('counting')\n"
        "import torch; sys.path.insert(0, 'tests')\n"
        "import numpy as np, test_training as t\n"
        "t.fit(t.network('small-cnn'), t.shard(), t.EVERYTHING, t.Training(epochs=1), t.Streams(0, 0, 'x'))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    process = Process(warm, str(program), cwd=ROOT)
    _, said = process.communicate(280)
    assert process.returncode == 0, said


def test_learning_rates_by_hand() -> None:
    cosine = Training(learning_rate=0.4, schedule="cosine")
    assert cosine.learning_rate_at(0, 10) == 0.4
    assert cosine.learning_rate_at(5, 10) == pytest.approx(0.2)
    assert cosine.learning_rate_at(10, 10) == pytest.approx(0.0, abs=1e-12)
    step = Training(learning_rate=1.0, schedule="step", milestones=(0.5, 0.75), decay=0.1)
    rates = [step.learning_rate_at(t, 8) for t in range(8)]
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert Training(schedule="constant", learning_rate=0.3).learning_rate_at(7, 8) == 0.3


def test_warmup_lengths_by_hand() -> None:
    # 50 samples in batches of 16 are 4 steps an epoch.
    assert Warmup().steps(50, 16) == 4
    assert Warmup(epochs=0.5).steps(50, 16) == 2
    assert Warmup(epochs=0.1).steps(50, 16) == 1
    assert Warmup(epochs=3).steps(50, 16) == 12
    assert Warmup(iterations=7).steps(50, 16) == 7


def test_inputs_are_normalised_by_the_training_split() -> None:
    task = shard()
    inputs = task.inputs(slice(None))
    assert inputs.shape == (60, 1, 8, 8)
    assert float(inputs.mean()) == pytest.approx(0.0, abs=1e-3)
    assert float(inputs.std()) == pytest.approx(1.0, abs=1e-2)
    mean, std = DATA.normalisation()
    by_hand = (DATA.train_samples[7, 2, 3, 0] / 255 - mean[0]) / std[0]
    assert float(inputs[7, 0, 2, 3]) == pytest.approx(float(by_hand), abs=1e-5)


def test_every_epoch_visits_every_sample_once_and_the_last_batch_holds_the_rest() -> None:
    seen: list[list[int]] = []

    def after_step(step: Step) -> bool:
        seen.append(step.positions.tolist())
        return False

    positions = np.arange(0, 60, 2)  # 30 samples: batches of 8, 8, 8, 6
    settings = Training(epochs=2, batch_size=8)
    epochs = fit(network(), shard(), Subset(positions), settings, Streams(0, 0, "t"), hooks=Hooks(after_step)).epochs
    assert [len(batch) for batch in seen] == [8, 8, 8, 6] * 2
    for first in (0, 4):
        assert sorted(chain(*seen[first : first + 4])) == positions.tolist()
    assert list(chain(*seen[:4])) != list(chain(*seen[4:]))
    assert [epoch.number for epoch in epochs] == [1, 2]


def test_training_learns_and_repeats_bit_for_bit() -> None:
    first, second, other = network(), network(), network()
    settings = Training(epochs=8, batch_size=16, learning_rate=0.01)
    epochs = fit(first, shard(), EVERYTHING, settings, Streams(1, 2, "t")).epochs
    fit(second, shard(), EVERYTHING, settings, Streams(1, 2, "t"))
    fit(other, shard(), EVERYTHING, settings, Streams(1, 3, "t"))
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))
    assert epochs[-1].loss < epochs[0].loss
    test = evaluate(first, tasks.of_test(DATA, "cpu"), EvaluationConfig(7, "fp32"))
    assert test.metrics["accuracy"] > 0.9


def test_equal_loss_weights_change_nothing_and_a_zero_weight_removes_its_sample() -> None:
    settings = Training(epochs=3, batch_size=60, schedule="constant")
    plain, equal, zeroed = network(), network(), network()
    fit(plain, shard(), EVERYTHING, settings, Streams(0, 0, "t"))
    fit(equal, shard(), Subset(np.arange(60), np.full(60, 7.0)), settings, Streams(0, 0, "t"))
    assert torch.equal(weights(plain), weights(equal))
    kept = np.ones(60)
    kept[30:] = 0
    fit(zeroed, shard(), Subset(np.arange(60), kept), settings, Streams(0, 0, "t"))
    half = network()
    fit(half, shard(), Subset(np.arange(30)), settings, Streams(0, 0, "t"))
    # One full batch either way; weights 2 on half of it give the mean loss of that half.
    assert torch.allclose(weights(zeroed), weights(half), atol=1e-5)


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    settings = Training(epochs=5, batch_size=20, optimizer="sgd", learning_rate=1e30, schedule="constant")
    with pytest.raises(TrainingDiverged) as caught:
        fit(network(), shard(), EVERYTHING, settings, Streams(0, 0, "t"))
    assert 1 <= caught.value.step <= 5  # the first step's loss is still that of the initial weights
    assert not math.isfinite(caught.value.loss)
    assert f"at step {caught.value.step}" in str(caught.value)


def test_bf16_trains_and_stays_near_fp32() -> None:
    exact, coarse = network("small-cnn"), network("small-cnn")
    for model, name in ((exact, "fp32"), (coarse, "bf16")):
        fit(model, shard(), EVERYTHING, Training(epochs=6, batch_size=16, precision=name), Streams(0, 0, "t"))
    test, evaluated = tasks.of_test(DATA, "cpu"), EvaluationConfig(30, "fp32")
    scores = [evaluate(model, test, evaluated).loss for model in (exact, coarse)]
    assert scores[0] != scores[1]
    assert scores[1] == pytest.approx(scores[0], abs=0.1)


def test_observation_does_not_depend_on_the_batch_size() -> None:
    model, task = network("small-cnn"), shard()
    large = observe(model, task, frozenset({"logits", "embedding"}), 60)
    small = observe(model, task, frozenset({"logits", "embedding"}), 7)
    assert large.logits is not None
    assert small.logits is not None
    np.testing.assert_allclose(large.loss, small.loss, atol=1e-5)
    np.testing.assert_allclose(large.logits, small.logits, atol=1e-5)
    assert large.embedding is not None
    assert large.embedding.shape == (60, 64)
    some = observe(model, task, frozenset(), 7, positions=np.array([3, 59]))
    np.testing.assert_allclose(some.loss, large.loss[[3, 59]], atol=1e-5)
    # The loss is the cross-entropy of the logits, by hand.
    label = int(DATA.train_labels[3])
    by_hand = np.log(np.exp(large.logits[3]).sum()) - large.logits[3, label]
    assert large.loss[3] == pytest.approx(by_hand, abs=1e-5)


SETTINGS = Training(epochs=4, batch_size=16)  # 60 samples: 4 steps an epoch, 16 in all


def watch(*needs: Needs) -> list:
    return observe_warmup(network(), shard(), needs, SETTINGS, Streams(0, 0, "warm-up"))


def test_a_shared_warm_up_shows_each_method_what_it_would_see_alone() -> None:
    short = Needs(3, record=frozenset({"loss"}), complete=True, keep_weights=True)
    long = Needs(9, record=frozenset({"loss", "correct", "logits", "embedding"}), snapshots=(0, 4, 9))
    (alone,), (shared, other) = watch(short), watch(short, long)
    np.testing.assert_array_equal(alone.dynamics.values["loss"], shared.dynamics.values["loss"])
    np.testing.assert_array_equal(alone.completion[1], shared.completion[1])
    assert alone.work == shared.work
    assert alone.trace == shared.trace
    assert all(torch.equal(alone.weights[name], shared.weights[name]) for name in alone.weights)
    assert set(shared.dynamics.values) == {"loss"}
    assert other.dynamics.values["logits"].shape == (3, 60, 3)
    assert other.dynamics.values["embedding"].shape == (3, 60, 128)


def test_what_a_warm_up_records_and_charges_by_hand() -> None:
    # Three steps of 16 meet 48 of 60 samples once; the other 12 get one charged forward pass.
    (seen,) = watch(Needs(3, record=frozenset({"loss"}), complete=True))
    assert seen.dynamics.met.sum() == 48
    assert len(seen.completion[0]) == 12
    assert not seen.dynamics.met[:, seen.completion[0]].any()
    assert (seen.work.train_samples, seen.work.forward_samples, seen.work.steps) == (48, 12, 3)
    assert [tuple(s) for s in seen.trace.segments] == [("train", 16, 3), ("forward", 12, 1)]
    # Nine steps: two epochs of 60 (the fourth step of each has 12) and one batch of 16.
    (seen,) = watch(Needs(9, record=frozenset({"loss"}), snapshots=(4, 9)))
    assert seen.work.train_samples == 136
    assert seen.work.forward_samples == 120
    assert (seen.dynamics.step[2] < 10**9).sum() == 16


def test_the_first_step_is_seen_at_the_initial_weights() -> None:
    (seen,) = watch(Needs(1, record=frozenset({"loss"}), snapshots=(0,)))
    met = seen.dynamics.met[0]
    assert met.sum() == 16
    np.testing.assert_allclose(seen.dynamics.values["loss"][0, met], seen.snapshots[0].loss[met], atol=1e-5)


def test_a_warm_up_is_no_longer_than_training() -> None:
    (seen,) = watch(Needs(1000, record=frozenset({"loss"})))
    assert seen.work.steps == 16


def test_no_needs_cost_nothing() -> None:
    (seen,) = watch(Needs())
    assert seen.work.train_samples == seen.work.forward_samples == 0
    assert seen.trace.segments == ()


def test_the_work_of_a_training_is_what_it_did() -> None:
    fitted = fit(network(), shard(), Subset(np.arange(30)), Training(epochs=2, batch_size=8), Streams(0, 0, "t"))
    assert (fitted.work.train_samples, fitted.work.steps) == (60, 8)
    assert [tuple(s) for s in fitted.trace.segments] == [("train", 8, 3), ("train", 6, 1)] * 2


class EveryOther:
    """A sampler that visits half of the subset, the harder half once losses are known, with doubled weights."""

    def visits(self, epochs: int) -> list[tuple[int]]:
        return [(10,)] * epochs

    def draws(self, epochs: int, losses: np.ndarray, rng: np.random.Generator) -> Iterator[Draw]:
        half = len(losses) // 2
        for _ in range(epochs):
            places = np.arange(half) if np.isnan(losses).any() else np.argsort(-losses)[:half]
            yield Draw(places, np.full(half, 2.0))


def test_a_sampler_decides_what_an_epoch_visits() -> None:
    seen: list[set[int]] = []
    epochs_of: list[int] = []

    def after_step(step: Step) -> bool:
        epochs_of.append(step.epoch)
        seen.append(set(step.positions.tolist()))
        return False

    positions = np.arange(10, 30)
    subset = Subset(positions, epoch_sampler=EveryOther())
    fitted = fit(
        network(), shard(), subset, Training(epochs=2, batch_size=10), Streams(0, 0, "t"), hooks=Hooks(after_step)
    )
    assert epochs_of == [0, 1]
    assert seen[0] == set(range(10, 20))
    assert fitted.work.train_samples == 20


def test_a_last_batch_of_one_sample_does_not_stop_batch_normalisation() -> None:
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3)
    )
    fitted = fit(model, shard(), Subset(np.arange(9)), Training(epochs=2, batch_size=4), Streams(0, 0, "t"))
    assert fitted.work.train_samples == 18
    assert all(module.training for module in model.modules())
    assert fit(model, shard(), Subset(np.array([5])), Training(epochs=1), Streams(0, 0, "t")).work.steps == 1
