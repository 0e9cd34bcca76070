"""Share of a device's power above idle while it does not compute: fitted for GPUs, estimated for others.

`Power.overhead_activity` is that of dispatch and start-up, `Power.memory_activity` that of operations which wait for
memory; 1 is full load.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgesim.calibration.published.coefficients import Value
from edgesim.calibration.published.matrix_products import DrawFit
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES

FIELDS = ("power.memory_activity", "power.overhead_activity")

_MEASURED = "emwjacobson/JetsonEfficiencyTesting@2b44080 (wall meter)"
_GPU_MEMORY = Value(
    0.6,
    "estimate",
    "513 pJ/B x 192 GB/s over 99.7 pJ/FLOP x 1.58 TFLOP/s = 0.62 on a GTX 580; Choi et al., A roofline model of "
    "energy, IPDPS 2013, its numbers from memory",
)
_CPU_MEMORY = Value(
    0.6,
    "estimate",
    "0.51 on a Core i7-950 (795 pJ/B x 25.6 GB/s over 371 pJ/FLOP x 107 GFLOP/s; Choi et al., IPDPS 2013, from "
    "memory); stress-ng on all cores of six devices draws 0.47 to 0.89 of what HPL does, above idle "
    "(geerlingguy/sbc-reviews)",
)
_CPU_OVERHEAD = Value(
    0.3,
    "estimate",
    "a guess, no measurement: one interpreter thread on one of four cores or more takes a quarter of the cores' power, "
    "and a little more for what they share",
)
_MICROCONTROLLER = Value(1.0, "estimate", "one core in a loop draws about the same whatever it does")


def of_profile(
    profile: DeviceProfile, known: Mapping[str, DeviceProfile], draws: Mapping[str, DrawFit]
) -> dict[str, Value]:
    """Field -> activity of one profile.

    Args:
        profile: the device.
        known: profiles by name, those of the measured devices among them.
        draws: name of a measured device -> its power against the GPU's utilisation; at least one.
    """
    if profile.device_class == "mcu":
        return dict.fromkeys(FIELDS, _MICROCONTROLLER)
    if profile.device_class not in GPU_CLASSES:
        return {"power.memory_activity": _CPU_MEMORY, "power.overhead_activity": _CPU_OVERHEAD}
    return {"power.memory_activity": _GPU_MEMORY, "power.overhead_activity": _dispatch(profile, known, draws)}


def _dispatch(profile: DeviceProfile, known: Mapping[str, DeviceProfile], draws: Mapping[str, DrawFit]) -> Value:
    own = draws.get(profile.name)
    if own is None:
        share = float(np.mean([_share(known[name], draw) for name, draw in draws.items()]))
        return Value(share, "estimate", f"the mean of {' and '.join(sorted(draws))}, where it was measured")
    source = (
        f"wall power of {own.n} FP32 products against their utilisation, {own.floor_w:.2f} + {own.slope_w:.2f} u W: "
        f"its floor above idle_w over max_w - idle_w; {_MEASURED}"
    )
    return Value(_share(profile, own), "derived", source, own.held_out_error)


def _share(profile: DeviceProfile, draw: DrawFit) -> float:
    return min(max((draw.floor_w - profile.idle_w) / (profile.power_w - profile.idle_w), 0.0), 1.0)
