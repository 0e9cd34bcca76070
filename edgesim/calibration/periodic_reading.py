"""Readings that a thread takes at a period while other code runs."""

from __future__ import annotations

import threading
from typing import Self


class PeriodicReading:
    """Calls `_read` at a period inside its `with` block, and once more at its end."""

    def __init__(self, period_s: float, wanted: bool):
        """Set the period; without anything `wanted` only the readings at the ends of the block are taken."""
        self._period_s, self._wanted = period_s, wanted
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._read()

    def _watch(self) -> None:
        while self._wanted and not self._stop.wait(self._period_s):
            self._read()

    def _read(self) -> None:
        """Take one reading."""
        raise NotImplementedError
