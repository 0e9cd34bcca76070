"""Windows of availability from a trace: of a table's columns, or of FedScale's clients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgesim.errors import DataError
from edgesim.hardware import trace_series
from edgesim.hardware.client_windows import ClientWindows
from edgesim.hardware.conditions import Availability
from edgesim.hardware.patterns import Windows, merged
from edgesim.hardware.trace_keys import TraceKeys
from edgesim.hardware.trace_reader import TraceReader
from edgesim.hardware.trace_series import Series
from edgesim.hardware.trace_table import Array, Table
from edgesim.hardware.traces import NAMED, UNKNOWN, all_series, check, chosen, gaps_of, note

Flags = npt.NDArray[np.bool_]


def windows_of(available: Availability, reader: TraceReader, devices: int) -> tuple[list[Windows], str]:
    """Windows of a group's devices, by their trace.

    Args:
        available: names the trace.
        reader: of the scenario.
        devices: of the group. The windows repeat where these are more.

    Returns: windows of one device after another, and a sentence on how the trace was read.

    Raises:
        DataError: a fault of the file, or gaps that are not allowed.
        ScenarioError: its name is no path.
    """
    assert available.trace is not None
    file = reader.read(available.trace)
    if isinstance(file, ClientWindows):
        return _client_windows(available, file, devices)
    open_, known = _wanted(available, file)
    found = all_series(available, file, known, devices)
    gaps = gaps_of(available, file.name, found, "unavailable, available or hold (as before the gap)")
    said = {"unavailable": False, "available": True}
    patterns = []
    for one in found:
        value = open_[one.row]
        if available.gaps == "hold" and not known[one.row].all():
            raise DataError(f"{one.called}: no state is known that could be held; give unavailable or available")
        if available.gaps in said:
            value = np.where(one.gap, said[available.gaps], value)
        patterns.append(_windows(one.edges_s, value, available))
    return patterns, note(available, file, found, devices, gaps)


def _client_windows(keys: Availability, file: ClientWindows, devices: int) -> tuple[list[Windows], str]:
    """Windows of FedScale's clients."""
    if keys.when or keys.site is not None or keys.gap_s is not None:
        wrong = "when" if keys.when else "site" if keys.site is not None else "gap_s"
        raise DataError(f"{file.name}: is FedScale's availability, where `{wrong}` has no meaning; leave it out")
    clients = sorted(file.clients)
    patterns, found = [], []
    for client in chosen(keys, file.name, "user", clients, devices):
        from_s, to_s, finish_s = file.windows(clients[client])
        edges = np.concatenate([[0.0], np.column_stack([from_s, to_s]).ravel(), [finish_s]])
        place = np.arange(len(edges) - 1)
        has_length = np.diff(edges) > 0  # two windows that touch, or one that ends as it begins
        edges = np.append(edges[:-1][has_length], finish_s)
        never = np.zeros(int(has_length.sum()), dtype=bool)
        series = Series(file.name, clients[client], edges, place[has_length], place[has_length], never, finish_s)
        one = trace_series.cut(series, keys)
        patterns.append(_windows(one.edges_s, one.row % 2 == 1, keys))
        found.append(one)
    return patterns, note(keys, file, found, devices)


def _windows(edges_s: Array, open_: Flags, keys: TraceKeys) -> Windows:
    bounds, (value,) = merged(edges_s, open_)
    return Windows(bounds[:-1][value], bounds[1:][value], float(edges_s[-1]), keys.repeats is not False)


def _wanted(available: Availability, table: Table) -> tuple[Flags, Flags]:
    """[rows] True where the trace says that a device may work, and where it says either.

    One column that is not as wanted is enough for no, whatever the others are. An empty cell is unknown, and so
    is -1 unless it is asked for.
    """
    yes, no = np.ones(table.rows, dtype=bool), np.zeros(table.rows, dtype=bool)
    for column, wanted in (available.when or {"available": (1.0,)}).items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if any(isinstance(value, str) for value in values):
            codes, names = table.texts(column)
            asked = [names.index(str(value)) for value in values if str(value) in names]
            if not asked:
                raise DataError(
                    f"{table.name}: column '{column}' never is {values[0]!r}; it holds {', '.join(names[:NAMED])}"
                )
            fits, unknown = np.isin(codes, asked), codes < 0
        else:
            numbers = table.numbers(column)
            numeric = [float(value) for value in values]
            fits, unknown = np.isin(numbers, numeric), np.isnan(numbers)
            if UNKNOWN not in numeric:
                unknown |= numbers == UNKNOWN
            if column == "available":
                check(
                    table, column, numbers, (numbers != 0) & (numbers != 1) & ~unknown, "must be 0, 1 or unknown (-1)"
                )
        yes, no = yes & fits, no | ~(fits | unknown)
    return yes, yes | no
