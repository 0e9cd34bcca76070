"""Frozen layers stay frozen: every place that puts a network into evaluation mode puts each layer back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import blobs
from torch import nn

from edgesim.models import workload
from edgesim.models.train_eval_modes import evaluating, start_training
from edgesim.pruning.grand import gradient_norms
from edgesim.pruning.warmup_replicas import fresh_model
from edgesim.training import tasks
from edgesim.training.classification import ClassificationTask
from edgesim.training.evaluation import EvaluationConfig, evaluate
from edgesim.training.loop import Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.settings import Training
from edgesim.training.task import observe
from edgesim.training.warmup import observe_warmup

DATA = blobs()


class Frozen(nn.Module):
    """A fixed convolution and batch norm under a head that is trained; it refuses to run with the norm in training."""

    def __init__(self, *, by_train: bool) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8 * 64, 3)
        for parameter in (*self.conv.parameters(), *self.norm.parameters()):
            parameter.requires_grad_(False)
        self.by_train = by_train
        if not by_train:
            self.norm.eval()

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        if self.by_train:
            self.norm.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.norm(self.conv(x)).relu().flatten(1)))


def by_train() -> nn.Module:
    torch.manual_seed(0)
    return Frozen(by_train=True)


def by_build() -> nn.Module:
    torch.manual_seed(0)
    return Frozen(by_train=False)


KINDS = pytest.mark.parametrize("build", [by_train, by_build])
FROZEN = {"": True, "conv": True, "norm": False, "drop": True, "head": True}
"""layer -> whether it is in training mode while the network trains"""


def shard(n: int) -> ClassificationTask:
    return tasks.of_shard(DATA, np.arange(n), "cpu")


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: layer.training for name, layer in model.named_modules()}


@KINDS
@pytest.mark.parametrize("n", [32, 33, 1])
def test_training_leaves_frozen_statistics_whatever_the_last_batch_holds(
    build: Callable[[], nn.Module], n: int
) -> None:
    model = build()
    mean, head = model.norm.running_mean.clone(), model.head.weight.detach().clone()
    seen: list[bool] = []
    model.norm.register_forward_hook(lambda layer, *_: seen.append(layer.training))
    fit(model, shard(n), Subset(np.arange(n)), Training(epochs=3, batch_size=32), Streams(0, 0, "t"))
    assert seen == [False] * (3 * -(-n // 32))
    assert torch.equal(model.norm.running_mean, mean)
    assert not torch.equal(model.head.weight, head)
    assert modes(model) == FROZEN


@KINDS
def test_a_training_that_is_evaluated_between_its_epochs_stays_the_same(build: Callable[[], nn.Module]) -> None:
    test, evaluated = tasks.of_test(DATA, "cpu"), EvaluationConfig(7, "fp32")
    plain, watched = build(), build()
    settings = Training(epochs=1, batch_size=8)
    for model, look in ((plain, False), (watched, True)):
        torch.manual_seed(5)
        for _ in range(3):
            fit(model, shard(33), Subset(np.arange(33)), settings, Streams(0, 0, "t"))
            if look:
                evaluate(model, test, evaluated)
                gradient_norms(model, shard(5))
            assert modes(model) == FROZEN
    assert all(
        torch.equal(a, b) for a, b in zip(plain.state_dict().values(), watched.state_dict().values(), strict=True)
    )


@KINDS
def test_a_warm_up_with_snapshots_leaves_frozen_statistics(build: Callable[[], nn.Module]) -> None:
    model = build()
    before = {name: value.clone() for name, value in model.norm.state_dict().items()}
    needs = [Needs(steps=5, snapshots=(0, 2, 5), capture=frozenset({"logits", "embedding"}), complete=True)]
    observe_warmup(model, shard(33), needs, Training(epochs=3, batch_size=32), Streams(0, 0, "w"))
    assert all(torch.equal(before[name], value) for name, value in model.norm.state_dict().items())
    assert modes(model) == FROZEN


def test_a_batch_of_one_sample_moves_no_statistics_and_leaves_the_rest_in_training() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
    inside: list[tuple[bool, bool]] = []
    model[4].register_forward_hook(lambda *_: inside.append((model[2].training, model[3].training)))
    fit(model, shard(5), Subset(np.arange(5)), Training(epochs=1, batch_size=4), Streams(0, 0, "t"))
    assert inside == [(True, True), (False, True)]
    assert int(model[2].num_batches_tracked) == 1
    assert all(modes(model).values())


def test_a_network_that_comes_in_evaluation_mode_as_a_whole_is_trained_as_a_whole() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()
    fit(model, shard(8), Subset(np.arange(8)), Training(epochs=1, batch_size=4), Streams(0, 0, "t"))
    assert all(modes(model).values())
    assert int(model[2].num_batches_tracked) == 2


def test_modes_come_back_after_an_error_too() -> None:
    model = by_build()
    start_training(model)
    with pytest.raises(RuntimeError, match="mat1"), evaluating(model):
        model(torch.zeros(1, 1, 4, 4))
    assert modes(model) == FROZEN


def test_layers_within_a_frozen_one_come_back_each_in_its_own_mode() -> None:
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()), nn.Linear(2, 2))
    model[0].eval()
    model[0][1].train()  # dropout on purpose, inside a part that is frozen
    before = modes(model)
    with evaluating(model):
        assert not any(modes(model).values())
    assert modes(model) == before


class Merged(nn.Module):
    """A layer whose `train()` does more than set a flag."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.merged = nn.Parameter(torch.ones(1)), False

    def train(self, mode: bool = True) -> Merged:
        self.merged = not mode
        return super().train(mode)


def test_a_layer_is_put_back_by_its_own_train() -> None:
    model = nn.Sequential(Merged(), Merged())
    model[0].eval()
    with evaluating(model):
        assert [layer.merged for layer in model] == [True, True]
    assert [layer.merged for layer in model] == [True, False]


def test_observing_puts_back_the_mode_of_every_layer() -> None:
    for build in (by_train, by_build):
        model = build()
        start_training(model)
        observe(model, shard(9), frozenset({"embedding"}), 4)
        assert modes(model) == FROZEN


def test_work_is_counted_in_the_modes_of_training() -> None:
    """A frozen batch norm keeps nothing for the pass backward: 8 x 64 floats of its input are not saved."""
    counted = [workload.count(build, DATA.network_form) for build in (by_train, by_build)]
    assert counted[0].memory == counted[1].memory
    assert counted[0].train_flops == counted[1].train_flops


def test_a_replica_starts_from_the_same_frozen_weights() -> None:
    class Context:
        build_model = staticmethod(by_build)
        given_weights = frozenset[str]()

        @staticmethod
        def rng(purpose: str) -> np.random.Generator:
            return np.random.default_rng(1)

    original, fresh = by_build(), fresh_model(Context(), "replica 2")  # type: ignore[arg-type]
    assert torch.equal(fresh.conv.weight, original.conv.weight)
    assert torch.equal(fresh.norm.weight, original.norm.weight)
    assert not torch.equal(fresh.head.weight, original.head.weight)
    assert torch.equal(fresh.head.weight.flatten().sort().values, original.head.weight.flatten().sort().values)
