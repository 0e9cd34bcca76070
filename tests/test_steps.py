"""The time of a step against hand arithmetic, on a device of round numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgesim.cost.steps import StepSetting, step_cost
from edgesim.hardware import loading
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.profile import Quantity
from edgesim.work import OPERATION_KINDS, Operations, Workload

KIND = {name: i for i, name in enumerate(OPERATION_KINDS)}


def quantity(value: float) -> Quantity[float]:
    return Quantity(value, "made up", "estimate")


def device(**compute: float | None) -> DeviceProfile:
    """1 GFLOP/s, 1 GB/s; 1 MB/s storage; halves, quarters and milliseconds elsewhere."""
    base = loading.load("raspberry-pi-4b")
    shares = {
        "peak_fp32_flops_per_s": 1e9,
        "convolution_efficiency": 0.5,
        "pointwise_efficiency": 0.25,
        "depthwise_efficiency": 0.1,
        "matmul_efficiency": 1.0,
        "operation_overhead_s": 1e-3,
        "channel_overhead_s": 1e-4,
    } | compute
    given = {name: None if value is None else quantity(value) for name, value in shares.items()}
    memory = {"bandwidth_bytes_per_s": 1e9, "activation_efficiency": 0.5, "weight_efficiency": 0.25}
    return dataclasses.replace(
        base,
        compute=dataclasses.replace(base.compute, **given),
        memory=dataclasses.replace(base.memory, **{name: quantity(value) for name, value in memory.items()}),
        storage=dataclasses.replace(base.storage, read_bytes_per_s=quantity(1e6)),
    )


def workload() -> Workload:
    """Two products of 1 MFLOP + 2 MFLOP per sample; a depthwise convolution; an element-wise operation."""
    train = Operations(
        kinds=np.array([KIND["matmul"], KIND["depthwise"], KIND["elementwise"]]),
        count=np.array([2.0, 1.0, 1.0]),
        flops=np.array([[1e6, 2e6], [0.0, 1e6], [0.0, 0.0]]),
        moved_bytes=np.array([[1e6, 1e6], [0.0, 5e6], [5e5, 0.0]]),
        pieces=np.array([[0.0, 0.0], [0.0, 8.0], [0.0, 0.0]]),
    )
    forward = Operations(
        np.array([KIND["pointwise"]]), np.ones(1), np.array([[0.0, 1e6]]), np.array([[0.0, 1e6]]), np.zeros((1, 2))
    )
    return Workload(5e6, 1e6, 250_000, 1_000_000, train, forward, parameter_tensors=4)


def test_a_training_step_by_hand() -> None:
    found = step_cost("train", np.array([1, 3]), workload(), 10_000, 1, device())
    # 2 · (1 + 2B) MFLOP at 1 GFLOP/s, B MFLOP at 0.1
    assert found.compute_s == pytest.approx([6e-3 + 10e-3, 14e-3 + 30e-3])
    # activations 7 MB per sample at 0.5 GB/s; weights 2.5 MB and Adam-like update of 1 MB: 3 + 2 touches, at 0.25
    assert found.memory_s == pytest.approx([14e-3 + 30e-3, 42e-3 + 30e-3])
    # 4 operations and 4 tensors · (1 + 2) of the update, 1 ms each; 8 pieces per sample, 0.1 ms each
    assert found.overhead_s == pytest.approx([16e-3 + 0.8e-3, 16e-3 + 2.4e-3])
    assert found.read_s == pytest.approx([10e-3, 30e-3])
    assert found.busy_s == pytest.approx([76.8e-3, 134.4e-3])
    assert found.time_s == pytest.approx([86.8e-3, 164.4e-3])


def test_unrolling_costs_where_the_profile_says_so() -> None:
    """A convolution of 1 MFLOP per sample with a matrix of 3 MB per sample; unrolling is no operation by itself."""
    passes = Operations(
        np.array([KIND["convolution"], KIND["unrolling"]]),
        np.array([1.0, 1.0]),
        np.array([[0.0, 1e6], [0.0, 0.0]]),
        np.array([[0.0, 1e6], [0.0, 3e6]]),
        np.zeros((2, 2)),
    )
    unrolled = Workload(1e6, 1e6, 0, 0, passes, passes)
    plain = device()
    phone = dataclasses.replace(plain, memory=dataclasses.replace(plain.memory, unrolling_efficiency=quantity(0.1)))
    # activations 1 MB per sample at 0.5 GB/s, the matrix at 0.1
    assert step_cost("forward", np.array([2]), unrolled, 0, 0, plain).memory_s == pytest.approx([4e-3])
    assert step_cost("forward", np.array([2]), unrolled, 0, 0, phone).memory_s == pytest.approx([4e-3 + 60e-3])
    assert step_cost("forward", np.array([2]), unrolled, 0, 0, phone).overhead_s == pytest.approx([1e-3])


def with_memory(profile: DeviceProfile, **shares: float) -> DeviceProfile:
    given = {name: quantity(value) for name, value in shares.items()}
    return dataclasses.replace(profile, memory=dataclasses.replace(profile.memory, **given))


def test_terms_of_their_own_and_what_stands_in_for_them() -> None:
    """One operation of each kind: a product, a pointwise and two cramped convolutions, element-wise; 1 MB each."""
    kinds = ["matmul", "pointwise", "cramped_convolution", "cramped_depthwise", "elementwise"]
    one = np.tile([0.0, 1e6], (5, 1))
    moved = np.tile([1e6, 1e6], (5, 1))
    pieces = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    flops = one * np.array([[1.0], [1.0], [1.0], [1.0], [0.0]])
    passes = Operations(np.array([KIND[kind] for kind in kinds]), np.ones(5), flops, moved, pieces)
    work = Workload(4e6, 4e6, 0, 1_000_000, passes, passes, parameter_tensors=0)
    # 1, 0.25, 0.5 and 0.1 GFLOP/s as elsewhere: cramped ones count with their kind
    plain = step_cost("train", np.array([2]), work, 0, 0, device())
    assert plain.compute_s == pytest.approx([2e-3 * (1 + 4 + 2 + 10)])
    # five times 2 MB of activations at 0.5 GB/s, five of weights and 3 MB of the update at 0.25
    assert plain.memory_s == pytest.approx([5 * 4e-3 + 5 * 4e-3 + 12e-3])
    assert plain.overhead_s == pytest.approx([5e-3 + 6 * 1e-4])
    own = with_memory(
        device(convolution_operation_overhead_s=1e-2, cramped_channel_overhead_s=1e-3),
        **{"operand_efficiency": 0.1, "update_efficiency": 1.0},
        **{"convolution_weight_efficiency": 0.05, "cramped_weight_efficiency": 0.01},
    )
    found = step_cost("train", np.array([2]), work, 0, 0, own)
    # activations 2 MB at 0.5 and 4 x 2 MB of operands at 0.1; weights 2 MB at 0.25, 2 MB at 0.05, 1 MB at 0.01
    assert found.memory_s == pytest.approx([4e-3 + 80e-3 + 8e-3 + 40e-3 + 100e-3 + 3e-3])
    assert found.overhead_s == pytest.approx([2e-3 + 3 * 1e-2 + 6 * 1e-3])


def test_a_framework_that_runs_the_forward_pass_again() -> None:
    """What the forward pass takes comes to the training step, but for the unrolling, which serves the gradients."""
    flag = Quantity(True, "made up", "looked-up")
    plain = device()
    again = dataclasses.replace(plain, compute=dataclasses.replace(plain.compute, recomputes_forward=flag))
    batch = np.array([1, 5])
    once, twice, forward = (
        step_cost(kind, batch, workload(), 0, 1, profile)
        for kind, profile in (("train", plain), ("train", again), ("forward", plain))
    )
    assert twice.busy_s == pytest.approx(once.busy_s + forward.busy_s)
    assert step_cost("forward", batch, workload(), 0, 1, again).busy_s == pytest.approx(forward.busy_s)


def test_a_forward_pass_has_no_update() -> None:
    found = step_cost("forward", np.array([2]), workload(), 0, 2, device())
    assert found.compute_s == pytest.approx([8e-3])
    assert found.memory_s == pytest.approx([4e-3])
    assert found.overhead_s == pytest.approx([1e-3])
    assert found.read_s.tolist() == [0.0]


def test_bf16_counts_only_where_the_device_has_it() -> None:
    plain, fast = device(), device(peak_bf16_flops_per_s=4e9)
    args = ("train", np.array([1]), workload(), 0, 0)
    base = step_cost(*args, plain)
    assert step_cost(*args, plain, StepSetting("bf16")).compute_s == base.compute_s
    assert step_cost(*args, fast).compute_s == base.compute_s
    assert step_cost(*args, fast, StepSetting("bf16")).compute_s == pytest.approx(base.compute_s / 4)
    assert step_cost(*args, fast, StepSetting("bf16")).memory_s == base.memory_s


def test_without_the_new_fields_the_old_ones_stand_in() -> None:
    names = ["convolution", "pointwise", "depthwise", "matmul"]
    none = {f"{name}_efficiency": None for name in names}
    old = device(
        **none, operation_overhead_s=None, channel_overhead_s=None, training_utilisation=0.2, step_overhead_s=0.3
    )
    found = step_cost("train", np.array([1]), workload(), 0, 0, old)
    assert found.compute_s == pytest.approx([(6e6 + 1e6) / 0.2e9])
    assert found.overhead_s.tolist() == [0.3]
    memory = dataclasses.replace(
        old.memory, activation_efficiency=None, weight_efficiency=None, achieved_bandwidth_bytes_per_s=quantity(0.8e9)
    )
    found = step_cost("train", np.array([1]), workload(), 0, 0, dataclasses.replace(old, memory=memory))
    assert found.memory_s == pytest.approx([(7e6 + 2.5e6 + 3e6) / 0.8e9])


def test_more_work_takes_longer_and_a_slower_device_too() -> None:
    sizes = np.arange(1, 65)
    for name in loading.names():
        found = step_cost("train", sizes, workload(), 3072, 1, loading.load(name))
        assert np.all(np.diff(found.time_s) > 0), name
        assert np.all(found.time_s > step_cost("forward", sizes, workload(), 3072, 1, loading.load(name)).time_s), name
        assert np.all(found.time_s > step_cost("train", sizes, workload(), 3072, 0, loading.load(name)).time_s), name
    boards = ["raspberry-pi-zero-2-w", "raspberry-pi-4b", "raspberry-pi-5", "orange-pi-5"]
    times = [step_cost("train", np.array([16]), workload(), 3072, 1, loading.load(b)).time_s[0] for b in boards]
    assert times == sorted(times, reverse=True)


def test_a_workload_without_operations_is_refused() -> None:
    bare = Workload(5e6, 1e6, 1, 4)
    with pytest.raises(ValueError, match="no operations of a train pass; count it"):
        step_cost("train", np.array([1]), bare, 0, 0, device())
