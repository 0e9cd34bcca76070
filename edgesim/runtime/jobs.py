"""Jobs that travel from the coordinator to workers, and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgesim.records import MethodOutputs, Selection, Trial, TrialResult
from edgesim.scenario.experiment import DeviceSpec
from edgesim.work import StepTrace, Work


@dataclass(frozen=True)
class PreparedTrial:
    """A trial after scoring and selection, ready to train."""

    trial: Trial
    selection: Selection
    score_work: Work
    score_trace: StepTrace
    host_score_wall_s: float
    initial_state: dict[str, np.ndarray] | None = None
    """weights to start from, or None for the scenario's initial weights"""
    outputs: MethodOutputs = field(default_factory=MethodOutputs)
    reused: bool = False
    """True where another run scored"""
    counted_epochs: int = 0
    """first epochs of the training that visit all samples of the shard (`pruning.after_warmup`)"""


@dataclass(frozen=True)
class ScoreJob:
    """Score and select for all trials of one device in one seed."""

    spec: DeviceSpec
    trials: tuple[Trial, ...]
    trains_inline: bool = False
    """True: the trainings follow in the same job, for devices so small that handing them out takes longer"""


@dataclass(frozen=True)
class TrainJob:
    """Train once for trials with the same subset, weights and initial state."""

    spec: DeviceSpec
    group: tuple[PreparedTrial, ...]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that this training serves."""
        return tuple(prepared.trial for prepared in self.group)


def group_by_training(prepared: Sequence[PreparedTrial]) -> list[tuple[PreparedTrial, ...]]:
    """Trials whose training is the same: equal subset, loss weights, epoch sampler, counted epochs, initial state."""
    found: dict[tuple[Any, ...], list[PreparedTrial]] = {}
    for entry in prepared:
        weights, state = entry.selection.weights, entry.initial_state or {}
        key = (
            entry.selection.positions.tobytes(),
            None if weights is None else weights.tobytes(),
            # a frozen dataclass, whose repr names all of it
            None if entry.selection.epoch_sampler is None else repr(entry.selection.epoch_sampler),
            entry.counted_epochs,
            tuple((name, value.tobytes()) for name, value in state.items()),
        )
        found.setdefault(key, []).append(entry)
    return [tuple(group) for group in found.values()]


Job = ScoreJob | TrainJob
Outcome = list[PreparedTrial] | list[TrialResult]


def methods_of(job: Job) -> list[str]:
    """Labels of the methods of a job's trials, in order."""
    return list(dict.fromkeys(trial.method for trial in job.trials))
