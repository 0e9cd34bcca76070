"""Plausibility of a device profile: values that do not suit its class, or each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from edgesim.config.plausible import WAY_PAST
from edgesim.errors import Fault
from edgesim.hardware import plausible_ranges, power_setting
from edgesim.hardware.conditions import AUTO_MODE, FULL_MODE
from edgesim.hardware.profile import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES, HALF_PEAK

_HALF_PEAKS = ("peak_fp16_flops_per_s", "peak_bf16_flops_per_s")


def implausible(document: dict[str, Any]) -> list[Fault]:
    """Values outside the ranges of the profile's class and storage, with the unit that they look like.

    Works on the document, so that one fault hides no other. Finds nothing where the class itself is wrong.
    """
    faults = []
    for section, field in plausible_ranges.BY_CLASS:
        value, allowed = (
            plausible_ranges.number(document, section, field),
            plausible_ranges.of(document, section, field),
        )
        unsafe = plausible_ranges.is_unsafe(document, section, field)
        if value is None or allowed is None or allowed.holds(value) or unsafe:
            continue
        fix = "" if allowed.hint(value) else _in_other_classes(section, field, value)
        message = f"for class {document['class']}: {allowed.problem(value)}{fix}; {WAY_PAST}"
        faults.append(Fault(f"{section}.{field}.value", message))
    return faults + _half_peaks(document)


def _in_other_classes(section: str, field: str, value: float) -> str:
    """Hint for a value that no unit explains: the classes that it would suit."""
    others = plausible_ranges.classes_with(section, field, value)
    return "; a slip in the unit, or in the class?" + (f" It would suit {', '.join(others)}" if others else "")


def _half_peaks(document: dict[str, Any]) -> list[Fault]:
    """Peaks in 16 bits that do not suit that in 32, unless that one is wrong itself."""
    faults = []
    peak = plausible_ranges.number(document, "compute", "peak_fp32_flops_per_s")
    if peak is None or not plausible_ranges.plausible(document, "compute", "peak_fp32_flops_per_s"):
        return []
    allowed = plausible_ranges.half_peak(peak)
    for field in _HALF_PEAKS:
        value = plausible_ranges.number(document, "compute", field)
        if value is None or allowed.holds(value) or plausible_ranges.is_unsafe(document, "compute", field):
            continue
        # Where no unit leads into the narrow range, the one that leads into the wide one is still the likeliest slip.
        hint = allowed.hint(value) or ("" if HALF_PEAK.holds(value) else HALF_PEAK.hint(value))
        fix = "" if hint else "; leave the field out where 16 bits are no faster"
        message = f"{value:g} is not plausible: allowed is {allowed.low:g} to {allowed.high:g} {allowed.unit}"
        faults.append(Fault(f"compute.{field}.value", f"{message}{hint}{fix}; {WAY_PAST}"))
    return faults


def contradictions(profile: DeviceProfile, faulty: Collection[str]) -> list[Fault]:
    """Values that contradict each other.

    Args:
        profile: whose fields are each in the range of any device.
        faulty: paths that have a fault already; nothing is held against their values.
    """
    faults = _clock_contradictions(profile) + _mode_contradictions(profile)
    if not {"power.idle_w.value", "power.max_w.value"} & set(faulty):
        if profile.idle_w > profile.power_w:
            message = f"{profile.idle_w:g} W is above power.max_w, {profile.power_w:g} W; are the two exchanged?"
            faults.append(Fault("power.idle_w.value", message))
        else:
            faults += _power_contradictions(profile)
    achieved, nominal = profile.memory.achieved_bandwidth_bytes_per_s, profile.memory.bandwidth_bytes_per_s
    path = "memory.achieved_bandwidth_bytes_per_s.value"
    trusted = not {path, "memory.bandwidth_bytes_per_s.value"} & set(faulty)
    if trusted and achieved is not None and achieved.value > nominal.value:
        message = f"{achieved.value:g} bytes/s is above the nominal bandwidth_bytes_per_s, {nominal.value:g}"
        faults.append(Fault(path, message))
    return faults


_ROUNDING = 0.005
"""coefficients have four digits, and five of them are added up"""


def _clock_contradictions(profile: DeviceProfile) -> list[Fault]:
    """Clocks of a device without a GPU, and coefficients of the power by clocks that others are missing beside."""
    names = [field.name for field in dataclasses.fields(power_setting.PowerByClocks)]
    given = [name for name in names if getattr(profile.power, name) is not None]
    missing = [name for name in names if name not in given]
    faults = []
    if profile.clocks is not None and profile.device_class not in GPU_CLASSES:
        message = (
            f"class {profile.device_class} has no `clocks`: they belong to GPUs ({', '.join(GPU_CLASSES)}), and a "
            "processor's steps follow the throughput_factor of power.modes; leave them out"
        )
        faults.append(Fault("clocks", message))
    elif given and profile.clocks is None:
        faults.append(Fault("power", f"{', '.join(given)} need `clocks`; give its steps, or leave them out"))
    if given and missing:
        message = f"{', '.join(missing)} missing beside {', '.join(given)}; give all five or none"
        faults.append(Fault("power", message))
    law = power_setting.power_by_clocks(profile)
    if law is not None and profile.clocks is not None:
        lowest = {clock: steps[0] / steps[-1] for clock, steps in power_setting.steps_hz(profile).items()}
        least_w = float(law.most_w(power_setting.ClockShares(**lowest)))
        if least_w <= profile.idle_w:
            message = f"{least_w:.4g} W of a busy GPU at the lowest clocks is not above idle_w, {profile.idle_w:g} W"
            faults.append(Fault("power.floor_w", f"{message}; are both of the same scope?"))
        most_w = float(law.most_w(power_setting.ClockShares()))
        if most_w > profile.power_w * (1 + _ROUNDING):
            message = f"the power by clocks sums to {most_w:.4g} W, above max_w, {profile.power_w:g} W; lower it"
            faults.append(Fault("power.work_w", message))
    return faults


def _mode_contradictions(profile: DeviceProfile) -> list[Fault]:
    """Power modes that share a name, and clocks of modes that the device does not have."""
    faults = []
    for i, mode in enumerate(profile.power.modes):
        where = f"power.modes[{i}]"
        if mode.name in profile.mode_names[: i + 1]:
            taken = "that of the full mode" if mode.name == FULL_MODE else "given twice"
            faults.append(Fault(f"{where}.name", f"'{mode.name}' is {taken}; give each mode its own name"))
        if mode.name == AUTO_MODE:
            message = f"'{AUTO_MODE}' in a fleet leaves the mode to a rule; give the mode another name"
            faults.append(Fault(f"{where}.name", message))
        if mode.clocks is None:
            continue
        if profile.clocks is None:
            message = "need the profile's own `clocks`; give its steps, or throughput_factor and power_w"
            faults.append(Fault(f"{where}.clocks", message))
            continue
        off = power_setting.off_steps(profile, mode.clocks)
        faults += [Fault(f"{where}.clocks.{fault.path}", fault.message) for fault in off]
    return faults


def _power_contradictions(profile: DeviceProfile) -> list[Fault]:
    """Power modes whose given power is outside the device's own, or that no one would choose."""
    faults = []
    given = [(i, mode, *mode.speed_and_power) for i, mode in enumerate(profile.power.modes) if mode.clocks is None]
    for i, _, speed, power_w in given:
        place = f"power.modes[{i}].power_w.value"
        if not profile.idle_w <= power_w <= profile.power_w:
            limits = f"allowed is {profile.idle_w:g} W (idle_w) to {profile.power_w:g} W (max_w)"
            message = f"{power_w:g} W is outside the device's power: {limits}; give power.modes anew"
            faults.append(Fault(place, message))
        for _, other, other_speed, other_w in given:
            if speed < other_speed and power_w > other_w:
                message = (
                    f"{power_w:g} W at {speed:g} of the speed is more than "
                    f"'{other.name}' takes, {other_w:g} W at {other_speed:g}; "
                    "a slower mode takes less: are the two exchanged?"
                )
                faults.append(Fault(place, message))
                break
    return faults
