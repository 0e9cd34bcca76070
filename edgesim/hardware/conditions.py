"""Operating conditions of a device: power mode, energy source, windows of availability, and cold or warm start.

All functions here depend on time alone: in any order of calls the results are equal. Time is in seconds
from the start of the scenario. Patterns repeat with a period of their own, so that a day is `period_s: 86400`. A
document may give these times as clock times, h:mm or h:mm:ss: 22:00 is 79,200 s after the start, 24:00 a day.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import Fault, FieldFaults
from edgesim.hardware.quantity import Frequency

Array = npt.NDArray[np.float64]

Startup = Literal["cold", "warm"]
"""state of the device when a training starts.

cold: no process. The training starts one, loads its libraries and readies the accelerator (`first_step_s`).
warm: a process that has trained before, such as an app that trains every night. There is nothing left to start.

Cold is the default. One training from scratch pays for the start, and no one is promised a saving that a start eats up.
"""

FULL_MODE = "full"
"""name of the power mode that every device has: the highest clocks, `power.max_w` under load. On a Jetson with a MAXN
mode it is that one"""


_CLOCK_NAMES = ("cpu_hz", "gpu_hz", "memory_hz")


@checked_dataclass()
class ChosenClocks(Bounded):
    """Clocks that a device is set to in place of a named power mode; each must be one of the profile's steps."""

    cpu_hz: Frequency | None = None
    """clock of the processor; left out: the highest"""
    gpu_hz: Frequency | None = None
    """clock of the GPU; left out: the highest"""
    memory_hz: Frequency | None = None
    """clock of the memory; left out: the highest"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map."""
        misspelt = not given.keys() <= {*_CLOCK_NAMES, "unsafe"}
        if misspelt or any(given.get(name) is not None for name in _CLOCK_NAMES):
            return []
        return [Fault("", f"needs one of {', '.join(_CLOCK_NAMES)} at least; `power_mode: full` is the highest of all")]

    def __str__(self) -> str:
        """The clocks in words, such as "cpu 499 MHz, gpu 829 MHz"; "full" where none is chosen."""
        given = {name: getattr(self, name) for name in _CLOCK_NAMES}
        return ", ".join(f"{name[:-3]} {hz / 1e6:.0f} MHz" for name, hz in given.items() if hz is not None) or FULL_MODE


_CLOCK = re.compile("([0-9]{1,6}):([0-5][0-9])(?::([0-5][0-9]))?")


def seconds(value: Any) -> float | None:
    """Seconds of a number, or of a clock time: 79,200 for 22:00 and 22:00:00, 5,400 for 1:30; None of anything else."""
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + rest)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None


class _ClockTimes:
    """Lets a field in seconds take clock times, counted from the start of the scenario."""

    @staticmethod
    def _read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if (read_s := seconds(value)) is None:
            raise PydanticCustomError("clock", "must be seconds, or a clock time like 22:00 or 22:00:00")
        return read_s

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"type": "string", "pattern": f"^{_CLOCK.pattern}$"}]}


Period = Annotated[float, Field(gt=0, le=1e9), PlausibleRange(1.0, 1e9, "s"), _ClockTimes()]
Moment = Annotated[float, Field(ge=0, le=1e9), _ClockTimes()]


@checked_dataclass()
class Energy(Bounded):
    """Energy source of a device."""

    source: Literal["mains", "battery", "harvest"] = "mains"
    """mains: no limit; battery: the energy of its charge; harvest: a battery that the trace `harvest_w` charges"""
    state_of_charge: Annotated[float, Field(ge=0, le=1)] | None = None
    """charge at the start as a share of the full battery; left out: full"""
    capacity_j: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-3, 1e9, "J")] | None = None
    """energy of the full battery or storage capacitor in J; left out: the profile's battery"""
    harvest_w: tuple[
        tuple[Moment, Annotated[float, Field(ge=0, allow_inf_nan=False), PlausibleRange(0.0, 1e4, "W")]], ...
    ] = ()
    """[time_s, power_w] pairs, the first at 0: each power in W holds until the next time; clock times (h:mm) serve,
    too"""
    period_s: Period | None = None
    """seconds after which the trace repeats, or a clock time; needed with `harvest_w`"""

    def __post_init__(self) -> None:
        _raise(self.faults_in(dataclasses.asdict(self)))

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map; entries that are no pairs of numbers are left out."""
        source, period_s = given.get("source", "mains"), seconds(given.get("period_s"))
        trace = given.get("harvest_w") or ()
        if source == "mains" and not (given.get("state_of_charge") is None and given.get("capacity_j") is None):
            return [Fault("", "mains has neither state_of_charge nor capacity_j; give source: battery or harvest")]
        if source in ("mains", "battery") and (trace or given.get("period_s") is not None):
            return [Fault("", "harvest_w and period_s need source: harvest")]
        if source == "harvest" and (not trace or given.get("period_s") is None):
            return [Fault("", "source: harvest needs harvest_w, a list of [time_s, power_w], and period_s")]
        return _trace_faults(_pairs(trace), period_s) if source == "harvest" else []

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


@checked_dataclass()
class Availability(Bounded):
    """Windows in which a device may work, in a repeating period; for example only at night while it charges."""

    period_s: Period
    """seconds after which the windows repeat, or a clock time: 86400 or 24:00 for a day"""
    windows: tuple[tuple[Moment, Moment], ...]
    """[from_s, to_s] pairs within the period in s, in order, without overlap; clock times (22:00) serve, too"""

    def __post_init__(self) -> None:
        _raise(self.faults_in(dataclasses.asdict(self)))

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map; entries that are no pairs of numbers are left out."""
        windows = given.get("windows")
        if isinstance(windows, list | tuple) and not windows:
            return [Fault("windows", "must hold at least one [from_s, to_s]")]
        return _window_faults(_pairs(windows), seconds(given.get("period_s")))

    def openings(self, start_s: float) -> Iterator[tuple[float, float]]:
        """The windows (from_s, to_s) from `start_s` on, without end; the first may have begun before."""
        cycle = int(start_s // self.period_s)
        while True:
            for from_s, to_s in self.windows:
                begin, end = cycle * self.period_s + from_s, cycle * self.period_s + to_s
                if end > start_s:
                    yield max(begin, start_s), end
            cycle += 1


@dataclass(frozen=True)
class Conditions:
    """Operating conditions of one device. The default: full clock, mains, always available."""

    power_mode: str | ChosenClocks = FULL_MODE
    energy: Energy = field(default_factory=Energy)
    available: Availability | None = None
    """None = always"""
    startup: Startup = "cold"


class _Pair(NamedTuple):
    """An entry of a list of pairs."""

    place: int
    given: str
    """as the document has it"""
    first: float
    second: float


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise FieldFaults(faults)


def _pairs(entries: Any) -> list[_Pair]:
    """The entries that are pairs of numbers >= 0, or of clock times; the types' checks name the others."""
    found = []
    for i, entry in enumerate(entries if isinstance(entries, list | tuple) else ()):
        numbers = [seconds(part) for part in entry] if isinstance(entry, list | tuple) else []
        good = [number for number in numbers if number is not None and number >= 0]
        if len(numbers) == len(good) == 2:
            found.append(_Pair(i, _pair(*entry), *good))
    return found


def _pair(first: Any, second: Any) -> str:
    """[0, 2000], as one writes it."""
    return f"[{', '.join(str(p) if isinstance(p, str | int) else f'{p:.12g}' for p in (first, second))}]"


def _window_faults(windows: Sequence[_Pair], period_s: float | None) -> list[Fault]:
    faults, before = [], None
    for one in windows:
        message = _outside(one.first, one.second, period_s)
        if not message and before is not None and one.first < before.second:
            earlier = f"windows[{before.place}] = {before.given}"
            message = f"comes before {earlier}; put them in order"
            if one.second > before.first:
                joined = _pair(min(one.first, before.first), max(one.second, before.second))
                message = f"overlaps {earlier}; write {joined} for both"
        if message:
            faults.append(Fault("", f"windows[{one.place}] = {one.given} {message}"))
        else:
            before = one
    return faults


def _outside(from_s: float, to_s: float, period_s: float | None) -> str:
    """Fault of one window by itself, with the fix; an empty string where it has none."""
    if from_s == to_s:
        return "has no length; leave it out"
    if period_s is None or period_s <= 0:
        return "ends before it begins" if to_s < from_s else ""
    if from_s >= period_s:
        return f"begins after the end of the period ({period_s:.12g} s); count its times from the start of the period"
    if to_s <= period_s and from_s < to_s:
        return ""
    rest_s = to_s if to_s < from_s else to_s - period_s
    if rest_s >= from_s:
        longer = f"is as long as the period ({period_s:.12g} s) or longer, and to_s <= period_s must hold"
        return f"{longer}; leave `available` out where a device may always work"
    parts = ([_pair(0, rest_s)] if rest_s else []) + [_pair(from_s, period_s)]
    return f"passes the end of the period; write {' and '.join(parts)}"


def _trace_faults(trace: Sequence[_Pair], period_s: float | None) -> list[Fault]:
    faults = []
    for i, one in enumerate(trace):
        message = ""
        if one.place == 0 and one.first != 0:
            until = _pair(0, trace[-1].second)
            message = f"begins at {one.first:.12g} s, and the trace must start at 0; write {until} before it"
            message += ": the trace repeats, so that its last power holds until then"
        elif i and one.first <= trace[i - 1].first:
            earlier = f"harvest_w[{trace[i - 1].place}] = {trace[i - 1].given}"
            same = one.first == trace[i - 1].first
            message = f"has the time of {earlier}; keep one" if same else f"comes before {earlier}; times must rise"
        elif period_s is not None and one.first >= period_s:
            message = f"is not within the period ({period_s:.12g} s), at whose end the trace starts again; leave it out"
        if message:
            faults.append(Fault("", f"harvest_w[{one.place}] = {one.given} {message}"))
    return faults
