"""Forecasts of many trials against the price of each, and what devices can hold, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgesim import formatting
from edgesim.cost import feasibility
from edgesim.cost.analytic import CostWeights
from edgesim.cost.batch_pricing import BatchPricing, Device
from edgesim.cost.context import PricingContext
from edgesim.cost.feasibility import ResourceDemand
from edgesim.cost.pricing import price
from edgesim.cost.step_counts import StepCounts
from edgesim.cost.steps import step_cost
from edgesim.hardware import loading
from edgesim.hardware.conditions import Conditions, Energy
from edgesim.hardware.loading import Quantity
from edgesim.hardware.power_setting import setting
from edgesim.records import WorkRecord
from edgesim.work import LiveBytes, Operations, StepTrace, TrainingMemory, Work, Workload

PASS = Operations(
    kinds=np.array([0, 4]),
    count=np.array([3.0, 7.0]),
    flops=np.array([[0.0, 1e6], [0.0, 0.0]]),
    moved_bytes=np.array([[1e5, 3e4], [0.0, 2e4]]),
    pieces=np.zeros((2, 2)),
)


def memory_of(weight_bytes: int, sample_bytes: int) -> TrainingMemory:
    """Weights, their gradients and the optimiser's state, and what every sample takes."""
    return TrainingMemory((LiveBytes(2 * weight_bytes, sample_bytes),), weight_bytes, 0)


WORKLOAD = Workload(
    6e6,
    2e6,
    50_000,
    parameter_bytes=200_000,
    train_operations=PASS,
    forward_operations=PASS,
    memory=memory_of(200_000, 40_000),
    memory_in_blocks=memory_of(204_800, 40_960),
)
TERMS = PricingContext(
    WORKLOAD, None, sample_bytes=3072, batch_size=64, epochs=5, optimizer_states=2, weights=CostWeights()
)
PI, NANO, PHONE, MCU = (
    loading.load(name) for name in ("raspberry-pi-4b", "jetson-nano", "galaxy-s20", "arduino-nano-33-ble-sense")
)


SLOW_START = replace(PI, compute=replace(PI.compute, first_step_s=Quantity(49.0, "a test", "estimate")))


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("profile", [PI, NANO, PHONE, SLOW_START])
def test_a_forecast_is_the_price_of_each_trial(profile: loading.DeviceProfile, scored: bool) -> None:
    n, sizes = 1000, np.array([1, 63, 64, 65, 500, 1000])
    score = Work(train_samples=1000, forward_samples=1000, steps=16, comparisons=1000, other_flops=5e8)
    trace = StepTrace.passes("train", n, 64) + StepTrace.passes("forward", n, 64)
    if not scored:  # comparisons alone: the job starts up with its first training step
        score, trace = Work(comparisons=1000), StepTrace()
    loads = StepCounts.of([(score, trace)], WORKLOAD), StepCounts.training(sizes, 64, 5, WORKLOAD)
    found = BatchPricing(TERMS, Device(profile), *loads, sizes)
    for i, m in enumerate(sizes):
        train = Work(train_samples=5 * int(m), steps=5 * -(-int(m) // 64))
        done = WorkRecord(score, trace, train, StepTrace.passes("train", int(m), 64, 5))
        one = price(TERMS, profile, Conditions(), n, int(m), done)
        assert found.time_s("analytic")[i] == one["analytic_time_s"]
        parts = ("device_startup_s", "device_score_time_s", "device_train_time_s")
        parts += ("device_startup_energy_j", "device_score_energy_j")
        assert [part[i] for part in found.parts] == [one[name] for name in parts]
        assert found.analytic_score_time_s[i] == one["analytic_score_time_s"]
        assert found.energy_j("analytic")[i] == one["analytic_energy_j"]
        assert found.time_s("emulated")[i] == one["device_time_s"]
        assert found.energy_j("emulated")[i] == one["device_energy_j"]
        assert found.storage_bytes[i] == one["storage_bytes"]
        assert found.peak_memory_bytes[i] == one["peak_memory_bytes"]


def test_training_loads_by_hand() -> None:
    load = StepCounts.training(np.array([5, 64, 70]), 64, 3, WORKLOAD)
    assert load.batch_sizes.tolist() == [[0, 5], [64, 0], [64, 6]]
    assert load.steps.tolist() == [[0, 3], [3, 0], [3, 3]]
    assert load.flops.tolist() == [90e6, 1152e6, 1260e6]
    assert load.largest_training_batch.tolist() == [5, 64, 64]
    assert (load.batch_sizes * load.steps).sum(axis=1).tolist() == [15, 192, 210]


def test_loads_of_traces_take_equal_steps_together() -> None:
    trace = StepTrace.passes("train", 70, 64, 3) + StepTrace.passes("forward", 6, 64)
    load = StepCounts.of([(Work(comparisons=7, other_flops=10.0), trace), (Work(), StepTrace())], WORKLOAD)
    assert load.batch_sizes.tolist() == [[64, 6, 6], [0, 0, 0]]
    assert load.trains.tolist() == [[True, True, False], [False, False, False]]
    assert load.steps.tolist() == [[3, 3, 1], [0, 0, 0]]
    assert load.stepless.tolist() == [17, 0]
    assert load.largest_training_batch.tolist() == [64, 0]


def test_memory_by_hand() -> None:
    """256 KB, of which 80 % can be used: 204.8 KB. The weights alone take 4 x 20 KB; a sample takes 10 KB."""
    small = Workload(1e6, 3e5, 5_000, 20_000, memory=memory_of(20_000, 10_000))
    assert feasibility.usable_memory_bytes(MCU) == pytest.approx(0.8 * 256e3)
    demand = ResourceDemand(small.peak_training_bytes(16, 2), 1e5)  # 240 KB
    assert feasibility.reasons(demand, MCU, replace(TERMS, workload=small), 16) == [
        "needs 240 KB of training memory at batch size 16, has 205 KB (80 % of 256 KB); batch size 8 would fit"
    ]
    assert small.peak_training_bytes(8, 2) <= 204_800 < small.peak_training_bytes(16, 2)
    assert feasibility.first_limit(demand, MCU) == 1
    fits = ResourceDemand(small.peak_training_bytes(8, 2), 1e5)
    assert feasibility.reasons(fits, MCU, replace(TERMS, workload=small), 8) == []
    assert feasibility.first_limit(fits, MCU) == 0
    large = replace(small, memory=memory_of(60_000, 10_000))
    assert (
        "no batch size would fit"
        in feasibility.reasons(ResourceDemand(400_000, 1e5), MCU, replace(TERMS, workload=large), 16)[0]
    )


def test_shares_of_memory_and_storage_by_hand() -> None:
    """Of 1,000 bytes 800 are usable; a shard of 250 bytes is a quarter of the storage, whatever is kept of it."""
    np.testing.assert_allclose(feasibility.memory_share(np.array([400, 800, 1000]), 1000), [0.5, 1.0, 1.25])
    assert feasibility.storage_share(250, 1000) == 0.25
    limit = feasibility.usable_memory_bytes(MCU)
    demand = ResourceDemand(
        np.array([np.floor(limit), np.floor(limit) + 1, 1.0]), np.array([1.0, 1.0, MCU.storage_bytes + 1])
    )
    codes = feasibility.first_limit(demand, MCU)
    assert [feasibility.LIMITS[code] for code in codes] == ["", "memory", "storage"]


@pytest.mark.parametrize(("usable", "wanted", "fits"), [(1000, 64, 8), (1000, 7, 4), (1000, 8, 8), (199, 64, 0)])
def test_the_largest_batch_that_fits(usable: float, wanted: int, fits: int) -> None:
    """100 bytes of weights without state, 100 a sample... 2 x 50 + 100 B <= usable."""
    tiny = Workload(1.0, 1.0, 10, 50, memory=memory_of(50, 100))
    memory = replace(MCU.memory, size_bytes=replace(MCU.memory.size_bytes, value=usable / 0.8))
    assert feasibility.largest_batch_size(replace(MCU, memory=memory), tiny, 0, wanted) == fits


def test_a_gpu_rounds_tensors_up_and_has_a_context() -> None:
    """8 samples with Adam: 4 x 204,800 + 8 x 40,960 bytes in blocks, and 3 GB of context; 80 % of 4 GB are usable."""
    nano = loading.load("jetson-nano")
    step = 4 * 204_800 + 8 * 40_960
    context = replace(nano.memory.context_bytes, value=3e9)
    large = replace(nano, memory=replace(nano.memory, context_bytes=context))
    bare = replace(nano, memory=replace(nano.memory, context_bytes=None))
    for device, beside in ((large, 3_000_000_000), (bare, 0)):
        assert feasibility.context_bytes(device) == beside
        assert feasibility.peak_memory_bytes(device, WORKLOAD, 8, 2) == step + beside
    assert feasibility.peak_memory_bytes(PHONE, WORKLOAD, 8, 2) == 4 * 200_000 + 8 * 40_000
    # (3.2e9 - 3e9 - 819,200) / 40,960 = 4,862 samples fit
    assert feasibility.largest_batch_size(large, WORKLOAD, 2, 8192) == 4096
    assert feasibility.largest_batch_size(bare, WORKLOAD, 2, 8192) == 8192
    peak = feasibility.peak_memory_bytes(large, WORKLOAD, 8192, 2)
    assert feasibility.reasons(ResourceDemand(peak, 1.0), large, TERMS, 8192) == [
        "needs 3.34 GB of training memory at batch size 8192 (3 GB for the GPU's context), has 3.2 GB "
        "(80 % of 4 GB); batch size 4096 would fit"
    ]


def test_storage_by_hand() -> None:
    found = feasibility.reasons(ResourceDemand(1e6, PHONE.storage_bytes * 2), PHONE, TERMS, 1)
    has = formatting.size(PHONE.storage_bytes)
    assert found == [f"needs {formatting.size(PHONE.storage_bytes * 2)} of storage for its data, has {has}"]
    finished, died = np.array([False, True, False]), np.array([True, False, False])
    codes = feasibility.first_limit(ResourceDemand(np.array([1e6, 1e13, 1e6]), 0.0, finished, died), PHONE)
    assert [feasibility.LIMITS[code] for code in codes] == ["energy", "memory", "availability"]


def test_numbers_that_differ_are_written_differently() -> None:
    """As many digits as tell them apart, and no more; equal ones stay short."""
    assert [formatting.size(count) for count in (12, 2560, 3.14e9, 999_900)] == [
        "12 B", "2.56 KB", "3.14 GB", "1 MB"
    ]  # fmt: skip
    assert formatting.number(1_234_567.8) == "1,234,568"
    assert formatting.distinguished(400_004, 399_996, formatting.size, 3) == ("400.004 KB", "399.996 KB")
    assert formatting.distinguished(400_000, 300_000, formatting.size, 3) == ("400 KB", "300 KB")
    assert formatting.distinguished(1234567.25, 1234567.0, formatting.number, 4) == ("1,234,567.2", "1,234,567")
    assert formatting.distinguished(2.0, 2.0, formatting.number, 4) == ("2", "2")
    assert [formatting.short_percent(part) for part in (0.5, 0.00034, 1.0)] == ["50 %", "0.034 %", "100 %"]


def test_a_charge_that_does_not_last_is_seen() -> None:
    """The same work: prices are those on mains, and only what its charge pays for is finished."""
    sizes = np.array([10, 1000])
    loads = StepCounts.of([(Work(), StepTrace())], WORKLOAD), StepCounts.training(sizes, 64, 5, WORKLOAD)
    mains = BatchPricing(TERMS, Device(PHONE), *loads, sizes)
    between_j = float(mains.energy_j("emulated").mean())
    battery = Conditions(energy=Energy("battery", capacity_j=between_j))
    found = BatchPricing(TERMS, Device(PHONE, battery), *loads, sizes)
    assert found.finished.tolist() == [True, False]
    assert mains.finished.all()
    np.testing.assert_array_equal(found.time_s("emulated"), mains.time_s("emulated"))
    np.testing.assert_array_equal(found.energy_j("emulated"), mains.energy_j("emulated"))


def test_a_power_mode_slows_the_clock_and_lowers_the_power() -> None:
    """640 samples in 10 steps, step by step: busy seconds at the mode's speeds, at the mode's power above idle."""
    board = loading.load("raspberry-pi-4b")
    mode = board.mode_names[-1]
    slowed = setting(board, mode)
    speed, load_w = slowed.speed, slowed.load_w
    assert speed < 1
    sizes = np.array([640])
    loads = StepCounts.of([(Work(), StepTrace())], WORKLOAD), StepCounts.training(sizes, 64, 1, WORKLOAD)
    found = BatchPricing(TERMS, Device(board, Conditions(power_mode=mode)), *loads, sizes)
    step = step_cost("train", np.array([64]), WORKLOAD, TERMS.sample_bytes, TERMS.optimizer_states, board)
    start = board.compute.first_step_s
    assert start is not None
    overhead_s = (10 * float(step.overhead_s[0]) + start.value) / slowed.overhead_speed
    busy_s = 10 * float(step.compute_s[0] + step.memory_s[0]) / speed
    read_s = 10 * float(step.read_s[0])
    assert found.time_s("emulated") == pytest.approx([busy_s + overhead_s + read_s])
    power = board.power
    memory, dispatch = (part.value if part else 1.0 for part in (power.memory_activity, power.overhead_activity))
    active_s = 10 * float(step.compute_s[0] + memory * step.memory_s[0]) / speed + dispatch * overhead_s
    energy_j = board.idle_w * (busy_s + overhead_s + read_s) + (load_w - board.idle_w) * active_s
    assert found.energy_j("emulated") == pytest.approx([energy_j])
