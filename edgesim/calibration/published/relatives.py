"""Coefficients of devices that were not measured: those of a measured relative of the same kind, scaled."""

from __future__ import annotations

from edgesim.calibration.published import x86
from edgesim.calibration.published.profile_coefficients import (
    FIELDS,
    OF_FRAMEWORK,
    RECOMPUTES,
    Value,
    operation,
)
from edgesim.hardware.loading import DeviceProfile

_OLD_ARM = {"raspberry-pi-zero-2-w", "raspberry-pi-3b-plus", "arduino-uno-q", "coral-dev-board"}
_FIRST_STEP_S = {
    "raspberry-pi-5": (
        2.0,
        "derived",
        "first epoch 10 s, later ones 8 s; damiantomczyszyn/raspberry-pi-5-mnist README",
    ),
    "jetson-nano": (
        48.5,
        "measured",
        "first batch 49.345 s, later ones 0.77 s (CUDA and cuDNN start-up); dusty-nv/jetson-inference@45da40a docs",
    ),
}


def _donor(profile: DeviceProfile) -> str:
    if profile.device_class == "phone":
        return "galaxy-note10"
    return "raspberry-pi-4b" if profile.name in _OLD_ARM else "raspberry-pi-5"


def inherited(
    profile: DeviceProfile, profiles: dict[str, DeviceProfile], found: dict[str, dict[str, Value]]
) -> dict[str, Value]:
    """Of a device without measurements: its class's, the shares of peak scaled by training_utilisation.

    Args:
        profile: the device.
        profiles: all of them, by name.
        found: profile -> coefficients of those that were measured.
    """
    if profile.device_class == "mcu":
        return _microcontroller(profile)
    if profile.name in x86.HPL_FLOPS_PER_S:
        return x86.coefficients(profile)
    name = _donor(profile)
    donor = profiles[name]
    utilisation = profile.compute.training_utilisation.value / donor.compute.training_utilisation.value
    speed = profile.throughput_flops_per_s / donor.throughput_flops_per_s
    values = {}
    for field in (*FIELDS, *(given for given in OF_FRAMEWORK if given in found[name])):
        theirs = found[name][field].value
        if field == "compute.operation_overhead_s" and profile.device_class != "phone":
            values[field] = operation(profile)
        elif field == RECOMPUTES:
            source = f"as the framework of the {donor.title}, whose costs these are"
            values[field] = Value(theirs, "estimate", source)
        elif field.startswith("memory"):
            values[field] = Value(theirs, "estimate", f"the share of the {donor.title}")
        elif field.endswith("_efficiency"):
            source = f"the share of the {donor.title} x the ratio of their training_utilisation"
            if utilisation > 1:
                source += ", which is taken of what a share loses to the peak"
            values[field] = Value(scaled_share(theirs, utilisation), "estimate", source)
        else:
            source = f"that of the {donor.title} over the ratio of their training throughput"
            values[field] = Value(min(1.0, theirs / speed), "estimate", source)
    return values


def scaled_share(share: float, ratio: float) -> float:
    """A share of peak on a device that uses its peak `ratio` times as well.

    A worse device is slower in everything. A better one cannot pass its peak: the time that an operation loses beyond
    that at peak is divided by the ratio, 1/s' - 1 = (1/s - 1) / ratio. For small shares the two are the same.
    """
    return share * ratio if ratio <= 1 else share * ratio / (1 + share * (ratio - 1))


def _microcontroller(profile: DeviceProfile) -> dict[str, Value]:
    """Loops in C over static memory: one throughput for all kinds, and no framework."""
    whole = "training_utilisation, which holds for whole kernels with their memory traffic"
    values = {field: Value(profile.compute.training_utilisation.value, "estimate", whole) for field in FIELDS}
    for field in ("memory.activation_efficiency", "memory.weight_efficiency"):
        values[field] = Value(1.0, "estimate", "single-cycle SRAM; the measured throughput of kernels holds the rest")
    values["compute.operation_overhead_s"] = operation(profile)
    values["compute.channel_overhead_s"] = Value(0.0, "estimate", "plain loops: a group is no call of its own")
    return values


def first_step(profile: DeviceProfile, profiles: dict[str, DeviceProfile]) -> Value:
    """Time of a job's first step beyond that of the others."""
    if profile.name in _FIRST_STEP_S:
        return Value(*_FIRST_STEP_S[profile.name])
    if profile.device_class == "mcu":
        return Value(0.0, "estimate", "nothing to load")
    if profile.device_class == "phone":
        return Value(1.0, "estimate", "a guess: the app has loaded its framework")
    name = "jetson-nano" if profile.device_class in ("jetson-gpu", "edge-server") else "raspberry-pi-5"
    ratio = profile.step_overhead_s / profiles[name].step_overhead_s
    source = f"that of the {profiles[name].title} x the ratio of step_overhead_s"
    return Value(_FIRST_STEP_S[name][0] * ratio, "estimate", source)
