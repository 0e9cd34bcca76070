"""The one training loop: batches by index over whole tensors, one fused optimiser step each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from edgesim import seeds
from edgesim.errors import TrainingDiverged
from edgesim.records import FloatArray, IntArray
from edgesim.training import optim
from edgesim.training.settings import Training
from edgesim.training.task import Task, precision

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class Streams(NamedTuple):
    """Which random streams a training uses: (scenario seed, device) and the purpose that names the training."""

    seed: int
    device: int
    purpose: str

    def order(self) -> np.random.Generator:
        """The order of the samples."""
        return seeds.stream(self.seed, f"{self.purpose}:order", self.device)

    def augment(self, torch_device: torch.device) -> torch.Generator:
        """The random numbers of augmentation, on the device that computes."""
        generator = torch.Generator(device=torch_device)
        return generator.manual_seed(seeds.integer(self.seed, f"{self.purpose}:augment", self.device))


class Step(NamedTuple):
    """One finished optimiser step, for observers. Tensors are detached."""

    number: int
    """0-based step"""
    epoch: int
    positions: torch.Tensor
    """int64 [B], positions within the shard"""
    losses: torch.Tensor
    """float32 [B], at the weights before the step"""
    outputs: torch.Tensor


class Epoch(NamedTuple):
    """Running means over one epoch of training."""

    number: int
    """1-based"""
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Hooks:
    """What a caller of `fit` wants to be told."""

    after_step: Callable[[Step], bool] | None = None
    """called before the weights change for the next time; returning True ends the training after this step"""
    after_epoch: Callable[[Epoch], None] | None = None


@dataclass(frozen=True)
class Subset:
    """What to train on: sorted positions within the shard, and optional loss weights aligned with them."""

    positions: IntArray
    weights: FloatArray | None = None


def fit(
    model: torch.nn.Module,
    task: Task,
    subset: Subset,
    settings: Training,
    streams: Streams,
    augment: tuple[Augment, ...] = (),
    hooks: Hooks | None = None,
) -> list[Epoch]:
    """Train `model` in place on a subset of a shard (edge paper, Eqs. 5-6, 21-22).

    Every epoch visits the subset once in a fresh random order; the last batch of an epoch holds the rest. Loss weights
    are scaled to a mean of one over the subset, so that they change no step size.

    Args:
        model: network in training or evaluation mode; left in training mode.
        task: the shard.
        subset: m positions within the shard and their weights.
        settings: epochs, batch size, optimiser, schedule, precision.
        streams: names of the random streams.
        augment: batched augmentations, applied in order.
        hooks: observers.

    Returns: running means per epoch.

    Raises:
        TrainingDiverged: the loss of a step is not finite.
    """
    hooks = hooks or Hooks()
    device = next(model.parameters()).device
    order, noise = streams.order(), streams.augment(device)
    positions = torch.as_tensor(subset.positions, device=device)
    weights = _scaled(subset.weights, device)
    count, size = len(subset.positions), settings.batch_size
    total_steps = settings.epochs * -(-count // size)
    optimizer = optim.build(settings, model.parameters())
    model.train()
    epochs: list[Epoch] = []
    step = 0
    for epoch in range(settings.epochs):
        permutation = torch.as_tensor(order.permutation(count), device=device)
        losses_seen, hits_seen = [], []
        ended = False
        for start in range(0, count, size):
            drawn = permutation[start : start + size]
            where = positions[drawn]
            inputs = task.inputs(where)
            for transform in augment:
                inputs = transform(inputs, noise)
            with precision(settings.precision, device.type):
                outputs = model(inputs)
            losses = task.losses(outputs, where)
            (losses if weights is None else losses * weights[drawn]).mean().backward()
            optimizer.step(settings.learning_rate_at(step, total_steps))
            losses_seen.append(losses.detach())
            hits_seen.append(task.hits(outputs.detach(), where))
            step += 1
            if hooks.after_step and hooks.after_step(Step(step - 1, epoch, where, losses_seen[-1], outputs.detach())):
                ended = True
                break
        _check_finite(losses_seen, step)
        epochs.append(Epoch(epoch + 1, _mean(losses_seen), _mean(hits_seen)))
        if hooks.after_epoch:
            hooks.after_epoch(epochs[-1])
        if ended:
            break
    return epochs


def _scaled(weights: FloatArray | None, device: torch.device) -> torch.Tensor | None:
    if weights is None:
        return None
    return torch.as_tensor(weights * (len(weights) / weights.sum()), dtype=torch.float32, device=device)


def _mean(parts: list[torch.Tensor]) -> float:
    return float(torch.cat(parts).double().mean())


def _check_finite(losses: list[torch.Tensor], steps_done: int) -> None:
    """Look at a whole epoch at once: asking after every step would stall a GPU at each."""
    means = torch.stack([part.mean() for part in losses])
    bad = (~torch.isfinite(means)).nonzero()
    if len(bad):
        first = int(bad[0, 0])
        raise TrainingDiverged(step=steps_done - len(losses) + first, loss=float(means[first]))
