"""Estimate of the time that runs take on this machine, from a few jobs or training steps that are measured before."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgesim.planning.run_plan import RunPlan
from edgesim.records import Reused, Trial
from edgesim.runtime import SerialExecutor
from edgesim.runtime.job_work import job_flops
from edgesim.runtime.jobs import Job, ScoreJob
from edgesim.runtime.pending_jobs import PendingJobs
from edgesim.runtime.run_log import RunLog
from edgesim.runtime.scheduler import JobQueue
from edgesim.scenario.experiment import ExperimentConfig

MEASURE_S = 1.0
"""seconds of measuring after which no further bundle of jobs or step begins"""
MOST_STEPS = 50
RAY_START_S = 5.0
"""start of Ray and of its workers, which import torch"""


@dataclass(frozen=True)
class Speed:
    """Speed of one core of this machine on the jobs of a run, without other programs."""

    s_per_flop: float
    """seconds per FLOP that `job_work.job_flops` counts"""
    measured: str
    """what was measured, in words"""


@dataclass(frozen=True)
class RunWork:
    """Work of the missing trials of a run."""

    flops: float
    """of all jobs"""
    longest_flops: float
    """of the longest job"""

    def time_s(self, speed: Speed, hosts: int) -> float:
        """Seconds on so many hosts, each with a CPU: equal shares, or the longest job where that takes longer."""
        return max(self.flops / hosts, self.longest_flops) * speed.s_per_flop


def work_of(plan: RunPlan, done: frozenset[Trial], reused: Mapping[Trial, Reused]) -> RunWork:
    """Work of the trials of a plan that are not done.

    Args:
        plan: of the run.
        done: trials that have a record.
        reused: subsets of another run.
    """
    flops = [job_flops(plan.config, job) for job in _jobs(plan, done, reused).take_all()]
    return RunWork(sum(flops), max(flops, default=0.0))


def measured_speed(plan: RunPlan) -> Speed | None:
    """Speed on the jobs of a plan, by doing some of them in this process; None where there is nothing to do.

    Short jobs are done as they are, in bundles and stacks. Of long ones only steps of one training are measured.
    """
    queue = _jobs(plan, frozenset(), {})
    if not len(queue):
        return None
    bundle = queue.take()
    if all(isinstance(job, ScoreJob) and job.trains_inline for job in bundle):
        return _of_bundles(plan.config, bundle, queue)
    return _of_steps(plan.config, bundle[0])


def _jobs(plan: RunPlan, done: frozenset[Trial], reused: Mapping[Trial, Reused]) -> JobQueue:
    pending = PendingJobs(plan)
    pending.begin(done, reused)
    return pending.jobs


def _of_bundles(config: ExperimentConfig, first: list[Job], queue: JobQueue) -> Speed:
    """Speed on short jobs, one by one, or in the stacks that they train in; one job before warms torch up."""
    executor, log = SerialExecutor(), RunLog()
    executor.open(config, log)
    spent_s, flops, count = 0.0, 0.0, 0
    try:
        _time_of(executor, config, first[:1])
        for piece in _pieces(first, queue):
            spent_s += _time_of(executor, config, piece)
            flops += sum(job_flops(config, job) for job in piece)
            count += len(piece)
            if spent_s > MEASURE_S:
                break
    finally:
        executor.close()
    return Speed(spent_s / flops, f"{count} short jobs in {spent_s:.1f} s")


def _pieces(first: list[Job], queue: JobQueue) -> Iterator[list[Job]]:
    """Jobs to measure together: a stack as a whole, others alone."""
    bundle = first
    while bundle:
        yield from [bundle] if bundle[0].spec.stack_slot is not None else ([job] for job in bundle)
        bundle = queue.take() if len(queue) else []


def _time_of(executor: SerialExecutor, config: ExperimentConfig, bundle: list[Job]) -> float:
    """Seconds of the jobs of one bundle."""
    queue = JobQueue()
    for job in bundle:
        queue.push(job, job_flops(config, job), is_first=True)
    clock = _clock(config)
    started = clock()
    for _ in executor.stream(queue):
        pass
    return clock() - started


def _clock(config: ExperimentConfig) -> Callable[[], float]:
    """Clock to measure by: seconds of a core, which other programs do not stretch; with a GPU those of the wall."""
    from edgesim.training.task import device_name

    on_cpu = device_name(config.training.torch_device) == "cpu"
    return time.process_time if on_cpu else time.perf_counter


def _of_steps(config: ExperimentConfig, job: Job) -> Speed:
    """Speed on steps of one training, evaluation left out."""
    import torch

    from edgesim import seeds
    from edgesim.runtime.executor import one_thread
    from edgesim.runtime.worker_cache import WorkerCache
    from edgesim.training import loop

    threads, limits = torch.get_num_threads(), one_thread()
    cache, spec, settings = WorkerCache(config), job.spec, dataclasses.replace(config.training, epochs=1)
    size = min(len(spec.shard), settings.batch_size)
    subset, streams = loop.Subset(np.arange(size)), loop.Streams(spec.seed, spec.index, "training")
    spent_s, steps, clock = 0.0, -1, _clock(config)  # the first step warms torch up
    try:
        while spent_s < MEASURE_S and steps < MOST_STEPS:
            model = cache.initial_model(spec.seed)
            started = clock()
            with seeds.torch_global(spec.seed, "training:dropout", spec.index):
                loop.fit(model, cache.shard(spec), subset, settings, streams, config.augment)
            spent_s += clock() - started if steps >= 0 else 0.0
            steps += 1
    finally:
        limits.restore_original_limits()
        torch.set_num_threads(threads)
    flops = steps * size * config.pricing.workload.train_flops
    return Speed(spent_s / flops, f"{steps} training steps in {spent_s:.1f} s")
