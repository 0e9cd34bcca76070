"""Truncated first phase of training on the whole shard, observed once for all methods that read it.

Every method names its `Needs`. One run to the longest T0 records them; each method reads the record up to its own T0,
and is charged what it would have needed alone. That is sound because the run is a prefix of full-data training: the
learning rate follows the full schedule, so the state at step t does not depend on the length of the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from edgesim.errors import EdgesimError
from edgesim.training.loop import Augment, Hooks, Step, Streams, Subset, fit
from edgesim.training.needs import Needs
from edgesim.training.settings import Training
from edgesim.training.task import EmbeddingTap, Snapshot, Task, observe
from edgesim.work import FloatArray, IntArray, StepTrace, Work

NEVER = np.iinfo(np.int64).max
"""`Dynamics.step` of a presentation that has not happened."""


@dataclass(frozen=True)
class Dynamics:
    """Recorded quantities by presentation and sample. A presentation is one epoch's visit of a sample."""

    step: IntArray
    """[P, n] the step of the visit, NEVER where there was none"""
    values: dict[str, npt.NDArray[np.float32]]
    """name -> [P, n] or [P, n, width] float32; NaN where there was no visit"""

    def until(self, steps: int) -> Dynamics:
        """The same cut off after `steps` steps."""
        met = self.step < steps
        rows = met.any(axis=1)
        cut = {}
        for name, array in self.values.items():
            mask = met[rows].reshape(met[rows].shape + (1,) * (array.ndim - 2))
            cut[name] = np.where(mask, array[rows], np.float32(np.nan))
        return Dynamics(np.where(met, self.step, NEVER)[rows], cut)

    @property
    def met(self) -> np.ndarray:
        """[P, n] whether the sample was visited."""
        return np.asarray(self.step < NEVER)


@dataclass(frozen=True)
class Observations:
    """Observations of one method in the warm-up, and the work that it is charged for them."""

    dynamics: Dynamics
    snapshots: dict[int, Snapshot]
    completion: tuple[IntArray, FloatArray]
    """positions that no mini-batch met, and their losses at T0"""
    weights: dict[str, torch.Tensor] | None
    """the network's state at T0, where asked for"""
    work: Work
    trace: StepTrace
    host_wall_s: float
    """wall time on this machine of the warm-up up to T0"""


@dataclass
class _Log:
    """Record that the run fills. It is mutable, and private to `observe_warmup`."""

    steps_per_epoch: int
    size: int
    record: frozenset[str]
    step: IntArray = field(init=False)
    values: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    completions: dict[int, tuple[IntArray, FloatArray]] = field(default_factory=dict)
    weights: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)
    wall_s: dict[int, float] = field(default_factory=dict)

    def begin(self, total_steps: int) -> None:
        presentations = -(-total_steps // self.steps_per_epoch)
        self.step = np.full((presentations, self.size), NEVER, dtype=np.int64)

    def note(self, step: Step, embedding: torch.Tensor | None) -> None:
        where = step.positions.cpu().numpy()
        self.step[step.epoch, where] = step.number
        seen = {"loss": step.losses, "logits": step.outputs, "embedding": embedding}
        for name in self.record - {"correct"}:
            self._write(name, step.epoch, where, seen[name])

    def note_correct(self, step: Step, correct: torch.Tensor) -> None:
        self._write("correct", step.epoch, step.positions.cpu().numpy(), correct)

    def _write(self, name: str, epoch: int, where: np.ndarray, values: torch.Tensor | None) -> None:
        assert values is not None
        array = values.float().cpu().numpy()
        if name not in self.values:
            shape = self.step.shape + array.shape[1:]
            self.values[name] = np.full(shape, np.nan, dtype=np.float32)
        self.values[name][epoch, where] = array


def observe_warmup(
    model: torch.nn.Module,
    task: Task,
    needs: Sequence[Needs],
    settings: Training,
    streams: Streams,
    augment: tuple[Augment, ...] = (),
) -> list[Observations]:
    """Run one warm-up for all of `needs` and hand each its view.

    T0 is cut to the length of full training: the warm-up is its truncated first phase.

    Args:
        model: network at the initial weights; trained in place.
        task: the shard, n samples.
        needs: needs of each reader.
        settings: as for full training.
        streams: random streams of the warm-up (other than those of training).
        augment: batched augmentations, as in training.

    Returns: one `Observations` per entry of `needs`, in order.

    Raises:
        EdgesimError: the task cannot show what is wanted; said before any training.
        TrainingDiverged: the loss of a step is not finite.
    """
    _check_channels(task, needs)
    per_epoch = -(-task.size // settings.batch_size)
    limit = settings.epochs * per_epoch
    needs = [need.clipped(limit) for need in needs]
    log = _Log(per_epoch, task.size, frozenset().union(*(need.record for need in needs)))
    last = max((need.steps for need in needs), default=0)
    log.begin(last)
    _run(model, task, needs, settings, log, streams, augment)
    return [_view(need, log, settings) for need in needs]


def _check_channels(task: Task, needs: Sequence[Needs]) -> None:
    missing = sorted(frozenset().union(*(need.record | need.capture for need in needs)) - task.channels)
    if missing:
        raise EdgesimError(
            f"the warm-up is to observe {', '.join(missing)}, which this task does not show "
            f"(it has: {', '.join(sorted(task.channels))}); choose a method that needs no more, like importance"
        )


def _run(
    model: torch.nn.Module,
    task: Task,
    needs: Sequence[Needs],
    settings: Training,
    log: _Log,
    streams: Streams,
    augment: tuple[Augment, ...],
) -> None:
    """Train to the longest T0 and fill the log."""
    started = time.perf_counter()
    last = max((need.steps for need in needs), default=0)
    _pause(model, task, needs, 0, settings, log)
    log.wall_s[0] = time.perf_counter() - started
    if last == 0:
        return
    tap = EmbeddingTap(model) if "embedding" in log.record else None
    stops = {need.steps for need in needs} | {at for need in needs for at in need.snapshots}

    def after_step(step: Step) -> bool:
        log.note(step, tap.take() if tap else None)
        if "correct" in log.record:
            log.note_correct(step, task.results(step.outputs, step.positions))
        done = step.number + 1
        if done in stops:
            _pause(model, task, needs, done, settings, log)
            log.wall_s[done] = time.perf_counter() - started
        return done >= last

    subset = Subset(np.arange(task.size))
    if tap is None:
        fit(model, task, subset, settings, streams, augment, Hooks(after_step=after_step))
    else:
        with tap.open():
            fit(model, task, subset, settings, streams, augment, Hooks(after_step=after_step))


def _pause(
    model: torch.nn.Module, task: Task, needs: Sequence[Needs], done: int, settings: Training, log: _Log
) -> None:
    """Take the observations that are due after `done` steps."""
    batch_size = settings.batch_size
    if any(done in need.snapshots for need in needs):
        capture = frozenset().union(*(need.capture for need in needs if done in need.snapshots))
        log.snapshots[done] = observe(model, task, capture, batch_size, settings.precision)
    if any(need.complete and need.steps == done for need in needs):
        unmet = np.flatnonzero(~(log.step < done).any(axis=0))
        losses = np.zeros(0)
        if len(unmet):
            losses = observe(model, task, frozenset(), batch_size, settings.precision, unmet).loss
        log.completions[done] = (unmet, losses)
    if any(need.keep_weights and need.steps == done for need in needs):
        log.weights[done] = {name: value.detach().clone() for name, value in model.state_dict().items()}


def _view(needs: Needs, log: _Log, settings: Training) -> Observations:
    """Observations of one method, with the work that they would take alone."""
    completion = log.completions.get(needs.steps, (np.zeros(0, dtype=np.int64), np.zeros(0)))
    if not needs.complete:
        completion = (np.zeros(0, dtype=np.int64), np.zeros(0))
    work, trace = needs.charge(log.size, settings.batch_size)
    return Observations(
        dynamics=Dynamics(log.step, {name: log.values[name] for name in needs.record if name in log.values}).until(
            needs.steps
        ),
        snapshots={at: log.snapshots[at] for at in needs.snapshots},
        completion=completion,
        weights=log.weights.get(needs.steps) if needs.keep_weights else None,
        work=work,
        trace=trace,
        host_wall_s=log.wall_s.get(needs.steps, 0.0),
    )
