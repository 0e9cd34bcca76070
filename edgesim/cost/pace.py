"""What is given to the emulator, timed work and a device, and what follows from the two alone: the pace of every phase.

Throttled: at its limit the governor lets a share y of the work run at full speed and the rest at the clock whose power
above idle is H, speed s = (H/L)^(1/2.2) of the mode's, such that the mean power above idle is H (L: power above idle
under full load in this mode; b and w: busy and waiting seconds of a step): y·b·L + (1 − y)·(b/s)·H = H·(y·b +
(1 − y)·b/s + w), so y = H·w/(b·(L − H)). Without waiting y = 0.

Within a phase busy and waiting seconds count as evenly mixed. Against the same steps taken apart, at the limit of the
heat, that errs by less than 0.1 % of time and energy while a step waits for less than 1 % of τ, and by 0.2-0.7 % at 4 %
of it (b = 10 s, w = 5 s, τ = 120 s; throttled_factor 0.64 to 0.86).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.conditions import FULL_MODE
from edgesim.cost import heat
from edgesim.cost.heat import Array
from edgesim.profiles import DeviceProfile


@dataclass(frozen=True)
class Phases:
    """S phases of equal steps, run-length encoded; arrays [S], or [D, S] for many devices at once."""

    steps: npt.ArrayLike
    """how many, >= 0"""
    busy_s: npt.ArrayLike
    """per step at full clock, computing"""
    wait_s: npt.ArrayLike
    """per step, reading storage"""
    labels: tuple[str, ...] = ()
    """of the S phases, for sums; may be left out"""


@dataclass(frozen=True)
class Hardware:
    """What the emulator needs of a device in one power mode; numbers, or arrays [D]."""

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

    @classmethod
    def of(cls, profile: DeviceProfile, power_mode: str = FULL_MODE) -> Hardware:
        """The hardware of a profile in one of its power modes.

        Raises:
            KeyError: the profile has no such mode.
        """
        speed, load_w = profile.mode(power_mode)
        battery_j = np.inf if profile.battery_j is None else profile.battery_j
        cooling = profile.cooling
        if cooling is None or profile.power_w == profile.idle_w:  # load that adds no heat has no limit
            return cls(profile.idle_w, load_w, speed, battery_j=battery_j)
        sustained_w = heat.sustained_w(profile.idle_w, profile.power_w, cooling.throttled_factor.value)
        return cls(profile.idle_w, load_w, speed, sustained_w, cooling.time_constant_s.value, battery_j)


@dataclass(frozen=True)
class Pace:
    """What is constant in each phase of each device: arrays [D, S], and [D, 1] where all phases share it."""

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
    """how much longer a step takes at the limit, >= 1"""
    held_waiting: Array
    """share of such a step that waits for storage"""
    held_w: Array
    idle_w: Array
    speed: Array
    time_constant_s: Array
    battery_j: Array
    heats: bool
    """whether any device has a limit of its heat"""
    throttles: bool
    """whether any device can reach it"""

    @classmethod
    def of(cls, phases: Phases, hardware: Hardware) -> Pace:
        """All that follows from the work and the device alone."""
        column = {name: np.reshape(np.asarray(value, np.float64), (-1, 1)) for name, value in vars(hardware).items()}
        given = [np.atleast_2d(np.asarray(a, np.float64)) for a in (phases.steps, phases.busy_s, phases.wait_s)]
        wide = np.broadcast_arrays(*given, *column.values())[:3]
        column = {name: np.broadcast_to(value, (len(wide[0]), 1)) for name, value in column.items()}
        idle_w, load_w, limit_w = column["idle_w"], column["load_w"], column["sustained_w"]
        # Column by column in memory where devices outnumber phases: sums over phases then run over whole columns.
        steps, busy_s, wait_s = (np.asarray(a, order="F" if a.shape[0] > a.shape[1] else "C") for a in wide)
        busy_s = busy_s / column["speed"]
        step_s = busy_s + wait_s
        busy = np.divide(busy_s, step_s, out=np.zeros_like(step_s), where=step_s > 0)
        above_w = load_w - idle_w
        heats = bool(np.isfinite(limit_w).any())
        target = busy * above_w / limit_w if heats else np.broadcast_to(0.0, step_s.shape)
        throttles = heats and bool((target > 1.0).any())
        stretch, waiting = np.broadcast_to(1.0, step_s.shape), 1.0 - busy
        if throttles:
            hot = target > 1.0
            top_w, bottom_w = np.where(hot, above_w, 2.0), np.where(hot, limit_w, 1.0)
            full = bottom_w * wait_s / (np.where(hot, busy_s, 1.0) * (top_w - bottom_w))
            slow = (top_w / bottom_w) ** (1 / heat.CLOCK_EXPONENT)
            # Rounding may leave the stretch of a phase just above the limit a hair below 1.
            stretch = np.where(hot, np.maximum(waiting + busy * (full + (1.0 - full) * slow), 1.0), 1.0)
        return cls(
            steps=steps,
            step_s=step_s,
            waiting=waiting,
            free_w=np.minimum(idle_w + busy * above_w, load_w),
            target=target,
            stretch=stretch,
            held_waiting=waiting / stretch if throttles else waiting,
            held_w=np.minimum(idle_w + np.where(np.isfinite(limit_w), limit_w, 0.0), load_w),
            idle_w=idle_w,
            speed=column["speed"],
            time_constant_s=column["time_constant_s"],
            battery_j=column["battery_j"],
            heats=heats,
            throttles=throttles,
        )

    def pieces(self, rows: npt.NDArray[np.int64], first: int, count: int) -> tuple[Array, Array]:
        """Power in W and pace of a gap and then of `count` phases from `first` on, each free and then held.

        Returns: float64 [R, 1 + 2·count], twice.
        """
        columns = slice(first, first + count)
        free_w, idle_w, speed = self.free_w[rows, columns], self.idle_w[rows], self.speed[rows]
        powers = np.stack([free_w, np.broadcast_to(self.held_w[rows], free_w.shape)], axis=-1)
        speeds = np.stack([np.broadcast_to(speed, free_w.shape), speed / self.stretch[rows, columns]], axis=-1)
        flat = (len(rows), 2 * count)
        return (
            np.concatenate([idle_w, powers.reshape(flat)], axis=1),
            np.concatenate([np.zeros_like(idle_w), speeds.reshape(flat)], axis=1),
        )
