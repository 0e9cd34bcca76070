"""Network links of a group's devices from a file: a row per link, dealt to the devices in order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgesim.config.validation import join
from edgesim.errors import DataError, Fault, ScenarioError
from edgesim.formatting import n_of
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile, Link, Quantity
from edgesim.hardware.quantity import LINK_RANGE
from edgesim.hardware.trace_reader import TraceReader

_UP, _DOWN = "up_bytes_per_s", "down_bytes_per_s"


def of_group(
    profile: DeviceProfile, name: str | None, devices: int, reader: TraceReader, path: str, faults: list[Fault]
) -> tuple[list[DeviceProfile], list[str]]:
    """Profiles of the devices of a group, each with its own link.

    Args:
        profile: of the group.
        name: file with the columns `up_bytes_per_s` and, where it is known, `down_bytes_per_s`; beside the document,
            below $EDGESIM_DATA, or one of edgesim's own measurements. None: the profile's link.
        devices: of the group. After the last row the first follows again.
        reader: of the scenario.
        path: YAML path of the group.
        faults: collects every fault.

    Returns: profiles [devices], and a sentence on how the file was read.
    """
    if name is None:
        return [profile] * devices, []
    from edgesim.hardware.client_windows import ClientWindows
    from edgesim.hardware.traces import check

    place = join(path, "links")
    try:
        table = reader.read(name, loading.folder() / "measurements")
        if isinstance(table, ClientWindows):
            raise DataError(f"{name}: is JSON; links are a table with the column up_bytes_per_s, as CSV or parquet")
        columns = [_UP, _DOWN] if _DOWN in table.names else [_UP]
        speeds = {column: table.numbers(column) for column in columns}
        for column, values in speeds.items():
            wrong = np.array([not LINK_RANGE.holds(value) for value in values.tolist()])
            at = values[int(np.argmax(wrong))]
            check(table, column, values, wrong, f"is not plausible: {LINK_RANGE.allowed(float(at))}")
    except DataError as error:
        faults.append(Fault(place, str(error)))
        return [], []
    except ScenarioError as error:
        faults += [Fault(place, fault.message) for fault in error.faults]
        return [], []
    made = [
        replace(profile, link=_link(name, table.row_name(row), {key: float(speeds[key][row]) for key in speeds}))
        for row in range(min(table.rows, devices))
    ]
    note = f"{place}: {name}, {n_of(len(made), 'link')} dealt to {n_of(devices, 'device')}"
    return [made[device % len(made)] for device in range(devices)], [note]


def _link(name: str, row: str, speeds: dict[str, float]) -> Link:
    source = f"{name}, {row}"
    quantities = {
        key: Quantity[float](value=speed, source=source, confidence="looked-up") for key, speed in speeds.items()
    }
    return Link(up_bytes_per_s=quantities[_UP], down_bytes_per_s=quantities.get(_DOWN))
