"""What an executor is, its queue, and the boundary at which any exception of a job becomes a `Failure`."""

from __future__ import annotations

import heapq
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from threadpoolctl import threadpool_limits

from edgesim.errors import EdgesimError
from edgesim.training.settings import STACK_SLOTS

if TYPE_CHECKING:
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.scenario.experiment import ExperimentConfig


BUNDLE_FLOPS = 2e9
"""jobs that are expected to take less than this together (some 0.1 s of a core) go to a host in one call: a call costs
1 to 2 ms, which a device with a dozen samples does not"""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h of glibc


@dataclass(frozen=True)
class Failure:
    """What became of a job that raised."""

    reason: str
    detail: str = ""
    """the traceback, for the log"""


@dataclass
class JobQueue:
    """Jobs that go on with something begun first, the longest of them first; then new ones, the longest first.

    So a device's trainings follow its scoring: little waits in memory, little is lost by a kill, and the last jobs of
    a run are small ones, none of which runs alone for long.
    """

    _heap: list[tuple[bool, float, int, Job]] = field(default_factory=list)
    _count: int = 0

    def push(self, job: Job, expected_flops: float, begins: bool = False) -> None:
        """Add a job; `begins` for one that others will follow. Equal ones keep their order."""
        heapq.heappush(self._heap, (begins, -expected_flops, self._count, job))
        self._count += 1

    def take(self) -> list[Job]:
        """The next job, and those behind it: as many as fill a stack, or as are short together."""
        taken: list[Job] = []
        total = 0.0
        while self._heap:
            job, flops = self._heap[0][3], -self._heap[0][1]
            stacks = _has_slot(job) and all(map(_has_slot, taken))
            if taken and (len(taken) == STACK_SLOTS if stacks else total + flops > BUNDLE_FLOPS):
                break
            total += flops
            taken.append(heapq.heappop(self._heap)[3])
        return taken

    def __len__(self) -> int:
        return len(self._heap)


@dataclass
class Timesheet:
    """When which host worked, by the driver's clock: from handing a job out to having its outcome."""

    hosts: int = 0
    jobs: list[tuple[float, float]] = field(default_factory=list)
    """(start_s, end_s) of every call, which may be of several small jobs, `time.perf_counter`"""

    def span_s(self) -> float:
        """From the first job's start to the last one's end."""
        return max(end for _, end in self.jobs) - min(start for start, _ in self.jobs) if self.jobs else 0.0

    def idle_share(self, last: float = 1.0) -> float:
        """Share of the hosts' time without a job, over the last part of the span.

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
        """For run.json."""
        shares = {"idle_share": self.idle_share(), "idle_share_last_tenth": self.idle_share(0.1)}
        return {"hosts": self.hosts, "jobs": len(self.jobs), "jobs_span_s": self.span_s(), **shares}


def _has_slot(job: Job) -> bool:
    return job.spec.slot is not None


class Executor(Protocol):
    """Where jobs run."""

    sheet: Timesheet
    """when its hosts worked"""

    def open(self, setting: ExperimentConfig) -> None:
        """Make the setting known to the hosts."""

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run jobs until the queue is empty, yielding each as it ends. The caller may push more in between."""

    def close(self) -> None:
        """Give everything back."""


def attempt(host: Any, jobs: Sequence[Job]) -> list[Outcome | Failure]:
    """Run jobs together on a `hosting.Worker`; what one raises becomes its own Failure, which says what and where."""
    begun = {number: _caught(host.begin, job) for number, job in enumerate(jobs)}
    alive = {number: entry for number, entry in begun.items() if not isinstance(entry, Failure)}
    for stack in host.stacks(alive):
        begun |= _train(host, stack, alive)
    return [entry if isinstance(entry, Failure) else _caught(host.finish, entry) for entry in begun.values()]


def _train(host: Any, stack: Mapping[Any, Any], begun: Mapping[int, Any]) -> dict[int, Failure]:
    """Train a stack; where it fails, each of its members as a stack of one, which computes the same. Who failed."""
    failure = _caught(host.train, stack, begun)
    if not isinstance(failure, Failure):
        return {}
    if len(stack) == 1:
        return {place.job: failure for place in stack}
    return {n: why for place in stack for n, why in _train(host, {place: stack[place]}, begun).items()}


def _caught(work: Callable[..., Any], *arguments: Any) -> Any:
    """The value of a call, or what it raised as a Failure."""
    try:
        return work(*arguments)
    except EdgesimError as error:
        return Failure(str(error), traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - the boundary: one job's error must not end the run
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(last.filename)}:{last.lineno}"
        return Failure(f"{type(error).__name__}: {error} (in {place})", traceback.format_exc())


def one_thread() -> threadpool_limits:
    """One thread for torch and one for NumPy's BLAS; exact GPU kernels.

    So results depend on neither the number of cores nor that of hosts, and hosts do not fight over cores. The limit
    on BLAS lasts until `restore_original_limits` of what is returned.
    """
    import torch

    torch.set_num_threads(1)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    return threadpool_limits(limits=1, user_api="blas")


def keep_freed_memory() -> None:
    """Have glibc keep what is freed instead of giving it back to the system; elsewhere nothing happens.

    Every step frees its activations, and with glibc's defaults the next one has the kernel zero the same pages anew:
    about a quarter of the time of small-cnn on CPUs. What a host holds is then its peak, which it needs anyway. For
    processes of our own only.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is not None:  # other C libraries have none
        for option, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20)):
            allocator(option, value)


def log_detail(failure: Failure) -> None:
    """Write a failure's traceback to standard error where EDGESIM_DEBUG is set."""
    if failure.detail and os.environ.get("EDGESIM_DEBUG"):
        sys.stderr.write(failure.detail)
