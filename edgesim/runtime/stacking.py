"""Stacked training: choice of the devices that train in stacks, and training of a worker's jobs in them.

The rest of the runtime knows stacks by three calls only. `with_stack_slots` marks the small devices, `fills_stack`
tells the queue when a bundle is full, and `StackTrainer.train` takes trainings and gives their outcomes. The
arithmetic is that of `training.stacked`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from edgesim.errors import TrainingDiverged
from edgesim.runtime.failures import Failure, caught
from edgesim.runtime.job_work import trial_samples
from edgesim.training.settings import MAX_STACKED_PARAMETERS, STACK_SLOTS
from edgesim.work import OPERATION_KINDS

if TYPE_CHECKING:
    import torch

    from edgesim.runtime.jobs import Job, PreparedTrial
    from edgesim.runtime.worker_cache import WorkerCache
    from edgesim.scenario.experiment import DeviceSpec, ExperimentConfig
    from edgesim.training.evaluation import TrainingOutcome
    from edgesim.training.stacked import StackMember, State
    from edgesim.training.task import Task

STACKED_FLOPS = 1e10
"""most work that a training at full data may be expected to take in a stack"""
MAX_STACKED_SAMPLES = 1024
"""of a shard whose training is part of a stack"""
FEWEST_STACKED = 2 * STACK_SLOTS
"""fewest devices of a seed that train in stacks: of fewer the stacks would be mostly empty"""


class StackRequest(NamedTuple):
    """A training that may share its steps with others."""

    spec: DeviceSpec
    task: Task
    """the device's shard"""
    prepared: PreparedTrial


def with_stack_slots(
    config: ExperimentConfig, devices: Mapping[tuple[int, int], DeviceSpec]
) -> dict[tuple[int, int], DeviceSpec]:
    """The devices, small ones with a slot of a stack (`training.stacked`).

    A device is small where its shard has at most MAX_STACKED_SAMPLES and its training at full data is short. Other
    methods and keep ratios, the work left to do and the hardware play no part: a longer sweep, a resumed run and a run
    on another fleet compute the same. Slots are numbered round in the queue's order of a seed's devices, so that those
    that a worker gets together fill a stack.

    Args:
        config: of the run.
        devices: (seed, device) -> device.
    """
    slotted = dict(devices)
    if not _may_stack(config):
        return slotted
    small: dict[int, list[tuple[int, int]]] = {}
    for (seed, index), spec in devices.items():
        n = len(spec.shard)
        work = trial_samples(config, n, 1.0) * config.pricing.workload.train_flops
        if n <= MAX_STACKED_SAMPLES and work <= STACKED_FLOPS:
            small.setdefault(seed, []).append((-n, index))
    for seed, found in small.items():
        if len(found) >= FEWEST_STACKED:
            for rank, (_, index) in enumerate(sorted(found)):
                slotted[seed, index] = replace(devices[seed, index], stack_slot=rank % STACK_SLOTS)
    return slotted


def _may_stack(config: ExperimentConfig) -> bool:
    """True where the network's operations allow stacks. The worker then looks at its layers."""
    training, workload = config.training, config.pricing.workload
    plain = training.precision == "fp32" and not config.augment and training.torch_device != "cuda"
    plain = plain and config.transfer is None  # a network is fine-tuned by itself, from its own trained weights
    plain = plain and config.dataset.task == "classification"
    kinds = {OPERATION_KINDS[kind] for kind in workload.train_operations.kinds}
    return plain and workload.parameters <= MAX_STACKED_PARAMETERS and kinds <= {"matmul", "elementwise"}


def fills_stack(taken: Sequence[Job], job: Job) -> bool | None:
    """True where `taken` jobs fill a stack, so that `job` would begin another; None where not all are for stacks."""
    if job.spec.stack_slot is None or any(other.spec.stack_slot is None for other in taken):
        return None
    return len(taken) == STACK_SLOTS


class StackTrainer:
    """Trains small networks in stacks, with the data and networks of one worker."""

    def __init__(self, cache: WorkerCache):
        from edgesim.training import stacked  # torch, which the coordinator does without

        self._cache, self._stacked = cache, stacked
        self._initial: dict[int, State] = {}

    def train(self, requests: Sequence[StackRequest]) -> list[TrainingOutcome | TrainingDiverged | Failure | None]:
        """Train together the networks that may share their steps: equal widths and numbers of steps, different slots.

        Args:
            requests: in the order of jobs and trainings.

        Returns: the outcome of each; None where it is to be trained alone. Where a stack fails, each member is trained
            as a stack of one, which computes the same. A failure is then that member's own.
        """
        outcomes: list[TrainingOutcome | TrainingDiverged | Failure | None] = [None] * len(requests)
        stacks: dict[tuple[int, int, int], dict[int, StackMember]] = {}
        filled: dict[tuple[int, int, int], int] = {}  # (width, steps, slot) -> stacks of those with a member there
        for place, request in enumerate(requests):
            member = self._member(request)
            if member is not None:
                width = self._stacked.width(member.task.size)
                alike = width, member.steps(self._cache.config.training.batch_size)
                layer = filled.get((*alike, member.slot), 0)
                filled[*alike, member.slot] = layer + 1
                stacks.setdefault((*alike, layer), {})[place] = member
        for stack in stacks.values():
            for place, outcome in self._trained(stack).items():
                outcomes[place] = outcome
        return outcomes

    def _trained(self, stack: dict[int, StackMember]) -> dict[int, TrainingOutcome | TrainingDiverged | Failure]:
        """Outcomes of one stack by place."""
        cache, network = self._cache, self._network
        assert network is not None  # else there are no members
        settings = cache.config.training
        test = cache.test
        assert isinstance(test, self._stacked.ClassificationTask), "others do not stack"
        found = caught(self._stacked.train, network, list(stack.values()), settings, test, cache.evaluation)
        if not isinstance(found, Failure):
            return dict(zip(stack, found, strict=True))
        if len(stack) == 1:
            return dict.fromkeys(stack, found)
        alone = (self._trained({place: member}) for place, member in stack.items())
        return {place: outcome for single in alone for place, outcome in single.items()}

    def _member(self, request: StackRequest) -> StackMember | None:
        """The training as one of a stack; None where it is to be trained alone."""
        slot, selection = request.spec.stack_slot, request.prepared.selection
        own_way = selection.epoch_sampler is not None or request.prepared.counted_epochs > 0
        if slot is None or own_way or request.prepared.initial_state is not None:
            return None
        if self._network is None or not isinstance(request.task, self._stacked.ClassificationTask):
            return None
        spec = request.spec
        initial, order = self._initial_weights(spec.seed), self._stacked.Streams(spec.seed, spec.index, "training")
        return self._stacked.StackMember(
            slot, request.task, selection.positions, selection.weights, initial, order, request.spec.own_tests
        )

    @cached_property
    def _network(self) -> torch.nn.Module | None:
        """The network for training in stacks; None where this scenario's network or this machine has none."""
        cache = self._cache
        if cache.torch_device != "cpu" or cache.config.augment:  # no network is made for nothing
            return None
        model = cache.build_model(0)
        return model if self._stacked.stacks(model, cache.config.training, cache.torch_device) else None

    def _initial_weights(self, seed: int) -> State:
        """The initial weights of a seed, for networks that stack."""
        if seed not in self._initial:
            model = self._cache.build_model(seed)
            self._initial[seed] = {name: value.detach().clone() for name, value in model.named_parameters()}
        return self._initial[seed]
