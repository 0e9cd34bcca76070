"""Energy and power over time: sensors that are read while other code runs, and their means."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from edgesim.calibration.periodic_reading import PeriodicReading
from edgesim.hardware.quantity import Scope
from edgesim.work import FloatArray

_PERIOD_S = 0.1


@dataclass(frozen=True)
class Sensor:
    """One reading that the system offers."""

    name: str
    unit: Literal["j", "w"]
    """j: a counter that only grows, up to its wrap-around; w: the power of this moment"""
    read: Callable[[], float]
    """raises OSError or ValueError where there is no value"""
    scope: Scope | None = None
    """part of the machine that it measures, or that it measures together with the other sensors in use"""
    wraps_at_j: float | None = None
    period_s: float = _PERIOD_S
    """time between two readings; longer where a reading takes work of its own"""


def number(path: Path) -> float:
    """The number in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds no finite number.
    """
    value = float(path.read_text())
    if not math.isfinite(value):
        raise ValueError(f"{path} holds {value}")
    return value


def scaled(path: Path, factor: float) -> Callable[[], float]:
    """A reading of the number in a file, times `factor`."""
    return lambda: number(path) * factor


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


class Meter(PeriodicReading):
    """Reads sensors inside its `with` block; afterwards `power_w` is the mean of their sum."""

    def __init__(self, sensors: Sequence[Sensor]):
        super().__init__(max([_PERIOD_S, *(sensor.period_s for sensor in sensors)]), wanted=bool(sensors))
        self._sensors = sensors
        self._times_s: list[float] = []
        self._readings: list[list[float]] = []
        self.failed = 0
        """readings that gave no value"""

    def __enter__(self) -> Self:
        self._read()
        return super().__enter__()

    @property
    def power_w(self) -> float | None:
        """None where there are no sensors, or where they gave fewer than two readings."""
        if not self._sensors or len(self._times_s) < 2:
            return None
        times_s, readings = np.array(self._times_s), np.array(self._readings)
        return sum(mean_w(times_s, readings[:, i], sensor) for i, sensor in enumerate(self._sensors))

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on readings that gave no value; none where all did."""
        if not self.failed:
            return ()
        return (f"{self.failed} of {self.failed + len(self._times_s)} readings of power gave no value; left out",)

    def _read(self) -> None:
        try:
            now_s, values = time.perf_counter(), [sensor.read() for sensor in self._sensors]
        except (OSError, ValueError):  # a sensor may be busy for a moment
            self.failed += 1
            return
        self._times_s.append(now_s)
        self._readings.append(values)


def idle_w(sensors: Sequence[Sensor], seconds: float = 3.0) -> float | None:
    """Mean power while this process sleeps; None where no sensor gives it."""
    if not sensors:
        return None
    with Meter(sensors) as meter:
        time.sleep(seconds)
    return meter.power_w
