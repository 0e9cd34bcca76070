"""The coefficients of every profile: fitted where the device was measured, else those of its class, scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.calibration import cross_validation, fit
from edgesim.calibration.fit import Data, Family, field_of
from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published import jetson_fit, relatives, x86
from edgesim.calibration.published.families import FAMILIES
from edgesim.calibration.published.jetson_fit import JetsonFit
from edgesim.calibration.published.profile_coefficients import (
    RECOMPUTES,
    SMALL_NETWORK,
    WRITTEN,
    Value,
    operation,
    operation_overhead_s,
)
from edgesim.cost.steps import TERMS
from edgesim.errors import EdgesimError
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.quantity import GPU_CLASSES
from edgesim.work import FloatArray

_MIX = "raspberry-pi-4b"
"""whose measured models are the mix that a utilisation is the median over"""


@dataclass(frozen=True)
class FamilyFit:
    """A family's measurements and what was fitted to them."""

    family: Family
    measured: dict[str, list[MeasuredStep]]
    data: dict[str, Data]
    costs: dict[str, FloatArray]
    held_out: dict[str, cross_validation.Errors]
    anchor: FloatArray | None
    """[terms] costs of the family's anchor"""


def fit_all(measured: list[MeasuredStep], profiles: dict[str, DeviceProfile]) -> list[FamilyFit]:
    """Fit every family of processors.

    Raises:
        EdgesimError: a family without any measurement.
    """
    fits: list[FamilyFit] = []
    for family in FAMILIES:
        chosen = {d: [s for s in measured if s.device == d and s.model != SMALL_NETWORK] for d in family.devices}
        chosen = {device: rows for device, rows in chosen.items() if rows}
        if not chosen:
            raise EdgesimError(f"no measurement of {family.name}: {', '.join(family.devices)}; give another folder")
        data = {d: fit.data(rows, profiles[d], _fixed(family, profiles[d])) for d, rows in chosen.items()}
        anchor = next((one.costs[family.anchor] for one in fits if family.anchor in one.costs), None)
        costs, errors = fit.fit(family, data, anchor), cross_validation.held_out(family, data, anchor)
        fits.append(FamilyFit(family, chosen, data, costs, errors, anchor))
    return fits


def _fixed(family: Family, profile: DeviceProfile) -> FloatArray:
    """[terms] the costs that a family does not fit."""
    fixed = np.zeros(len(TERMS))
    if "operation" not in {term for group in family.groups for term in group}:
        for term in ("operation", "convolution_operation"):
            fixed[TERMS.index(term)] = operation_overhead_s(profile)
    return fixed


def coefficients(
    profiles: dict[str, DeviceProfile], fits: list[FamilyFit], jetsons: JetsonFit
) -> dict[str, dict[str, Value]]:
    """Profile -> field -> coefficient, for every profile."""
    boards, phones = fits
    found: dict[str, dict[str, Value]] = {}
    # The Pi 4's and Pi 5's fits see all kinds; what the others cannot see comes from the Pi 5.
    for one in (boards, phones):
        for device in one.costs:
            found[device] = _fitted(one, profiles[device], found.get("raspberry-pi-5"))
    for name, profile in profiles.items():
        if profile.device_class in GPU_CLASSES:
            found[name] = jetson_fit.coefficients(jetsons, profile)
        elif name not in found:
            found[name] = relatives.inherited(profile, profiles, found)
            if name in x86.HPL_FLOPS_PER_S and _MIX in boards.measured:
                flops = np.array(
                    [step.network.workload().train_flops * step.batch_size for step in boards.measured[_MIX]]
                )
                mix = (boards.data[_MIX].features, flops)
                found[name]["compute.training_utilisation"] = x86.utilisation(profile, found[name], *mix)
        found[name]["compute.first_step_s"] = relatives.first_step(profile, profiles)
    return found


def _nominal(profile: DeviceProfile, field: str) -> float:
    compute = field.startswith("compute")
    return (profile.compute.peak_fp32_flops_per_s if compute else profile.memory.bandwidth_bytes_per_s).value


def _fitted(one: FamilyFit, profile: DeviceProfile, other: dict[str, Value] | None) -> dict[str, Value]:
    """Of a measured device. `other`: coefficients for the kinds that its measurements do not have."""
    device = profile.name
    costs, errors = one.costs[device], one.held_out[device]
    fitted = {term for group in one.family.groups for term in group}
    seen = f"n = {len(errors.models)}, models: {len(set(errors.models))}"
    source = f"least squares on published training steps ({seen}; {one.measured[device][0].framework}), "
    source += f"drawn to the shape that {one.family.name} share; reports/calibration.md"
    # A fit that cannot be held out (few models, SSD-MobileNet counted as its backbone) is no more than an estimate.
    confidence, error = ("estimate", None) if np.isnan(errors.mean) else ("derived", errors.mean)
    values: dict[str, Value] = {}
    own = [term for term in ("operand", "unrolling") if "unrolling" in fitted]
    for term in (*WRITTEN, *own):
        name, cost = field_of(term), costs[TERMS.index(term)]
        if term in fitted:
            # A cost at its lower bound is the nominal speed, up to rounding.
            share = name.endswith("_efficiency")
            value = min(1.0, 1 / (_nominal(profile, name) * cost)) if share else float(cost)
            values[name] = Value(value, confidence, source, error)
        elif term == "operation":
            values[name] = operation(profile)
        else:
            assert other is not None
            values[name] = _like_convolution(name, values, other)
    if any(step.recomputes for step in one.measured[device]):
        values[RECOMPUTES] = _recomputes()
    return values


def _recomputes() -> Value:
    source = "DL4J's layers compute what they had before their activation anew; deeplearning4j, backpropGradient"
    return Value(True, "looked-up", source)


def _like_convolution(field: str, values: dict[str, Value], other: dict[str, Value]) -> Value:
    """Of a kind that was not measured: as far from plain convolutions as on the Raspberry Pi 5."""
    key = "compute.convolution_efficiency"
    ratio = values[key].value / other[key].value
    if field.endswith("_efficiency"):
        source = "the share of plain convolutions x the ratio of the two on the Raspberry Pi 5"
        return Value(min(1.0, other[field].value * ratio), "estimate", source)
    source = "the Raspberry Pi 5's, by the shares of peak that plain convolutions reach"
    return Value(min(1.0, other[field].value / ratio), "estimate", source)
