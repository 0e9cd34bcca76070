"""Journal of a run: one line per result, written as each trial ends, each with a checksum (`serialization.to_line`).

A kill loses at most the trials in flight; a line that it cut short is left out. A full disk loses none of the lines
before it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from edgesim.config.output_files import cannot_write, write_text
from edgesim.errors import RunError
from edgesim.formatting import n_of
from edgesim.records import Trial, TrialResult
from edgesim.results.serialization import from_line, to_line

FILE = "journal.jsonl"
SYNC_EVERY_S = 1.0
"""seconds between two syncs of the journal; a killed process loses nothing, a power cut at most this"""


class Journal:
    """The journal of a run that is being written."""

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._file: int | None = None
        self._written = 0
        self._begin_of_last = 0
        self._synced_s = 0.0

    def begin(self, results: Iterable[TrialResult]) -> None:
        """Write a journal of all results so far: without a line that a kill cut short, with those of the tables.

        Raises:
            OutputError: it cannot be written.
        """
        lines = [to_line(result) for result in results]
        self._written = len(lines)
        write_text(self.path, "".join(lines), "; then repeat the command")
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def append(self, result: TrialResult) -> None:
        """Write one result down at once.

        Raises:
            OutputError: it cannot be written; the journal ends with the line before.
        """
        assert self._file is not None, "begin comes first"
        text = to_line(result).encode()
        self._begin_of_last = end = os.fstat(self._file).st_size
        try:
            left = memoryview(text)
            while left:
                left = left[os.write(self._file, left) :]
            if time.monotonic() - self._synced_s > SYNC_EVERY_S:
                os.fsync(self._file)
                self._synced_s = time.monotonic()
        except OSError as error:
            with contextlib.suppress(OSError):  # else the reader leaves out the line without an end
                os.ftruncate(self._file, end)
            safe = f"{n_of(self._written, 'result')} in it {'is' if self._written == 1 else 'are'} safe"
            then = f", and go on with the same command and --resume ({safe})"
            raise cannot_write(self.path, error, then) from None
        self._written += 1

    def last(self) -> TrialResult | None:
        """The result that was written last; None where there is none, or its line was cut short."""
        if self._file is None:
            return None
        with self.path.open("rb") as file:
            file.seek(self._begin_of_last)
            line = file.read().decode()
        return from_line(line) if line.count("\n") == 1 and line.endswith("\n") else None

    def close(self) -> None:
        """End writing; may be called more than once."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read(path: Path) -> list[TrialResult]:
    """The results of a journal, the last of each trial. A line without an end was cut short by a kill and is left out.

    Raises:
        RunError: a line is damaged, or holds a value that no run can have written.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    results: dict[Trial, TrialResult] = {}
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            result = from_line(line)
        except ValueError as error:
            if number == len(lines):
                break  # no newline at its end: the write was cut short
            advice = "remove the line, and --resume runs its trial again"
            raise RunError(f"{path}, line {number} is damaged ({error}); {advice}") from None
        results[result.record.trial] = result
    return list(results.values())
