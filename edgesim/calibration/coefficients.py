"""The coefficients of every profile: fitted where the device was measured, else those of its class, scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.calibration import fit, validate
from edgesim.calibration.fit import FAMILIES, Data, Family
from edgesim.calibration.measurements import Product, Step
from edgesim.calibration.networks import network
from edgesim.calibration.products import ProductFit, fit_products
from edgesim.cost import steps
from edgesim.cost.steps import BYTE_TERMS, FLOP_TERMS, TERMS
from edgesim.errors import EdgesimError
from edgesim.profiles import DeviceProfile
from edgesim.work import FloatArray

SMALL_NETWORK = "small dense MNIST net (assumed 784-128-10)"
"""its step is nearly all overhead: it gives the time of one operation, and no fit sees it"""
_ADAM_STATES = 2


def field_of(term: str) -> str:
    """The field of a profile that holds the cost of a term."""
    if term in BYTE_TERMS:
        return f"memory.{term}_efficiency"
    return f"compute.{term}_efficiency" if term in FLOP_TERMS else f"compute.{term}_overhead_s"


WRITTEN = (*FLOP_TERMS, "activation", "weight", "operation", "channel")
"""terms of every shipped profile; the others' stand in for each other (`cost.steps.costs_s`)"""
FIELDS = tuple(map(field_of, WRITTEN))
RECOMPUTES = "compute.recomputes_forward"
OF_FRAMEWORK = (field_of("operand"), field_of("unrolling"), RECOMPUTES)
"""fields of phones: what their framework does"""

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


@dataclass(frozen=True)
class Value:
    """One coefficient as it goes into a profile."""

    value: float | bool
    confidence: str
    source: str
    relative_error: float | None = None


@dataclass(frozen=True)
class FamilyFit:
    """A family's measurements and what was fitted to them."""

    family: Family
    measured: dict[str, list[Step]]
    data: dict[str, Data]
    costs: dict[str, FloatArray]
    held_out: dict[str, validate.Errors]
    anchor: FloatArray | None
    """[terms] costs of the family's anchor"""


def small_network_operations() -> float:
    """Operations of one training step of the small network with Adam."""
    small = network(SMALL_NETWORK, "784")
    assert small is not None
    workload = small.workload()
    return float(workload.train_operations.count.sum()) + steps.update(workload, _ADAM_STATES)[1]


def operation_overhead_s(profile: DeviceProfile) -> float:
    """Time of one operation: the profile's constant of a step, which is that of a small network, over its count."""
    return profile.step_overhead_s / small_network_operations()


def fit_all(
    measured: list[Step], products: list[Product], profiles: dict[str, DeviceProfile]
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
        costs, errors = fit.fit(family, data, anchor), validate.held_out(family, data, anchor)
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
            found[name] = _inherited(profile, profiles, found, product_fits)
        found[name]["compute.first_step_s"] = _first_step(profile, profiles)
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
            values[name] = _operation(profile)
        elif term == "matmul":
            values[name] = _product(profile, product_fits)
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


def _operation(profile: DeviceProfile) -> Value:
    count = small_network_operations()
    given = profile.compute.step_overhead_s
    source = f"step_overhead_s over the {count:.0f} operations of one step of a small dense network with Adam"
    return Value(operation_overhead_s(profile), "estimate" if given.confidence == "estimate" else "derived", source)


def _product(profile: DeviceProfile, product_fits: dict[str, ProductFit]) -> Value:
    own = product_fits.get(profile.name)
    if own is None:
        share = float(np.mean([one.efficiency for one in product_fits.values()]))
        return Value(share, "estimate", f"the mean of {' and '.join(sorted(product_fits))}, where it was measured")
    source = f"least squares on {own.n} FP32 products, n = 64 to 2048; emwjacobson/JetsonEfficiencyTesting@2b44080"
    return Value(own.efficiency, "derived", source, own.held_out_error)


def _gpu_channel() -> Value:
    return Value(0.0, "estimate", "GPU kernels take all channels of all samples at once")


def _donor(profile: DeviceProfile) -> str:
    if profile.device_class == "phone":
        return "galaxy-note10"
    if profile.device_class in ("jetson-gpu", "edge-server"):
        return "jetson-nano"
    return "raspberry-pi-4b" if profile.name in _OLD_ARM else "raspberry-pi-5"


def _inherited(
    profile: DeviceProfile,
    profiles: dict[str, DeviceProfile],
    found: dict[str, dict[str, Value]],
    product_fits: dict[str, ProductFit],
) -> dict[str, Value]:
    """Of a device without measurements: its class's, the shares of peak scaled by training_utilisation."""
    if profile.device_class == "mcu":
        return _microcontroller(profile)
    name = _donor(profile)
    donor = profiles[name]
    utilisation = profile.compute.training_utilisation.value / donor.compute.training_utilisation.value
    speed = profile.throughput_flops_per_s / donor.throughput_flops_per_s
    values = {}
    for field in (*FIELDS, *(given for given in OF_FRAMEWORK if given in found[name])):
        theirs = found[name][field].value
        if field == "compute.operation_overhead_s" and profile.device_class != "phone":
            values[field] = _operation(profile)
        elif field == "compute.matmul_efficiency" and profile.device_class in ("jetson-gpu", "edge-server"):
            values[field] = _product(profile, product_fits)
        elif field == RECOMPUTES:
            source = f"as the framework of the {donor.title}, whose costs these are"
            values[field] = Value(theirs, "estimate", source)
        elif field.startswith("memory"):
            values[field] = Value(theirs, "estimate", f"the share of the {donor.title}")
        elif field.endswith("_efficiency"):
            source = f"the share of the {donor.title} x the ratio of their training_utilisation"
            values[field] = Value(min(1.0, theirs * utilisation), "estimate", source)
        else:
            source = f"that of the {donor.title} over the ratio of their training throughput"
            values[field] = Value(min(1.0, theirs / speed), "estimate", source)
    return values


def _microcontroller(profile: DeviceProfile) -> dict[str, Value]:
    """Loops in C over static memory: one throughput for all kinds, and no framework."""
    whole = "training_utilisation, which holds for whole kernels with their memory traffic"
    values = {field: Value(profile.compute.training_utilisation.value, "estimate", whole) for field in FIELDS}
    for field in ("memory.activation_efficiency", "memory.weight_efficiency"):
        values[field] = Value(1.0, "estimate", "single-cycle SRAM; the measured throughput of kernels holds the rest")
    values["compute.operation_overhead_s"] = _operation(profile)
    values["compute.channel_overhead_s"] = Value(0.0, "estimate", "plain loops: a group is no call of its own")
    return values


def _first_step(profile: DeviceProfile, profiles: dict[str, DeviceProfile]) -> Value:
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
