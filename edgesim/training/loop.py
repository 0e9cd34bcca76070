"""The training loop: batches by index over whole tensors, one fused optimiser step each.

Small networks of many devices train as one in `stacked`, which equals this but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from edgesim import seeds
from edgesim.errors import TrainingDiverged
from edgesim.models import train_eval_modes
from edgesim.training import optim
from edgesim.training.sampling import EpochSampler, Kept, Visits, check_kept
from edgesim.training.settings import Training
from edgesim.training.task import Task, precision
from edgesim.work import FloatArray, IntArray, StepTrace, Work

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class Streams(NamedTuple):
    """Random streams of one training, named by scenario seed, device and purpose."""

    seed: int
    device: int
    purpose: str

    def order(self) -> np.random.Generator:
        """The order of the samples."""
        return seeds.stream(self.seed, f"{self.purpose}:order", self.device)

    def draws(self) -> np.random.Generator:
        """The choices of a dynamic method."""
        return seeds.stream(self.seed, f"{self.purpose}:draws", self.device)

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
    outputs: Any
    """of the network; of most tasks a tensor"""


class Epoch(NamedTuple):
    """Running means over one epoch of training."""

    number: int
    """1-based"""
    loss: float
    metric: float
    """the task's deciding one; NaN where single samples have none"""


@dataclass(frozen=True)
class Hooks:
    """Callbacks of `fit`."""

    after_step: Callable[[Step], bool] | None = None
    """called before the weights change for the next time; returning True ends the training after this step"""
    after_epoch: Callable[[Epoch], None] | None = None


@dataclass(frozen=True)
class Subset:
    """Samples to train on: sorted positions within the shard, and optional loss weights aligned with them."""

    positions: IntArray
    weights: FloatArray | None = None
    """scaled to a mean of one, so that they change no step size"""
    epoch_sampler: EpochSampler | None = None
    settles_on: int | None = None
    """samples of the subset that the sampler has to name while it trains; None = it may name none"""
    schedule_by_epochs: bool = False
    """the learning rate follows the share of the epochs, whatever the steps of each; else the share of all steps"""

    def visits(self, epochs: int) -> Visits:
        """Samples visited by each draw of each epoch."""
        return ((len(self.positions),),) * epochs if self.epoch_sampler is None else self.epoch_sampler.visits(epochs)


@dataclass(frozen=True)
class FitResult:
    """Result of one training: its running means, and the work that was done."""

    epochs: tuple[Epoch, ...]
    work: Work
    trace: StepTrace
    distinct: int
    """different samples visited"""
    kept: Kept | None = None
    """the subset that a sampler settled on; None = it settled on none"""


def fit(
    model: torch.nn.Module,
    task: Task,
    subset: Subset,
    settings: Training,
    streams: Streams,
    augment: tuple[Augment, ...] = (),
    hooks: Hooks | None = None,
) -> FitResult:
    """Train `model` in place on a subset of a shard (edge paper, Eqs. 5-6, 21-22).

    Every epoch visits the subset once in a fresh random order, or the draws of its epoch sampler. The last batch of an
    epoch holds the rest. The learning rate follows its schedule over all steps of the training, or over its epochs.

    Args:
        model: network in training or evaluation mode; left in training mode, its frozen layers as they were
            (`models.train_eval_modes`).
        task: the shard.
        subset: m positions within the shard and their weights.
        settings: epochs, batch size, optimiser, schedule, precision.
        streams: names of the random streams.
        augment: batched augmentations, applied in order.
        hooks: observers.

    Returns: running means per epoch and the work done.

    Raises:
        TrainingDiverged: the loss of a step is not finite.
    """
    train_eval_modes.start_training(model)
    fitting = _Fitting(model, task, subset, settings, streams, augment, hooks or Hooks())
    epochs: list[Epoch] = []
    for epoch in range(len(fitting.visits)):
        ended = fitting.run_epoch(epoch)
        epochs.append(fitting.close_epoch(epoch))
        if fitting.hooks.after_epoch:
            fitting.hooks.after_epoch(epochs[-1])
        if ended:
            break
    else:
        fitting.check_end()
    trace = StepTrace.of_batches("train", fitting.batch_sizes)
    work = Work(train_samples=trace.samples, steps=len(fitting.batch_sizes))
    return FitResult(tuple(epochs), work, trace, fitting.distinct, fitting.kept)


class _Fitting:
    """The state of one `fit`."""

    def __init__(
        self,
        model: torch.nn.Module,
        task: Task,
        subset: Subset,
        settings: Training,
        streams: Streams,
        augment: tuple[Augment, ...],
        hooks: Hooks,
    ):
        self.model, self.task, self.subset, self.settings = model, task, subset, settings
        self.augment, self.hooks = augment, hooks
        self.device = next(model.parameters()).device
        self.order, self.noise = streams.order(), streams.augment(self.device)
        self.positions = torch.tensor(subset.positions, device=self.device)  # a copy: Ray's arrays are read-only
        self.weights = _scaled(subset.weights, self.device)
        self.visits = subset.visits(settings.epochs)
        self.total_steps = sum(-(-count // settings.batch_size) for epoch in self.visits for count in epoch)
        self.optimizer = optim.build(settings, model.parameters())
        self.last_losses = np.full(len(subset.positions), np.nan)
        self.draws = self._draws(streams)
        self.kept: Kept | None = None
        self.batch_sizes: list[int] = []
        self.epoch_start = 0
        self.losses: list[torch.Tensor] = []
        self.running: list[torch.Tensor] = []
        self.visited: list[torch.Tensor] = []
        self.noted = 0

    @property
    def distinct(self) -> int:
        """Different samples visited so far; without a sampler the first epoch visits all."""
        return int((~np.isnan(self.last_losses)).sum()) if self.subset.epoch_sampler else len(self.positions)

    def check_end(self) -> None:
        """Refuse a sampler that was to name a subset and has not: all samples would be recorded as kept."""
        if self.subset.settles_on is not None and self.kept is None:
            name = type(self.subset.epoch_sampler).__name__
            wanted = f"a draw that names {self.subset.settles_on} places in `kept`, as `choose` says `settles=True`"
            raise ValueError(f"{name}.draws named no subset; wanted: {wanted}")

    def run_epoch(self, epoch: int) -> bool:
        """One epoch; True where a hook ended the training."""
        self.epoch_start = len(self.batch_sizes)
        for count in self.visits[epoch]:
            places, weights = self._next(count)
            for start in range(0, len(places), self.settings.batch_size):
                chosen = places[start : start + self.settings.batch_size]
                share = None if weights is None else weights[start : start + self.settings.batch_size]
                if self._step(epoch, chosen, share):
                    return True
            self._note_losses()
        return False

    def _draws(self, streams: Streams) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Places within the subset in a random order, and their loss weights: draw by draw."""
        sampler = self.subset.epoch_sampler
        if sampler is None:
            while True:
                permutation = torch.as_tensor(self.order.permutation(len(self.positions)), device=self.device)
                yield permutation, None if self.weights is None else self.weights[permutation]
        seen = self.last_losses.view()
        seen.flags.writeable = False
        for places, weights, in_order, kept in sampler.draws(self.settings.epochs, seen, streams.draws()):
            self._settle(places, kept)
            shuffle = np.arange(len(places)) if in_order else self.order.permutation(len(places))
            shuffled = None if weights is None else np.asarray(weights[shuffle], dtype=np.float32)
            scaled = None if shuffled is None else torch.as_tensor(shuffled, device=self.device)
            yield torch.as_tensor(places[shuffle], device=self.device), scaled

    def _settle(self, places: IntArray, kept: Kept | None) -> None:
        """Take the subset that a draw names, which is what is recorded, and hold this draw and later ones to it."""
        name = type(self.subset.epoch_sampler).__name__
        if kept is not None:
            check_kept(kept, name, self.subset.settles_on, len(self.positions))
            if self.kept is not None and not np.array_equal(kept.places, self.kept.places):
                raise ValueError(f"{name}.draws named a second subset; the first one is kept to the end")
            self.kept = kept
        if self.kept is not None and not np.isin(places, self.kept.places).all():
            raise ValueError(f"{name}.draws gave samples outside the subset that it had named in `Draw.kept`")

    def _next(self, count: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The next draw, which must be of `count` samples: work was planned and priced by that."""
        drawn = next(self.draws, None)
        found = 0 if drawn is None else len(drawn[0])
        if drawn is None or found != count:
            name = type(self.subset.epoch_sampler).__name__
            raise ValueError(f"{name}.draws gave {found} samples where its `visits` says {count}; they must agree")
        return drawn

    def _step(self, epoch: int, places: torch.Tensor, weights: torch.Tensor | None) -> bool:
        """One optimiser step; True where the hook wants to end."""
        where = self.positions[places]
        inputs = self.task.inputs(where)
        for transform in self.augment:
            inputs = transform(inputs, self.noise)
        with self._running_statistics(len(places)), precision(self.settings.precision, self.device.type):
            outputs = self.model(inputs)
        losses = self.task.losses(outputs, where)
        (losses if weights is None else losses * weights).mean().backward()
        done = len(self.batch_sizes)
        self.optimizer.step(self.settings.learning_rate_at(*self._progress(epoch, done)))
        self.batch_sizes.append(len(places))
        self.losses.append(losses.detach())
        seen = outputs.detach()
        self.running.append(self.task.running(self.task.results(seen, where)))
        self.visited.append(places)
        if self.hooks.after_step is None:
            return False
        return self.hooks.after_step(Step(done, epoch, where, self.losses[-1], seen))

    def _progress(self, epoch: int, done: int) -> tuple[int, int]:
        """Place in the schedule: steps done, and steps in all; by epochs, as if each had the steps of this one."""
        if not self.subset.schedule_by_epochs:
            return done, self.total_steps
        steps = sum(-(-count // self.settings.batch_size) for count in self.visits[epoch])
        return epoch * steps + done - self.epoch_start, len(self.visits) * steps

    def _running_statistics(self, batch: int) -> AbstractContextManager[None]:
        """A batch of one sample has no variance: batch normalisation uses its running statistics for it."""
        return nullcontext() if batch > 1 else train_eval_modes.evaluating(*train_eval_modes.normalising(self.model))

    def close_epoch(self, number: int) -> Epoch:
        """Check the epoch's losses and return its means."""
        losses = torch.cat(self.losses).double()
        _check_finite(losses, self.losses, len(self.batch_sizes))
        means = Epoch(number + 1, float(losses.mean()), float(torch.cat(self.running).double().mean()))
        self.losses, self.running, self.visited, self.noted = [], [], [], 0
        return means

    def _note_losses(self) -> None:
        """Keep the losses of the draw that has ended, for a sampler's next one; of a place drawn twice the last."""
        if self.subset.epoch_sampler is None:
            return
        fresh, visited = self.losses[self.noted :], self.visited[self.noted :]
        losses = torch.cat(fresh).double()
        _check_finite(losses, fresh, len(self.batch_sizes))
        self.last_losses[torch.cat(visited).cpu().numpy()] = losses.cpu().numpy()
        self.noted = len(self.losses)


def _scaled(weights: FloatArray | None, device: torch.device) -> torch.Tensor | None:
    if weights is None:
        return None
    return torch.as_tensor(weights * (len(weights) / weights.sum()), dtype=torch.float32, device=device)


def _check_finite(losses: torch.Tensor, by_step: list[torch.Tensor], steps_done: int) -> None:
    """Check a whole epoch at once, since a check after every step would stall a GPU."""
    if bool(torch.isfinite(losses).all()):
        return
    means = torch.stack([part.mean() for part in by_step])
    first = int((~torch.isfinite(means)).nonzero()[0, 0])
    raise TrainingDiverged(step=steps_done - len(by_step) + first, loss=float(means[first]))
