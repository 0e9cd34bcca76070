"""Limits on the time of a job: the scenario's, or one from the expected work and the session's own speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgesim.cost import analytic
from edgesim.formatting import duration
from edgesim.pruning import expected_work
from edgesim.runtime.job_work import trial_samples
from edgesim.runtime.jobs import Job, ScoreJob

if TYPE_CHECKING:
    from edgesim.scenario.experiment import ExperimentConfig
    from edgesim.work import Work

KEY = "run.job_timeout_s"
FLOOR_S = 600.0
FACTOR = 10.0
SLOW_FLOPS_PER_S, SLOW_STEP_S = 2e9, 2e-3
"""speed that is assumed before a job has ended: that of one slow core, with the overhead of a step"""
LEAST_KNOWN_S = 1.0
"""calls that took less say little about the speed: they are mostly overhead"""
FIRST_NOTE_S = 600.0


class TimeLimits:
    """Time limits of the jobs of one session."""

    def __init__(self, config: ExperimentConfig):
        self._config = config
        self._given_s = config.limits.job_timeout_s
        self._slowest: float | None = None
        """of the calls that ended: their time over the assumed one, at its largest"""

    def ended(self, jobs: Sequence[Job], wall_s: float) -> None:
        """Learn the speed from jobs that ended together."""
        if self._given_s is None and wall_s >= LEAST_KNOWN_S:
            ratio = wall_s / max(self._assumed_s(jobs), 1e-9)
            self._slowest = max(ratio, self._slowest or 0.0)

    def limit_s(self, jobs: Sequence[Job]) -> float:
        """Most seconds that jobs may take together."""
        if self._given_s is not None:
            return self._given_s
        slowest = 1.0 if self._slowest is None else self._slowest
        return FLOOR_S + FACTOR * slowest * self._assumed_s(jobs)

    def note_after_s(self, limit_s: float) -> float:
        """Seconds after which the user is told what runs so long; again after every doubling."""
        return min(limit_s / 4, FIRST_NOTE_S)

    def may_be_over(self, wall_s: float) -> bool:
        """True where it is worth the while to work out the limit."""
        return wall_s > (FLOOR_S if self._given_s is None else self._given_s) / 4

    def reason(self, limit_s: float) -> str:
        """Reason of a trial that took longer."""
        if self._given_s is not None:
            return f"took longer than {duration(limit_s)}, the limit of {KEY}"
        return (
            f"took longer than {duration(limit_s)}, which is {FLOOR_S / 60:.0f} min and {FACTOR:.0f} times the time "
            f"that its work was expected to take; {KEY} sets another limit"
        )

    def _assumed_s(self, jobs: Sequence[Job]) -> float:
        """Time of jobs at the assumed speed."""
        return sum(self._assumed_job_s(job) for job in jobs)

    def _assumed_job_s(self, job: Job) -> float:
        config, n = self._config, len(job.spec.shard)
        training, workload = config.training, config.pricing.workload
        flops, steps = 0.0, 0
        trains = not isinstance(job, ScoreJob) or job.trains_inline
        trained = [] if not trains else job.trials if isinstance(job, ScoreJob) else job.trials[:1]
        for trial in trained:
            flops += trial_samples(config, n, trial.keep_ratio, trial.method) * workload.train_flops
            k = int(analytic.subset_size(n, trial.keep_ratio))
            steps += int(analytic.training_steps(k, training.batch_size, training.epochs))
        for work in self._scoring(job) if isinstance(job, ScoreJob) else ():
            flops += work.flops(workload.train_flops, workload.forward_flops)
            steps += work.steps
        steps += (len(config.dataset.test_labels) + n) // config.evaluation.batch_size + 1
        return flops / SLOW_FLOPS_PER_S + steps * SLOW_STEP_S

    def _scoring(self, job: ScoreJob) -> list[Work]:
        """Most work of each scoring of a job, the warm-up counted for each."""
        config, n = self._config, len(job.spec.shard)
        shard = config.describe(config.dataset.train_labels[job.spec.shard])
        found = []
        scored: set[str] = set()
        for trial in job.trials:
            method = config.methods[trial.method]
            if method.scores_once and trial.method in scored:
                continue
            scored.add(trial.method)
            k = int(analytic.subset_size(n, trial.keep_ratio))
            found.append(expected_work.of_scoring(method, shard, config.network, k).part("most")[0])
        return found
