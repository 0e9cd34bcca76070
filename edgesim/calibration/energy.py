"""Energy and power as the machine's own sensors give them: RAPL, NVML, and the INA monitors of a Jetson's rails.

RAPL counts the joules of processor packages and memory (Linux powercap; the counter wraps around). NVML counts those of
NVIDIA GPUs. An INA3221 gives the power of supply rails (hwmon). A sensor of the whole device stands alone; others add
up. Parts without a sensor (fans, disks, the power supply's losses) are missing from the sum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgesim.hardware.loading import Scope
from edgesim.work import FloatArray

_PERIOD_S = 0.1
_WHOLE_RAILS = {"VDD_IN", "POM_5V_IN"}
"""rails through which all of a Jetson is fed"""


@dataclass(frozen=True)
class Sensor:
    """One reading that the system offers."""

    name: str
    unit: Literal["j", "w"]
    """j: a counter that only grows, up to its wrap-around; w: the power of this moment"""
    read: Callable[[], float]
    wraps_at_j: float | None = None
    whole: bool = False
    """True where it measures the whole device"""


@dataclass(frozen=True)
class Sensors:
    """Usable sensors, and notes on sensors that cannot be used."""

    used: tuple[Sensor, ...]
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Names of the sensors, joined by +."""
        return " + ".join(sensor.name for sensor in self.used)


def scope(words: str) -> Scope | None:
    """Part of the machine that the sensors' watts cover.

    Args:
        words: `Sensors.words`.

    Returns: as `power.scope` of a profile; None where several parts are added up or none is known.
    """
    kinds = {_scope(name) for name in words.split(" + ")}
    return kinds.pop() if len(kinds) == 1 else None


def _scope(name: str) -> Scope | None:
    label = name.split(" ", 1)[-1]
    if label in _WHOLE_RAILS:
        return "module"
    if label == "psys":
        return "device"
    return "card" if name.startswith("NVML") else "processor" if name.startswith("RAPL") else None


def find(sys: Path = Path("/sys")) -> Sensors:
    """The sensors of this machine that can be read and do not count anything twice.

    Args:
        sys: where the kernel shows its devices.
    """
    notes: list[str] = []
    found = [*_rapl(sys / "class" / "powercap", notes), *_hwmon(sys / "class" / "hwmon", notes), *_nvml()]
    whole = [sensor for sensor in found if sensor.whole]
    return Sensors(tuple(whole[:1] or found), tuple(notes))


def _rapl(folder: Path, notes: list[str]) -> list[Sensor]:
    """Packages and the memory beside them; parts of a package (core, uncore) are in its own counter already."""
    found = []
    for domain in sorted(folder.glob("intel-rapl:*")):
        counter = domain / "energy_uj"
        try:
            name = (domain / "name").read_text().strip()
            wraps_at_j = float((domain / "max_energy_range_uj").read_text()) / 1e6
            _number(counter)
        except PermissionError:
            notes.append(f"{counter} can be read by root only")
            continue
        except (OSError, ValueError):
            continue
        if name.startswith("package") or name in ("psys", "dram"):
            found.append(Sensor(f"RAPL {name}", "j", _scaled(counter, 1e-6), wraps_at_j, whole=name == "psys"))
    return found


def _hwmon(folder: Path, notes: list[str]) -> list[Sensor]:
    """Rails of INA power monitors: their power, or volts times amperes."""
    found = []
    for chip in sorted(folder.glob("hwmon*")):
        with suppress(OSError):
            if not (chip / "name").read_text().strip().startswith("ina"):
                continue
            for rail in sorted(chip.glob("curr*_input")) or sorted(chip.glob("power*_input")):
                number = "".join(c for c in rail.name if c.isdigit())
                label_file = chip / f"in{number}_label"
                label = label_file.read_text().strip() if label_file.exists() else f"rail {number}"
                if label == "NC":  # not connected
                    continue
                try:
                    read = _rail(chip, number)
                    read()
                except PermissionError:
                    notes.append(f"{rail} can be read by root only")
                except (OSError, ValueError):
                    continue
                else:
                    found.append(Sensor(f"INA {label}", "w", read, whole=label in _WHOLE_RAILS))
    return found


def _rail(chip: Path, number: str) -> Callable[[], float]:
    power = chip / f"power{number}_input"
    if power.exists():
        return _scaled(power, 1e-6)
    volts, amperes = _scaled(chip / f"in{number}_input", 1e-3), _scaled(chip / f"curr{number}_input", 1e-3)
    return lambda: volts() * amperes()


def _nvml() -> list[Sensor]:
    """GPUs, where nvidia-ml-py is installed and a driver runs: the energy counter, or the power on older ones."""
    try:
        import pynvml
    except ImportError:
        return []
    found = []
    try:
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            found.append(_gpu(pynvml, index))
    except pynvml.NVMLError:  # no driver, or a GPU that gives no power
        return found
    return found


def _gpu(nvml: object, index: int) -> Sensor:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)  # type: ignore[attr-defined]
    energy_mj, power_mw = nvml.nvmlDeviceGetTotalEnergyConsumption, nvml.nvmlDeviceGetPowerUsage  # type: ignore[attr-defined]
    try:
        energy_mj(handle)
    except nvml.NVMLError:  # type: ignore[attr-defined]
        power_mw(handle)
        return Sensor(f"NVML GPU {index}", "w", lambda: power_mw(handle) / 1e3)
    return Sensor(f"NVML GPU {index}", "j", lambda: energy_mj(handle) / 1e3)


def _number(path: Path) -> float:
    return float(path.read_text())


def _scaled(path: Path, factor: float) -> Callable[[], float]:
    return lambda: _number(path) * factor


def mean_w(times_s: FloatArray, readings: FloatArray, sensor: Sensor) -> float:
    """Mean power over a series of readings.

    Args:
        times_s: [n] when each was taken, increasing, n >= 2.
        readings: [n] joules of a counter, or watts.
        sensor: where they come from. Between two readings a counter may wrap around once.

    Returns: W; of watts the mean over time (trapezia).
    """
    span_s = times_s[-1] - times_s[0]
    if sensor.unit == "w":
        return float(np.sum(np.diff(times_s) * (readings[1:] + readings[:-1]) / 2) / span_s)
    steps_j = np.diff(readings)
    steps_j = np.where(steps_j < 0, steps_j + (sensor.wraps_at_j or 0.0), steps_j)
    return float(steps_j.sum() / span_s)


class Meter:
    """Reads sensors inside its `with` block, ten times a second; afterwards `power_w` is the mean of their sum."""

    def __init__(self, sensors: Sequence[Sensor]):
        self._sensors = sensors
        self._times_s: list[float] = []
        self._readings: list[list[float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Meter:
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._read()

    @property
    def power_w(self) -> float | None:
        """None where there are no sensors."""
        if not self._sensors:
            return None
        times_s, readings = np.array(self._times_s), np.array(self._readings)
        return sum(mean_w(times_s, readings[:, i], sensor) for i, sensor in enumerate(self._sensors))

    def _watch(self) -> None:
        while self._sensors and not self._stop.wait(_PERIOD_S):
            self._read()

    def _read(self) -> None:
        self._times_s.append(time.perf_counter())
        self._readings.append([sensor.read() for sensor in self._sensors])


def idle_w(sensors: Sensors, seconds: float = 3.0) -> float | None:
    """Mean power while this process sleeps; None where there are no sensors."""
    if not sensors.used:
        return None
    with Meter(sensors.used) as meter:
        time.sleep(seconds)
    return meter.power_w
