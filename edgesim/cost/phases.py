"""Input of the emulator, timed work and a device, and the rates of every phase that follow from the two.

A step computes, waits for memory and dispatches operations, one after another, and then waits for storage. While it
computes the device draws full load; the other two parts of its busy time draw a share of that above idle, their
activity (`Power.memory_activity`, `.overhead_activity`). A is the mean activity over the busy seconds.

Throttled: at its limit the governor lets a share y of the work run at full speed. The rest runs at the clock with the
power H above idle, at the speed s = (H/(A·L))^(1/2.2) of the mode's. The mean power above idle is then H. With L, the
power above idle under full load in this mode, and b and w, the busy and waiting seconds of a step:
y·b·A·L + (1 − y)·(b/s)·H = H·(y·b + (1 − y)·b/s + w), so y = H·w/(b·(A·L − H)). Without waiting y = 0. All of the busy
time is slowed by the same factor.

Within a phase all parts count as evenly mixed. Steps split into busy and waiting seconds were emulated at the limit of
the heat for comparison. The error of time and energy is below 0.1 % while a step waits for less than 1 % of τ. It is
0.2-0.7 % at 4 % of τ (b = 10 s, w = 5 s, τ = 120 s; throttled_factor 0.64 to 0.86).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.cost import thermal
from edgesim.cost.thermal import Array
from edgesim.hardware import power_setting
from edgesim.hardware.conditions import FULL_MODE
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.power_setting import CLOCK_EXPONENT, AnyMode


@dataclass(frozen=True)
class Phases:
    """S phases of equal steps, run-length encoded; arrays [S], or [D, S] for many devices at once.

    A step's seconds are at full clock; the first and the last two are its busy time.
    """

    steps: npt.ArrayLike
    """number of steps, >= 0"""
    compute_s: npt.ArrayLike
    """per step, under full load"""
    wait_s: npt.ArrayLike
    """per step, reading storage"""
    labels: tuple[str, ...] = ()
    """of the S phases, for sums; may be left out"""
    memory_s: npt.ArrayLike = 0.0
    """per step, moving operands in memory"""
    overhead_s: npt.ArrayLike = 0.0
    """per step, dispatching operations; starting up"""
    load_s: npt.ArrayLike | None = None
    """per step, seconds under full load that take the same energy above idle; None: by the activities of its parts"""


@dataclass(frozen=True)
class Hardware:
    """A device in one power mode, as the emulator needs it; numbers, or arrays [D]."""

    idle_w: npt.ArrayLike
    load_w: npt.ArrayLike
    """under full load in this mode"""
    speed: npt.ArrayLike
    """of computing over that at full clock, in (0, 1]"""
    sustained_w: npt.ArrayLike = np.inf
    """H, power above idle that it can shed for ever (`heat.sustained_w`); inf = never throttles"""
    time_constant_s: npt.ArrayLike = 1.0
    """τ of its heat"""
    battery_j: npt.ArrayLike = np.inf
    """energy of the full battery"""
    overhead_speed: npt.ArrayLike = 1.0
    """of dispatch and start-up over that at full clock, in (0, 1]"""
    memory_activity: npt.ArrayLike = 1.0
    overhead_activity: npt.ArrayLike = 1.0

    @classmethod
    def of(cls, profile: DeviceProfile, power_mode: AnyMode = FULL_MODE) -> Hardware:
        """The hardware of a profile in one of its power modes.

        Steps of a GPU come with their times at the mode's clocks (`cost.steps.step_cost`): nothing slows them again.

        Raises:
            KeyError: the profile has no such mode.
        """
        mode = power_setting.setting(profile, power_mode)
        power, cooling = profile.power, profile.cooling
        # Load that adds no heat has no limit.
        heats = cooling is not None and profile.power_w > profile.idle_w
        factor = cooling.throttled_factor.value if cooling else 1.0
        return cls(
            idle_w=profile.idle_w,
            load_w=mode.load_w,
            speed=1.0 if mode.clocks else mode.speed,
            sustained_w=thermal.sustained_w(profile.idle_w, profile.power_w, factor) if heats else np.inf,
            time_constant_s=cooling.time_constant_s.value if cooling else 1.0,
            battery_j=np.inf if profile.battery_j is None else profile.battery_j,
            overhead_speed=1.0 if mode.clocks else mode.overhead_speed,
            memory_activity=power.memory_activity.value if power.memory_activity else 1.0,
            overhead_activity=power.overhead_activity.value if power.overhead_activity else 1.0,
        )


@dataclass(frozen=True)
class PhaseRates:
    """Constants of each phase of each device: arrays [D, S], and [D, 1] where all phases share one."""

    steps: Array
    step_s: Array
    """a step at the mode's full speed"""
    waiting: Array
    """share of a step that waits for storage"""
    free_w: Array
    """mean power"""
    target: Array
    """θ∞ of that power"""
    stretch: Array
    """time of a step at the limit over that at full speed, >= 1"""
    held_waiting: Array
    """share of such a step that waits for storage"""
    held_w: Array
    idle_w: Array
    time_constant_s: Array
    battery_j: Array
    heats: bool
    """True where a device has a limit of its heat"""
    throttles: bool
    """True where a device can reach that limit"""

    @classmethod
    def of(cls, phases: Phases, hardware: Hardware) -> PhaseRates:
        """All that follows from the work and the device alone."""
        column = {name: np.reshape(np.asarray(value, np.float64), (-1, 1)) for name, value in vars(hardware).items()}
        parts = (phases.steps, phases.compute_s, phases.memory_s, phases.overhead_s, phases.wait_s)
        wide = np.broadcast_arrays(*(np.atleast_2d(np.asarray(a, np.float64)) for a in parts), *column.values())[:5]
        column = {name: np.broadcast_to(value, (len(wide[0]), 1)) for name, value in column.items()}
        idle_w, load_w, limit_w = column["idle_w"], column["load_w"], column["sustained_w"]
        # Column by column in memory where devices outnumber phases: sums over phases then run over whole columns.
        order: Literal["F", "C"] = "F" if wide[0].shape[0] > wide[0].shape[1] else "C"
        steps, compute_s, memory_s, overhead_s, wait_s = (np.asarray(a, order=order) for a in wide)
        overhead_s = overhead_s / column["overhead_speed"]
        busy_s = (compute_s + memory_s) / column["speed"] + overhead_s
        # Seconds under full load that would take the same energy above idle.
        if phases.load_s is None:
            active_s = (compute_s + column["memory_activity"] * memory_s) / column["speed"]
            active_s += column["overhead_activity"] * overhead_s
        else:
            active_s = np.asarray(np.broadcast_to(phases.load_s, busy_s.shape), np.float64)
        step_s = busy_s + wait_s
        lasts = step_s > 0
        busy = np.divide(busy_s, step_s, out=np.zeros_like(step_s), where=lasts)
        above_w = load_w - idle_w
        mean_w = np.divide(active_s, step_s, out=np.zeros_like(step_s), where=lasts) * above_w
        heats = bool(np.isfinite(limit_w).any())
        target = mean_w / limit_w if heats else np.broadcast_to(0.0, step_s.shape)
        throttles = heats and bool((target > 1.0).any())
        stretch, waiting = np.broadcast_to(1.0, step_s.shape), 1.0 - busy
        if throttles:
            hot = target > 1.0
            active_w = np.divide(active_s, busy_s, out=np.zeros_like(step_s), where=hot) * above_w
            top_w, bottom_w = np.where(hot, active_w, 2.0), np.where(hot, limit_w, 1.0)
            full = bottom_w * wait_s / (np.where(hot, busy_s, 1.0) * (top_w - bottom_w))
            slow = (top_w / bottom_w) ** (1 / CLOCK_EXPONENT)
            # Rounding may leave the stretch of a phase just above the limit a hair below 1.
            stretch = np.where(hot, np.maximum(waiting + busy * (full + (1.0 - full) * slow), 1.0), 1.0)
        return cls(
            steps=steps,
            step_s=step_s,
            waiting=waiting,
            free_w=np.minimum(idle_w + mean_w, load_w),
            target=target,
            stretch=stretch,
            held_waiting=waiting / stretch if throttles else waiting,
            held_w=np.minimum(idle_w + np.where(np.isfinite(limit_w), limit_w, 0.0), load_w),
            idle_w=idle_w,
            time_constant_s=column["time_constant_s"],
            battery_j=column["battery_j"],
            heats=heats,
            throttles=throttles,
        )

    def powers(self, rows: npt.NDArray[np.int64], first: int, count: int) -> Array:
        """Power in W in a gap and then in `count` phases from `first` on, each free and then held.

        Returns: float64 [R, 1 + 2·count].
        """
        free_w = self.free_w[rows, first : first + count]
        pairs = np.stack([free_w, np.broadcast_to(self.held_w[rows], free_w.shape)], axis=-1)
        return np.concatenate([self.idle_w[rows], pairs.reshape(len(rows), 2 * count)], axis=1)
