"""Stacked training: many small networks train as one. A step of the stack is a step of every network in it.

On a device with a dozen samples, the arithmetic of a step takes less time than its calls into torch. Networks of linear
layers are therefore stacked: their weights lie along a new first dimension. All of them share one forward and backward
pass (`torch.func`) and one fused optimiser step.

The width of a stack is fixed, empty slots are filled with zeros, and each device has its slot. So the result of a
device depends on its own samples and its slot alone: not on the other slots, the number of hosts, or the trials that a
resumed run has left to do. Numbers equal those of `loop.fit` but for rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional

from edgesim.errors import TrainingDiverged
from edgesim.training import evaluation, optim
from edgesim.training.classification import ClassificationTask, scores_of
from edgesim.training.loop import Epoch, FitResult
from edgesim.training.settings import MAX_STACKED_PARAMETERS, STACK_SLOTS, Training
from edgesim.training.task import Scores
from edgesim.work import FloatArray, IntArray, StepTrace, Work

MIN_WIDTH = 4
_LAYERS = (nn.Sequential, nn.Flatten, nn.Linear, nn.ReLU, nn.GELU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.Identity)
"""layers that a stacked network may have: none is random, looks at the rest of the batch, or is a convolution (which
gains nothing)"""

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class StackMember:
    """One training of a stack."""

    slot: int
    """in 0 .. STACK_SLOTS - 1, its own among the members"""
    task: ClassificationTask
    """the shard, n samples"""
    positions: IntArray
    """[m] what it trains on, in one batch"""
    weights: FloatArray | None
    """[m] loss weights, or None for ones"""
    initial: State
    """weights of the network to begin with"""
    own_tests: IntArray | None = None
    """test samples that are the device's own"""


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

    Every epoch is one step on all of a member's subset, so that the order of the samples plays no part.

    Args:
        model: the network whose layers are used; its own weights are not.
        members: shards of one `width`, each with a slot of its own.
        settings: as for `loop.fit`.
        test: the common test set.
        config: settings of the evaluation, with its epochs.

    Returns: for each member its outcome; a loss that is not finite ends that member alone.
    """
    started = time.perf_counter()
    stack = _Stack(model, members)
    optimizer = optim.build(settings, stack.state.values())
    losses, all_correct, tests = [], [], {}
    for epoch in range(settings.epochs):
        loss, correct = stack.step()
        losses.append(loss)
        all_correct.append(correct)
        optimizer.step(settings.learning_rate_at(epoch, settings.epochs))
        if config.is_due(epoch + 1, settings.epochs):
            tests[epoch + 1] = stack.evaluate_all(test, config)
    shards = stack.evaluate_own()
    share = (time.perf_counter() - started) / len(members), len(members)
    outcomes: list[evaluation.TrainingOutcome | TrainingDiverged] = []
    for place, member in enumerate(members):
        mine = member.slot, slice(0, len(member.positions))
        result = _fit_result(
            [loss[mine].double() for loss in losses], [correct[mine].double() for correct in all_correct]
        )
        if isinstance(result, TrainingDiverged):
            outcomes.append(result)
            continue
        seen = {epoch: scores[place] for epoch, scores in tests.items()}
        outcomes.append(evaluation.TrainingOutcome(result, seen, shards[place], *share))
    return outcomes


def _fit_result(losses: Sequence[torch.Tensor], all_correct: Sequence[torch.Tensor]) -> FitResult | TrainingDiverged:
    """Result of a member's training, from the losses and correct predictions [m] of each step."""
    for step, loss in enumerate(losses):
        if not bool(torch.isfinite(loss).all()):
            return TrainingDiverged(step=step, loss=float(loss.mean()))
    epochs = tuple(
        Epoch(number, float(loss.mean()), float(correct.mean()))
        for number, (loss, correct) in enumerate(zip(losses, all_correct, strict=True), start=1)
    )
    trace = StepTrace.of_batches("train", [len(loss) for loss in losses])
    return FitResult(epochs, Work(train_samples=trace.samples, steps=len(losses)), trace, len(losses[0]))


class _Stack:
    """The weights and samples of the members, each in its slot, the other slots empty."""

    def __init__(self, model: nn.Module, members: Sequence[StackMember]):
        self._members = members
        self._model = model
        self._width = width(members[0].task.size)
        self.state = {name: _slots(value, members, name) for name, value in model.named_parameters()}
        self._own: Callable[..., torch.Tensor] = vmap(self._call)
        self._shared: Callable[..., torch.Tensor] = vmap(self._call, in_dims=(0, None))
        first = members[0].task.inputs(slice(0, 1))
        self._inputs = first.new_zeros(STACK_SLOTS, self._width, *first.shape[1:])
        self._labels = torch.zeros(STACK_SLOTS, self._width, dtype=torch.int64)
        self._shares = torch.zeros(STACK_SLOTS, self._width)
        for member in members:
            count, slot = len(member.positions), member.slot
            chosen = torch.as_tensor(member.positions)
            self._inputs[slot, :count] = member.task.inputs(chosen)
            self._labels[slot, :count] = member.task.labels[chosen]
            weights = np.ones(count) if member.weights is None else member.weights
            self._shares[slot, :count] = torch.as_tensor(weights / weights.sum())

    def _call(self, weights: State, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = functional_call(self._model, weights, (inputs,))
        return outputs

    def step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of every member's mean loss, on the weights; losses and correct predictions
        [slots, width] before the update."""
        outputs = self._own(self.state, self._inputs)  # [slots, width, C]
        losses = _losses(outputs, self._labels)
        (losses * self._shares).sum().backward()
        return losses.detach(), (outputs.detach().argmax(-1) == self._labels).float()

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
