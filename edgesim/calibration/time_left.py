"""Time that a calibration still takes, estimated from the visits of its cases that were made so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stage:
    """State of a calibration."""

    doing: str
    """new at every stage and round"""
    detail: str = ""
    """new at every case"""
    left_s: float | None = None
    """time that the training steps still take; None where it is not known"""
    stays: bool = False
    """True for a warning, which a terminal keeps"""


Tell = Callable[[Stage], None]
"""told what is being done"""


class TimeLeft:
    """Estimate of the time that visits still take.

    Every case is visited once in every round. Cases differ by factors of a hundred, so that the estimate waits for the
    first visit of each: before, the cases left are not known. After a first session it has the time of the stages
    between the sessions' visits, too.
    """

    def __init__(self, cases: int, rounds: int, sessions: int = 1):
        self._seconds = np.zeros(cases)
        self._visits = np.zeros(cases)
        self._wanted = rounds * sessions
        self._sessions = sessions
        self._others_s: list[float] = []

    def visited(self, case: int, seconds: float) -> None:
        """Count a visit of the case at this position."""
        self._seconds[case] += seconds
        self._visits[case] += 1

    def session_ended(self, seconds: float, of_visits_s: float) -> None:
        """Count a session: its time and the part of it that visits took."""
        self._others_s.append(seconds - of_visits_s)

    @property
    def spent_s(self) -> float:
        """Time of all visits so far."""
        return float(self._seconds.sum())

    @property
    def left_s(self) -> float | None:
        """Seconds; None until every case was visited."""
        if not self._visits.all():
            return None
        visits_s = float(((self._wanted - self._visits) * self._seconds / self._visits).sum())
        others = self._sessions - 1 - len(self._others_s)
        return visits_s + (max(0, others) * float(np.mean(self._others_s)) if self._others_s else 0.0)
