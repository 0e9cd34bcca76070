"""What one training or forward step takes at full clock, operation by operation.

An operation of kind k with f FLOPs that moves b bytes takes o + f / (e_k · peak) + b / (m · bandwidth): overhead,
arithmetic and memory one after another. A convolution in groups takes a constant time per group and sample besides:
frameworks without kernels of their own for it run them one by one, which is what makes mobile networks slow on small
boards. Where the profile says that convolutions are unrolled into matrix products, the matrix is written and read
besides. The shares e_k and m and the constants are the profile's, fitted to published measurements of training
(`edgesim.calibration`; reports/calibration.md has the errors, and those of the larger of arithmetic and memory in
place of their sum). What binds a step can be read off its parts. Training runs in FP32; in bf16 the arithmetic is
faster by the ratio of the peaks where the device has bf16 units, and all else is equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgesim.profiles import DeviceProfile
from edgesim.records import OPERATION_KINDS, FloatArray, Operations, Workload

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]
UPDATE_TOUCHES = 3
"""an update reads the weight and its gradient and writes the weight; every optimiser state is read and written too"""


@dataclass(frozen=True)
class StepCost:
    """One step at S batch sizes; arrays [S], seconds at full clock."""

    compute_s: FloatArray
    """arithmetic"""
    memory_s: FloatArray
    """moving what the operations read and write, in working memory"""
    overhead_s: FloatArray
    """constant times of the operations and of convolutions in groups"""
    read_s: FloatArray
    """reading the samples from storage"""

    @property
    def busy_s(self) -> FloatArray:
        """All that the processor does."""
        return self.compute_s + self.memory_s + self.overhead_s

    @property
    def time_s(self) -> FloatArray:
        """The whole step: the next batch is not read while this one is computed."""
        return self.busy_s + self.read_s


def step_cost(
    kind: Literal["train", "forward"],
    batch_sizes: Numbers,
    workload: Workload,
    sample_bytes: int,
    optimizer_states: int,
    profile: DeviceProfile,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> StepCost:
    """The parts of one step's time, at every batch size.

    Args:
        kind: a training step (forward, backward, update) or a forward pass.
        batch_sizes: [S] samples per step, >= 1.
        workload: with the operations of its passes, as `models.workload.count` gives it.
        sample_bytes: stored bytes of one sample.
        optimizer_states: numbers kept per weight by the optimiser (SGD 0, with momentum 1, Adam 2).
        profile: the device. Where it gives no shares, `training_utilisation`, the bandwidth that training can
            reach and `step_overhead_s` stand in for them.
        precision: of the arithmetic; bf16 changes nothing on a device without bf16 units.

    Returns: arrays [S].

    Raises: ValueError where the workload has no operations.
    """
    operations = workload.train_operations if kind == "train" else workload.forward_operations
    if not len(operations.kinds):
        raise ValueError(f"the workload has no operations of a {kind} pass; count it with models.workload.count")
    samples = np.asarray(batch_sizes, dtype=np.float64)
    work = totals(operations, samples)
    update_bytes, update_count = update(workload, optimizer_states) if kind == "train" else (0.0, 0.0)
    activation_s, weight_s, unrolled_s = byte_costs_s(profile)
    compute = profile.compute
    # Without an overhead per operation the profile's constant of a step stands in for all of them.
    operation_s = compute.operation_overhead_s.value if compute.operation_overhead_s else 0.0
    step_s = 0.0 if compute.operation_overhead_s else profile.step_overhead_s
    channel_s = compute.channel_overhead_s.value if compute.channel_overhead_s else 0.0
    return StepCost(
        compute_s=np.asarray(work.flops @ flop_costs_s(profile, precision)),
        memory_s=work.activation_bytes * activation_s
        + work.unrolled_bytes * unrolled_s
        + (work.weight_bytes + update_bytes) * weight_s,
        overhead_s=(work.operations + update_count) * operation_s + work.pieces * channel_s + step_s,
        read_s=samples * sample_bytes / profile.storage_read_bytes_per_s,
    )


class Totals(NamedTuple):
    """What all operations of a pass come to, at S batch sizes."""

    flops: FloatArray
    """[S, kinds]"""
    activation_bytes: FloatArray
    """[S] moved bytes that grow with the batch"""
    weight_bytes: float
    """those that do not"""
    pieces: FloatArray
    """[S] groups x samples of convolutions in groups"""
    operations: float
    """how many there are"""
    unrolled_bytes: FloatArray
    """[S] moved bytes of the matrices that convolutions are unrolled into, where they are"""


def totals(operations: Operations, samples: FloatArray) -> Totals:
    """Sums over the operations of a pass; `samples`: [S] batch sizes."""
    member = np.zeros((len(operations.kinds), len(OPERATION_KINDS)))
    member[np.arange(len(operations.kinds)), operations.kinds] = operations.count
    powers = np.stack([np.ones_like(samples), samples], axis=1)  # [S, constant | per sample]
    unrolling = operations.kinds == OPERATION_KINDS.index("unrolling")
    count = np.where(unrolling, 0.0, operations.count)
    constant, per_sample = count @ operations.moved_bytes
    return Totals(
        flops=powers @ (operations.flops.T @ member),
        activation_bytes=samples * per_sample,
        weight_bytes=float(constant),
        pieces=powers @ (operations.count @ operations.pieces),
        operations=float(count.sum()),
        unrolled_bytes=powers @ ((operations.count - count) @ operations.moved_bytes),
    )


def update(workload: Workload, optimizer_states: int) -> tuple[float, float]:
    """Bytes that the optimiser's update moves, and its operations, tensor by tensor.

    Weight, gradient and every state are read, weight and states written. Plain SGD is one operation per tensor,
    and every state brings two: its decay and what is added to it.
    """
    moved = workload.parameter_bytes * (UPDATE_TOUCHES + 2 * optimizer_states)
    return float(moved), float(workload.parameter_tensors * (1 + 2 * optimizer_states))


def flop_costs_s(profile: DeviceProfile, precision: Literal["fp32", "bf16"]) -> FloatArray:
    """Seconds per FLOP of each of the OPERATION_KINDS, [kinds]; element-wise operations and unrolling have no FLOPs."""
    compute = profile.compute
    peak = compute.peak_fp32_flops_per_s.value
    if precision == "bf16" and compute.peak_bf16_flops_per_s is not None:
        peak = compute.peak_bf16_flops_per_s.value
    shares = (
        compute.convolution_efficiency,
        compute.pointwise_efficiency,
        compute.depthwise_efficiency,
        compute.matmul_efficiency,
    )
    known = [(share or compute.training_utilisation).value for share in shares]
    return np.array([1 / (peak * share) for share in known] + [0.0, 0.0])


def byte_costs_s(profile: DeviceProfile) -> tuple[float, float, float]:
    """Seconds per moved byte, of activations, of weights, and of unrolled convolutions (0 where they are not)."""
    nominal, memory = profile.memory.bandwidth_bytes_per_s.value, profile.memory
    reached = [
        share.value * nominal if share else profile.bandwidth_bytes_per_s
        for share in (memory.activation_efficiency, memory.weight_efficiency)
    ]
    unrolled = memory.unrolling_efficiency
    return 1 / reached[0], 1 / reached[1], 1 / (unrolled.value * nominal) if unrolled else 0.0
