"""Power modes of a device as numbers: its clocks, its speed and its power in a named mode or at chosen clocks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.profile import DeviceProfile, ModeClocks, PowerMode
from edgesim.hardware.quantity import GPU_CLASSES

Shares = npt.NDArray[np.float64] | float
CLOCKS = ("cpu", "gpu", "memory")
_SAME = 0.01
"""relative distance within which a given clock is taken for a step: 829e6 for 828,750,000"""


@dataclass(frozen=True)
class ClockShares:
    """Clocks over the device's highest, in (0, 1]; numbers, or arrays of one shape."""

    cpu: Shares = 1.0
    gpu: Shares = 1.0
    memory: Shares = 1.0


@dataclass(frozen=True)
class PowerByClocks:
    """Power law of a GPU device (`cost.gpu_steps`), in W."""

    floor_w: float
    memory_clock_w: float
    cpu_clock_w: float
    work_w: float
    work_clock_w: float

    def floor_at_w(self, clocks: ClockShares) -> Shares:
        """Power of a step beside the GPU's work."""
        return self.floor_w + self.memory_clock_w * clocks.memory + self.cpu_clock_w * clocks.cpu**2

    def work_at_w(self, clocks: ClockShares) -> Shares:
        """Energy of the GPU's work, per second that it takes at the highest clocks."""
        return self.work_w + self.work_clock_w * clocks.gpu**2

    def most_w(self, clocks: ClockShares) -> Shares:
        """Power that no step at these clocks exceeds: with the GPU as busy as at the highest clocks."""
        return self.floor_at_w(clocks) + self.work_at_w(clocks)


@dataclass(frozen=True)
class PowerSetting:
    """A device in one power mode."""

    name: str
    speed: float
    """of computing over that at full clock, in (0, 1]"""
    overhead_speed: float
    """of start-up and dispatch over that at full clock, in (0, 1]"""
    load_w: float
    """power under full load"""
    clocks: ClockShares | None
    """of a GPU device; None = a processor computes, whose steps `speed` and `overhead_speed` slow down"""


def power_by_clocks(profile: DeviceProfile) -> PowerByClocks | None:
    """The power law of a profile; None where it has none."""
    parts = [getattr(profile.power, field.name) for field in dataclasses.fields(PowerByClocks)]
    return PowerByClocks(*(part.value for part in parts)) if all(parts) else None


def computes_on_gpu(profile: DeviceProfile) -> bool:
    """True where a GPU computes and a processor dispatches to it."""
    return profile.device_class in GPU_CLASSES


def setting(profile: DeviceProfile, power_mode: str | ChosenClocks = FULL_MODE) -> PowerSetting:
    """A device in one of its power modes, or at chosen clocks.

    Raises:
        KeyError: the profile has no such mode, or cannot be set to such clocks; `problem` says so in words.
    """
    if problem(profile, power_mode):
        raise KeyError(power_mode)
    gpu = computes_on_gpu(profile)
    if power_mode == FULL_MODE:
        return PowerSetting(FULL_MODE, 1.0, 1.0, profile.power_w, ClockShares() if gpu else None)
    if isinstance(power_mode, ChosenClocks):
        return _at_clocks(profile, str(power_mode), power_mode)
    mode = next(mode for mode in profile.power.modes if mode.name == power_mode)
    if mode.clocks is not None:
        return _at_clocks(profile, mode.name, mode.clocks)
    return _by_factors(profile, mode, gpu)


def _by_factors(profile: DeviceProfile, mode: PowerMode, gpu: bool) -> PowerSetting:
    assert mode.throughput_factor is not None  # checked when the profile was read
    assert mode.power_w is not None
    speed = mode.throughput_factor.value
    # The processor that feeds a GPU keeps its clock.
    overhead = mode.overhead_factor.value if mode.overhead_factor else 1.0 if gpu else speed
    clocks = ClockShares(cpu=overhead, gpu=speed) if gpu else None
    return PowerSetting(mode.name, speed, overhead, mode.power_w.value, clocks)


def _at_clocks(profile: DeviceProfile, name: str, given: ChosenClocks | ModeClocks) -> PowerSetting:
    shares = {}
    for clock, steps in steps_hz(profile).items():
        wanted = getattr(given, f"{clock}_hz")
        shares[clock] = 1.0 if wanted is None else steps[_nearest(steps, wanted)] / steps[-1]
    clocks = ClockShares(**shares)
    law = power_by_clocks(profile)
    load_w = profile.power_w if law is None else min(float(law.most_w(clocks)), profile.power_w)
    return PowerSetting(name, shares["gpu"], shares["cpu"], load_w, clocks)


def steps_hz(profile: DeviceProfile) -> dict[str, tuple[float, ...]]:
    """Steps of each clock in rising order, by the names of CLOCKS; empty where the profile has no clocks."""
    clocks = profile.clocks
    return {} if clocks is None else {name: getattr(clocks, f"{name}_hz").value for name in CLOCKS}


def problem(profile: DeviceProfile, power_mode: str | ChosenClocks) -> str:
    """Fault of a power mode on a device, with the fix; empty where it has none."""
    from edgesim.config import validation

    if isinstance(power_mode, str):
        if power_mode in profile.mode_names:
            return ""
        near = validation.nearest(power_mode, profile.mode_names)
        own = ", or the clocks cpu_hz, gpu_hz, memory_hz" if profile.clocks else ""
        return f"'{profile.name}' has no power mode '{power_mode}'{near}; allowed: {', '.join(profile.mode_names)}{own}"
    if profile.clocks is None:
        return f"'{profile.name}' has no `clocks` that could be set; allowed: {', '.join(profile.mode_names)}"
    for clock, steps in steps_hz(profile).items():
        wanted = getattr(power_mode, f"{clock}_hz")
        if wanted is not None and abs(steps[_nearest(steps, wanted)] / wanted - 1) > _SAME:
            allowed = ", ".join(f"{step:.6g}" for step in steps)
            return f"'{profile.name}' has no {clock}_hz of {wanted:g}; its steps are {allowed}"
    return ""


def _nearest(steps: tuple[float, ...], wanted: float) -> int:
    return int(np.argmin(np.abs(np.array(steps) - wanted)))
