"""Checks of the lists of pairs that describe a pattern: windows of availability, and steps of harvested power."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from edgesim.errors import Fault
from edgesim.hardware.clock_times import seconds


class _Pair(NamedTuple):
    """An entry of a list of pairs."""

    place: int
    given: str
    """as the document has it"""
    first: float
    second: float


def pairs(entries: Any) -> list[_Pair]:
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


def window_faults(windows: Sequence[_Pair], period_s: float | None) -> list[Fault]:
    """Faults of windows of availability: order, overlap, and their place in the period."""
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


def trace_faults(trace: Sequence[_Pair], period_s: float | None) -> list[Fault]:
    """Faults of the times of `harvest_w`: order, the start at 0, and the end of the period."""
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
