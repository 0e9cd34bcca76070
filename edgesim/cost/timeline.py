"""Timeline of many devices through their phases, window by window: heat, availability and charge. For `emulator`."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from edgesim.cost import battery, thermal
from edgesim.cost.phases import PhaseRates
from edgesim.cost.thermal import Array
from edgesim.hardware.conditions import Conditions

Rows = npt.NDArray[np.int64]
"""[R] positions of the devices in one step of the timeline, rising"""
_At = tuple[Rows | slice, slice]


class Timeline:
    """State of D devices on their way through S phases, with the time and energy that they have spent."""

    def __init__(self, rates: PhaseRates, conditions: Conditions, start_s: float):
        devices = len(rates.steps)
        energy = conditions.energy
        full_j = rates.battery_j[:, 0] if energy.capacity_j is None else np.full(devices, energy.capacity_j)
        self.time_s, self.energy_j, self.throttled_s, self.wait_s = (np.zeros_like(rates.step_s) for _ in range(4))
        self.peak_heat, self._heat = np.zeros(devices), np.zeros(devices)
        self.died_at_s = np.full(devices, np.nan)
        self.capacity_j = np.broadcast_to(np.inf if energy.source == "mains" else full_j, (devices,))
        charged = 1.0 if energy.state_of_charge is None else energy.state_of_charge
        if energy.source != "mains" and not np.isfinite(full_j).all():
            raise ValueError(f"energy from a {energy.source} needs a battery: give energy.capacity_j")
        self.charge_j = np.where(np.isfinite(self.capacity_j), charged * self.capacity_j, np.inf)
        self._rates, self._supply, self._now_s = rates, conditions.supply, start_s
        self._left = rates.steps.copy()
        self._phase = np.zeros(devices, dtype=np.int64)
        self.finished = np.asarray(~(self._left > 0).any(axis=1))

    @property
    def active(self) -> npt.NDArray[np.bool_]:
        """[D] True where a device has work left and its battery is not empty."""
        return np.asarray(~self.finished & np.isnan(self.died_at_s))

    @cached_property
    def _full_s(self) -> Array:
        """[D, S] seconds at full speed until the end of each phase, from the start of the work."""
        return np.cumsum(self._rates.steps * self._rates.step_s, axis=1)

    def work(self, open_s: float, close_s: float) -> None:
        """Wait until `open_s`, then work until `close_s` or the end of the work; charge and heat follow."""
        rows = np.flatnonzero(self.active)
        columns = self._reach(rows, close_s - open_s)
        at: _At = (slice(None) if len(rows) == len(self._left) else rows, columns)
        gap_s = np.full(len(rows), open_s - self._now_s)
        free_s, held_s, before = self._at_full_speed(rows, at, gap_s)
        stops_s = np.full(len(rows), close_s - open_s)
        if np.isfinite(close_s):
            free_s, held_s = _until(stops_s, free_s, held_s)
        died_s = self._drain(rows, columns, gap_s, free_s, held_s)
        died = np.isfinite(died_s)
        if died.any():
            self.died_at_s[rows[died]] = died_s[died]
            gap_s = np.minimum(gap_s, died_s - self._now_s)
            stops_s = np.minimum(stops_s, np.maximum(died_s - open_s, 0.0))
            free_s, held_s = _until(stops_s, free_s, held_s)
        self._book(rows, at, gap_s, free_s, held_s)
        if np.isfinite(close_s) or died.any():
            self._stop(rows, at, before, stops_s, free_s, held_s)
        else:
            self._end(rows, at, before, free_s)
        self._now_s = close_s

    def _reach(self, rows: Rows, length_s: float) -> slice:
        """The phases that any device can touch within `length_s`: at the limit of their heat they only get slower."""
        phase = self._phase[rows]
        first, count = int(phase.min()), self._left.shape[1]
        if not np.isfinite(length_s):
            return slice(first, count)
        far_s = self._full_s[rows, phase] + length_s * (1 + 1e-9)
        if len(rows) == 1:
            last = int(np.searchsorted(self._full_s[rows[0]], far_s[0]))
        else:
            last = int((self._full_s[rows, first:] < far_s[:, None]).sum(axis=1).max()) + first
        return slice(first, min(last + 1, count))

    def _at_full_speed(self, rows: Rows, at: _At, gap_s: Array) -> tuple[Array, Array, Array]:
        """[R, C] seconds at full speed and at the limit that the work left would take, and the heat before it."""
        rates = self._rates
        full_s = self._left[at] * rates.step_s[at]
        if not rates.heats:
            return full_s, np.zeros_like(full_s), np.zeros_like(full_s)
        constant_s, target = rates.time_constant_s[at[0]], rates.target[at]
        cooled = self._heat[rows] * np.exp(-gap_s / constant_s[:, 0])
        before = thermal.before(cooled, target, np.exp(-full_s / constant_s))
        free_s = np.minimum(full_s, thermal.seconds_to_limit(before, target, constant_s)) if rates.throttles else full_s
        return free_s, (full_s - free_s) * rates.stretch[at], before

    def _drain(self, rows: Rows, columns: slice, gap_s: Array, free_s: Array, held_s: Array) -> Array:
        """Take the energy of the pieces from the batteries; [R] when one is empty, inf where none is."""
        if not np.isfinite(self.capacity_j[rows]).any():
            return np.full(len(rows), np.inf)
        lengths = np.concatenate([gap_s[:, None], np.stack([free_s, held_s], axis=-1).reshape(len(rows), -1)], axis=1)
        times_s = self._now_s + np.cumsum(np.pad(lengths, ((0, 0), (1, 0))), axis=1)
        powers = self._rates.powers(rows, columns.start, free_s.shape[1])
        died_s, left_j = battery.follow(times_s, powers, self.charge_j[rows], self.capacity_j[rows], self._supply)
        self.charge_j[rows] = left_j
        return died_s

    def _book(self, rows: Rows, at: _At, gap_s: Array, free_s: Array, held_s: Array) -> None:
        """Add time and energy of the finished pieces to the sums."""
        rates = self._rates
        self.time_s[at] += free_s
        self.energy_j[at] += free_s * rates.free_w[at]
        self.wait_s[at] += free_s * rates.waiting[at]
        if rates.throttles:
            self.time_s[at] += held_s
            self.energy_j[at] += held_s * rates.held_w[at[0]]
            self.throttled_s[at] += held_s
            self.wait_s[at] += held_s * rates.held_waiting[at]
        if gap_s.any():
            waits_for = at[1].start + np.argmax(self._left[at] > 0, axis=1)
            self.time_s[rows, waits_for] += gap_s
            self.wait_s[rows, waits_for] += gap_s
            self.energy_j[rows, waits_for] += gap_s * rates.idle_w[rows, 0]

    def _end(self, rows: Rows, at: _At, before: Array, free_s: Array) -> None:
        """Note that the devices have finished."""
        self._left[at] = 0.0
        self.finished[rows] = True
        if self._rates.heats:
            after = self._heat_after(at, before, free_s, last_only=True)
            self.peak_heat[rows] = np.maximum(self.peak_heat[rows], np.maximum(before.max(axis=1), after[:, 0]))

    def _stop(self, rows: Rows, at: _At, before: Array, stops_s: Array, free_s: Array, held_s: Array) -> None:
        """Note the work left and the heat of devices that stop after `stops_s`, most of them within a phase."""
        rates, spent_s = self._rates, free_s + held_s
        takes_time = rates.step_s[at] > 0
        done = (free_s + held_s / rates.stretch[at]) / np.where(takes_time, rates.step_s[at], 1.0)
        # What is left below a billionth of a phase is rounding, not work.
        rest = np.where(self._left[at] - done > 1e-9 * rates.steps[at], self._left[at] - done, 0.0)
        self._left[at] = np.where(spent_s > 0, rest, np.where(takes_time, self._left[at], 0.0))
        self.finished[rows] = ~(self._left[rows, at[1].start :] > 0).any(axis=1)
        begin_s = np.cumsum(spent_s, axis=1) - spent_s
        reached = (begin_s < stops_s[:, None]) & (spent_s > 0)
        last = np.where(reached.any(axis=1), spent_s.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1), 0)
        self._phase[rows] = at[1].start + last
        if rates.heats:
            after = np.where(held_s > 0, 1.0, self._heat_after(at, before, free_s))
            self._heat[rows] = np.where(reached.any(axis=1), after[np.arange(len(rows)), last], before[:, 0])
            peak = np.max(np.where(reached, after, 0.0), axis=1)
            self.peak_heat[rows] = np.maximum(self.peak_heat[rows], peak)

    def _heat_after(self, at: _At, before: Array, free_s: Array, *, last_only: bool = False) -> Array:
        """[R, C] heat after `free_s` seconds at full speed, or [R, 1] that of the last phase."""
        part = slice(-1 if last_only else 0, None)
        target, constant_s = self._rates.target[at][:, part], self._rates.time_constant_s[at[0]]
        after = target + (before[:, part] - target) * np.exp(-free_s[:, part] / constant_s)
        return np.minimum(after, 1.0)


def _until(stops_s: Array, free_s: Array, held_s: Array) -> tuple[Array, Array]:
    """Parts of the pieces before `stops_s`, [R] seconds from their start."""
    begin_s = np.cumsum(free_s + held_s, axis=1) - (free_s + held_s)
    room_s = np.clip(stops_s[:, None] - begin_s, 0.0, None)
    free_s = np.minimum(free_s, room_s)
    return free_s, np.minimum(held_s, room_s - free_s)
