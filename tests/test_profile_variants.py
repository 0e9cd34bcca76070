"""A variant of a few lines moves the price of a step as one expects, whatever finer numbers it inherits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from edgesim.cost import gpu_steps
from edgesim.cost.steps import StepCost, StepSetting, step_cost
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile
from edgesim.work import OPERATION_KINDS, Operations, Workload

KIND = {name: i for i, name in enumerate(OPERATION_KINDS)}
PARTS = ("compute_s", "memory_s", "overhead_s")


def workload() -> Workload:
    """Operations of every kind, each with arithmetic, traffic, weights and groups of its own."""
    kinds = np.array([KIND[kind] for kind in OPERATION_KINDS])
    n = len(kinds)
    grows = 1e6 * np.arange(1, n + 1)
    passes = Operations(
        kinds=kinds,
        count=np.ones(n),
        flops=np.stack([np.zeros(n), grows], axis=1),
        moved_bytes=np.stack([grows, 2 * grows], axis=1),
        pieces=np.stack([np.zeros(n), np.arange(n)], axis=1),
    )
    return Workload(float(grows.sum()), float(grows.sum()), 250_000, 1_000_000, passes, passes, parameter_tensors=4)


def price(profile: DeviceProfile, precision: Literal["fp32", "bf16"] = "fp32") -> StepCost:
    return step_cost("train", np.array([1, 16]), workload(), 3072, 2, profile, StepSetting(precision))


def given(value: float) -> str:
    return f"{{value: {value!r}, source: a test, confidence: measured}}"


def variant(folder: Path, text: str, name: str = "mine") -> DeviceProfile:
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return loading.load(file)


@pytest.mark.parametrize(
    ("base", "field", "value", "part", "factor"),
    [
        ("raspberry-pi-4b", "compute.training_utilisation", 0.112 / 2, "compute_s", 2.0),
        ("raspberry-pi-4b", "compute.peak_fp32_flops_per_s", 2 * 4.8e10, "compute_s", 0.5),
        ("raspberry-pi-4b", "compute.step_overhead_s", 3 * 0.0084, "overhead_s", 3.0),
        ("raspberry-pi-4b", "compute.step_overhead_s", 0.0, "overhead_s", 0.0),
        ("raspberry-pi-4b", "memory.achieved_bandwidth_bytes_per_s", 2.74e9 / 2, "memory_s", 2.0),
        ("raspberry-pi-4b", "memory.bandwidth_bytes_per_s", 1.28e10 / 8, "memory_s", 8.0),  # below the inherited copy
        # Nothing was copied on this one: half of the nominal bandwidth counts as reached.
        ("galaxy-note10", "memory.achieved_bandwidth_bytes_per_s", 3.41e10 / 8, "memory_s", 4.0),
        ("galaxy-note10", "compute.step_overhead_s", 2 * 0.0477, "overhead_s", 2.0),
        ("arduino-mkr1000", "compute.training_utilisation", 0.25, "compute_s", 4.0),
    ],
)
def test_one_coarse_number_moves_its_part_of_a_step_and_no_other(
    tmp_path: Path, base: str, field: str, value: float, part: str, factor: float
) -> None:
    section, key = field.split(".")
    mine = variant(tmp_path, f"extends: {base}\n{section}:\n  {key}: {given(value)}\n")
    before, now = price(loading.load(base)), price(mine)
    for name in PARTS:
        expected = getattr(before, name) * (factor if name == part else 1.0)
        assert getattr(now, name) == pytest.approx(expected, rel=1e-12), name
    assert now.read_s.tolist() == before.read_s.tolist()


def test_a_coarse_number_of_a_gpu_moves_its_costs(tmp_path: Path) -> None:
    """Half the bandwidth that a copy reaches is taken to be reached; a quarter doubles the time of every byte."""
    text = f"extends: jetson-nano\nmemory:\n  achieved_bandwidth_bytes_per_s: {given(2.56e10 / 4)}\n"
    nano = loading.load("jetson-nano")
    text += f"compute:\n  training_utilisation: {given(nano.compute.training_utilisation.value / 4)}\n"
    before, now = gpu_steps.costs(nano), gpu_steps.costs(variant(tmp_path, text))
    assert now.byte_s == pytest.approx(2 * before.byte_s)
    assert now.flop_s == pytest.approx(4 * before.flop_s)
    assert now.kernel_s.tolist() == before.kernel_s.tolist()


def test_several_coarse_numbers_at_once(tmp_path: Path) -> None:
    """Peak x 2 and utilisation / 4: arithmetic x 2. Nominal bandwidth x 2, a copy as before: memory as before."""
    text = (
        f"extends: raspberry-pi-4b\n"
        f"compute:\n  peak_fp32_flops_per_s: {given(9.6e10)}\n  training_utilisation: {given(0.028)}\n"
        f"memory:\n  bandwidth_bytes_per_s: {given(2.56e10)}\n  achieved_bandwidth_bytes_per_s: {given(2.74e9)}\n"
    )
    before, now = price(loading.load("raspberry-pi-4b")), price(variant(tmp_path, text))
    assert now.compute_s == pytest.approx(2 * before.compute_s)
    assert now.memory_s == pytest.approx(before.memory_s)
    assert now.overhead_s == pytest.approx(before.overhead_s)


def test_a_variant_of_a_variant(tmp_path: Path) -> None:
    variant(tmp_path, f"extends: raspberry-pi-4b\ncompute:\n  training_utilisation: {given(0.056)}\n", "half")
    mine = variant(tmp_path, f"extends: half\ncompute:\n  training_utilisation: {given(0.014)}\n")
    assert price(mine).compute_s == pytest.approx(8 * price(loading.load("raspberry-pi-4b")).compute_s)
    untouched = variant(tmp_path, "extends: half\n", "same")
    assert price(untouched).compute_s == pytest.approx(2 * price(loading.load("raspberry-pi-4b")).compute_s)


def test_peaks_of_other_precisions_follow_the_clock(tmp_path: Path) -> None:
    base = loading.load("jetson-orin-nano")
    text = f"extends: jetson-orin-nano\ncompute:\n  peak_fp32_flops_per_s: {given(2 * 1.28e12)}\n"
    mine = variant(tmp_path, text)
    assert price(mine, "bf16").compute_s == pytest.approx(price(base, "bf16").compute_s / 2)
    peaks = (mine.compute.peak_fp16_flops_per_s, mine.compute.peak_bf16_flops_per_s)
    assert [peak.value for peak in peaks if peak] == [2 * 2.56e12, 2 * 2.56e12]


def test_what_a_variant_gives_itself_or_takes_away_stays(tmp_path: Path) -> None:
    text = (
        f"extends: raspberry-pi-4b\ncompute:\n  training_utilisation: {given(0.056)}\n"
        f"  convolution_efficiency: {given(0.4367)}\n  matmul_efficiency: null\n"
    )
    compute, base = variant(tmp_path, text).compute, loading.load("raspberry-pi-4b").compute
    assert compute.convolution_efficiency is not None
    assert (compute.convolution_efficiency.value, compute.convolution_efficiency.source) == (0.4367, "a test")
    assert compute.matmul_efficiency is None  # training_utilisation stands in
    assert compute.pointwise_efficiency is not None
    assert base.pointwise_efficiency is not None
    assert compute.pointwise_efficiency.value == pytest.approx(base.pointwise_efficiency.value / 2)


def test_what_follows_is_an_estimate_that_says_so(tmp_path: Path) -> None:
    text = f"extends: raspberry-pi-4b\ncompute:\n  training_utilisation: {given(0.056)}\n"
    share = variant(tmp_path, text).compute.convolution_efficiency
    before = loading.load("raspberry-pi-4b").compute.convolution_efficiency
    assert share is not None
    assert before is not None
    assert share.source == f"{before.source}; x 0.5, as training_utilisation is in this variant"
    assert (share.confidence, share.relative_error) == ("estimate", None)


def test_no_share_passes_one(tmp_path: Path) -> None:
    text = f"extends: raspberry-pi-4b\ncompute:\n  training_utilisation: {given(0.224)}\n"
    compute, base = variant(tmp_path, text).compute, loading.load("raspberry-pi-4b").compute
    assert compute.matmul_efficiency is not None
    assert base.matmul_efficiency is not None
    assert base.matmul_efficiency.value > 0.5
    assert compute.matmul_efficiency.value == 1.0
    assert compute.matmul_efficiency.source.endswith("x 2, as training_utilisation is in this variant, at most 1")
    assert compute.convolution_efficiency is not None
    assert base.convolution_efficiency is not None
    assert compute.convolution_efficiency.value == pytest.approx(2 * base.convolution_efficiency.value)


def test_without_a_ratio_the_finer_numbers_are_left_out(tmp_path: Path) -> None:
    variant(tmp_path, f"extends: raspberry-pi-4b\ncompute:\n  step_overhead_s: {given(0.0)}\n", "free")
    mine = variant(tmp_path, f"extends: free\ncompute:\n  step_overhead_s: {given(0.02)}\n")
    assert mine.compute.operation_overhead_s is None
    assert price(mine).overhead_s == pytest.approx([0.02, 0.02])


def test_the_shipped_variant_keeps_its_own_numbers() -> None:
    x4, mu = loading.load("radxa-x4"), loading.load("intel-n100")
    assert x4.compute.convolution_efficiency is not None
    assert "in this variant" not in x4.compute.convolution_efficiency.source
    assert x4.compute.peak_fp32_flops_per_s == mu.compute.peak_fp32_flops_per_s
