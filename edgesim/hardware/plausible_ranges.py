"""Plausible ranges of a profile's numbers by class of device and kind of storage: narrower than those of the fields.

Each range holds the devices sold in that class, with a margin. It is narrow enough that the usual mistake of the unit,
by a factor of a thousand or of 3.6, ends outside. Of several mistakes that explain a value the one that ends inside is
named.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from edgesim.config.plausible import PlausibleRange
from edgesim.hardware.quantity import DeviceClass

Document = dict[str, Any]
Units = tuple[tuple[str, float], ...]
Bounds = tuple[float, float]

_FLOPS: Units = (("GFLOP/s", 1e9), ("MFLOP/s", 1e6), ("TFLOP/s", 1e12), ("KFLOP/s", 1e3))
_SECONDS: Units = (("ms", 1e-3), ("µs", 1e-6))
_BYTES: Units = (("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("TB", 1e12))
_BYTES_PER_S: Units = (("GB/s", 1e9), ("MB/s", 1e6), ("KB/s", 1e3))
_STORAGE_PER_S: Units = (("MB/s", 1e6), ("GB/s", 1e9), ("KB/s", 1e3))
_WATTS: Units = (("mW", 1e-3), ("µW", 1e-6))
# mAh at the voltage of one lithium cell (phones), of three (laptops).
_JOULES: Units = (("Wh", 3600.0), ("mAh at 3.85 V", 13.86), ("mWh", 3.6))
_LAPTOP_JOULES: Units = (("Wh", 3600.0), ("mWh", 3.6), ("mAh at 11.6 V", 41.8))

CLASSES: tuple[str, ...] = get_args(DeviceClass)


def _ranges(unit: str, mistakes: Units, *bounds: Bounds) -> dict[str, PlausibleRange]:
    """One range per class, in the order of CLASSES."""
    return {name: PlausibleRange(low, high, unit, mistakes) for name, (low, high) in zip(CLASSES, bounds, strict=True)}


_PEAK = _ranges(
    "FLOP/s",
    _FLOPS,
    (1e4, 2e10),  # floats in software on 8 MHz, to clusters of eight small RISC-V cores
    (1e9, 2e12),  # one ARM11 of 1 GHz, to twelve big cores with wide vectors
    (1e11, 2e13),  # the Nano has 0.24 TFLOP/s, the Thor 8
    (5e9, 1e13),  # four Cortex-A7, to the GPU of a flagship
    (5e9, 5e13),  # one core of an Atom, to a desktop's GPU
    (5e9, 5e13),  # the same
    (5e9, 1e15),  # one core calibrated by itself, to eight of the largest GPUs
)
_STEP = _ranges(
    "s",
    _SECONDS,
    (0.0, 0.5),  # loops in C: far less than a millisecond; an interpreter may take hundreds
    (0.0, 0.5),  # 4 ms measured on a Pi 5, ten times that on a Zero; single ARM11 cores ten times more
    (0.0, 0.3),  # 9 ms measured on a Nano
    (0.0, 0.6),  # 43 and 48 ms measured with DL4J, 85 ms on an old phone
    (0.0, 0.2),  # a millisecond or two
    (0.0, 0.2),
    (0.0, 0.2),
)
# No framework takes 0.02 s to start one operation; profiles are at 13 µs to 1.2 ms, so that ms for s are outside.
_OPERATION = _ranges("s", _SECONDS, *[(0.0, 0.02)] * 2, (0.0, 0.01), (0.0, 0.02), *[(0.0, 0.007)] * 3)
# One group of one sample is less than an operation: profiles are at 9 ns to 50 µs.
_CHANNEL = _ranges("s", _SECONDS, *[(0.0, 1e-3)] * 4, *[(0.0, 5e-4)] * 3)
# A kernel's constant time on the GPU itself is tens of microseconds at most.
_KERNEL = _ranges("s", _SECONDS, *[(0.0, 2e-3)] * 7)
_MEMORY = _ranges(
    "bytes",
    _BYTES,
    (1e4, 3e8),  # 16 KB of SRAM, to external RAM of 256 MB
    (6e7, 1.4e11),  # 64 MB to 128 GB
    (9e8, 2.8e11),  # the Nano of 2 GB, to twice the Thor's 128
    (2e8, 7e10),  # 256 MB to 64 GB
    (2e8, 1.1e12),  # thin clients to workstations
    (4e8, 5.5e11),
    (4e8, 2e12),
)
_BANDWIDTH = _ranges(
    "bytes/s",
    _BYTES_PER_S,
    (1e6, 2e10),  # external RAM on a serial bus, to SRAM of several banks
    (1e8, 3e11),  # a copy on a Zero 2 W reaches 0.6 GB/s; 128 bits of LPDDR5X have 0.14 TB/s
    (1e9, 1e12),  # nominal 26 GB/s (Nano) to 273 (Thor)
    (5e8, 2e11),  # LPDDR2 to LPDDR5X
    (5e8, 2e12),  # as calibrated from caches, or a GPU's
    (5e8, 2e12),
    (5e8, 1e13),
)
_BOARD_STORAGE = (1e8, 1.6e13)  # the smallest eMMC to an NVMe disk of 16 TB
_STORAGE = _ranges(
    "bytes",
    _BYTES,
    (1e4, 1e12),  # internal flash of 16 KB, to a card
    _BOARD_STORAGE,
    _BOARD_STORAGE,
    (1e9, 4.2e12),
    (1e9, 6.4e13),
    (4e9, 3.2e13),
    (1e9, 1e14),
)
# Where the kind says no more: serial flash to RAID, and what a busy network's file system gives.
_SPEED = _ranges("bytes/s", _STORAGE_PER_S, (2e4, 5e8), *[(5e5, 2e10)] * 6)
_MAX_W = _ranges(
    "W",
    _WATTS,
    (1e-4, 5.0),
    (0.5, 60.0),  # a Zero takes 2 W; boards of twelve cores 40
    (3.0, 200.0),  # modes of 5 W to the Thor's 130 W
    (1.0, 25.0),  # the heat that a phone's body can shed for a while
    (2.0, 600.0),  # 6 W processors to mini PCs with a GPU
    (2.0, 400.0),
    (5.0, 2e3),
)
_IDLE_W = _ranges(
    "W",
    _WATTS,
    (1e-5, 2.0),  # asleep, to a board with its radio on
    (0.05, 25.0),  # no board with Linux idles below a tenth of a watt
    (0.3, 80.0),
    (0.01, 4.0),  # screen off to on
    (0.3, 150.0),
    (0.2, 100.0),
    (0.5, 1.5e3),
)
# A lithium cell is a few watt-hours; boards may have anything up to a solar installation's 28 kWh.
_BATTERY: dict[str, PlausibleRange] = {
    "mcu": PlausibleRange(5e2, 1e6, "J", _JOULES),
    **{name: PlausibleRange(5e3, 1e8, "J", _JOULES) for name in ("sbc-cpu", "jetson-gpu", "edge-box", "edge-server")},
    "phone": PlausibleRange(1.8e4, 1.5e5, "J", _JOULES),  # 5 to 42 Wh; a mAh is 14 J and a mWh 3.6
    "laptop": PlausibleRange(7e4, 1e6, "J", _LAPTOP_JOULES),  # 19 to 280 Wh
}
_LINK_UNITS: Units = (("MB/s", 1e6), ("Mbit/s", 1.25e5), ("KB/s", 1e3), ("GB/s", 1e9))
_LINK = _ranges(
    "bytes/s",
    _LINK_UNITS,
    (1e2, 2e7),  # a sensor's radio of some kbit/s, to Ethernet of 100 Mbit/s
    *[(5e3, 1.5e9)] * 2,  # a slow mobile network, to Ethernet of 10 Gbit/s
    (5e3, 6e8),  # a slow mobile network, to Wi-Fi 7
    *[(5e3, 3e9)] * 2,  # to two cables of 10 Gbit/s
    (5e3, 1.25e10),
)
_SHARE = {name: PlausibleRange(1e-6, 1.0, "(achieved / peak)", (("per cent", 0.01),)) for name in CLASSES}

BY_CLASS: dict[tuple[str, str], dict[str, PlausibleRange]] = {
    ("compute", "peak_fp32_flops_per_s"): _PEAK,
    ("compute", "training_utilisation"): _SHARE,
    ("compute", "step_overhead_s"): _STEP,
    ("compute", "operation_overhead_s"): _OPERATION,
    ("compute", "convolution_operation_overhead_s"): _OPERATION,
    ("compute", "channel_overhead_s"): _CHANNEL,
    ("compute", "cramped_channel_overhead_s"): _CHANNEL,
    ("compute", "kernel_overhead_s"): _KERNEL,
    ("memory", "size_bytes"): _MEMORY,
    ("memory", "bandwidth_bytes_per_s"): _BANDWIDTH,
    ("memory", "achieved_bandwidth_bytes_per_s"): _BANDWIDTH,
    ("storage", "size_bytes"): _STORAGE,
    ("storage", "read_bytes_per_s"): _SPEED,
    ("storage", "write_bytes_per_s"): _SPEED,
    ("power", "idle_w"): _IDLE_W,
    ("power", "max_w"): _MAX_W,
    ("battery", "capacity_j"): _BATTERY,
    ("link", "up_bytes_per_s"): _LINK,
    ("link", "down_bytes_per_s"): _LINK,
}

# (words of `storage.kind`, what they are called, slowest write of a poor one to fastest read of the best)
_KINDS: tuple[tuple[str, str, Bounds], ...] = (
    (r"micro\W?sd|\bsd\b|\bsd card", "an SD card", (5e5, 3.5e8)),  # UHS-II ends at 312 MB/s
    (r"emmc", "eMMC", (2e6, 6e8)),  # HS400 ends at 400 MB/s
    (r"ufs", "UFS", (2e7, 1.2e10)),  # UFS 5 ends at 10.8 GB/s
    (r"\bsata\b", "a SATA disk", (1e7, 6e8)),  # SATA ends at 600 MB/s
    (r"\bnvme\b", "an NVMe disk", (2e7, 2e10)),  # four lanes of PCIe 5 end at 16 GB/s
    (r"\bhdd\b|hard disk", "a hard disk", (5e6, 6e8)),
)
_HALF_UNITS: Units = (("GFLOP/s", 1e9), ("TFLOP/s", 1e12), ("MFLOP/s", 1e6))
HALF_FACTORS = (1.0, 16.0)
"""peak of FP16 and bf16 over that of FP32. Vector units double it, tensor cores take it to 8 (T4, Orin) and 16 (A100,
H100, AMX); where 16 bits are slower, nothing computes with them and the field is left out"""


def number(document: Document, section: str, field: str) -> float | None:
    """The value of a quantity in a profile's document; None where it is missing or no number."""
    fields = document.get(section)
    quantity = fields.get(field) if isinstance(fields, dict) else None
    value = quantity.get("value") if isinstance(quantity, dict) else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def is_unsafe(document: Document, section: str, field: str) -> bool:
    """True where a quantity's own map has `unsafe: true`."""
    fields = document.get(section)
    quantity = fields.get(field) if isinstance(fields, dict) else None
    return isinstance(quantity, dict) and quantity.get("unsafe") is True


def of(document: Document, section: str, field: str) -> PlausibleRange | None:
    """The range of a number in the document's class, of storage speeds in its kind where that says something.

    Args:
        document: a profile's; its `class` and `storage.kind` may be missing or wrong.
        section, field: of the profile.

    Returns: the range; None where there is none, or where the class is no class.
    """
    by_class, device_class = BY_CLASS.get((section, field)), document.get("class")
    if by_class is None or not isinstance(device_class, str) or device_class not in by_class:
        return None
    storage = document.get("storage")
    kind = storage.get("kind") if isinstance(storage, dict) else None
    if by_class is _SPEED and isinstance(kind, str):
        found = [(words, *bounds) for pattern, words, bounds in _KINDS if re.search(pattern, kind.lower())]
        if found:  # a text with several kinds has the widest range of them
            names, lows, highs = zip(*found, strict=True)
            return PlausibleRange(min(lows), max(highs), f"bytes/s for {' or '.join(names)}", _STORAGE_PER_S)
    return by_class[device_class]


def plausible(document: Document, section: str, field: str) -> bool:
    """True where a number is given and in its range, or allowed by `unsafe`."""
    value, within = number(document, section, field), of(document, section, field)
    held = within is not None and value is not None and (within.holds(value) or is_unsafe(document, section, field))
    return held


def half_peak(peak_flops_per_s: float) -> PlausibleRange:
    """The range of the peak in 16 bits beside that in FP32."""
    low, high = (factor * peak_flops_per_s for factor in HALF_FACTORS)
    return PlausibleRange(
        low, high, f"FLOP/s, {HALF_FACTORS[0]:g} to {HALF_FACTORS[1]:g} times the FP32 peak", _HALF_UNITS
    )


def classes_with(section: str, field: str, value: float) -> list[str]:
    """Classes in which a number is plausible."""
    return [name for name, within in BY_CLASS[section, field].items() if within.low <= value <= within.high]
