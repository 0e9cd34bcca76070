"""The interface of executors, their time sheet, and the settings of the processes that run jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from edgesim.runtime.failures import Failure
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.runtime.run_log import RunLog
    from edgesim.runtime.scheduler import JobQueue
    from edgesim.scenario.experiment import ExperimentConfig

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc


@dataclass
class Timesheet:
    """Working times of the workers by the driver's clock, from handing jobs out to having their outcomes."""

    hosts: int = 0
    """workers"""
    jobs: list[tuple[float, float]] = field(default_factory=list)
    """(start_s, end_s) of every call, which may be of several small jobs, `time.perf_counter`"""

    def span_s(self) -> float:
        """Seconds from the first job's start to the last one's end."""
        return max(end for _, end in self.jobs) - min(start for start, _ in self.jobs) if self.jobs else 0.0

    def idle_share(self, last: float = 1.0) -> float:
        """Share of the workers' time without a job, over the last part of the span.

        Args:
            last: the part, in (0, 1].
        """
        span_s = self.span_s()
        if not span_s or not self.hosts:
            return 0.0
        end_s = max(end for _, end in self.jobs)
        begin_s = end_s - last * span_s
        busy_s = sum(max(end - max(start, begin_s), 0.0) for start, end in self.jobs)
        return 1.0 - busy_s / (self.hosts * last * span_s)

    def summary(self) -> dict[str, float]:
        """Totals for run.json."""
        shares = {"idle_share": self.idle_share(), "idle_share_last_tenth": self.idle_share(0.1)}
        return {"hosts": self.hosts, "jobs": len(self.jobs), "jobs_span_s": self.span_s(), **shares}


class Executor(Protocol):
    """A place where jobs run."""

    sheet: Timesheet
    """working times of its workers"""

    def open(self, config: ExperimentConfig, log: RunLog) -> None:
        """Send the configuration to the workers; their output goes to the log."""

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run jobs until the queue is empty and yield each as it ends. The caller may push more in between."""

    def close(self) -> None:
        """Release all resources."""


def one_thread() -> threadpool_limits:
    """Limit torch and NumPy's BLAS to one thread each, and choose exact GPU kernels.

    Results then depend neither on the number of cores nor on that of workers, and workers do not compete for cores.

    Returns: the limit on BLAS, which lasts until its `restore_original_limits`.
    """
    import torch

    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    return threadpool_limits(limits=1, user_api="blas")


def keep_freed_memory() -> None:
    """Make glibc keep freed memory instead of returning it to the system; with other C libraries nothing happens.

    Every step frees its activations. With glibc's defaults the kernel zeroes the same pages anew in the next step:
    about a quarter of the time of small-cnn on CPUs. A worker then holds its peak memory, which it needs anyway.
    For processes that edgesim starts only.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is not None:  # other C libraries have none
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20)):
            allocator(option, value)
