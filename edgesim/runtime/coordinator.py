"""Coordinator: hands the jobs of a planned run to an executor and yields the results of its trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from edgesim.errors import shortened
from edgesim.formatting import listed, n_of
from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Trial, TrialResult
from edgesim.runtime.executor import Executor
from edgesim.runtime.failures import Failure, log_detail
from edgesim.runtime.jobs import ScoreJob
from edgesim.runtime.pending_jobs import FailedTrial, PendingJobs
from edgesim.runtime.run_log import RunLog


def execute(
    plan: RunPlan,
    executor: Executor,
    done: frozenset[Trial] = frozenset(),
    log: RunLog | None = None,
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
        log: of the run; jobs that fail and the output of hosts go there.
        reused: subsets of another run; their trials are trained without scoring.

    Raises:
        ScenarioError: a reused subset is not of this scenario's shards.
        RunError: hosts do not start.
    """
    log = log or RunLog()
    yield from (
        plan.infeasible_result(trial) for trial in plan.trials if trial in plan.infeasible and trial not in done
    )
    executor.open(plan.config, log)
    pending = PendingJobs(plan)
    pending.begin(done, reused or {})
    for job, outcome in executor.stream(pending.jobs):
        if isinstance(outcome, Failure):
            log_detail(outcome)
            pending.failed(job, outcome)
        else:
            pending.succeeded(job)
            if isinstance(job, ScoreJob) and not job.trains_inline:
                pending.train(job.spec, outcome)
            else:
                yield from (_with_rule(plan, result) for result in outcome if isinstance(result, TrialResult))
        yield from _failed(plan, list(pending.take_failed()), log)


def _failed(plan: RunPlan, failed: list[FailedTrial], log: RunLog) -> Iterator[TrialResult]:
    """Records of failed trials; the user is told once of those with one reason."""
    for failure, same in groupby(failed, key=lambda one: one.failure):
        trials = [one.trial for one in same]
        seeds, devices = ({trial[i] for trial in trials} for i in (0, 1))
        where = f"seed {trials[0].seed}, device {trials[0].device}"
        if len(seeds) > 1 or len(devices) > 1:
            where = n_of(len(trials), "trial")
        where += f", {listed(list(dict.fromkeys(trial.method for trial in trials)))}"
        log.note(f"failed: {where}: {failure.reason}")
        if failure.detail:
            log.write("failed", failure.detail, where)
    for trial, failure in failed:
        kind = "host" if failure.cause == "lost" else "own"
        columns = {"failure": kind, "host_output": failure.output}
        yield plan.without_result(trial, "failed", shortened(failure.reason), columns)


def _with_rule(plan: RunPlan, result: TrialResult) -> TrialResult:
    """A result with the limit that bound the rule of its ratio; a reason of the device's own counts first."""
    trial = result.record.trial
    if trial not in plan.rule_reasons:
        return result
    return replace(result, record=replace(result.record, **plan.rule_columns(trial, vars(result.record))))
