"""Time of one training or forward step, operation by operation. Of a GPU it is that of `gpu_steps`.

On a processor an operation takes a constant time, a time per FLOP by its kind, and a time per byte that it moves, one
after another: a step's time is the product of its parts (`features`) and the cost of each part on the device
(`costs_s`), over the TERMS. Published measurements (`edgesim.calibration`; reports/calibration.md has the errors, and
those of the larger of arithmetic and memory in place of their sum) and the machine's own give the costs.

A convolution in groups takes a constant time per group and sample besides: frameworks without kernels of their own
for it run them one by one, which is what makes mobile networks slow on small boards. Vendor libraries have such
kernels, but do not use them where a kernel is larger than its images ("cramped"). Two fields of the profile add work:
convolutions unrolled into matrix products write and read the matrix, and a framework may run the forward pass again
within the backward pass. Training runs in FP32. In bf16 the arithmetic is faster by the ratio of the peaks where the
device has bf16 units, and all else is equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edgesim.cost import gpu_steps
from edgesim.cost.gpu_steps import GpuWork
from edgesim.hardware import power_setting
from edgesim.hardware.conditions import FULL_MODE
from edgesim.hardware.loading import DeviceProfile
from edgesim.hardware.power_setting import AnyMode, ClockShares, PowerSetting
from edgesim.work import OPERATION_KINDS, FloatArray, Operations, Workload

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Pass = Literal["train", "forward"]
UPDATE_TOUCHES = 3
"""an update reads the weight and its gradient and writes the weight; every optimiser state is read and written too"""

FLOP_TERMS = ("convolution", "pointwise", "depthwise", "matmul")
"""FLOPs by kind; those of cramped convolutions count with the others of their kind"""
BYTE_TERMS = ("activation", "operand", "weight", "convolution_weight", "cramped_weight", "update", "unrolling")
"""moved bytes: what grows with the batch, of element-wise operations and of products and convolutions; weights with
their gradients, those of convolutions, those of cramped ones; the update's; and matrices of unrolled convolutions"""
COUNT_TERMS = ("operation", "convolution_operation", "channel", "cramped_channel")
"""operations but convolutions, and these; groups x samples of convolutions in groups, and of cramped ones"""
TERMS = (*FLOP_TERMS, *BYTE_TERMS, *COUNT_TERMS)
_TERM = {name: i for i, name in enumerate(TERMS)}
_FLOPS_AS = {
    "cramped_convolution": "convolution",
    "cramped_depthwise": "depthwise",
    "processor_matmul": "matmul",
}
_PRODUCTS, _ELEMENTWISE = ("matmul", "processor_matmul"), ("elementwise", "processor_elementwise")
"""kinds that count alike; `recurrent` is a GPU's alone"""
_CONVOLUTIONS = ("convolution", "pointwise", "depthwise", "cramped_depthwise")
"""kinds whose weights count as convolution_weight"""


@dataclass(frozen=True)
class StepSetting:
    """Setting of a step beside its work and the device's profile."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """of the arithmetic; bf16 changes nothing on a device without bf16 units"""
    power_mode: AnyMode = FULL_MODE
    """of many modes, [K, 1] arrays in a `PowerSetting`, the cost of S batch sizes is [K, S]"""
    factor: FloatArray | float = 1.0
    """of the device's throughput over its profile's; a number, or an array that broadcasts with the batch sizes"""


@dataclass(frozen=True)
class StepCost:
    """One step at several batch sizes; arrays of their shape.

    Seconds are at full clock where a processor computes, and at the clocks of the power mode where a GPU does.
    """

    compute_s: FloatArray
    """arithmetic"""
    memory_s: FloatArray
    """moving the operands and results of operations, in working memory"""
    overhead_s: FloatArray
    """constant times of the operations and of convolutions in groups"""
    read_s: FloatArray
    """reading the samples from storage"""
    load_s: FloatArray | None = None
    """of a GPU whose power by clocks is known: `Phases.load_s`"""

    @property
    def busy_s(self) -> FloatArray:
        """All that the processor does."""
        return self.compute_s + self.memory_s + self.overhead_s

    @property
    def time_s(self) -> FloatArray:
        """The whole step: the next batch is not read while this one is computed."""
        return self.busy_s + self.read_s


def step_cost(
    kind: Pass,
    batch_sizes: Numbers,
    workload: Workload,
    sample_bytes: int,
    optimizer_states: int,
    profile: DeviceProfile,
    setting: StepSetting = StepSetting(),
) -> StepCost:
    """The parts of one step's time, at every batch size.

    Parts of a GPU's step are its arithmetic; the time that memory and kernels add to it; and the time for which the GPU
    waits for its dispatch.

    Args:
        kind: a training step (forward, backward, update) or a forward pass.
        batch_sizes: samples per step, >= 1, of any shape.
        workload: with the operations of its passes, as `models.workload.count` gives it.
        sample_bytes: stored bytes of one sample.
        optimizer_states: numbers kept per weight by the optimiser (SGD 0, with momentum 1, Adam 2).
        profile: the device.
        setting: precision, power mode, and spread of the device.

    Returns: arrays of the shape of `batch_sizes`; one size gives the same seconds to the bit beside whatever others.

    Raises: ValueError where the workload has no operations.
    """
    samples = np.asarray(batch_sizes, dtype=np.float64)
    read_s = samples * sample_bytes / profile.storage_read_bytes_per_s
    mode = power_setting.setting(profile, setting.power_mode)
    if mode.clocks is not None:
        done = gpu_steps.work(kind, samples, workload, optimizer_states)
        return _gpu_step(done, profile, setting, mode, read_s)
    costs = costs_s(profile, setting.precision)
    pairs = _step_pairs(kind, workload, optimizer_states, recomputes(profile)) * costs[:, None]
    flops, moved = len(FLOP_TERMS), len(FLOP_TERMS) + len(BYTE_TERMS)
    parts = [pairs[part].sum(axis=0) for part in (slice(flops), slice(flops, moved), slice(moved, None))]
    compute_s, memory_s, overhead_s = (constant_s + samples * per_sample_s for constant_s, per_sample_s in parts)
    # Without an overhead per operation the profile's constant of a step stands in for all of them.
    step_s = 0.0 if profile.compute.operation_overhead_s else profile.step_overhead_s
    return StepCost(compute_s / setting.factor, memory_s, overhead_s + step_s, read_s)


def _gpu_step(
    done: GpuWork, profile: DeviceProfile, setting: StepSetting, mode: PowerSetting, read_s: FloatArray
) -> StepCost:
    """A step of a GPU at the clocks of a power mode."""
    assert mode.clocks is not None
    costs = gpu_steps.costs(profile, setting.precision)
    found = gpu_steps.times(done, costs, mode.clocks, setting.factor * mode.gpu_core_share)
    work_s = gpu_steps.times(done, costs, ClockShares(), setting.factor).gpu_s
    energy_j = gpu_steps.load_j(profile, mode.clocks, found.busy_s, work_s)
    load_s = None if energy_j is None else energy_j / (mode.load_w - profile.idle_w)
    return StepCost(found.arithmetic_s, found.gpu_s - found.arithmetic_s, found.busy_s - found.gpu_s, read_s, load_s)


def startup_cost(profile: DeviceProfile, power_mode: AnyMode = FULL_MODE) -> StepCost:
    """Start of a cold process: libraries and accelerator; 0 where the profile has no such time.

    Arrays are [1], or [K, 1] for K modes. A processor works on it alone: a GPU's device draws what it draws beside the
    GPU's work.
    """
    first, nothing = profile.compute.first_step_s, np.zeros(1)
    setting, law = power_setting.setting(profile, power_mode), power_setting.power_by_clocks(profile)
    start_s = np.array([first.value if first else 0.0])
    if setting.clocks is None:
        return StepCost(nothing, nothing, start_s, nothing)
    start_s = start_s / setting.overhead_speed
    if law is None:
        return StepCost(nothing, nothing, start_s, nothing)
    share = (law.floor_at_w(setting.clocks) - profile.idle_w) / (setting.load_w - profile.idle_w)
    return StepCost(nothing, nothing, start_s, nothing, start_s * share)


def step_features(
    kind: Pass, samples: FloatArray, workload: Workload, optimizer_states: int, recomputed: bool = False
) -> FloatArray:
    """[S, TERMS] parts of a whole step, the update included.

    Args:
        kind: as in `step_cost`.
        samples: [S] batch sizes.
        workload: with its operations.
        optimizer_states: as in `step_cost`.
        recomputed: True where the backward pass runs the forward pass again. The matrices of unrolled convolutions of
            that second pass serve the weights' gradients, so that they are not unrolled once more for those.

    Raises: ValueError where the workload has no operations.
    """
    return _at(samples, _step_pairs(kind, workload, optimizer_states, recomputed))


def _step_pairs(kind: Pass, workload: Workload, optimizer_states: int, recomputed: bool) -> FloatArray:
    """[TERMS, constant | per sample] of a whole step (`step_features`)."""
    operations = workload.train_operations if kind == "train" else workload.forward_operations
    if not len(operations.kinds):
        raise ValueError(f"the workload has no operations of a {kind} pass; count it with models.workload.count")
    found = _pairs(operations)
    if kind == "train":
        if recomputed:
            again = _pairs(workload.forward_operations)
            again[_TERM["unrolling"]] = 0.0
            found += again
        moved_bytes, count = update(workload, optimizer_states)
        found[_TERM["update"], 0] = moved_bytes
        found[_TERM["operation"], 0] += count
    return found


def features(operations: Operations, samples: FloatArray) -> FloatArray:
    """[S, TERMS] parts of one pass at S batch sizes."""
    return _at(samples, _pairs(operations))


def _at(samples: FloatArray, pairs: FloatArray) -> FloatArray:
    """[S, TERMS] of pairs [TERMS, constant | per sample] at S batch sizes."""
    return np.asarray(pairs[:, 0] + samples[:, None] * pairs[:, 1])


def _pairs(operations: Operations) -> FloatArray:
    """[TERMS, constant | per sample] parts of one pass."""
    count, flops, moved, pieces = (
        dict(zip(OPERATION_KINDS, part, strict=True)) for part in operations.by_kind.swapaxes(0, 1)
    )
    constant, per_sample = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    convolutions = (*_CONVOLUTIONS, "cramped_convolution")
    cramped = ("cramped_convolution", "cramped_depthwise")
    found = {kind: flops[kind] for kind in FLOP_TERMS}
    for kind, counted_as in _FLOPS_AS.items():
        found[counted_as] = found[counted_as] + flops[kind]
    found["activation"] = per_sample * sum(moved[kind] for kind in _ELEMENTWISE)
    found["operand"] = per_sample * sum(moved[kind] for kind in (*_PRODUCTS, *convolutions))
    found["weight"] = constant * sum(moved[kind] for kind in (*_ELEMENTWISE, *_PRODUCTS))
    found["convolution_weight"] = constant * sum(moved[kind] for kind in _CONVOLUTIONS)
    found["cramped_weight"] = constant * moved["cramped_convolution"]
    found["update"] = np.zeros(2)
    found["unrolling"] = moved["unrolling"]
    found["operation"] = np.asarray(sum(count[kind] for kind in (*_ELEMENTWISE, *_PRODUCTS)))
    found["convolution_operation"] = sum(count[kind] for kind in convolutions)
    found["channel"] = sum(pieces[kind] for kind in OPERATION_KINDS if kind not in cramped)
    found["cramped_channel"] = sum(pieces[kind] for kind in cramped)
    return np.array([found[term] for term in TERMS])


def update(workload: Workload, optimizer_states: int) -> tuple[float, float]:
    """Bytes that the optimiser's update moves, and its operations, tensor by tensor.

    Weight, gradient and every state are read, weight and states written. Plain SGD is one operation per tensor,
    and every state brings two: its decay and what is added to it.
    """
    moved = workload.parameter_bytes * (UPDATE_TOUCHES + 2 * optimizer_states)
    return float(moved), float(workload.parameter_tensors * (1 + 2 * optimizer_states))


def moved_bytes(workload: Workload, batch_size: int, optimizer_states: int, profile: DeviceProfile) -> float:
    """Bytes that one training step reads and writes in a device's working memory."""
    if power_setting.computes_on_gpu(profile):
        return float(
            gpu_steps.work("train", np.array([float(batch_size)]), workload, optimizer_states).moved_bytes.sum()
        )
    found = step_features("train", np.array([float(batch_size)]), workload, optimizer_states, recomputes(profile))[0]
    if profile.memory.unrolling_efficiency is None:
        found[_TERM["unrolling"]] = 0.0
    return float(sum(found[_TERM[name]] for name in BYTE_TERMS))


def recomputes(profile: DeviceProfile) -> bool:
    """True where the device's framework runs the forward pass again within the backward pass."""
    given = profile.compute.recomputes_forward
    return given is not None and given.value


def costs_s(profile: DeviceProfile, precision: Literal["fp32", "bf16"]) -> FloatArray:
    """[TERMS] seconds per FLOP, per byte and per piece on a device.

    Where a profile gives no share, a wider one stands in for it. That is `training_utilisation` for arithmetic, and the
    bandwidth that training can reach for activations and weights; these stand in for their special cases. Unrolling
    and overheads that a profile does not give cost nothing.
    """
    compute, memory = profile.compute, profile.memory
    peak = compute.peak_fp32_flops_per_s.value
    if precision == "bf16" and compute.peak_bf16_flops_per_s is not None:
        peak = compute.peak_bf16_flops_per_s.value
    used = compute.training_utilisation
    costs = {name: 1 / (peak * (getattr(compute, f"{name}_efficiency") or used).value) for name in FLOP_TERMS}
    nominal = memory.bandwidth_bytes_per_s.value
    reached = 1 / profile.bandwidth_bytes_per_s
    wider = {
        "operand": "activation",
        "convolution_weight": "weight",
        "cramped_weight": "convolution_weight",
        "update": "weight",
    }
    for name in BYTE_TERMS:
        share = getattr(memory, f"{name}_efficiency")
        costs[name] = 1 / (share.value * nominal) if share else costs[wider[name]] if name in wider else reached
    if memory.unrolling_efficiency is None:
        costs["unrolling"] = 0.0
    wider = {"convolution_operation": "operation", "cramped_channel": "channel"}
    for name in COUNT_TERMS:
        overhead = getattr(compute, f"{name}_overhead_s")
        costs[name] = overhead.value if overhead else costs[wider[name]] if name in wider else 0.0
    return np.array([costs[name] for name in TERMS])
