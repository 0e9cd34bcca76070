"""A fleet: numbers of devices by profile and conditions, and the spread within a profile."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Discriminator, Field, Tag

from edgesim import seeds
from edgesim.config import shipped, validation
from edgesim.config.checked_dataclass import adapter, checked_dataclass
from edgesim.config.document_bounds import user_path
from edgesim.errors import EdgesimError, Fault, ScenarioError
from edgesim.hardware import links, loading, power_setting
from edgesim.hardware.conditions import (
    AUTO_MODE,
    AVAILABLE_KEYS,
    ENERGY_KEYS,
    FULL_MODE,
    Availability,
    ChosenClocks,
    Conditions,
    Energy,
    Startup,
)
from edgesim.hardware.group_conditions import of_group
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import FREQUENCIES
from edgesim.hardware.trace_reader import TraceReader

MAX_DEVICES = 1_000_000
"""of a fleet that a scenario lists; `edgesim plan --devices N` scales one up without listing it"""

_Mode = Annotated[
    Annotated[str, Tag("name")] | Annotated[ChosenClocks, Tag("clocks")],
    Discriminator(lambda given: "clocks" if isinstance(given, dict | ChosenClocks) else "name"),
]
"""a faulty map has the faults of clocks alone, and anything else those of a name"""


@checked_dataclass()
class Group:
    """Devices of one profile under the same conditions: a count, or a share of the fleet's `size`."""

    profile: str
    """name of a device profile (`edgesim list profiles`), or the path of a YAML file, relative to this file"""
    count: Annotated[int, Field(ge=1, le=MAX_DEVICES)] | None = None
    """number of devices; give this or `share`"""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """share of the fleet's `size`; give this or `count`, and the same for all groups"""
    power_mode: _Mode = FULL_MODE
    """one of the profile's `power.modes`, or `full`, or a map of clocks that are steps of the profile's `clocks`; or
    `auto`: the mode that is the best by `pruning.keep_ratio`, a budget or an objective"""
    energy: Energy = field(default_factory=Energy)
    """energy source of the devices; left out: mains"""
    available: Availability | None = None
    """windows in which the devices may work; left out: always"""
    links: Annotated[str, Field(min_length=1)] | None = None
    """file of network links, CSV or parquet with up_bytes_per_s and down_bytes_per_s: each device gets the link of the
    next row, after the last one the first again; left out: the profile's"""
    startup: Startup = "cold"
    """cold: each trial starts its process; warm: the process runs already, so there is no start-up"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map."""
        faults, mode = [], given.get("power_mode", FULL_MODE)
        if not isinstance(mode, str | dict | ChosenClocks):
            wanted = "must be the name of a power mode, in quotes where it is a number, or a map of clocks"
            faults.append(Fault("power_mode", f"{wanted}; got {validation.kind_of(mode)}"))
        has = [given.get(key) is not None for key in ("count", "share")]
        misspelt = not given.keys() <= {field.name for field in dataclasses.fields(Group)}
        if sum(has) != 1 and (any(has) or not misspelt):
            faults.append(Fault("", f"needs either `count` or `share`; got {'both' if all(has) else 'neither'}"))
        return faults

    @property
    def conditions(self) -> Conditions:
        """Operating conditions of the devices."""
        return Conditions(self.power_mode, self.energy, self.available, self.startup)


@checked_dataclass()
class FleetDocument:
    """The `fleet` part of a scenario, or a fleet file of its own."""

    groups: tuple[Group, ...]
    """devices by profile and conditions"""
    size: Annotated[int, Field(ge=1, le=MAX_DEVICES)] | None = None
    """devices in all; needed where groups give a `share`"""
    spread: Annotated[float, Field(ge=0, le=2)] = 0.0
    """spread of devices of one profile: sigma of a log-normal factor on throughput, median 1"""
    seed: Annotated[int, Field(ge=0)] = 0
    """seed of the spread; the hardware is the same in every seed of a scenario"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map, where their numbers are given."""
        groups, size = given.get("groups"), given.get("size")
        if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
            return []
        listed = [group["count"] for group in groups if _is_number(group.get("count"))]
        if sum(listed) > MAX_DEVICES >= max(listed):
            return [Fault("groups", f"the counts sum to {sum(listed):,}; at most {MAX_DEVICES:,} devices are allowed")]
        if not groups:
            return [Fault("groups", "a fleet needs at least one device; name a profile and a count")]
        counts, shares = ([g[key] for g in groups if g.get(key) is not None] for key in ("count", "share"))
        if shares:
            if size is None or counts:
                return [Fault("groups", "shares need `size` (devices in all) and no `count` beside them")]
            good = len(shares) == len(groups) and all(map(_is_number, shares))
            if good and abs(sum(shares) - 1.0) > 1e-6:
                return [Fault("groups", f"the shares sum to {sum(shares):g}; they must sum to 1")]
        elif _is_number(size) and len(counts) == len(groups) and all(map(_is_number, counts)) and size != sum(counts):
            return [Fault("size", f"is {size}, but the counts sum to {sum(counts)}; leave it out")]
        return []


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
    traces: dict[str, str] = field(default_factory=dict)
    """file of a trace or of links, as the document names it -> hash of its content"""
    notes: tuple[str, ...] = ()
    """sentences on how these files were read: gaps, lengths, users"""

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
    reader = TraceReader(folder)
    if isinstance(given, str):
        file = folder / given
        try:
            file = shipped.fleet_file(given, folder)
            start = Path(given).parent if file == folder / given else file.parent
            given = with_traces_beside(validation.read(file), start, folder)
        except ScenarioError as error:
            faults.extend(Fault(validation.join(path, f"({file})"), str(fault)) for fault in error.faults)
            return None
        path, folder = f"{path} ({file.name})", file.parent
    before = len(faults)
    document = validation.build(FleetDocument, given, path, faults)
    groups = given.get("groups") if isinstance(given, dict) else None
    loaded = _profiles(groups, validation.join(path, "groups"), folder, faults) if isinstance(groups, list) else []
    if document is not None:
        _check_repeated(document, path, faults)
    if document is None or len(faults) > before:
        return None
    counts = _counts(document)
    group = np.repeat(np.arange(len(counts)), counts)
    bases: list[DeviceProfile] = []
    conditions: list[Conditions] = []
    notes: list[str] = []
    for i, one in enumerate(document.groups):
        place = validation.join(validation.join(path, "groups"), i)
        found, read = of_group(one.conditions, loaded[i], counts[i], reader, place, faults)
        own, linked = links.of_group(loaded[i], one.links, counts[i], reader, place, faults)
        conditions.extend(found)
        bases.extend(own)
        notes.extend([*read, *linked])
    if len(faults) > before:
        return None
    members = tuple(tuple(map(int, np.flatnonzero(group == i))) for i in range(len(counts)) if counts[i])
    return Fleet(
        document, tuple(_spread(bases, document)), tuple(conditions), tuple(bases), members, reader.keys(), tuple(notes)
    )


def with_traces_beside(given: dict[str, Any], start: Path, folder: Path) -> dict[str, Any]:
    """A fleet document whose files of traces and links, where they lie beside it, are named from another folder.

    Args:
        given: the document.
        start: the fleet's folder, as it is named from `folder`.
        folder: where names start from now on.
    """
    changed = copy.deepcopy(given)
    for group in changed["groups"] if isinstance(changed.get("groups"), list) else ():
        parts = [(group.get(key), "trace") for key in ("available", "energy")] if isinstance(group, dict) else []
        for part, key in [*parts, (group, "links")]:
            name = part.get(key) if isinstance(part, dict) else None
            if isinstance(part, dict) and isinstance(name, str) and user_path(folder / start / name).is_file():
                part[key] = str(start / name)
    return changed


def to_dict(document: FleetDocument) -> dict[str, Any]:
    """A document as plain YAML values, without the keys of traces where it names none."""
    plain: dict[str, Any] = adapter(FleetDocument).dump_python(document, mode="json")
    for group in plain["groups"]:
        if group["links"] is None:
            del group["links"]
        for key, part in (("available", group["available"]), ("energy", group["energy"])):
            if part is not None:
                group[key] = _without_defaults(part, AVAILABLE_KEYS if key == "available" else ENERGY_KEYS)
    return plain


def _without_defaults(part: dict[str, Any], of_traces: tuple[str, ...]) -> dict[str, Any]:
    """Conditions of a document, without keys of traces that are not given, or of lists that a trace replaces."""
    by_hand = () if part["trace"] is None else ("period_s", "windows", "harvest_w")
    empty: tuple[Any, ...] = (None, [], {}, "refuse")
    return {key: value for key, value in part.items() if key not in (*of_traces, *by_hand) or value not in empty}


def _profiles(groups: list[Any], path: str, folder: Path, faults: list[Fault]) -> list[DeviceProfile]:
    """Profile of each group; other faults of a group hide none of its profile."""
    found: dict[Any, DeviceProfile | None] = {}
    for i, group in enumerate(groups):
        name = group.get("profile") if isinstance(group, dict) else None
        if not isinstance(name, str):
            continue
        where = validation.join(path, i)
        if name not in found:
            found[name] = _profile(name, f"{where}.profile", folder, faults)
        profile = found[name]
        if profile is not None:
            _check_conditions(group, profile, where, faults)
    names = [group.get("profile") for group in groups if isinstance(group, dict)]
    listed = [found.get(name) for name in names if isinstance(name, str)]
    return [profile for profile in listed if profile is not None]


def _profile(name: str, path: str, folder: Path, faults: list[Fault]) -> DeviceProfile | None:
    is_path = name.endswith((".yaml", ".yml"))
    try:
        return loading.load(str(folder / name) if is_path else name)
    except ScenarioError as error:
        faults.extend(Fault(f"{path} ({name})", str(fault)) for fault in error.faults)
    except EdgesimError as error:
        faults.append(Fault(path, str(error)))
    return None


def _check_repeated(document: FleetDocument, path: str, faults: list[Fault]) -> None:
    """Add a fault for a group that is the same as one before it."""
    seen: dict[tuple[str, str | None, Conditions], int] = {}
    for i, group in enumerate(document.groups):
        first = seen.setdefault((group.profile, group.links, group.conditions), i)
        if first != i:
            message = f"'{group.profile}' under the same conditions is already groups[{first}]; give one group the sum"
            faults.append(Fault(f"{validation.join(validation.join(path, 'groups'), i)}.profile", message))


def _check_conditions(group: dict[str, Any], profile: DeviceProfile, where: str, faults: list[Fault]) -> None:
    """Add a fault for a power mode or a battery that the profile does not have."""
    mode, energy = _given_mode(group.get("power_mode", FULL_MODE)), group.get("energy")
    for fault in power_setting.faults(profile, mode) if mode != AUTO_MODE else ():
        place = f"{where}.power_mode"
        faults.append(Fault(validation.join(place, fault.path) if fault.path else place, fault.message))
    stored = isinstance(energy, dict) and energy.get("source") in ("battery", "harvest")
    if stored and isinstance(energy, dict) and energy.get("capacity_j") is None and profile.battery_j is None:
        message = f"'{profile.name}' has no battery in its profile; give capacity_j, or leave `energy` out for mains"
        faults.append(Fault(f"{where}.energy", message))


def _given_mode(given: Any) -> str | ChosenClocks:
    """The power mode of a document, without parts that the checks of types and ranges name; full where none is left."""
    if isinstance(given, dict):
        unsafe = given.get("unsafe") is True
        cpu_hz, gpu_hz, memory_hz = (_good_hz(given.get(key), unsafe) for key in ("cpu_hz", "gpu_hz", "memory_hz"))
        any_good = cpu_hz is not None or gpu_hz is not None or memory_hz is not None
        return ChosenClocks(cpu_hz, gpu_hz, memory_hz) if any_good else FULL_MODE
    return given if isinstance(given, str) else FULL_MODE


def _good_hz(given: Any, unsafe: bool) -> float | None:
    """A frequency of a document; None where its type or its range is wrong."""
    good = _is_number(given) and given > 0 and (unsafe or FREQUENCIES.holds(given))
    return float(given) if good else None


def _counts(document: FleetDocument) -> list[int]:
    """Devices per group; shares by largest remainders, so that they sum to `size`."""
    shares = [group.share for group in document.groups if group.share is not None]
    if not shares or document.size is None:
        return [group.count or 0 for group in document.groups]
    exact = np.array(shares) * document.size
    counts = np.floor(exact).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: document.size - counts.sum()]] += 1
    return [int(count) for count in counts]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _spread(devices: list[DeviceProfile], document: FleetDocument) -> list[DeviceProfile]:
    """Each device with its own throughput factor exp(sigma·z), z standard normal from the device's stream."""
    if document.spread == 0:
        return devices
    factors = [
        float(np.exp(document.spread * seeds.stream(document.seed, "fleet:spread", i).standard_normal()))
        for i in range(len(devices))
    ]
    return [loading.vary(device, factor) for device, factor in zip(devices, factors, strict=True)]
