"""Power that a battery receives by a trace: harvested from the sun, or from a charger and less the owner's use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.errors import DataError
from edgesim.hardware import trace_series
from edgesim.hardware.client_windows import ClientWindows
from edgesim.hardware.conditions import Energy
from edgesim.hardware.patterns import FOREVER_S, PowerPattern, merged
from edgesim.hardware.trace_keys import TraceKeys
from edgesim.hardware.trace_reader import TraceReader
from edgesim.hardware.trace_series import Series
from edgesim.hardware.trace_table import Array, Table
from edgesim.hardware.traces import UNKNOWN, all_series, check, gaps_of, note

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Storage:
    """Battery of a device."""

    capacity_j: float
    idle_w: float
    """that the device draws while it waits"""


def power_of(
    energy: Energy, reader: TraceReader, devices: int, storage: Storage
) -> tuple[list[tuple[PowerPattern, float | None]], str]:
    """Power that the batteries of a group receive, by their trace, and their charge at the start.

    Args:
        energy: names the trace.
        reader: of the scenario.
        devices: of the group. The patterns repeat where these are more.
        storage: battery of each device.

    Returns: pattern and share of the full battery at the start (None = full) of one device after another,
        and a sentence on how the trace was read.

    Raises: as `windows_of`.
    """
    assert energy.trace is not None
    file = reader.read(energy.trace)
    if isinstance(file, ClientWindows):
        raise DataError(f"{file.name}: is FedScale's availability, which has no energy; name it under `available`")
    if energy.source == "harvest":
        power_w = _harvested(energy, file)
        known = ~np.isnan(power_w)
        found = all_series(energy, file, known, devices)
        gaps = gaps_of(
            energy, file.name, found, "zero (0 W), interpolate (a line between the rows) or hold (the last row)"
        )
        patterns: list[tuple[PowerPattern, float | None]] = [
            (_steps(*_filled(one, power_w, energy, file.name), energy), energy.state_of_charge) for one in found
        ]
    else:
        charging, level = _states(energy, file)
        states = level if charging is None else charging
        assert states is not None  # one of them is there
        found = all_series(energy, file, ~np.isnan(states), devices)
        gaps = gaps_of(energy, file.name, found, "charging, not-charging or hold (as before the gap)")
        patterns = [_battery(one, charging, level, energy, storage) for one in found]
    return patterns, note(energy, file, found, devices, gaps)


def _steps(edges_s: Array, power_w: Array, keys: TraceKeys, on_mains: Flags | None = None) -> PowerPattern:
    mains = np.zeros(len(power_w), dtype=bool) if on_mains is None else on_mains
    bounds, (power, mains) = merged(edges_s, power_w, mains)
    period_s = float(bounds[-1])
    if keys.repeats is False:
        bounds, power, mains = np.append(bounds, FOREVER_S), np.append(power, 0.0), np.append(mains, False)
        period_s = FOREVER_S
    return PowerPattern(bounds[:-1], power, period_s, None if on_mains is None else mains)


def _harvested(energy: Energy, table: Table) -> Array:
    """[rows] power in W; NaN where it is unknown."""
    panel = energy.panel_m2 is not None
    column = energy.column or ("ghi" if panel else "power_w")
    if not panel and "ghi" in table.names and (column == "ghi" or column not in table.names):
        raise DataError(f"{table.name}: has irradiance (ghi), which is no power; give panel_m2 and efficiency")
    values = table.numbers(column)
    unit, most = ("W/m2", 2_000.0) if panel else ("W", 10_000.0)
    check(table, column, values, np.isinf(values), "must be a number")
    check(table, column, values, values < 0, f"must be 0 or more, in {unit}; put 0 where a sensor reads less at night")
    if not energy.unsafe:
        check(table, column, values, values > most, f"is not plausible: at most {most:g} {unit}; or put `unsafe: true`")
        top = float(np.nanmax(values)) if (~np.isnan(values)).any() else 0.0
        if panel and 0 < top <= 2:
            raise DataError(
                f"{table.name}: {column} is at most {top:g} W/m2, which looks like kW/m2: multiply by 1000; or put "
                f"`unsafe: true` if it is meant"
            )
    factor = (energy.panel_m2 or 1.0) * (energy.efficiency or 1.0) if panel else 1.0
    return values * factor


def _filled(one: Series, power_w: Array, energy: Energy, name: str) -> tuple[Array, Array]:
    """Bounds and powers of the steps of a harvest, gaps as the document says."""
    if energy.gaps == "zero":
        return one.edges_s, np.where(one.gap, 0.0, power_w[one.row])
    if np.isnan(power_w[one.row]).any():
        raise DataError(f"{name}: has no row with a known power to hold or to interpolate; give zero for its gaps")
    if energy.gaps != "interpolate" or not one.gap.any() or one.whole is None:
        return one.edges_s, power_w[one.row]
    # Of the whole trace, and then cut: the start may lie in a gap.
    whole, before = one.whole, power_w[one.whole.row]
    bounds, powers, done = [], [], 0
    for begin_s, end_s in zip(*whole.runs(), strict=True):
        first, last = (int(np.searchsorted(whole.edges_s, at)) for at in (begin_s, end_s))
        count = max(1, round((end_s - begin_s) / whole.usual_s))
        bounds += [whole.edges_s[done:first], begin_s + (end_s - begin_s) * np.arange(count) / count]
        line_w = power_w[whole.after[last - 1]] - before[first]
        powers += [before[done:first], before[first] + (np.arange(count) + 0.5) / count * line_w]
        done = last
    edges, power = np.concatenate([*bounds, whole.edges_s[done:]]), np.concatenate([*powers, before[done:]])
    cut, part = trace_series.within(edges, one.begin_s, one.begin_s + float(one.edges_s[-1]))
    return cut - one.begin_s, power[part]


def _states(energy: Energy, table: Table) -> tuple[Array | None, Array | None]:
    """[rows] 1 where the battery charges, 0 where it does not, NaN where that is unknown; and its level, 0 to 1."""
    charging = level = None
    if "battery" in table.names:
        level = _known(table, "battery")
        hint = "; it looks like percent: divide by 100" if 1 < np.nanmax(level, initial=0) <= 100 else ""
        check(table, "battery", level, ~((level >= 0) & (level <= 1) | np.isnan(level)), f"must be 0 to 1{hint}")
    if "charging" in table.names:
        charging = _known(table, "charging")
        wrong = ~np.isin(charging, (0, 1)) & ~np.isnan(charging)
        check(table, "charging", charging, wrong, "must be 0, 1 or unknown (-1)")
    if charging is None and level is None:
        near = nearest("charging", table.names) or nearest("battery", table.names)
        listed = ", ".join(table.names)
        raise DataError(f"{table.name}: has neither a column 'charging' nor 'battery'{near}; columns: {listed}")
    if level is None and energy.charging_w is None:
        raise DataError(f"{table.name}: has no column 'battery' that shows how fast it charges; give charging_w")
    return charging, level


def _known(table: Table, column: str) -> Array:
    values = table.numbers(column)
    return np.where(values == UNKNOWN, np.nan, values)


def _battery(
    one: Series, charging: Array | None, level: Array | None, energy: Energy, storage: Storage
) -> tuple[PowerPattern, float | None]:
    """Power into one device's battery, and its charge at the start.

    While the trace charges, the mains carry the device, and its battery fills with `charging_w`, or as fast as the
    level rose then. Otherwise it loses what the level lost: an idle device follows the trace from plug to plug, and
    work takes what it draws above idle. Without a level it loses what the device draws.

    Args:
        one: the steps of the trace.
        charging, level: [rows] of the file; None where it has no such column.
        energy: of the document.
        storage: battery of the device.
    """
    levels = None if level is None else _levels(one, level)
    on_mains = _charges(one, charging, levels, energy)
    bounds, (on,) = merged(one.edges_s, on_mains)
    if levels is None:
        return _steps(bounds, np.where(on, energy.charging_w or 0.0, 0.0), energy, on), energy.state_of_charge
    at = levels[np.clip(np.searchsorted(one.edges_s[:-1], bounds, side="right") - 1, 0, None)]
    lost_w = (at[:-1] - at[1:]) * storage.capacity_j / np.diff(bounds)
    if energy.charging_w is not None:
        filled_w = np.full(len(on), energy.charging_w)
    else:
        filled_w = _filling_w(one, levels, bounds, on, storage.capacity_j)
    start = float(levels[0]) if energy.state_of_charge is None else energy.state_of_charge
    return _steps(bounds, np.where(on, filled_w, storage.idle_w - lost_w), energy, on), start


def _charges(one: Series, charging: Array | None, levels: Array | None, energy: Energy) -> Flags:
    """[K] True where the device is on the charger."""
    if charging is not None:
        state = charging[one.row]
        if np.isnan(state).any() and energy.gaps == "hold":
            raise DataError(
                f"{one.called}: no charging state is known that could be held; give charging or not-charging"
            )
        on = state == 1
    else:
        assert levels is not None  # one of them is there
        on = _rises(one, levels)
    return np.where(one.gap, energy.gaps == "charging", on) if energy.gaps in ("charging", "not-charging") else on


def _rises(one: Series, levels: Array) -> Flags:
    """[K] True where the level's next change is a rise; in a gap as before it, and before a gap as until then."""
    change = np.append(np.diff(levels), 0.0)
    change[np.append(one.gap[1:], True)] = 0.0  # across a gap, or at the end
    on = np.zeros(len(levels), dtype=bool)
    ahead = False
    for place in range(len(levels) - 1, -1, -1):
        if one.gap[place]:
            ahead = False
        elif change[place]:
            ahead = change[place] > 0
        on[place] = ahead
    for place in range(1, len(levels)):
        if one.gap[place]:
            on[place] = on[place - 1]
    return on


def _levels(one: Series, level: Array) -> Array:
    """[K] level of the battery at the start of every step: the last known one."""
    levels = level[one.row]
    known = ~np.isnan(levels)
    if not known.any():
        raise DataError(f"{one.called}: no level of the battery is known; leave the column battery out")
    before = np.maximum.accumulate(np.where(known, np.arange(len(levels)), -1))
    return np.asarray(levels[np.where(before < 0, int(np.argmax(known)), before)])


def _filling_w(one: Series, levels: Array, bounds: Array, on: Flags, capacity_j: float) -> Array:
    """[R] power with which the level rose to its top in each stretch on the charger; elsewhere 0.

    A battery that was full when it was plugged in shows no rate. It gets the mean of the other stretches, by time.
    """
    found, took = np.zeros(len(on)), np.zeros(len(on))
    for place in np.flatnonzero(on):
        first, last = (int(np.searchsorted(one.edges_s, at)) for at in bounds[place : place + 2])
        inside = levels[first : last + 1]  # the level at the end is the first one after it
        top = int(np.argmax(inside))
        if inside[top] > inside[0]:
            took[place] = float(one.edges_s[first + top]) - float(bounds[place])
            found[place] = (inside[top] - inside[0]) * capacity_j / took[place]
    if on.any() and not took.any():
        raise DataError(f"{one.called}: the level never rises while it charges; give charging_w")
    mean_w = float(np.average(found, weights=took)) if took.any() else 0.0
    return np.where(on & (took == 0), mean_w, found)
