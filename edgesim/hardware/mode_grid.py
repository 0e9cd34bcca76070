"""All power modes of a device as arrays: every combination of its clocks' steps, or its named modes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from edgesim.hardware.conditions import FULL_MODE, ChosenClocks
from edgesim.hardware.power_setting import (
    ClockShares,
    PowerSetting,
    at_shares,
    computes_on_gpu,
    setting,
    steps_hz,
)
from edgesim.hardware.profile import DeviceProfile
from edgesim.work import FloatArray

ORDER = ("gpu", "memory", "cpu")
"""clocks by which modes are ordered, the first one first"""


@dataclass(frozen=True)
class ModeGrid:
    """K power modes of a device, lower clocks first; the last one is the full one."""

    profile: DeviceProfile
    setting: PowerSetting
    """arrays [K, 1]"""
    names: tuple[str, ...]
    """[K] of a profile without clocks; empty where the modes are combinations of clocks"""
    clocks_hz: FloatArray
    """[K, gpu memory cpu]; NaN for a clock that is not known"""

    def __len__(self) -> int:
        return len(self.clocks_hz)

    @classmethod
    def of(cls, profile: DeviceProfile) -> ModeGrid:
        """Every combination of the steps of a profile's clocks; its named modes where it has no clocks."""
        return _combinations(profile) if profile.clocks is not None else _named(profile)

    def mode(self, place: int) -> str | ChosenClocks:
        """One of them, as a fleet's `power_mode` gives it."""
        if place == len(self) - 1:
            return FULL_MODE
        if self.names:
            return self.names[place]
        gpu_hz, memory_hz, cpu_hz = (None if np.isnan(hz) else float(hz) for hz in self.clocks_hz[place])
        return ChosenClocks(cpu_hz=cpu_hz, gpu_hz=gpu_hz, memory_hz=memory_hz)


def _combinations(profile: DeviceProfile) -> ModeGrid:
    steps = steps_hz(profile)
    known = [steps.get(clock, (np.nan,)) for clock in ORDER]
    clocks_hz = np.array(list(product(*known)))
    highest = clocks_hz[-1]
    shares = {
        clock: np.ones((len(clocks_hz), 1)) if clock not in steps else (clocks_hz[:, [i]] / highest[i])
        for i, clock in enumerate(ORDER)
    }
    return ModeGrid(profile, at_shares(profile, "", ClockShares(**shares)), (), clocks_hz)


def _named(profile: DeviceProfile) -> ModeGrid:
    """Named modes, the slower first; of equally fast ones the one of less power."""
    modes = [setting(profile, name) for name in profile.mode_names if name != FULL_MODE]
    modes.sort(key=lambda mode: (float(mode.speed), float(mode.load_w), float(mode.overhead_speed)))
    modes.append(setting(profile))
    columns = [
        np.array([[getattr(mode, name)] for mode in modes], dtype=np.float64)
        for name in ("speed", "overhead_speed", "load_w", "gpu_core_share")
    ]
    clocks = None
    if computes_on_gpu(profile):
        shares = [mode.clocks or ClockShares() for mode in modes]
        clocks = ClockShares(
            *(np.array([[getattr(each, name)] for each in shares]) for name in ("cpu", "gpu", "memory"))
        )
    stacked = PowerSetting("", columns[0], columns[1], columns[2], clocks, columns[3])
    return ModeGrid(profile, stacked, tuple(mode.name for mode in modes), np.full((len(modes), len(ORDER)), np.nan))
