"""Parts of the devices that the watts of several fleets are of, as a note where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edgesim.formatting import listed
from edgesim.hardware.profile import DeviceProfile
from edgesim.results.run_folder import Run
from edgesim.scenario import loading
from edgesim.scenario.loading import Scenario

_WORDS = {
    "wall": "the device at its socket",
    "device": "the device behind its supply or battery",
    "module": "a computing module without its board",
    "card": "an accelerator without its host",
    "processor": "the processor alone",
    None: "a part that is not known",
}
"""scope of a profile's watts -> the part in words"""


def own_scenario(run: Run) -> Scenario:
    """The scenario of a run, on its own fleet.

    Raises:
        ScenarioError: its files are no longer there.
    """
    return loading.from_document(dict(run.scenario), str(run.path / "scenario.yaml"), Path(run.info["scenario_folder"]))


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
