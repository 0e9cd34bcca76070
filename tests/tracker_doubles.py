"""Trackers for tests. They work in processes of their own, and note what they see in a file beside the run folder."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edgesim.sessions.trackers import About, Cell, Tracker

if TYPE_CHECKING:
    from edgesim.results.run_folder import Run


class Noting(Tracker):
    """Notes every call."""

    def begin(self, about: About) -> None:
        self.file = about.folder.parent / f"{type(self).__name__}.txt"
        self.note(f"begin {os.getpid()}")

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        assert {"test_accuracy", "device_time_s"} <= set(values)
        self.note(f"{cell} {trials}")

    def finish(self, run: Run) -> None:
        self.note(f"finish {len(run.records)}")

    def stop(self, status: str) -> None:
        self.note(status)

    def note(self, line: str) -> None:
        with self.file.open("a") as file:
            file.write(f"{line}\n")


class Broken(Tracker):
    """Takes the beginning, and fails at the first trial."""

    def begin(self, about: About) -> None:
        assert about.trials == 18
        assert about.parameters["training.epochs"] == "2"

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        raise OSError("no room\nat all")


class Slow(Noting):
    """Takes a second for the means of a cell."""

    def trial_ended(self, cell: Cell, trials: int, values: Mapping[str, float]) -> None:
        time.sleep(1)
        super().trial_ended(cell, trials, values)


class Hanging(Noting):
    """Begins, and never ends that."""

    def begin(self, about: About) -> None:
        super().begin(about)
        time.sleep(1000)


class Leaving(Tracker):
    """Ends its process, as a library in C may; prints before, as does a process that it starts."""

    def begin(self, about: About) -> None:
        print("about to begin")
        os.system("echo another process")
        self.leave()

    def leave(self) -> None:
        os._exit(0)


class Crashing(Leaving):
    """Crashes."""

    def leave(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Looking(Noting):
    """Notes which large packages its process has imported."""

    def begin(self, about: About) -> None:
        super().begin(about)
        heavy = sorted({"torch", "ray", "pandas", "pytest"} & set(sys.modules))
        self.note(f"imported: {heavy}")
