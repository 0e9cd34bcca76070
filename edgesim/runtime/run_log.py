"""Log of a run: one line per event, each with time, level, host and trial. Hosts' own output goes there, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from edgesim.runtime.host_output import Printed, log_text

NAME = "run.log"
MOST_BYTES = 10_000_000
"""of the file; beyond, its older half goes"""
MOST_LINES = 200
"""lines of one part of a host's output; more are left out in the middle"""


class RunLog:
    """The log of a run folder. Lines of an earlier session stay."""

    def __init__(self, folder: Path | None = None, show: Callable[[str], None] | None = None):
        """Open nothing yet: a run without events has no log.

        Args:
            folder: of the run; None = events are only shown.
            show: receiver of the lines that a person should see at once.
        """
        self._folder, self._show = folder, show
        self._file: IO[str] | None = None
        self._size = 0

    def note(self, line: str) -> None:
        """Write a line, and show it to the user."""
        self.write("note", line)
        if self._show:
            self._show(line)

    def write(self, level: str, text: str, where: str = "driver") -> None:
        """Write an event.

        Args:
            level: `info`, `note`, `output` or `failed`.
            text: one line or several; each line of the log repeats time, level and place.
            where: host and trial.
        """
        if self._folder is None:
            return
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        lines = [log_text(line) for line in text.splitlines() if line.strip()]
        if len(lines) > MOST_LINES:
            left_out = f"… {len(lines) - MOST_LINES:,} lines are left out …"
            lines = [*lines[: MOST_LINES // 2], left_out, *lines[-(MOST_LINES // 2) :]]
        self._append("".join(f"{stamp} {level:<6} {where}: {line}\n" for line in lines))

    def output(self, host: int, printed: Sequence[Printed]) -> None:
        """Write what a host printed."""
        for part in printed:
            self.write("output", part.text, f"host {host}" + (f", {part.mark}" if part.mark else ""))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, text: str) -> None:
        """Write text. A log that cannot be written ends; the run goes on, and the user is told."""
        try:
            self._write(text)
        except OSError as error:
            self._file, self._folder = None, None
            if self._show:
                self._show(f"{NAME} cannot be written: {error.strerror or error}; the run goes on without it")

    def _write(self, text: str) -> None:
        assert self._folder is not None
        if self._file is None:
            self._file = (self._folder / NAME).open("a", encoding="utf-8", errors="replace")
            self._size = os.fstat(self._file.fileno()).st_size
        self._file.write(text)
        self._file.flush()
        self._size += len(text)
        if self._size > MOST_BYTES:
            self.close()
            _halve(self._folder / NAME)


def _halve(path: Path) -> None:
    """Leave out the older half of a log, up to the end of a line."""
    with path.open("rb") as file:
        file.seek(-MOST_BYTES // 2, os.SEEK_END)
        newer = file.read().partition(b"\n")[2]
    with path.open("wb") as file:
        file.write("… older lines are left out …\n".encode() + newer)
