"""Emulation of a device: timed phases of work under throttling, availability and battery charge.

A phase is a run of equal steps, each busy for a while and then waiting for storage. The device draws its idle power
while it waits and its mode's power while it computes. While it waits for memory or dispatches it draws a share of that
(`cost.phases`). It heats up and slows down (`cost.thermal`), works only when it is available, and stops where its
battery is empty (`cost.battery`). Between such events everything is constant or exponential. So every second is
computed in closed form, and nothing loops over steps. Within a phase busy and waiting seconds count as evenly mixed: a
step is short compared with the time constant of the heat.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.cost.phases import Hardware, PhaseRates, Phases
from edgesim.cost.thermal import Array
from edgesim.cost.timeline import Timeline
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.patterns import PowerPattern

__all__ = ["Emulation", "Hardware", "Phases", "emulate"]

STRETCHES = 10_000  # windows of availability that are followed (27 years of nights) before the work counts as endless
_CHANGES = 1_000  # steps of a harvest trace that are followed at once


@dataclass(frozen=True)
class Emulation:
    """Device time and energy. Per phase [S] or [D, S]; per device a number or [D]. Up to the death where one died."""

    time_s: Array
    """per phase: from the end of the one before; waits for storage and for availability are part of it"""
    energy_j: Array
    throttled_s: Array
    """of `time_s`: held at the limit of its heat"""
    wait_s: Array
    """of `time_s`: storage, and unavailable"""
    peak_heat: Array
    """per device, 1 = the limit; 0 where there is no limit"""
    died_at_s: Array
    """per device: the second of the empty battery, NaN where there is none"""
    charge_j: Array
    """[D] energy in the battery at the end, inf on mains"""
    finished: npt.NDArray[np.bool_]
    """[D] True where all the work was done"""
    labels: tuple[str, ...]

    def of(self, label: str, values: Array) -> Array:
        """The sum of `values` per phase over the phases of a label: a number, or [D]."""
        mine = np.array([name == label for name in self.labels], dtype=bool)
        return self.total(np.asarray(values)[..., mine])

    def total(self, values: Array) -> Array:
        """The sum of `values` per phase over all phases: a number, or [D].

        Phase after phase: to the bit the same for one device alone and among many, whatever their order in memory.
        """
        return np.add.accumulate(values, axis=-1)[..., -1] if values.shape[-1] else np.zeros(values.shape[:-1])


def emulate(
    phases: Phases, hardware: Hardware, conditions: Conditions | None = None, start_s: float = 0.0
) -> Emulation:
    """Device time, energy, heat and charge of timed work.

    Args:
        phases: the work, [S] or [D, S].
        hardware: the device in the power mode of `conditions`, numbers or [D].
        conditions: energy source and availability, common to all devices; None = mains, always available.
        start_s: when the work is given to the device, in the time of the conditions' patterns, >= 0.

    Returns: per phase and per device; plain [S] and numbers where neither phases nor hardware are arrays over devices.
        Work that needs more than 10,000 windows of availability is not `finished`; of a trace with more than half as
        many windows, it may take two rounds.
    """
    conditions = conditions or Conditions()
    timeline = Timeline(PhaseRates.of(phases, hardware), conditions, start_s)
    for open_s, close_s in _stretches(conditions, start_s):
        if not timeline.active.any():
            break
        timeline.work(open_s, close_s)
    single = np.ndim(phases.steps) <= 1 and all(np.ndim(value) == 0 for value in vars(hardware).values())
    pick = 0 if single else slice(None)
    return Emulation(
        time_s=timeline.time_s[pick],
        energy_j=timeline.energy_j[pick],
        throttled_s=timeline.throttled_s[pick],
        wait_s=timeline.wait_s[pick],
        peak_heat=timeline.peak_heat[pick],
        died_at_s=timeline.died_at_s[pick],
        charge_j=timeline.charge_j[pick],
        finished=timeline.finished[pick],
        labels=phases.labels,
    )


def _stretches(conditions: Conditions, start_s: float) -> Iterator[tuple[float, float]]:
    """(open_s, close_s) of the windows in which devices may work; a supply of many steps cuts them into several."""
    supply, windows = conditions.supply, conditions.windows
    if windows is not None:
        # A trace may have more windows than are followed of a pattern; it is followed to its end.
        followed = range(max(STRETCHES, 2 * len(windows)))
        stretches = (stretch for stretch, _ in zip(windows.openings(start_s), followed, strict=False))
        yield from stretches if supply is None or len(supply) <= _CHANGES else _cut(stretches, supply, start_s)
    elif supply is None:
        yield start_s, np.inf
    else:
        yield from itertools.pairwise(itertools.islice(_from(start_s, supply), STRETCHES + 1))


def _from(start_s: float, supply: PowerPattern) -> Iterator[float]:
    yield start_s
    yield from supply.cuts(start_s, _CHANGES)


def _cut(
    stretches: Iterator[tuple[float, float]], supply: PowerPattern, start_s: float
) -> Iterator[tuple[float, float]]:
    """The same windows, cut where the supply has had many steps; a wait is cut by windows without length."""
    cuts = supply.cuts(start_s, _CHANGES)
    cut_s = next(cuts)
    for open_s, close_s in stretches:
        while cut_s <= open_s:
            yield cut_s, cut_s
            cut_s = next(cuts)
        begin_s = open_s
        while cut_s < close_s:
            yield begin_s, cut_s
            begin_s, cut_s = cut_s, next(cuts)
        yield begin_s, close_s
