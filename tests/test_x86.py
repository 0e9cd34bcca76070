"""x86 devices: shares by hand, and steps in the order that x86 machines take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from folding import over

from edgesim import models
from edgesim.calibration.published import relatives, x86
from edgesim.calibration.published.profile_coefficients import FIELDS, Value
from edgesim.cost.steps import TERMS, step_cost
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile, Quantity
from edgesim.hardware.quantity import GPU_CLASSES
from edgesim.models.network_costs import counted
from edgesim.tasks import NetworkForm

X86 = sorted(x86.HPL_FLOPS_PER_S)
ARM = ("raspberry-pi-4b", "raspberry-pi-5")


def step_s(name: str, profile: DeviceProfile) -> float:
    """Batch size 16, 3x224x224, ten classes, Adam."""
    workload, _ = counted(models.resolve(name)(), name, NetworkForm((3, 224, 224), 10))
    return float(step_cost("train", np.array([16]), workload, 0, 2, profile).busy_s[0])


def test_shares_of_the_n100_by_hand() -> None:
    """HPL 62.9 of 108.8 GFLOP/s in FP64; memcpy 10.79 GB/s, twice of it moved, of 38.4; the core as in the report."""
    found = {field: value.value for field, value in x86.coefficients(loading.load("intel-n100")).items()}
    hpl, copied = 62.9 / 108.8, 2 * 10.79 / 38.4
    assert found["compute.convolution_efficiency"] == pytest.approx(
        1 / (8.47e-12 * 148.5e9) * hpl
    )  # 118 of 148.5 x 0.58
    assert found["compute.convolution_efficiency"] == pytest.approx(0.4596, abs=1e-4)
    assert found["compute.pointwise_efficiency"] == pytest.approx(135.0 / 148.5 * hpl, rel=1e-3)
    assert found["compute.depthwise_efficiency"] == pytest.approx(85.5 / 148.5 * hpl, rel=1e-3)
    assert found["compute.matmul_efficiency"] == pytest.approx(84.0 / 148.5 * hpl, rel=1e-3)
    assert found["memory.activation_efficiency"] == pytest.approx(7.94 / 11.4 * copied, rel=1e-3)
    assert found["memory.weight_efficiency"] == pytest.approx(copied)  # 21.6 of 11.4 GB/s: from the caches
    assert found["compute.channel_overhead_s"] == pytest.approx(8.72e-9 * 148.5 / (217.6 * hpl))
    assert set(found) == set(FIELDS)


def test_without_a_memcpy_half_of_the_nominal_bandwidth_is_a_copy() -> None:
    found = x86.coefficients(loading.load("lenovo-m710q"))
    assert found["memory.weight_efficiency"].value == 0.5
    assert found["memory.activation_efficiency"].value == pytest.approx(7.94 / 11.4 * 0.5, rel=1e-3)


def test_hpl_is_at_the_speed_that_lasts() -> None:
    x4 = loading.load("radxa-x4")
    assert x4.cooling is not None
    lasting = x4.cooling.throttled_factor.value
    assert x86.product_share(x4) * lasting == pytest.approx(37.2 / 108.8)
    assert x86.product_share(replace(x4, cooling=None)) == pytest.approx(37.2 / 108.8)
    # And that speed is the one at the 16 W that HPL took, of 18.5 W at first and 9.1 W idle.
    assert 9.1 + (18.5 - 9.1) * lasting**2.2 == pytest.approx(16.0, abs=0.02)


@over("name", X86)
def test_every_coefficient_is_an_estimate_that_names_its_source(name: str) -> None:
    for field, value in x86.coefficients(loading.load(name)).items():
        assert value.confidence == "estimate", field
        assert field == "compute.operation_overhead_s" or "calibration-host.md" in value.source, field
        shipped = getattr(getattr(loading.load(name), field.split(".")[0]), field.split(".")[1])
        assert shipped.value == pytest.approx(value.value, rel=1e-3), field


@over("name", X86)
def test_a_mobile_network_is_faster_than_resnet18_on_x86(name: str) -> None:
    """One EPYC core takes 1.6-1.9 s for mobilenet-v2 and 3.2-4.5 s for resnet18; these have more cores than one."""
    profile = loading.load(name)
    mobile_s, residual_s = step_s("mobilenet-v2", profile), step_s("resnet18", profile)
    assert 0.3 < mobile_s / residual_s < 0.6
    assert 0.2 < mobile_s < 1.9
    assert 0.8 < residual_s < 4.5


@over("name", ARM)
def test_on_a_raspberry_pi_it_is_slower_as_measured(name: str) -> None:
    """7.2 against 5.8 s on the Pi 5, 15.3 against about 10 s on the Pi 4."""
    profile = loading.load(name)
    assert step_s("mobilenet-v2", profile) > 1.1 * step_s("resnet18", profile)


def test_the_utilisation_is_the_median_over_the_mix() -> None:
    """Three steps of 1, 2 and 4 GFLOP in plain convolutions and one operation each."""
    profile = loading.load("intel-n100")
    values = x86.coefficients(profile)
    steps = np.zeros((3, len(TERMS)))
    flops = np.array([1e9, 2e9, 4e9])
    steps[:, TERMS.index("convolution")] = flops
    steps[:, TERMS.index("operation")] = 1.0
    found = x86.utilisation(profile, values, steps, flops)
    convolution = values["compute.convolution_efficiency"].value * 217.6e9
    middle_s = 2e9 / convolution + values["compute.operation_overhead_s"].value
    assert found.value == pytest.approx(2e9 / middle_s / 217.6e9)
    assert found.confidence == "estimate"


def test_a_better_used_device_does_not_pass_its_peak() -> None:
    assert relatives.scaled_share(0.4, 0.5) == 0.2
    assert relatives.scaled_share(0.4, 1.0) == 0.4
    assert relatives.scaled_share(0.5, 2.0) == pytest.approx(2 / 3)  # one part at peak, one lost: half of it remains
    assert relatives.scaled_share(0.001, 2.0) == pytest.approx(0.002, rel=2e-3)
    assert relatives.scaled_share(0.9, 100.0) < 1.0


def test_no_share_of_peak_is_clipped() -> None:
    for profile in (loading.load(name) for name in loading.names()):
        if profile.device_class == "mcu":
            continue  # their measured throughput is that of whole kernels
        for kind in ("convolution", "pointwise", "depthwise", "matmul"):
            share = getattr(profile.compute, f"{kind}_efficiency")
            # A GPU's library computes 3x3 convolutions with up to 2.25 times fewer multiplications (Winograd). Large
            # products reach 0.943 of the peak on a Nano and 0.975 on an AGX Xavier (gemm_dvfs.csv).
            limits = {"convolution": 2.25, "matmul": 0.975} if profile.device_class in GPU_CLASSES else {}
            limit = limits.get(kind, 0.9)
            assert share.value < limit, (profile.name, kind)


def test_a_donor_of_another_architecture_does_not_reach_x86() -> None:
    n100 = loading.load("intel-n100")
    known = {"intel-n100": n100}
    assert relatives.inherited(n100, known, {}) == x86.coefficients(n100)
    assert isinstance(n100.compute.depthwise_efficiency, Quantity)
    assert n100.compute.depthwise_efficiency.value > 0.1  # 0.006 on the Raspberry Pi 5
    assert all(isinstance(value, Value) for value in x86.coefficients(n100).values())
