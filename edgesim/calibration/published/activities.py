"""Share of a processor's power above idle while it does not compute, estimated.

`Power.overhead_activity` is that of dispatch and start-up, `Power.memory_activity` that of operations which wait for
memory; 1 is full load.
"""

from __future__ import annotations

from edgesim.calibration.published.profile_coefficients import Value
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES

FIELDS = ("power.memory_activity", "power.overhead_activity")

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


def of_profile(profile: DeviceProfile) -> dict[str, Value]:
    """Field -> activity of one profile; none of a GPU device, whose power follows its clocks and its work."""
    if profile.device_class == "mcu":
        return dict.fromkeys(FIELDS, _MICROCONTROLLER)
    if profile.device_class in GPU_CLASSES:
        return {}
    return {"power.memory_activity": _CPU_MEMORY, "power.overhead_activity": _CPU_OVERHEAD}
