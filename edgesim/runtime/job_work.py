"""Expected work of jobs on the simulating machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from edgesim.cost import analytic
from edgesim.records import Trial
from edgesim.runtime.jobs import Job, TrainJob
from edgesim.scenario.experiment import ExperimentConfig

if TYPE_CHECKING:
    from edgesim.planning.run_plan import RunPlan


def trial_samples(config: ExperimentConfig, n: int, keep_ratio: float) -> float:
    """Samples that a trial on a shard of n passes forward and backward, scoring left out.

    A forward pass counts a third: the test set and the shard are evaluated at the end of every training.
    """
    return _kept(n, keep_ratio) * config.training.epochs + (len(config.dataset.test_labels) + n) / 3


@lru_cache(maxsize=10_000)
def _kept(n: int, keep_ratio: float) -> int:
    """Subset size of one trial. It is asked for several times, and an array function takes 0.1 ms for a number."""
    return int(analytic.subset_size(n, keep_ratio))


def job_flops(config: ExperimentConfig, job: Job) -> float:
    """Expected FLOPs of a job; of a scoring job those of the trainings behind it, too."""
    n, ratios = len(job.spec.shard), [trial.keep_ratio for trial in job.trials]
    if isinstance(job, TrainJob):
        return trial_samples(config, n, ratios[0]) * config.pricing.workload.train_flops
    return _device_flops(config, n, ratios)


def expected_samples(plan: RunPlan) -> dict[Trial, float]:
    """Expected samples that this machine passes forward and backward for each trial; 0 for an infeasible one."""
    return {
        trial: 0.0
        if trial in plan.infeasible
        else trial_samples(plan.config, len(plan.devices[trial.seed, trial.device].shard), trial.keep_ratio)
        for trial in plan.trials
    }


def _device_flops(config: ExperimentConfig, n: int, keep_ratios: Sequence[float]) -> float:
    """Expected FLOPs of scoring a shard of n samples and of the trials behind it."""
    samples = n + sum(trial_samples(config, n, keep_ratio) for keep_ratio in keep_ratios)
    return samples * config.pricing.workload.train_flops
