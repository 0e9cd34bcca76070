"""How a run goes, on a terminal (a bar) or in a log (plain lines)."""

from __future__ import annotations

import math
import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from edgesim.records import Record

LINE_EVERY_S = 10.0


def watcher() -> Watcher:
    """A bar where standard error is a terminal, else plain lines."""
    return Watcher(Console(stderr=True), bar=sys.stderr.isatty())


class Watcher:
    """Counts trials and devices and remembers the best and worst test accuracy so far."""

    def __init__(self, console: Console, bar: bool):
        self._console = console
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("trials"),
            TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        self._bar = Progress(*columns, console=console) if bar else None
        self._task: TaskID | None = None
        self._total = self._done = self._before = self._failed = self._devices = 0
        self._left: dict[tuple[int, int], int] = {}
        self._best, self._worst = -math.inf, math.inf
        self._started_s = self._said_s = 0.0

    def start(self, total: int, done: int, devices: int) -> None:
        """`total` trials in all, `done` of them before this session."""
        self._total, self._done, self._before, self._devices = total, done, done, devices
        self._started_s = self._said_s = time.monotonic()
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("running", total=total, completed=done, state="")
        else:
            resumed = f", {done} done before" if done else ""
            self._console.print(f"{total} trials on {devices} devices{resumed}", highlight=False)

    def record(self, record: Record) -> None:
        """A trial has ended."""
        self._done += 1
        self._failed += record.status != "ok"
        self._left[record.seed, record.device] = self._left.get((record.seed, record.device), 0) + 1
        if record.status == "ok":
            self._best = max(self._best, record.test_accuracy)
            self._worst = min(self._worst, record.test_accuracy)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, state=self._state())
        elif time.monotonic() - self._said_s > LINE_EVERY_S or self._done == self._total:
            self._said_s = time.monotonic()
            line = f"{self._done}/{self._total} trials, {self._state()}, {self._time_left()} left"
            self._console.print(line, highlight=False)

    def note(self, line: str) -> None:
        """Something a person should see."""
        self._console.print(line, highlight=False, markup=False)

    def stop(self) -> None:
        """Take the bar away; may be called more than once."""
        if self._bar:
            self._bar.stop()

    def _state(self) -> str:
        seen = len({device for _, device in self._left})
        parts = [f"{seen}/{self._devices} devices"]
        if self._best >= self._worst:
            parts.append(f"accuracy {self._worst:.3f} to {self._best:.3f}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        return ", ".join(parts)

    def _time_left(self) -> str:
        done = self._done - self._before
        left_s = (time.monotonic() - self._started_s) / done * (self._total - self._done) if done else 0.0
        return f"{left_s / 60:.0f} min" if left_s >= 100 else f"{left_s:.0f} s"
