"""Hosts of a run: hands them jobs, watches their time and memory, and replaces those that die or exceed a limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgesim.errors import RunError
from edgesim.formatting import duration, n_of, ranges, size
from edgesim.runtime import host_memory, time_limits
from edgesim.runtime.executor import Timesheet
from edgesim.runtime.failures import Cause, Failure
from edgesim.runtime.host_memory import MemoryWatch
from edgesim.runtime.host_output import Mark
from edgesim.runtime.jobs import Job, Outcome, methods_of
from edgesim.runtime.output_excerpts import excerpt, printed_for, with_excerpts
from edgesim.runtime.ray_host import RayHost
from edgesim.runtime.run_log import RunLog
from edgesim.runtime.scheduler import JobQueue
from edgesim.runtime.time_limits import TimeLimits

if TYPE_CHECKING:
    from edgesim.scenario.experiment import ExperimentConfig

MOST_FAILED_STARTS = 3
"""hosts that may fail to start in a row before the run ends"""
START_TIMEOUT_S = 600.0
"""time that hosts may take to start"""
WATCH_EVERY_S = 0.25
"""interval of the looks at the hosts' times and memory"""
JOIN_EVERY_S = 5.0
"""interval of the looks for nodes that have joined"""

Ended = tuple[Job, Outcome | Failure]


@dataclass
class _Call:
    """Jobs that a host has been given."""

    host: RayHost
    jobs: list[Job]
    started_s: float
    note_at_s: float | None = None
    """seconds after which the user is told next that it runs so long"""

    def where(self, mark: Mark | None) -> str:
        """What runs, in words.

        Args:
            mark: of the host; None where it is not known.
        """
        if mark is not None:
            return str(mark)
        methods = ", ".join(dict.fromkeys(method for job in self.jobs for method in methods_of(job)))
        return f"seed {self.jobs[0].spec.seed}, device {ranges(job.spec.index for job in self.jobs)}, {methods}"


class HostPool:
    """The hosts, each with at most one call."""

    def __init__(self, hosts: list[RayHost], new_host: Callable[[int], RayHost], log: RunLog, sheet: Timesheet):
        """Take hosts that are being opened.

        Args:
            hosts: numbered from 0.
            new_host: makes a host of a number, which begins to open.
            log: of the run.
            sheet: working times, added to.
        """
        self._hosts, self._new_host, self._log, self._sheet = hosts, new_host, log, sheet
        self._idle: list[RayHost] = []
        self._opening: dict[Any, RayHost] = {}
        self._running: dict[Any, _Call] = {}
        self.hosts_wanted: Callable[[], int] = lambda: len(self._hosts)
        """number of hosts that there is room for now; a cluster's nodes may join during the run"""
        self._failed_starts = 0
        self._watched_s = self._joined_s = 0.0
        self._waits_since_s: float | None = None
        """time since when no host runs"""

    def begin(self, config: ExperimentConfig) -> None:
        """Begin to use the hosts, all of which are open.

        Raises:
            RunError: a host uses more memory than `run.host_memory_bytes` before its first job.
        """
        self._idle, self._sheet.hosts = list(self._hosts), len(self._hosts)
        self._times = TimeLimits(config)
        limit = config.limits.host_memory_bytes
        self._memory = MemoryWatch(limit, sum(host.is_local for host in self._hosts))
        most = max(host.memory_bytes() for host in self._hosts) if limit is not None else 0
        if limit is not None and most > limit:
            raise RunError(
                f"{host_memory.KEY}: a host uses {size(most)} before its first job; got {size(limit)}, "
                f"give at least {size(2 * most, 2)}"
            )

    def stream(self, queue: JobQueue) -> Iterator[Ended]:
        """Run jobs until the queue is empty and yield each as it ends. The caller may push more in between.

        Raises:
            RunError: new hosts die while they start.
        """
        import ray

        while len(queue) or self._running:
            while self._idle and len(queue):
                host, jobs = self._idle.pop(), queue.take()
                host.calls += 1
                self._running[host.actor.run.remote(jobs)] = _Call(host, jobs, time.perf_counter())
            self._check_start()
            waited_for = [*self._running, *self._opening]
            done, _ = ray.wait(waited_for, num_returns=1, timeout=WATCH_EVERY_S)
            for reference in done:
                if reference in self._opening:
                    self._opened(reference)
                else:
                    yield from self._ended(reference)
            if time.perf_counter() - self._watched_s > WATCH_EVERY_S:
                self._watched_s = time.perf_counter()
                yield from self._over_limits()
            if time.perf_counter() - self._joined_s > JOIN_EVERY_S:
                self._joined_s = time.perf_counter()
                self._join()

    def released(self) -> list[RayHost]:
        """The hosts, alive, for another pool; none, and all ended, where one is at work or was lost."""
        if self._running or self._opening or len(self._idle) < len(self._hosts):
            self.close()
        hosts, self._hosts = self._hosts, []
        return hosts

    def close(self) -> None:
        """End the hosts."""
        for host in self._hosts:
            host.end()
        for host in self._hosts:
            host.wait()
            host.close()
        self._hosts = []

    def _ended(self, reference: Any) -> Iterator[Ended]:
        """Outcomes of a call that has ended, one way or another."""
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        call = self._running.pop(reference)
        wall_s = time.perf_counter() - call.started_s
        try:
            outcomes, printed = ray.get(reference)
        except RayTaskError as error:  # outcomes could not be sent, for example
            self._idle.append(call.host)
            reason, is_alone = _first_line(getattr(error, "cause", None) or error), len(call.jobs) == 1
            yield from ((job, Failure(reason, str(error), is_alone=is_alone)) for job in call.jobs)
        except OutOfMemoryError as error:
            reason = "Ray's memory monitor ended its host: the machine's memory was nearly full"
            yield from self._lost(call, "memory", reason, str(error))
        except RayError as error:
            yield from self._lost(call, "lost", "its host died", _without_guesses(error))
        else:
            self._idle.append(call.host)
            self._sheet.jobs.append((call.started_s, call.started_s + wall_s))
            self._times.ended(call.jobs, wall_s)
            self._log.output(call.host.number, printed)
            yield from zip(call.jobs, with_excerpts(call.jobs, outcomes, printed), strict=True)

    def _over_limits(self) -> Iterator[Ended]:
        """Calls that exceed a limit: their hosts are replaced. The user is told of those that run long."""
        now = time.perf_counter()
        for reference, call in list(self._running.items()):
            call.host.bound_output()
            wall_s = now - call.started_s
            if not self._times.may_be_over(wall_s):
                continue
            limit_s = self._times.limit_s(call.jobs)
            if wall_s > limit_s:
                yield from self._replaced(reference, "timeout", self._times.reason(limit_s))
            elif wall_s > (call.note_at_s or self._times.note_after_s(limit_s)):
                call.note_at_s = 2 * wall_s
                self._log.note(
                    f"waiting: {call.where(call.host.at())} has run for {duration(wall_s)} on host {call.host.number}; "
                    f"the limit is {duration(limit_s)} ({time_limits.KEY})"
                )
        calls = {call.host: reference for reference, call in self._running.items() if call.host.is_local}
        found = self._memory.over(list(calls))
        if found is not None:
            yield from self._replaced(calls[found[0]], "memory", found[1])

    def _replaced(self, reference: Any, cause: Cause, reason: str) -> Iterator[Ended]:
        """Failures of a call whose host is replaced for a limit; its outcomes where it has just ended."""
        import ray

        if ray.wait([reference], timeout=0)[0]:
            yield from self._ended(reference)
            return
        call = self._running.pop(reference)
        yield from self._lost(call, cause, reason, "")

    def _lost(self, call: _Call, cause: Cause, reason: str, detail: str) -> Iterator[Ended]:
        """Replace the host of a call, and fail its jobs. The new one opens the configuration while the others run."""
        host = call.host
        mark = host.at()
        host.end()
        host.wait()
        printed = host.last_output()
        host.close()
        self._log.output(host.number, printed)
        is_alone = len(call.jobs) == 1
        trials = {trial[:3] for job in call.jobs for trial in job.trials}
        is_known = mark is not None and (mark.seed, mark.device, mark.method) in trials
        suspect, phase = (mark.method, mark.phase) if mark is not None and is_known else ("", "")
        phase = phase and ("training" if phase == "training" else "scoring")
        with_others = "" if is_alone else f" with {n_of(len(call.jobs), 'job')}"
        self._log.write("info", f"lost{with_others} at {call.where(mark)}: {reason}", f"host {host.number}")
        self._open_anew(host)
        for job in call.jobs:
            output = excerpt(printed_for(printed, job))
            yield job, Failure(reason, detail, cause, is_alone, suspect, phase, host.calls == 1, output)

    def _open_anew(self, host: RayHost) -> None:
        fresh = self._new_host(host.number)
        self._hosts[self._hosts.index(host)] = fresh
        self._opening[fresh.opening] = fresh

    def _check_start(self) -> None:
        """End a run that has waited too long for a host to start.

        Raises:
            RunError: no host runs, and none has started for START_TIMEOUT_S.
        """
        if self._running:
            self._waits_since_s = None
        elif self._waits_since_s is None:
            self._waits_since_s = time.perf_counter()
        elif time.perf_counter() - self._waits_since_s > START_TIMEOUT_S:
            raise RunError(f"all hosts were lost, and none started within {START_TIMEOUT_S:.0f} s; go on with --resume")

    def _join(self) -> None:
        """Open more hosts where nodes have joined. Those of a node that has left wait for room."""
        for number in range(len(self._hosts), self.hosts_wanted()):
            fresh = self._new_host(number)
            self._hosts.append(fresh)
            self._opening[fresh.opening] = fresh
            self._log.write("info", "joins", f"host {number}")
        self._sheet.hosts = len(self._hosts)

    def _opened(self, reference: Any) -> None:
        """Use a host that has opened, or replace it where it could not.

        Raises:
            RunError: too many in a row could not.
        """
        import ray
        from ray.exceptions import RayError

        host = self._opening.pop(reference)
        try:
            host.opened(ray.get(reference))
        except RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                message = f"{MOST_FAILED_STARTS} hosts in a row died while they started: {_first_line(error)}"
                raise RunError(message) from error
            host.end()
            host.close()
            self._open_anew(host)
        else:
            self._failed_starts = 0
            self._idle.append(host)


def _without_guesses(error: BaseException) -> str:
    """Ray's message on a lost host, without the identifiers and the list of common causes that it always has."""
    lines = [line for line in str(error).partition("Some common causes")[0].splitlines() if not line.startswith("\t")]
    return " ".join(line.strip() for line in lines)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
