"""Progress of a run: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from edgesim import api
from edgesim.cli import terminal_table
from edgesim.cli.app import echo
from edgesim.formatting import n_of, visible
from edgesim.records import Record, Trial
from edgesim.tasks import ACCURACY, metric_in

LINE_EVERY_S = 10.0


class NotesOnly(api.Silent):
    """No progress, only the notes that a person should see."""

    def note(self, line: str) -> None:
        """Print a note that a person should see."""
        echo(line, err=True)


class NotesOnce:
    """Progress of one of several runs on the same data: what was said on data and methods is not said again."""

    ABOUT = "data: ", "methods: "

    def __init__(self, shown: api.Progress, said: set[str]):
        """Take the receiver, and the notes of the runs before, to which this one's are added."""
        self._shown, self._said = shown, said
        self.start, self.record, self.stop = shown.start, shown.record, shown.stop

    def note(self, line: str) -> None:
        """Show a note, unless it is on data or methods and was shown before."""
        if line.startswith(self.ABOUT) and line in self._said:
            return
        self._said.add(line)
        self._shown.note(line)


def watcher() -> Watcher:
    """A bar where standard error is a terminal, otherwise plain lines."""
    return Watcher(terminal_table.console(stderr=True), bar=sys.stderr.isatty())


def new_bar(console: Console) -> Progress:
    """A bar with trials, a `state` in words, the time so far, and the time `left` as text."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("trials"),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(), TextColumn("{task.fields[left]} left"), console=console,
    )  # fmt: skip


def time_text(seconds: float) -> str:
    """Rough time: '34 s', '3 min', or '?' where it is not known."""
    if not math.isfinite(seconds):
        return "?"
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


class Tally:
    """Counts of trials by outcome, and the lowest and highest test metric so far."""

    def __init__(self) -> None:
        self.done = 0
        self._failed = self._infeasible = 0
        self._seen: set[int] = set()
        self._highest, self._lowest = -math.inf, math.inf
        self._metric = ACCURACY

    def count(self, record: Record) -> None:
        """Count a trial that has ended."""
        self.done += 1
        self._failed += record.status == "failed"
        self._infeasible += record.status == "infeasible"
        self._seen.add(record.device)
        if record.status == "ok":
            self._metric = metric_in(record.metrics)
            value = record.metrics.get(self._metric.column(), record.test_accuracy)
            self._highest, self._lowest = max(self._highest, value), min(self._lowest, value)

    def text(self, devices: int) -> str:
        """The counts in words, for a fleet of so many devices."""
        parts = [f"{len(self._seen)}/{devices} devices"]
        if self._highest >= self._lowest:
            write = self._metric.value
            parts.append(f"{self._metric.title} {write(self._lowest)} to {write(self._highest)}")
        for count, word in ((self._failed, "failed"), (self._infeasible, "infeasible")):
            if count:
                parts.append(f"{count} {word}")
        return ", ".join(parts)


class Watcher:
    """Shows trials, devices, and the lowest and highest test accuracy (or metric of another task) so far."""

    def __init__(self, console: Console, bar: bool):
        self._console = console
        self._bar = new_bar(console) if bar else None
        self._task: TaskID | None = None
        self._expected: Mapping[Trial, float] = {}
        self._total = self._devices = 0
        self._work = self._work_done = 0.0
        self._tally = Tally()
        self._started_s = self._said_s = 0.0

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Begin with all trials and their expected work, and those done before this session."""
        self._expected, self._total, self._devices = expected, len(expected), devices
        self._tally.done = len(done)
        self._work = sum(work for trial, work in expected.items() if trial not in done)
        self._started_s = self._said_s = time.monotonic()
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("running", total=self._total, completed=len(done), state="", left="?")
        else:
            resumed = f", {len(done)} done before" if done else ""
            self._console.print(f"{n_of(self._total, 'trial')} on {n_of(devices, 'device')}{resumed}", highlight=False)

    def record(self, record: Record) -> None:
        """Count a trial that has ended."""
        self._tally.count(record)
        self._work_done += self._expected.get(record.trial, 0.0)
        done, state = self._tally.done, self._tally.text(self._devices)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, state=state, left=self._time_left())
        elif time.monotonic() - self._said_s > LINE_EVERY_S or done == self._total:
            self._said_s = time.monotonic()
            line = f"{done}/{self._total} trials, {state}, {self._time_left()} left"
            self._console.print(line, highlight=False)

    def note(self, line: str) -> None:
        """Print a note that a person should see."""
        self._console.print(visible(line), highlight=False, markup=False, emoji=False)

    def stop(self) -> None:
        """Remove the bar; may be called more than once."""
        if self._bar:
            self._bar.stop()

    def _time_left(self) -> str:
        """Estimate by the work that is done, not by trials: the longest ones run first."""
        if self._work_done == 0:
            return "?"
        return time_text(max(0.0, (time.monotonic() - self._started_s) * (self._work / self._work_done - 1)))
