"""What a device works under: power mode, energy source, when it may work, and what runs on it already.

All functions here depend on time alone: asked twice, or in another order, they answer the same. Time is in seconds
from the start of the scenario. Patterns repeat with a period of their own, so that a day is `period_s: 86400`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from pydantic.dataclasses import dataclass

Array = npt.NDArray[np.float64]

Startup = Literal["cold", "warm"]
"""what a training finds on the device.

cold: nothing. It starts its process, loads its libraries and readies the accelerator: the profile's `first_step_s`.
warm: a process that has trained before, such as an app that trains every night. There is nothing left to start.

Cold is the default. One training from scratch pays for the start, and no one is promised a saving that a start eats up.
"""

FULL_MODE = "full"
"""name of the power mode that every device has: full clock, `power.max_w` under load"""

Period = Annotated[float, Field(gt=0, le=1e9)]
Moment = Annotated[float, Field(ge=0, le=1e9)]


@dataclass(frozen=True)
class Energy:
    """Where a device's energy comes from."""

    source: Literal["mains", "battery", "harvest"] = "mains"
    """mains: no limit. battery: what its charge holds. harvest: a battery that the trace `harvest_w` charges"""
    state_of_charge: Annotated[float, Field(ge=0, le=1)] | None = None
    """charge at the start over a full battery; a full one where it is left out"""
    capacity_j: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """energy of the full battery or storage capacitor, in place of the profile's battery"""
    harvest_w: tuple[tuple[Moment, Annotated[float, Field(ge=0, le=1e4)]], ...] = ()
    """[time_s, power_w] pairs, the first at 0: each power holds until the next time; a charger is such a trace, too"""
    period_s: Period | None = None
    """after which the trace repeats; needed with `harvest_w`"""

    def __post_init__(self) -> None:
        if self.source == "mains" and (self.state_of_charge is not None or self.capacity_j is not None):
            raise ValueError("mains has neither state_of_charge nor capacity_j; give source: battery or harvest")
        if self.source != "harvest":
            if self.harvest_w or self.period_s is not None:
                raise ValueError("harvest_w and period_s need source: harvest")
            return
        if not self.harvest_w or self.period_s is None:
            raise ValueError("source: harvest needs harvest_w, a list of [time_s, power_w], and period_s")
        times = [time_s for time_s, _ in self.harvest_w]
        if times[0] != 0 or any(a >= b for a, b in pairwise(times)) or times[-1] >= self.period_s:
            raise ValueError("the times of harvest_w must start at 0, rise, and stay below period_s")

    @property
    def _steps(self) -> tuple[Array, Array]:
        """Start of every step of the trace in s, and its power in W."""
        trace = np.array(self.harvest_w, dtype=np.float64).reshape(-1, 2)
        return trace[:, 0], trace[:, 1]

    def harvested_j(self, time_s: npt.ArrayLike) -> Array:
        """Energy that the source gives from time 0 to `time_s` >= 0, by the closed form of the repeating trace.

        Args:
            time_s: seconds, of any shape.

        Returns: joules, of the shape of `time_s`; 0 without a trace.
        """
        moments = np.asarray(time_s, dtype=np.float64)
        if self.source != "harvest" or self.period_s is None:
            return np.zeros_like(moments)
        starts, power_w = self._steps
        gained_j = np.concatenate([[0.0], np.cumsum(np.diff([*starts, self.period_s]) * power_w)])
        cycles = np.floor(moments / self.period_s)
        inside_s = moments - cycles * self.period_s
        step = np.clip(np.searchsorted(starts, inside_s, side="right") - 1, 0, None)
        return np.asarray(cycles * gained_j[-1] + gained_j[step] + (inside_s - starts[step]) * power_w[step])

    def changes(self, from_s: float, to_s: float) -> tuple[Array, Array]:
        """The steps of the trace that overlap [from_s, to_s].

        Returns: their starts in s (the first one is `from_s`) and powers in W, both float64 [M]; M = 1 and 0 W
        without a trace.
        """
        if self.source != "harvest" or self.period_s is None:
            return np.array([from_s]), np.zeros(1)
        starts, power_w = self._steps
        first, last = int(from_s // self.period_s), int(to_s // self.period_s)
        times = (np.arange(first, last + 1)[:, None] * self.period_s + starts).ravel()
        powers = np.tile(power_w, last - first + 1)
        begin = max(int(np.searchsorted(times, from_s, side="right")) - 1, 0)
        end = max(int(np.searchsorted(times, to_s, side="left")), begin + 1)
        times, powers = times[begin:end].copy(), powers[begin:end]
        times[0] = from_s
        return times, powers


@dataclass(frozen=True)
class Availability:
    """When a device may work: windows in a repeating period, for example only at night while it charges."""

    period_s: Period
    windows: tuple[tuple[Moment, Moment], ...]
    """[from_s, to_s] pairs within the period, in order, without overlap"""

    def __post_init__(self) -> None:
        if not self.windows:
            raise ValueError("windows must hold at least one [from_s, to_s]")
        bounds = [moment for window in self.windows for moment in window]
        inside = bounds[-1] <= self.period_s and all(from_s < to_s for from_s, to_s in self.windows)
        if not inside or any(a > b for a, b in pairwise(bounds)):
            raise ValueError("windows must be [from_s, to_s] with from_s < to_s <= period_s, in order, without overlap")

    def openings(self, start_s: float) -> Iterator[tuple[float, float]]:
        """The windows (from_s, to_s) from `start_s` on, without end; the first may have begun before."""
        cycle = int(start_s // self.period_s)
        while True:
            for from_s, to_s in self.windows:
                begin, end = cycle * self.period_s + from_s, cycle * self.period_s + to_s
                if end > start_s:
                    yield max(begin, start_s), end
            cycle += 1


@plain_dataclass(frozen=True)
class Conditions:
    """What one device works under. The default: full clock, mains, always available."""

    power_mode: str = FULL_MODE
    energy: Energy = field(default_factory=Energy)
    available: Availability | None = None
    """None = always"""
    startup: Startup = "cold"
