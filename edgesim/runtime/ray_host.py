"""A host: one Ray actor that runs jobs, and the driver's handle on it."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgesim.runtime.executor import keep_freed_memory, one_thread
from edgesim.runtime.failures import Failure
from edgesim.runtime.host_output import MOST_BYTES, Mark, OutputFile, Printed, cut, mark_text, parts

if TYPE_CHECKING:
    from edgesim.runtime.jobs import Job, Outcome
    from edgesim.scenario.experiment import ExperimentConfig

END_WITHIN_S = 1.0
"""time that a process has to end"""
_MOST_FILE_BYTES = 4 * MOST_BYTES
_KEPT_CHARACTERS = 64_000
"""of the output that a host has written beyond _MOST_FILE_BYTES within one call"""


class HostPlace(NamedTuple):
    """Process of a host."""

    pid: int
    node: str
    """Ray's identifier of the machine"""
    output: str
    """path of the file that holds its output"""


class RayWorker:
    """The actor: one per CPU slot or share of a GPU. It runs many devices one after another."""

    def __init__(self, path: list[str]):
        """Take the driver's `sys.path`: a user's own method or model may live beside the scenario."""
        sys.path += [entry for entry in path if entry not in sys.path]
        self._output = OutputFile()
        keep_freed_memory()
        # Imported here, while the driver still prepares data: it takes seconds, a tenth of them in looks for garbage
        # among what imports create and keep.
        gc.disable()
        import edgesim.runtime.worker as worker

        gc.freeze()
        gc.enable()
        self._limits = one_thread()
        self._worker_module = worker
        self._worker: Any = None

    def open(self, config: ExperimentConfig, driver_node: str) -> HostPlace:
        """Take the configuration; its images stay in Ray's object store and are read without a copy.

        The driver reads the output's file on its own machine only; elsewhere the file loses its name here.
        """
        import ray

        self._worker = self._worker_module.Worker(config, self._output.mark)
        node = ray.get_runtime_context().get_node_id()
        if node != driver_node:
            os.unlink(self._output.path)
        return HostPlace(os.getpid(), node, self._output.path)

    def renew(self, config: ExperimentConfig) -> HostPlace:
        """Take the configuration of another run in place of the one before."""
        import ray

        self._worker = self._worker_module.Worker(config, self._output.mark)
        return HostPlace(os.getpid(), ray.get_runtime_context().get_node_id(), self._output.path)

    def run(self, jobs: list[Job]) -> tuple[list[Outcome | Failure], list[Printed]]:
        """Do some jobs together; return their outcomes and the output meanwhile."""
        outcomes: list[Outcome | Failure] = self._worker.run(jobs)
        return outcomes, self._output.take()


class RayHost:
    """The driver's handle on a host."""

    def __init__(self, number: int, actor: Any, config: Any, driver_node: str):
        """Let the actor open the configuration.

        Args:
            number: of the host, from 0; one that replaces another keeps its number.
            actor: the RayWorker.
            config: reference to the configuration in Ray's object store.
            driver_node: Ray's identifier of this machine.
        """
        self.number, self.actor = number, actor
        self.opening: Any = actor.open.remote(config, driver_node)
        """reference to its HostPlace"""
        self.calls = 0
        """bundles of jobs that the host has been given"""
        self._driver_node = driver_node
        self._process: Any = None
        self._file = -1

    def renew(self, config: Any) -> None:
        """Let the actor take the configuration of another run; a reference to it in Ray's object store."""
        self.opening, self.calls = self.actor.renew.remote(config), 0

    def opened(self, place: HostPlace) -> None:
        """Note where the host is. On this machine its output is read, and the file's name given up at once."""
        import psutil

        if self._process is not None:  # known from the run before
            return
        if place.node != self._driver_node:
            return
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(place.pid)
        with contextlib.suppress(OSError):
            self._file = os.open(place.output, os.O_RDWR | os.O_APPEND)
            os.unlink(place.output)

    @property
    def is_local(self) -> bool:
        """True where the host is a process of this machine."""
        return self._process is not None

    def last_output(self) -> list[Printed]:
        """Output that a lost host left behind; the last part is the work that it was at."""
        return parts(cut(self._file)) if self._file >= 0 else []

    def at(self) -> Mark | None:
        """Work that the host is at; None where it is not known."""
        if self._file < 0:
            return None
        text = os.pread(self._file, 2 * _MOST_FILE_BYTES, 0).decode(errors="replace")
        return next((part.mark for part in reversed(parts(text)) if part.mark), None)

    def bound_output(self) -> None:
        """Cut output that grows too long within one call; its end stays, and the mark of the work."""
        if self._file < 0 or os.fstat(self._file).st_size <= _MOST_FILE_BYTES:
            return
        mark, text = self.at(), cut(self._file)
        begun = mark_text(mark) if mark else ""
        os.write(self._file, f"{begun}… the output before is left out …\n{text[-_KEPT_CHARACTERS:]}".encode())

    def memory_bytes(self) -> int:
        """Memory that the process and its children hold alone; 0 where it is on another machine or gone."""
        import psutil

        total = 0
        if self._process is None:
            return total
        for pid in _with_children(self._process.pid):
            with contextlib.suppress(psutil.Error):
                info = psutil.Process(pid).memory_info()
                total += max(0, info.rss - getattr(info, "shared", 0))
        return total

    def end(self) -> None:
        """Ask the process to end."""
        import ray

        ray.kill(self.actor)

    def wait(self) -> None:
        """Wait for the process to end; a stopped one does not hear Ray and is killed."""
        import psutil

        if self._process is None:
            return
        with contextlib.suppress(psutil.Error):
            try:
                self._process.wait(END_WITHIN_S)
            except psutil.TimeoutExpired:
                self._process.kill()  # psutil looks whether the number is still that process's

    def close(self) -> None:
        """Let go of the output."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _with_children(pid: int) -> Sequence[int]:
    """A process and those that it has started, as far as Linux tells."""
    found, seen = [pid], 0
    while seen < len(found):
        for task in Path(f"/proc/{found[seen]}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
        seen += 1
    return found
