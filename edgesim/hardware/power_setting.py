"""Power modes of a device as numbers: its clocks, its speed and its power in a named mode or at chosen clocks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.config import validation
from edgesim.errors import Fault
from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.power_modes import ModeClocks, PowerMode
from edgesim.hardware.profile import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES

Shares = npt.NDArray[np.float64] | float
CLOCKS = ("cpu", "gpu", "memory")
CLOCK_EXPONENT = 2.2
"""of the power above idle by the GPU's clock, where a profile has no power by clocks: 2.10 on the AGX Xavier, 2.35 on
the Nano (gemm_dvfs.csv, wall power of matrix products)"""
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
    """A device in one power mode; or in many, with arrays of one shape in place of numbers."""

    name: str
    speed: Shares
    """of computing over that at full clock, in (0, 1]"""
    overhead_speed: Shares
    """of start-up and dispatch over that at full clock, in (0, 1]"""
    load_w: Shares
    """power under full load"""
    clocks: ClockShares | None
    """of a GPU device; None = a processor computes, whose steps `speed` and `overhead_speed` slow down"""
    gpu_core_share: Shares = 1.0
    """cores of the GPU that are on over all; it slows arithmetic down, beside the clock"""


AnyMode = str | ChosenClocks | PowerSetting
"""a power mode by its name or its clocks, or as `setting` gives it"""


def power_by_clocks(profile: DeviceProfile) -> PowerByClocks | None:
    """The power law of a profile; None where it has none."""
    parts = [getattr(profile.power, field.name) for field in dataclasses.fields(PowerByClocks)]
    return PowerByClocks(*(part.value for part in parts)) if all(parts) else None


def computes_on_gpu(profile: DeviceProfile) -> bool:
    """True where a GPU computes and a processor dispatches to it."""
    return profile.device_class in GPU_CLASSES


def setting(profile: DeviceProfile, power_mode: AnyMode = FULL_MODE) -> PowerSetting:
    """A device in one of its power modes, or at chosen clocks.

    Raises:
        KeyError: the profile has no such mode, or cannot be set to such clocks; `problem` says so in words.
    """
    if isinstance(power_mode, PowerSetting):
        return power_mode
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
    speed, power_w = mode.speed_and_power
    # The processor that feeds a GPU keeps its clock.
    overhead = mode.overhead_factor.value if mode.overhead_factor else 1.0 if gpu else speed
    clocks = ClockShares(cpu=overhead, gpu=speed) if gpu else None
    return PowerSetting(mode.name, speed, overhead, power_w, clocks)


def _at_clocks(profile: DeviceProfile, name: str, given: ChosenClocks | ModeClocks) -> PowerSetting:
    shares = dict.fromkeys(CLOCKS, 1.0)
    for clock, steps in steps_hz(profile).items():
        wanted = getattr(given, f"{clock}_hz")
        shares[clock] = 1.0 if wanted is None else _nearest(steps, wanted) / steps[-1]
    on = given.gpu_core_share if isinstance(given, ModeClocks) and given.gpu_core_share is not None else 1.0
    return at_shares(profile, name, ClockShares(**shares), on)


def at_shares(profile: DeviceProfile, name: str, clocks: ClockShares, gpu_core_share: float = 1.0) -> PowerSetting:
    """A GPU device at shares of its highest clocks, numbers or arrays."""
    law = power_by_clocks(profile)
    if law is None:
        above_w = (profile.power_w - profile.idle_w) * gpu_core_share * clocks.gpu**CLOCK_EXPONENT
        load_w = profile.idle_w + above_w
    else:
        load_w = np.minimum(law.most_w(clocks), profile.power_w)
    parts = (clocks.cpu, clocks.gpu, clocks.memory, gpu_core_share)
    full = np.logical_and.reduce(np.broadcast_arrays(*(np.equal(part, 1.0) for part in parts)))
    load_w = np.where(full, profile.power_w, load_w)[()]  # the full mode by another name, to the last digit
    return PowerSetting(name, clocks.gpu * gpu_core_share, clocks.cpu, load_w, clocks, gpu_core_share)


def steps_hz(profile: DeviceProfile) -> dict[str, tuple[float, ...]]:
    """Steps of each known clock in rising order, by the names of CLOCKS; empty where the profile has no clocks."""
    known = {name: getattr(profile.clocks, f"{name}_hz", None) for name in CLOCKS}
    return {name: steps.value for name, steps in known.items() if steps is not None}


def problem(profile: DeviceProfile, power_mode: str | ChosenClocks) -> str:
    """Faults of a power mode on a device in a text, with the fix; empty where it has none."""
    return "\n".join(map(str, faults(profile, power_mode)))


def faults(profile: DeviceProfile, power_mode: str | ChosenClocks) -> list[Fault]:
    """Faults of a power mode on a device, with the fix; a clock's has its name as path."""
    own, names = f"'{profile.name}'", ", ".join(profile.mode_names)
    if isinstance(power_mode, str):
        if power_mode in profile.mode_names:
            return []
        near = validation.nearest(power_mode, profile.mode_names)
        clocks = f", or a map with {', '.join(f'{name}_hz' for name in steps_hz(profile))}" if profile.clocks else ""
        return [Fault("", f"{own} has no power mode '{power_mode}'{near}; allowed: {names}{clocks}")]
    if profile.clocks is None:
        return [Fault("", f"{own} has no `clocks` in its profile that could be set; allowed: {names}")]
    return off_steps(profile, power_mode)


def off_steps(profile: DeviceProfile, given: ChosenClocks | ModeClocks) -> list[Fault]:
    """Clocks that are no steps of a device, each with the nearest one; the name of the clock is the path."""
    found, known = [], steps_hz(profile)
    for clock in CLOCKS:
        key = f"{clock}_hz"
        wanted = getattr(given, key)
        if wanted is None:
            continue
        if clock not in known:
            message = f"'{profile.name}' has no {key} in its profile that could be set; leave it out"
            found.append(Fault(key, message))
            continue
        nearest = _nearest(known[clock], wanted)
        if abs(nearest / wanted - 1) > _SAME:
            steps = ", ".join(f"{step / 1e6:.6g}" for step in known[clock])
            message = (
                f"{wanted:.10g} is no step of '{profile.name}'; the nearest is {nearest:.10g}; steps in MHz: {steps}"
            )
            found.append(Fault(key, message))
    return found


def _nearest(steps: tuple[float, ...], wanted: float) -> float:
    """The step that is nearest to a frequency."""
    return min(steps, key=lambda step: abs(step - wanted))
