"""Clocks that a machine had while it was measured: as words, and as the `clocks` of a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgesim.formatting import n_of
from edgesim.hardware.power_setting import CLOCKS

STEADY = 0.02
"""relative spread of a clock that counts as one clock"""


@dataclass(frozen=True)
class ClockRecord:
    """One clock while the machine was measured."""

    name: str
    least_hz: float
    median_hz: float
    most_hz: float
    source: str
    steps_hz: tuple[float, ...] = ()
    governor: str = ""
    fix: str = ""

    @property
    def steady(self) -> bool:
        """True where it kept one value."""
        return self.least_hz >= (1 - STEADY) * self.most_hz


def words(record: ClockRecord) -> str:
    """A clock with its range, as `GPU 1.38 GHz (performance)`."""
    value = _ghz(record.most_hz) if record.steady else f"{_ghz(record.least_hz)} to {_ghz(record.most_hz)}"
    return f"{title(record.name)} {value}" + (f" ({record.governor})" if record.governor else "")


def _ghz(hz: float) -> str:
    return f"{hz / 1e9:.4g} GHz" if hz >= 1e9 else f"{hz / 1e6:.4g} MHz"


def title(name: str) -> str:
    """A clock's name in sentences."""
    return name if name == "memory" else name.upper()


def unsteady(records: Sequence[ClockRecord]) -> tuple[str, ...]:
    """Sentences on clocks that changed while the machine was measured, with the command that holds each."""
    return tuple(
        f"the clock of the {title(record.name)} changed while this measured, so that its coefficients are of no one "
        f"clock{f'; to hold it: {record.fix}' if record.fix else ''}"
        for record in records
        if not record.steady
    )


def section(records: Sequence[ClockRecord]) -> dict[str, Any]:
    """The `clocks` of a GPU device's profile; nothing where the GPU's or the memory's is not known.

    The highest step is the measured one: the coefficients hold there, and higher ones were not measured.
    """
    by_name = {record.name: record for record in records}
    if not {"gpu", "memory"} <= by_name.keys():
        return {}
    found = {}
    for name in CLOCKS:
        if (record := by_name.get(name)) is not None:
            steps = [step for step in record.steps_hz if step <= record.most_hz * (1 + STEADY)]
            higher = len(record.steps_hz) - len(steps)
            listed: dict[str, Any] = {
                "value": steps or [record.most_hz],
                "confidence": "measured",
                "source": record.source,
            }
            if higher:
                listed["note"] = f"{n_of(higher, 'higher step')} left out: nothing was measured there"
            found[f"{name}_hz"] = listed
    return {"clocks": found}
