"""Numbers of a device profile, with source and confidence, and the ranges that they may have.

A range is wide: it holds every real device from a microcontroller to a server, and exists to catch unit mistakes
(GFLOP/s where FLOP/s belong). `plausible_ranges` has narrower ones, by class. The fields are in `profile`.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from edgesim.config.plausible import Bounded, PlausibleRange

Confidence = Literal["measured", "looked-up", "derived", "estimate"]
"""measured: on this device, as `source` says. looked-up: a data sheet or a published table.
derived: computed from such values, as `source` shows. estimate: from memory, a similar device, or a guess."""

DeviceClass = Literal["mcu", "sbc-cpu", "jetson-gpu", "phone", "edge-box", "laptop", "edge-server"]
GPU_CLASSES = ("jetson-gpu", "edge-server")
"""classes whose devices compute on a GPU; their power modes set its clock"""

Scope = Literal["wall", "device", "module", "card", "processor"]
"""Part of a device that its watts are of. wall: the whole device at its socket, with the losses of its supply. device:
the whole device behind its supply or battery. module: a computing module without the board that carries it. card: an
accelerator without its host. processor: the chip alone. Sums over devices of different scopes are not comparable."""

Words = Annotated[str, Field(min_length=1)]
V = TypeVar("V")
STRICT = ConfigDict(extra="forbid", defer_build=True)

NOMINAL_SHARE = 0.5
"""share of the nominal bandwidth that a copy in memory is assumed to reach where none was measured"""


@dataclass(frozen=True, config=STRICT)
class Quantity(Bounded, Generic[V]):
    """One number of a profile with its source. Its unit is the suffix of the field that holds it."""

    value: V
    """the value itself"""
    source: Words
    """origin: a data sheet, a repository and commit, a formula, or the basis of an estimate"""
    confidence: Confidence
    """measured on this device; looked-up in a data sheet or table; derived from such values; or an estimate"""
    note: str | None = None
    """remark for users of the number"""
    relative_error: Annotated[float, Field(ge=0), PlausibleRange(0.0, 10.0)] | None = None
    """of a fitted number: mean absolute error over the measured value, where the model that it belongs to predicts
    measurements that were held out of the fit; 0.1 is 10 %"""


AboveZero = Field(gt=0, allow_inf_nan=False)
AtLeastZero = Field(ge=0, allow_inf_nan=False)
UpToOne = Field(gt=0, le=1)
ZeroToOne = Field(ge=0, le=1)
"""limits that hold whatever `unsafe` says"""

_BYTES = (("GB", 1e9), ("MB", 1e6), ("KB", 1e3))
_BYTES_PER_S = (("MB/s", 1e6), ("GB/s", 1e9))

_FLOPS = (("GFLOP/s", 1e9), ("MFLOP/s", 1e6), ("TFLOP/s", 1e12))
Peak = Quantity[Annotated[float, AboveZero, PlausibleRange(1e4, 1e16, "FLOP/s", _FLOPS)]]
HALF_PEAK = PlausibleRange(1e6, 1e17, "FLOP/s", (("GFLOP/s", 1e9), ("TFLOP/s", 1e12)))
HalfPeak = Quantity[Annotated[float, AboveZero, HALF_PEAK]]
IntegerPeak = Quantity[
    Annotated[float, AboveZero, PlausibleRange(1e6, 1e17, "op/s", (("GOP/s", 1e9), ("TOP/s", 1e12)))]
]
Utilisation = Quantity[
    Annotated[float, AboveZero, PlausibleRange(1e-6, 1.0, "(achieved / peak)", (("per cent", 0.01),))]
]
Share = Quantity[Annotated[float, AboveZero, PlausibleRange(1e-6, 1.0, "(achieved / nominal)", (("per cent", 0.01),))]]
# Winograd's algorithm computes a 3x3 convolution with 2.25 times fewer multiplications than are counted.
ConvolutionShare = Quantity[
    Annotated[float, AboveZero, PlausibleRange(1e-6, 2.25, "(achieved / nominal)", (("per cent", 0.01),))]
]
Overhead = Quantity[Annotated[float, AtLeastZero, PlausibleRange(0.0, 1.0, "s", (("ms", 1e-3), ("µs", 1e-6)))]]
# Of one operation, not of a step: the slowest framework here takes 1.2 ms on the slowest board.
OperationOverhead = Quantity[
    Annotated[float, AtLeastZero, PlausibleRange(0.0, 0.05, "s", (("ms", 1e-3), ("µs", 1e-6)))]
]
Switch = Quantity[bool]
StartUp = Quantity[Annotated[float, AtLeastZero, PlausibleRange(0.0, 600.0, "s", (("ms", 1e-3),))]]
MemorySize = Quantity[Annotated[float, AboveZero, PlausibleRange(1e4, 2e12, "bytes", _BYTES)]]
# A driver takes megabytes; frameworks that load all their kernels at once take a gigabyte or two.
ContextSize = Quantity[Annotated[float, AtLeastZero, PlausibleRange(0.0, 4e9, "bytes", _BYTES[:2])]]
Bandwidth = Quantity[Annotated[float, AboveZero, PlausibleRange(1e6, 1e13, "bytes/s", (("GB/s", 1e9), ("MB/s", 1e6)))]]
StorageSize = Quantity[Annotated[float, AboveZero, PlausibleRange(1e4, 1e14, "bytes", _BYTES)]]
StorageSpeed = Quantity[Annotated[float, AboveZero, PlausibleRange(2e4, 5e10, "bytes/s", _BYTES_PER_S)]]
# 56 kbit/s of a sensor's radio, to 100 Gbit/s of a server's cable; Mbit/s for bytes/s are outside.
LINK_RANGE = PlausibleRange(1e2, 1.25e10, "bytes/s", (("MB/s", 1e6), ("Mbit/s", 1.25e5), ("GB/s", 1e9)))
LinkSpeed = Quantity[Annotated[float, AboveZero, LINK_RANGE]]
# The slowest step of a Jetson's memory is 41 MHz. kHz, in which Linux gives a processor's clock, are outside.
FREQUENCIES = PlausibleRange(2e7, 1e10, "Hz", (("MHz", 1e6), ("kHz", 1e3), ("GHz", 1e9)))
Frequency = Annotated[float, AboveZero, FREQUENCIES]
Steps = Quantity[Annotated[tuple[Frequency, ...], Field(min_length=1)]]
CoreShare = Annotated[float, UpToOne, PlausibleRange(0.01, 1.0, "(cores on / all)", (("per cent", 0.01),))]
Watts = Quantity[Annotated[float, AboveZero, PlausibleRange(1e-5, 2e3, "W", (("mW", 1e-3),))]]
# A coefficient of a law of power, not a power by itself: 0 where a part draws nothing.
PartWatts = Quantity[Annotated[float, AtLeastZero, PlausibleRange(0.0, 2e3, "W", (("mW", 1e-3),))]]
Capacity = Quantity[Annotated[float, AboveZero, PlausibleRange(5e2, 1e8, "J", (("Wh", 3600.0),))]]
Activity = Quantity[
    Annotated[
        float, ZeroToOne, PlausibleRange(0.0, 1.0, "(power above idle / that under full load)", (("per cent", 0.01),))
    ]
]
SpeedFactor = Quantity[
    Annotated[float, UpToOne, PlausibleRange(1e-2, 1.0, "(slowed / full speed)", (("per cent", 0.01),))]
]
# Governors step down to a fifth of the clock at most; a hundredth would be per cent of per cent.
Throttled = Quantity[
    Annotated[float, UpToOne, PlausibleRange(0.1, 1.0, "(slowed / full speed)", (("per cent", 0.01),))]
]
# A package with its heat sink or body warms up in minutes; seconds are those of the bare chip, hours of a room.
TimeConstant = Quantity[
    Annotated[float, AboveZero, PlausibleRange(20.0, 1e4, "s", (("min", 60.0), ("h", 3600.0), ("ms", 1e-3)))]
]
