"""What one training or forward step takes at full clock, operation by operation.

An operation of kind k with f FLOPs that moves b bytes takes o + f / (e_k · peak) + b / (m_k · bandwidth): overhead,
arithmetic and memory one after another, with the shares e_k and m_k of the device's profile, which are fitted to
published measurements of training (`edgesim.calibration`). The sum predicts models that the fit has not seen better
than a roofline of each operation, the larger of the two, does (reports/calibration.md). What binds a step can still
be read off its parts. Training runs in FP32; in bf16 the arithmetic is faster by the ratio of the peaks where the
device has bf16 units, and all else is equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.profiles import DeviceProfile
from edgesim.records import OPERATION_KINDS, FloatArray, Operations, Workload

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]
DENSE = ("convolution", "pointwise", "matmul")
"""kinds whose memory traffic shares one efficiency"""
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
    """constant time of the operations"""
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
    flops_s, bytes_s = kind_costs(profile, precision)
    overhead_s, step_overhead_s = overheads(profile)
    flops, moved_bytes = totals(operations, samples)  # [S, kinds]
    if kind == "train":
        update_bytes, update_count = update(workload, optimizer_states)
    else:
        update_bytes, update_count = 0.0, 0.0
    moved_bytes[:, OPERATION_KINDS.index("elementwise")] += update_bytes
    count = float(operations.count.sum()) + update_count
    return StepCost(
        compute_s=np.asarray(flops @ flops_s),
        memory_s=np.asarray(moved_bytes @ bytes_s),
        overhead_s=np.full(len(samples), count * overhead_s + step_overhead_s),
        read_s=samples * sample_bytes / profile.storage_read_bytes_per_s,
    )


def totals(operations: Operations, samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """FLOPs and moved bytes of a pass by kind.

    Args:
        operations: of one pass.
        samples: [S] batch sizes.

    Returns: two arrays [S, kinds].
    """
    member = np.zeros((len(operations.kinds), len(OPERATION_KINDS)))
    member[np.arange(len(operations.kinds)), operations.kinds] = operations.count
    powers = np.stack([np.ones_like(samples), samples], axis=1)  # [S, constant | per sample]
    return powers @ (operations.flops.T @ member), powers @ (operations.moved_bytes.T @ member)


def update(workload: Workload, optimizer_states: int) -> tuple[float, float]:
    """Bytes that the optimiser's update moves, and its operations, tensor by tensor.

    Weight, gradient and every state are read, weight and states written. Plain SGD is one operation per tensor,
    and every state brings two: its decay and what is added to it.
    """
    moved = workload.parameter_bytes * (UPDATE_TOUCHES + 2 * optimizer_states)
    return float(moved), float(workload.parameter_tensors * (1 + 2 * optimizer_states))


def kind_costs(profile: DeviceProfile, precision: Literal["fp32", "bf16"]) -> tuple[FloatArray, FloatArray]:
    """Seconds per FLOP and per moved byte of each of the OPERATION_KINDS, two arrays [kinds]."""
    compute, memory = profile.compute, profile.memory
    peak = compute.peak_fp32_flops_per_s.value
    if precision == "bf16" and compute.peak_bf16_flops_per_s is not None:
        peak = compute.peak_bf16_flops_per_s.value
    flops_s, bytes_s = [], []
    for kind in OPERATION_KINDS:
        # Element-wise operations have no FLOPs; the share that would divide them does not matter.
        share = getattr(compute, f"{kind}_efficiency", None) or compute.training_utilisation
        flops_s.append(1 / (peak * share.value))
        moving = getattr(memory, f"{'dense' if kind in DENSE else kind}_efficiency")
        reached = moving.value * memory.bandwidth_bytes_per_s.value if moving else profile.bandwidth_bytes_per_s
        bytes_s.append(1 / reached)
    return np.array(flops_s), np.array(bytes_s)


def overheads(profile: DeviceProfile) -> tuple[float, float]:
    """Seconds per operation and per step; a profile without the former has the latter instead."""
    per_operation = profile.compute.operation_overhead_s
    return (per_operation.value, 0.0) if per_operation else (0.0, profile.step_overhead_s)
