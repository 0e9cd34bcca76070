"""Worker: runs the jobs that it is handed together. It scores all of them, trains in stacks, then finishes each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgesim.errors import TrainingDiverged
from edgesim.runtime.device import EdgeDevice
from edgesim.runtime.failures import Failure, caught
from edgesim.runtime.host_output import Announce, Mark, unheard
from edgesim.runtime.jobs import Job, Outcome, PreparedTrial, TrainJob, group_by_training
from edgesim.runtime.stacking import StackRequest, StackTrainer
from edgesim.runtime.worker_cache import WorkerCache
from edgesim.scenario.experiment import ExperimentConfig
from edgesim.training.evaluation import TrainingOutcome


@dataclass(frozen=True)
class ScoredJob:
    """A job whose scoring is done."""

    device: EdgeDevice
    prepared: list[PreparedTrial]
    groups: list[tuple[PreparedTrial, ...]]
    """trainings of this job: trials that share one"""


class Worker:
    """Runs jobs in one process."""

    def __init__(self, config: ExperimentConfig, announce: Announce = unheard):
        """Prepare for jobs.

        Args:
            config: of the run.
            announce: called with each piece of work before it begins.
        """
        self._cache, self._announce = WorkerCache(config), announce
        self._stacks = StackTrainer(self._cache)

    def run(self, jobs: Sequence[Job]) -> list[Outcome | Failure]:
        """Run jobs together. An exception in one of them becomes its own Failure."""
        scored = [caught(self._score, job) for job in jobs]
        requests = [
            StackRequest(job.device.spec, job.device.task, group[0])
            for job in scored
            if isinstance(job, ScoredJob)
            for group in job.groups
        ]
        stacked = next((request.spec for request in requests if request.spec.stack_slot is not None), None)
        if stacked is not None:
            self._announce(Mark(stacked.seed, stacked.index, "stacked training"))
        trained = iter(self._stacks.train(requests))
        outcomes: list[Outcome | Failure] = []
        for job in scored:
            if isinstance(job, Failure):
                outcomes.append(job)
                continue
            own = [next(trained) for _ in job.groups]
            failed = next((outcome for outcome in own if isinstance(outcome, Failure)), None)
            done = [outcome for outcome in own if not isinstance(outcome, Failure)]
            outcomes.append(caught(_finish, job, done) if failed is None else failed)
        return outcomes

    def _score(self, job: Job) -> ScoredJob:
        """Steps 1 and 2 of a scoring job, and the trainings of a job."""
        device = EdgeDevice(self._cache, job.spec, self._announce)
        if isinstance(job, TrainJob):
            return ScoredJob(device, [], [job.group])
        prepared = device.prepare(job.trials)
        return ScoredJob(device, prepared, group_by_training(prepared) if job.trains_inline else [])


def _finish(job: ScoredJob, trained: Sequence[TrainingOutcome | TrainingDiverged | None]) -> Outcome:
    """Prepared trials of a job, or where it trains the results of its trials (steps 3 to 5).

    Args:
        job: after scoring.
        trained: outcome of each of its trainings; None where it is yet to be trained.

    Raises:
        TrainingDiverged: the loss of a step is not finite.
    """
    if not job.groups:
        return job.prepared
    results = []
    for group, outcome in zip(job.groups, trained, strict=True):
        if isinstance(outcome, TrainingDiverged):
            raise outcome
        results += job.device.execute(group, outcome)
    return results
