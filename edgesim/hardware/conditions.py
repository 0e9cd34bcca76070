"""Operating conditions of a device: power mode, energy source, windows of availability, and cold or warm start.

Time is in seconds from the start of the scenario. Patterns repeat with a period of their own, so that a day is
`period_s: 86400`. A document may give these times as clock times, h:mm or h:mm:ss: 22:00 is 79,200 s after the start,
24:00 a day. A trace file may take the place of a list (`trace_keys`, `traces`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgesim.config.checked_dataclass import checked_dataclass
from edgesim.config.plausible import Bounded, PlausibleRange
from edgesim.errors import Fault, FieldFaults
from edgesim.hardware.clock_times import Moment, Period, seconds
from edgesim.hardware.pattern_faults import pairs, trace_faults, window_faults
from edgesim.hardware.patterns import PowerPattern, Windows
from edgesim.hardware.quantity import Frequency
from edgesim.hardware.trace_keys import KEYS, TraceKeys, key_faults

Startup = Literal["cold", "warm"]
"""state of the device when a training starts.

cold: no process. The training starts one, loads its libraries and readies the accelerator (`first_step_s`).
warm: a process that has trained before, such as an app that trains every night. There is nothing left to start.

Cold is the default. One training from scratch pays for the start, and no one is promised a saving that a start eats up.
"""

Wanted = bool | Annotated[float, Field(ge=-1e9, le=1e9)] | str
"""value of a column of a trace, as `available.when` asks for it"""

_OF_ENERGY = ("column", "panel_m2", "efficiency", "charging_w", "gaps")
_OF_WINDOWS = ("when", "gaps")
ENERGY_KEYS, AVAILABLE_KEYS = (*KEYS, *_OF_ENERGY), (*KEYS, *_OF_WINDOWS)
"""keys of `energy` and `available` that have a meaning only with a trace"""

FULL_MODE = "full"
"""name of the power mode that every device has: the highest clocks, `power.max_w` under load. On a Jetson with a MAXN
mode it is that one"""

AUTO_MODE = "auto"
"""name in a fleet for the mode that the rule of the keep ratio chooses for each device (`planning.auto_modes`)"""

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


@checked_dataclass()
class Energy(TraceKeys):
    """Energy source of a device."""

    source: Literal["mains", "battery", "harvest"] = "mains"
    """mains: no limit; battery: the energy of its charge; harvest: a battery that `harvest_w` or `trace` charges"""
    state_of_charge: Annotated[float, Field(ge=0, le=1)] | None = None
    """charge at the start as a share of the full battery; left out: the level of `trace` there, or else full"""
    capacity_j: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-3, 1e9, "J")] | None = None
    """energy of the full battery or storage capacitor in J; left out: the profile's battery"""
    harvest_w: tuple[
        tuple[Moment, Annotated[float, Field(ge=0, allow_inf_nan=False), PlausibleRange(0.0, 1e4, "W")]], ...
    ] = ()
    """[time_s, power_w] pairs, the first at 0: each power in W holds until the next time; clock times (h:mm) serve,
    too"""
    period_s: Period | None = None
    """seconds after which `harvest_w` repeats, or a clock time; needed with it"""
    column: Annotated[str, Field(min_length=1)] | None = None
    """column of the trace with the irradiance or the power; left out: `ghi` with a panel, `power_w` without"""
    panel_m2: (
        Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(1e-4, 100.0, "m2", (("cm2", 1e-4),))] | None
    ) = None
    """area of the solar panel; power = irradiance x area x efficiency; left out: the column is in W"""
    efficiency: Annotated[float, Field(gt=0, le=1), PlausibleRange(0.01, 0.5)] | None = None
    """share of the irradiance that reaches the battery; needed with `panel_m2`"""
    charging_w: Annotated[float, Field(gt=0, allow_inf_nan=False), PlausibleRange(0.01, 500.0, "W")] | None = None
    """power that fills the battery while `charging` is 1; left out: capacity times the rise of the trace's level"""
    gaps: Literal["refuse", "zero", "interpolate", "hold", "charging", "not-charging"] = "refuse"
    """meaning of the trace's gaps. harvest: zero (0 W), interpolate (a line between the rows beside) or hold (the last
    row); battery: charging, not-charging or hold; refuse: an error that counts them"""

    def __post_init__(self) -> None:
        _raise(self.faults_in(dataclasses.asdict(self)))

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map; entries that are no pairs of numbers are left out."""
        source, period_s = given.get("source", "mains"), seconds(given.get("period_s"))
        listed, traced = given.get("harvest_w") or (), given.get("trace") is not None
        by_hand = listed or given.get("period_s") is not None
        if source == "mains" and not (given.get("state_of_charge") is None and given.get("capacity_j") is None):
            return [Fault("", "mains has neither state_of_charge nor capacity_j; give source: battery or harvest")]
        if source == "mains" and traced:
            return [Fault("", "mains has no trace; give source: battery or harvest")]
        if traced and by_hand:
            return [Fault("", "has `trace` and harvest_w with period_s; the trace takes their place: keep one")]
        if source in ("mains", "battery") and by_hand:
            return [Fault("", "harvest_w and period_s need source: harvest")]
        if source == "harvest" and not traced and (not listed or given.get("period_s") is None):
            return [Fault("", "source: harvest needs harvest_w, a list of [time_s, power_w], and period_s; or `trace`")]
        found = trace_faults(pairs(listed), period_s) if source == "harvest" else []
        return found + key_faults(given, _OF_ENERGY) + _source_faults(given, source)

    @cached_property
    def pattern(self) -> PowerPattern | None:
        """Power that the battery receives by `harvest_w`; None where that is not given."""
        if self.period_s is None or not self.harvest_w:
            return None
        steps = np.array(self.harvest_w, dtype=np.float64)
        return PowerPattern(steps[:, 0], steps[:, 1], self.period_s)


@checked_dataclass()
class Availability(TraceKeys):
    """Windows in which a device may work, in a repeating period or from a trace; for example while it charges."""

    period_s: Period | None = None
    """seconds after which the windows repeat, or a clock time: 86400 or 24:00 for a day; needed without `trace`"""
    windows: tuple[tuple[Moment, Moment], ...] = ()
    """[from_s, to_s] pairs within the period in s, in order, without overlap; clock times (22:00) serve, too"""
    when: dict[str, Wanted | tuple[Wanted, ...]] = field(default_factory=dict, hash=False)
    """columns of the trace and the value, or list of values, that each must have; left out: {available: 1}"""
    gaps: Literal["refuse", "unavailable", "available", "hold"] = "refuse"
    """meaning of gaps of the trace: unavailable, available, hold (as before); refuse: an error that counts them"""

    def __post_init__(self) -> None:
        _raise(self.faults_in(dataclasses.asdict(self)))

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map; entries that are no pairs of numbers are left out."""
        windows, traced = given.get("windows"), given.get("trace") is not None
        if traced:
            by_hand = windows or given.get("period_s") is not None
            twice = [Fault("", "has `trace` and windows with period_s; the trace takes their place: keep one")]
            return twice if by_hand else key_faults(given, _OF_WINDOWS)
        missing = [
            Fault(key, "is missing and has no default; or give `trace`")
            for key in ("period_s", "windows")
            if given.get(key) is None
        ]
        if isinstance(windows, list | tuple) and not windows:
            missing.append(Fault("windows", "must hold at least one [from_s, to_s]; or give `trace`"))
        found = window_faults(pairs(windows), seconds(given.get("period_s")))
        return missing or found + key_faults(given, _OF_WINDOWS)

    @cached_property
    def pattern(self) -> Windows | None:
        """The windows, repeated; None where a trace gives them."""
        if self.period_s is None:
            return None
        bounds = np.array(self.windows, dtype=np.float64)
        return Windows(bounds[:, 0], bounds[:, 1], self.period_s)


@dataclass(frozen=True)
class Conditions:
    """Operating conditions of one device. The default: full clock, mains, always available."""

    power_mode: str | ChosenClocks = FULL_MODE
    energy: Energy = field(default_factory=Energy)
    available: Availability | None = None
    """None = always"""
    startup: Startup = "cold"
    traced_power: PowerPattern | None = None
    """of the trace that `energy` names"""
    traced_windows: Windows | None = None
    """of the trace that `available` names"""
    mode_is_chosen: bool = False
    """True where the rule of the keep ratio chose the power mode"""

    @property
    def supply(self) -> PowerPattern | None:
        """Power that the battery receives over time; None = none."""
        if self.traced_power is None and self.energy.trace is not None:
            raise ValueError("the trace of `energy` is not read; make the conditions with group_conditions.of_group")
        return self.energy.pattern if self.traced_power is None else self.traced_power

    @property
    def windows(self) -> Windows | None:
        """Windows in which the device may work; None = always."""
        if self.traced_windows is None and self.available is not None and self.available.trace is not None:
            raise ValueError("the trace of `available` is not read; make the conditions with group_conditions.of_group")
        return self.available.pattern if self.available and self.traced_windows is None else self.traced_windows

    def with_endless_energy(self) -> Conditions:
        """The same conditions on mains."""
        return replace(self, energy=Energy(), traced_power=None)

    def always_available(self) -> Conditions:
        """The same conditions without windows."""
        return replace(self, available=None, traced_windows=None)


def _source_faults(given: dict[str, Any], source: Any) -> list[Fault]:
    """Contradictions between an energy source and the keys of its trace."""
    found = []
    panel = [key for key in ("panel_m2", "efficiency") if given.get(key) is not None]
    if source == "battery":
        wrong = [*panel, *(["column"] if given.get("column") is not None else [])]
        found += [
            Fault(key, "needs source: harvest; a battery's trace has the columns charging and battery") for key in wrong
        ]
    elif len(panel) == 1:
        found.append(Fault("", f"{panel[0]} needs {'efficiency' if panel[0] == 'panel_m2' else 'panel_m2'} beside it"))
    if source == "harvest" and given.get("charging_w") is not None:
        found.append(Fault("charging_w", "needs source: battery; the power of a harvest is that of its trace"))
    allowed = {
        "battery": ("refuse", "charging", "not-charging", "hold"),
        "harvest": ("refuse", "zero", "interpolate", "hold"),
    }
    gaps = given.get("gaps", "refuse")
    if source in allowed and gaps not in allowed[source] and gaps in sum(allowed.values(), ()):
        found.append(
            Fault("gaps", f"'{gaps}' has no meaning for source: {source}; allowed: {', '.join(allowed[source])}")
        )
    return found


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise FieldFaults(faults)
