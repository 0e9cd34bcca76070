"""Clocks that a device can be set to, and its named power modes, as fields of a profile."""

from __future__ import annotations

from typing import Any

from pydantic.dataclasses import dataclass

from edgesim.config.plausible import Bounded
from edgesim.errors import Fault
from edgesim.hardware.quantity import STRICT, Confidence, CoreShare, Frequency, SpeedFactor, Steps, Watts, Words


@dataclass(frozen=True, config=STRICT)
class Clocks:
    """Clocks that a GPU device can be set to, each as its steps in rising order; the last one is the highest."""

    gpu_hz: Steps
    """steps of the GPU's clock in rising order"""
    memory_hz: Steps
    """steps of the memory's clock (EMC) in rising order"""
    cpu_hz: Steps | None = None
    """steps of the clock of the processor that dispatches and starts up, in rising order; missing: not known, as of a
    card in any host, and not to be chosen"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Steps that do not rise, in a document's map."""
        faults = []
        for name in ("gpu_hz", "memory_hz", "cpu_hz"):
            steps = given[name].get("value") if isinstance(given.get(name), dict) else None
            listed = steps if isinstance(steps, list) else []
            numbers = [step for step in listed if isinstance(step, int | float) and not isinstance(step, bool)]
            if len(numbers) != len(listed):
                continue  # the checks of types name the others
            falling = next((i for i in range(1, len(numbers)) if numbers[i] <= numbers[i - 1]), None)
            if falling is not None:
                order = f"{numbers[falling]:.10g} comes after {numbers[falling - 1]:.10g}"
                faults.append(Fault(f"{name}.value[{falling}]", f"{order}; give each step once, in rising order"))
        return faults


@dataclass(frozen=True, config=STRICT)
class ModeClocks(Bounded):
    """Clocks of a power mode, each within 1 % of a step of the profile's `clocks`."""

    source: Words
    """origin of these clocks"""
    confidence: Confidence
    """measured on this device; looked-up in a data sheet or table; derived from such values; or an estimate"""
    cpu_hz: Frequency | None = None
    """clock of the processor; left out: the highest"""
    gpu_hz: Frequency | None = None
    """clock of the GPU; left out: the highest"""
    memory_hz: Frequency | None = None
    """clock of the memory; left out: the highest"""
    gpu_core_share: CoreShare | None = None
    """cores of the GPU that are on over all of them, where the mode switches some off; left out: 1"""


@dataclass(frozen=True, config=STRICT)
class PowerMode:
    """A named setting of a device, such as a Jetson's nvpmodel or a fixed CPU frequency.

    It gives either its clocks, or its speed (`throughput_factor`) and its power (`power_w`).
    """

    name: Words
    """name of the mode, which a fleet's `power_mode` gives"""
    throughput_factor: SpeedFactor | None = None
    """speed of computing in this mode over that at full clock, in (0, 1]"""
    power_w: Watts | None = None
    """power under full load in this mode"""
    clocks: ModeClocks | None = None
    """clocks of this mode, from which its speed and its power follow; only where the profile has `clocks`. The number
    of processor cores that it leaves on is not priced, for one thread dispatches"""
    overhead_factor: SpeedFactor | None = None
    """speed of start-up and dispatch in this mode over that at full clock; missing: as of computing, and 1 where a GPU
    computes, for the processor that feeds it keeps its clock. Not beside `clocks`"""

    @staticmethod
    def faults_in(given: dict[str, Any]) -> list[Fault]:
        """Contradictions between the fields of a document's map."""
        by_factor = [name for name in ("throughput_factor", "power_w") if given.get(name) is not None]
        if given.get("clocks") is not None:
            beside = [*by_factor, *(["overhead_factor"] if given.get("overhead_factor") is not None else [])]
            message = f"has `clocks`, from which {', '.join(beside)} would follow; give one of both"
            return [Fault("", message)] if beside else []
        if not by_factor:
            return [Fault("", "needs `clocks`, or throughput_factor and power_w; got none of them")]
        missing = {"throughput_factor", "power_w"} - set(by_factor)
        return [Fault(name, f"must be given beside {by_factor[0]}; its value is missing") for name in missing]

    @property
    def speed_and_power(self) -> tuple[float, float]:
        """Speed over that at full clock, and power in W, of a mode that gives them in place of clocks."""
        assert self.throughput_factor is not None
        assert self.power_w is not None
        return self.throughput_factor.value, self.power_w.value
