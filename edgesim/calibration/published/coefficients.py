"""The coefficients of every profile: fitted where the device was measured, else those of its class, scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.calibration import cross_validation, fit
from edgesim.calibration.fit import Data, Family, field_of
from edgesim.calibration.measured_step import MeasuredStep
from edgesim.calibration.published import relatives, x86
from edgesim.calibration.published.families import FAMILIES
from edgesim.calibration.published.matrix_products import ProductFit, fit_products
from edgesim.calibration.published.measurements import Product
from edgesim.calibration.published.profile_coefficients import (
    RECOMPUTES,
    SMALL_NETWORK,
    WRITTEN,
    Value,
    operation,
    operation_overhead_s,
    product,
)
from edgesim.cost.steps import BYTE_TERMS, TERMS
from edgesim.errors import EdgesimError
from edgesim.hardware.loading import DeviceProfile
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


def fit_all(
    measured: list[MeasuredStep], products: list[Product], profiles: dict[str, DeviceProfile]
) -> tuple[list[FamilyFit], dict[str, ProductFit]]:
    """Fit every family and every GPU whose matrix products were measured.

    Raises:
        EdgesimError: a family without any measurement.
    """
    gpus = {p.device for p in products}
    product_fits = {device: fit_products([p for p in products if p.device == device]) for device in sorted(gpus)}
    fits: list[FamilyFit] = []
    for family in FAMILIES:
        chosen = {d: [s for s in measured if s.device == d and s.model != SMALL_NETWORK] for d in family.devices}
        chosen = {device: rows for device, rows in chosen.items() if rows}
        if not chosen:
            raise EdgesimError(f"no measurement of {family.name}: {', '.join(family.devices)}; give another folder")
        data = {d: fit.data(rows, profiles[d], _fixed(family, profiles[d], product_fits)) for d, rows in chosen.items()}
        anchor = next((one.costs[family.anchor] for one in fits if family.anchor in one.costs), None)
        costs, errors = fit.fit(family, data, anchor), cross_validation.held_out(family, data, anchor)
        fits.append(FamilyFit(family, chosen, data, costs, errors, anchor))
    return fits, product_fits


def _fixed(family: Family, profile: DeviceProfile, product_fits: dict[str, ProductFit]) -> FloatArray:
    """[terms] the costs that a family does not fit."""
    fixed = np.zeros(len(TERMS))
    fitted = {term for group in family.groups for term in group}
    if "operation" not in fitted:
        for term in ("operation", "convolution_operation"):
            fixed[TERMS.index(term)] = operation_overhead_s(profile)
    if "activation" not in fitted:
        for term in BYTE_TERMS:
            fixed[TERMS.index(term)] = 0.0 if term == "unrolling" else 1 / profile.bandwidth_bytes_per_s
    if "matmul" not in fitted:
        share = np.mean([one.efficiency for one in product_fits.values()])
        own = product_fits.get(profile.name)
        peak = profile.compute.peak_fp32_flops_per_s.value
        fixed[TERMS.index("matmul")] = 1 / (peak * (own.efficiency if own else share))
    return fixed


def coefficients(
    profiles: dict[str, DeviceProfile], fits: list[FamilyFit], product_fits: dict[str, ProductFit]
) -> dict[str, dict[str, Value]]:
    """Profile -> field -> coefficient, for every profile."""
    boards, phones, jetsons = fits
    found: dict[str, dict[str, Value]] = {}
    # The Pi 4's and Pi 5's fits see all kinds; what the others cannot see comes from the Pi 5.
    for one in (boards, phones, jetsons):
        for device in one.costs:
            found[device] = _fitted(one, profiles[device], found.get("raspberry-pi-5"), product_fits)
    for name, profile in profiles.items():
        if name not in found:
            found[name] = relatives.inherited(profile, profiles, found, product_fits)
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


def _fitted(
    one: FamilyFit, profile: DeviceProfile, other: dict[str, Value] | None, product_fits: dict[str, ProductFit]
) -> dict[str, Value]:
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
        elif term == "matmul":
            values[name] = product(profile, product_fits)
        elif term == "channel" and profile.device_class == "jetson-gpu":
            values[name] = _gpu_channel()
        elif term in ("activation", "weight"):
            reached = profile.bandwidth_bytes_per_s / profile.memory.bandwidth_bytes_per_s.value
            values[name] = Value(reached, "estimate", "half of the nominal bandwidth, held fixed in the fit")
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


def _gpu_channel() -> Value:
    return Value(0.0, "estimate", "GPU kernels take all channels of all samples at once")
