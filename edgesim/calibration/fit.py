"""Non-negative, bounded least squares on relative error: measured steps -> the costs that `cost.steps` adds up.

Devices of one family share a shape: their costs are first fitted together, up to one factor per device, and each
device's own costs are then drawn to that shape by a ridge, so that a kind of operation that few of its models have
is not left to chance. How strongly follows from two spreads: of a cost around the shape (PRIOR_SPREAD, relative) and
of the measurements around the shape's prediction (measured). No cost may be below what the device's nominal peak and
bandwidth allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from edgesim.calibration.measurements import Step
from edgesim.cost import steps
from edgesim.profiles import DeviceProfile
from edgesim.records import OPERATION_KINDS, FloatArray

FLOP_KINDS = OPERATION_KINDS[: OPERATION_KINDS.index("elementwise")]
COLUMNS = (*FLOP_KINDS, "activation", "weight", "operation", "channel", "unrolling")
"""seconds per FLOP of four kinds, per byte of two, per operation and per piece of a convolution in groups, and per
byte of the matrices that convolutions are unrolled into"""
PRIOR_SPREAD = 0.5
_ROUNDS = 30
_LEAST_PULL = 1e-3
"""a shape that fits exactly leaves no spread, and what no measurement has must still be drawn to it"""


@dataclass(frozen=True)
class Family:
    """Devices that run the same software, and what their measurements can tell apart."""

    name: str
    devices: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    """fitted costs, each of one or more COLUMNS that share it"""

    @property
    def basis(self) -> FloatArray:
        """[columns, groups] 1 where a column takes the cost of a group."""
        return np.array([[float(column in group) for group in self.groups] for column in COLUMNS])


FAMILIES = (
    Family(
        "boards (PyTorch)",
        ("raspberry-pi-4b", "raspberry-pi-5"),
        # All their measurements are of large steps: two memory shares would trade places with the arithmetic, and
        # the time of one operation comes from a small network instead.
        (*((kind,) for kind in FLOP_KINDS), ("activation", "weight"), ("channel",)),
    ),
    Family(
        "phones (DL4J)",
        ("nexus-6", "redmi-note-8", "galaxy-note10"),
        # DL4J has no convolutions of its own on ARM: it unrolls the images and multiplies matrices.
        (("convolution", "matmul"), ("activation", "unrolling"), ("weight",), ("operation",)),
    ),
    Family(
        "Jetsons (PyTorch)",
        ("jetson-nano", "jetson-xavier-nx"),
        # Two networks; matrix products were measured by themselves, the rest is fixed.
        (("convolution",), ("pointwise", "depthwise")),
    ),
)


def features(step: Step) -> FloatArray:
    """[columns] what one measured step consists of, in the order of COLUMNS."""
    workload = step.network.workload()
    work = steps.totals(workload.train_operations, np.array([float(step.batch_size)]))
    update_bytes, update_count = steps.update(workload, step.optimizer_states)
    others = (
        work.activation_bytes[0],
        work.weight_bytes + update_bytes,
        work.operations + update_count,
        work.pieces[0],
        work.unrolled_bytes[0],
    )
    return np.array([*work.flops[0, : len(FLOP_KINDS)], *others])


def least_costs(profile: DeviceProfile) -> FloatArray:
    """[columns] no cost can be lower: nominal peak and bandwidth."""
    return lowest(profile.compute.peak_fp32_flops_per_s.value, profile.memory.bandwidth_bytes_per_s.value)


def lowest(peak_flops_per_s: float, bandwidth_bytes_per_s: float) -> FloatArray:
    """[columns] the costs of a device that reaches its peak and its bandwidth in everything."""
    flop_s, byte_s = 1 / peak_flops_per_s, 1 / bandwidth_bytes_per_s
    return np.array([flop_s] * len(FLOP_KINDS) + [byte_s, byte_s, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Data:
    """The measured steps of one device, as arrays."""

    models: tuple[str, ...]
    """[n] published names"""
    features: FloatArray
    """[n, columns]"""
    times_s: FloatArray
    """[n]"""
    fixed: FloatArray
    """[columns] costs that are known and not fitted, else 0"""
    least: FloatArray
    """[columns]"""

    def without(self, model: str) -> Data:
        """The measurements of all other models."""
        return self.subset([i for i, name in enumerate(self.models) if name != model])

    def subset(self, rows: Sequence[int]) -> Data:
        """Some of the measurements."""
        models = tuple(self.models[i] for i in rows)
        return Data(models, self.features[list(rows)], self.times_s[list(rows)], self.fixed, self.least)


def data(measured: Sequence[Step], profile: DeviceProfile, fixed: FloatArray) -> Data:
    """The arrays of one device's measured steps; `fixed`: [columns] costs that are not fitted."""
    rows = np.array([features(step) for step in measured]).reshape(len(measured), len(COLUMNS))
    times_s = np.array([step.time_s for step in measured])
    return Data(tuple(step.model for step in measured), rows, times_s, fixed, least_costs(profile))


def fit(family: Family, all_data: dict[str, Data]) -> dict[str, FloatArray]:
    """The costs of each device of a family.

    Args:
        family: devices and the costs to fit.
        all_data: device -> its measurements, at least one.

    Returns: device -> [columns] costs, the fixed ones included.
    """
    known = {device: known for device, known in all_data.items() if known.models}
    shape, factors, spread = _shape(family, known)
    return {
        device: _own(family, one, shape * factors[device], (spread / PRIOR_SPREAD) ** 2)
        for device, one in known.items()
    }


def predict(one: Data, costs: FloatArray) -> FloatArray:
    """[n] seconds of the measured steps at these costs."""
    return np.asarray(one.features @ costs)


def relative_errors(one: Data, costs: FloatArray) -> FloatArray:
    """[n] (predicted - measured) / measured."""
    return predict(one, costs) / one.times_s - 1


def _shape(family: Family, all_data: dict[str, Data]) -> tuple[FloatArray, dict[str, float], float]:
    """Costs that all devices share up to a factor each, the factors, and the root mean square relative error."""
    factors = dict.fromkeys(all_data, 1.0)
    scaled = {device: _scaled(family, one) for device, one in all_data.items()}
    costs = np.zeros(len(family.groups))
    for _ in range(_ROUNDS):
        rows = np.vstack([scaled[device][0] * factors[device] for device in all_data])
        targets = np.concatenate([scaled[device][1] for device in all_data])
        least = np.max([_least(family, one) / factors[device] for device, one in all_data.items()], axis=0)
        costs = _bounded(rows, targets, least)
        for device in all_data:
            guess = scaled[device][0] @ costs
            factors[device] = float(guess @ scaled[device][1] / (guess @ guess))
    errors = np.concatenate([scaled[d][0] @ costs * factors[d] - scaled[d][1] for d in all_data])
    return costs, factors, float(np.sqrt(np.mean(errors**2)))


def _own(family: Family, one: Data, prior: FloatArray, ridge: float) -> FloatArray:
    rows, targets = _scaled(family, one)
    weight = max(np.sqrt(ridge), _LEAST_PULL)
    least = _least(family, one)
    prior = np.maximum(prior, np.maximum(least, np.finfo(float).tiny))
    pulled = np.vstack([rows * prior, weight * np.eye(len(prior))])
    wanted = np.concatenate([targets, np.full(len(prior), weight)])
    own = _bounded(pulled, wanted, least / prior) * prior
    return np.asarray(family.basis @ own + one.fixed)


def _scaled(family: Family, one: Data) -> tuple[FloatArray, FloatArray]:
    """Rows and targets over the measured time, the fixed costs taken off: their difference is the relative error."""
    rows = one.features @ family.basis / one.times_s[:, None]
    return rows, 1 - one.features @ one.fixed / one.times_s


def _least(family: Family, one: Data) -> FloatArray:
    """[groups] the highest lower bound of each group's columns."""
    return np.asarray(np.max(family.basis * one.least[:, None], axis=0))


def _bounded(rows: FloatArray, targets: FloatArray, least: FloatArray) -> FloatArray:
    """Least squares with x >= least, and x = least where nothing depends on it.

    Columns are scaled, for FLOPs and overheads are ten orders apart.
    """
    size = np.abs(rows).max(axis=0)
    seen = size > 0
    found = least.copy()
    if seen.any():
        size = size[seen]
        found[seen] = lsq_linear(rows[:, seen] / size, targets, bounds=(least[seen] * size, np.inf)).x / size
    return found
