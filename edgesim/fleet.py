"""A fleet: how many devices of which profile, under which conditions, and how much devices of one profile differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from edgesim import documents, profiles, seeds, shipped
from edgesim.conditions import FULL_MODE, Availability, Conditions, Energy
from edgesim.errors import EdgesimError, Fault, ScenarioError
from edgesim.profiles import DeviceProfile


@checked_dataclass(frozen=True)
class Group:
    """Devices of one profile under the same conditions: a count, or a share of the fleet's `size`."""

    profile: str
    """name of a shipped profile, or path of a YAML file (relative to the document that names it)"""
    count: Annotated[int, Field(ge=1)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    power_mode: str = FULL_MODE
    """one of the profile's `power.modes`, or its full mode"""
    energy: Energy = field(default_factory=Energy)
    available: Availability | None = None
    """when the devices may work; left out = always"""

    @property
    def conditions(self) -> Conditions:
        """What the devices work under."""
        return Conditions(self.power_mode, self.energy, self.available)


@checked_dataclass(frozen=True)
class FleetDocument:
    """The `fleet` part of a scenario, or a fleet file of its own."""

    groups: tuple[Group, ...]
    size: Annotated[int, Field(ge=1)] | None = None
    """devices in all; needed with shares"""
    spread: Annotated[float, Field(ge=0, le=2)] = 0.0
    """sigma of a log-normal factor on each device's throughput (median 1): chips of one kind differ"""
    seed: Annotated[int, Field(ge=0)] = 0
    """of the spread; a fleet is the same hardware in every seed of a scenario"""


@dataclass(frozen=True)
class Fleet:
    """The devices of a scenario: one profile per device, in the order of the groups."""

    document: FleetDocument
    devices: tuple[DeviceProfile, ...]
    conditions: tuple[Conditions, ...]
    """of each device"""
    bases: tuple[DeviceProfile, ...]
    """each device's profile without the spread"""
    members: tuple[tuple[int, ...], ...]
    """the devices of each group that has any"""

    def __len__(self) -> int:
        return len(self.devices)


def load(given: Any, path: str, folder: Path, faults: list[Fault]) -> Fleet | None:
    """A fleet from a YAML map, or from the name of a file that holds one.

    Args:
        given: the map, a file name relative to `folder`, or the name of a fleet that comes with edgesim
            (`shipped.fleets`).
        path: YAML path, for messages.
        folder: where relative names start.
        faults: collects every fault.

    Returns: the fleet, or None where there was a fault.
    """
    if isinstance(given, str):
        file = folder / given
        try:
            file = shipped.fleet_file(given, folder)
            given = documents.read(file)
        except ScenarioError as error:
            faults.extend(Fault(documents.join(path, f"({file})"), fault.message) for fault in error.faults)
            return None
        path, folder = f"{path} ({file.name})", file.parent
    before = len(faults)
    document = documents.build(FleetDocument, given, path, faults)
    if document is None:
        return None
    counts = _counts(document, path, faults)
    loaded = _profiles(document, path, folder, faults)
    if len(faults) > before:
        return None
    group = np.repeat(np.arange(len(counts)), counts)
    bases = [loaded[i] for i in group]
    each = [one.conditions for one in document.groups]  # the very same object for all of a group
    conditions = tuple(each[i] for i in group)
    members = tuple(tuple(map(int, np.flatnonzero(group == i))) for i in range(len(counts)) if counts[i])
    return Fleet(document, tuple(_spread(bases, document)), conditions, tuple(bases), members)


def _profiles(document: FleetDocument, path: str, folder: Path, faults: list[Fault]) -> list[DeviceProfile]:
    loaded = []
    seen: list[tuple[str, Conditions]] = []
    for i, group in enumerate(document.groups):
        where = documents.join(documents.join(path, "groups"), i)
        kind = (group.profile, group.conditions)
        if kind in seen:
            first = f"'{group.profile}' under the same conditions is already groups[{seen.index(kind)}]"
            faults.append(Fault(f"{where}.profile", f"{first}; give one group the sum"))
        seen.append(kind)
        try:
            is_path = group.profile.endswith((".yaml", ".yml"))
            profile = profiles.load(str(folder / group.profile) if is_path else group.profile)
        except EdgesimError as error:
            faults.append(Fault(f"{where}.profile", str(error)))
            continue
        loaded.append(profile)
        _check_conditions(group, profile, where, faults)
    return loaded


def _check_conditions(group: Group, profile: DeviceProfile, where: str, faults: list[Fault]) -> None:
    """Add a fault for a power mode or a battery that the profile does not have."""
    if group.power_mode not in profile.mode_names:
        near = documents.nearest(group.power_mode, profile.mode_names)
        allowed = ", ".join(profile.mode_names)
        message = f"'{profile.name}' has no power mode '{group.power_mode}'{near}; allowed: {allowed}"
        faults.append(Fault(f"{where}.power_mode", message))
    energy = group.energy
    if energy.source != "mains" and energy.capacity_j is None and profile.battery_j is None:
        message = f"'{profile.name}' has no battery in its profile; give capacity_j, or leave `energy` out for mains"
        faults.append(Fault(f"{where}.energy", message))


def _counts(document: FleetDocument, path: str, faults: list[Fault]) -> list[int]:
    """Devices per group; shares by largest remainders, so that they sum to `size`."""
    if not document.groups:
        faults.append(Fault(f"{path}.groups", "a fleet needs at least one device; name a profile and a count"))
        return []
    for i, group in enumerate(document.groups):
        if (group.count is None) == (group.share is None):
            given = "neither" if group.count is None else "both"
            faults.append(Fault(f"{path}.groups[{i}]", f"needs either `count` or `share`; got {given}"))
            return []
    shares = [group.share for group in document.groups if group.share is not None]
    counted = sum(group.count for group in document.groups if group.count is not None)
    if not shares:
        if document.size not in (None, counted):
            faults.append(Fault(f"{path}.size", f"is {document.size}, but the counts sum to {counted}; leave it out"))
        return [group.count or 0 for group in document.groups]
    if document.size is None or len(shares) < len(document.groups):
        message = "shares need `size` (devices in all) and no `count` beside them"
        faults.append(Fault(f"{path}.groups", message))
        return []
    if abs(sum(shares) - 1.0) > 1e-6:
        faults.append(Fault(f"{path}.groups", f"the shares sum to {sum(shares):g}; they must sum to 1"))
        return []
    exact = np.array(shares) * document.size
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: document.size - counts.sum()]] += 1
    return [int(count) for count in counts]


def _spread(devices: list[DeviceProfile], document: FleetDocument) -> list[DeviceProfile]:
    """Each device with its own throughput factor exp(sigma·z), z standard normal from the device's stream."""
    if document.spread == 0:
        return devices
    factors = [
        float(np.exp(document.spread * seeds.stream(document.seed, "fleet:spread", i).standard_normal()))
        for i in range(len(devices))
    ]
    return [profiles.vary(device, factor) for device, factor in zip(devices, factors, strict=True)]
