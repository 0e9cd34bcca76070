"""Coefficients on their way into profiles: which fields there are, and what every kind of device's are made of."""

from __future__ import annotations

from dataclasses import dataclass

from edgesim.calibration.fit import field_of
from edgesim.calibration.published.published_networks import network
from edgesim.cost import steps
from edgesim.cost.steps import FLOP_TERMS
from edgesim.hardware.loading import DeviceProfile

SMALL_NETWORK = "small dense MNIST net (assumed 784-128-10)"
"""its step is nearly all overhead: it gives the time of one operation, and no fit sees it"""
_ADAM_STATES = 2


WRITTEN = (*FLOP_TERMS, "activation", "weight", "operation", "channel")
"""terms of every shipped profile; the others' stand in for each other (`cost.steps.costs_s`)"""
FIELDS = tuple(map(field_of, WRITTEN))
RECOMPUTES = "compute.recomputes_forward"
OF_FRAMEWORK = (field_of("operand"), field_of("unrolling"), RECOMPUTES)
"""fields of phones: what their framework does"""


@dataclass(frozen=True)
class Value:
    """One coefficient as it goes into a profile."""

    value: float | bool
    confidence: str
    source: str
    relative_error: float | None = None


def small_network_operations() -> float:
    """Operations of one training step of the small network with Adam."""
    small = network(SMALL_NETWORK, "784")
    assert small is not None
    workload = small.workload()
    return float(workload.train_operations.count.sum()) + steps.update(workload, _ADAM_STATES)[1]


def operation_overhead_s(profile: DeviceProfile) -> float:
    """Time of one operation: the profile's constant of a step, which is that of a small network, over its count."""
    return profile.step_overhead_s / small_network_operations()


def operation(profile: DeviceProfile) -> Value:
    """The time of one operation, from the profile's constant of a step."""
    count = small_network_operations()
    given = profile.compute.step_overhead_s
    source = f"step_overhead_s over the {count:.0f} operations of one step of a small dense network with Adam"
    return Value(operation_overhead_s(profile), "estimate" if given.confidence == "estimate" else "derived", source)
