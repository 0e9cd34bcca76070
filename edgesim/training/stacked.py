"""Stacked training: many small networks train as one. A step of the stack is a step of every network in it.

On a device with some dozen samples, the arithmetic of a step takes less time than its calls into torch. Small networks
are therefore stacked: their weights lie along a new first dimension. All of them share one forward and backward pass
(`torch.func`) and one fused optimiser step. Every member keeps its own order of samples, that of `loop.fit`.

The width of a stack is fixed, empty slots are filled with zeros, and each device has its slot. So the result of a
device depends on its own samples and its slot alone: not on the other slots, the number of hosts, or the trials that a
resumed run has left to do. Numbers equal those of `loop.fit` but for rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional

from edgesim.errors import TrainingDiverged
from edgesim.training import evaluation, optim
from edgesim.training.classification import ClassificationTask, scores_of
from edgesim.training.loop import Epoch, FitResult, Streams
from edgesim.training.settings import MAX_STACKED_PARAMETERS, STACK_SLOTS, Training
from edgesim.training.task import Scores
from edgesim.work import FloatArray, IntArray, StepTrace, Work

MIN_WIDTH = 4
_LAYERS = (nn.Sequential, nn.Flatten, nn.Linear, nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.Identity)
"""layers that a stacked network may have: none is random, looks at the rest of the batch, or is a convolution. Those of
a stack run as one in groups, which gains nothing for images and takes 1.8 times as long for `cnn1d`"""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StackMember:
    """One training of a stack."""

    slot: int
    """in 0 .. STACK_SLOTS - 1, its own among the members"""
    task: ClassificationTask
    """the shard, n samples"""
    positions: IntArray
    """[m] what it trains on"""
    weights: FloatArray | None
    """[m] loss weights, or None for ones"""
    initial: State
    """weights of the network to begin with"""
    order: Streams
    """whose stream of orders its epochs follow"""
    own_tests: IntArray | None = None
    """test samples that are the device's own"""

    def steps(self, batch_size: int) -> int:
        """Steps of an epoch."""
        return -(-len(self.positions) // batch_size)


def stacks(model: nn.Module, training: Training, torch_device: str) -> bool:
    """True where networks like this train in stacks (without augmentation), by scenario and kind of machine."""
    plain = torch_device == "cpu" and training.precision == "fp32"
    return plain and all(map(_plain, model.modules())) and _small(model)


def _plain(layer: nn.Module) -> bool:
    """True where a layer does what its type says and leaves its input as it is."""
    hooked = layer._forward_pre_hooks or layer._forward_hooks or layer._buffers
    return type(layer) in _LAYERS and not hooked and not getattr(layer, "inplace", False)


def _small(model: nn.Module) -> bool:
    """True where all weights are trained, as float32, and are few enough."""
    values = list(model.parameters())
    same = all(value.requires_grad and value.dtype == torch.float32 for value in values)
    return same and 0 < sum(value.numel() for value in values) <= MAX_STACKED_PARAMETERS


def width(samples: int) -> int:
    """Places for the samples of a slot: members of a stack have equal widths, that of their shards."""
    return max(MIN_WIDTH, 1 << (samples - 1).bit_length())


def train(
    model: nn.Module,
    members: Sequence[StackMember],
    settings: Training,
    test: ClassificationTask,
    config: evaluation.EvaluationConfig,
) -> list[evaluation.TrainingOutcome | TrainingDiverged]:
    """Train every member from its initial weights, evaluating as asked and at the end (edge paper, Eqs. 5-6, 21-22).

    Args:
        model: the network whose layers are used; its own weights are not.
        members: shards of one `width` with equally many steps in an epoch, each with a slot of its own.
        settings: as for `loop.fit`.
        test: the common test set.
        config: settings of the evaluation, with its epochs.

    Returns: for each member its outcome; a loss that is not finite ends that member alone.
    """
    started = time.perf_counter()
    stack = _Stack(model, members, settings.batch_size)
    optimizer = optim.build(settings, stack.state.values())
    each, tests = members[0].steps(settings.batch_size), {}
    steps: list[_Step] = []
    for epoch in range(settings.epochs):
        for batch in stack.batches():
            loss, correct = stack.step(batch)
            optimizer.step(settings.learning_rate_at(len(steps), each * settings.epochs))
            steps.append(_Step(epoch, loss, correct))
        if config.is_due(epoch + 1, settings.epochs):
            tests[epoch + 1] = stack.evaluate_all(test, config)
    shards = stack.evaluate_own()
    share = (time.perf_counter() - started) / len(members), len(members)
    outcomes: list[evaluation.TrainingOutcome | TrainingDiverged] = []
    for place, member in enumerate(members):
        result = _fit_result(steps, member, settings.batch_size)
        if isinstance(result, TrainingDiverged):
            outcomes.append(result)
            continue
        seen = {epoch: scores[place] for epoch, scores in tests.items()}
        weights = stack.weights_of(member.slot) if config.keep_weights else None
        outcomes.append(evaluation.TrainingOutcome(result, seen, shards[place], *share, weights=weights))
    return outcomes


class _Step(NamedTuple):
    """One finished step of a stack."""

    epoch: int
    losses: torch.Tensor
    """[slots, B] before the update"""
    correct: torch.Tensor
    """[slots, B]"""


def _fit_result(steps: Sequence[_Step], member: StackMember, batch_size: int) -> FitResult | TrainingDiverged:
    """Result of a member's training."""
    count, each = len(member.positions), member.steps(batch_size)
    sizes = [min(batch_size, count - batch_size * place) for place in range(each)]
    slot, losses, all_correct = member.slot, [], []
    for number, step in enumerate(steps):
        mine = slot, slice(0, sizes[number % each])
        losses.append(step.losses[mine].double())
        all_correct.append(step.correct[mine].double())
        if not bool(torch.isfinite(losses[-1]).all()):
            return TrainingDiverged(step=number, loss=float(losses[-1].mean()))
    epochs = tuple(
        Epoch(
            place // each + 1, *(float(torch.cat(part[place : place + each]).mean()) for part in (losses, all_correct))
        )
        for place in range(0, len(steps), each)
    )
    trace = StepTrace.of_batches("train", sizes * (len(steps) // each))
    return FitResult(epochs, Work(train_samples=trace.samples, steps=len(steps)), trace, count)


class _Batch(NamedTuple):
    """Samples of one step, [slots, B] each; the places beyond a member's batch weigh nothing."""

    places: torch.Tensor | None
    """places among the samples of a slot; None = all of them"""
    shares: torch.Tensor
    """part of each sample in its member's loss"""


class _Stack:
    """The weights and samples of the members, each in its slot, the other slots empty."""

    def __init__(self, model: nn.Module, members: Sequence[StackMember], batch_size: int):
        self._members, self._batch_size = members, batch_size
        self._model = model
        self._width = width(members[0].task.size)
        self.state = {name: _slots(value, members, name) for name, value in model.named_parameters()}
        self._own: Callable[..., torch.Tensor] = vmap(self._call)
        self._shared: Callable[..., torch.Tensor] = vmap(self._call, in_dims=(0, None))
        first = members[0].task.inputs(slice(0, 1))
        self._inputs = first.new_zeros(STACK_SLOTS, self._width, *first.shape[1:])
        self._labels = torch.zeros(STACK_SLOTS, self._width, dtype=torch.int64)
        self._orders = [member.order.order() for member in members]
        for member in members:
            count, slot = len(member.positions), member.slot
            chosen = torch.as_tensor(member.positions)
            self._inputs[slot, :count] = member.task.inputs(chosen)
            self._labels[slot, :count] = member.task.labels[chosen]

    def _call(self, weights: State, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = functional_call(self._model, weights, (inputs,))
        return outputs

    def batches(self) -> list[_Batch]:
        """The batches of one epoch. Where a subset is one batch, its order plays no part and none is drawn."""
        weights = [np.ones(len(m.positions)) if m.weights is None else m.weights for m in self._members]
        if self._members[0].steps(self._batch_size) == 1:
            shares = torch.zeros(STACK_SLOTS, self._width)
            for member, given in zip(self._members, weights, strict=True):
                shares[member.slot, : len(given)] = torch.as_tensor(given / given.sum())
            return [_Batch(None, shares)]
        orders = [order.permutation(len(given)) for order, given in zip(self._orders, weights, strict=True)]
        found = []
        for start in range(0, max(map(len, orders)), self._batch_size):
            places = torch.zeros(STACK_SLOTS, self._batch_size, dtype=torch.int64)
            shares = torch.zeros(STACK_SLOTS, self._batch_size)
            for member, order, given in zip(self._members, orders, weights, strict=True):
                chosen = order[start : start + self._batch_size]
                places[member.slot, : len(chosen)] = torch.as_tensor(chosen)
                scaled = given[chosen] * (len(given) / given.sum()) / len(chosen)
                shares[member.slot, : len(chosen)] = torch.as_tensor(scaled)
            found.append(_Batch(places, shares))
        return found

    def step(self, batch: _Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of every member's mean loss, on the weights; losses and correct predictions
        [slots, B] before the update."""
        inputs, labels = self._inputs, self._labels
        if batch.places is not None:
            slots = torch.arange(STACK_SLOTS)[:, None]
            inputs, labels = inputs[slots, batch.places], labels[slots, batch.places]
        outputs = self._own(self.state, inputs)  # [slots, B, C]
        losses = _losses(outputs, labels)
        (losses * batch.shares).sum().backward()
        return losses.detach(), (outputs.detach().argmax(-1) == labels).float()

    def weights_of(self, slot: int) -> dict[str, npt.NDArray[Any]]:
        """Weights of the network in a slot."""
        return evaluation.copied_weights({name: value[slot] for name, value in self.state.items()})

    @torch.no_grad()
    def evaluate_all(self, task: ClassificationTask, config: evaluation.EvaluationConfig) -> list[Scores]:
        """Every member on one common set."""
        losses, all_correct = [], []
        for start in range(0, task.size, config.batch_size):
            where = slice(start, start + config.batch_size)
            outputs = self._shared(self.state, task.inputs(where))  # [slots, B, C]
            truth = task.labels[where].expand(STACK_SLOTS, -1)
            losses.append(_losses(outputs, truth))
            all_correct.append((outputs.argmax(-1) == truth).float())
        loss, correct = (torch.cat(parts, 1).double().numpy() for parts in (losses, all_correct))
        labels = task.labels.numpy()
        classes = task.num_classes
        return [scores_of(loss[m.slot], correct[m.slot], labels, classes, m.own_tests) for m in self._members]

    @torch.no_grad()
    def evaluate_own(self) -> list[Scores]:
        """Every member on its own shard."""
        inputs, labels = torch.zeros_like(self._inputs), torch.zeros_like(self._labels)
        for member in self._members:
            inputs[member.slot, : member.task.size] = member.task.inputs(slice(None))
            labels[member.slot, : member.task.size] = member.task.labels
        outputs = self._own(self.state, inputs)
        loss, correct = _losses(outputs, labels).double().numpy(), (outputs.argmax(-1) == labels).double().numpy()
        found = []
        for member in self._members:
            size = member.task.size
            mine = member.slot, slice(0, size)
            found.append(scores_of(loss[mine], correct[mine], member.task.labels.numpy(), member.task.num_classes))
        return found


def _slots(value: nn.Parameter, members: Sequence[StackMember], name: str) -> nn.Parameter:
    stacked = value.detach().new_zeros(STACK_SLOTS, *value.shape)
    for member in members:
        stacked[member.slot] = member.initial[name]
    return nn.Parameter(stacked)


def _losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of outputs [slots, B, C], [slots, B]."""
    flat = functional.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none")
    return flat.view(labels.shape)
