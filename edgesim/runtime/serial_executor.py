"""Runs jobs in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgesim.runtime.executor import Timesheet, one_thread

if TYPE_CHECKING:
    from edgesim.runtime.failures import Failure
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.runtime.scheduler import JobQueue
    from edgesim.runtime.worker import Worker
    from edgesim.scenario.experiment import ExperimentConfig


class SerialExecutor:
    """Runs jobs in this process."""

    def __init__(self) -> None:
        self.sheet = Timesheet(hosts=1)
        self._worker: Worker | None = None
        self._threads = 0
        self._limits: Any = None

    def open(self, config: ExperimentConfig) -> None:
        """Create the worker."""
        import torch

        from edgesim.runtime.worker import Worker

        self._threads = torch.get_num_threads()
        self._limits = one_thread()
        self._worker = Worker(config)

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run the jobs in their order."""
        assert self._worker is not None, "open comes first"
        while len(queue):
            jobs = queue.take()
            started_s = time.perf_counter()
            outcomes = self._worker.run(jobs)
            self.sheet.jobs.append((started_s, time.perf_counter()))
            yield from zip(jobs, outcomes, strict=True)

    def close(self) -> None:
        """Release the worker and restore torch's number of threads."""
        if self._threads:
            import torch

            torch.set_num_threads(self._threads)
            self._limits.restore_original_limits()
            self._threads = 0
        self._worker = None
