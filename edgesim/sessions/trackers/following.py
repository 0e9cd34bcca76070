"""Hands a run's events to its trackers, without stopping or slowing the run.

Each tracker works in a thread of its own, behind a queue. One that raises is named once and left out from then on.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import fmean, stdev
from typing import Any

from edgesim.config.user_code import boundary
from edgesim.errors import EdgesimError
from edgesim.records import Record, Trial
from edgesim.results import run_info
from edgesim.results.run_folder import Run
from edgesim.sessions.progress import Progress
from edgesim.sessions.trackers.base import About, Cell, Tracker, find

VALUES = ("test_accuracy", "local_accuracy", "device_time_s", "device_energy_j")
"""columns of a record whose means are followed while the run goes; those of another task's metrics as well"""
LONGEST_END_S = 120.0
"""seconds that a run waits at its end for a tracker to write what it has"""


class _Thread:
    """One tracker at work in a thread of its own."""

    def __init__(self, name: str, make: Callable[[], Tracker], say: Callable[[str], None]):
        self._name, self._make, self._say = name, make, say
        self._calls: queue.SimpleQueue[tuple[str, tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._broken = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def call(self, method: str, *arguments: Any) -> None:
        """Queue a call; it returns at once."""
        if not self._broken.is_set():
            self._calls.put((method, arguments))

    def end(self) -> None:
        """Wait for the last call."""
        self._calls.put(None)
        self._thread.join(LONGEST_END_S)
        if self._thread.is_alive():
            self._say(f"the tracker {self._name} has not ended after {LONGEST_END_S:.0f} s; what it holds may be lost")

    def _work(self) -> None:
        try:
            with boundary(f"the tracker {self._name} failed"):
                tracker = self._make()
                while (call := self._calls.get()) is not None:
                    getattr(tracker, call[0])(*call[1])
        except EdgesimError as error:
            self._broken.set()
            self._say(f"{error}; the run goes on without it")


class Followed:
    """Progress of a run that its trackers see, too."""

    def __init__(self, progress: Progress, trackers: Mapping[str, Callable[[], Tracker]], about: About):
        self._progress, self._values = progress, defaultdict[Cell, dict[str, list[float]]](lambda: defaultdict(list))
        self._said = threading.Lock()
        self._threads = [_Thread(name, make, self._say) for name, make in trackers.items()]
        self._call("begin", about)

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Begin."""
        self._progress.start(expected, done, devices)

    def record(self, record: Record) -> None:
        """Count a trial that has ended."""
        self._progress.record(record)
        if record.status != "ok" or not self._threads:
            return
        cell = Cell(record.method, record.keep_ratio)
        seen = self._values[cell]
        found = {name: getattr(record, name) for name in VALUES} | dict(record.metrics or {})
        for name, value in found.items():
            if value == value:  # NaN is not
                seen[name].append(float(value))
        values = {name: fmean(numbers) for name, numbers in seen.items()}
        values |= {f"{name}_sd": stdev(numbers) for name, numbers in seen.items() if len(numbers) > 1}
        self._call("trial_ended", cell, max(map(len, seen.values()), default=0), values)

    def note(self, line: str) -> None:
        """Show a line to the user."""
        self._progress.note(line)

    def stop(self) -> None:
        """End."""
        self._progress.stop()

    def finish(self, run: Run) -> None:
        """Hand over curves, table and files of the finished run."""
        self._call("finish", run)

    def end(self, status: str) -> None:
        """End every tracker; `status` is finished, interrupted or failed."""
        self._call("stop", status)
        for thread in self._threads:
            thread.end()

    def _say(self, line: str) -> None:
        with self._said:
            self._progress.note(line)

    def _call(self, method: str, *arguments: Any) -> None:
        for thread in self._threads:
            thread.call(method, *arguments)


@contextmanager
def following(progress: Progress, names: Sequence[str], about: About) -> Iterator[Followed]:
    """Progress that these trackers follow, while the `with` block lasts. Ends them however it ends.

    Args:
        progress: receiver of the progress, and of the sentence on a tracker that fails.
        names: of TRACKERS.
        about: the run.
    """
    followed = Followed(progress, {name: partial(find, name) for name in dict.fromkeys(names)}, about)
    status = run_info.FAILED
    try:
        yield followed
        status = run_info.FINISHED
    except KeyboardInterrupt:
        status = run_info.INTERRUPTED
        raise
    finally:
        followed.end(status)


def parameters(document: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys of a document with their values as text; a list of plain values is one of them."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from parameters(value, f"{place}.{key}" if place else str(key))
    elif isinstance(document, list) and any(isinstance(one, dict | list) for one in document):
        for i, value in enumerate(document):
            yield from parameters(value, f"{place}[{i}]")
    else:
        yield place, ", ".join(map(str, document)) if isinstance(document, list) else str(document)
