"""Sensors of power that this machine has: rails of a Jetson, a Raspberry Pi 5's supply chip, RAPL and NVML.

RAPL counts the joules of processor packages and memory (Linux powercap; the counter wraps around). NVML counts those of
NVIDIA GPUs. `power_rails` has the rails of Jetsons, `pmic` the supply chip. Parts without a sensor (fans, disks, the
power supply's losses) are missing from the sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesim.calibration import pmic, power_rails
from edgesim.calibration.energy import Sensor, number, scaled
from edgesim.hardware.quantity import Scope


@dataclass(frozen=True)
class Sensors:
    """Usable sensors, whose readings add up, and notes on the others."""

    used: tuple[Sensor, ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Names of the sensors, joined by +."""
        return " + ".join(sensor.name for sensor in self.used)

    @property
    def scope(self) -> Scope | None:
        """Part of the machine that the sum covers; None where parts of several kinds are added, or none is known."""
        kinds = {sensor.scope for sensor in self.used}
        return kinds.pop() if len(kinds) == 1 else None


def find(sys: Path = Path("/sys")) -> Sensors:
    """The sensors of this machine that can be read and do not count anything twice.

    Args:
        sys: where the kernel shows its devices.
    """
    notes: list[str] = []
    rails = power_rails.find(sys)
    notes += rails.notes
    if rails.known:  # they hold the GPU that NVML may show as well
        return Sensors(rails.used, tuple(notes))
    found = _rapl(sys / "class" / "powercap", notes) + _nvml(notes) or pmic.find(notes)
    if not found:
        return Sensors(rails.used, tuple(notes))
    if rails.used:
        notes.append(f"{', '.join(rail.name for rail in rails.used)}: of unknown parts, not added to the others")
    whole = [sensor for sensor in found if sensor.scope == "device"]
    return Sensors(tuple(whole[:1] or found), tuple(notes))


def _rapl(folder: Path, notes: list[str]) -> list[Sensor]:
    """Packages and the memory beside them; parts of a package (core, uncore) are in its own counter already."""
    found = []
    for domain in sorted(folder.glob("intel-rapl:*")):
        counter = domain / "energy_uj"
        try:
            name = (domain / "name").read_text().strip()
            if not (name.startswith("package") or name in ("psys", "dram")):
                continue
            wraps_at_j = number(domain / "max_energy_range_uj") / 1e6
            number(counter)
        except PermissionError:
            notes.append(f"{counter} can be read by root only")
        except (OSError, ValueError):
            notes.append(f"{counter} gives no value; left out")
        else:
            scope: Scope = "device" if name == "psys" else "processor"
            found.append(Sensor(f"RAPL {name}", "j", scaled(counter, 1e-6), scope, wraps_at_j))
    return found


def _nvml(notes: list[str]) -> list[Sensor]:
    """GPUs, where nvidia-ml-py is installed and a driver runs: the energy counter, or the power on older ones."""
    try:
        import pynvml
    except ImportError:
        return []
    found: list[Sensor] = []
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:  # no driver
        return found
    for index in range(count):
        try:
            found.append(_gpu(pynvml, index))
        except pynvml.NVMLError as error:
            notes.append(f"NVML GPU {index} gives no power: {error}")
    return found


def _gpu(nvml: Any, index: int) -> Sensor:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    try:
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError:
        nvml.nvmlDeviceGetPowerUsage(handle)
        return Sensor(f"NVML GPU {index}", "w", _milli(nvml, nvml.nvmlDeviceGetPowerUsage, handle), "card")
    return Sensor(f"NVML GPU {index}", "j", _milli(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle), "card")


def _milli(nvml: Any, call: Callable[[Any], float], handle: Any) -> Callable[[], float]:
    """A reading of a call that gives thousandths."""

    def read() -> float:
        try:
            return call(handle) / 1e3
        except nvml.NVMLError as error:
            raise OSError(str(error)) from None

    return read
