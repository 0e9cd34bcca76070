"""Parts of a trace file that the devices of a group follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.errors import DataError
from edgesim.formatting import n_of
from edgesim.hardware import trace_series
from edgesim.hardware.client_windows import ClientWindows
from edgesim.hardware.conditions import Availability, Energy
from edgesim.hardware.trace_keys import EACH, TraceKeys
from edgesim.hardware.trace_series import Series
from edgesim.hardware.trace_table import Array, Table

Flags = npt.NDArray[np.bool_]

UNKNOWN = -1.0
"""number that stands for an unknown state, as an empty cell does"""
NAMED = 10
"""users that an error lists"""


def all_series(keys: TraceKeys, table: Table, known: Flags, devices: int) -> list[Series]:
    """The part of the trace that each device follows; one for all where no users are dealt.

    Args:
        keys: of the document.
        table: the file.
        known: [rows] True where the values that are needed are known.
        devices: of the group.

    Raises:
        DataError: no user is chosen, or the times are at fault.
    """
    column = "user" if keys.user is not None else "site" if keys.site is not None else None
    if column is None:
        for name in ("user", "site"):
            if name in table.names and len(table.texts(name)[1]) > 1:
                raise DataError(_choose(table.name, name, table.texts(name)[1]))
        return [_series(keys, table, "", np.arange(table.rows), known)]
    codes, names = table.texts(column)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise DataError(
            f"{table.name}, {table.row_name(int(missing[0]))}: has no {column}; give it, or leave the row out"
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
    return [
        _series(keys, table, names[i], order[bounds[i] : bounds[i + 1]], known)
        for i in chosen(keys, table.name, column, names, devices)
    ]


def _series(keys: TraceKeys, table: Table, label: str, rows: npt.NDArray[np.int64], known: Flags) -> Series:
    return trace_series.cut(trace_series.of_rows(table, label, rows, known[rows], keys), keys)


def chosen(keys: TraceKeys, name: str, column: str, names: Sequence[str], devices: int) -> list[int]:
    """Positions of the users that the devices follow.

    Raises:
        DataError: the trace has several and none is chosen, or the chosen one is not there.
    """
    given = keys.user if keys.user is not None else keys.site
    if given is None:
        if len(names) > 1:
            raise DataError(_choose(name, column, names))
        return [0]
    if given == EACH and EACH not in names:
        return list(range(min(len(names), devices)))
    if given not in names:
        raise DataError(f"{_choose(name, column, names)}; there is no '{given}'{nearest(given, names)}")
    return [names.index(given)]


def _choose(name: str, column: str, names: Sequence[str]) -> str:
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
    return f"{name}: holds {n_of(len(names), column)}; choose one with `{column}`, or `{column}: {EACH}`: {listed}"


def gaps_of(keys: Availability | Energy, name: str, found: Sequence[Series], meanings: str) -> str:
    """The gaps in words; `meanings` are those that `gaps` may have.

    Raises:
        DataError: there are gaps, and nothing says what they mean.
    """
    said = trace_series.gaps_said(found, "user" if keys.user is not None else "site")
    if said and keys.gaps == "refuse":
        raise DataError(f"{name}: has gaps: {said}; say with `gaps` what they mean: {meanings}")
    return f"; {said}: read as {keys.gaps}" if said else ""


def note(keys: TraceKeys, file: Table | ClientWindows, found: Sequence[Series], devices: int, gaps: str = "") -> str:
    """A sentence on how a trace was read."""
    lengths = [float(one.edges_s[-1]) for one in found]
    shortest, longest = trace_series.duration(min(lengths)), trace_series.duration(max(lengths))
    dealt = ""
    if EACH in (keys.user, keys.site):
        column = "user" if keys.user is not None else "site"
        total = len(file.clients if isinstance(file, ClientWindows) else file.texts(column)[1])
        dealt = f", {len(found):,} of {n_of(total, column)} dealt to {n_of(devices, 'device')}"
    after = "ends once" if keys.repeats is False else "repeats"
    length = shortest if shortest == longest else f"{shortest} to {longest}"
    begin = f", from t = {trace_series.moment(found[0].begin_s)}" if len(found) == 1 else ""
    return f"{file.name}{dealt}{begin}: {after} after {length}{gaps}"


def check(table: Table, column: str, values: Array, wrong: Any, message: str) -> None:
    """Refuse the first row that is wrong.

    Raises:
        DataError: naming the row, the value, and `message`.
    """
    rows = np.flatnonzero(wrong)
    if len(rows):
        more = f" ({n_of(len(rows), 'such row')})" if len(rows) > 1 else ""
        place = f"{table.name}, {table.row_name(int(rows[0]))}"
        raise DataError(f"{place}: {column} = {values[rows[0]]:.6g} {message}{more}")
