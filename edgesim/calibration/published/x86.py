"""x86 processors that were not measured: what one measured x86 core reaches, scaled to theirs.

PyTorch's kernels on x86 are another library's (oneDNN) than on ARM and reach other shares, in depthwise convolutions a
hundred times those of a Raspberry Pi 5. `edgesim calibrate` has measured one core (reports/calibration-host.md at
commit 146fb44), and what it reaches is taken over as shares: of the arithmetic in its fastest matrix product, of the
bytes in a copy in memory. Both are known of the others, from HPL on all cores and from memcpy:

    share of peak = (share of the core's fastest product) x (HPL / FP64 peak)
    share of bandwidth = (share of the core's copy) x (copied bytes, read and written / nominal bandwidth)

HPL holds what several cores lose to each other and to the power limit. That every kind of operation loses as much is an
assumption, and so is that element-wise operations of several cores gain nothing over one core's copy. The closed form's
utilisation is the median over the models measured on the Raspberry Pi 4B, as it is there, but of predicted times.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from edgesim.calibration.fit import field_of
from edgesim.calibration.published.profile_coefficients import WRITTEN, Value, operation
from edgesim.cost.steps import BYTE_TERMS, FLOP_TERMS, costs_s
from edgesim.hardware.loading import DeviceProfile, Quantity
from edgesim.work import FloatArray

PEAK_FLOPS_PER_S = 148.5e9
"""of the core: the fastest of many products and convolutions, so that nothing is above it"""
COPY_BYTES_PER_S = 11.4e9
"""of the core: read and written by a copy of 256 MiB"""
COSTS = {
    "convolution": 8.47e-12,
    "pointwise": 7.41e-12,
    "depthwise": 1.17e-11,
    "matmul": 1.19e-11,
    "activation": 1.26e-10,
    "weight": 4.63e-11,
    "channel": 8.72e-9,
}
"""of the core, in s per FLOP, byte and piece"""
HPL_FLOPS_PER_S = {
    "intel-n100": 62.9e9,
    "radxa-x4": 37.2e9,
    "lenovo-m710q": 72.5e9,
    "framework-13": 88.8e9,
}
"""name -> FP64 of all cores in HPL, which runs for minutes; geerlingguy/top500-benchmark README@be7b678"""
_FP64_OF_FP32 = 0.5
_CORE = "an x86 core with PyTorch (reports/calibration-host.md at 146fb44)"


def coefficients(profile: DeviceProfile) -> dict[str, Value]:
    """Field -> coefficient of one of the devices of HPL_FLOPS_PER_S."""
    values = {}
    for term in WRITTEN:
        if term == "operation":
            values[field_of(term)] = operation(profile)
        elif term in FLOP_TERMS:
            share = product_share(profile) / (COSTS[term] * PEAK_FLOPS_PER_S)
            source = f"the share of its fastest product that {_CORE} reaches x HPL over the FP64 peak"
            values[field_of(term)] = Value(share, "estimate", source)
        elif term in BYTE_TERMS:
            values[field_of(term)] = _memory(term, profile)
        else:
            speed = profile.compute.peak_fp32_flops_per_s.value * product_share(profile) / PEAK_FLOPS_PER_S
            source = f"that of {_CORE} over the ratio of their matrix products"
            values[field_of(term)] = Value(COSTS[term] / speed, "estimate", source)
    return values


def utilisation(profile: DeviceProfile, values: dict[str, Value], steps: FloatArray, flops: FloatArray) -> Value:
    """The median share of peak that a mix of models reaches with these coefficients.

    Args:
        profile: one of the devices of HPL_FLOPS_PER_S.
        values: its coefficients.
        steps: [n, TERMS] what the step of each model consists of.
        flops: [n] of these steps.
    """
    sections = {}
    for section in ("compute", "memory"):
        own = {name.split(".")[1]: value for name, value in values.items() if name.startswith(f"{section}.")}
        quantities = {field: Quantity(value.value, value.source, "estimate") for field, value in own.items()}
        sections[section] = dataclasses.replace(getattr(profile, section), **quantities)
    costs = costs_s(dataclasses.replace(profile, **sections), "fp32")
    shares = flops / (steps @ costs) / profile.compute.peak_fp32_flops_per_s.value
    mix = f"the {len(flops)} models measured on the Raspberry Pi 4B"
    source = f"median over {mix}, priced by the shares of this profile ({shares.min():.2g} to {shares.max():.2g})"
    return Value(float(np.median(shares)), "estimate", source)


def product_share(profile: DeviceProfile) -> float:
    """Share of the peak that large matrix products reach on all cores at full clock: HPL over the FP64 peak.

    HPL runs long enough for a device that slows down by heat to do so; its speed before that is what counts here.
    """
    lasting = profile.cooling.throttled_factor.value if profile.cooling else 1.0
    peak = profile.compute.peak_fp32_flops_per_s.value * _FP64_OF_FP32
    return HPL_FLOPS_PER_S[profile.name] / lasting / peak


def _memory(term: str, profile: DeviceProfile) -> Value:
    achieved, nominal = profile.memory.achieved_bandwidth_bytes_per_s, profile.memory.bandwidth_bytes_per_s.value
    copied = 2 * achieved.value / nominal if achieved else profile.bandwidth_bytes_per_s / nominal
    words = "twice the memcpy, which counts bytes once, over the nominal bandwidth"
    if achieved is None:
        words = "half of the nominal bandwidth, for want of a memcpy"
    share = 1 / (COSTS[term] * COPY_BYTES_PER_S)
    if share > 1:  # the core's came from its caches, which others may not have
        return Value(min(1.0, copied), "estimate", f"as fast as a copy: {words}; {_CORE} was faster, from its caches")
    return Value(min(1.0, share * copied), "estimate", f"the share of its copy that {_CORE} reaches x {words}")
