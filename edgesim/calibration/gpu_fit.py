"""Fit of the costs of `cost.gpu_steps` to steps measured at many clocks: least squares on relative error, with priors.

Costs are taken as multiples of what a device would reach at its peak and nominal bandwidth, and per-kernel times as
clock cycles, so that devices of different size can be compared. Their logarithms are m + o + s + r: of all devices (m),
an offset that the data sheets of one device give (o), a shift of one device that all costs of the same part (GPU,
memory, processor) share (s), and the rest of each (r). A GPU whose measured networks all run better than elsewhere is
so predicted to run unseen ones better, too. Priors on m are in PRIORS; shifts and rests are normal with SHIFT and REST.

Offsets: a multiprocessor of 64 FP32 lanes has the schedulers, registers, load/store units and shared memory of one of
128. Kernels that are not bound by multiply-adds run per multiprocessor. So its GPU costs, in times at peak and in
cycles, are taken as half; none falls below its least. Dispatch takes fewer cycles where a core does more per cycle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from edgesim.cost.gpu_steps import EXPONENT, KINDS, UNHIDDEN, GpuCosts, GpuWork
from edgesim.hardware.power_setting import ClockShares
from edgesim.work import FloatArray


@dataclass(frozen=True)
class Cost:
    """One fitted cost: its prior over all devices, and the part of a device that it belongs to."""

    name: str
    part: int
    """GPU, memory or processor"""
    typical: float
    spread: float
    """standard deviation of its logarithm over frameworks and generations"""
    least: float
    """no cost is lower"""


GPU, MEMORY, PROCESSOR = range(3)
MOST_LANES = 128
"""FP32 lanes of the multiprocessors that PRIORS are of"""
PRIORS = (
    # Multiples of the time at nominal peak. Libraries compute 3x3 convolutions with 2.25 times fewer multiplications
    # where that pays (Winograd), so that these may pass the peak.
    Cost("convolution", GPU, 1.2, 0.5, 0.45),
    Cost("pointwise", GPU, 2.2, 0.5, 1.0),
    Cost("depthwise", GPU, 6.0, 0.7, 1.0),
    Cost("matmul", GPU, 1.5, 0.3, 1.0),
    # Multiples of the time at nominal bandwidth. Convolutions read their operands several times.
    Cost("convolution_operand", MEMORY, 4.0, 0.3, 1.0),
    Cost("matmul_operand", MEMORY, 1.5, 0.3, 1.0),
    Cost("elementwise", MEMORY, 1.4, 0.25, 1.0),
    Cost("update", MEMORY, 1.25, 0.15, 1.0),
    # Clock cycles. A product of 64 x 64 takes 1.8e4 on a Nano and 1.2e4 on an AGX Xavier of half the lanes, beyond its
    # multiply-adds (gemm_dvfs.csv).
    Cost("kernel", GPU, 2e4, 0.3, 1e3),
    Cost("dispatch", PROCESSOR, 8e4, 0.7, 1e3),
    # Of one cell of a recurrent layer, run by the library: cycles, multiples of the weights' traffic, cycles.
    Cost("recurrent_kernel", GPU, 1e5, 1.5, 1e3),
    Cost("recurrent_operand", MEMORY, 8.0, 1.0, 1.0),
    Cost("recurrent_dispatch", PROCESSOR, 8e4, 1.0, 1e3),
)
NAMES = tuple(cost.name for cost in PRIORS)
FIELDS = {
    "convolution": "compute.convolution_efficiency",
    "pointwise": "compute.pointwise_efficiency",
    "depthwise": "compute.depthwise_efficiency",
    "matmul": "compute.matmul_efficiency",
    "kernel": "compute.kernel_overhead_s",
    "dispatch": "compute.operation_overhead_s",
    "convolution_operand": "memory.operand_efficiency",
    "matmul_operand": "memory.matmul_operand_efficiency",
    "elementwise": "memory.activation_efficiency",
    "update": "memory.update_efficiency",
}
"""fitted cost -> field of a profile"""
SHIFT = np.array([0.6, 0.2, 1.0])
"""standard deviations of the shifts: generations of GPUs and processors differ more than memories do, processors most,
whose software differs as well"""
REST = 0.15
SCATTER = 0.1
"""relative scatter of a measured step around the law"""
MANY_CLOCKS = 3.0
"""weight of a workload that was measured at many clocks, over one at a single setting, in standard deviations"""

_GOLDEN = (np.sqrt(5.0) - 1) / 2

_FLOP_COST = ("convolution", "pointwise", "depthwise", "matmul", None, None, "matmul")
_BYTE_COST = (*("convolution_operand",) * 3, "matmul_operand", "elementwise", "update", "recurrent_operand")
_KERNEL_COST = (*("kernel",) * 6, "recurrent_kernel")
_DISPATCH_COST = (*("dispatch",) * 6, "recurrent_dispatch")


@dataclass(frozen=True)
class GpuDevice:
    """Nominal numbers that costs are multiples of."""

    name: str
    peak_flops_per_s: float
    bandwidth_bytes_per_s: float
    gpu_hz: float
    cpu_hz: float
    lanes: int = MOST_LANES
    """FP32 lanes of one multiprocessor"""
    work_per_cycle: float = 1.0
    """of one processor core: its single-thread rating of 7-zip in MIPS, over its clock in MHz"""

    @property
    def offsets(self) -> FloatArray:
        """[NAMES] logarithms by which costs of such hardware differ from PRIORS."""
        of_part = (np.log(self.lanes / MOST_LANES), 0.0, -np.log(self.work_per_cycle))
        return np.array([of_part[cost.part] for cost in PRIORS])


@dataclass(frozen=True)
class MeasuredClocks:
    """One workload on one device, measured at M settings of its clocks."""

    device: GpuDevice
    workload: str
    work: GpuWork
    """of one step, arrays [1, KINDS]"""
    clocks: ClockShares
    """arrays [M]"""
    times_s: FloatArray
    """[M]"""
    dispatched: bool = True
    """False where the framework's dispatch is known to take no part"""

    def thinned(self, count: int) -> MeasuredClocks:
        """`count` of the settings; a fit needs no more.

        Settings are listed clock by clock. Multiples of the golden ratio meet every clock's steps about equally often.
        """
        size = len(self.times_s)
        if size <= count:
            return self
        chosen = np.sort(np.argsort((np.arange(1, size + 1) * _GOLDEN) % 1.0)[:count])
        parts = self.clocks.cpu, self.clocks.gpu, self.clocks.memory
        shares = ClockShares(*(np.asarray(part)[chosen] for part in parts))
        return MeasuredClocks(self.device, self.workload, self.work, shares, self.times_s[chosen], self.dispatched)


def costs(device: GpuDevice, logs: FloatArray) -> GpuCosts:
    """Costs of a device from fitted logarithms [NAMES]."""
    value = dict(zip(NAMES, np.exp(logs), strict=True))
    return GpuCosts(
        np.array([value[name] / device.peak_flops_per_s if name else 0.0 for name in _FLOP_COST]),
        np.array([value[name] / device.bandwidth_bytes_per_s for name in _BYTE_COST]),
        np.array([value[name] / device.gpu_hz for name in _KERNEL_COST]),
        np.array([value[name] / device.cpu_hz for name in _DISPATCH_COST]),
    )


@dataclass(frozen=True)
class GpuFit:
    """Fitted logarithms of costs."""

    devices: Mapping[str, FloatArray]
    """device -> [NAMES]"""
    typical: FloatArray
    """[NAMES] m of a device that was not measured, before its offsets and least costs"""

    def logs(self, device: GpuDevice) -> FloatArray:
        """[NAMES] of a device, measured or not."""
        measured = self.devices.get(device.name)
        return _bounded(self.typical + device.offsets)[0] if measured is None else measured

    def of(self, device: GpuDevice) -> GpuCosts:
        """Costs of a device, measured or not."""
        return costs(device, self.logs(device))


def fit(measured: Sequence[MeasuredClocks]) -> GpuFit:
    """Fit all devices at once.

    Args:
        measured: at least one workload of each device; those at many clocks should be `thinned`.
    """
    devices = {one.device.name: one.device for one in measured}
    problem = _Problem(tuple(measured), tuple(devices.values()))
    tries = [
        least_squares(problem.residuals, start, problem.jacobian, ftol=1e-4, xtol=1e-4, max_nfev=40)
        for start in problem.starts()
    ]
    found = min(tries, key=lambda one: float(one.cost)).x
    logs = problem.logs(found)[0]
    return GpuFit({name: logs[i] for i, name in enumerate(devices)}, found[: len(PRIORS)])


def predict(one: MeasuredClocks, costs: GpuCosts) -> FloatArray:
    """[M] seconds at the measured clocks."""
    return _law(one, costs)[0]


_LEAST = np.log([cost.least for cost in PRIORS])
_SHARP = 8.0


def _bounded(raw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Logarithms above their least ones, rounded where they meet, and the slope of that."""
    above = _SHARP * (raw - _LEAST)
    return _LEAST + np.logaddexp(0.0, above) / _SHARP, 1 / (1 + np.exp(-above))


def _law(one: MeasuredClocks, at: GpuCosts) -> tuple[FloatArray, FloatArray]:
    """[M] seconds, and [M, NAMES] their derivatives by the logarithms of the costs."""
    cpu, gpu, memory = (np.asarray(part)[:, None] for part in (one.clocks.cpu, one.clocks.gpu, one.clocks.memory))
    arithmetic, moving = one.work.flops * at.flop_s / gpu, one.work.moved_bytes * at.byte_s / memory
    joined = np.cbrt(arithmetic**EXPONENT + moving**EXPONENT)
    kernel, dispatch = one.work.kernels * at.kernel_s / gpu, one.work.kernels * at.dispatch_s / cpu
    if not one.dispatched:
        dispatch = np.zeros_like(dispatch)
    gpu_s, dispatch_s = (joined + kernel).sum(axis=1), dispatch.sum(axis=1)
    hidden = gpu_s >= (1 - UNHIDDEN) * dispatch_s
    times_s = np.where(hidden, gpu_s + UNHIDDEN * dispatch_s, dispatch_s)
    square = np.where(joined > 0, joined, 1.0) ** (EXPONENT - 1)
    of_gpu, of_dispatch = hidden[:, None], np.where(hidden, UNHIDDEN, 1.0)[:, None]
    slopes = np.zeros((len(times_s), len(NAMES)))
    for k in range(len(KINDS)):
        for names, part in (
            (_FLOP_COST, of_gpu * arithmetic**EXPONENT / square),
            (_BYTE_COST, of_gpu * moving**EXPONENT / square),
            (_KERNEL_COST, of_gpu * kernel),
            (_DISPATCH_COST, of_dispatch * dispatch),
        ):
            if (name := names[k]) is not None:
                slopes[:, NAMES.index(name)] += part[:, k]
    return times_s, slopes


@dataclass(frozen=True)
class _Problem:
    """Unknowns: m [P], s [D, parts], r [D, P], one after another."""

    measured: tuple[MeasuredClocks, ...]
    devices: tuple[GpuDevice, ...]

    def starts(self) -> tuple[FloatArray, FloatArray]:
        """The means of the priors, and the same with slower dispatch.

        Dispatch that the GPU's work hides has next to no slope, so that one start may end in a lesser optimum.
        """
        mean = self.start()
        of_processor = np.array([cost.part == PROCESSOR for cost in PRIORS])
        return mean, mean + np.concatenate([of_processor, np.zeros(mean.size - len(PRIORS))])

    def start(self) -> FloatArray:
        typical = np.log([cost.typical for cost in PRIORS])
        return np.concatenate([typical, np.zeros(len(self.devices) * (len(SHIFT) + len(PRIORS)))])

    def logs(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """[D, P] logarithms of the costs and their slopes by the unknowns' sum."""
        count, devices = len(PRIORS), len(self.devices)
        shifts = at[count : count + devices * len(SHIFT)].reshape(devices, -1)
        rests = at[count + devices * len(SHIFT) :].reshape(devices, count)
        offsets = np.array([device.offsets for device in self.devices])
        return _bounded(at[:count] + offsets + shifts[:, [cost.part for cost in PRIORS]] + rests)

    def residuals(self, at: FloatArray) -> FloatArray:
        logs, _ = self.logs(at)
        found = []
        for one in self.measured:
            seconds = _law(one, costs(one.device, logs[self.devices.index(one.device)]))[0]
            found.append(np.log(seconds / one.times_s) * self._weight(one))
        return np.concatenate([*found, (at - self.start()) / self._spreads()])

    def jacobian(self, at: FloatArray) -> FloatArray:
        logs, slopes = self.logs(at)
        count, devices = len(PRIORS), len(self.devices)
        parts = np.array([cost.part for cost in PRIORS])
        rows = []
        for one in self.measured:
            d = self.devices.index(one.device)
            seconds, by_cost = _law(one, costs(one.device, logs[d]))
            by_sum = by_cost / seconds[:, None] * slopes[d] * self._weight(one)
            row = np.zeros((len(seconds), at.size))
            row[:, :count] = by_sum
            for part in range(len(SHIFT)):
                row[:, count + d * len(SHIFT) + part] = by_sum[:, parts == part].sum(axis=1)
            first = count + devices * len(SHIFT) + d * count
            row[:, first : first + count] = by_sum
            rows.append(row)
        return np.vstack([*rows, np.diag(1 / self._spreads())])

    def _weight(self, one: MeasuredClocks) -> float:
        many = MANY_CLOCKS if len(one.times_s) > 1 else 1.0
        return many / (SCATTER * np.sqrt(len(one.times_s)))

    def _spreads(self) -> FloatArray:
        devices = len(self.devices)
        own = [np.array([cost.spread for cost in PRIORS]), np.tile(SHIFT, devices)]
        return np.concatenate([*own, np.full(devices * len(PRIORS), REST)])
