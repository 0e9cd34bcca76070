"""Receivers of a run's progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edgesim.records import Record, Trial


class Progress(Protocol):
    """Receiver of a run's progress: a progress bar, a log, or nothing."""

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Begin.

        Args:
            expected: trial -> expected work, in any unit.
            done: trials that ended before this session.
            devices: number of devices of the fleet.
        """

    def record(self, record: Record) -> None:
        """Count a trial that has ended."""

    def note(self, line: str) -> None:
        """Show a line to the user."""

    def stop(self) -> None:
        """End; later calls have no effect."""


class Silent:
    """Progress that shows nothing."""

    def start(self, expected: Mapping[Trial, float], done: frozenset[Trial], devices: int) -> None:
        """Do nothing."""

    def record(self, record: Record) -> None:
        """Do nothing."""

    def note(self, line: str) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""
