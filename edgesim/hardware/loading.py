"""Loading of device profiles: reads and checks `device_profiles/*.yaml`.

A profile is one real device; its fields are in `profile`. `extends: other` in a file inherits everything of another
profile and overrides the given quantities as wholes (a value never keeps another value's source); `inheritance` has
what else changes.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, get_args

from edgesim.config import validation
from edgesim.config.checked_dataclass import adapter
from edgesim.config.document_bounds import user_path
from edgesim.config.field_docs import described, summary
from edgesim.config.plausible import stated
from edgesim.errors import Fault, ProfileError, ScenarioError
from edgesim.hardware import inheritance
from edgesim.hardware.plausibility import contradictions, implausible
from edgesim.hardware.power_modes import ModeClocks, PowerMode
from edgesim.hardware.profile import (
    Battery,
    Clocks,
    Compute,
    Cooling,
    DeviceProfile,
    Link,
    Memory,
    Power,
    Storage,
    quantities,
)
from edgesim.hardware.quantity import Confidence, DeviceClass, Quantity, Scope

__all__ = [
    "Battery", "Clocks", "Compute", "Confidence", "Cooling", "DeviceClass", "DeviceProfile", "Link", "Memory", "Power",
    "PowerMode", "Quantity", "Scope", "Storage", "available", "folder", "is_name", "load", "names", "schema", "table",
    "to_dict", "vary",
]  # fmt: skip

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SECTIONS = {
    "compute": Compute, "memory": Memory, "storage": Storage, "power": Power, "clocks": Clocks, "cooling": Cooling,
    "battery": Battery, "link": Link,
}  # fmt: skip
_OPTIONAL = ("clocks", "cooling", "battery", "link")
_KEYS = ["name", "title", "class", "processor", "software", "note", "extends", *_SECTIONS]
_REQUIRED = [key for key in _KEYS if key not in ("name", "extends", "software", "note", *_OPTIONAL)]


def folder() -> Path:
    """The folder of the shipped profiles: `device_profiles/` of a checkout, the packaged copy otherwise."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "device_profiles"
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    packaged = package / "_device_profiles"
    if packaged.is_dir():
        return packaged
    raise ProfileError(
        f"the shipped device profiles are missing: no {checkout} and no {packaged}; install edgesim again"
    )


def available(folder: Path | str | None = None) -> dict[str, Path]:
    """Name -> file of the shipped profiles and of those in a user's `folder`, which win over equal names."""
    return _files(_places(folder))


def names(folder: Path | str | None = None) -> list[str]:
    """Sorted names of the profiles that `load` knows."""
    return list(available(folder))


def load(name_or_path: str | Path, folder: Path | str | None = None) -> DeviceProfile:
    """Read and check one profile.

    Args:
        name_or_path: a profile's name, or the path of a YAML file (with a folder or an ending in it).
        folder: a user's folder of profiles, searched before the shipped ones.

    Returns: the profile.

    Raises:
        ProfileError: no profile of that name, or `extends` goes in a circle.
        ScenarioError: faults in the file, all at once: what is missing, malformed, negative or implausible.
    """
    places = _places(folder)
    file = name_or_path if isinstance(name_or_path, Path) else _file(name_or_path, places)
    by_name, is_shipped = file.stem == name_or_path, file.parent == places[-1]
    return _shipped(file, by_name, _state(file.parent)) if is_shipped else _read(file, places, by_name)


def is_name(text: str) -> bool:
    """True where a profile may have this name."""
    return _NAME.fullmatch(text) is not None


def vary(profile: DeviceProfile, factor: float) -> DeviceProfile:
    """The same device with its throughput multiplied by `factor` > 0: a fleet's spread within a profile.

    Raises:
        ProfileError: the factor is not a positive number.
    """
    if not 0 < factor < float("inf"):
        raise ProfileError(f"a device's throughput cannot be multiplied by {factor}: give a number above 0")
    old = profile.compute

    def scaled(quantity: Any) -> Any:
        spread = f"x {factor:.4g} for this device (spread of the fleet)"
        note = f"{quantity.note}; {spread}" if quantity.note else spread
        return dataclasses.replace(quantity, value=quantity.value * factor, note=note)

    peaks = [field.name for field in dataclasses.fields(old) if field.name.startswith("peak_")]
    given = {name: getattr(old, name) for name in peaks}
    compute = dataclasses.replace(old, **{name: scaled(peak) for name, peak in given.items() if peak is not None})
    return dataclasses.replace(profile, compute=compute)


def to_dict(profile: DeviceProfile) -> dict[str, Any]:
    """Everything in a profile, in the shape of its YAML file: a dump of it loads as an equal profile."""
    raw = stated(_without_nothing(dataclasses.asdict(profile)))
    raw["class"] = raw.pop("device_class")
    return {key: raw[key] for key in _KEYS if key in raw}


def table(folder: Path | str | None = None) -> list[dict[str, Any]]:
    """One row per profile, by class (in the order of DeviceClass) and throughput: `edgesim list profiles`.

    `estimates` names the columns whose number is an estimate; None is what a device has not.
    """
    order = list(get_args(DeviceClass))
    profiles = [load(name, folder) for name in names(folder)]
    profiles.sort(key=lambda p: (order.index(p.device_class), p.throughput_flops_per_s))
    return [_row(profile) for profile in profiles]


def _row(profile: DeviceProfile) -> dict[str, Any]:
    cooling, battery = profile.cooling, profile.battery
    numbers: dict[str, Quantity[float] | None] = {
        "peak_flops_per_s": profile.compute.peak_fp32_flops_per_s,
        "utilisation": profile.compute.training_utilisation,
        "memory_bytes": profile.memory.size_bytes,
        "idle_w": profile.power.idle_w,
        "max_w": profile.power.max_w,
        "lasting": cooling.throttled_factor if cooling else None,
        "battery_j": battery.capacity_j if battery else None,
    }
    words = {
        "name": profile.name,
        "title": profile.title,
        "class": profile.device_class,
        "software": profile.software,
        "storage": profile.storage.kind,
        "power_scope": profile.power.scope,
        "gpu_hz": profile.clocks.gpu_hz.value if profile.clocks else None,
        "power_modes": tuple(mode.name for mode in profile.power.modes),
    }
    values = {name: quantity.value if quantity else None for name, quantity in numbers.items()}
    estimates = [name for name, quantity in numbers.items() if quantity and quantity.confidence == "estimate"]
    return {**words, **values, "estimates": estimates}


def schema() -> dict[str, Any]:
    """JSON Schema of a profile file, for editors. A file that `extends` another need give nothing else."""
    full = described(adapter(DeviceProfile).json_schema(), DeviceProfile)
    properties = full["properties"]
    properties["class"] = properties.pop("device_class")
    extends = "Name or path of the profile to inherit from. Left out: the file stands alone."
    properties["extends"] = {"type": "string", "description": extends}
    sections = {}
    for key, cls in _SECTIONS.items():
        required = full["$defs"][cls.__name__].pop("required")
        if key not in _OPTIONAL:
            sections[key] = {"required": required, "description": summary(cls)}
    full["required"] = []
    full["if"] = {"required": ["extends"]}
    full["else"] = {"required": _REQUIRED, "properties": sections}
    return full


def _places(own: Path | str | None) -> list[Path]:
    """Folders in the order they are searched."""
    shipped = folder()
    return [shipped] if own is None else [Path(own).expanduser(), shipped]


def _files(places: list[Path]) -> dict[str, Path]:
    """Name -> file, sorted; the first place that has a name wins."""
    found = {path.stem: path for place in reversed(places) for path in place.glob("*.yaml")}
    return dict(sorted(found.items()))


def _file(name: str, places: list[Path], asking: Path | None = None) -> Path:
    """The file of a name or path. `asking` is the file whose `extends` it is, and never the answer to a name."""
    if name.endswith((".yaml", ".yml")) or "/" in name or os.sep in name:
        return (asking.parent if asking else Path()) / user_path(name)
    for file in (user_path(place / f"{name}.yaml") for place in places):
        if file.is_file() and (asking is None or file.resolve() != asking.resolve()):
            return file
    where = f"{asking}: extends: " if asking else ""
    if asking and asking.stem == name:
        raise ProfileError(f"{where}the profile '{name}' extends itself; name another one")
    allowed = list(_files(places))
    raise ProfileError(
        f"{where}there is no device profile '{name}'{validation.nearest(name, allowed)}; "
        f"there are: {', '.join(allowed)}; your own is named by its path, for example ./my-device.yaml"
    )


@functools.lru_cache(maxsize=256)
def _shipped(file: Path, by_name: bool, _: Hashable) -> DeviceProfile:
    """A shipped profile, read once for each state of its folder: fleets and plans ask for the same ones many times."""
    return _read(file, [file.parent], by_name)


def _state(folder: Path) -> Hashable:
    """Names, times of change and sizes of the profiles in a folder; an editor's link that leads nowhere is none."""
    files = [entry for entry in os.scandir(folder) if entry.name.endswith(".yaml") and entry.is_file()]
    return tuple(sorted((entry.name, entry.stat().st_mtime_ns, entry.stat().st_size) for entry in files))


def _read(file: Path, places: list[Path], by_name: bool) -> DeviceProfile:
    """The profile of a file. `by_name`: it was asked for by the file's name, which must be the profile's."""
    document = _inherited(file, places, ())
    faults: list[Fault] = []
    profile = _build(document, faults)
    if by_name and document["name"] != file.stem:
        faults.append(Fault("name", f"must be the file's name, '{file.stem}'; got '{document['name']}'"))
    if faults or profile is None:
        raise ScenarioError(str(file), faults)
    return profile


def _inherited(file: Path, places: list[Path], chain: tuple[Path, ...]) -> dict[str, Any]:
    """The document of a file over those that it extends. `chain`: the files on the way here."""
    if file.resolve() in chain:
        circle = " -> ".join(path.stem for path in (*chain, file))
        raise ProfileError(f"{chain[0]}: extends goes in a circle: {circle}; one of them must stand alone")
    document = validation.read(file)
    document.setdefault("name", file.stem)
    if "extends" not in document:
        return document
    parent = document.pop("extends")
    if not isinstance(parent, str):
        message = f"must be the name or path of a profile, not {validation.kind_of(parent)}"
        raise ScenarioError(str(file), [Fault("extends", message)])
    parent_file = _file(parent, [file.parent, *places], asking=file)
    return inheritance.over(_inherited(parent_file, places, (*chain, file.resolve())), document)


def _build(document: dict[str, Any], faults: list[Fault]) -> DeviceProfile | None:
    """The profile of a document without `extends`; every fault is added to `faults`."""
    _check_shape(document, faults)
    faults += implausible(document)
    parts = {key: document[key] for key in _KEYS if key in document}
    if "class" in parts:
        parts["device_class"] = parts.pop("class")  # `class` is no name for a field in Python
    found: list[Fault] = []
    profile = validation.build(DeviceProfile, parts, "", found)
    known = {fault.path for fault in faults}
    for fault in found:
        path = "class" if fault.path == "device_class" else fault.path
        if path not in known and not fault.message.startswith("is missing"):  # those are named above
            faults.append(Fault(path, fault.message))
    if profile is not None:
        faults += contradictions(profile, known)
    return profile


def _check_shape(document: dict[str, Any], faults: list[Fault]) -> None:
    """Add a fault for every unknown, missing or misplaced key, and for a name that is no name."""
    validation.unknown_keys(document, _KEYS, "", faults)
    faults += [Fault(key, "is missing and has no default") for key in _REQUIRED if key not in document]
    name = document.get("name")
    if isinstance(name, str) and not is_name(name):
        faults.append(Fault("name", f"must be lower-case words joined by hyphens, like my-device; got '{name}'"))
    for key, cls in _SECTIONS.items():
        if key not in document or (key not in _REQUIRED and document[key] is None):
            continue
        _check_section(document[key], cls, key, faults)


def _check_section(section: Any, cls: type, path: str, faults: list[Fault]) -> None:
    """Add a fault for every unknown, missing or misplaced key of a section, or of its power modes and their clocks."""
    _check_keys(section, cls, path, faults)
    for field in dataclasses.fields(cls) if isinstance(section, dict) else ():
        given = section.get(field.name)
        if field.name not in section or (given is None and not _needed(field)):
            continue  # missing keys are named above; null takes an inherited option away
        if field.name in quantities(cls):
            _check_keys(given, Quantity, f"{path}.{field.name}", faults)
        elif field.name == "modes" and isinstance(given, list):
            for i, mode in enumerate(given):
                _check_section(mode, PowerMode, f"{path}.modes[{i}]", faults)
        elif field.name == "clocks":
            _check_keys(given, ModeClocks, f"{path}.clocks", faults)


def _check_keys(given: Any, cls: type, path: str, faults: list[Fault]) -> None:
    """Add a fault where `given` is no map, and for each of its keys that is unknown or missing."""
    fields = dataclasses.fields(cls)
    needed = [field.name for field in fields if _needed(field)]
    if not isinstance(given, dict):
        words = f"must be a map with {', '.join(needed)}, not {validation.kind_of(given)}"
        faults.append(Fault(path, words))
        return
    validation.unknown_keys(given, [field.name for field in fields], path, faults)
    missing = [name for name in needed if name not in given]
    faults += [Fault(f"{path}.{name}", "is missing and has no default") for name in missing]


def _needed(field: dataclasses.Field[Any]) -> bool:
    """True where a file must give the field."""
    return field.default is dataclasses.MISSING


def _without_nothing(value: Any) -> Any:
    """A nested map without the keys that hold None, tuples as lists."""
    if isinstance(value, tuple):
        return [_without_nothing(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return value
