"""Parts of the devices that the watts of a fleet, or of several, are of: a note where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgesim.formatting import listed
from edgesim.hardware.profile import DeviceProfile

_WORDS = {
    "wall": "the device at its socket",
    "device": "the device behind its supply or battery",
    "module": "a computing module without its board",
    "card": "an accelerator without its host",
    "processor": "the processor alone",
    None: "a part that is not known",
}
"""scope of a profile's watts -> the part in words"""


def scopes_of(devices: Iterable[DeviceProfile]) -> dict[str, str | None]:
    """Name of each profile -> scope of its watts, for run.json."""
    return {device.name: device.power.scope for device in devices}


def sum_in_words(scopes: Mapping[str, str | None]) -> list[str]:
    """The note that sums and means over a fleet add unlike watts; empty where all are of one part.

    Args:
        scopes: as `scopes_of` gives them.
    """
    by_scope: dict[str | None, list[str]] = {}
    for name, scope in scopes.items():
        by_scope.setdefault(scope if scope in _WORDS else None, []).append(name)
    if len(by_scope) < 2:
        return []
    parts = [f"{_WORDS[scope]} ({', '.join(names)})" for scope, names in by_scope.items()]
    advice = "Compare energies within one profile only."
    return [f"Energies of the whole fleet add watts of unlike parts: {'; '.join(parts)}. {advice}"]


def difference_in_words(fleets: Mapping[str, Iterable[DeviceProfile]]) -> list[str]:
    """The note that energies of several fleets are of unlike parts of the devices; empty where all are of one part.

    Args:
        fleets: name -> profiles of its devices.
    """
    scopes = {name: sorted({device.power.scope for device in devices}, key=str) for name, devices in fleets.items()}
    if len({scope for found in scopes.values() for scope in found}) < 2:
        return []
    parts = [f"{name}: {listed([_WORDS[scope] for scope in found])}" for name, found in scopes.items()]
    return [
        f"Energies are of unlike parts of the devices, so they compare roughly. Watts are of: {'; '.join(parts)}. "
        "`edgesim list profiles` has the part of each profile."
    ]
