"""What a host keeps from job to job: the setting on the torch device, the test set, networks, shards and prices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch

from edgesim import seeds
from edgesim.cost import pricing
from edgesim.records import WorkRecord
from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig
from edgesim.training import evaluation, stacked
from edgesim.training.task import ClassificationTask, device_name

_STATELESS = {"torch", "torchvision", "timm", "edgesim"}
"""packages whose modules keep nothing but weights and buffers"""
MOST_PRICES = 200
"""that are kept, each with a profile and the steps of a trial: some ten kilobytes"""


class WorkerCache:
    """What a host keeps between jobs: setting, test set, the last shard, networks, and prices of small devices."""

    def __init__(self, setting: ExperimentConfig):
        self.setting = setting
        self.torch_device = device_name(setting.training.torch_device)
        self._shard: tuple[DeviceSpec, ClassificationTask] | None = None
        self._trainee: tuple[int, torch.nn.Module, list[torch.Tensor]] | None = None
        self._initial: dict[int, stacked.State] = {}
        self._prices: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.evaluated = evaluation.EvaluationConfig(
            setting.dataset.num_classes,
            setting.evaluation.batch_size,
            setting.training.precision,
            setting.evaluation.every,
        )

    @cached_property
    def test(self) -> ClassificationTask:
        """The common test set. Never used to choose anything."""
        return ClassificationTask.of_test(self.setting.dataset, self.torch_device)

    def shard(self, spec: DeviceSpec) -> ClassificationTask:
        """The device's training data; kept for the next job of the same device."""
        if self._shard is None or self._shard[0].index != spec.index or self._shard[0].seed != spec.seed:
            task = ClassificationTask.of_shard(self.setting.dataset, spec.shard, self.torch_device)
            self._shard = (spec, task)
        return self._shard[1]

    def build_model(self, seed: int) -> torch.nn.Module:
        """The network at the initial weights that all devices and methods of a seed share (edge paper, III-B)."""
        dataset = self.setting.dataset
        with seeds.torch_global(seed, "init"):
            model: torch.nn.Module = self.setting.model.build(dataset.input_shape, dataset.num_classes)
        return model.to(device=torch.device(self.torch_device)).to(memory_format=torch.channels_last)

    def initial_model(self, seed: int) -> torch.nn.Module:
        """As `build_model`, for one training after another: the same module, its weights and buffers put back.

        Making a module takes longer than training a small one for a step. A user's own module may keep more than
        weights and buffers, so that it is made anew.
        """
        if self._trainee is None or self._trainee[0] != seed:
            model = self.build_model(seed)
            if not all(type(layer).__module__.partition(".")[0] in _STATELESS for layer in model.modules()):
                return model
            self._trainee = seed, model, [tensor.detach().clone() for tensor in _tensors(model)]
        _, model, initial = self._trainee
        with torch.no_grad():
            for tensor, value in zip(_tensors(model), initial, strict=True):
                tensor.copy_(value)
        return model

    @cached_property
    def stack_network(self) -> torch.nn.Module | None:
        """The network for training in stacks; None where this scenario's is not for that, or this host."""
        if self.torch_device != "cpu" or self.setting.augment:  # no network is made for nothing
            return None
        model = self.build_model(0)
        return model if stacked.stacks(model, self.setting.training, self.torch_device) else None

    def initial_state(self, seed: int) -> stacked.State:
        """The weights of `build_model`, for networks that stack."""
        if seed not in self._initial:
            model = self.build_model(seed)
            self._initial[seed] = {name: value.detach().clone() for name, value in model.named_parameters()}
        return self._initial[seed]

    def price(self, spec: DeviceSpec, subset_size: int, done: WorkRecord, dynamic: bool) -> dict[str, Any]:
        """`pricing.price`, of small devices once for all that are alike and do the same.

        A price takes a millisecond; in a fleet of thousands of small devices most are alike, and train as long.
        """
        paid = spec.profile, spec.conditions, len(spec.shard), subset_size, done, dynamic
        if spec.slot is None:
            return pricing.price(self.setting.terms, *paid)
        if paid not in self._prices:
            if len(self._prices) == MOST_PRICES:
                self._prices.clear()
            self._prices[paid] = pricing.price(self.setting.terms, *paid)
        return self._prices[paid]


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()
