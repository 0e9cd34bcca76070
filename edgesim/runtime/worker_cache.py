"""Cache of a worker between jobs: the test set, the last shard, the network at its initial weights, and prices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch

from edgesim import seeds
from edgesim.cost import pricing, transfer
from edgesim.cost.batch_pricing import Device
from edgesim.data.dataset import Dataset
from edgesim.records import WorkRecord
from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig
from edgesim.training import evaluation, tasks
from edgesim.training.task import Task, device_name

_STATELESS = {"torch", "torchvision", "timm", "edgesim"}
"""packages whose modules keep only weights and buffers"""
MOST_PRICES = 200
"""prices that are kept, each with a profile and the steps of a trial: some ten kilobytes"""


class WorkerCache:
    """Configuration, test set, last shard, network and prices, kept between the jobs of a worker."""

    def __init__(self, config: ExperimentConfig):
        self.config = config
        self.torch_device = device_name(config.training.torch_device)
        self._shard: tuple[DeviceSpec, Task] | None = None
        self._transfer_shard: tuple[DeviceSpec, Task] | None = None
        self._trainee: tuple[int, torch.nn.Module, list[torch.Tensor]] | None = None
        self._prices: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.evaluation = evaluation.EvaluationConfig(
            config.evaluation.batch_size,
            config.training.precision,
            config.evaluation.every,
            config.limits.keep_models,
        )

    @cached_property
    def test(self) -> Task:
        """The common test set. Never used to choose anything."""
        return tasks.of_test(self.config.dataset, self.torch_device)

    def shard(self, spec: DeviceSpec) -> Task:
        """The device's training data; kept for the next job of the same device."""
        if self._shard is None or self._shard[0].index != spec.index or self._shard[0].seed != spec.seed:
            task = tasks.of_shard(self.config.dataset, spec.shard, self.torch_device)
            self._shard = (spec, task)
        return self._shard[1]

    @cached_property
    def transfer_test(self) -> Task:
        """The common test set of the data set that `transfer` names."""
        assert self.config.transfer is not None
        return tasks.of_test(self.config.transfer.dataset, self.torch_device)

    def transfer_shard(self, spec: DeviceSpec) -> Task:
        """The device's samples of the data set that `transfer` names; kept for the next training of the device."""
        assert self.config.transfer is not None
        assert spec.transfer_shard is not None
        known = self._transfer_shard
        if known is None or known[0].index != spec.index or known[0].seed != spec.seed:
            task = tasks.of_shard(self.config.transfer.dataset, spec.transfer_shard, self.torch_device)
            self._transfer_shard = known = (spec, task)
        return known[1]

    def build_model(self, seed: int) -> torch.nn.Module:
        """The network at the initial weights that all devices and methods of a seed share (edge paper, III-B)."""
        model = self._built(self.config.dataset, seed, "init")
        given = self.config.initial_weights
        if given is not None:
            model.load_state_dict({name: torch.tensor(value) for name, value in given.values.items()}, strict=False)
        return model

    def build_transfer_model(self, seed: int) -> torch.nn.Module:
        """The network for the data set that `transfer` names, at initial weights that a seed's trainings share."""
        assert self.config.transfer is not None
        return self._built(self.config.transfer.dataset, seed, "transfer:init")

    def _built(self, dataset: Dataset, seed: int, purpose: str) -> torch.nn.Module:
        """The network for a data set, its initial weights drawn from the stream of a purpose."""
        form = dataset.network_form
        with seeds.torch_global(seed, purpose):
            model: torch.nn.Module = self.config.model.build(form.input_shape, form.num_outputs)
        return model.to(device=torch.device(self.torch_device)).to(memory_format=torch.channels_last)

    def initial_model(self, seed: int) -> torch.nn.Module:
        """The network of `build_model`, for one training after another: one module with its initial weights restored.

        Building a module takes longer than training a small one for a step. A user's own module may keep more than
        weights and buffers, so it is built anew.
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

    def price(self, spec: DeviceSpec, subset_size: int, done: WorkRecord, dynamic: bool) -> dict[str, Any]:
        """`pricing.price`, computed once for equal devices with equal work.

        A price takes a millisecond. In a fleet of thousands of small devices most are equal, and train as long.
        """
        key = spec.profile, spec.conditions, len(spec.shard), subset_size, done, dynamic
        if key not in self._prices:
            if len(self._prices) == MOST_PRICES:
                self._prices.clear()
            self._prices[key] = pricing.price(self.config.pricing, *key)
        return self._prices[key]

    def transfer_price(self, spec: DeviceSpec) -> dict[str, float]:
        """Columns of the fine-tuning that follow from work and device; none where there is no `transfer`."""
        context = self.config.pricing.transfer
        if context is None or spec.transfer_shard is None:
            return {}
        return transfer.columns(context, Device(spec.profile, spec.conditions), len(spec.transfer_shard))


def _tensors(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()
