"""What a host does with the jobs that it is handed together: begin each, train in stacks what can be, finish each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edgesim.errors import TrainingDiverged
from edgesim.runtime.device import EdgeDevice
from edgesim.runtime.jobs import Job, Outcome, Prepared, TrainJob, groups
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario.experiment import ExperimentConfig
from edgesim.training import evaluation, stacked


@dataclass
class ScoredJob:
    """A job whose scoring is done."""

    device: EdgeDevice
    prepared: list[Prepared]
    groups: list[tuple[Prepared, ...]]
    """what is to be trained in this job"""
    members: dict[int, stacked.StackMember] = field(default_factory=dict)
    """those of `groups` that train in a stack, by place"""
    trained: dict[int, evaluation.TrainingOutcome | TrainingDiverged] = field(default_factory=dict)
    """what stacks have done, by place in `groups`"""


class StackPlace(NamedTuple):
    """Where a training of a stack belongs."""

    job: int
    group: int


Stack = dict[StackPlace, stacked.StackMember]


class Worker:
    """Does jobs on one workbench. The caller catches what a job raises."""

    def __init__(self, setting: ExperimentConfig):
        self._bench = WorkerCache(setting)

    def begin(self, job: Job) -> ScoredJob:
        """Steps 1 and 2 of a scoring job, and which of its trainings go into a stack; of a training job only that."""
        device = EdgeDevice(self._bench, job.spec)
        if isinstance(job, TrainJob):
            begun = ScoredJob(device, [], [job.group])
        else:
            prepared = device.prepare(job.trials)
            begun = ScoredJob(device, prepared, groups(prepared) if job.trains_inline else [])
        members = ((place, device.member(group[0])) for place, group in enumerate(begun.groups))
        begun.members |= {place: member for place, member in members if member is not None}
        return begun

    def stacks(self, begun: Mapping[int, ScoredJob]) -> list[Stack]:
        """The trainings that share their steps: equal widths, different slots. In the order of jobs and groups."""
        found: dict[tuple[int, int], Stack] = {}
        filled: dict[tuple[int, int], int] = {}  # (width, slot) -> stacks of that width that have a member there
        for number, entry in begun.items():
            for place, member in entry.members.items():
                width = stacked.width(member.task.size)
                layer = filled.get((width, member.slot), 0)
                filled[width, member.slot] = layer + 1
                found.setdefault((width, layer), {})[StackPlace(number, place)] = member
        return list(found.values())

    def train(self, stack: Stack, begun: Mapping[int, ScoredJob]) -> None:
        """Train a stack; the outcomes go to the jobs."""
        bench, members = self._bench, list(stack.values())
        assert bench.stack_network is not None  # else there are no members
        outcomes = stacked.train(bench.stack_network, members, bench.setting.training, bench.test, bench.evaluated)
        for place, outcome in zip(stack, outcomes, strict=True):
            begun[place.job].trained[place.group] = outcome

    def finish(self, begun: ScoredJob) -> Outcome:
        """What the job gives back: prepared trials, or results of those that were to be trained (steps 3 to 5).

        Raises:
            TrainingDiverged: the loss of a step is not finite.
        """
        if not begun.groups:
            return begun.prepared
        results = []
        for place, group in enumerate(begun.groups):
            trained = begun.trained.get(place)
            if isinstance(trained, TrainingDiverged):
                raise trained
            results += begun.device.execute(group, trained)
        return results
