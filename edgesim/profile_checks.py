"""What no single field of a device profile can tell: values that do not suit the class, or each other."""

from __future__ import annotations

from edgesim.conditions import FULL_MODE
from edgesim.errors import Fault
from edgesim.profile_fields import DeviceProfile, Within

# Narrower than the fields' ranges: (microcontrollers, everything else). Catches MFLOP/s, kB and mW as well.
_BY_CLASS = {
    ("compute", "peak_fp32_flops_per_s"): (
        Within(1e4, 1e11, "FLOP/s"),
        Within(1e9, 1e16, "FLOP/s", (("MFLOP/s", 1e6),)),
    ),
    ("memory", "size_bytes"): (
        Within(1e4, 3e8, "bytes"),
        Within(6e7, 2e12, "bytes", (("KB", 1e3), ("MB", 1e6))),
    ),
    ("storage", "size_bytes"): (
        Within(1e4, 1e12, "bytes"),
        Within(1e8, 1e14, "bytes", (("MB", 1e6), ("KB", 1e3))),
    ),
    ("power", "max_w"): (Within(1e-4, 5.0, "W", (("mW", 1e-3),)), Within(0.2, 2e3, "W")),
}


def contradictions(profile: DeviceProfile) -> list[Fault]:
    """What no single field can tell: values that do not suit the class, or each other."""
    faults = []
    for (section, field), (small, large) in _BY_CLASS.items():
        value = getattr(getattr(profile, section), field).value
        if problem := (small if profile.device_class == "mcu" else large).problem(value):
            message = f"for class {profile.device_class}: {problem}; a slip in the unit, or in the class?"
            faults.append(Fault(f"{section}.{field}.value", message))
    if profile.idle_w > profile.power_w:
        message = f"{profile.idle_w:g} W is above power.max_w, {profile.power_w:g} W; are the two exchanged?"
        faults.append(Fault("power.idle_w.value", message))
    else:
        faults += _mode_contradictions(profile)
    achieved, nominal = profile.memory.achieved_bandwidth_bytes_per_s, profile.memory.bandwidth_bytes_per_s
    if achieved is not None and achieved.value > nominal.value:
        message = f"{achieved.value:g} bytes/s is above the nominal bandwidth_bytes_per_s, {nominal.value:g}"
        faults.append(Fault("memory.achieved_bandwidth_bytes_per_s.value", message))
    return faults


def _mode_contradictions(profile: DeviceProfile) -> list[Fault]:
    """Power modes that share a name, or whose power is outside the device's own."""
    faults = []
    for i, mode in enumerate(profile.power.modes):
        if mode.name in profile.mode_names[: i + 1]:
            taken = "that of the full mode" if mode.name == FULL_MODE else "given twice"
            faults.append(Fault(f"power.modes[{i}].name", f"'{mode.name}' is {taken}; give each mode its own name"))
        if not profile.idle_w <= mode.power_w.value <= profile.power_w:
            limits = f"allowed is {profile.idle_w:g} W (idle_w) to {profile.power_w:g} W (max_w)"
            message = f"{mode.power_w.value:g} W is outside the device's power: {limits}; give power.modes anew"
            faults.append(Fault(f"power.modes[{i}].power_w.value", message))
    return faults
