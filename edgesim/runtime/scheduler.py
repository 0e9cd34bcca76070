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
_ALONE = 1


@dataclass
class JobQueue:
    """Jobs that continue a device come first, the longest of them first; then first jobs, the longest first.

    So the trainings of a device follow its scoring. Little waits in memory, and a kill loses little. The last jobs of a
    run are small, so no long one runs alone at the end. Jobs that may cost their host come after all others, in
    rounds: the shortest first, each by itself.
    """

    _heap: list[tuple[int, float, int, Job]] = field(default_factory=list)
    _count: int = 0

    def push(self, job: Job, expected_flops: float, is_first: bool = False, alone_in_round: int = 0) -> None:
        """Add a job. Equal ones keep their order.

        Args:
            job: to run.
            expected_flops: of the job.
            is_first: True for the first job of a device, which others will follow.
            alone_in_round: round from 1 of a job that runs by itself after all others; 0 = any other job.
        """
        place = (_ALONE + alone_in_round, expected_flops) if alone_in_round else (int(is_first), -expected_flops)
        heapq.heappush(self._heap, (*place, self._count, job))
        self._count += 1

    def take(self) -> list[Job]:
        """Take the next job and those behind it: as many as fill a stack, or as are short together."""
        taken: list[Job] = []
        total = 0.0
        while self._heap:
            rank, size, _, job = self._heap[0]
            if rank > _ALONE:
                return taken or [heapq.heappop(self._heap)[3]]
            flops = -size
            stack_is_full = fills_stack(taken, job)
            is_full = total + flops > BUNDLE_FLOPS if stack_is_full is None else stack_is_full
            if taken and is_full:
                break
            total += flops
            taken.append(heapq.heappop(self._heap)[3])
        return taken

    def take_all(self) -> list[Job]:
        """Take every job, in order, to push some of them anew."""
        taken = [entry[3] for entry in sorted(self._heap)]
        self._heap.clear()
        return taken

    def __len__(self) -> int:
        return len(self._heap)
