"""Hands a run's events to its trackers, without stopping or slowing the run.

Each tracker works in a process of its own (`process`). One that fails is named once and left out from then on.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgesim.formatting import listed
from edgesim.records import Record, Trial
from edgesim.results import run_info
from edgesim.results.run_folder import Run
from edgesim.sessions.progress import Progress
from edgesim.sessions.trackers.base import About, Cell
from edgesim.sessions.trackers.process import TrackerProcess

VALUES = ("test_accuracy", "local_accuracy", "device_time_s", "device_energy_j")
"""columns of a record whose means are followed while the run goes; those of another task's metrics as well"""
LONGEST_END_S = 30.0
"""seconds that a command waits for trackers, once the run has ended"""
SILENT_END_S = 1.0
"""of these, seconds before it says so"""


class WaitStopped(KeyboardInterrupt):
    """Ctrl-C, or another signal, during the wait for the trackers of a finished run."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder
        """of the run"""


class _Spread:
    """Mean and standard deviation of values that come one by one (Welford's algorithm)."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self._squares += before * (value - self.mean)

    @property
    def deviation(self) -> float:
        """Standard deviation, of two values or more."""
        return math.sqrt(self._squares / (self.count - 1))


class Followed:
    """Progress of a run that its trackers see, too."""

    def __init__(self, progress: Progress, trackers: Sequence[str], about: About):
        self._progress, self._values = progress, defaultdict[Cell, dict[str, _Spread]](lambda: defaultdict(_Spread))
        self._said = threading.Lock()
        self._trackers = [TrackerProcess(name, about.folder, self._say) for name in trackers]
        self._call("begin", about)

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Begin."""
        self._progress.start(expected, done, devices)

    def record(self, record: Record) -> None:
        """Count a trial that has ended."""
        self._progress.record(record)
        if record.status != "ok" or not self._trackers:
            return
        cell = Cell(record.method, record.keep_ratio)
        seen = self._values[cell]
        found = {name: getattr(record, name) for name in VALUES} | dict(record.metrics or {})
        for name, value in found.items():
            if value == value:  # NaN is not
                seen[name].add(float(value))
        values = {name: spread.mean for name, spread in seen.items()}
        values |= {f"{name}_sd": spread.deviation for name, spread in seen.items() if spread.count > 1}
        self._call("trial_ended", cell, max((spread.count for spread in seen.values()), default=0), values)

    def note(self, line: str) -> None:
        """Show a line to the user."""
        self._progress.note(line)

    def stop(self) -> None:
        """End."""
        self._progress.stop()

    def finish(self, run: Run) -> None:
        """Hand over the finished run, whose curves, table and files the trackers read."""
        self._call("finish", run.path)

    def end(self, status: str) -> bool:
        """End every tracker, and wait for what it has to write; one that takes longer goes on by itself.

        Args:
            status: finished, interrupted or failed.

        Returns: False where Ctrl-C ended the wait.
        """
        self._call("stop", status)
        for tracker in self._trackers:
            tracker.hurry()
        limit_s = time.monotonic() + LONGEST_END_S
        why, is_awaited = f"has not ended after {LONGEST_END_S:.0f} s", True
        try:
            if working := self._working(min(limit_s, time.monotonic() + SILENT_END_S)):
                self._say(f"waiting for {listed([tracker.name for tracker in working])} …")
                self._working(limit_s)
        except KeyboardInterrupt:
            why, is_awaited = "is not waited for", False
        for tracker in self._working(0.0):
            self._say(f"the tracker {tracker.name} {why}; {tracker.leave()}")
        return is_awaited

    def _working(self, until_s: float) -> list[TrackerProcess]:
        """Trackers that have not ended by a time of `time.monotonic`."""
        return [one for one in self._trackers if not one.ended.wait(max(0.0, until_s - time.monotonic()))]

    def _say(self, line: str) -> None:
        with self._said, contextlib.suppress(OSError):  # the terminal may be closed
            self._progress.note(line)

    def _call(self, method: str, *arguments: Any) -> None:
        for tracker in self._trackers:
            tracker.call(method, *arguments)


@contextmanager
def following(progress: Progress, names: Sequence[str], about: About) -> Iterator[Followed]:
    """Progress that these trackers follow, while the `with` block lasts. Ends them however it ends.

    Args:
        progress: receiver of the progress, and of the sentence on a tracker that fails.
        names: of TRACKERS.
        about: the run.

    Raises:
        WaitStopped: a signal ended the wait for the trackers; the block itself had ended.
    """
    followed = Followed(progress, list(dict.fromkeys(names)), about)
    status, is_awaited = run_info.FAILED, True
    try:
        yield followed
        status = run_info.FINISHED
    except KeyboardInterrupt:
        status = run_info.INTERRUPTED
        raise
    finally:
        is_awaited = followed.end(status)
    if not is_awaited:
        raise WaitStopped(about.folder)


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
