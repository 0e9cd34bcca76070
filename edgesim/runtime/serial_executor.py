"""Runs jobs in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edgesim.runtime.executor import Timesheet, one_thread
from edgesim.runtime.host_output import CopiedOutput

if TYPE_CHECKING:
    from edgesim.runtime.failures import Failure
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.runtime.run_log import RunLog
    from edgesim.runtime.scheduler import JobQueue
    from edgesim.runtime.worker import Worker
    from edgesim.scenario.experiment import ExperimentConfig


class SerialExecutor:
    """Runs jobs in this process. It cannot end one, so the limits of the scenario's `run` part do not hold."""

    def __init__(self) -> None:
        self.sheet = Timesheet(hosts=1)
        self._log: RunLog | None = None
        self._output = CopiedOutput()
        self._worker: Worker | None = None
        self._threads = 0
        self._limits: Any = None

    def open(self, config: ExperimentConfig, log: RunLog) -> None:
        """Create the worker."""
        import torch

        from edgesim.runtime.worker import Worker

        self._threads = torch.get_num_threads()
        self._limits = one_thread()
        self._log = log
        self._worker = Worker(config, self._output.mark)

    def stream(self, queue: JobQueue) -> Iterator[tuple[Job, Outcome | Failure]]:
        """Run the jobs in their order."""
        from edgesim.runtime.output_excerpts import with_excerpts

        assert self._worker is not None, "open comes first"
        assert self._log is not None
        while len(queue):
            jobs = queue.take()
            started_s = time.perf_counter()
            with self._output.copied():
                outcomes = self._worker.run(jobs)
            printed = self._output.take()
            self._log.output(0, printed)
            self.sheet.jobs.append((started_s, time.perf_counter()))
            yield from zip(jobs, with_excerpts(jobs, outcomes, printed), strict=True)

    def close(self) -> None:
        """Release the worker and restore torch's number of threads."""
        if self._threads:
            import torch

            torch.set_num_threads(self._threads)
            self._limits.restore_original_limits()
            self._threads = 0
        self._worker = None
