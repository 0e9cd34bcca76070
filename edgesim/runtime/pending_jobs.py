"""Jobs of a plan that are yet to run, and the decision on each job that failed: again, in parts, or not any more.

A method that costs its host is a suspect: its jobs run by themselves after all others, the shortest first. A few hosts
lost in a row stop the method on all devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from edgesim.errors import Fault, ScenarioError
from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Selection, Trial
from edgesim.runtime import scheduler
from edgesim.runtime.failures import Cause, Failure
from edgesim.runtime.job_work import job_flops
from edgesim.runtime.jobs import Job, Outcome, PreparedTrial, ScoreJob, TrainJob, group_by_training, methods_of
from edgesim.runtime.scheduler import JobQueue
from edgesim.runtime.stacking import with_stack_slots
from edgesim.scenario.experiment import DeviceSpec

MOST_LOST = 3
"""hosts lost in a row to a method's own jobs, after which the method is stopped"""
TRIES: Mapping[Cause, int] = {"error": 1, "lost": 3, "memory": 2, "timeout": 1}
"""tries of a job by itself. A host that dies may have been killed by anyone; one that is full may have been so before
the job, unless it is new. A job over its time limit has had its time"""
_PHASES = ("scoring", "training")
_Key = tuple[str, tuple[Trial, ...]]


class FailedTrial(NamedTuple):
    """A trial that will not run again in this session."""

    trial: Trial
    failure: Failure


class _Suspicion(NamedTuple):
    """Cause and phase of the loss of a host."""

    cause: Cause
    phase: str


class PendingJobs:
    """The jobs of a plan, each pushed with its expected work."""

    def __init__(self, plan: RunPlan):
        self.jobs = JobQueue()
        self._plan = plan
        self._devices = with_stack_slots(plan.config, plan.devices)
        self._suspects: dict[str, _Suspicion] = {}
        """methods that have cost a host"""
        self._stopped: dict[str, Failure] = {}
        self._lost: Counter[tuple[str, str]] = Counter()
        """(method, phase) -> hosts lost in a row to jobs of that method alone"""
        self._alone: set[_Key] = set()
        """jobs that run by themselves because another in their call may have cost the host"""
        self._tries: Counter[_Key] = Counter()
        """job -> hosts that it has cost by itself"""
        self._failed: list[FailedTrial] = []

    def begin(self, done: frozenset[Trial], reused: Mapping[Trial, Reused]) -> None:
        """Push the first jobs of every device that has trials to run."""
        missing: dict[tuple[int, int], list[Trial]] = {}
        for trial in self._plan.trials:
            if trial not in done and trial not in self._plan.infeasible:
                missing.setdefault((trial.seed, trial.device), []).append(trial)
        for key, waiting in missing.items():
            spec = self._devices[key]
            self.train(spec, [reused_trial(spec, trial, reused[trial]) for trial in waiting if trial in reused])
            unknown = tuple(trial for trial in waiting if trial not in reused)
            if unknown:
                scoring = ScoreJob(spec, unknown)
                is_short = job_flops(self._plan.config, scoring) <= scheduler.SHORT_FLOPS
                self._push(replace(scoring, trains_inline=is_short))

    def train(self, spec: DeviceSpec, outcome: Outcome) -> None:
        """Push the trainings of prepared trials."""
        for group in group_by_training([entry for entry in outcome if isinstance(entry, PreparedTrial)]):
            self._push(TrainJob(spec, group))

    def succeeded(self, job: Job) -> None:
        """Note that a job ended well. A method whose host died is then cleared: others may have struck the host."""
        cleared = []
        for method in methods_of(job) if self._suspects else ():
            for phase in _phases(job):
                self._lost.pop((method, phase), None)
                if self._suspects.get(method) == _Suspicion("lost", phase):
                    cleared.append(method)
        for method in cleared:
            del self._suspects[method]
        if cleared:
            self._push_anew()

    def failed(self, job: Job, failure: Failure) -> None:
        """Push a failed job again, or its parts, to find which of them fails; else its trials have failed."""
        if failure.suspect and failure.cause != "error":
            self._suspect([failure.suspect], _Suspicion(failure.cause, failure.phase))
        if not failure.is_alone:
            self._push_alone(job)
        elif isinstance(job, ScoreJob) and len(methods_of(job)) > 1 and failure.cause != "error":
            for part in _by_method(replace(job, trains_inline=False)):
                self._push_alone(part)
        elif isinstance(job, ScoreJob) and job.trains_inline:
            scoring = replace(job, trains_inline=False)
            self._push(scoring) if failure.cause == "error" else self._push_alone(scoring)
        elif isinstance(job, ScoreJob) and len(methods_of(job)) > 1:
            for part in _by_method(job):
                self._push(part)
        else:
            self._failed_alone(job, failure)

    def take_failed(self) -> Iterator[FailedTrial]:
        """Take the trials that have failed since the last call."""
        while self._failed:
            yield self._failed.pop(0)

    def _failed_alone(self, job: Job, failure: Failure) -> None:
        """Decide on a job of one method, or one training, that failed by itself."""
        if failure.cause != "error":
            methods = methods_of(job)
            (phase,) = _phases(job)
            self._suspect(methods, _Suspicion(failure.cause, phase))
            self._tries[_key(job)] += 1
            self._alone.add(_key(job))
            for method in methods:
                self._lost[method, phase] += 1
                if self._lost[method, phase] >= MOST_LOST and method not in self._stopped:
                    self._stop(method, job, failure)
            tries = self._tries[_key(job)]
            if tries < _tries_of(failure) and not any(method in self._stopped for method in methods):
                self._push(job)
                return
            if failure.cause == "lost":
                times = f", {tries} times" if tries > 1 else ""
                failure = replace(failure, reason=f"{failure.reason} while it ran by itself{times}")
        self._failed += [FailedTrial(trial, failure) for trial in job.trials]

    def _stop(self, method: str, job: Job, failure: Failure) -> None:
        """Let no job of a method begin any more."""
        last = f"seed {job.spec.seed}, device {job.spec.index}: {failure.reason}"
        reason = f"{method} was stopped on all devices: it cost {MOST_LOST} hosts in a row; the last on {last}"
        self._stopped[method] = replace(failure, reason=reason, detail="", output="")
        self._push_anew()

    def _suspect(self, methods: list[str], suspicion: _Suspicion) -> None:
        """Let the jobs of methods run by themselves from now on, after all others."""
        fresh = [method for method in methods if method not in self._suspects]
        self._suspects |= dict.fromkeys(methods, suspicion)
        if fresh:
            self._push_anew()

    def _push_anew(self) -> None:
        for job in self.jobs.take_all():
            self._push(job)

    def _push_alone(self, job: Job) -> None:
        self._alone.add(_key(job))
        self._push(job)

    def _push(self, job: Job) -> None:
        """Push a job: without stopped methods, and apart from suspects."""
        methods = methods_of(job)
        if isinstance(job, ScoreJob) and len(methods) > 1 and self._suspects.keys() & methods:
            for part in self._apart(job):
                if _key(job) in self._alone:
                    self._alone.add(_key(part))
                self._push(part)
            return
        if all(method in self._stopped for method in methods):
            self._failed += [FailedTrial(trial, self._stopped[trial.method]) for trial in job.trials]
            return
        is_suspect = self._suspects.keys() >= set(methods)
        if is_suspect and isinstance(job, ScoreJob):
            job = replace(job, trains_inline=False)
        tries = self._tries[_key(job)]
        alone_in_round = 2 + tries if is_suspect or tries else int(_key(job) in self._alone)
        self.jobs.push(job, job_flops(self._plan.config, job), isinstance(job, ScoreJob), alone_in_round)

    def _apart(self, job: ScoreJob) -> list[ScoreJob]:
        """A scoring job as one of all methods without suspicion, and one of each suspect."""
        rest = tuple(trial for trial in job.trials if trial.method not in self._suspects)
        suspects = [part for part in _by_method(job) if part.trials[0].method in self._suspects]
        return [replace(job, trials=rest), *suspects] if rest else suspects


def _tries_of(failure: Failure) -> int:
    return 1 if failure.on_new_host and failure.cause == "memory" else TRIES[failure.cause]


def _key(job: Job) -> _Key:
    return type(job).__name__, tuple(job.trials)


def _phases(job: Job) -> tuple[str, ...]:
    """Phases that a job consists of."""
    if isinstance(job, TrainJob):
        return _PHASES[1:]
    return _PHASES if job.trains_inline else _PHASES[:1]


def _by_method(job: ScoreJob) -> list[ScoreJob]:
    """A scoring job as one per method."""
    return [
        replace(job, trials=tuple(trial for trial in job.trials if trial.method == method))
        for method in methods_of(job)
    ]


def reused_trial(spec: DeviceSpec, trial: Trial, reused: Reused) -> PreparedTrial:
    """A trial with the subset of another run, charged with the scoring of that run.

    Raises:
        ScenarioError: the subset holds samples that the device does not have.
    """
    positions = np.searchsorted(spec.shard, reused.kept)
    inside = positions < len(spec.shard)
    if not inside.all() or (spec.shard[positions] != reused.kept).any():
        message = (
            f"the subset of {trial} holds samples that this scenario's device {trial.device} does not have; "
            "the two runs need the same data, partition, fleet size and seeds"
        )
        raise ScenarioError("pruning.scores_from", [Fault("pruning.scores_from", message)])
    selection = Selection(positions.astype(np.int64), reused.weights)
    return PreparedTrial(trial, selection, reused.work, reused.trace, host_score_wall_s=0.0, reused=True)
