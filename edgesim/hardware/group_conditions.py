"""Conditions of every device of a group: those that the document states, with the traces that it names read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from edgesim.config.validation import join
from edgesim.errors import DataError, Fault, ScenarioError
from edgesim.hardware.conditions import Conditions
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.patterns import PowerPattern, Windows
from edgesim.hardware.trace_reader import TraceReader

T = TypeVar("T")


def of_group(
    stated: Conditions, profile: DeviceProfile, devices: int, reader: TraceReader, path: str, faults: list[Fault]
) -> tuple[list[Conditions], list[str]]:
    """Conditions of the devices of a group.

    Args:
        stated: by the document.
        profile: of the devices.
        devices: how many; devices that follow the same traces share one object.
        reader: of the traces.
        path: YAML path of the group.
        faults: collects every fault.

    Returns: conditions [devices], empty where there was a fault; and sentences on how the traces were read.
    """
    before = len(faults)
    notes: list[str] = []
    windows: list[Windows | None] = [None]
    powers: list[tuple[PowerPattern | None, float | None]] = [(None, stated.energy.state_of_charge)]
    available, energy = stated.available, stated.energy
    if available is not None and available.trace is not None:
        from edgesim.hardware.traced_windows import windows_of

        place = join(path, "available")
        read_windows, note = _read(place, lambda: windows_of(available, reader, devices), faults)
        windows = [*read_windows]
        notes.append(f"{place}: {note}")
    if energy.trace is not None:
        from edgesim.hardware.traced_power import Storage, power_of

        place = join(path, "energy")
        capacity_j = profile.battery_j if energy.capacity_j is None else energy.capacity_j
        assert capacity_j is not None  # checked before
        storage = Storage(capacity_j, profile.idle_w)
        read_powers, note = _read(place, lambda: power_of(energy, reader, devices, storage), faults)
        powers = [*read_powers]
        notes.append(f"{place}: {note}")
    if len(faults) > before:
        return [], []
    made: dict[tuple[int, int], Conditions] = {}
    if not notes:
        return [stated] * devices, []  # the very same object for all of a group
    found = []
    for device in range(devices):
        key = device % len(windows), device % len(powers)
        if key not in made:
            power, charge = powers[key[1]]
            charged = energy if charge == energy.state_of_charge else replace(energy, state_of_charge=charge)
            made[key] = replace(stated, energy=charged, traced_power=power, traced_windows=windows[key[0]])
        found.append(made[key])
    return found, notes


def _read(path: str, read: Callable[[], tuple[list[T], str]], faults: list[Fault]) -> tuple[Sequence[T], str]:
    """The patterns of a trace; a fault of its file stands at the key that names it."""
    try:
        return read()
    except DataError as error:
        faults.append(Fault(join(path, "trace"), str(error)))
    except ScenarioError as error:
        faults += [Fault(join(path, "trace"), fault.message) for fault in error.faults]
    return [], ""
