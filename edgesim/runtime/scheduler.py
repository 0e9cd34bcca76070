"""Order of jobs: the queue that workers are served from."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from edgesim.runtime.jobs import Job
from edgesim.runtime.stacking import fills_stack

SHORT_FLOPS = 2e9
"""a device whose trials are expected to take less in all (some 0.1 s of a core) is one job"""
BUNDLE_FLOPS = 2e9
"""jobs that are expected to take less together (some 0.1 s of a core) go to a worker in one call: a call costs 1 to
2 ms, more than the work of a device with a dozen samples"""


@dataclass
class JobQueue:
    """Jobs that continue a device come first, the longest of them first; then first jobs, the longest first.

    So the trainings of a device follow its scoring. Little waits in memory, and a kill loses little. The last jobs of a
    run are small, so no long one runs alone at the end.
    """

    _heap: list[tuple[bool, float, int, Job]] = field(default_factory=list)
    _count: int = 0

    def push(self, job: Job, expected_flops: float, is_first: bool = False) -> None:
        """Add a job. Equal ones keep their order.

        Args:
            job: to run.
            expected_flops: of the job.
            is_first: True for the first job of a device, which others will follow.
        """
        heapq.heappush(self._heap, (is_first, -expected_flops, self._count, job))
        self._count += 1

    def take(self) -> list[Job]:
        """Take the next job and those behind it: as many as fill a stack, or as are short together."""
        taken: list[Job] = []
        total = 0.0
        while self._heap:
            job, flops = self._heap[0][3], -self._heap[0][1]
            stack_is_full = fills_stack(taken, job)
            is_full = total + flops > BUNDLE_FLOPS if stack_is_full is None else stack_is_full
            if taken and is_full:
                break
            total += flops
            taken.append(heapq.heappop(self._heap)[3])
        return taken

    def __len__(self) -> int:
        return len(self._heap)
