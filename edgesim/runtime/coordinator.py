"""Coordinator: hands the jobs of a planned run to an executor and yields the results of its trials."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from edgesim.errors import Fault, ScenarioError
from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Selection, Trial, TrialResult
from edgesim.runtime import scheduler
from edgesim.runtime.executor import Executor
from edgesim.runtime.failures import Failure, log_detail
from edgesim.runtime.job_work import job_flops
from edgesim.runtime.jobs import Job, Outcome, PreparedTrial, ScoreJob, TrainJob, group_by_training
from edgesim.runtime.scheduler import JobQueue
from edgesim.runtime.stacking import with_stack_slots
from edgesim.scenario.experiment import DeviceSpec


def execute(
    plan: RunPlan,
    executor: Executor,
    done: frozenset[Trial] = frozenset(),
    note: Callable[[str], None] | None = None,
    reused: Mapping[Trial, Reused] | None = None,
) -> Iterator[TrialResult]:
    """Run the trials that are not done, and yield each result as it comes.

    The methods of a device are scored in one job. Its trainings follow as jobs of their own, or in the same job where
    they are short. A scoring job that fails is split into one per method, so that one faulty method does not fail the
    others; what fails alone becomes failed records. Infeasible trials are no jobs: their records come first.

    Args:
        plan: of the run.
        executor: where jobs run; opened here, closed by the caller.
        done: trials that have a record already.
        note: called with one line when a job fails.
        reused: subsets of another run; their trials are trained without scoring.

    Raises:
        ScenarioError: a reused subset is not of this scenario's shards.
    """
    yield from (
        plan.infeasible_result(trial) for trial in plan.trials if trial in plan.infeasible and trial not in done
    )
    executor.open(plan.config)
    queue = _Queue(plan)
    queue.begin(done, reused or {})
    for job, outcome in executor.stream(queue.jobs):
        if isinstance(outcome, Failure):
            log_detail(outcome)
            if not queue.split(job):
                if note:
                    methods = ", ".join(dict.fromkeys(trial.method for trial in job.trials))
                    note(f"failed: seed {job.spec.seed}, device {job.spec.index}, {methods}: {outcome.reason}")
                yield from (plan.without_result(trial, "failed", outcome.reason) for trial in job.trials)
        elif isinstance(job, ScoreJob) and not job.trains_inline:
            queue.train(job.spec, outcome)
        else:
            yield from (_with_rule(plan, result) for result in outcome if isinstance(result, TrialResult))


class _Queue:
    """The jobs of a plan, each pushed with its expected work."""

    def __init__(self, plan: RunPlan):
        self.jobs = JobQueue()
        self._plan = plan
        self._devices = with_stack_slots(plan.config, plan.devices)

    def begin(self, done: frozenset[Trial], reused: Mapping[Trial, Reused]) -> None:
        """Push the first jobs of every device that has trials to run."""
        missing: dict[tuple[int, int], list[Trial]] = {}
        for trial in self._plan.trials:
            if trial not in done and trial not in self._plan.infeasible:
                missing.setdefault((trial.seed, trial.device), []).append(trial)
        for key, waiting in missing.items():
            spec = self._devices[key]
            self.train(spec, [_prepared(spec, trial, reused[trial]) for trial in waiting if trial in reused])
            unknown = tuple(trial for trial in waiting if trial not in reused)
            if unknown:
                scoring = ScoreJob(spec, unknown)
                is_short = job_flops(self._plan.config, scoring) <= scheduler.SHORT_FLOPS
                self._push(replace(scoring, trains_inline=is_short))

    def train(self, spec: DeviceSpec, outcome: Outcome) -> None:
        """Push the trainings of prepared trials."""
        for group in group_by_training([entry for entry in outcome if isinstance(entry, PreparedTrial)]):
            self._push(TrainJob(spec, group))

    def split(self, job: Job) -> bool:
        """Push a failed job's parts, to find which of them fails; False where it has none."""
        if not isinstance(job, ScoreJob):
            return False
        if job.trains_inline:
            self._push(replace(job, trains_inline=False))
            return True
        methods = list(dict.fromkeys(trial.method for trial in job.trials))
        if len(methods) == 1:
            return False
        for method in methods:
            self._push(ScoreJob(job.spec, tuple(trial for trial in job.trials if trial.method == method)))
        return True

    def _push(self, job: Job) -> None:
        self.jobs.push(job, job_flops(self._plan.config, job), is_first=isinstance(job, ScoreJob))


def _with_rule(plan: RunPlan, result: TrialResult) -> TrialResult:
    """A result with the limit that bound the rule of its ratio; a reason of the device's own counts first."""
    trial = result.record.trial
    if trial not in plan.rule_reasons:
        return result
    return replace(result, record=replace(result.record, **plan.rule_columns(trial, vars(result.record))))


def _prepared(spec: DeviceSpec, trial: Trial, reused: Reused) -> PreparedTrial:
    """A trial with the subset of another run, charged with the scoring of that run."""
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
