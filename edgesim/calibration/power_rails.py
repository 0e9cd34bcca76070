"""Supply rails of Jetsons by name, as their INA3221 power monitors give them.

A rail may be fed through another, so that not all of them add up. SUPPLIES says which do, board by board. NVIDIA's
kernel before JetPack 5 shows the monitors under iio with the rails' names, later ones and Linux itself under hwmon with
labels; where a label is missing there, the name stands in the device tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgesim.calibration.energy import Sensor, number, scaled

_UNCONNECTED = ("NC", "")
_CHANNELS = (1, 2, 3)
"""of an INA3221; hwmon shows sums of them as a fourth"""


@dataclass(frozen=True)
class Supply:
    """Rails of one kind of board."""

    boards: str
    adding: tuple[str, ...]
    """rails that together feed the module"""
    contained: tuple[tuple[str, str], ...]
    """rail -> the adding one that feeds it"""
    source: str


_GUIDE = "NVIDIA Jetson Linux Developer Guide, Software-Based Power Consumption Modeling"
SUPPLIES = (
    Supply(
        "Xavier NX, Orin NX, Orin Nano, TX2, TX1",
        ("VDD_IN",),
        tuple(
            (rail, "VDD_IN")
            for rail in (
                *("VDD_CPU_GPU_CV", "VDD_SOC"),
                *("VDD_SYS_GPU", "VDD_SYS_CPU", "VDD_SYS_SOC", "VDD_SYS_DDR", "VDD_4V0_WIFI"),
                *("VDD_GPU", "VDD_CPU"),
            )
        ),
        "NVIDIA forum, topic 200883: VDD_IN is the total power of the module, the other rails are in its domain",
    ),
    Supply(
        "Nano",
        ("POM_5V_IN",),
        (("POM_5V_GPU", "POM_5V_IN"), ("POM_5V_CPU", "POM_5V_IN")),
        "NVIDIA forum, topic 73608, cited by jetson-stats: POM_5V_IN is the total power",
    ),
    Supply(
        "AGX Orin",
        ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        (("VDDQ_VDD2_1V8AO", "VIN_SYS_5V0"),),
        f"{_GUIDE} (r36.4.3): the power of VDDQ_VDD2_1V8AO is also included in that of VIN_SYS_5V0",
    ),
    Supply(
        "AGX Xavier",
        ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
        (),
        "NVIDIA Jetson AGX Xavier Series Product Design Guide DG-09840-001, figure 5-14: six sense resistors, each at "
        "the module's own inputs SYS_VIN_HV and SYS_VIN_MV",
    ),
)
"""which rails add up to the module"""
CARRIER = (
    *("VDD_MUX", "VDD_5V0_IO_SYS", "VDD_3V3_SYS", "VDD_3V3_IO_SLP", "VDD_1V8_IO", "VDD_3V3_SYS_M2"),
    *("VDD_5V_IO_SYS", "VDD_3V3_IO"),
)
"""rails of the developer kits' boards of TX1 and TX2, outside the module"""


@dataclass(frozen=True)
class Rails:
    """Rails in use, which add up, and notes on the others."""

    used: tuple[Sensor, ...]
    notes: tuple[str, ...]
    known: bool
    """True where SUPPLIES has their names"""


def find(sys: Path) -> Rails:
    """The rails that can be read and do not count anything twice.

    Args:
        sys: where the kernel shows its devices.
    """
    notes: list[str] = []
    readings: dict[str, Callable[[], float]] = {}
    unreadable: set[str] = set()
    for name, read, where in (*_hwmon(sys / "class" / "hwmon"), *_iio(sys / "bus" / "i2c" / "drivers" / "ina3221x")):
        if name in readings:  # the same monitor under another path
            continue
        try:
            read()
        except PermissionError:
            notes.append(f"rail {name} can be read by root only ({where})")
            unreadable.add(name)
        except (OSError, ValueError):
            notes.append(f"rail {name} gives no value ({where}); left out")
            unreadable.add(name)
        else:
            readings[name] = read
    return _chosen(readings, unreadable, notes)


def _chosen(readings: dict[str, Callable[[], float]], unreadable: set[str], notes: list[str]) -> Rails:
    """The rails that add up, of those that were found."""
    outside = [rail for rail in readings if rail in CARRIER]
    if outside:
        notes.append(f"not added, for they feed the board that carries the module: {', '.join(outside)}")
    inside = {name: read for name, read in readings.items() if name not in CARRIER}
    supply = _supply({*inside, *unreadable} - set(CARRIER))
    if supply is None:
        if len(inside) > 1:
            notes.append(f"{', '.join(inside)}: unknown rails; where one feeds another, their sum counts it twice")
        return Rails(tuple(Sensor(f"INA {name}", "w", read) for name, read in inside.items()), tuple(notes), False)
    missing = [rail for rail in supply.adding if rail not in inside]
    used = [rail for rail in supply.adding if rail in inside]
    # A part is better than nothing where the rail that feeds it cannot be read.
    used += [rail for rail, feeder in supply.contained if rail in inside and feeder in missing]
    if missing:
        notes.append(f"no power of {', '.join(missing)}: that of the other rails is less than the module's")
    held = [f"{rail} (in {feeder})" for rail, feeder in supply.contained if rail in inside and feeder in used]
    other = [rail for rail in inside if rail not in _names(supply)]
    if held:
        notes.append(f"not added, for another rail feeds it: {', '.join(held)}")
    if other:
        notes.append(f"not added, for the rails of the module are complete: {', '.join(other)}")
    sensors = tuple(Sensor(f"INA {rail}", "w", inside[rail], None if missing else "module") for rail in used)
    return Rails(sensors, tuple(notes), True)


def _supply(there: set[str]) -> Supply | None:
    """The kind of board whose rails these are; None where its rails are incomplete and others are beside them."""
    best = max(SUPPLIES, key=lambda supply: len(there & _names(supply)))
    shared = there & _names(best)
    complete = there >= set(best.adding)
    return best if shared and (complete or shared == there) else None


def _names(supply: Supply) -> set[str]:
    return {*supply.adding, *(rail for rail, _ in supply.contained)}


def _hwmon(folder: Path) -> Iterator[tuple[str, Callable[[], float], Path]]:
    """Name, power in W and place of every rail that has a monitor under hwmon."""
    for chip in sorted(folder.glob("hwmon*")):
        kind = _text(chip / "name")
        if not kind.startswith("ina"):
            continue
        for channel in _CHANNELS:
            volts, amperes, watts = (chip / f"{part}{channel}_input" for part in ("in", "curr", "power"))
            if not (watts.exists() or amperes.exists()):
                continue
            label = _label(chip, channel)
            if label is None:
                label = f"{kind} rail {channel}"
            if label not in _UNCONNECTED:
                yield label, _power(watts, 1e-6, volts, amperes), amperes


def _iio(folder: Path) -> Iterator[tuple[str, Callable[[], float], Path]]:
    """As `_hwmon`, of NVIDIA's older kernels: channels from 0, powers in mW."""
    for name_file in sorted(folder.glob("*/iio*device*/rail_name_[0-2]")):
        channel, label = name_file.name[-1], _text(name_file)
        if label not in _UNCONNECTED:
            volts, amperes, watts = (
                name_file.with_name(f"in_{part}{channel}_input") for part in ("voltage", "current", "power")
            )
            yield label, _power(watts, 1e-3, volts, amperes), watts


def _power(watts: Path, factor: float, volts: Path, amperes: Path) -> Callable[[], float]:
    if watts.exists():
        return scaled(watts, factor)
    return lambda: number(volts) * 1e-3 * number(amperes) * 1e-3


def _label(chip: Path, channel: int) -> str | None:
    """A rail's name: the label of hwmon, or that of the device tree; None where there is neither."""
    if (file := chip / f"in{channel}_label").exists():
        return _text(file)
    for node in (chip / "of_node", chip / "device" / "of_node"):
        for name in ("label", "ti,rail-name"):
            for file in sorted(node.glob(f"*@{channel - 1}/{name}")):
                return _text(file)
    return None


def _text(file: Path) -> str:
    """A file's text without the zero that ends strings of the device tree; empty where it cannot be read."""
    try:
        return file.read_text(errors="replace").rstrip("\0\n ").strip()
    except OSError:
        return ""
