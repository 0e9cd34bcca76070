"""Expected work of jobs on the simulating machine."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgesim.cost import analytic
from edgesim.pruning.after_warmup import use_of
from edgesim.records import Trial
from edgesim.runtime.jobs import Job, TrainJob
from edgesim.scenario.experiment import ExperimentConfig

if TYPE_CHECKING:
    from edgesim.planning.run_plan import RunPlan


def trial_samples(config: ExperimentConfig, n: int, keep_ratio: float, method: str | None = None) -> float:
    """Samples that a trial on a shard of n passes forward and backward, scoring left out.

    A forward pass counts a third: the test set and the shard are evaluated at the end of every training.

    Args:
        config: of the run.
        n: samples of the shard.
        keep_ratio: of the trial.
        method: its label; None = one whose warm-up is not part of its training.
    """
    epochs, k = config.training.epochs, _kept(n, keep_ratio)
    counted = 0 if method is None else min(_counted_epochs(config, n, method), epochs)
    return counted * n + (epochs - counted) * k + (len(config.dataset.test_labels) + n) / 3 + _transfer_samples(config)


def _transfer_samples(config: ExperimentConfig) -> float:
    """Samples that the fine-tuning on another data set passes, an average device's; 0 where there is none."""
    tuned = config.transfer
    if tuned is None:
        return 0.0
    return tuned.training.epochs * tuned.mean_shard + len(tuned.dataset.test_labels) / 3


def _counted_epochs(config: ExperimentConfig, n: int, label: str) -> int:
    """Epochs of a method's training that visit all n samples (`pruning.after_warmup`)."""
    method = config.methods[label]
    if method.after_warmup != "counts":
        return 0
    return use_of(method, config.describe(np.zeros(n, dtype=np.int64))).epochs


@lru_cache(maxsize=10_000)
def _kept(n: int, keep_ratio: float) -> int:
    """Subset size of one trial. It is asked for several times, and an array function takes 0.1 ms for a number."""
    return int(analytic.subset_size(n, keep_ratio))


def job_flops(config: ExperimentConfig, job: Job) -> float:
    """Expected FLOPs of a job; of a scoring job those of the trainings behind it, too."""
    n = len(job.spec.shard)
    if isinstance(job, TrainJob):
        samples = _samples_of(config, n, job.trials[0])
    else:
        samples = n + sum(_samples_of(config, n, trial) for trial in job.trials)
    return samples * config.pricing.workload.train_flops


def _samples_of(config: ExperimentConfig, n: int, trial: Trial) -> float:
    return trial_samples(config, n, trial.keep_ratio, trial.method)


def expected_samples(plan: RunPlan) -> dict[Trial, float]:
    """Expected samples that this machine passes forward and backward for each trial; 0 for an infeasible one."""
    return {
        trial: 0.0
        if trial in plan.infeasible
        else _samples_of(plan.config, len(plan.devices[trial.seed, trial.device].shard), trial)
        for trial in plan.trials
    }
