"""Fields of a device profile. `hardware.loading` reads and checks the files.

A field that is added here is read, checked, and part of the JSON Schema; its unit is in its name.
"""

from __future__ import annotations

import functools
from typing import get_args, get_origin

from pydantic.dataclasses import dataclass

from edgesim.config.checked_dataclass import field_types
from edgesim.hardware.conditions import FULL_MODE
from edgesim.hardware.power_modes import Clocks, PowerMode
from edgesim.hardware.quantity import (
    NOMINAL_SHARE,
    STRICT,
    Activity,
    Bandwidth,
    Capacity,
    ContextSize,
    ConvolutionShare,
    DeviceClass,
    HalfPeak,
    IntegerPeak,
    LinkSpeed,
    MemorySize,
    OperationOverhead,
    Overhead,
    PartWatts,
    Peak,
    Quantity,
    Scope,
    Share,
    StartUp,
    StorageSize,
    StorageSpeed,
    Switch,
    Throttled,
    TimeConstant,
    Utilisation,
    Watts,
    Words,
)


@dataclass(frozen=True, config=STRICT)
class Compute:
    """Arithmetic: nominal peaks, and the share of the FP32 peak that training sustains."""

    peak_fp32_flops_per_s: Peak
    """nominal peak in FP32: cores x clock x FLOP per cycle, multiply-add = 2"""
    training_utilisation: Utilisation
    """FLOP/s that training achieves over the FP32 peak (u of the closed form, time = FLOPs / (peak x u))"""
    step_overhead_s: Overhead
    """constant time of one training step, whatever its size: interpreter, kernel launches, copies"""
    peak_fp16_flops_per_s: HalfPeak | None = None
    """nominal peak in FP16, 1 to 16 times the FP32 peak; not used by the price of a step"""
    peak_bf16_flops_per_s: HalfPeak | None = None
    """nominal peak in bf16; only where the arithmetic units take it: training in bf16 elsewhere is priced as FP32"""
    peak_int8_ops_per_s: IntegerPeak | None = None
    """nominal peak in INT8 of the units that can train or score, multiply-add = 2; not used by the price of a step"""
    convolution_efficiency: ConvolutionShare | None = None
    """achieved over peak FP32 FLOP/s in convolutions larger than 1x1, beside their memory traffic (`cost.steps`).
    Where this or another share is missing, `training_utilisation` stands in for it"""
    pointwise_efficiency: Share | None = None
    """achieved over peak FP32 FLOP/s in 1x1 convolutions"""
    depthwise_efficiency: Share | None = None
    """achieved over peak FP32 FLOP/s in convolutions with one group per channel"""
    matmul_efficiency: Share | None = None
    """achieved over peak FP32 FLOP/s in matrix products and attention"""
    operation_overhead_s: OperationOverhead | None = None
    """constant time of one operation, whatever its size: interpreter, dispatch, kernel launch; missing:
    `step_overhead_s` stands in for those of all operations of a step"""
    convolution_operation_overhead_s: OperationOverhead | None = None
    """constant time of one convolution; missing: as of any operation"""
    channel_overhead_s: OperationOverhead | None = None
    """constant time of one sample's one group in a convolution in groups; 0 where kernels take all of them at once"""
    cramped_channel_overhead_s: OperationOverhead | None = None
    """constant time of one sample's one group where the kernel is larger than the images; missing: as elsewhere"""
    kernel_overhead_s: OperationOverhead | None = None
    """constant time of one kernel on a GPU at its highest clock, whatever its size; missing: 0. `operation_overhead_s`
    is then the processor's time to dispatch it, which overlaps with the GPU's work (`cost.gpu_steps`)"""
    recomputes_forward: Switch | None = None
    """the framework runs the forward pass again within the backward pass; missing: it does not"""
    first_step_s: StartUp | None = None
    """time that the first step of a job takes beyond the others: loading libraries, starting the GPU"""


@dataclass(frozen=True, config=STRICT)
class Memory:
    """Working memory (shared with the GPU on phones and Jetsons)."""

    size_bytes: MemorySize
    """size of the working memory; training may take 80 %"""
    bandwidth_bytes_per_s: Bandwidth
    """nominal bandwidth: bus width x transfer rate"""
    context_bytes: ContextSize | None = None
    """memory of a process on the GPU beside its tensors: CUDA's context, kernels of the framework, cuBLAS and cuDNN.
    Part of the peak memory; missing: 0"""
    achieved_bandwidth_bytes_per_s: Bandwidth | None = None
    """bandwidth that a copy in memory reaches; missing: half of the nominal one"""
    activation_efficiency: Share | None = None
    """achieved over nominal bandwidth for data that grow with the batch, beside the arithmetic (`cost.steps`); missing:
    that of a copy, or half of the nominal bandwidth"""
    operand_efficiency: Share | None = None
    """achieved over nominal bandwidth for operands of products and convolutions that grow with the batch; missing: as
    other activations"""
    matmul_operand_efficiency: Share | None = None
    """achieved over nominal bandwidth for operands of matrix products on a GPU; missing: as other operands"""
    weight_efficiency: Share | None = None
    """achieved over nominal bandwidth for data that do not grow with the batch: weights, gradients, the optimiser's
    update; missing: that of a copy, or half of the nominal bandwidth"""
    update_efficiency: Share | None = None
    """achieved over nominal bandwidth for the optimiser's update; missing: as weights"""
    convolution_weight_efficiency: Share | None = None
    """achieved over nominal bandwidth for weights and their gradients within convolutions; missing: as weights"""
    cramped_weight_efficiency: Share | None = None
    """achieved over nominal bandwidth for those of convolutions whose kernel is larger than the images; missing: as
    within other convolutions"""
    unrolling_efficiency: Share | None = None
    """achieved over nominal bandwidth for the matrices that convolutions larger than 1x1 are unrolled into (im2col);
    missing where the framework has convolutions of its own"""


@dataclass(frozen=True, config=STRICT)
class Storage:
    """Storage that holds the shard."""

    kind: Words
    """kind of storage, such as microSD, eMMC, UFS, SATA or NVMe; it bounds the speeds below"""
    size_bytes: StorageSize
    """size of the storage; the shard must fit"""
    read_bytes_per_s: StorageSpeed
    """speed of sequential reads"""
    write_bytes_per_s: StorageSpeed
    """speed of sequential writes"""


@dataclass(frozen=True, config=STRICT)
class Power:
    """Power of the part that `scope` names."""

    idle_w: Watts
    """power with nothing to do"""
    max_w: Watts
    """power under full load: the constant power P of the closed form"""
    modes: tuple[PowerMode, ...] = ()
    """named settings beside the full one, which is always there, named `full`, and has the highest clocks"""
    memory_activity: Activity | None = None
    """power above idle while operations wait for memory, over that under full load in the same mode; missing: 1"""
    overhead_activity: Activity | None = None
    """power above idle while operations are dispatched and a job starts up, over that under full load in the same mode;
    missing: 1"""
    floor_w: PartWatts | None = None
    """power of a step at any clock, the p0 of a GPU's power by clocks (`cost.gpu_steps`); this and the next four are
    given together, and only beside `clocks`"""
    memory_clock_w: PartWatts | None = None
    """power that the highest memory clock adds to it; proportional to the clock (a)"""
    cpu_clock_w: PartWatts | None = None
    """power that the highest processor clock adds; proportional to its square (b)"""
    work_w: PartWatts | None = None
    """energy of the GPU's work at any GPU clock, per second that the work takes at the highest clocks (d)"""
    work_clock_w: PartWatts | None = None
    """energy that it takes besides at the highest GPU clock; proportional to the square of the clock (h)"""
    scope: Scope | None = None
    """part of the device that all watts of the profile are of; missing: not known"""


@dataclass(frozen=True, config=STRICT)
class Cooling:
    """Heating and throttling of a device. A device whose full speed lasts (fan, small power) has no such section."""

    time_constant_s: TimeConstant
    """time constant of the temperature's first-order answer to a step of power"""
    throttled_factor: Throttled
    """speed that lasts under full load over full speed, in (0, 1]; 1 = never throttles"""


@dataclass(frozen=True, config=STRICT)
class Battery:
    """A battery, full."""

    capacity_j: Capacity
    """energy of the full battery"""


@dataclass(frozen=True, config=STRICT)
class Link:
    """The network that a device sends kept samples by. It has no part in the price of a trial."""

    up_bytes_per_s: LinkSpeed
    """speed of sending"""
    down_bytes_per_s: LinkSpeed | None = None
    """speed of receiving; not used yet"""


@dataclass(frozen=True, config=STRICT)
class DeviceProfile:
    """One real device. The properties give the plain floats that the cost model computes with."""

    name: str
    """name of the profile: lower-case words joined by hyphens; left out: the file's name"""
    title: Words
    """full name of the device, as its maker gives it"""
    device_class: DeviceClass
    """kind of device, whose ranges its numbers are held to"""
    processor: Words
    """processor, and GPU where one computes"""
    compute: Compute
    """peaks, the share of them that training reaches, and constant times"""
    memory: Memory
    """working memory and its bandwidth"""
    storage: Storage
    """storage that holds the shard"""
    power: Power
    """power, idle and under load, and power modes"""
    clocks: Clocks | None = None
    """clocks that a GPU device can be set to; left out: not known, so that only its power modes can be chosen"""
    cooling: Cooling | None = None
    """heating and throttling; left out: its full speed lasts"""
    battery: Battery | None = None
    """battery; left out: mains only"""
    link: Link | None = None
    """network link; left out: not known, so uploads have no time"""
    software: Words | None = None
    """framework that trains on the device, which the coefficients and overheads belong to; missing: not known"""
    note: Words | None = None
    """remarks for users of the profile, such as the reason that it has no cooling or modes; not inherited"""

    @property
    def throughput_flops_per_s(self) -> float:
        """φ of the closed form: FP32 peak times training utilisation."""
        return self.compute.peak_fp32_flops_per_s.value * self.compute.training_utilisation.value

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Memory bandwidth that training can reach: the measured copy where there is one, else half of the peak."""
        achieved = self.memory.achieved_bandwidth_bytes_per_s
        return achieved.value if achieved else NOMINAL_SHARE * self.memory.bandwidth_bytes_per_s.value

    @property
    def step_overhead_s(self) -> float:
        """Constant time of one training step."""
        return self.compute.step_overhead_s.value

    @property
    def power_w(self) -> float:
        """P of the closed form: the constant operating power, which is the device's maximum."""
        return self.power.max_w.value

    @property
    def idle_w(self) -> float:
        """Power with nothing to do."""
        return self.power.idle_w.value

    @property
    def mode_names(self) -> list[str]:
        """Names of the power modes, the full one first."""
        return [FULL_MODE, *(mode.name for mode in self.power.modes)]

    @property
    def memory_bytes(self) -> float:
        """Size of the working memory."""
        return self.memory.size_bytes.value

    @property
    def storage_bytes(self) -> float:
        """Size of the storage."""
        return self.storage.size_bytes.value

    @property
    def storage_read_bytes_per_s(self) -> float:
        """Sequential read speed of the storage."""
        return self.storage.read_bytes_per_s.value

    @property
    def battery_j(self) -> float | None:
        """Energy of the full battery; None for a device on mains."""
        return self.battery.capacity_j.value if self.battery else None


@functools.cache  # asked for every section of every profile
def quantities(section: type) -> frozenset[str]:
    """Names of the fields of a section that hold a Quantity (all do but words like a storage's `kind`)."""
    hints = field_types(section).items()
    return frozenset(name for name, hint in hints if any(get_origin(h) is Quantity for h in (hint, *get_args(hint))))
