"""File `progress.json` of a run that is going on: the share of its work that is done, for readers in other processes.

It is there from the first seconds of a session until the run is finished. A run that was stopped leaves it behind, so
that a reader can tell how long the rest would take.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

from edgesim.config.output_files import UNFINISHED

FILE = "progress.json"
WRITE_EVERY_S = 2.0
"""least seconds from the start of a session, or the last write, to the next one; trials that end bring it about"""


class ProgressFile:
    """Writer of the file during one session. A disk that cannot be written to stops no run: readers then know less."""

    def __init__(self, folder: Path, expected: Mapping[Any, float], done: Collection[Hashable]):
        """Begin a session.

        Args:
            folder: of the run, or of the sweep.
            expected: trial, or point of a sweep -> expected work on this machine, in any unit.
            done: those that ended before the session.
        """
        self._path = folder / FILE
        self._expected = expected
        self._total = sum(work for trial, work in expected.items() if trial not in done)
        self._done = 0.0
        self._started_s = time.monotonic()
        self._written_s = self._started_s

    def count(self, ended: Hashable) -> None:
        """Count a trial, or a point, that has ended."""
        self._done += self._expected.get(ended, 0.0)
        if time.monotonic() - self._written_s >= WRITE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Write the file as a whole, unsynced: after a power cut it is of no use."""
        self._written_s = time.monotonic()
        share = min(1.0, self._done / self._total) if self._total else 1.0
        content = {"at": time.time(), "session_s": self._written_s - self._started_s, "work_share": share}
        temporary = self._path.with_name(f".{FILE}{UNFINISHED}")
        try:
            temporary.write_text(json.dumps(content))
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove(folder: Path) -> None:
    """Remove the file of a run that is finished."""
    with contextlib.suppress(OSError):
        (folder / FILE).unlink()


def time_left_s(folder: Path, is_running: bool) -> float:
    """Seconds that the rest of a run takes by its work so far; NaN where that is not known.

    Args:
        folder: of the run.
        is_running: False of a run that was stopped; the time then counts from its resumption.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        at, session_s, share = (float(found[name]) for name in ("at", "session_s", "work_share"))
    except (OSError, ValueError, KeyError, TypeError):
        return math.nan
    if not (0 < share <= 1 and 0 <= session_s < math.inf):
        return math.nan
    left_s = session_s * (1 / share - 1)
    return max(0.0, left_s - max(0.0, time.time() - at)) if is_running else left_s
