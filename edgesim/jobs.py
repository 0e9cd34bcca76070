"""What travels between coordinator and devices: the common setting, the devices, and their two kinds of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgesim.conditions import Conditions
from edgesim.cost.terms import Terms
from edgesim.data.images import ImageDataset
from edgesim.profiles import DeviceProfile
from edgesim.pruning import base
from edgesim.records import Findings, Selection, Trial, TrialResult
from edgesim.training.settings import Evaluation, Training
from edgesim.work import IntArray, StepTrace, Work


@dataclass(frozen=True)
class Setting:
    """What all devices of a run have in common. Sent to every host once."""

    scenario: str
    dataset: ImageDataset
    model: Any
    """a row of the table of models, or the user's own: `build(input_shape, num_classes)`"""
    training: Training
    augment: tuple[Any, ...]
    methods: dict[str, base.Method]
    warmup: Any
    evaluation: Evaluation
    terms: Terms
    keep_scores: bool = False
    rule: str = ""
    """what chooses the keep ratios, where a rule does"""
    shown: frozenset[Trial] = frozenset()
    """trials whose samples at both ends of the scores are kept, with pictures: of one device, one trial per method"""

    def rule_of(self, method: str) -> str:
        """What chose the keep ratio of a method's trials; nothing chooses that of one that keeps everything."""
        return "" if getattr(self.methods[method], "keeps_all", False) else self.rule

    def describe(self, labels: IntArray) -> base.Shard:
        """What a method may know of a shard with these labels [n]."""
        training, size = self.training, len(labels)
        limit = training.epochs * -(-size // training.batch_size)
        return base.Shard(
            size=size,
            labels=labels,
            num_classes=self.dataset.num_classes,
            batch_size=training.batch_size,
            epochs=training.epochs,
            warmup_steps=min(self.warmup.steps(size, training.batch_size), limit),
        )


@dataclass(frozen=True)
class DeviceSpec:
    """One device in one seed: who it is, what it is, what it holds."""

    seed: int
    index: int
    profile: DeviceProfile
    shard: IntArray
    """sorted indices into the training set"""
    conditions: Conditions = field(default_factory=Conditions)
    """power mode, energy source and availability"""
    slot: int | None = None
    """of a stack, where its trainings may share their steps with those of other devices (`training.stacked`)"""


@dataclass(frozen=True)
class Prepared:
    """A trial after scoring and selection, ready to train."""

    trial: Trial
    selection: Selection
    score_work: Work
    score_trace: StepTrace
    host_score_wall_s: float
    initial_state: dict[str, np.ndarray] | None = None
    """weights to start from, or None for the scenario's initial weights"""
    findings: Findings = field(default_factory=Findings)
    reused: bool = False
    """whether another run scored"""


@dataclass(frozen=True)
class ScoreJob:
    """Score and select for all trials of one device in one seed."""

    spec: DeviceSpec
    trials: tuple[Trial, ...]
    goes_on: bool = False
    """whether the trainings follow in the same job: for devices so small that handing them out takes longer"""


@dataclass(frozen=True)
class TrainJob:
    """Train once for trials with the same subset, weights and initial state."""

    spec: DeviceSpec
    group: tuple[Prepared, ...]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that this training serves."""
        return tuple(prepared.trial for prepared in self.group)


def groups(prepared: Sequence[Prepared]) -> list[tuple[Prepared, ...]]:
    """Trials whose training is the same: equal subset, loss weights, sampler and initial state."""
    found: dict[tuple[Any, ...], list[Prepared]] = {}
    for entry in prepared:
        weights, state = entry.selection.weights, entry.initial_state or {}
        key = (
            entry.selection.positions.tobytes(),
            None if weights is None else weights.tobytes(),
            # a frozen dataclass, whose repr names all of it
            None if entry.selection.sampler is None else repr(entry.selection.sampler),
            tuple((name, value.tobytes()) for name, value in state.items()),
        )
        found.setdefault(key, []).append(entry)
    return [tuple(group) for group in found.values()]


Job = ScoreJob | TrainJob
Outcome = list[Prepared] | list[TrialResult]
