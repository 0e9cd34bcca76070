"""Time and energy of a step on a GPU that a processor feeds, at any clocks.

Three things share a step. The processor dispatches kernels; the GPU computes; memory moves operands. Each follows its
own clock. Kernel by kernel the GPU takes about the larger of arithmetic and memory: both parts of a kind of operation
are joined by a cubic norm, (x³ + y³)^(1/3), the roofline with a rounded corner. A kernel takes a constant number of GPU
cycles besides. Dispatch runs ahead of the GPU, so that a step takes the larger of the two, and a small share of the
dispatch beside it, when the GPU has nothing to do yet:

    gpu_s  = Σ_kinds ((F_k/(φ_k·g))³ + (B_k/(β_k·e))³)^(1/3) + kernels·κ/g
    busy_s = max(gpu_s, (1 − ν)·dispatch_s) + ν·dispatch_s,   dispatch_s = operations·δ/c

with g, e and c the clocks of GPU, memory and processor over their highest.

Power is a floor that rises with the clocks of memory and processor, and a part for the work that the GPU does. The
energy of the work depends on the clock that it is done at, by the voltage, and not on how long it takes:

    energy = (p0 + a·e + b·c²)·busy_s + (d + h·g²)·(gpu_s at the highest clocks)

Form and errors: reports/calibration.md, from 6,744 steps measured at every combination of three clocks (BoFL,
Middleware 2022) and others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgesim.hardware.power_setting import ClockShares, power_by_clocks
from edgesim.hardware.profile import DeviceProfile
from edgesim.work import OPERATION_KINDS, PROCESSOR_KINDS, FloatArray, Operations, Workload

KINDS = ("convolution", "pointwise", "depthwise", "matmul", "elementwise", "update", "recurrent")
"""kinds of kernels with costs of their own. `update` is the optimiser's; `recurrent` a cell of a recurrent layer, which
one library call runs for all time steps"""
EXPONENT = 3
"""of the norm that joins arithmetic and memory; 2 to 5 fit about equally well"""
UNHIDDEN = 0.05
"""ν: share of the dispatch that the GPU's work cannot hide; 0.03 to 0.09 on the four measured pairs"""
UPDATE_TOUCHES = (3, 8, 22)
"""reads and writes of a weight's memory in one update, by the optimiser's states per weight. PyTorch's plain loop runs
a kernel per elementary operation: Adam decays two averages and adds to them, takes a root, divides, adds, divides"""
UPDATE_KERNELS = (1, 3, 10)
"""kernels of one tensor's update, by the optimiser's states per weight"""

_KIND_OF = {"cramped_convolution": "convolution", "cramped_depthwise": "depthwise"}


@dataclass(frozen=True)
class GpuWork:
    """Work of one step at many batch sizes; arrays [..., KINDS]."""

    flops: FloatArray
    moved_bytes: FloatArray
    kernels: FloatArray


@dataclass(frozen=True)
class GpuCosts:
    """Costs of work at the highest clocks; arrays [KINDS]."""

    flop_s: FloatArray
    byte_s: FloatArray
    kernel_s: FloatArray
    """κ: constant time of a kernel on the GPU"""
    dispatch_s: FloatArray
    """δ: time of the processor to dispatch one"""
    step_s: float = 0.0
    """time of the processor to dispatch a whole step, where no δ is known"""


@dataclass(frozen=True)
class GpuTimes:
    """Seconds of a step; arrays of the common shape of work and clocks."""

    arithmetic_s: FloatArray
    """of the GPU, were memory infinitely fast"""
    gpu_s: FloatArray
    dispatch_s: FloatArray

    @property
    def busy_s(self) -> FloatArray:
        """The whole step, but for reading its samples."""
        return np.maximum(self.gpu_s, (1 - UNHIDDEN) * self.dispatch_s) + UNHIDDEN * self.dispatch_s


def work(kind: str, samples: FloatArray, workload: Workload, optimizer_states: int) -> GpuWork:
    """The kernels of one step.

    Args:
        kind: "train" for forward, backward and update, "forward" for a forward pass.
        samples: batch sizes, of any shape.
        workload: with the operations of its passes.
        optimizer_states: numbers kept per weight by the optimiser, 0 to 2.

    Raises: ValueError where the workload has no operations.
    """
    operations = workload.train_operations if kind == "train" else workload.forward_operations
    if not len(operations.kinds):
        raise ValueError(f"the workload has no operations of a {kind} pass; count it with models.workload.count")
    count, flops, moved = (_by_kind(operations, part) for part in (0, 1, 2))
    if kind == "train":
        states = min(optimizer_states, len(UPDATE_TOUCHES) - 1)
        update = KINDS.index("update")
        moved[update, 0] = workload.parameter_bytes * UPDATE_TOUCHES[states]
        count[update, 0] = workload.parameter_tensors * UPDATE_KERNELS[states]
    return GpuWork(*(pair[:, 0] + np.asarray(samples)[..., None] * pair[:, 1] for pair in (flops, moved, count)))


def _by_kind(operations: Operations, part: int) -> FloatArray:
    """[KINDS, constant | per sample] of one part of `Operations.by_kind`.

    A GPU unrolls nothing in its memory, and runs no operations of processors.
    """
    found = np.zeros((len(KINDS), 2))
    for place, name in enumerate(OPERATION_KINDS):
        if name != "unrolling" and name not in PROCESSOR_KINDS:
            found[KINDS.index(_KIND_OF.get(name, name))] += operations.by_kind[place, part]
    return found


def times(done: GpuWork, costs: GpuCosts, clocks: ClockShares, factor: FloatArray | float = 1.0) -> GpuTimes:
    """Seconds of steps at some clocks.

    Args:
        done: S steps, arrays [..., KINDS].
        costs: of the device.
        clocks: shares of the highest clocks, numbers, or arrays that broadcast with those of `done` but for KINDS.
        factor: of the arithmetic's speed over the device's, likewise.
    """
    gpu, memory, cpu = (np.asarray(part)[..., None] for part in (clocks.gpu, clocks.memory, clocks.cpu))
    arithmetic = done.flops * costs.flop_s / (gpu * np.asarray(factor)[..., None])
    moving = done.moved_bytes * costs.byte_s / memory
    kernels = np.cbrt(arithmetic**EXPONENT + moving**EXPONENT) + done.kernels * costs.kernel_s / gpu
    dispatch = done.kernels * costs.dispatch_s / cpu
    arithmetic_s, gpu_s, dispatch_s = (part.sum(axis=-1) for part in np.broadcast_arrays(arithmetic, kernels, dispatch))
    return GpuTimes(arithmetic_s, gpu_s, dispatch_s + costs.step_s / cpu[..., 0])


def costs(profile: DeviceProfile, precision: str = "fp32") -> GpuCosts:
    """The costs of a device's GPU at its highest clocks.

    Where a profile gives no share, a wider one stands in for it: `training_utilisation` for arithmetic, the bandwidth
    that training can reach for bytes. Without an overhead per operation the constant of a step
    stands in for the dispatch of all of them.
    """
    compute, memory = profile.compute, profile.memory
    peak = compute.peak_fp32_flops_per_s.value
    if precision == "bf16" and compute.peak_bf16_flops_per_s is not None:
        peak = compute.peak_bf16_flops_per_s.value
    arithmetic = {name: 1 / (peak * _share(compute, name, compute.training_utilisation.value)) for name in KINDS[:4]}
    nominal = memory.bandwidth_bytes_per_s.value
    reached = profile.bandwidth_bytes_per_s / nominal
    activation = _share(memory, "activation", reached)
    operand = _share(memory, "operand", activation)
    shares = {
        **dict.fromkeys(("convolution", "pointwise", "depthwise"), operand),
        **dict.fromkeys(("matmul", "recurrent"), _share(memory, "matmul_operand", operand)),
        "elementwise": activation,
        "update": _share(memory, "update", _share(memory, "weight", reached)),
    }
    arithmetic["recurrent"] = arithmetic["matmul"]
    kernel_s = compute.kernel_overhead_s.value if compute.kernel_overhead_s else 0.0
    overhead = compute.operation_overhead_s
    return GpuCosts(
        np.array([arithmetic.get(name, 0.0) for name in KINDS]),
        np.array([1 / (shares[name] * nominal) for name in KINDS]),
        np.full(len(KINDS), kernel_s),
        np.full(len(KINDS), overhead.value if overhead else 0.0),
        0.0 if overhead and overhead.value else profile.step_overhead_s,
    )


def _share(section: object, name: str, otherwise: float) -> float:
    given = getattr(section, f"{name}_efficiency", None)
    return float(given.value) if given is not None else otherwise


def load_j(profile: DeviceProfile, clocks: ClockShares, busy_s: FloatArray, work_s: FloatArray) -> FloatArray | None:
    """Energy above idle of GPU steps; None where the profile has no power by clocks.

    Args:
        profile: the device.
        clocks: of the steps.
        busy_s: how long they take.
        work_s: the GPU's part of them at the highest clocks.
    """
    law = power_by_clocks(profile)
    if law is None:
        return None
    return np.asarray((law.floor_at_w(clocks) - profile.idle_w) * busy_s + law.work_at_w(clocks) * work_s)
