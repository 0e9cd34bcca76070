"""Users whose data the devices hold, in tables and figures of devices; nothing where the run knows none."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from edgesim.errors import shortened

LONGEST = 120
"""characters of the users of a device in a table, at most"""
LONGEST_IN_FIGURES = 24
"""characters of the user of a device in a figure; devices with longer names have their numbers alone"""


def with_users(table: pd.DataFrame, devices: pd.DataFrame) -> pd.DataFrame:
    """Table of devices with the column `users` after `profile`.

    Args:
        table: with the columns `device` and `profile`.
        devices: the run's table of devices.
    """
    users = _users(devices)
    if not any(users.values()):
        return table
    found = table.assign(users=[shortened(users.get(int(device), ""), LONGEST) for device in table["device"]])
    columns = list(table)
    place = columns.index("profile") + 1
    return found[[*columns[:place], "users", *columns[place:]]]


def device_names(devices: pd.DataFrame) -> dict[int, str]:
    """Device -> its number and user, "3 (ann)", as figures name it; without the devices that have no short name."""
    known = {device: users for device, users in _users(devices).items() if 0 < len(users) <= LONGEST_IN_FIGURES}
    return {device: f"{device} ({users})" for device, users in known.items()}


def named(device: int, names: Mapping[int, str]) -> str:
    """Name of a device in a figure: `names` has those of `device_names`."""
    return f"device {names.get(int(device), device)}"


def _users(devices: pd.DataFrame) -> dict[int, str]:
    """Device -> its users; empty where the run knows none."""
    if "users" not in devices:
        return {}
    pairs = zip(devices["device"], devices["users"], strict=True)
    return {int(device): users if isinstance(users, str) else "" for device, users in pairs}
