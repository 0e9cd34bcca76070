"""FedScale's format of availability, as JSON: windows of each client in a repeating time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgesim.config.validation import nearest
from edgesim.errors import DataError
from edgesim.hardware.trace_table import first_line

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClientWindows:
    """Availability of clients as FedScale has it: windows from `active` to `inactive`, repeated after `finish_time`."""

    name: str
    clients: dict[str, Any] = field(repr=False)

    def windows(self, client: str) -> tuple[Array, Array, float]:
        """Starts and ends of a client's windows, and the seconds after which they repeat.

        Raises:
            DataError: they are malformed; naming the place.
        """
        where, entry = f"{self.name}: client '{client}'", self.clients[client]
        if not isinstance(entry, dict):
            raise DataError(f"{where}: must be a map with active, inactive and finish_time")
        missing = [key for key in ("active", "inactive", "finish_time") if key not in entry]
        if missing:
            raise DataError(f"{where}: has no {' and no '.join(missing)}{nearest(missing[0], entry)}")
        from_s, to_s = (_seconds(where, key, entry[key]) for key in ("active", "inactive"))
        (finish_s,) = _seconds(where, "finish_time", [entry["finish_time"]])
        if len(from_s) != len(to_s):
            raise DataError(
                f"{where}: active has {len(from_s):,} times and inactive {len(to_s):,}; each needs the other"
            )
        times = np.column_stack([from_s, to_s]).ravel()
        back = np.flatnonzero(np.diff(times) < 0)
        if len(back):
            pair = f"{times[back[0]]:.12g} s and then {times[back[0] + 1]:.12g} s"
            raise DataError(f"{where}: active and inactive must take turns with rising times; got {pair}")
        if finish_s <= 0 or (len(times) and times[-1] > finish_s):
            last = f"{times[-1]:.12g} s" if len(times) else "0 s"
            raise DataError(
                f"{where}: finish_time = {finish_s:.12g} s must be above 0 and not before {last}, the last time"
            )
        return from_s, to_s, float(finish_s)


def of_json(name: str, content: bytes) -> ClientWindows:
    """The clients of a JSON file.

    Raises:
        DataError: it is no map of clients.
    """
    try:
        clients = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: is no JSON: {first_line(error)}") from None
    if not isinstance(clients, dict) or not clients:
        raise DataError(f"{name}: must map client ids to their active, inactive and finish_time, as FedScale does")
    if "active" in clients:
        raise DataError(f'{name}: holds one client without its id; write {{"0": {{...}}}} around it')
    return ClientWindows(name, clients)


def _seconds(where: str, key: str, given: Any) -> Array:
    values = given if isinstance(given, list) else [None]
    for place, value in enumerate(values):
        good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
        if not good:
            at = f"{key}[{place}]" if isinstance(given, list) else key
            raise DataError(f"{where}: {at} must be seconds >= 0{'' if isinstance(given, list) else ', in a list'}")
    return np.array(values, dtype=np.float64)
