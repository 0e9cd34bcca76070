"""Clocks of this machine while it is measured: of processor, GPU and memory, and a Jetson's power mode.

A coefficient holds at the clocks that it was measured at. Linux shows the processor's in cpufreq, a Jetson's GPU in
devfreq and its memory (EMC) in files that only root can read. NVML has both of other NVIDIA GPUs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgesim.calibration import clock_records
from edgesim.calibration.clock_records import ClockRecord
from edgesim.calibration.energy import number
from edgesim.calibration.periodic_reading import PeriodicReading

_PERIOD_S = 1.0
_CHANGING = ("ondemand", "conservative", "schedutil", "powersave", "interactive", "simple_ondemand", "nvhost_podgov")
"""governors that let a clock follow the load"""
_FIX_CPU = "sudo cpupower frequency-set --governor performance"
_FIX_JETSON = "sudo jetson_clocks"
_KHZ, _MHZ = 1e3, 1e6
_GPU_NODES = re.compile(r"gpu|gp10b|gv11b|ga10b|gm20b", re.IGNORECASE)
"""names of a Jetson's GPU under devfreq"""


@dataclass(frozen=True)
class Clock:
    """One clock that can be read."""

    name: str
    """cpu, gpu or memory"""
    read: Callable[[], float]
    """Hz; raises OSError or ValueError where there is no value"""
    source: str
    steps_hz: tuple[float, ...] = ()
    """as the system lists them, in rising order; empty where it lists none"""
    governor: str = ""
    fix: str = ""
    """command that holds the clock"""


@dataclass(frozen=True)
class Clocks:
    """Clocks of a machine, its power mode, and notes on what cannot be read."""

    found: tuple[Clock, ...]
    power_mode: str | None
    """name of nvpmodel's mode; None where there is no nvpmodel"""
    notes: tuple[str, ...]


def is_jetson(root: Path = Path("/")) -> bool:
    """True on a Jetson, by the board's name in the device tree or NVIDIA's release file."""
    board = _text(root / "proc/device-tree/model").lower()
    return "jetson" in board or (root / "etc/nv_tegra_release").is_file()


def find(root: Path = Path("/"), gpu: bool = True) -> Clocks:
    """The clocks that can be read.

    Args:
        root: of the file system.
        gpu: whether the GPU and its memory count: False where the processor trains.
    """
    notes: list[str] = []
    found = _cpu(root / "sys" / "devices" / "system" / "cpu", notes)
    jetson = is_jetson(root)
    if gpu:
        found += _jetson(root, notes) if jetson else _nvml(notes)
    mode = _power_mode(root, notes)
    fixes = _FIX_JETSON if jetson else _FIX_CPU
    found = [Clock(c.name, c.read, c.source, c.steps_hz, c.governor, c.fix or fixes) for c in found]
    return Clocks(tuple(found), mode, tuple(notes))


def warnings(found: Clocks) -> tuple[str, ...]:
    """Sentences on governors that let a clock change while the machine is measured, with the command that holds it."""
    return tuple(
        f"the governor {clock.governor} lets the {clock_records.title(clock.name)} clock change while this measures; "
        f"to hold it: {clock.fix}"
        for clock in found.found
        if clock.governor in _CHANGING
    )


class Watch(PeriodicReading):
    """Reads clocks once a second inside its `with` block; afterwards `records` has their range."""

    def __init__(self, clocks: Sequence[Clock]):
        super().__init__(_PERIOD_S, wanted=bool(clocks))
        self._clocks = clocks
        self._values: list[list[float]] = [[] for _ in clocks]

    @property
    def records(self) -> tuple[ClockRecord, ...]:
        """Those of the clocks that gave a value."""
        found = []
        for clock, values in zip(self._clocks, self._values, strict=True):
            if not values:
                continue
            ordered = sorted(values)
            range_hz = ordered[0], ordered[len(ordered) // 2], ordered[-1]
            found.append(ClockRecord(clock.name, *range_hz, clock.source, clock.steps_hz, clock.governor, clock.fix))
        return tuple(found)

    def _read(self) -> None:
        for clock, values in zip(self._clocks, self._values, strict=True):
            try:
                value = clock.read()
            except (OSError, ValueError):  # a file may be busy for a moment
                continue
            if value > 0:
                values.append(value)


def _cpu(folder: Path, notes: list[str]) -> list[Clock]:
    """The highest clock of all cores: training runs on the busiest one."""
    policies = sorted(folder.glob("cpufreq/policy*")) or sorted(folder.glob("cpu[0-9]*/cpufreq"))
    currents = [policy / "scaling_cur_freq" for policy in policies]
    if not currents:
        notes.append("no clock of the CPU: this system has no cpufreq")
        return []

    def read() -> float:
        return max(number(file) for file in currents) * _KHZ

    clock = _checked(Clock("cpu", read, "cpufreq scaling_cur_freq, the highest of all cores"), currents[0], notes)
    if clock is None:
        return []
    steps = sorted({step for policy in policies for step in _numbers(policy / "scaling_available_frequencies")})
    governors = sorted({name for policy in policies if (name := _text(policy / "scaling_governor"))})
    return [Clock(clock.name, read, clock.source, tuple(step * _KHZ for step in steps), ", ".join(governors))]


def _jetson_gpus(root: Path) -> list[Path]:
    return [path for path in sorted((root / "sys/class/devfreq").glob("*")) if _GPU_NODES.search(path.name)]


def _jetson(root: Path, notes: list[str]) -> list[Clock]:
    """Clocks of a Jetson's GPU and memory. An Orin shows its GPU as one node, others may have nodes beside it."""
    found = []
    for node in _jetson_gpus(root)[:1]:
        file = node / "cur_freq"
        steps = tuple(sorted(_numbers(node / "available_frequencies")))
        clock = Clock("gpu", partial(number, file), f"devfreq {node.name}", steps, _text(node / "governor"))
        found += [clock] if _checked(clock, file, notes) else []
    rate = root / "sys/kernel/debug/bpmp/debug/clk/emc/rate"
    steps = tuple(sorted(_numbers(root / "sys/kernel/debug/emc/available_rates")))
    memory = Clock("memory", partial(number, rate), "clk/emc/rate of the kernel's debug files", steps)
    found += [memory] if _checked(memory, rate, notes) else []
    return found


def _nvml(notes: list[str]) -> list[Clock]:
    """Clocks of the first NVIDIA GPU, where nvidia-ml-py is installed and a driver runs."""
    try:
        import pynvml
    except ImportError:
        notes.append("no clock of the GPU: nvidia-ml-py is not installed (edgesim[nvml])")
        return []
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    except pynvml.NVMLError as error:
        notes.append(f"no clock of the GPU: {error}")
        return []
    kinds = (("gpu", pynvml.NVML_CLOCK_SM), ("memory", pynvml.NVML_CLOCK_MEM))
    found = []
    for name, kind in kinds:
        read = _nvml_read(pynvml, handle, kind)
        try:
            read()
        except OSError as error:
            notes.append(f"no clock of the {clock_records.title(name)}: {error}")
            continue
        steps = _nvml_steps(pynvml, handle, name)
        fix = f"sudo nvidia-smi --lock-{'memory' if name == 'memory' else 'gpu'}-clocks=HZ" if steps else ""
        fix = fix.replace("HZ", f"{steps[-1] / _MHZ:.0f}") if steps else ""
        found.append(Clock(name, read, "NVML", steps, fix=fix))
    return found


def _nvml_read(nvml: Any, handle: Any, kind: int) -> Callable[[], float]:
    def read() -> float:
        try:
            return float(nvml.nvmlDeviceGetClockInfo(handle, kind)) * _MHZ
        except nvml.NVMLError as error:
            raise OSError(str(error)) from None

    return read


def _nvml_steps(nvml: Any, handle: Any, name: str) -> tuple[float, ...]:
    try:
        memory = nvml.nvmlDeviceGetSupportedMemoryClocks(handle)
        listed = memory if name == "memory" else nvml.nvmlDeviceGetSupportedGraphicsClocks(handle, max(memory))
    except (nvml.NVMLError, ValueError):
        return ()
    return tuple(sorted({step * _MHZ for step in listed}))


def _power_mode(root: Path, notes: list[str]) -> str | None:
    """Name of nvpmodel's mode: as the command says, or by its number from the files that it keeps."""
    status = root / "var/lib/nvpmodel/status"
    command = shutil.which("nvpmodel")
    if command is not None:
        try:
            said = subprocess.run([command, "-q"], capture_output=True, text=True, timeout=5, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            said = ""
        if match := re.search(r"NV Power Mode:\s*(\S+)", said):
            return match[1]
    match = re.search(r"pmode:\s*0*(\d+)", _text(status))
    if match is None:
        if status.exists() or command is not None:
            notes.append("the power mode cannot be read: neither `nvpmodel -q` nor its status file names it")
        return None
    pattern = rf"<\s*POWER_MODEL\s+ID={match[1]}\s+NAME=(\S+)\s*>"
    named = re.search(pattern, _text(root / "etc/nvpmodel.conf"))
    return named[1] if named else f"mode {match[1]}"


def _checked(clock: Clock, file: Path, notes: list[str]) -> Clock | None:
    """The clock where it can be read; otherwise a note says why not."""
    where = f"no clock of the {clock_records.title(clock.name)}: {file}"
    try:
        clock.read()
    except PermissionError:
        notes.append(f"{where} can be read by root only")
    except FileNotFoundError:
        notes.append(f"{where} is not there, or root only sees it")
    except (OSError, ValueError):
        notes.append(f"{where} gives no value")
    else:
        return clock
    return None


def _numbers(file: Path) -> list[float]:
    """The numbers in a file, without what is none; empty where it cannot be read."""
    return [float(word) for word in _text(file).split() if word.isdecimal()]


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
