"""Rows of one user or site of a trace as steps in time, with the gaps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError
from edgesim.formatting import n_of, percent
from edgesim.hardware.trace_keys import LATEST_S, TraceKeys, start_s
from edgesim.hardware.trace_table import Array, Table

Rows = npt.NDArray[np.int64]

USUAL_FACTOR = 1.5
"""a gap begins where two rows are farther apart than this many times their usual distance"""


@dataclass(frozen=True)
class Series:
    """Steps of time, each with the row that holds there, on the axis of the trace's `t`."""

    name: str
    """of the file"""
    label: str
    """user or site; empty where the file has one"""
    edges_s: Array
    """[K + 1] bounds of the steps"""
    row: Rows
    """[K] row of the file whose value holds; in a gap the last one before it with a known value, or else the first"""
    after: Rows
    """[K] the first row with a known value from the step on, or else the last one"""
    gap: npt.NDArray[np.bool_]
    """[K] True where the trace says nothing"""
    usual_s: float
    """usual distance of two rows: the median"""
    begin_s: float = 0.0
    """of the part, on the axis of `whole`"""
    whole: Series | None = None
    """that this is a part of"""

    @property
    def called(self) -> str:
        """File and label, for messages."""
        return _called(self.name, self.label)

    def runs(self) -> tuple[Array, Array]:
        """Starts and ends of the gaps, neighbouring steps as one."""
        bounds = np.diff(np.concatenate([[False], self.gap, [False]]).astype(np.int8))
        return self.edges_s[np.flatnonzero(bounds == 1)], self.edges_s[np.flatnonzero(bounds == -1)]


def of_rows(table: Table, label: str, rows: Rows, known: npt.NDArray[np.bool_], keys: TraceKeys) -> Series:
    """The steps of some rows: each row holds until the next one, the last for the usual distance.

    Args:
        table: the file.
        label: of the rows, for messages.
        rows: [n] of the file.
        known: [n] True where the values that are needed are known.
        keys: of the document.

    Raises:
        DataError: times that are missing, implausible, twice there, or not in order.
    """
    times = _times(table, label, rows)
    usual_s = float(np.median(np.diff(times)))
    limit_s = USUAL_FACTOR * usual_s if keys.gap_s is None else keys.gap_s
    if limit_s < usual_s:
        apart = f"{_called(table.name, label)}: its rows are usually {usual_s:g} s apart"
        raise DataError(f"{apart}, so that gap_s = {limit_s:g} makes gaps of all; give {usual_s:g} or more")
    ends = np.append(times[1:], times[-1] + usual_s)
    far = np.flatnonzero(ends - times > limit_s)
    places = np.arange(len(times))
    before = np.maximum.accumulate(np.where(known, places, -1))
    later = np.minimum.accumulate(np.where(known, places, len(times))[::-1])[::-1]
    first, last = (int(np.argmax(known)), len(times) - 1 - int(np.argmax(known[::-1]))) if known.any() else (0, 0)
    before, later = np.where(before < 0, first, before), np.where(later == len(times), last, later)
    # What comes after a gap between two rows is the second one.
    beyond = np.append(later[1:], last)
    return Series(
        name=table.name,
        label=label,
        edges_s=np.append(np.insert(times, far + 1, times[far] + usual_s), ends[-1]),
        row=rows[np.insert(before, far + 1, before[far])],
        after=rows[np.insert(later, far + 1, beyond[far])],
        gap=np.insert(~known, far + 1, True),
        usual_s=usual_s,
    )


def cut(series: Series, keys: TraceKeys) -> Series:
    """The part of a series that a device follows; second 0 of the result is the start of the scenario.

    Raises:
        DataError: the part is not in the trace.
    """
    edges, named = series.edges_s, series.called
    begin_s = start_s(keys, float(edges[0]))
    if not edges[0] <= begin_s < edges[-1]:
        raise DataError(
            f"{named}: start = {keys.start} is {moment(begin_s)}, and the trace reaches from {moment(edges[0])} to "
            f"{moment(edges[-1])}; give a time within, or a clock time like 22:00"
        )
    end_s = float(edges[-1]) if keys.length_s is None else begin_s + keys.length_s
    if end_s > edges[-1]:
        rest = f"the {edges[-1] - begin_s:g} s from the start to the end"
        raise DataError(f"{named}: length_s = {keys.length_s:g} is longer than {rest}")
    bounds, part = within(edges, begin_s, end_s)
    return replace(
        series, edges_s=bounds - begin_s, row=series.row[part], after=series.after[part], gap=series.gap[part],
        begin_s=begin_s, whole=series,
    )  # fmt: skip


def within(edges_s: Array, begin_s: float, end_s: float) -> tuple[Array, slice]:
    """Bounds of the steps between two times, and the positions of these steps."""
    first = int(np.searchsorted(edges_s, begin_s, side="right")) - 1
    last = int(np.searchsorted(edges_s, end_s, side="left"))
    bounds = edges_s[first : last + 1].copy()
    bounds[0], bounds[-1] = begin_s, end_s
    return bounds, slice(first, last)


def gaps_said(found: Sequence[Series], kind: str) -> str:
    """Number of the gaps of several series, their share of the time, and the longest; empty where there are none.

    Args:
        found: the series, cut.
        kind: of their labels: user or site.
    """
    runs = [one.runs() for one in found]
    count = sum(len(begins) for begins, _ in runs)
    if not count:
        return ""
    longest = [float((ends - begins).max()) if len(begins) else 0.0 for begins, ends in runs]
    missing_s = sum(float((ends - begins).sum()) for begins, ends in runs)
    share = missing_s / sum(float(one.edges_s[-1]) for one in found)
    most = int(np.argmax(longest))
    where = f" ({kind} {found[most].label})" if len(found) > 1 else ""
    begins, ends = runs[most]
    at_s = float(begins[np.argmax(ends - begins)])
    said = f"{n_of(count, 'gap')}, {percent(share)} of the time, the longest {duration(longest[most])}"
    if len(found) > 1:
        concerned = sum(len(begins) > 0 for begins, _ in runs)
        return f"{concerned} of {n_of(len(found), kind)} with {said}{where}"
    return f"{said}, from {duration(at_s)} after the start"


def duration(length_s: float) -> str:
    """Seconds in the unit that a person would use."""
    for unit_s, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if length_s >= 2 * unit_s:
            return f"{length_s / unit_s:.3g} {unit}"
    return f"{length_s:.3g} s"


def moment(time_s: float) -> str:
    """A value of `t`, and the time in UTC that it is as Unix seconds."""
    if not 0 <= time_s <= LATEST_S:
        return f"{time_s:.12g} s"
    return f"{time_s:.12g} s ({datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S} UTC)"


def _times(table: Table, label: str, rows: Rows) -> Array:
    times = table.numbers("t")[rows]

    def at(place: int) -> str:
        return f"{table.name}, {table.row_name(int(rows[place]))}"

    wrong = np.flatnonzero(~np.isfinite(times))
    if len(wrong):
        raise DataError(f"{at(wrong[0])}: has no time; give t in seconds, or leave the row out")
    wrong = np.flatnonzero(times < 0)
    if len(wrong):
        raise DataError(f"{at(wrong[0])}: t = {times[wrong[0]]:.15g} must be 0 or more, in Unix seconds")
    wrong = np.flatnonzero(times > LATEST_S)
    if len(wrong):
        hint = "; it looks like milliseconds: divide by 1000" if times.max() / 1000 <= LATEST_S else ""
        raise DataError(f"{at(wrong[0])}: t = {times[wrong[0]]:.15g} s is after the year 2100{hint}")
    back = np.flatnonzero(np.diff(times) <= 0)
    if len(back):
        place = int(back[0]) + 1
        same = times[place] == times[place - 1]
        which = f"is there twice (also {table.row_name(int(rows[place - 1]))})" if same else "comes after a later one"
        fix = "keep one row" if same else "sort the rows by t"
        of = f" of {label}" if label else ""
        raise DataError(f"{at(place)}: t = {times[place]:.15g}{of} {which}; {fix}")
    if len(times) < 2:
        raise DataError(f"{_called(table.name, label)}: has {n_of(len(times), 'row')}; a trace needs two or more")
    return times


def _called(name: str, label: str) -> str:
    return f"{name}, {label}" if label else name
